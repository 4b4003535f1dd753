//! A store in memory that can be told to fail or to be slow.

use futures_util::{FutureExt as _, future::BoxFuture};
use larder::{Body, Entry, Error, Since, flight::Shelf, stats::Event};
use larder_core::{QueryKey, Record, Timestamp, record::Want, share::CredentialDigest};
use larder_testkit::Gate;
use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Mutex,
    time::Duration,
};

#[derive(Default)]
pub(crate) struct MemoryShelf {
    pub(crate) entries: Mutex<Vec<Entry>>,
    pub(crate) counts: Mutex<HashMap<Event, u64>>,
    pub(crate) accepted: Mutex<HashSet<(String, String)>>,
    /// Every call fails.
    pub(crate) broken: bool,
    /// Puts wait for this.
    pub(crate) gate: Option<Gate>,
    /// Puts take so long.
    pub(crate) slow_put: Duration,
    /// The first look-up is told after this.
    pub(crate) slow_get: Mutex<Option<Gate>>,
    /// Told when a put begins.
    pub(crate) putting: Gate,
    pub(crate) folder: Option<PathBuf>,
}

impl MemoryShelf {
    pub(crate) fn counted(&self, event: Event) -> u64 {
        self.counts.lock().unwrap().get(&event).copied().unwrap_or(0)
    }

    pub(crate) fn kept(&self) -> usize {
        self.entries.lock().unwrap().len()
    }
}

fn failure() -> Error {
    Error::index("the test says so")
}

/// Files are read, as a tier that takes them over would.
fn taken_over(body: Body) -> Body {
    match body {
        Body::File { path, .. } => Body::Bytes(std::fs::read(path).unwrap().into()),
        bytes => bytes,
    }
}

impl Shelf for MemoryShelf {
    fn get<'a>(
        &'a self,
        want: &'a Want,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<(Entry, &'static str)>, Error>> {
        let entries = self.entries.lock().unwrap();
        let live = |entry: &&Entry| want.accepts(&entry.record) && now < entry.record.gone_at();
        let found = entries.iter().rev().find(live).cloned();
        let answer = if self.broken { Err(failure()) } else { Ok(found.map(|entry| (entry, "memory"))) };
        let gate = self.slow_get.lock().unwrap().take();
        async move {
            if let Some(gate) = gate {
                gate.passed().await;
            }
            answer
        }
        .boxed()
    }

    fn put(&self, record: Record, body: Body, since: Since, _now: Timestamp) -> BoxFuture<'_, Result<(), Error>> {
        async move {
            self.putting.open();
            if let Some(gate) = &self.gate {
                gate.passed().await;
            }
            if !self.slow_put.is_zero() {
                tokio::time::sleep(self.slow_put).await;
            }
            if self.broken {
                return Err(failure());
            }
            let entry = Entry {
                record: record.into(),
                body: taken_over(body),
                generation: since.generation,
                removals: since.removals,
            };
            self.entries.lock().unwrap().push(entry);
            Ok(())
        }
        .boxed()
    }

    fn forget(&self, key: QueryKey, _now: Timestamp) -> BoxFuture<'_, Result<(), Error>> {
        self.entries.lock().unwrap().retain(|entry| entry.record.key != key);
        async { Ok(()) }.boxed()
    }

    fn since(&self, _key: &QueryKey, _service: &str, _operation: &str) -> Since {
        Since::default()
    }

    fn is_removed(&self, _key: &QueryKey, _since: Since) -> bool {
        false
    }

    fn count(&self, _service: &str, _operation: &str, event: Event) {
        *self.counts.lock().unwrap().entry(event).or_default() += 1;
    }

    fn credential_accepted(&self, origin: &str, credential: &CredentialDigest, _now: Timestamp) {
        self.accepted.lock().unwrap().insert((origin.to_owned(), credential.as_str().to_owned()));
    }

    fn credential_rejected(&self, origin: &str, credential: &CredentialDigest, _now: Timestamp) {
        self.accepted.lock().unwrap().remove(&(origin.to_owned(), credential.as_str().to_owned()));
    }

    fn is_credential_accepted(&self, origin: &str, credential: &CredentialDigest, _now: Timestamp) -> bool {
        self.accepted.lock().unwrap().contains(&(origin.to_owned(), credential.as_str().to_owned()))
    }

    fn spool_folder(&self) -> Option<PathBuf> {
        self.folder.clone()
    }
}
