//! The stack: memory above the other tiers, asked from the top down.

use super::{Memory, Selection, Tier, Usage, Verified, sidecar::Sidecar};
use crate::{Entry, Error, error::Harm, stats::Event};
use futures_core::future::BoxFuture;
use larder_core::{Timestamp, record::Want};
use std::sync::{
    Arc,
    atomic::{AtomicU16, Ordering},
};

/// The service under which tiers' failures are counted: which call they spoiled is not known everywhere.
pub const STORE: &str = "(store)";

/// Tiers from the fastest to the slowest. A tier that fails is a miss, counted, and one warning for each thing that is wrong.
pub struct Stack {
    memory: Option<Memory>,
    below: Vec<Below>,
    sidecar: Arc<Sidecar>,
    /// Invalidations are told in `sidecar`: memory can judge for itself what was asked for before one.
    is_informed: bool,
}

struct Below {
    tier: Arc<dyn Tier>,
    /// By the bits of [`Harm`]: what was warned about.
    warned: AtomicU16,
}

impl Below {
    /// Whether this tier has not been warned about for this harm yet; from now on it has.
    fn is_news(&self, harm: Harm) -> bool {
        let bit = 1 << harm as u16;
        self.warned.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}

impl Stack {
    /// `memory_bytes` of memory (0: none) above `below`. Nobody else writes to `below`, or there is no memory tier. What
    /// a tier below answers is verified.
    #[must_use]
    pub fn new(memory_bytes: u64, below: Vec<Arc<dyn Tier>>) -> Self {
        let is_informed = below.is_empty();
        let below = below.into_iter().map(|tier| Arc::new(Verified::new(tier)) as Arc<dyn Tier>).collect();
        Self { is_informed, ..Self::with(memory_bytes, below, Arc::new(Sidecar::private())) }
    }

    /// The same over tiers that verify for themselves and tell their invalidations in `sidecar`.
    pub(crate) fn with(memory_bytes: u64, below: Vec<Arc<dyn Tier>>, sidecar: Arc<Sidecar>) -> Self {
        let memory = (memory_bytes > 0).then(|| Memory::with(memory_bytes, Arc::clone(&sidecar), below.is_empty()));
        let below = below.into_iter().map(|tier| Below { tier, warned: AtomicU16::new(0) }).collect();
        Self { memory, below, sidecar, is_informed: true }
    }

    /// Its uppermost tier.
    pub(crate) const fn memory(&self) -> Option<&Memory> {
        self.memory.as_ref()
    }

    /// The entry that answers `want`, and which tier had it.
    pub async fn find(&self, want: &Want, now: Timestamp) -> Option<(Entry, &'static str)> {
        if let Some(entry) = self.memory.as_ref().and_then(|memory| memory.find(want, now)) {
            return Some((entry, "memory"));
        }
        let token = self.memory.as_ref().map(|memory| memory.token(&want.key));
        for below in &self.below {
            match below.tier.get(want, now).await {
                Ok(Some(entry)) => {
                    if let (Some(memory), Some(token)) = (&self.memory, token) {
                        memory.keep(entry.clone(), token);
                    }
                    return Some((entry, below.tier.name()));
                }
                Ok(None) => {}
                Err(error) => self.failed(below, &error),
            }
        }
        None
    }

    fn failed(&self, below: &Below, error: &Error) {
        self.sidecar.count(STORE, below.tier.name(), Event::TierError, 1);
        if error.harm().is_some_and(|harm| below.is_news(harm)) {
            tracing::warn!(tier = below.tier.name(), %error, hint = error.hint(), "a tier failed: calls go on without it");
        }
    }

    /// Keeps `entry` in every tier below memory, which takes it when it is first asked for; where no tier below keeps it,
    /// in memory, if that knows of invalidations. The first error, when all were tried.
    async fn keep(&self, entry: Entry, now: Timestamp) -> Result<(), Error> {
        let token = self.memory.as_ref().map(|memory| memory.token(&entry.record.key));
        let (mut kept, mut first) = (false, Ok(()));
        for below in &self.below {
            match below.tier.put(entry.clone(), now).await {
                Ok(()) => kept = true,
                Err(error) => {
                    self.failed(below, &error);
                    first = first.and(Err(error));
                }
            }
        }
        match (&self.memory, token) {
            (Some(memory), Some(token)) if !kept && self.is_informed => memory.keep_if_wanted(entry, token),
            // Tiers that share the sidecar have said so already.
            _ if self.is_informed && first.is_ok() => {}
            // What memory holds of this key may be older now, also where a tier says that it failed.
            _ => self.sidecar.touch(&entry.record.key),
        }
        first
    }
}

impl Tier for Stack {
    fn name(&self) -> &'static str {
        "stack"
    }

    fn get<'a>(&'a self, want: &'a Want, now: Timestamp) -> BoxFuture<'a, Result<Option<Entry>, Error>> {
        Box::pin(async move { Ok(self.find(want, now).await.map(|(entry, _)| entry)) })
    }

    fn put(&self, entry: Entry, now: Timestamp) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.keep(entry, now))
    }

    fn remove<'a>(&'a self, what: &'a Selection, now: Timestamp) -> BoxFuture<'a, Result<u64, Error>> {
        Box::pin(async move {
            let (mut most, mut first) = (0, Ok(()));
            for below in &self.below {
                match below.tier.remove(what, now).await {
                    Ok(removed) => most = most.max(removed),
                    Err(error) => {
                        self.failed(below, &error);
                        first = first.and(Err(error));
                    }
                }
            }
            if let Some(memory) = &self.memory {
                let removed =
                    if self.below.is_empty() { memory.remove(what, now).await? } else { memory.forget(what, now) };
                most = most.max(removed);
            }
            first.map(|()| most)
        })
    }

    fn list<'a>(
        &'a self,
        what: &'a Selection,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Entry>, Error>> {
        Box::pin(async move {
            for below in &self.below {
                match below.tier.list(what, limit, now).await {
                    Ok(listed) => return Ok(listed),
                    Err(error) => self.failed(below, &error),
                }
            }
            match &self.memory {
                Some(memory) => memory.list(what, limit, now).await,
                None => Ok(Vec::new()),
            }
        })
    }

    fn usage(&self) -> Usage {
        match (self.below.first(), &self.memory) {
            (Some(below), _) => below.tier.usage(),
            (None, Some(memory)) => memory.usage(),
            (None, None) => Usage::default(),
        }
    }
}
