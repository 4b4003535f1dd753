//! What the beginning of an answer allows.

use crate::adapter::{headers, plan};
use http::StatusCode;
use larder_core::{
    Share, Timestamp,
    freshness::request_control,
    judge::{HeadVerdict, Plan, judge_head, stored_headers},
};
use std::time::Duration;

type Lines = &'static [(&'static str, &'static str)];

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn verdict(plan: &Plan, status: u16, lines: Lines) -> HeadVerdict {
    judge_head(plan, StatusCode::from_u16(status).expect("a status"), &headers(lines), NOW)
}

/// Seconds: ttl, stale while it is asked again, stale on error, age. `Err`: the refusal.
fn kept(plan: &Plan, status: u16, lines: Lines) -> Result<[u64; 4], String> {
    match verdict(plan, status, lines) {
        HeadVerdict::Refuse(reason) => Err(reason),
        HeadVerdict::Keep { lifetime, initial_age, .. } => {
            let times = [lifetime.ttl, lifetime.stale_while_revalidate, lifetime.stale_if_error, initial_age];
            Ok(times.map(|time| time.as_secs()))
        }
    }
}

fn anonymous(operation: &str) -> Plan {
    let mut plan = plan(operation);
    plan.question.share = Share::Anonymous;
    plan.credential = None;
    plan
}

fn team(operation: &str) -> Plan {
    let mut plan = plan(operation);
    plan.question.share = Share::Team;
    plan
}

fn plain() -> Plan {
    anonymous("get")
}

#[test]
fn statuses() {
    for status in [100, 201, 206, 301, 302, 304, 400, 401, 403, 404, 407, 429, 500, 503, 529] {
        assert!(kept(&plan("chat"), status, &[]).is_err(), "{status}");
    }
    assert!(kept(&plan("chat"), 200, &[]).is_ok());
    assert!(kept(&plan("list"), 404, &[]).is_ok());
    let fresh: Lines = &[("cache-control", "max-age=60")];
    for status in [200, 203, 204, 301, 404, 410] {
        assert!(kept(&plain(), status, fresh).is_ok(), "{status}");
    }
    for status in [206, 302, 304, 400, 401, 403, 429, 500, 502] {
        assert!(kept(&plain(), status, fresh).is_err(), "{status}");
    }
}

#[test]
fn the_rules_ttl_decides_but_for_no_store() {
    let hour = Ok([3600, 0, 0, 0]);
    let cases: [(Lines, bool); 9] = [
        (&[], true),
        (&[("cache-control", "no-cache, private")], true),
        (&[("cache-control", "max-age=0, must-revalidate")], true),
        (&[("expires", "0")], true),
        (&[("set-cookie", "a=b")], true),
        (&[("cache-control", "no-store")], false),
        (&[("cache-control", "max-age=5"), ("cache-control", "NO-STORE")], false),
        (&[("content-encoding", "gzip")], false),
        (&[("content-encoding", "identity")], true),
    ];
    for (lines, keeps) in cases {
        let found = kept(&plan("chat"), 200, lines);
        if keeps { assert_eq!(found, hour, "{lines:?}") } else { assert!(found.is_err(), "{lines:?}") }
    }
    let mut unwilling = plan("chat");
    unwilling.control = request_control(&headers(&[("cache-control", "no-store")]));
    assert_eq!(kept(&unwilling, 200, &[]), Err("the client said `no-store`".to_owned()));
}

#[test]
fn the_origins_word_first() {
    let cases: [(Lines, Result<[u64; 4], ()>); 10] = [
        (&[], Ok([600, 60, 120, 0])),
        (&[("cache-control", "max-age=30")], Ok([30, 60, 120, 0])),
        (&[("cache-control", "private, max-age=30, s-maxage=90")], Ok([30, 60, 120, 0])),
        (&[("cache-control", "max-age=30, stale-if-error=7, stale-while-revalidate=8")], Ok([30, 8, 7, 0])),
        (&[("cache-control", "max-age=30, must-revalidate")], Ok([30, 0, 0, 0])),
        (&[("cache-control", "max-age=30"), ("age", "12")], Ok([30, 60, 120, 12])),
        (&[("expires", "Thu, 01 Jan 1970 00:00:00 GMT")], Ok([0, 60, 120, 0])),
        (&[("cache-control", "no-cache")], Err(())),
        (&[("cache-control", "no-cache"), ("etag", "\"a\"")], Ok([0, 0, 0, 0])),
        (&[("cache-control", "no-store, max-age=30")], Err(())),
    ];
    for (lines, expected) in cases {
        assert_eq!(kept(&plan("hub"), 200, lines).map_err(drop), expected, "{lines:?}");
    }
    // In a shared cache `s-maxage` counts, and says that nothing stale is served.
    assert_eq!(kept(&team("hub"), 200, &[("cache-control", "max-age=30, s-maxage=90")]), Ok([90, 0, 0, 0]));
}

#[test]
fn plain_answers_need_an_explicit_lifetime() {
    let cases: [(Lines, bool); 8] = [
        (&[], false),
        (&[("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")], false),
        (&[("cache-control", "public")], false),
        (&[("cache-control", "max-age=60")], true),
        (&[("cache-control", "s-maxage=60")], true),
        (&[("cache-control", "private, max-age=60")], false),
        (&[("cache-control", "max-age=60"), ("set-cookie", "a=b")], false),
        (&[("cache-control", "public, max-age=60"), ("set-cookie", "a=b")], true),
    ];
    for (lines, keeps) in cases {
        assert_eq!(kept(&plain(), 200, lines).is_ok(), keeps, "{lines:?}");
    }
    // Under its own credential larder is that caller's private cache.
    assert!(kept(&plan("get"), 200, &[("cache-control", "private, max-age=60")]).is_ok());
    assert!(kept(&plan("get"), 200, &[("cache-control", "s-maxage=60")]).is_err());
    // What only looks like a credential may be everybody's.
    for doubtful in [None, Some("client-id"), Some("x-session"), Some("cookie")] {
        let mut plan = plan("get");
        plan.credential_headers = doubtful.map(http::HeaderName::from_static).into_iter().collect();
        assert!(kept(&plan, 200, &[("cache-control", "private, max-age=60")]).is_err(), "{doubtful:?}");
        assert!(kept(&plan, 200, &[("cache-control", "max-age=60")]).is_ok(), "{doubtful:?}");
    }
    // RFC 9111 §3.5, where a credential's answer would go to others.
    assert!(kept(&team("get"), 200, &[("cache-control", "max-age=60")]).is_err());
    assert!(kept(&team("get"), 200, &[("cache-control", "public, max-age=60")]).is_ok());
}

#[test]
fn a_head_that_hands_out_a_credential_is_not_kept() {
    let cases: [(Lines, bool); 14] = [
        (&[("location", "/next?page=2")], true),
        (&[("location", "/cb?code=x")], false),
        (&[("link", "<https://h/?from=20&client_id=a&project_key=b>; rel=\"next\"")], true),
        (&[("link", "<https://h/?access_token=x>; rel=\"next\"")], false),
        (&[("x-next", "https://h/?access_token=x")], false),
        (&[("x-next", "https://me:x@h/")], false),
        (&[("x-subject-token", "x")], false),
        (&[("x-note", "ghp_0123456789abcdef")], false),
        (&[("access-control-allow-credentials", "true")], true),
        (&[("access-control-allow-headers", "authorization, x-api-key")], true),
        (&[("content-security-policy", "default-src 'self'; report-uri https://h/?sentry_key=x")], true),
        (&[("cache-status", "larder; hit; key=abc")], true),
        (&[("etag", "\"sk-0123456789abcdef0123\"")], true),
        // Cookies are left out of what is stored.
        (&[("set-cookie", "next=https://h/?token=x")], true),
    ];
    for (line, keeps) in cases {
        assert_eq!(kept(&plan("chat"), 200, line).is_ok(), keeps, "{line:?}");
    }
}

#[test]
fn private_is_for_one_caller() {
    let private: Lines = &[("cache-control", "private")];
    assert!(kept(&plan("chat"), 200, private).is_ok());
    assert!(kept(&anonymous("chat"), 200, private).is_ok(), "the rule decides");
    assert!(kept(&anonymous("hub"), 200, private).is_err(), "the origin decides");
    assert!(kept(&team("chat"), 200, private).is_err());
}

#[test]
fn vary() {
    let mut asked = plan("chat");
    asked.want.headers = headers(&[("accept", "a"), ("accept-language", "de")]);
    let pairs = |plan: &Plan, lines| match verdict(plan, 200, lines) {
        HeadVerdict::Keep { vary, .. } => Ok(vary),
        HeadVerdict::Refuse(reason) => Err(reason),
    };
    assert_eq!(pairs(&asked, &[("vary", "*")]), Err("the origin said `Vary: *`".to_owned()));
    assert_eq!(pairs(&asked, &[("vary", "Origin, *")]), Err("the origin said `Vary: *`".to_owned()));
    let some = Ok(vec![("accept".to_owned(), Some("a".to_owned())), ("origin".to_owned(), None)]);
    assert_eq!(pairs(&asked, &[("vary", "Origin"), ("vary", "Accept, Authorization, Accept-Encoding")]), some);
    assert!(pairs(&team("chat"), &[("vary", "Authorization")]).is_err(), "it depends on who asks");
    let mut named = team("chat");
    named.credential_headers.push(http::HeaderName::from_static("x-seat"));
    assert!(pairs(&named, &[("vary", "X-Seat")]).is_err(), "the adapter's own credential");
    assert!(pairs(&team("chat"), &[("vary", "X-Seat")]).is_ok());
    for (referer, kept) in [("https://h/a?page=2", true), ("https://h/a?token=x", false), ("ghp_0123456789ab", false)] {
        asked.want.headers = headers(&[("referer", referer)]);
        assert_eq!(pairs(&asked, &[("vary", "Referer")]).is_ok(), kept, "{referer}");
        assert!(pairs(&asked, &[("vary", "Accept")]).is_ok(), "{referer}");
    }
}

#[test]
fn ages() {
    // An answer of 15 January 2027, 07:59:00 GMT; it is 08:00:00.
    let dated: Lines = &[("date", "Fri, 15 Jan 2027 07:59:00 GMT"), ("cache-control", "max-age=100")];
    assert_eq!(kept(&plan("hub"), 200, dated), Ok([100, 60, 120, 60]));
    assert_eq!(kept(&plan("chat"), 200, dated), Ok([3600, 0, 0, 0]), "the rule does not ask the origin's clock");
    assert_eq!(NOW.since(Timestamp(1_799_999_940_000)), Duration::from_secs(60));
}

#[test]
fn headers_that_are_stored() {
    let given = headers(&[
        ("content-type", "a/b"),
        ("date", "x"),
        ("set-cookie", "a=b"),
        ("age", "3"),
        ("connection", "close, X-Hop"),
        ("x-hop", "1"),
        ("transfer-encoding", "chunked"),
        ("keep-alive", "timeout=5"),
        ("x-request-id", "1"),
        ("x-request-id", "2"),
    ]);
    let names =
        |given: &_, share| -> Vec<String> { stored_headers(given, &share).into_iter().map(|(name, _)| name).collect() };
    assert_eq!(names(&given, Share::Anonymous), ["content-type", "date", "x-request-id", "x-request-id"]);
    // Whose the account is, and what is left to it, is nobody else's.
    let account = headers(&[
        ("openai-organization", "o"),
        ("openai-project", "p"),
        ("anthropic-organization-id", "o"),
        ("x-ratelimit-remaining-tokens", "0"),
        ("anthropic-ratelimit-unified-status", "rejected"),
        ("x", "y"),
    ]);
    assert_eq!(names(&account, Share::Team), ["x"]);
    assert_eq!(names(&account, Share::Public), ["x"]);
    assert_eq!(names(&account, Share::Anonymous).len(), account.len());
}
