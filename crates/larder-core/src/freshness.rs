//! Freshness: the part of RFC 9111 that larder applies so far, and the client's own `Cache-Control`.
//!
//! Whether larder is a private or a shared cache (RFC 9111 §1) depends on the share: an answer under a credential's
//! share goes to that one caller, so that larder is a private cache there and `s-maxage`, `private` and §3.5 do not
//! bind it; under every other share it is a shared cache.

use crate::{Timestamp, record::vary_value};
use http::{HeaderMap, header};
use std::{collections::BTreeSet, time::Duration};

/// The largest delta-seconds (RFC 9111 §1.2.2): larger values count as this one.
const MAX_DELTA: u64 = 1 << 31;

/// What the client asks of caches (RFC 9111 §5.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestControl {
    /// `no-store`: neither look up nor store.
    pub no_store: bool,
    /// `no-cache` (or `Pragma: no-cache`, or `max-age=0`): do not answer from the store without asking the origin.
    pub no_cache: bool,
    /// `only-if-cached`: answer from the store or with 504.
    pub only_if_cached: bool,
    /// `max-age`: nothing older than this.
    pub max_age: Option<Duration>,
    /// `min-fresh`: must stay fresh for at least this long.
    pub min_fresh: Option<Duration>,
    /// `max-stale`: how stale an answer is accepted (`Some(MAX)` without a value).
    pub max_stale: Option<Duration>,
}

/// What the origin asks of caches (RFC 9111 §5.2.2, RFC 5861).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseControl {
    /// `no-store`: keep nothing.
    pub no_store: bool,
    /// `no-cache`, with or without field names: ask before each use.
    pub no_cache: bool,
    /// `private`, with or without field names: for one caller only.
    pub private: bool,
    /// `public`: for everybody, although the request carried a credential.
    pub public: bool,
    /// `must-revalidate`: never serve it stale.
    pub must_revalidate: bool,
    /// `proxy-revalidate`: a shared cache never serves it stale.
    pub proxy_revalidate: bool,
    /// `max-age`. A value that is not a number, or two that differ, count as zero.
    pub max_age: Option<Duration>,
    /// `s-maxage`: for shared caches, before `max-age`.
    pub s_maxage: Option<Duration>,
    /// `stale-while-revalidate` (RFC 5861 §3).
    pub stale_while_revalidate: Option<Duration>,
    /// `stale-if-error` (RFC 5861 §4).
    pub stale_if_error: Option<Duration>,
}

/// Reads `Cache-Control` and `Pragma` of a request.
#[must_use]
pub fn request_control(headers: &HeaderMap) -> RequestControl {
    let mut control = RequestControl::default();
    for (name, value) in directives(headers) {
        let value = value.as_deref();
        match name.as_str() {
            "no-store" => control.no_store = true,
            "no-cache" => control.no_cache = true,
            "only-if-cached" => control.only_if_cached = true,
            "max-age" => control.max_age = smaller(control.max_age, delta(value)),
            "min-fresh" => control.min_fresh = control.min_fresh.max(Some(delta(value))),
            "max-stale" => {
                control.max_stale = smaller(control.max_stale, value.map_or(Duration::MAX, |text| delta(Some(text))));
            }
            _ => {}
        }
    }
    // RFC 9111 §5.4: `Pragma` speaks only where `Cache-Control` is silent.
    let pragma = || {
        let values = headers.get_all(header::PRAGMA).iter();
        values.filter_map(|value| value.to_str().ok()).any(|text| text.to_ascii_lowercase().contains("no-cache"))
    };
    control.no_cache |= control.max_age == Some(Duration::ZERO);
    control.no_cache |= !headers.contains_key(header::CACHE_CONTROL) && pragma();
    control
}

/// Reads `Cache-Control` of an answer.
#[must_use]
pub fn response_control(headers: &HeaderMap) -> ResponseControl {
    let mut control = ResponseControl::default();
    for (name, value) in directives(headers) {
        let value = value.as_deref();
        match name.as_str() {
            "no-store" => control.no_store = true,
            "no-cache" => control.no_cache = true,
            "private" => control.private = true,
            "public" => control.public = true,
            "must-revalidate" => control.must_revalidate = true,
            "proxy-revalidate" => control.proxy_revalidate = true,
            "max-age" => control.max_age = Some(agreed(control.max_age, delta(value))),
            "s-maxage" => control.s_maxage = Some(agreed(control.s_maxage, delta(value))),
            "stale-while-revalidate" => {
                control.stale_while_revalidate = smaller(control.stale_while_revalidate, delta(value));
            }
            "stale-if-error" => control.stale_if_error = smaller(control.stale_if_error, delta(value)),
            _ => {}
        }
    }
    control
}

/// How long the origin says that an answer is fresh (RFC 9111 §4.2.1): `s-maxage` (in a shared cache), `max-age`, or
/// `Expires` less `Date`; `None` where it says nothing.
#[must_use]
pub fn explicit_lifetime(
    control: &ResponseControl,
    headers: &HeaderMap,
    shared: bool,
    now: Timestamp,
) -> Option<Duration> {
    let spoken = control.s_maxage.filter(|_| shared).or(control.max_age);
    spoken.or_else(|| {
        let expires = headers.get(header::EXPIRES)?;
        // `Expires: 0` and other texts that are no date mean "already expired" (RFC 9111 §5.3).
        let expires = expires.to_str().ok().and_then(parse_date);
        let date = date(headers).unwrap_or(now);
        Some(expires.map_or(Duration::ZERO, |expires| expires.since(date)))
    })
}

/// The answer's age on arrival (RFC 9111 §4.2.3): its `Age`, or the time since its `Date` if that is longer and
/// `by_date` is set (where the origin's clock decides about freshness).
#[must_use]
pub fn initial_age(headers: &HeaderMap, by_date: bool, now: Timestamp) -> Duration {
    let age = headers.get(header::AGE).and_then(|value| value.to_str().ok()).and_then(|text| {
        let first = text.split(',').next().unwrap_or_default().trim();
        first.bytes().all(|byte| byte.is_ascii_digit()).then(|| delta(Some(first)))
    });
    let apparent = date(headers).filter(|_| by_date).map(|date| now.since(date));
    age.unwrap_or_default().max(apparent.unwrap_or_default())
}

/// The answer's `Date`.
#[must_use]
pub fn date(headers: &HeaderMap) -> Option<Timestamp> {
    parse_date(headers.get(header::DATE)?.to_str().ok()?)
}

/// The header names of `Vary`, lower-case, sorted, each once; `None` where `*` stands among them (RFC 9111 §4.1).
#[must_use]
pub fn vary_names(headers: &HeaderMap) -> Option<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for value in headers.get_all(header::VARY) {
        // A value that is not text could hide a `*`.
        for name in value.to_str().ok()?.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if name == "*" {
                return None;
            }
            names.insert(name.to_ascii_lowercase());
        }
    }
    Some(names)
}

/// Whether a request with `headers` may be given an answer that was given for the values `vary` (RFC 9111 §4.1).
#[must_use]
pub fn vary_matches(vary: &[(String, Option<String>)], headers: &HeaderMap) -> bool {
    vary.iter().all(|(name, value)| vary_value(headers, name) == *value)
}

fn parse_date(text: &str) -> Option<Timestamp> {
    let time = httpdate::parse_http_date(text.trim()).ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok().map(Timestamp)
}

/// Delta-seconds; anything that is not a number is zero, the careful reading (RFC 9111 §4.2.1).
fn delta(text: Option<&str>) -> Duration {
    let text = text.unwrap_or_default().trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // All digits and still not a number: too large for one.
    let seconds = if digits { text.parse().unwrap_or(MAX_DELTA) } else { 0 };
    Duration::from_secs(seconds.min(MAX_DELTA))
}

fn smaller(known: Option<Duration>, new: Duration) -> Option<Duration> {
    Some(known.map_or(new, |known| known.min(new)))
}

/// Two values that differ are no value: the answer counts as stale (RFC 9111 §4.2.1).
fn agreed(known: Option<Duration>, new: Duration) -> Duration {
    if known.is_none_or(|known| known == new) { new } else { Duration::ZERO }
}

/// The directives of all `Cache-Control` lines: lower-case names, and values without their quotes.
fn directives(headers: &HeaderMap) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    for line in headers.get_all(header::CACHE_CONTROL) {
        let text = String::from_utf8_lossy(line.as_bytes());
        found.extend(split_unquoted(&text, ',').into_iter().filter_map(directive));
    }
    found
}

fn directive(text: &str) -> Option<(String, Option<String>)> {
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
    let name = name.trim().to_ascii_lowercase();
    (!name.is_empty()).then(|| (name, value.map(unquote)))
}

fn unquote(text: &str) -> String {
    let text = text.trim();
    let Some(inner) = text.strip_prefix('"') else { return text.to_owned() };
    inner.strip_suffix('"').unwrap_or(inner).replace('\\', "")
}

/// Splits at `separator` where it does not stand inside a quoted string (RFC 9110 §5.6.4). In a text with a quotation that
/// does not end quotes mean nothing: a slip must not hide `no-store`.
fn split_unquoted(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, letter) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if letter == '\\' && quoted {
            escaped = true;
        } else if letter == '"' {
            quoted = !quoted;
        } else if letter == separator && !quoted {
            parts.push(&text[start..at]);
            start = at + letter.len_utf8();
        }
    }
    if quoted {
        return text.split(separator).collect();
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).expect("a header value"));
        }
        map
    }

    fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn what_clients_say() {
        let none = RequestControl::default();
        let table: &[(&[(&'static str, &str)], RequestControl)] = &[
            (&[], none),
            (&[("cache-control", "NO-STORE")], RequestControl { no_store: true, ..none }),
            (&[("cache-control", "no-cache")], RequestControl { no_cache: true, ..none }),
            (&[("pragma", "no-cache")], RequestControl { no_cache: true, ..none }),
            (&[("pragma", "no-cache"), ("cache-control", "max-age=5")], RequestControl { max_age: seconds(5), ..none }),
            (&[("cache-control", "max-age=0")], RequestControl { no_cache: true, max_age: seconds(0), ..none }),
            (&[("cache-control", "max-age=abc")], RequestControl { no_cache: true, max_age: seconds(0), ..none }),
            (
                &[("cache-control", "max-age=60"), ("cache-control", "max-age=30")],
                RequestControl { max_age: seconds(30), ..none },
            ),
            (&[("cache-control", "max-stale")], RequestControl { max_stale: Some(Duration::MAX), ..none }),
            (
                &[("cache-control", "only-if-cached, min-fresh=7 , max-stale=\"9\"")],
                RequestControl { only_if_cached: true, min_fresh: seconds(7), max_stale: seconds(9), ..none },
            ),
            (&[("cache-control", "x=\", no-store\"")], none),
        ];
        for (given, expected) in table {
            assert_eq!(request_control(&headers(given)), *expected, "{given:?}");
        }
    }

    #[test]
    fn what_origins_say() {
        let none = ResponseControl::default();
        let table: &[(&str, ResponseControl)] = &[
            ("Max-Age=60", ResponseControl { max_age: seconds(60), ..none }),
            ("max-age=\"60\"", ResponseControl { max_age: seconds(60), ..none }),
            ("max-age=99999999999999999999", ResponseControl { max_age: seconds(MAX_DELTA), ..none }),
            ("max-age=60, max-age=61", ResponseControl { max_age: seconds(0), ..none }),
            ("max-age=60, max-age=60", ResponseControl { max_age: seconds(60), ..none }),
            ("max-age=-1", ResponseControl { max_age: seconds(0), ..none }),
            ("max-age", ResponseControl { max_age: seconds(0), ..none }),
            ("private=\"set-cookie, x\", s-maxage=3", ResponseControl { private: true, s_maxage: seconds(3), ..none }),
            (", ,no-store,", ResponseControl { no_store: true, ..none }),
            // A quotation without an end hides nothing.
            ("x=\", no-store", ResponseControl { no_store: true, ..none }),
            ("private=\"a, max-age=3", ResponseControl { private: true, max_age: seconds(3), ..none }),
            ("x=\"\\\", no-store", ResponseControl { no_store: true, ..none }),
            ("no-cache=\"a\"", ResponseControl { no_cache: true, ..none }),
            (
                "stale-while-revalidate=5,stale-if-error=6,must-revalidate",
                ResponseControl {
                    stale_while_revalidate: seconds(5),
                    stale_if_error: seconds(6),
                    must_revalidate: true,
                    ..none
                },
            ),
        ];
        for (given, expected) in table {
            assert_eq!(response_control(&headers(&[("cache-control", given)])), *expected, "{given}");
        }
    }

    #[test]
    fn explicit_lifetimes() {
        let now = Timestamp(1_800_000_000_000);
        let day = [("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("expires", "Sun, 06 Nov 1994 08:50:37 GMT")];
        let lifetime = |given: &[(&'static str, &str)], shared| {
            let headers = headers(given);
            explicit_lifetime(&response_control(&headers), &headers, shared, now)
        };
        assert_eq!(lifetime(&day, true), seconds(60));
        assert_eq!(lifetime(&[("expires", "0")], true), seconds(0));
        assert_eq!(lifetime(&[], true), None);
        assert_eq!(lifetime(&[("cache-control", "max-age=1, s-maxage=2")], true), seconds(2));
        assert_eq!(lifetime(&[("cache-control", "max-age=1, s-maxage=2")], false), seconds(1));
        assert_eq!(lifetime(&[day[0], day[1], ("cache-control", "max-age=9")], false), seconds(9));
    }

    #[test]
    fn ages() {
        let now = Timestamp(784_111_777_000 + 5_000);
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(initial_age(&headers(&[date]), true, now), Duration::from_secs(5));
        assert_eq!(initial_age(&headers(&[date]), false, now), Duration::ZERO);
        assert_eq!(initial_age(&headers(&[date, ("age", "9, 3")]), true, now), Duration::from_secs(9));
        assert_eq!(initial_age(&headers(&[("age", "x")]), true, now), Duration::ZERO);
    }

    #[test]
    fn vary() {
        let names = |given: &[(&'static str, &str)]| vary_names(&headers(given)).map(|set| set.into_iter().collect());
        assert_eq!(names(&[]), Some(Vec::<String>::new()));
        assert_eq!(
            names(&[("vary", "Origin, accept"), ("vary", "Accept,")]),
            Some(vec!["accept".into(), "origin".into()])
        );
        assert_eq!(names(&[("vary", "accept, *")]), None);
        assert_eq!(names(&[("vary", "accept"), ("vary", "*")]), None);
        let request = headers(&[("accept", "a"), ("accept", "b")]);
        assert_eq!(vary_value(&request, "accept").as_deref(), Some("a, b"));
        assert!(vary_matches(&[("accept".into(), Some("a, b".into())), ("origin".into(), None)], &request));
        assert!(!vary_matches(&[("origin".into(), Some(String::new()))], &request));
    }
}
