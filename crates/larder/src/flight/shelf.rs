//! What the engine needs of a store.

use crate::{Body, Cache, Entry, Error, Since, stats::Event, tier::Selection};
use futures_core::future::BoxFuture;
use larder_core::{QueryKey, Record, Timestamp, record::Want, share::CredentialDigest};
use std::path::PathBuf;

/// Where answers are looked up and kept. [`Cache`] is one; tests bring broken and slow ones. No failure here ever fails
/// a call.
pub trait Shelf: Send + Sync + 'static {
    /// The entry that `want` accepts, and the name of the tier that had it.
    fn get<'a>(&'a self, want: &'a Want, now: Timestamp)
    -> BoxFuture<'a, Result<Option<(Entry, &'static str)>, Error>>;

    /// Keeps an answer, unless its operation was invalidated, or its key's answers removed, since its origin was asked;
    /// returns when the local disk has it.
    fn put(&self, record: Record, body: Body, since: Since, now: Timestamp) -> BoxFuture<'_, Result<(), Error>>;

    /// Drops what is kept under `key`: the origin forbids to keep it any longer.
    fn forget(&self, key: QueryKey, now: Timestamp) -> BoxFuture<'_, Result<(), Error>>;

    /// What to hand to [`Self::put`], read before the origin is asked.
    fn since(&self, key: &QueryKey, service: &str, operation: &str) -> Since;

    /// Whether answers of `key` were removed since then.
    fn is_removed(&self, key: &QueryKey, since: Since) -> bool;

    /// Counts an event.
    fn count(&self, service: &str, operation: &str, event: Event);

    /// Counts each of `events`.
    fn count_all(&self, service: &str, operation: &str, events: &[Event]) {
        events.iter().for_each(|event| self.count(service, operation, *event));
    }

    /// Remembers that `origin` gave this credential a 2xx.
    fn credential_accepted(&self, origin: &str, credential: &CredentialDigest, now: Timestamp);

    /// Remembers that `origin` refused this credential.
    fn credential_rejected(&self, origin: &str, credential: &CredentialDigest, now: Timestamp);

    /// Whether `origin` gave this credential a 2xx in the last 24 hours.
    fn is_credential_accepted(&self, origin: &str, credential: &CredentialDigest, now: Timestamp) -> bool;

    /// The folder in which bodies that outgrow memory are gathered, on the file system that will keep them; `None`: the
    /// system's temporary folder.
    fn spool_folder(&self) -> Option<PathBuf>;
}

impl Shelf for Cache {
    fn get<'a>(
        &'a self,
        want: &'a Want,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<(Entry, &'static str)>, Error>> {
        Box::pin(Self::get(self, want, now))
    }

    fn put(&self, record: Record, body: Body, since: Since, now: Timestamp) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(Self::put(self, record, body, since, now))
    }

    fn forget(&self, key: QueryKey, now: Timestamp) -> BoxFuture<'_, Result<(), Error>> {
        let what = Selection { key: Some(key), ..Selection::default() };
        Box::pin(async move { self.remove(&what, now).await.map(drop) })
    }

    fn since(&self, key: &QueryKey, service: &str, operation: &str) -> Since {
        Self::since(self, key, service, operation)
    }

    fn is_removed(&self, key: &QueryKey, since: Since) -> bool {
        Self::is_removed(self, key, since)
    }

    fn count(&self, service: &str, operation: &str, event: Event) {
        Self::count(self, service, operation, event);
    }

    fn count_all(&self, service: &str, operation: &str, events: &[Event]) {
        Self::count_all(self, service, operation, events);
    }

    fn credential_accepted(&self, origin: &str, credential: &CredentialDigest, now: Timestamp) {
        Self::credential_accepted(self, origin, credential, now);
    }

    fn credential_rejected(&self, origin: &str, credential: &CredentialDigest, now: Timestamp) {
        Self::credential_rejected(self, origin, credential, now);
    }

    fn is_credential_accepted(&self, origin: &str, credential: &CredentialDigest, now: Timestamp) -> bool {
        Self::is_credential_accepted(self, origin, credential, now)
    }

    fn spool_folder(&self) -> Option<PathBuf> {
        Self::spool_folder(self)
    }
}
