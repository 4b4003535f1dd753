//! A tier that fails, dawdles or lies: whoever stands on it must go on as if it were empty.

use crate::entry::{bytes_of, noise};
use futures_util::future::BoxFuture;
use larder::{
    Body, Entry, Error,
    tier::{Selection, Tier, Usage},
};
use larder_core::{Head, QueryKey, Timestamp, Variant, record::Want};
use std::{
    future::{Future, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
};

/// What a faulty tier does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Fails before the tier within is asked.
    Error,
    /// Does what it is told and reports a failure.
    ErrorAfter,
    /// Needs this many polls more, before and after.
    Delay(usize),
    /// Answers with what was not asked for: another key's answer, another form's, one whose time is over, other bytes,
    /// too few bytes; and with something where there is nothing.
    Lie,
}

/// A tier around another one that is faulty by a plan.
pub struct Faulty {
    inner: Arc<dyn Tier>,
    fault: Fault,
    every: u64,
    calls: AtomicU64,
}

impl Faulty {
    /// Has this fault at every `every`th call (1: each); 0 never.
    #[must_use]
    pub fn with(inner: Arc<dyn Tier>, fault: Fault, every: u64) -> Self {
        Self { inner, fault, every, calls: AtomicU64::new(0) }
    }

    /// How often it was called.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Counts a call; its number where it is a faulty one.
    fn call(&self) -> Option<u64> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        (self.every > 0 && call.is_multiple_of(self.every)).then_some(call / self.every)
    }

    async fn perform<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let is_faulty = self.call().is_some();
        match self.fault {
            Fault::Error if is_faulty => Err(failure()),
            Fault::ErrorAfter if is_faulty => work.await.and(Err(failure())),
            Fault::Delay(polls) if is_faulty => {
                delay(polls).await;
                let done = work.await;
                delay(polls).await;
                done
            }
            _ => work.await,
        }
    }
}

fn failure() -> Error {
    Error::index("this tier fails by plan")
}

/// Gives way `polls` times.
async fn delay(mut polls: usize) {
    poll_fn(|context| {
        let Some(left) = polls.checked_sub(1) else { return Poll::Ready(()) };
        polls = left;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Wrong answers to `want`, in turn; `found` is the right one.
fn lie(want: &Want, found: Option<Entry>, now: Timestamp, n: u64) -> Entry {
    let found = found.unwrap_or_else(|| crate::entry::entry("never asked", b"never asked", now));
    let (mut record, mut body) = ((*found.record).clone(), bytes_of(&found));
    match n % 5 {
        0 => record.key = QueryKey::of(b"another question"),
        1 => (record.key, record.variant) = (want.key, Variant("another form".to_owned())),
        2 => {
            (record.key, record.created, record.ttl_ms) = (want.key, Timestamp(now.0 - 1000), 1000);
            (record.stale_if_error_ms, record.stale_while_revalidate_ms) = (0, 0);
            record.head = Head::Value { content_type: None };
        }
        3 => (record.key, body) = (want.key, noise(body.len() + 1)),
        _ => (record.key, body) = (want.key, body.split_last().map_or_else(|| vec![0], |(_, rest)| rest.to_vec())),
    }
    if n % 5 == 3 {
        // As long as it should be, and not what it should be.
        body.truncate(usize::try_from(record.body_len).unwrap_or(0).max(1));
        record.body_len = body.len() as u64;
    }
    Entry { record: record.into(), body: Body::Bytes(body.into()), ..found }
}

impl Tier for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn get<'a>(&'a self, want: &'a Want, now: Timestamp) -> BoxFuture<'a, Result<Option<Entry>, Error>> {
        Box::pin(async move {
            if self.fault != Fault::Lie {
                return self.perform(self.inner.get(want, now)).await;
            }
            let found = self.inner.get(want, now).await?;
            Ok(match self.call() {
                Some(n) => Some(lie(want, found, now, n)),
                None => found,
            })
        })
    }

    fn put(&self, entry: Entry, now: Timestamp) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.perform(self.inner.put(entry, now)))
    }

    fn remove<'a>(&'a self, what: &'a Selection, now: Timestamp) -> BoxFuture<'a, Result<u64, Error>> {
        Box::pin(self.perform(self.inner.remove(what, now)))
    }

    fn list<'a>(
        &'a self,
        what: &'a Selection,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Entry>, Error>> {
        Box::pin(self.perform(self.inner.list(what, limit, now)))
    }

    fn usage(&self) -> Usage {
        self.inner.usage()
    }
}
