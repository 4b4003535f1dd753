//! Asking a tier under test, and judging what it says.

use super::Subject;
use crate::entry::bytes_of;
use larder::{
    Entry, Error,
    tier::{Selection, Tier},
};
use larder_core::{BodyCid, Timestamp, record::Want};
use std::sync::Arc;

/// What a tier has for `want`; an error is a miss. Whatever it answers must be an answer to `want`, alive and whole.
pub(super) fn get(tier: &Arc<dyn Tier>, want: &Want, now: Timestamp) -> Option<Entry> {
    let found = pollster::block_on(tier.get(want, now)).ok().flatten();
    if let Some(entry) = &found {
        judge(entry, want, now);
    }
    found
}

/// Fails unless `entry` is an answer to `want`, alive and whole.
pub(super) fn judge(entry: &Entry, want: &Want, now: Timestamp) {
    let record = &entry.record;
    assert!(want.accepts(record), "the tier answered {want:?} with {record:?}");
    assert!(now < record.gone_at(), "the tier answered at {now:?} what was gone at {:?}", record.gone_at());
    let body = bytes_of(entry);
    assert_eq!(body.len() as u64, record.body_len, "the body is not as long as its record says");
    assert_eq!(BodyCid::of(&body), record.body, "the body is not the record's");
}

/// A body in a message: its beginning and length.
#[derive(PartialEq)]
pub(super) struct Shown<'a>(pub(super) &'a [u8]);

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes {:?}", self.0.len(), String::from_utf8_lossy(&self.0[..self.0.len().min(40)]))
    }
}

/// What is of this service and operation.
pub(super) fn of(service: Option<&str>, operation: Option<&str>) -> Selection {
    Selection { service: service.map(str::to_owned), operation: operation.map(str::to_owned), ..Selection::default() }
}

impl Subject {
    /// Keeps an entry; a tier that neither forgets nor errs must say that it did.
    pub(super) fn put(&self, entry: Entry, now: Timestamp) {
        let kept = pollster::block_on(self.tier.put(entry, now));
        assert!(self.errs || kept.is_ok(), "not kept: {kept:?}");
    }

    /// Asserts that the answer to `want` is `body`; a tier that forgets may have none.
    pub(super) fn expect(&self, want: &Want, now: Timestamp, body: Option<&[u8]>) {
        let found = get(&self.tier, want, now).map(|entry| bytes_of(&entry));
        if self.forgets && found.is_none() {
            return;
        }
        assert_eq!(found.as_deref().map(Shown), body.map(Shown), "for {want:?} at {now:?}");
    }

    /// Removes, and asserts how many entries that were; whether they are to be gone now: a tier that forgets may have
    /// failed to do so.
    pub(super) fn remove(&self, what: &Selection, now: Timestamp, expected: u64) -> bool {
        match pollster::block_on(self.tier.remove(what, now)) {
            Ok(removed) => {
                assert!(self.forgets || removed == expected, "{removed} instead of {expected}: {what:?}");
                true
            }
            Err(error) => {
                assert!(self.errs, "not removed: {error}");
                !self.forgets
            }
        }
    }

    /// What is listed; an error is an empty list where errors are expected.
    pub(super) fn list(&self, what: &Selection, limit: usize, now: Timestamp) -> Vec<Entry> {
        let listed: Result<Vec<Entry>, Error> = pollster::block_on(self.tier.list(what, limit, now));
        assert!(self.errs || listed.is_ok(), "not listed: {listed:?}");
        let listed = listed.unwrap_or_default();
        for entry in &listed {
            assert!(what.holds(&entry.record) && now < entry.record.gone_at(), "listed for {what:?}: {entry:?}");
        }
        listed
    }

    pub(super) fn generation(&self, service: &str, operation: &str) -> u64 {
        (self.generation)(service, operation)
    }
}
