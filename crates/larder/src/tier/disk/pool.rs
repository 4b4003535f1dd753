//! Connections to the index: one per thread that is busy with it, kept for the next one.
//!
//! A connection must not be used or closed after a fork: a changed process id forgets what the parent opened.
//!
//! Every connection says after each commit how long the log has become, and folds it in where nobody else did.

use super::{
    open::{self, Mode, Paths},
    trust,
};
use crate::Error;
use rusqlite::{Connection, hooks::Wal};
use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// How many idle connections are kept.
const IDLE: usize = 8;

/// A log of so many pages (8 MiB) is to be folded into the index, by whoever has time.
const LONG: usize = 2048;

/// One of so many (16 MiB) is folded in by the commit that finds it: nobody had time.
const TOO_LONG: usize = 2 * LONG;

/// After a lock was waited for in vain, writes fail at once for so long.
const AFRESH: Duration = Duration::from_secs(10);

/// What was lent and comes back: by whom it was opened, and on which file.
#[derive(Clone, Copy)]
struct Loan {
    pid: u32,
    file: FileId,
}

/// Device and inode, whose types differ between systems.
type FileId = Option<(i128, i128)>;

#[derive(Debug)]
pub(super) struct Pool {
    pub(super) mode: Mode,
    pub(super) read_only: bool,
    idle: Mutex<Idle>,
    /// When a lock of another process was last waited for in vain.
    in_vain: Mutex<Option<Instant>>,
    /// Pages in the log after the last commit of this process.
    log: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Idle {
    pid: u32,
    /// Which file the connections are on; another one stands there once the index was replaced.
    file: FileId,
    connections: Vec<Connection>,
}

impl Pool {
    pub(super) fn new(mode: Mode, read_only: bool, index: &Path, first: Connection) -> Self {
        let idle = Idle { pid: std::process::id(), file: file_of(index), connections: Vec::new() };
        let pool = Self { mode, read_only, idle: Mutex::new(idle), in_vain: Mutex::default(), log: Arc::default() };
        let first = pool.watched(first);
        pool.lock().connections.extend(first);
        pool
    }

    /// Lends a connection to `work`. What failed half-way is not lent again.
    pub(super) fn with<T>(
        &self,
        paths: &Paths,
        work: impl FnOnce(&mut Connection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (mut connection, loan) = self.take(paths).inspect_err(|failure| self.note(failure))?;
        let done = work(&mut connection).inspect_err(|failure| self.note(failure))?;
        self.give_back(connection, loan);
        Ok(done)
    }

    fn note(&self, failure: &Failure) {
        if matches!(failure, Failure::Index(error) if open::is_locked(error)) {
            *self.in_vain.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }

    /// Before a write: an error while a lock was lately waited for in vain. Whoever holds it so long (a process that was
    /// stopped, somebody's own session) holds it longer, and would hold up every call for as long as the first.
    pub(super) fn look_for_a_lock(&self) -> Result<(), Error> {
        let in_vain = *self.in_vain.lock().unwrap_or_else(PoisonError::into_inner);
        match in_vain.is_some_and(|at| at.elapsed() < AFRESH) {
            true => Err(Error::Index("another process holds its lock".to_owned())),
            false => Ok(()),
        }
    }

    fn take(&self, paths: &Paths) -> Result<(Connection, Loan), Failure> {
        let (pid, file) = (std::process::id(), file_of(&paths.index));
        if let Some(connection) = self.idle(pid, file).connections.pop() {
            return Ok((connection, Loan { pid, file }));
        }
        // Another folder may stand there by now, and whoever put it there need not be this user.
        trust::check(&paths.root)?;
        let connection = if self.read_only {
            open::connect_read_only(&paths.index)?
        } else if file.is_some() {
            open::connect(&paths.index, self.mode)?
        } else {
            open::make_folder(&paths.root).map_err(|source| Error::Io { path: paths.root.clone(), source })?;
            open::open_or_create(paths, self.mode)?
        };
        let opened = file_of(&paths.index);
        drop(self.idle(pid, opened));
        // One that was replaced while it was opened is used once, and belongs to no file.
        let file = if file.is_none() || file == opened { opened } else { None };
        Ok((self.watched(connection)?, Loan { pid, file }))
    }

    /// Has `connection` tell how long the log is.
    fn watched(&self, mut connection: Connection) -> rusqlite::Result<Connection> {
        let log = Arc::clone(&self.log);
        let note = move |wal: &mut Wal, pages: std::ffi::c_int| {
            let pages = usize::try_from(pages).unwrap_or_default();
            log.store(pages, Ordering::Relaxed);
            // Busy readers are no reason to fail what is committed: the next one tries again.
            if pages >= TOO_LONG && wal.checkpoint().is_ok() {
                log.store(0, Ordering::Relaxed);
            }
            Ok(())
        };
        connection.wal_hook(Some(note))?;
        Ok(connection)
    }

    /// Whether the log is to be folded into the index; says so once for each time.
    pub(super) fn is_log_long(&self) -> bool {
        self.log.load(Ordering::Relaxed) >= LONG && self.log.swap(0, Ordering::Relaxed) >= LONG
    }

    /// A loan's process is the one that gives it back: a forked child does not have the thread that it was lent to.
    fn give_back(&self, connection: Connection, loan: Loan) {
        let mut idle = self.lock();
        if (idle.pid, idle.file) == (loan.pid, loan.file) && idle.connections.len() < IDLE {
            idle.connections.push(connection);
        }
    }

    /// The idle connections, all of them on `file` and opened by this process.
    fn idle(&self, pid: u32, file: FileId) -> MutexGuard<'_, Idle> {
        let mut idle = self.lock();
        if idle.pid != pid {
            std::mem::forget(std::mem::take(&mut idle.connections));
            idle.pid = pid;
        }
        if idle.file != file {
            idle.connections.clear();
            idle.file = file;
        }
        idle
    }

    /// Closes what is idle. The last connection that any process closes folds the WAL into the file.
    pub(super) fn close(&self) {
        let connections = {
            let mut idle = self.lock();
            if idle.pid != std::process::id() {
                return;
            }
            std::mem::take(&mut idle.connections)
        };
        drop(connections);
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn file_of(path: &Path) -> FileId {
    rustix::fs::stat(path).ok().map(|found| (found.st_dev.into(), found.st_ino.into()))
}

/// Why work with the index failed: with the database's own error where it has to be looked at.
#[derive(Debug)]
pub(super) enum Failure {
    /// From the database.
    Index(rusqlite::Error),
    /// From elsewhere.
    Other(Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Index(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Index(error) => error.into(),
            Failure::Other(error) => error,
        }
    }
}
