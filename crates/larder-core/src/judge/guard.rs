//! Requests that are passed through whatever their operation: what they ask for is more than the answer that a key names.

use super::{BodyView, HttpRequest, PassReason};
use crate::{
    adapter::{place::header_text, route::Route},
    scan::{says_openly, token_in},
    secret::is_credential_path,
};
use http::HeaderMap;

/// Headers that ask for a part of the answer, or for an answer only under a condition on one that the client has
/// (RFC 9110 §13, §14). The cache asks its own conditional questions; a client's are the origin's to answer.
const CONDITIONS: [&str; 6] =
    ["range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"];

/// Headers that make some servers take another method than the request line's.
pub(super) const METHOD_STEERING: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// Headers that make some servers take another target.
pub(super) const PATH_STEERING: [&str; 2] = ["x-original-url", "x-rewrite-url"];

/// What `Connection` may name without changing what the origin is asked.
const HOPS: [&str; 8] = ["", "close", "keep-alive", "te", "trailer", "upgrade", "http2-settings", "proxy-connection"];

/// Why this request is passed through, if it is.
pub(super) fn check(request: &HttpRequest<'_>, route: &Route) -> Result<(), PassReason> {
    let excluded = |name: &str| Err(PassReason::Excluded(format!("header `{name}`")));
    if let Some(name) = CONDITIONS.into_iter().find(|name| request.headers.contains_key(*name)) {
        return excluded(name);
    }
    check_steering(request.headers)?;
    check_path(request.path)?;
    if wants_upgrade(request.headers) {
        return excluded("upgrade");
    }
    if differs(request.headers, "content-encoding", &["identity"]) {
        return excluded("content-encoding");
    }
    let has_body = !matches!(request.body, BodyView::None | BodyView::Bytes([]));
    if has_body && !route.has_body() {
        return Err(PassReason::Excluded(format!("a {} with a body", request.method)));
    }
    Ok(())
}

/// Whether the client is after another protocol. `h2c` and `TLS/1.2` (RFC 2817, which Apache's HttpClient asks for with each GET)
/// only carry the same question another way: an offer that every server may leave unanswered (RFC 9110 §7.8).
#[must_use]
pub fn wants_upgrade(headers: &HeaderMap) -> bool {
    let wishes = header_text(headers, "upgrade").unwrap_or_default().to_ascii_lowercase();
    let is_offer = |wish: &str| matches!(wish, "" | "h2c" | "tls") || wish.starts_with("tls/");
    !wishes.split(',').all(|wish| is_offer(wish.trim()))
}

/// Headers that make some servers answer another question than the request line asks.
fn steering() -> impl Iterator<Item = &'static str> {
    METHOD_STEERING.into_iter().chain(PATH_STEERING)
}

fn steered_by(headers: &HeaderMap) -> Option<&'static str> {
    steering().find(|name| headers.contains_key(*name))
}

/// Whether headers name another method or target than the request line.
#[must_use]
pub fn is_steered(headers: &HeaderMap) -> bool {
    steered_by(headers).is_some()
}

/// The headers that leave the request line alone.
pub(super) fn without_steering(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in steering() {
        headers.remove(name);
    }
    headers
}

/// Why headers make the origin answer something else than the request line asks, if they do: with an adapter or without.
pub(super) fn check_steering(headers: &HeaderMap) -> Result<(), PassReason> {
    let excluded = |name: &str| Err(PassReason::Excluded(format!("header `{name}`")));
    if let Some(name) = steered_by(headers) {
        return excluded(name);
    }
    // RFC 9110 §7.6.1: what `Connection` names ends at the next hop. A header that is in the key, and that the origin never
    // sees because it was named there, would put one question's answer under another's key.
    let hops = header_text(headers, "connection").unwrap_or_default().to_ascii_lowercase();
    if !hops.split(',').all(|name| HOPS.contains(&name.trim())) {
        return excluded("connection");
    }
    // RFC 9110 §10.1.1 knows one expectation; it speaks of the way that the body comes, not of the answer.
    if differs(headers, "expect", &["100-continue"]) {
        return excluded("expect");
    }
    Ok(())
}

/// A path stands in the question as it is: one with a credential in it is nobody's to keep.
pub(super) fn check_path(path: &str) -> Result<(), PassReason> {
    match is_credential_path(path, says_openly) || token_in(path.as_bytes()).is_some() {
        true => Err(PassReason::Excluded("a credential in the path".to_owned())),
        false => Ok(()),
    }
}

fn differs(headers: &HeaderMap, name: &str, harmless: &[&str]) -> bool {
    header_text(headers, name).is_some_and(|value| !harmless.iter().any(|known| value.eq_ignore_ascii_case(known)))
}
