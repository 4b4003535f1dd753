//! Whether a stored answer may be given out (RFC 9111 §4.2.4, §5.2.1; RFC 5861).

use crate::{
    Head, Record, Timestamp,
    freshness::{RequestControl, ResponseControl, response_control},
    record::Freshness,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;

/// What a stored answer is good for, at a moment and for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Give it out.
    Serve,
    /// Give it out although it is stale: the client accepts that (`max-stale`).
    ServeStale,
    /// Give it out and ask the origin in the background.
    ServeAndRefresh,
    /// Ask the origin first.
    Ask,
}

/// What `record` is good for at `now`, for a client that said `control`.
#[must_use]
pub fn judge_stored(record: &Record, control: &RequestControl, now: Timestamp) -> Use {
    let age = record.age(now);
    let ttl = Duration::from_millis(record.ttl_ms);
    if control.no_cache || control.max_age.is_some_and(|limit| age > limit) {
        return Use::Ask;
    }
    let freshness = record.freshness(now);
    if freshness == Freshness::Fresh {
        let left = ttl.saturating_sub(age);
        return if control.min_fresh.is_some_and(|wanted| left < wanted) { Use::Ask } else { Use::Serve };
    }
    if control.min_fresh.is_some() {
        return Use::Ask;
    }
    match freshness {
        Freshness::StaleWhileRevalidate => Use::ServeAndRefresh,
        Freshness::Unconfirmed | Freshness::Gone => Use::Ask,
        _ if may_be_stale(record, control, age.saturating_sub(ttl)) => Use::ServeStale,
        _ => Use::Ask,
    }
}

/// Whether `record` may be given out at `now` because the origin failed.
#[must_use]
pub fn may_serve_on_error(record: &Record, control: &RequestControl, now: Timestamp) -> bool {
    let refused = control.no_cache || control.max_age.is_some_and(|limit| record.age(now) > limit);
    let usable =
        matches!(record.freshness(now), Freshness::Fresh | Freshness::StaleWhileRevalidate | Freshness::StaleIfError);
    usable && !refused
}

/// The stored headers of an HTTP answer; empty for anything else.
#[must_use]
pub fn record_headers(record: &Record) -> HeaderMap {
    let mut map = HeaderMap::new();
    if let Head::Http { headers, .. } = &record.head {
        // And for what is said of the answer when it is given out.
        map.reserve(headers.len() + 4);
        for (name, value) in headers {
            let pair = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value));
            if let (Ok(name), Ok(value)) = pair {
                map.append(name, value);
            }
        }
    }
    map
}

/// `max-stale` holds only where the origin did not forbid stale answers.
fn may_be_stale(record: &Record, control: &RequestControl, overdue: Duration) -> bool {
    let said: ResponseControl = response_control(&record_headers(record));
    let forbidden = said.must_revalidate || said.proxy_revalidate || said.no_cache || said.s_maxage.is_some();
    !forbidden && control.max_stale.is_some_and(|limit| overdue <= limit)
}
