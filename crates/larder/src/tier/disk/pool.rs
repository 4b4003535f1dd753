//! Connections to the index: one per thread that is busy with it, kept for the next one.
//!
//! A connection must not be used or closed after a fork: a changed process id forgets what the parent opened.
//!
//! Every connection says after each commit how long the log has become, and folds it in where nobody else did.

use super::{
    folder::{FileId, Folder},
    length::{Length, Log},
    open::{self, Mode, Paths},
    snapshot::Reader,
    trust,
};
use crate::Error;
use rusqlite::{Connection, hooks::Wal};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

/// How many idle connections are kept.
const IDLE: usize = 8;

/// After a lock was waited for in vain, writes fail at once for so long.
const AFRESH: Duration = Duration::from_secs(10);

/// Snapshots that nobody went on with are ended so often.
const RELEASE: Duration = Duration::from_millis(5);

/// Who ends them goes away after so many times without any.
const QUIET: u32 = 200;

/// What was lent and comes back: by whom it was opened, and on which file.
#[derive(Clone, Copy)]
struct Loan {
    pid: u32,
    file: FileId,
}

#[derive(Debug)]
pub(super) struct Pool {
    pub(super) mode: Mode,
    pub(super) read_only: bool,
    folder: Folder,
    idle: Arc<Mutex<Idle>>,
    /// When a lock of another process was last waited for in vain.
    in_vain: Arc<Mutex<Option<Instant>>>,
    log: Arc<Log>,
}

#[derive(Debug)]
struct Idle {
    pid: u32,
    /// Which file the connections are on; another one stands there once the index was replaced.
    file: FileId,
    readers: Vec<Reader>,
    /// Whether a thread ends the snapshots that they keep.
    is_watched: bool,
}

impl Pool {
    pub(super) fn new(mode: Mode, read_only: bool, paths: &Paths, first: Connection) -> Self {
        let folder = Folder::new(mode.network);
        let (pid, file) = (std::process::id(), folder.index(paths));
        let idle = Arc::new(Mutex::new(Idle { pid, file, readers: Vec::new(), is_watched: false }));
        let pool = Self { mode, read_only, folder, idle, in_vain: Arc::default(), log: Arc::default() };
        let first = pool.watched(first);
        pool.lock().readers.extend(first);
        pool
    }

    /// Lends a connection to `work`. What failed half-way is not lent again.
    pub(super) fn with<T>(
        &self,
        paths: &Paths,
        work: impl FnOnce(&mut Connection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.lend(paths, |reader| work(reader.plain()?))
    }

    /// The same for work that reads: the connection sees the index as it is now, and with it comes the revision of the generations
    /// in it.
    pub(super) fn read<T>(
        &self,
        paths: &Paths,
        work: impl FnOnce(&Connection, i64) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let may_keep = !self.mode.network && !self.read_only;
        self.lend(paths, |reader| {
            let (connection, revision) = reader.look(may_keep)?;
            let done = work(connection, revision)?;
            reader.settle()?;
            Ok(done)
        })
    }

    fn lend<T>(&self, paths: &Paths, work: impl FnOnce(&mut Reader) -> Result<T, Failure>) -> Result<T, Failure> {
        let (mut reader, loan) = self.take(paths).inspect_err(|failure| self.note(failure))?;
        let done = work(&mut reader).inspect_err(|failure| self.note(failure))?;
        self.give_back(reader, loan);
        Ok(done)
    }

    fn note(&self, failure: &Failure) {
        if matches!(failure, Failure::Index(error) if open::is_locked(error)) {
            note(&self.in_vain);
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

    fn take(&self, paths: &Paths) -> Result<(Reader, Loan), Failure> {
        let (pid, file) = (std::process::id(), self.folder.index(paths));
        if let Some(reader) = self.idle(pid, file).readers.pop() {
            return Ok((reader, Loan { pid, file }));
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
        let opened = self.folder.index(paths);
        drop(self.idle(pid, opened));
        // One that was replaced while it was opened is used once, and belongs to no file.
        let file = if file.is_none() || file == opened { opened } else { None };
        Ok((self.watched(connection)?, Loan { pid, file }))
    }

    /// Has `connection` tell how long the log is.
    fn watched(&self, mut connection: Connection) -> rusqlite::Result<Reader> {
        let (log, in_vain) = (Arc::clone(&self.log), Arc::clone(&self.in_vain));
        let told = move |wal: &mut Wal, pages: std::ffi::c_int| {
            if log.told(wal, pages) == Length::Stuck {
                note(&in_vain);
            }
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
    fn give_back(&self, mut reader: Reader, loan: Loan) {
        let mut idle = self.lock();
        if (idle.pid, idle.file) != (loan.pid, loan.file) || idle.readers.len() >= IDLE {
            return;
        }
        if reader.is_holding() && !idle.is_watched {
            idle.is_watched = watch(&self.idle);
            if !idle.is_watched && reader.end().is_err() {
                return;
            }
        }
        idle.readers.push(reader);
    }

    /// Ends the snapshots that nobody goes on with now: the log is not begun anew before they have ended.
    pub(super) fn release(&self) {
        self.lock().readers.retain_mut(|reader| reader.end().is_ok());
    }

    /// The idle connections, all of them on `file` and opened by this process.
    fn idle(&self, pid: u32, file: FileId) -> MutexGuard<'_, Idle> {
        let mut idle = self.lock();
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
        let mut idle = self.lock();
        let readers = std::mem::take(&mut idle.readers);
        if idle.pid != std::process::id() {
            std::mem::forget(readers);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        lock(&self.idle)
    }
}

impl Drop for Pool {
    /// Here, and not in the thread that ends snapshots.
    fn drop(&mut self) {
        self.close();
    }
}

fn lock(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note(in_vain: &Mutex<Option<Instant>>) {
    *in_vain.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
}

/// Has a thread end the snapshots that nobody goes on with, until there were none for a while; whether there is one.
fn watch(idle: &Arc<Mutex<Idle>>) -> bool {
    let idle = Arc::downgrade(idle);
    let thread = std::thread::Builder::new().name("larder-snapshots".to_owned()).stack_size(128 << 10);
    thread.spawn(move || end_old(&idle)).is_ok()
}

fn end_old(idle: &Weak<Mutex<Idle>>) {
    let mut quiet = 0;
    loop {
        std::thread::sleep(RELEASE);
        let Some(idle) = idle.upgrade() else { return };
        let mut idle = lock(&idle);
        quiet = if idle.readers.iter().any(Reader::is_holding) { 0 } else { quiet + 1 };
        idle.readers.retain_mut(|reader| reader.end_old().is_ok());
        if quiet >= QUIET {
            idle.is_watched = false;
            return;
        }
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
            Failure::Index(error) => error.into(),
            Failure::Other(error) => error,
        }
    }
}
