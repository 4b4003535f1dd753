//! Whose request it is.

use super::{Context, Ignored};
use crate::{
    Share, ShareChoice,
    adapter::{Http, Operation},
    json::{Json, Object},
    scan::{begins_with_scheme, holds_secret},
    secret::{Secret, credential_digest},
    share::CredentialDigest,
};
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// The credentials that a request carries, taken out of everything that is kept.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    pairs: Vec<(String, Secret)>,
    /// Every one of them is named by the adapter itself, so that its author has thought of what it decides.
    all_named: bool,
    /// The headers among them.
    pub(super) headers: Vec<HeaderName>,
}

impl Credentials {
    /// Takes the credentials out of `headers` and `query`.
    pub(super) fn take(http: &Http, headers: &mut HeaderMap, query: &mut Object, ignored: &mut Vec<Ignored>) -> Self {
        let mut found = Self { all_named: true, ..Self::default() };
        let mut note = |what: String| ignored.push(Ignored { what, rule: "credentials".to_owned() });
        let holds = |name: &HeaderName| http.is_credential_header(name.as_str()) || has_credential(headers, name);
        let names: Vec<_> = headers.keys().filter(|name| holds(name)).cloned().collect();
        for name in names {
            let values: Vec<_> = headers.get_all(&name).iter().map(|value| Secret::new(value.as_bytes())).collect();
            found.add(http, name.as_str(), values, name.as_str());
            headers.remove(&name);
            note(format!("header {name}"));
            found.headers.push(name);
        }
        let holds = |name: &str, value: &Json| http.is_credential_parameter(name) || holds_credential(value);
        let names: Vec<_> =
            query.iter().filter(|(name, value)| holds(name, value)).map(|(name, _)| name.to_owned()).collect();
        for name in names {
            // As JSON, so that the order of a list counts, and `?key` is not `?key=null`.
            let values = query.remove(&name).map(|value| Secret::new(value.canonical())).into_iter().collect();
            // `?token` is no header `token`: an origin may believe the one and not the other.
            found.add(http, &name, values, &format!("?{name}"));
            note(format!("query {name}"));
        }
        found
    }

    fn add(&mut self, http: &Http, name: &str, values: Vec<Secret>, digested: &str) {
        self.all_named &= http.names_credential(name);
        self.pairs.extend(values.into_iter().map(|value| (digested.to_owned(), value)));
    }

    /// Their digest; `None` where there are none.
    pub(super) fn digest(&self, context: &Context<'_>) -> Option<CredentialDigest> {
        (!self.pairs.is_empty()).then(|| credential_digest(context.secret, &self.pairs))
    }

    /// Who may be given the answer.
    pub(super) fn share(&self, operation: &Operation, choice: ShareChoice, digest: Option<&CredentialDigest>) -> Share {
        match digest {
            None => Share::Anonymous,
            Some(_) if choice == ShareChoice::Team && operation.team && self.all_named => Share::Team,
            Some(digest) => Share::Credential(digest.clone()),
        }
    }
}

/// Headers that say what is spoken: they hold no credential, and every request has them.
const PLAIN: [HeaderName; 7] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::HOST,
];

/// Whether a header holds a credential by what it says, whatever its name.
pub(super) fn has_credential(headers: &HeaderMap, name: &HeaderName) -> bool {
    let says = |value: &HeaderValue| {
        let text = String::from_utf8_lossy(value.as_bytes());
        begins_with_scheme(&text) || holds_secret(&text)
    };
    !PLAIN.contains(name) && headers.get_all(name).iter().any(says)
}

/// Whether a parameter is an address that holds a credential (`url=https://h/?token=…`) or has a token's form, or one of
/// several is; also where it could not be decoded.
pub(super) fn holds_credential(value: &Json) -> bool {
    match value {
        Json::String(text) => holds_secret(text),
        Json::Array(items) => items.iter().any(holds_credential),
        Json::Object(members) => members.iter().any(|(_, text)| holds_credential(text)),
        _ => false,
    }
}
