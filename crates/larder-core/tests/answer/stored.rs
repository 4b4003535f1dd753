//! What a stored answer is good for.

use crate::adapter::headers;
use larder_core::{
    BodyCid, Head, QueryKey, Record, Timestamp, Variant,
    freshness::request_control,
    judge::{Use, judge_stored, may_serve_on_error},
    record::Cost,
};
use serde_bytes::ByteBuf;

/// Fresh for 60 s, stale while it is asked again for 10, on error for 30.
fn record(lines: &[(&str, &str)]) -> Record {
    let headers = lines.iter().map(|(name, value)| ((*name).to_owned(), ByteBuf::from(value.as_bytes()))).collect();
    Record {
        v: 1,
        key: QueryKey::of(b"question"),
        variant: Variant::default(),
        vary: Vec::new(),
        service: "s".to_owned(),
        operation: "o".to_owned(),
        share: "anonymous".to_owned(),
        question: Vec::new(),
        body: BodyCid::of(b""),
        body_len: 0,
        head: Head::Http { status: 200, headers },
        created: Timestamp(0),
        initial_age_ms: 0,
        ttl_ms: 60_000,
        stale_while_revalidate_ms: 10_000,
        stale_if_error_ms: 30_000,
        cost: Cost::default(),
        fingerprint: None,
    }
}

#[test]
fn by_age_and_the_clients_word() {
    use Use::{Ask, Serve, ServeAndRefresh, ServeStale};
    let table: [(i64, &'static str, Use, bool); 16] = [
        (59, "", Serve, true),
        (60, "", ServeAndRefresh, true),
        (69, "", ServeAndRefresh, true),
        (70, "", Ask, true),
        (89, "", Ask, true),
        (90, "", Ask, false),
        (10, "no-cache", Ask, false),
        (10, "max-age=0", Ask, false),
        (10, "max-age=10", Serve, true),
        (11, "max-age=10", Ask, false),
        (50, "min-fresh=10", Serve, true),
        (51, "min-fresh=10", Ask, true),
        (65, "min-fresh=0", Ask, true),
        (80, "max-stale=20", ServeStale, true),
        (80, "max-stale", ServeStale, true),
        (80, "max-stale=19", Ask, true),
    ];
    for (age, said, expected, on_error) in table {
        let control = request_control(&headers(&[("cache-control", said)]));
        let now = Timestamp(age * 1000);
        assert_eq!(judge_stored(&record(&[]), &control, now), expected, "{age} s, `{said}`");
        assert_eq!(may_serve_on_error(&record(&[]), &control, now), on_error, "{age} s, `{said}`, on error");
    }
}

#[test]
fn the_origin_may_forbid_max_stale() {
    let control = request_control(&headers(&[("cache-control", "max-stale")]));
    let use_of = |lines: &[(&str, &str)], age: i64| judge_stored(&record(lines), &control, Timestamp(age * 1000));
    assert_eq!(use_of(&[], 80), Use::ServeStale);
    for said in ["must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=1"] {
        assert_eq!(use_of(&[("cache-control", said)], 80), Use::Ask, "{said}");
    }
    assert_eq!(use_of(&[("etag", "x")], 120), Use::Ask, "kept for its validator alone");
}
