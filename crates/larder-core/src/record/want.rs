//! What is looked up, and whether a record is it.

use super::{Record, Variant};
use crate::QueryKey;
use http::HeaderMap;

/// Which stored answer is wanted: the key, the form, and the request headers that `vary` is matched against.
#[derive(Clone, Debug)]
pub struct Want {
    /// The question's key.
    pub key: QueryKey,
    /// The form that the caller asked for.
    pub variant: Variant,
    /// The request's headers (empty for tools and library calls). Credentials are taken out.
    pub headers: HeaderMap,
}

impl Want {
    /// The plain form of `key`.
    #[must_use]
    pub fn plain(key: QueryKey) -> Self {
        Self { key, variant: Variant::default(), headers: HeaderMap::new() }
    }

    /// Whether `record` answers this want: same key, same variant, every `vary` header equal (RFC 9111 §4.1).
    /// A record that varies by `*` answers none.
    #[must_use]
    pub fn accepts(&self, record: &Record) -> bool {
        let same = |(name, value): &(String, Option<String>)| name != "*" && vary_value(&self.headers, name) == *value;
        self.key == record.key && self.variant == record.variant && record.vary.iter().all(same)
    }
}

/// The value of a request header as `vary` keeps and compares it: several lines joined by `, ` (RFC 9110 §5.3), each
/// byte the character with its number, so that two values are equal only if their bytes are. `None`: absent.
#[must_use]
pub fn vary_value(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut lines = headers.get_all(name).iter().map(|value| value.as_bytes());
    let first = lines.next()?.to_vec();
    let joined = lines.fold(first, |joined, line| [&joined, b", ".as_slice(), line].concat());
    Some(joined.into_iter().map(char::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;
    use http::{HeaderName, HeaderValue};

    type Line = (&'static str, &'static [u8]);

    fn headers(lines: &[Line]) -> HeaderMap {
        let line = |(name, value): &Line| (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
        let mut map = HeaderMap::new();
        for (name, value) in lines.iter().map(line) {
            map.append(name, value);
        }
        map
    }

    #[test]
    fn every_varying_header_must_be_equal() {
        let vary = |value: Option<&str>| vec![("accept".to_owned(), value.map(str::to_owned))];
        let cases: [(_, &[Line], _); 12] = [
            (vec![], &[], true),
            (vec![], &[("accept", b"a")], true),
            (vary(Some("a")), &[("accept", b"a")], true),
            (vary(Some("a")), &[("accept", b"b")], false),
            (vary(Some("a")), &[], false),
            (vary(None), &[], true),
            (vary(None), &[("accept", b"")], false),
            (vary(Some("a, b")), &[("accept", b"a"), ("accept", b"b")], true),
            (vary(Some("a, b")), &[("accept", b"b"), ("accept", b"a")], false),
            (vary(Some("\u{e9}")), &[("accept", b"\xe9")], true),
            (vary(Some("\u{fffd}")), &[("accept", b"\xe9")], false),
            (vec![("*".to_owned(), None)], &[], false),
        ];
        for (vary, lines, accepted) in cases {
            let record = Record { vary: vary.clone(), ..record() };
            let want = Want { headers: headers(lines), ..Want::plain(record.key) };
            assert_eq!(want.accepts(&record), accepted, "{vary:?} {lines:?}");
        }
    }

    #[test]
    fn another_key_or_form_is_not_accepted() {
        let record = record();
        assert!(Want::plain(record.key).accepts(&record));
        assert!(!Want::plain(QueryKey::of(b"another")).accepts(&record));
        assert!(!Want { variant: Variant("stream".to_owned()), ..Want::plain(record.key) }.accepts(&record));
    }
}
