//! The cache: the library's front, and what the gateway and the runner stand on.

mod answer;
mod credentials;

pub use answer::{Answer, AnswerBody, AnswerError, How};

use crate::{
    Body, Entry, Error, Since,
    flight::Flights,
    stats::{Event, Statistics},
    tier::{Disk, Selection, Stack, Tier, Usage, sidecar::Sidecar},
};
use credentials::{Accepted, Witnesses};
use futures_util::FutureExt as _;
use larder_core::{QueryKey, Record, Timestamp, record::Want, share::CredentialDigest};
use std::{path::PathBuf, sync::Arc, time::Duration};

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store's folder (`v2/` is made inside).
    pub dir: PathBuf,
    /// The most bytes on disk; 0: no limit.
    pub max_bytes: u64,
    /// The most entries on disk; 0: no limit.
    pub max_entries: u64,
    /// The most bytes in memory; 0: no memory tier (short-lived processes).
    pub memory_bytes: u64,
    /// `synchronous=FULL`: survive power loss, not only a killed process.
    pub durable: bool,
}

/// One cache: tiers, flights, counters. Cheap to clone.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<Inner>,
    flights: Arc<Flights>,
}

struct Inner {
    stack: Stack,
    disk: Option<Disk>,
    sidecar: Arc<Sidecar>,
    accepted: Accepted,
}

impl Inner {
    fn new(stack: Stack, disk: Option<Disk>, sidecar: Arc<Sidecar>) -> Self {
        Self { stack, disk, sidecar, accepted: Accepted::default() }
    }

    fn witnesses(&self) -> Witnesses<'_> {
        Witnesses { disk: self.disk.as_ref(), sidecar: &self.sidecar }
    }
}

/// The last clone closes the store: the index is checkpointed by the last process that closes it.
impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(disk) = &self.disk {
            disk.close();
        }
    }
}

impl Cache {
    /// Opens (and creates) the store. Never fails the user's work: when the folder cannot be used, the caller goes on
    /// with [`Cache::without_store`] and says so once. A store that can only be read is opened for reading.
    pub fn open(options: Options) -> Result<Self, Error> {
        Self::open_as(options, None)
    }

    /// The same for a caller whose user waits: another process's lock on the index is waited for no longer than
    /// `patience` instead of 5 s; what could not be written then is an error, as it is in any case.
    pub fn open_in_a_hurry(options: Options, patience: Duration) -> Result<Self, Error> {
        Self::open_as(options, Some(patience))
    }

    fn open_as(options: Options, patience: Option<Duration>) -> Result<Self, Error> {
        let sidecar = Arc::new(Sidecar::private());
        let disk = Disk::open_with(&options, Arc::clone(&sidecar), patience)?;
        // Without memory that is shared between processes nobody would learn of another one's removals in time.
        let memory_bytes = if disk.is_coherent() { options.memory_bytes } else { 0 };
        let stack = Stack::with(memory_bytes, vec![Arc::new(disk.clone())], Arc::clone(&sidecar));
        Ok(Self::of(Inner::new(stack, Some(disk), sidecar)))
    }

    /// A cache that keeps nothing on disk: memory only.
    #[must_use]
    pub fn without_store(memory_bytes: u64) -> Self {
        let sidecar = Arc::new(Sidecar::private());
        let stack = Stack::with(memory_bytes, Vec::new(), Arc::clone(&sidecar));
        Self::of(Inner::new(stack, None, sidecar))
    }

    fn of(inner: Inner) -> Self {
        Self { inner: Arc::new(inner), flights: Arc::default() }
    }

    /// Looks up without asking anybody; counts nothing. Which tier had it stands beside the entry.
    pub async fn get(&self, want: &Want, now: Timestamp) -> Result<Option<(Entry, &'static str)>, Error> {
        Ok(self.inner.stack.find(want, now).await)
    }

    /// Keeps an answer in every tier. `since` is what [`Self::since`] said before the origin was asked; an answer whose
    /// operation was invalidated since then, or whose key's answers were removed, is dropped in silence.
    pub async fn put(&self, record: Record, body: Body, since: impl Into<Since>, now: Timestamp) -> Result<(), Error> {
        let Since { generation, removals } = since.into();
        self.inner.stack.put(Entry { record: record.into(), body, generation, removals }, now).await
    }

    /// What to hand to [`Self::put`], read before the origin is asked.
    #[must_use]
    pub fn since(&self, key: &QueryKey, service: &str, operation: &str) -> Since {
        // First: it takes up another sidecar where this one was lost.
        let generation = self.generation(service, operation);
        Since { generation, removals: Some(self.inner.sidecar.view().removals(key)) }
    }

    /// Whether answers of `key` were removed since then.
    #[must_use]
    pub fn is_removed(&self, key: &QueryKey, since: Since) -> bool {
        self.inner.sidecar.view().is_removed(key, since.removals)
    }

    /// The generation of (service, operation), which every invalidation of it raises.
    #[must_use]
    pub fn generation(&self, service: &str, operation: &str) -> u64 {
        let index = self.inner.disk.as_ref().and_then(|disk| disk.generation(service, operation).ok());
        // With an index that cannot be read nothing will be kept on disk either.
        index.or_else(|| self.inner.sidecar.generation(service, operation)).unwrap_or(0)
    }

    /// Removes what is selected from every tier; how many live entries that were.
    pub async fn remove(&self, what: &Selection, now: Timestamp) -> Result<u64, Error> {
        if what.key.is_some() || what.prefix.is_some() {
            let key = what.key.as_ref();
            self.inner.disk.as_ref().map_or_else(|| self.inner.sidecar.outdate(key), |disk| disk.outdate(key));
        }
        self.inner.stack.remove(what, now).await
    }

    /// Lists what is selected, newest first, at most `limit`, without bodies.
    pub async fn list(&self, what: &Selection, limit: usize, now: Timestamp) -> Result<Vec<Entry>, Error> {
        self.inner.stack.list(what, limit, now).await
    }

    /// Counts an event (atomic, some nanoseconds).
    pub fn count(&self, service: &str, operation: &str, event: Event) {
        self.inner.sidecar.count(service, operation, event, 1);
    }

    /// Counts each of `events`.
    pub fn count_all(&self, service: &str, operation: &str, events: &[Event]) {
        self.inner.sidecar.count_all(service, operation, events, 1);
    }

    /// All counters, of all processes, and the index of the entries that are live by the system's clock.
    pub fn statistics(&self) -> Result<Statistics, Error> {
        if let Some(disk) = &self.inner.disk {
            return disk.statistics(system_time());
        }
        let mut statistics = Statistics::default();
        for (service, operation, event, n) in self.inner.sidecar.counters() {
            statistics.add(&service, &operation, event, n);
        }
        let everything = Selection::default();
        let listed = self.inner.stack.list(&everything, usize::MAX, system_time());
        // Memory is never waited for.
        for entry in listed.now_or_never().transpose()?.unwrap_or_default() {
            let name = (entry.record.service.clone(), entry.record.operation.clone());
            *statistics.index.entry(name).or_default() += 1;
        }
        Ok(statistics)
    }

    /// How full the disk tier is; without one, the memory tier.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.inner.stack.usage()
    }

    /// Remembers that `origin` gave this credential a 2xx.
    pub fn credential_accepted(&self, origin: &str, credential: &CredentialDigest, now: Timestamp) {
        self.inner.accepted.keep(&self.inner.witnesses(), origin, credential, now);
    }

    /// Remembers that `origin` refused this credential (401, 403).
    pub fn credential_rejected(&self, origin: &str, credential: &CredentialDigest, now: Timestamp) {
        self.inner.accepted.forget(&self.inner.witnesses(), origin, credential, now);
    }

    /// Whether `origin` gave this credential a 2xx in the last 24 hours.
    #[must_use]
    pub fn is_credential_accepted(&self, origin: &str, credential: &CredentialDigest, now: Timestamp) -> bool {
        self.inner.accepted.is_accepted(&self.inner.witnesses(), origin, credential, now)
    }

    /// The folder in which bodies that outgrow memory are gathered: on the file system of the store's bodies, so that a
    /// finished one is linked into place. `None`: there is no store on disk that could be written.
    #[must_use]
    pub fn spool_folder(&self) -> Option<PathBuf> {
        self.inner.disk.as_ref().and_then(Disk::spool_folder)
    }

    /// Folds counters, checkpoints and closes what this process holds open. The cache may still be used afterwards.
    pub fn close(&self) {
        if let Some(disk) = &self.inner.disk {
            disk.close();
        }
    }
}

fn system_time() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}
