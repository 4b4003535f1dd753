//! Which headers stay on their hop, and which ask for less than the whole answer.

use http::{HeaderMap, HeaderName, header};

/// Headers that belong to one connection (RFC 9110 §7.6.1), and the credentials for a proxy: that is us.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHORIZATION,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Takes away what must not be passed on: the list, what `Connection` names, and a `Content-Length` that a
/// `Transfer-Encoding` overrides (RFC 9112 §6.3).
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    // Mostly there is none, and one look at each name tells.
    if !headers.keys().any(|name| HOP_BY_HOP.contains(name)) {
        return;
    }
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    for name in named_by_connection(headers) {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let names = values.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok());
    // The length frames the body: a client that names it must not change what we believe of it.
    names.filter(|name| *name != header::CONTENT_LENGTH && *name != header::HOST).collect()
}

/// Whether a request wants a part of the answer, or one under a condition that only the origin can judge: the store
/// answers neither yet.
pub(super) fn is_partial(headers: &HeaderMap) -> bool {
    [header::RANGE, header::IF_RANGE, header::IF_MATCH, header::IF_UNMODIFIED_SINCE]
        .iter()
        .any(|name| headers.contains_key(name))
}

/// Takes away the client's own validators and wishes for the origin's hop: a flight's answer must be whole for all who
/// wait for it.
pub(super) fn prepare_for_flight(headers: &mut HeaderMap) {
    for name in [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::EXPECT] {
        headers.remove(name);
    }
    headers.insert(header::ACCEPT_ENCODING, header::HeaderValue::from_static("identity"));
}

/// Whether the client has this very answer already (RFC 9110 §13.1.2, weak comparison; §13.1.3 by equality, which is
/// how caches send it back).
pub(super) fn is_not_modified(request: &HeaderMap, answer: &HeaderMap) -> bool {
    if request.contains_key(header::IF_NONE_MATCH) {
        let Some(etag) = answer.get(header::ETAG).and_then(|etag| etag.to_str().ok()) else { return false };
        let values = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        return values.flat_map(|value| value.split(',')).any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag));
    }
    let since = request.get(header::IF_MODIFIED_SINCE);
    since.is_some() && since == answer.get(header::LAST_MODIFIED)
}

fn opaque(tag: &str) -> &str {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    fn names(pairs: &[(&'static str, &str)]) -> Vec<String> {
        let mut headers = map(pairs);
        remove_hop_by_hop(&mut headers);
        headers.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn hop_by_hop_headers_go() {
        let kept = names(&[
            ("connection", "close, X-Hop , content-length"),
            ("connection", "x-hop-2"),
            ("x-hop", "1"),
            ("x-hop-2", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Basic eA=="),
            ("proxy-connection", "close"),
            ("content-length", "3"),
            ("authorization", "Bearer x"),
        ]);
        assert_eq!(kept, ["content-length", "authorization"]);
    }

    #[test]
    fn transfer_encoding_beats_content_length() {
        assert_eq!(names(&[("content-length", "3"), ("transfer-encoding", "chunked"), ("a", "b")]), ["a"]);
    }

    #[test]
    fn what_the_client_has() {
        let answer = map(&[("etag", "W/\"a\""), ("last-modified", "then")]);
        for (request, expected) in [
            (&[("if-none-match", "\"a\"")][..], true),
            (&[("if-none-match", "\"b\", W/\"a\"")], true),
            (&[("if-none-match", "*")], true),
            (&[("if-none-match", "\"b\"")], false),
            (&[("if-none-match", "\"b\""), ("if-modified-since", "then")], false),
            (&[("if-modified-since", "then")], true),
            (&[("if-modified-since", "later")], false),
            (&[], false),
        ] {
            assert_eq!(is_not_modified(&map(request), &answer), expected, "{request:?}");
        }
        assert!(!is_not_modified(&map(&[("if-none-match", "\"a\"")]), &HeaderMap::new()));
    }
}
