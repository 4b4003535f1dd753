//! A tier that need not be trusted: what it says is looked at before anybody else sees it.

use super::{Selection, Tier, Usage};
use crate::{Body, Entry, Error};
use futures_core::future::BoxFuture;
use larder_core::{
    BodyCid, Timestamp,
    record::{Freshness, Want},
};
use std::sync::Arc;

/// Stands before a tier and turns a wrong answer into an error, which is a miss. (The disk tier verifies for itself.)
pub struct Verified(Arc<dyn Tier>);

impl Verified {
    /// The same tier, checked.
    #[must_use]
    pub fn new(tier: Arc<dyn Tier>) -> Self {
        Self(tier)
    }

    fn check(&self, entry: Entry, want: &Want, now: Timestamp) -> Result<Option<Entry>, Error> {
        let record = &entry.record;
        if !want.accepts(record) {
            let why = format!("`{}` in the form `{}` for `{}`", record.key, record.variant.0, want.key);
            return Err(Error::Unasked { tier: self.name(), why });
        }
        let found = cid_of(&entry.body);
        if found != record.body || entry.body.len() != record.body_len {
            return Err(Error::Body { expected: record.body, found });
        }
        Ok((record.freshness(now) != Freshness::Gone).then_some(entry))
    }
}

/// A file was hashed by the tier that opened it.
fn cid_of(body: &Body) -> BodyCid {
    match body {
        Body::Bytes(bytes) => BodyCid::of(bytes),
        Body::File { cid, .. } => *cid,
    }
}

impl Tier for Verified {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn get<'a>(&'a self, want: &'a Want, now: Timestamp) -> BoxFuture<'a, Result<Option<Entry>, Error>> {
        Box::pin(async move {
            let found = self.0.get(want, now).await?;
            found.map_or(Ok(None), |entry| self.check(entry, want, now))
        })
    }

    fn put(&self, entry: Entry, now: Timestamp) -> BoxFuture<'_, Result<(), Error>> {
        self.0.put(entry, now)
    }

    fn remove<'a>(&'a self, what: &'a Selection, now: Timestamp) -> BoxFuture<'a, Result<u64, Error>> {
        self.0.remove(what, now)
    }

    fn list<'a>(
        &'a self,
        what: &'a Selection,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Entry>, Error>> {
        Box::pin(async move {
            let mut listed = self.0.list(what, limit, now).await?;
            listed.retain(|entry| what.holds(&entry.record) && entry.record.freshness(now) != Freshness::Gone);
            listed.truncate(limit);
            Ok(listed)
        })
    }

    fn usage(&self) -> Usage {
        self.0.usage()
    }
}
