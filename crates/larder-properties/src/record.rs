//! The stored record.

use crate::cbor;
use larder_core::{
    Head, Record, RecordCid, Timestamp,
    record::{Freshness, RecordError, Want},
};

/// Every member of version 1 (docs/design/record.md).
const NAMES: [&str; 32] = [
    "v",
    "key",
    "variant",
    "vary",
    "service",
    "operation",
    "share",
    "question",
    "body",
    "body_len",
    "head",
    "head/http",
    "head/http/status",
    "head/http/headers",
    "head/tool",
    "head/tool/exit_code",
    "head/tool/frames",
    "head/tool/frames/fd",
    "head/tool/frames/len",
    "head/tool/frames/at_ms",
    "head/value",
    "head/value/content_type",
    "created",
    "initial_age_ms",
    "ttl_ms",
    "stale_while_revalidate_ms",
    "stale_if_error_ms",
    "cost",
    "cost/elapsed_ms",
    "cost/input_tokens",
    "cost/output_tokens",
    "fingerprint",
];

/// The input is a record's encoding.
///
/// What is read is canonical DAG-CBOR, is written as the same bytes (unless it holds members that this version skips), and
/// reads back as itself. Nothing reads under another CID. At no time is a record used outside the order fresh, stale,
/// gone; a record that is given out says nothing that cannot be sent.
pub fn record(input: &[u8]) {
    let cid = RecordCid::of(input);
    let other = RecordCid::of(&[input, b"."].concat());
    assert!(matches!(Record::decode(input, &other), Err(RecordError::Mismatch { .. })));
    match Record::decode(input, &cid) {
        Ok(record) => read(input, &record),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn read(input: &[u8], record: &Record) {
    let names = cbor::names(input).expect("not canonical, and read");
    let known = NAMES.map(|name| format!("/{name}"));
    let bytes = record.encode().expect("what was read can be written");
    assert_eq!(Record::decode(&bytes, &RecordCid::of(&bytes)).unwrap(), *record);
    assert!(bytes == input || names.iter().any(|name| !known.contains(name)), "read, and written otherwise");
    sane(record);
    ages(record);
}

fn sane(record: &Record) {
    assert!(
        Want { variant: record.variant.clone(), ..Want::plain(record.key) }.accepts(record) || !record.vary.is_empty()
    );
    match &record.head {
        Head::Http { status, headers } => {
            assert!(http::StatusCode::from_u16(*status).is_ok());
            for (name, value) in headers {
                assert!(http::HeaderName::from_lowercase(name.as_bytes()).is_ok());
                assert!(http::HeaderValue::from_bytes(value).is_ok());
            }
        }
        Head::Tool { frames, .. } => {
            let sum: u128 = frames.iter().map(|frame| u128::from(frame.len)).sum();
            assert_eq!(sum, u128::from(record.body_len));
        }
        Head::Value { .. } => {}
    }
}

/// Age only makes it worse, up to its end and for ever after.
fn ages(record: &Record) {
    let rank = |freshness| match freshness {
        Freshness::Fresh => 0,
        Freshness::StaleWhileRevalidate => 1,
        Freshness::StaleIfError => 2,
        Freshness::Unconfirmed => 3,
        Freshness::Gone => 4,
    };
    let end = record.gone_at();
    let mut times: Vec<i64> = [0_i64, 1, 999, 60_000, 86_400_000, 700_000_000_000, i64::MAX]
        .into_iter()
        .flat_map(|later| [record.created.0.saturating_add(later), end.0.saturating_sub(later)])
        .filter(|at| *at >= record.created.0)
        .collect();
    times.sort_unstable();
    let ranks: Vec<_> = times.iter().map(|at| rank(record.freshness(Timestamp(*at)))).collect();
    assert!(ranks.is_sorted(), "{times:?} {ranks:?}");
    for at in [i64::MIN, end.0, i64::MAX] {
        assert_eq!(record.freshness(Timestamp(at)), Freshness::Gone, "at {at}");
        let _ = record.age(Timestamp(at));
    }
}
