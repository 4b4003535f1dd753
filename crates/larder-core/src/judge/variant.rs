//! The variant: what chooses the form of an answer and is not in its key.

use crate::{
    Json, Variant,
    adapter::{Http, place::header_text},
};
use http::HeaderMap;

/// Collects the pieces of a variant's text.
///
/// A member is its name, and unless its value is `true`, `=` and the value as canonical JSON; a query parameter's name begins
/// with `?`; a header is its name, `:` and the value as a JSON string. `;` separates, pieces are sorted. Names hold none
/// of these characters and JSON strings are quoted, so that two variants never have one text.
#[derive(Debug, Default)]
pub(super) struct Pieces(Vec<String>);

impl Pieces {
    /// A member of the body. `false` and `null` choose what absence chooses.
    pub(super) fn member(&mut self, name: &str, value: &Json) {
        match value {
            Json::Null | Json::Bool(false) => {}
            Json::Bool(true) => self.0.push(name.to_owned()),
            value => self.0.push(format!("{name}={}", text(value))),
        }
    }

    /// A query parameter.
    pub(super) fn query(&mut self, name: &str, value: &Json) {
        self.0.push(format!("?{name}={}", text(value)));
    }

    /// `Accept`, unless it asks for what is given to whom accepts anything; and the headers that the adapter names.
    pub(super) fn headers(&mut self, http: &Http, headers: &HeaderMap) {
        let accept = header_text(headers, "accept").filter(|value| !is_default(value, http.default_type.as_deref()));
        let named = http.vary.iter().filter(|name| *name != "accept");
        let values = named.map(|name| (name.as_str(), header_text(headers, name)));
        for (name, value) in std::iter::once(("accept", accept)).chain(values) {
            if let Some(value) = value {
                self.0.push(format!("{name}:{}", text(&Json::String(value))));
            }
        }
    }

    /// The variant.
    pub(super) fn finish(mut self) -> Variant {
        self.0.sort();
        Variant(self.0.join(";"))
    }
}

fn text(value: &Json) -> String {
    String::from_utf8_lossy(&value.canonical()).into_owned()
}

/// Whether an `Accept` value gets what no `Accept` gets: it lists only `*/*`, the default type and its `type/*`, without
/// parameters (a quality could turn the order round).
fn is_default(accept: &str, default: Option<&str>) -> bool {
    let family = default.and_then(|known| known.split_once('/')).map(|(family, _)| format!("{family}/*"));
    accept
        .split(',')
        .map(|range| range.trim().to_ascii_lowercase())
        .all(|range| range == "*/*" || Some(range.as_str()) == default || Some(&range) == family.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_accept() {
        let json = Some("application/json");
        for accept in ["*/*", "application/json", "application/json, */*", "Application/JSON", "application/*"] {
            assert!(is_default(accept, json), "{accept}");
        }
        for accept in ["text/html", "application/json;as=Table", "application/json, text/event-stream", "*/*;q=0.1", ""]
        {
            assert!(!is_default(accept, json), "{accept}");
        }
        assert!(is_default("*/*", None));
        assert!(!is_default("application/json", None));
    }

    #[test]
    fn texts() {
        let mut pieces = Pieces::default();
        pieces.member("stream", &Json::Bool(true));
        pieces.member("absent", &Json::Null);
        pieces.member("off", &Json::Bool(false));
        pieces.member("options", &Json::parse(br#"{"b":1,"a":"x;y"}"#).unwrap());
        pieces.query("alt", &Json::from("sse"));
        assert_eq!(pieces.finish().0, r#"?alt="sse";options={"a":"x;y","b":1};stream"#);
    }
}
