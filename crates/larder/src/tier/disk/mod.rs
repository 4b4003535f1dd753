//! The disk tier: an SQLite index, small bodies in it, large ones as files (docs/design/store.md).

mod bodies;
mod credentials;
mod filesystem;
mod fold;
mod folder;
mod generations;
mod idle;
mod length;
mod list;
mod log;
mod loose;
mod maintain;
mod mend;
mod open;
mod pool;
mod read;
mod reads;
mod remove;
mod row;
pub mod runs;
mod schema;
mod shortcuts;
mod snapshot;
mod transaction;
pub(crate) mod trust;
mod unpublished;
mod write;

use super::{
    Selection, Tier, Usage,
    sidecar::{Sidecar, View},
};
use crate::{Entry, Error, Options, error::At, stats::Statistics};
use futures_core::future::BoxFuture;
use larder_core::{QueryKey, Timestamp, record::Want};
use open::{Mode, Paths};
use pool::{Failure, Pool};
use rusqlite::Connection;
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use transaction::Transaction;

/// The folder of this form of the store, in the store's folder.
pub const FOLDER: &str = "v2";

/// The disk tier. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Disk {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    paths: Paths,
    pool: Pool,
    sidecar: Arc<Sidecar>,
    options: Options,
    puts: AtomicU64,
    folded: fold::Folded,
    generations: generations::Generations,
    shortcuts: shortcuts::Shortcuts,
    loose: loose::Loose,
    mending: mend::Mending,
    /// When an answer was last said to be damaged.
    told_of_damage: Mutex<Option<Instant>>,
    /// Until when puts are other threads', because one in place took long.
    slow_until: Mutex<Option<Instant>>,
}

impl Disk {
    /// Opens the store in `options.dir`, making what is missing.
    pub fn open(options: &Options) -> Result<Self, Error> {
        Self::open_with(options, Arc::new(Sidecar::private()), None)
    }

    /// The same, with counters and generations in `sidecar`, which is moved to the store's own file where that can be,
    /// and waiting for other processes' locks no longer than `patience` (`None`: 5 s).
    pub(crate) fn open_with(
        options: &Options,
        sidecar: Arc<Sidecar>,
        patience: Option<Duration>,
    ) -> Result<Self, Error> {
        let paths = Paths::of(&options.dir);
        let made = open::make_folder(&paths.root).at(&paths.root);
        let mode = Mode::at(&paths.root, options.durable, patience.unwrap_or(open::PATIENCE));
        Self::open_as(options, paths, sidecar, mode, made)
    }

    fn open_as(
        options: &Options,
        paths: Paths,
        sidecar: Arc<Sidecar>,
        mode: Mode,
        made: Result<(), Error>,
    ) -> Result<Self, Error> {
        trust::check(&paths.root)?;
        let (connection, read_only) = match made.and_then(|()| writable(&paths, mode)) {
            Ok(connection) => (connection, None),
            Err(error) => readable(&paths, error)?,
        };
        let pool = Pool::new(mode, read_only, &paths, connection);
        let folded = fold::Folded::default();
        let inner = Inner {
            paths,
            pool,
            sidecar,
            options: options.clone(),
            puts: AtomicU64::new(0),
            folded,
            generations: generations::Generations::default(),
            shortcuts: shortcuts::Shortcuts::default(),
            loose: loose::Loose::default(),
            mending: mend::Mending::default(),
            told_of_damage: Mutex::default(),
            slow_until: Mutex::default(),
        };
        inner.attach_sidecar();
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Answers of `key` (`None`: of any) are about to be removed: every process is told, also who has taken up another sidecar
    /// since this one's was lost.
    pub(crate) fn outdate(&self, key: Option<&QueryKey>) {
        self.inner.tell_all(|sidecar| sidecar.outdate(key));
    }

    /// `origin` refused the credential of this digest at `at`: the same.
    pub(crate) fn refuse(&self, origin: &str, digest: &str, at: Timestamp) {
        self.inner.tell_all(|sidecar| sidecar.refuse(origin, digest, at));
    }

    /// Whether other processes learn at once what this one removes: only then may answers be kept in memory above.
    pub(crate) fn is_coherent(&self) -> bool {
        self.inner.sidecar.is_shared()
    }

    /// The generation of (service, operation), to be handed to a later put.
    pub fn generation(&self, service: &str, operation: &str) -> Result<u64, Error> {
        self.inner.read(|connection, revision, sidecar| {
            Ok(self.inner.scopes_at(connection, revision)?.current(sidecar, service, operation))
        })
    }

    /// Where bodies may be gathered that [`Tier::put`] then links instead of copying.
    pub(crate) fn spool_folder(&self) -> Option<PathBuf> {
        let spool = &self.inner.paths.spool;
        (self.inner.pool.may_write() && open::make_folder(spool).is_ok()).then(|| spool.clone())
    }

    /// Every counter of all processes, and the live entries at `now`.
    pub(crate) fn statistics(&self, now: Timestamp) -> Result<Statistics, Error> {
        self.inner.statistics(now)
    }

    /// Folds counters and closes what is open; the last process that closes checkpoints the index.
    pub(crate) fn close(&self) {
        if self.inner.pool.may_write() {
            self.inner.sweep();
            let _counters_stay_in_the_sidecar = self.inner.fold();
        }
        self.inner.pool.close();
    }
}

fn writable(paths: &Paths, mode: Mode) -> Result<Connection, Error> {
    let connection = open::open_or_create(paths, mode)?;
    if connection.is_readonly(rusqlite::MAIN_DB)? || !may_write(&paths.root) {
        let (path, why) = (paths.root.clone(), "its folder or its index may not be written".to_owned());
        return Err(Error::ReadOnly { path, why });
    }
    Ok(connection)
}

fn may_write(folder: &std::path::Path) -> bool {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
}

/// What to do with a store that cannot be written: read it, if that works, and say so once. Also says why.
fn readable(paths: &Paths, error: Error) -> Result<(Connection, Option<String>), Error> {
    if matches!(error, Error::Foreign { .. }) || !paths.index.exists() {
        return Err(error);
    }
    let Ok(connection) = open::connect_read_only(&paths.index) else { return Err(error) };
    let why = match error {
        Error::ReadOnly { why, .. } => why,
        other => other.to_string(),
    };
    tracing::warn!(store = %paths.root.display(), why, "the store can only be read: new answers are not kept");
    Ok((connection, Some(why)))
}

impl Inner {
    /// Does `work` with a connection; a broken index is moved aside and begun anew, and `work` is told that it failed.
    fn with<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T, Failure>) -> Result<T, Error> {
        self.sighted(|_| self.pool.with(&self.paths, work))
    }

    /// The same for work that reads in one snapshot, of which it is told the revision, and looks into the sidecar.
    fn read<T>(&self, work: impl FnOnce(&Connection, i64, &View) -> Result<T, Failure>) -> Result<T, Error> {
        self.sighted(|view| self.pool.read(&self.paths, |connection, revision| work(connection, revision, view)))
    }

    fn sighted<T>(&self, work: impl FnOnce(&View) -> Result<T, Failure>) -> Result<T, Error> {
        let view = self.sidecar.intact().unwrap_or_else(|| {
            self.attach_sidecar();
            self.sidecar.view()
        });
        work(&view).map_err(|failure| self.judge(failure))
    }

    fn may_write(&self) -> Result<(), Error> {
        self.pool.refuse_if_read_only(&self.paths)?;
        self.pool.look_for_a_lock()
    }

    /// Does `work` in a transaction that holds the write lock from its start.
    fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>) -> Result<T, Error> {
        self.may_write()?;
        self.with(|connection| transact(connection, work))
    }

    /// The same without waiting for a lock: `None`, and nothing done, where another process, or another thread, holds it, which
    /// says nothing about how long it will be held.
    fn write_at_once<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>) -> Result<Option<T>, Error> {
        self.write_within(Duration::ZERO, work)
    }

    /// The same for who waits no longer than `patience`.
    fn write_within<T>(
        &self,
        patience: Duration,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<Option<T>, Error> {
        self.may_write()?;
        self.with(|connection| {
            connection.busy_timeout(patience)?;
            let done = match transact(connection, work) {
                Err(Failure::Index(error)) if open::is_locked(&error) => None,
                done => Some(done?),
            };
            connection.busy_timeout(self.pool.mode.patience)?;
            Ok(done)
        })
    }

    /// Maps the sidecar's file and brings it and the index to the same generations. Without one this process counts for
    /// itself, and the index knows the generations.
    fn attach_sidecar(&self) {
        if !self.pool.may_write() || self.pool.mode.network {
            return;
        }
        let attach = || {
            // Only who may have to make the file needs the lock.
            if self.sidecar.attach_existing(&self.paths.sidecar).is_err() {
                let _lock = open::lock(&self.paths.root, self.pool.mode.patience)?;
                self.sidecar.attach(&self.paths.sidecar).at(&self.paths.sidecar)?;
            }
            // Everything always has room.
            self.sidecar.reserve("", "");
            self.level_generations()
        };
        if let Err(error) = attach() {
            tracing::debug!(%error, "no shared sidecar");
        }
    }

    /// Says something in the sidecar that is at its path while it is said.
    fn tell_all(&self, tell: impl Fn(&Sidecar)) {
        for _ in 0..3 {
            if self.sidecar.intact().is_none() {
                self.attach_sidecar();
            }
            let told = self.sidecar.identity();
            tell(&self.sidecar);
            if self.sidecar.intact().is_some() && self.sidecar.identity() == told {
                return;
            }
        }
    }

    fn level_generations(&self) -> Result<(), Error> {
        let behind = self.pool.with(&self.paths, |connection| {
            let mut behind = self.sidecar.scopes();
            for (service, operation, n) in self.scopes(connection)?.all() {
                if self.sidecar.scope(service, operation) < *n {
                    self.sidecar.raise(service, operation, *n);
                }
                behind.retain(|scope| (&scope.0, &scope.1) != (service, operation) || scope.2 > *n);
            }
            Ok(behind)
        })?;
        if behind.is_empty() {
            return Ok(());
        }
        // Raised in the sidecar by a process that was killed, or held up, before it could say so in the index, or the index
        // is new. Readers go by both: nobody has to wait for it.
        let told = self.write_at_once(|transaction| self.tell_generations(transaction))?;
        told.ok_or_else(Error::locked)
    }

    /// Tells the index what the sidecar knows.
    fn tell_generations(&self, transaction: &Transaction<'_>) -> Result<(), Failure> {
        for (service, operation, n) in self.sidecar.scopes() {
            row::raise(transaction, &service, &operation, n)?;
        }
        Ok(())
    }
}

fn transact<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let transaction = Transaction::begin(connection)?;
    let done = work(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

/// Runs what may take long where it holds nobody up: on a thread for it where there is a runtime, else here.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return work() };
    match runtime.spawn_blocking(work).await {
        Ok(done) => done,
        Err(stopped) => Err(Error::index(stopped.to_string())),
    }
}

/// Runs what nobody waits for: on a thread for it where there is a runtime, else here.
fn detached(work: impl FnOnce() + Send + 'static) {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(work)),
        Err(_) => work(),
    }
}

impl Tier for Disk {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn get<'a>(&'a self, want: &'a Want, now: Timestamp) -> BoxFuture<'a, Result<Option<Entry>, Error>> {
        Box::pin(async move {
            match self.inner.find(want, now)? {
                read::Found::Nothing => Ok(None),
                read::Found::Entry(entry) => Ok(Some(entry)),
                read::Found::InFile(found) => {
                    let inner = Arc::clone(&self.inner);
                    blocking(move || inner.read_file(found)).await
                }
            }
        })
    }

    fn put(&self, entry: Entry, now: Timestamp) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let done = match self.inner.put_at_once(&entry) {
                Some(done) => done,
                None => {
                    let inner = Arc::clone(&self.inner);
                    blocking(move || inner.put(&entry)).await
                }
            };
            self.inner.sweep_soon();
            let is_too_full = done?;
            self.maintain_sometimes(is_too_full, now);
            if self.inner.pool.is_log_long() {
                let inner = Arc::clone(&self.inner);
                detached(move || inner.fold_log());
            }
            Ok(())
        })
    }

    fn remove<'a>(&'a self, what: &'a Selection, now: Timestamp) -> BoxFuture<'a, Result<u64, Error>> {
        let (inner, what) = (Arc::clone(&self.inner), what.clone());
        Box::pin(async move {
            if let Some(key) = what.key
                && inner.clone().has_none_after_all(key).await
            {
                // What an index had that was begun anew since may be in the memory of others.
                inner.sidecar.touch(&key);
                return Ok(0);
            }
            let invalidates = what.key.is_none() && what.prefix.is_none();
            let remover = Arc::clone(&inner);
            let removed = blocking(move || remover.remove(&what, now)).await?;
            if invalidates {
                detached(move || inner.reclaim_invalidated());
            }
            Ok(removed)
        })
    }

    fn list<'a>(
        &'a self,
        what: &'a Selection,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Entry>, Error>> {
        let (inner, what) = (Arc::clone(&self.inner), what.clone());
        Box::pin(blocking(move || inner.list(&what, limit, now)))
    }

    fn usage(&self) -> Usage {
        let (entries, bytes) = self.inner.with(|connection| Ok(row::totals(connection)?)).unwrap_or_default();
        let Options { max_entries, max_bytes, .. } = self.inner.options;
        Usage { entries, max_entries, bytes, max_bytes }
    }
}

impl Disk {
    /// Every 64th put, whenever the store turns out to be fuller than it may be, and at the first put when nobody has for an
    /// hour, this process looks after the store; nobody waits for it where there is a runtime.
    fn maintain_sometimes(&self, is_too_full: bool, now: Timestamp) {
        let puts = self.inner.puts.fetch_add(1, Ordering::Relaxed);
        let is_time = puts % 64 == 63 || puts == 0 && self.inner.is_due();
        if is_time || is_too_full {
            let inner = Arc::clone(&self.inner);
            detached(move || inner.maintain(now));
        }
    }
}

#[cfg(test)]
mod tests;
