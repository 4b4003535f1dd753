//! Places in a request, in one notation: `/model` (a member of the JSON body, a JSON pointer pattern), `?watch` (a query
//! parameter), `accept:` (a header), `{revision}` (a placeholder of the path).

use super::pointer::Pointer;
use crate::{Json, json::Object, secret};
use http::HeaderMap;
use std::fmt;

/// What the four notations are, for error messages.
pub(crate) const HINT: &str =
    "write `/member` for the JSON body, `?name` for the query, `name:` for a header, `{name}` for a placeholder";

/// Where something stands in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A member of the JSON body.
    Body(Pointer),
    /// A query parameter.
    Query(String),
    /// A request header, lower-case.
    Header(String),
    /// A placeholder of the path.
    Path(String),
}

/// A request, taken apart as far as the conditions need it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The members of the JSON body; `None` where there is none or it is no object.
    pub body: Option<&'a Object>,
    /// The query's members.
    pub query: &'a Object,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The path's placeholders.
    pub path: &'a Object,
}

impl Place {
    /// Reads a place. Errors are sentences.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with('/') {
            return Pointer::parse(text)
                .map(Self::Body)
                .map_err(|why| format!("`{text}` is not a JSON pointer: {why}"));
        }
        if let Some(name) = text.strip_prefix('?') {
            return credential_free(name, secret::is_credential_parameter(name)).map(Self::Query);
        }
        if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            return Ok(Self::Path(name.to_owned()));
        }
        text.strip_suffix(':').map_or_else(|| Err(format!("`{text}` is not a place in a request")), header)
    }

    /// The values there, each as JSON; `null` counts as absent.
    pub(crate) fn values(&self, asked: &Asked<'_>) -> Vec<Json> {
        match self {
            Self::Body(pointer) => {
                let met = asked.body.map(|body| pointer.values(body)).unwrap_or_default();
                met.into_iter().filter(|value| **value != Json::Null).cloned().collect()
            }
            Self::Query(name) => elements(asked.query.get(name)),
            Self::Path(name) => elements(asked.path.get(name)),
            Self::Header(name) => header_text(asked.headers, name).map(Json::String).into_iter().collect(),
        }
    }
}

fn credential_free(name: &str, credential: bool) -> Result<String, String> {
    if credential {
        return Err(format!("`{name}` is a credential: its value cannot be looked at"));
    }
    Ok(name.to_owned())
}

fn header(name: &str) -> Result<Place, String> {
    header_name(name).and_then(|name| credential_free(&name, secret::is_credential_header(&name))).map(Place::Header)
}

/// A header's name, checked: lower-case, RFC 9110 token.
pub(crate) fn header_name(name: &str) -> Result<String, String> {
    let valid = http::HeaderName::from_bytes(name.as_bytes()).is_ok_and(|known| known.as_str() == name);
    if valid { Ok(name.to_owned()) } else { Err(format!("`{name}` is not a header's name in lower case")) }
}

fn elements(value: Option<&Json>) -> Vec<Json> {
    match value {
        None => Vec::new(),
        Some(Json::Array(items)) => items.clone(),
        Some(value) => vec![value.clone()],
    }
}

/// All of a header's lines, joined with `, ` (RFC 9110 §5.3). `None`: absent. Bytes that are no text stand as U+FFFD.
pub(crate) fn header_text(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines: Vec<_> =
        headers.get_all(name).iter().map(|line| String::from_utf8_lossy(line.as_bytes()).trim().to_owned()).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(pointer) => write!(f, "body `{}`", pointer.as_str()),
            Self::Query(name) => write!(f, "query `{name}`"),
            Self::Header(name) => write!(f, "header `{name}`"),
            Self::Path(name) => write!(f, "path `{name}`"),
        }
    }
}
