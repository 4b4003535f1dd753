//! What a body that holds no parameters contributes to the question.

use super::{media::is_json, multipart};
use crate::{
    cid::sha256,
    json::{Json, Object},
};
use data_encoding::HEXLOWER;

/// What a body that is not a JSON object contributes (question member `body`).
/// `content_type`: the request's, if any; `body`: the bytes, `None` when there were none.
///
/// No bytes are `null`. JSON is itself; an object and `null`, which could be taken for larder's own forms, are
/// `{"json": …}`. Multipart is `{"type": …, "parts": […]}`. Everything else, JSON and multipart that cannot be read
/// included, is `{"type": …, "sha256": hex}`.
#[must_use]
pub fn body_member(content_type: Option<&str>, body: Option<&[u8]>) -> Json {
    let Some(bytes) = body.filter(|bytes| !bytes.is_empty()) else { return Json::Null };
    read(content_type, bytes).unwrap_or_else(|| digest(content_type, &sha256(bytes)))
}

/// `body` member for a body too large to canonicalise: its type and digest, and nothing else, so that it does not
/// matter where the limit lies for a body that is neither JSON nor multipart.
#[must_use]
pub fn digest_member(content_type: Option<&str>, sha256: &[u8; 32], len: u64) -> Json {
    if len == 0 { Json::Null } else { digest(content_type, sha256) }
}

fn read(content_type: Option<&str>, bytes: &[u8]) -> Option<Json> {
    if !is_json(content_type) {
        return multipart::member(content_type?, bytes);
    }
    Some(match Json::parse(bytes).ok()? {
        value @ (Json::Null | Json::Object(_)) => Json::Object([("json", value)].into_iter().collect()),
        value => value,
    })
}

fn digest(content_type: Option<&str>, sha256: &[u8; 32]) -> Json {
    let members: Object =
        [("type", Json::from(content_type.map(type_text))), ("sha256", HEXLOWER.encode(sha256).into())]
            .into_iter()
            .collect();
    Json::Object(members)
}

/// The type as it enters the question: case and white space before the parameters say nothing (RFC 9110 §8.3.1), the
/// parameters stay as they are.
fn type_text(content_type: &str) -> String {
    let (essence, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let essence = essence.trim().to_ascii_lowercase();
    match parameters.trim() {
        "" => essence,
        parameters => format!("{essence};{parameters}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const JSON: Option<&str> = Some("application/json");

    fn member(content_type: Option<&str>, body: &str) -> String {
        body_member(content_type, Some(body.as_bytes())).to_string()
    }

    /// sha2-256 of `abc` (FIPS 180-4's example).
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn forms() {
        assert_eq!(body_member(JSON, None), Json::Null);
        assert_eq!(member(JSON, ""), "null");
        for (json, canonical) in [
            ("[1.0, 2]", "[1,2]"),
            ("\"text\"", "\"text\""),
            (" 7 ", "7"),
            ("null", r#"{"json":null}"#),
            ("{\"a\":1}", r#"{"json":{"a":1}}"#),
        ] {
            assert_eq!(member(JSON, json), canonical);
        }
        assert_eq!(member(None, "abc"), format!(r#"{{"sha256":"{ABC}","type":null}}"#));
        assert_eq!(member(JSON, "abc"), format!(r#"{{"sha256":"{ABC}","type":"application/json"}}"#));
        assert_eq!(
            member(Some("Text/Plain ; charset=X"), "abc"),
            format!(r#"{{"sha256":"{ABC}","type":"text/plain;charset=X"}}"#)
        );
    }

    #[test]
    fn a_digest_does_not_depend_on_who_made_it() {
        let large = digest_member(Some("text/plain"), &sha256(b"abc"), 3);
        assert_eq!(large, body_member(Some("text/plain"), Some(b"abc")));
        assert_eq!(digest_member(JSON, &sha256(b""), 0), Json::Null);
    }

    proptest! {
        #[test]
        fn never_panics(kind in "[a-z/;=\" +-]{0,30}", body in any::<Vec<u8>>()) {
            for kind in [Some(kind.as_str()), None, JSON, Some("multipart/form-data; boundary=a")] {
                let _ = body_member(kind, Some(&body));
            }
        }
    }
}
