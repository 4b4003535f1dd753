//! Tiers: one trait, several places where answers are kept (docs/design/store.md).

pub mod disk;
pub mod memory;
pub(crate) mod prefix;
pub(crate) mod sidecar;
pub mod stack;
mod tick;
pub mod verified;

pub use disk::Disk;
pub use memory::Memory;
pub use stack::Stack;
pub use verified::Verified;

use crate::{Entry, Error};
use futures_core::future::BoxFuture;
use larder_core::{QueryKey, Record, Timestamp, record::Want};

/// A place where answers are kept. Every method may be cancelled at any await without losing or tearing anything.
/// Errors are for counting and for a warning: callers treat a failed tier as a miss.
pub trait Tier: Send + Sync + 'static {
    /// `memory`, `disk`, …: for `Cache-Status`'s `detail`, metrics and messages.
    fn name(&self) -> &'static str;

    /// The newest entry that `want` accepts and that is not gone at `now`. Its record and body are verified.
    fn get<'a>(&'a self, want: &'a Want, now: Timestamp) -> BoxFuture<'a, Result<Option<Entry>, Error>>;

    /// Keeps `entry`, replacing the one of the same key, variant and vary. When it returns `Ok`, a killed process loses nothing.
    fn put(&self, entry: Entry, now: Timestamp) -> BoxFuture<'_, Result<(), Error>>;

    /// Removes what is selected; how many live entries that were (an estimate for services and operations).
    fn remove<'a>(&'a self, what: &'a Selection, now: Timestamp) -> BoxFuture<'a, Result<u64, Error>>;

    /// Live entries that are selected, newest first, at most `limit`, without bodies.
    fn list<'a>(
        &'a self,
        what: &'a Selection,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Entry>, Error>>;

    /// How full it is.
    fn usage(&self) -> Usage;
}

/// Which entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only this key.
    pub key: Option<QueryKey>,
    /// Only keys whose text begins with this (`bafkrei…`).
    pub prefix: Option<String>,
    /// Only this service.
    pub service: Option<String>,
    /// Only this operation (of the service, if that is given).
    pub operation: Option<String>,
}

impl Selection {
    /// Whether `record` is selected. Nothing said selects everything.
    #[must_use]
    pub fn holds(&self, record: &Record) -> bool {
        self.key.is_none_or(|key| key == record.key)
            && self.service.as_ref().is_none_or(|service| *service == record.service)
            && self.operation.as_ref().is_none_or(|operation| *operation == record.operation)
            && self.prefix.as_ref().is_none_or(|prefix| record.key.to_string().starts_with(prefix.as_str()))
    }
}

/// How full a tier is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Entries.
    pub entries: u64,
    /// The most entries it will hold; 0: no limit.
    pub max_entries: u64,
    /// Bytes (records and bodies).
    pub bytes: u64,
    /// The most bytes it will hold; 0: no limit.
    pub max_bytes: u64,
}
