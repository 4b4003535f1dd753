//! Connections to the index: one per thread that is busy with it, kept for the next one.
//!
//! A connection must not be used or closed after a fork: a changed process id forgets what the parent opened.
//!
//! Every connection says after each commit how long the log has become, and folds it in where nobody else did.

use super::{
    folder::{FileId, Folder, Walk},
    idle::{Idle, Shared, fork},
    length::{self, Log},
    open::{self, Mode, Paths},
    snapshot::Reader,
    trust,
};
use crate::Error;
use rusqlite::{Connection, hooks::Wal};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How many idle connections are kept.
const IDLE: usize = 8;

/// After a lock was waited for in vain, writes fail at once for so long.
const AFRESH: Duration = Duration::from_secs(10);

/// What was lent and comes back: by whom it was opened, and on which file.
#[derive(Clone, Copy)]
struct Loan {
    pid: u32,
    file: FileId,
}

#[derive(Debug)]
pub(super) struct Pool {
    pub(super) mode: Mode,
    /// Why it can only be read.
    read_only: Option<String>,
    folder: Folder,
    idle: Shared,
    /// When a lock of another process was last waited for in vain.
    in_vain: Mutex<Option<Instant>>,
    log: Arc<Log>,
}

impl Pool {
    pub(super) fn new(mode: Mode, read_only: Option<String>, paths: &Paths, first: Connection) -> Self {
        let folder = Folder::new(mode.network);
        let idle = Shared::new(fork::process(), folder.index(paths, Walk::Always));
        let log = std::fs::metadata(open::suffixed(&paths.index, "-wal")).map_or(0, |log| log.len());
        let pool = Self { mode, read_only, folder, idle, in_vain: Mutex::default(), log: Arc::new(Log::of(log)) };
        let first = pool.watched(first);
        pool.idle.lock().readers.extend(first);
        pool
    }

    /// Whether the store can be written, as far as was seen when it was opened.
    pub(super) const fn may_write(&self) -> bool {
        self.read_only.is_none()
    }

    pub(super) fn refuse_if_read_only(&self, paths: &Paths) -> Result<(), Error> {
        let refused = |why: &String| Err(Error::ReadOnly { path: paths.root.clone(), why: why.clone() });
        self.read_only.as_ref().map_or(Ok(()), refused)
    }

    /// Lends a connection to `work`. What failed half-way is not lent again.
    pub(super) fn with<T>(
        &self,
        paths: &Paths,
        work: impl FnOnce(&mut Connection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.lend(paths, Walk::Always, |reader| work(reader.plain()?))
    }

    /// The same for work that reads: the connection sees the index as it is now, and with it comes the revision of the generations
    /// in it.
    pub(super) fn read<T>(
        &self,
        paths: &Paths,
        work: impl FnOnce(&Connection, i64) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let may_keep = !self.mode.network && self.may_write();
        self.lend(paths, Walk::Seldom, |reader| reader.read(may_keep, work))
    }

    fn lend<T>(
        &self,
        paths: &Paths,
        walk: Walk,
        work: impl FnOnce(&mut Reader) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (mut reader, loan) = self.take(paths, walk).inspect_err(|failure| self.note(failure))?;
        let done = work(&mut reader).inspect_err(|failure| self.note(failure))?;
        self.give_back(reader, loan);
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
            true => Err(Error::locked()),
            false => Ok(()),
        }
    }

    /// Before a put: an error while the log is as long as it may become.
    pub(super) fn look_for_room(&self, paths: &Paths) -> Result<(), Error> {
        match self.log.has_room(|| self.with(paths, |connection| Ok(length::fold(connection))).ok().flatten()) {
            true => Ok(()),
            false => Err(Error::Stuck { path: open::suffixed(&paths.index, "-wal") }),
        }
    }

    fn take(&self, paths: &Paths, walk: Walk) -> Result<(Reader, Loan), Failure> {
        let (pid, file) = (fork::process(), self.folder.index(paths, walk));
        if let Some(reader) = self.idle(pid, file).readers.pop() {
            return Ok((reader, Loan { pid, file }));
        }
        // Another folder may stand there by now, and whoever put it there need not be this user.
        trust::check(&paths.root)?;
        let connection = if !self.may_write() {
            open::connect_read_only(&paths.index)?
        } else if file.is_some() {
            open::connect(&paths.index, self.mode)?
        } else {
            open::make_folder(&paths.root).map_err(|source| Error::Io { path: paths.root.clone(), source })?;
            open::open_or_create(paths, self.mode)?
        };
        let opened = self.folder.index(paths, Walk::Always);
        drop(self.idle(pid, opened));
        // One that was replaced while it was opened is used once, and belongs to no file.
        let file = if file.is_none() || file == opened { opened } else { None };
        Ok((self.watched(connection)?, Loan { pid, file }))
    }

    /// Has `connection` tell how long the log is.
    fn watched(&self, mut connection: Connection) -> rusqlite::Result<Reader> {
        let log = Arc::clone(&self.log);
        let told = move |wal: &mut Wal, pages: std::ffi::c_int| {
            log.told(wal, pages);
            Ok(())
        };
        connection.wal_hook(Some(told))?;
        Ok(Reader::new(connection))
    }

    /// Whether the log is to be folded into the index; says so once for each time.
    pub(super) fn is_log_long(&self) -> bool {
        self.log.is_long()
    }

    /// A loan's process is the one that gives it back: a forked child does not have the thread that it was lent to.
    fn give_back(&self, reader: Reader, loan: Loan) {
        let mut idle = self.idle.lock();
        if (idle.pid, idle.file) != (loan.pid, loan.file) || idle.readers.len() >= IDLE {
            return;
        }
        let begins_to_hold = reader.is_holding() && !idle.is_watched;
        idle.is_watched |= begins_to_hold;
        idle.readers.push(reader);
        drop(idle);
        if begins_to_hold && !self.idle.watch() {
            self.idle.lock().is_watched = false;
            self.release();
        }
    }

    /// Ends the snapshots that nobody goes on with now: the log is not begun anew before they have ended.
    pub(super) fn release(&self) {
        self.idle.lock().readers.retain_mut(|reader| reader.end().is_ok());
    }

    /// Whether an idle connection holds a snapshot.
    #[cfg(test)]
    pub(super) fn is_holding(&self) -> bool {
        self.idle.lock().readers.iter().any(Reader::is_holding)
    }

    /// Whether a thread ends snapshots.
    #[cfg(test)]
    pub(super) fn is_watched(&self) -> bool {
        self.idle.lock().is_watched
    }

    /// The idle connections, all of them on `file` and opened by this process.
    fn idle(&self, pid: u32, file: FileId) -> MutexGuard<'_, Idle> {
        let mut idle = self.idle.lock();
        if idle.pid != pid {
            std::mem::forget(std::mem::take(&mut idle.readers));
            (idle.pid, idle.is_watched) = (pid, false);
        }
        if idle.file != file {
            idle.readers.clear();
            idle.file = file;
        }
        idle
    }

    /// Closes what is idle. The last connection that any process closes folds the WAL into the file.
    pub(super) fn close(&self) {
        let mut idle = self.idle.lock();
        let (readers, is_own) = (std::mem::take(&mut idle.readers), idle.pid == fork::process());
        // Folding takes long: nobody is to wait for it here.
        drop(idle);
        if !is_own {
            std::mem::forget(readers);
        }
    }
}

impl Drop for Pool {
    /// Here, and not in the thread that ends snapshots.
    fn drop(&mut self) {
        self.close();
    }
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
            Failure::Index(error) => (&error).into(),
            Failure::Other(error) => error,
        }
    }
}
