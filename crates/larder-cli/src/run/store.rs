//! The runner and the store: look up without a database, keep, forget.

use super::{capture::Kept, judge::Keep};
use crate::config::Settings;
use larder::{
    Body, Cache, Error, Since,
    stats::Event,
    tier::{
        Selection,
        disk::{
            FOLDER,
            runs::{self, Hit},
        },
    },
};
use larder_core::{
    BodyCid, Head, Record, Timestamp,
    judge::Plan,
    record::{Cost, Freshness},
};
use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Now, by the system's clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// A kept run that may be served.
pub(crate) struct Found {
    /// The run.
    pub(crate) run: Hit,
    /// It may be served only while somebody asks again.
    pub(crate) stale: bool,
}

/// Whether it is stale; `None`: not to be served. Both words count, the one under which it was kept and today's: a
/// shorter `--ttl` is obeyed.
fn staleness(record: &Record, plan: &Plan) -> Option<bool> {
    let now = now();
    let (age, lifetime) = (record.age(now), &plan.lifetime);
    match record.freshness(now) {
        Freshness::Fresh if age < lifetime.ttl => Some(false),
        Freshness::Fresh | Freshness::StaleWhileRevalidate => {
            (age < lifetime.ttl.saturating_add(lifetime.stale_while_revalidate)).then_some(true)
        }
        Freshness::StaleIfError | Freshness::Unconfirmed | Freshness::Gone => None,
    }
}

/// Opens one file and nothing else. `None`: not there, too old, not believed, or a failure that this run does not keep.
pub(crate) fn look_up(dir: &Path, keep: &Keep) -> Option<Found> {
    let run = runs::read(dir, &keep.plan.want, now())?;
    let Head::Tool { exit_code, .. } = run.record.head else { return None };
    let stale = staleness(&run.record, &keep.plan)?;
    keep.matched.keeps_exit(exit_code).then_some(Found { run, stale })
}

/// The same, and fresh.
pub(crate) fn look_up_fresh(dir: &Path, keep: &Keep) -> Option<Hit> {
    look_up(dir, keep).filter(|found| !found.stale).map(|found| found.run)
}

/// How long a run waits for another process's lock on the store: its user waits with it.
const PATIENCE: Duration = Duration::from_millis(250);

/// The store, open for keeping a run.
pub(crate) struct Shelf {
    cache: Cache,
    since: Since,
}

impl Shelf {
    /// Opens the store, before the tool runs: what is made stale meanwhile is not kept.
    pub(crate) fn open(settings: &Settings, keep: &Keep) -> Option<Self> {
        let options = settings.options(0).ok()?;
        let opened = Cache::open_in_a_hurry(options, PATIENCE);
        match opened {
            Ok(cache) => {
                let since = cache.since(&keep.plan.key, &keep.matched.service, keep.matched.operation_name());
                Some(Self { cache, since })
            }
            Err(error) => {
                tracing::debug!(%error, "the store cannot be opened: the tool runs uncached");
                None
            }
        }
    }

    /// Counts a run that was not answered from the store.
    pub(crate) fn count_miss(&self, keep: &Keep) {
        self.count(keep, Event::Miss);
        self.count(keep, Event::ApiCall);
    }

    /// Counts a run that may not be kept.
    pub(crate) fn count_not_kept(&self, keep: &Keep) {
        self.count(keep, Event::NotKept);
    }

    fn count(&self, keep: &Keep, event: Event) {
        self.cache.count(&keep.matched.service, keep.matched.operation_name(), event);
    }

    /// Keeps a run.
    pub(crate) fn put(&self, keep: &Keep, exit_code: u8, kept: Kept, elapsed_ms: u64) -> Result<(), Error> {
        let body = kept.body();
        let record = record(keep, &body, Head::Tool { exit_code, frames: kept.frames }, elapsed_ms);
        pollster::block_on(self.cache.put(record, Body::Bytes(body), self.since, now()))
    }
}

fn record(keep: &Keep, body: &[u8], head: Head, elapsed_ms: u64) -> Record {
    let (plan, lifetime) = (&keep.plan, &keep.plan.lifetime);
    Record {
        v: 1,
        key: plan.key,
        variant: plan.want.variant.clone(),
        vary: Vec::new(),
        service: keep.matched.service.clone(),
        operation: keep.matched.operation_name().to_owned(),
        share: plan.question.share.to_string(),
        question: plan.question.canonical(),
        body: BodyCid::of(body),
        body_len: body.len() as u64,
        head,
        created: now(),
        initial_age_ms: 0,
        ttl_ms: millis(lifetime.ttl),
        stale_while_revalidate_ms: millis(lifetime.stale_while_revalidate),
        stale_if_error_ms: millis(lifetime.stale_if_error),
        cost: Cost { elapsed_ms, ..Cost::default() },
        fingerprint: None,
    }
}

/// What a write makes stale.
pub(crate) struct Stale {
    dir: PathBuf,
    settings: Settings,
    service: String,
    operations: Vec<String>,
}

impl Stale {
    /// `None`: there is no store yet, and so nothing to forget.
    pub(crate) fn of(settings: &Settings, service: &str, operations: &[String]) -> Option<Self> {
        let dir = settings.store().ok()?.to_owned();
        let (service, operations) = (service.to_owned(), operations.to_vec());
        dir.join(FOLDER).is_dir().then(|| Self { dir, settings: settings.clone(), service, operations })
    }

    /// Forgets it: kept output is not served any more, and fills that began earlier are dropped.
    pub(crate) fn forget(&self) {
        let Ok(options) = self.settings.options(0) else { return };
        let cache = match Cache::open_in_a_hurry(options, PATIENCE) {
            Ok(cache) => cache,
            Err(error) => return self.could_not(&error),
        };
        let remove = |operation: &String| {
            let what = Selection {
                service: Some(self.service.clone()),
                operation: Some(operation.clone()),
                ..Selection::default()
            };
            pollster::block_on(cache.remove(&what, now())).err()
        };
        // Each of them, also after one that failed.
        let failures: Vec<_> = self.operations.iter().filter_map(remove).collect();
        if let Some(error) = failures.first() {
            self.could_not(error);
        }
    }

    fn could_not(&self, error: &Error) {
        tracing::warn!(%error, store = %self.dir.display(), "what a write makes stale could not be forgotten");
    }
}
