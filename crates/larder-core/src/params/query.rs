//! Query strings.

use crate::json::{Json, Object};

/// The members of a query string (`a=1&a=2&b`): percent-decoded, `+` as a space, a repeated name is a list in its order.
///
/// A name without `=` is `null`, so that `b` is not `b=`. A value that does not decode (a bad escape, or no UTF-8)
/// is `{"raw": its text}`; with a name that does not decode the whole is `{"": {"query": the text}}`.
/// Empty pieces (`a=1&&b=2`) say nothing. `query` is what follows the `?`.
#[must_use]
pub fn query_members(query: &str) -> Object {
    let pairs: Option<Vec<_>> = query.split('&').filter(|piece| !piece.is_empty()).map(pair).collect();
    let Some(mut pairs) = pairs else { return undecodable(query) };
    // Stable: equal names keep their order.
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut members: Vec<(String, Json)> = Vec::with_capacity(pairs.len());
    for group in pairs.chunk_by(|(a, _), (b, _)| a == b) {
        members.push(match group {
            [single] => single.clone(),
            several => (several[0].0.clone(), Json::Array(several.iter().map(|(_, value)| value.clone()).collect())),
        });
    }
    members.into_iter().collect()
}

/// Name and value of one piece; `None` where the name does not decode.
fn pair(piece: &str) -> Option<(String, Json)> {
    let (name, value) = piece.split_once('=').map_or((piece, None), |(name, value)| (name, Some(value)));
    let value = value.map_or(Json::Null, |text| decode(text).map_or_else(|| raw("raw", text), Json::String));
    Some((decode(name)?, value))
}

/// No decoded value is an object, so that nothing else has this form.
fn raw(name: &str, text: &str) -> Json {
    Json::Object([(name, text)].into_iter().collect())
}

fn undecodable(query: &str) -> Object {
    [("", raw("query", query))].into_iter().collect()
}

/// Percent-decodes; `None` for an escape without two hex digits, and for bytes that are not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn members(query: &str) -> String {
        Json::Object(query_members(query)).to_string()
    }

    #[test]
    fn forms() {
        for (query, canonical) in [
            ("", "{}"),
            ("a=1", r#"{"a":"1"}"#),
            ("b=2&a=1", r#"{"a":"1","b":"2"}"#),
            ("a=2&b=x&a=1", r#"{"a":["2","1"],"b":"x"}"#),
            ("a", r#"{"a":null}"#),
            ("a=", r#"{"a":""}"#),
            ("a&a=", r#"{"a":[null,""]}"#),
            ("&a=1&&b=2&", r#"{"a":"1","b":"2"}"#),
            ("=v", r#"{"":"v"}"#),
            ("=", r#"{"":""}"#),
            ("a=b=c", r#"{"a":"b=c"}"#),
            ("q=a+b%2Bc%20d", r#"{"q":"a b+c d"}"#),
            ("%61=%C3%A9", r#"{"a":"é"}"#),
            ("q=%F0%9F%98%80", r#"{"q":"😀"}"#),
            ("q=%ff", r#"{"q":{"raw":"%ff"}}"#),
            ("q=%zz", r#"{"q":{"raw":"%zz"}}"#),
            ("q=%25zz", r#"{"q":"%zz"}"#),
            ("q=%4", r#"{"q":{"raw":"%4"}}"#),
            ("q=%ff&q=x", r#"{"q":[{"raw":"%ff"},"x"]}"#),
            ("%ff=1&b=2", r#"{"":{"query":"%ff=1&b=2"}}"#),
            ("=%ff", r#"{"":{"raw":"%ff"}}"#),
            ("%ff", r#"{"":{"query":"%ff"}}"#),
        ] {
            assert_eq!(members(query), canonical, "{query}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_is_stable(query in "[a-c=&%+0-9fé]{0,40}") {
            prop_assert_eq!(members(&query), members(&query));
        }

        /// Two encoders' spellings of the same pairs are one question; other pairs are another.
        #[test]
        fn encoding_is_undone(pairs in proptest::collection::vec((any::<String>(), any::<String>()), 0..5)) {
            let every = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
            let encode = |pair: &dyn Fn(&(String, String)) -> String| pairs.iter().map(pair).collect::<Vec<_>>().join("&");
            let upper = encode(&|(name, value)| format!("{}={}", every(name), every(value)));
            let values: Vec<_> = pairs.iter().map(|(_, value)| value.clone()).collect();
            let same_name = encode(&|(_, value)| format!("n={}", every(value)));
            prop_assert_eq!(members(&upper), members(&upper.to_lowercase()));
            if values.len() > 1 {
                let members = query_members(&same_name);
                prop_assert_eq!(members.get("n"), Some(&Json::from(values)));
            }
        }
    }
}
