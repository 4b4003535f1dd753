//! Time is a parameter, and what is over is over to the millisecond.

use super::{
    Subject,
    probe::get,
    reading::{form, wanted},
};
use crate::{
    clock::START,
    entry::{bytes_of, record, want, with_body},
};
use larder::{Entry, tier::Selection};
use larder_core::{Head, Timestamp};
use std::time::Duration;

fn at(ms: u64) -> Timestamp {
    START.plus(Duration::from_millis(ms))
}

fn lasting(ttl_ms: u64, entry: Entry) -> Entry {
    let mut record = (*entry.record).clone();
    record.ttl_ms = ttl_ms;
    Entry { record: record.into(), ..entry }
}

pub(super) fn expiry_to_the_second(subject: &Subject) {
    // Each end is looked at twice: by a tier that has just been asked for it, and by one that has not.
    for (question, is_asked_before) in [("asked before", true), ("not asked before", false)] {
        let mut short = record(question, b"answer", START);
        (short.ttl_ms, short.stale_if_error_ms) = (10_000, 5_000);
        subject.put(with_body(short, b"answer"), START);
        if is_asked_before {
            subject.expect(&want(question), at(0), Some(b"answer"));
            subject.expect(&want(question), at(14_999), Some(b"answer"));
        }
        subject.expect(&want(question), at(15_000), None);
        subject.expect(&want(question), at(15_001), None);
    }
}

pub(super) fn expiry_of_one_form_leaves_the_others(subject: &Subject) {
    subject.put(form("", None, b"for everybody"), START);
    subject.put(form("stream", None, b"stream"), START);
    subject.put(lasting(10_000, form("", Some("de"), b"for de")), START);
    subject.expect(&wanted("", "de"), at(9_999), Some(b"for de"));
    subject.expect(&wanted("", "de"), at(10_000), Some(b"for everybody"));
    subject.expect(&wanted("", "fr"), at(10_000), Some(b"for everybody"));
    subject.expect(&wanted("stream", "de"), at(10_000), Some(b"stream"));
}

/// A record with a validator is kept a week beyond its ttl (docs/design/stream.md): the caller may not serve it, but can
/// have it confirmed.
pub(super) fn what_can_be_confirmed_is_kept(subject: &Subject) {
    const WEEK: u64 = 7 * 24 * 3_600_000;
    let mut record = record("a", b"answer", START);
    record.ttl_ms = 10_000;
    record.head = Head::Http { status: 200, headers: vec![("etag".to_owned(), b"\"1\"".to_vec().into())] };
    subject.put(with_body(record, b"answer"), START);
    subject.expect(&want("a"), at(10_000), Some(b"answer"));
    subject.expect(&want("a"), at(10_000 + WEEK - 1), Some(b"answer"));
    subject.expect(&want("a"), at(10_000 + WEEK), None);
}

/// Neither the time of the put nor the machine's clock decides, but the record and the time that is named.
pub(super) fn time_is_a_parameter(subject: &Subject) {
    let long_ago = Timestamp(1_000_000);
    let mut old = record("a", b"old", long_ago);
    old.ttl_ms = 10_000;
    subject.put(with_body(old, b"old"), long_ago);
    subject.expect(&want("a"), long_ago.plus(Duration::from_millis(9_999)), Some(b"old"));
    let listed = subject.list(&Selection::default(), 10, long_ago);
    assert!(subject.forgets || listed.len() == 1, "{listed:?}");
    assert!(subject.list(&Selection::default(), 10, long_ago.plus(Duration::from_secs(10))).is_empty());
    let found = get(&subject.tier, &want("a"), long_ago).map(|entry| bytes_of(&entry));
    assert!(found.is_none_or(|found| found == b"old"));
}
