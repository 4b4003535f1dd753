//! A tier that fails: everything above it must go on as if it were empty.

use futures_util::future::BoxFuture;
use larder::{
    Entry, Error,
    tier::{Selection, Tier, Usage},
};
use larder_core::{Timestamp, record::Want};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A tier around another one that fails by a plan.
pub struct Faulty {
    inner: Arc<dyn Tier>,
    every: u64,
    calls: AtomicU64,
}

impl Faulty {
    /// Fails every `every`th call (1: each) before `inner` is asked; 0 never.
    #[must_use]
    pub fn new(inner: Arc<dyn Tier>, every: u64) -> Self {
        Self { inner, every, calls: AtomicU64::new(0) }
    }

    /// How often it was called.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    fn call(&self) -> Result<(), Error> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        match self.every {
            0 => Ok(()),
            every if call.is_multiple_of(every) => Err(Error::Index("this tier fails by plan".to_owned())),
            _ => Ok(()),
        }
    }
}

impl Tier for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn get<'a>(&'a self, want: &'a Want, now: Timestamp) -> BoxFuture<'a, Result<Option<Entry>, Error>> {
        Box::pin(async move {
            self.call()?;
            self.inner.get(want, now).await
        })
    }

    fn put(&self, entry: Entry, now: Timestamp) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.call()?;
            self.inner.put(entry, now).await
        })
    }

    fn remove<'a>(&'a self, what: &'a Selection, now: Timestamp) -> BoxFuture<'a, Result<u64, Error>> {
        Box::pin(async move {
            self.call()?;
            self.inner.remove(what, now).await
        })
    }

    fn list<'a>(
        &'a self,
        what: &'a Selection,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Entry>, Error>> {
        Box::pin(async move {
            self.call()?;
            self.inner.list(what, limit, now).await
        })
    }

    fn usage(&self) -> Usage {
        self.inner.usage()
    }
}
