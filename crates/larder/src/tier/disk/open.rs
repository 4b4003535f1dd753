//! Opening the index: made under a lock and by rename, moved aside when it is broken, tried again while it is locked.

use super::{
    filesystem, log,
    loose::look_soon,
    reads,
    schema::{APPLICATION_ID, CREATE, VERSION},
    trust,
};
use crate::{Error, error::At};
use rusqlite::{
    Connection, ErrorCode, OpenFlags,
    config::DbConfig,
    ffi::{
        SQLITE_CORRUPT, SQLITE_IOERR_FSTAT, SQLITE_IOERR_READ, SQLITE_MISMATCH, SQLITE_NOTADB, SQLITE_READONLY_DBMOVED,
    },
};
use std::{
    ffi::{CStr, c_int},
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

/// Where things are in a store.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    /// `…/v2`
    pub(super) root: PathBuf,
    /// The index.
    pub(super) index: PathBuf,
    /// The sidecar.
    pub(super) sidecar: PathBuf,
    /// Large bodies.
    pub(super) bodies: PathBuf,
    /// Tools' answers.
    pub(super) runs: PathBuf,
    /// Large bodies on their way.
    pub(super) spool: PathBuf,
}

impl Paths {
    /// The index's name in the root.
    pub(super) const INDEX: &str = "index.db";

    pub(super) fn of(dir: &Path) -> Self {
        let root = dir.join(super::FOLDER);
        let [index, sidecar, bodies, runs, spool] =
            [Self::INDEX, "sidecar", "bodies", "runs", "spool"].map(|name| root.join(name));
        Self { root, index, sidecar, bodies, runs, spool }
    }

    /// Locked by the process that looks after the store; its time is that of the last look at the folders.
    pub(super) fn maintenance(&self) -> PathBuf {
        self.root.join("maintenance.lock")
    }
}

/// Makes `folder` and what is above it, for this user alone.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Holds the lock that whoever creates or replaces files takes; released when the value is dropped. A filesystem
/// without locks gives a handle that locks nothing. Waits as long as a busy index is waited for, and no longer: a
/// process that was stopped while it held the lock must not hold up every other one.
pub(super) fn lock(root: &Path, patience: Duration) -> Result<File, Error> {
    let path = root.join("lock");
    let mut options = OpenOptions::new();
    let file = trust::open(&path, options.create(true).truncate(false).write(true).mode(0o600)).at(&path)?;
    let (began, mut pause) = (Instant::now(), Duration::from_millis(1));
    while matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock)) {
        if began.elapsed() > patience {
            return Err(io::ErrorKind::TimedOut.into()).at(&path);
        }
        std::thread::sleep(pause);
        pause = (pause * 3 / 2).min(patience / 4);
    }
    Ok(file)
}

/// How long another process's lock is waited for, unless the caller is in a hurry.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The same where a call waits for it that could go on without a store.
const BRIEF: Duration = Duration::from_millis(250);

/// How connections are opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mode {
    /// `synchronous=FULL`.
    pub(super) durable: bool,
    /// Memory shared between processes does not work here: no WAL.
    pub(super) network: bool,
    /// How long another process's lock is waited for.
    pub(super) patience: Duration,
}

impl Mode {
    pub(super) fn at(root: &Path, durable: bool, patience: Duration) -> Self {
        Self { durable, network: filesystem::is_remote(root), patience }
    }

    /// Whether a commit is one write: what is synced at once is split where sectors end.
    fn gathers(self) -> bool {
        !self.durable && !self.network
    }
}

/// Makes sure that there is a usable index, moving a broken one aside, and opens it.
pub(super) fn open_or_create(paths: &Paths, mode: Mode) -> Result<Connection, Error> {
    if is_there(paths)? {
        match connect(&paths.index, mode) {
            Err(error) if is_broken(&error) => {}
            other => return other.map_err(|error| named(&paths.index, error)),
        }
    }
    let _lock = lock(&paths.root, mode.patience)?;
    if is_there(paths)? {
        // Another process may have repaired it while this one waited for the lock.
        match looked_at(|| connect(&paths.index, mode)) {
            Err(error) if is_broken(&error) => move_aside(paths)?,
            other => return other.map_err(|error| named(&paths.index, error)),
        }
    }
    create(paths, mode)?;
    connect(&paths.index, mode).map_err(|error| named(&paths.index, error))
}

/// Whether there is an index. What cannot be looked at may be one, and is not replaced.
fn is_there(paths: &Paths) -> Result<bool, Error> {
    paths.index.try_exists().at(&paths.index)
}

/// Moves an index aside that turned out to be broken while it was in use; whether it was.
pub(super) fn repair(paths: &Paths, mode: Mode) -> Result<bool, Error> {
    let _lock = lock(&paths.root, mode.patience.min(BRIEF))?;
    // What a check finds is an error here, so that it can be told from a page that could not be read.
    match looked_at(|| connect(&paths.index, mode).and_then(|connection| find_damage(&connection))) {
        Ok(()) => return Ok(false),
        Err(error) if is_broken(&error) => {}
        Err(error) => return Err(error.into()),
    }
    move_aside(paths)?;
    create(paths, mode)?;
    Ok(true)
}

/// Looks at all of an index. A quick check does not see that a table and its index say different things, and no check that a
/// column has another name.
fn find_damage(connection: &Connection) -> rusqlite::Result<()> {
    let found: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if found != "ok" {
        return Err(failure(SQLITE_CORRUPT, found));
    }
    if schema(connection)? != schema(&made()?)? {
        return Err(failure(SQLITE_CORRUPT, "other tables than ours".to_owned()));
    }
    read_small_tables(connection)
}

/// Reads what every process reads whole, as it does: no check sees that a text is none (UTF-8), or a number at its end.
fn read_small_tables(connection: &Connection) -> rusqlite::Result<()> {
    for select in [
        "SELECT service, operation FROM generation",
        "SELECT service, name FROM operation",
        "SELECT service, operation FROM counter",
        "SELECT origin, digest FROM credential",
    ] {
        let mut statement = connection.prepare(select)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..2 {
                row.get_ref(column)?.as_str().map_err(|_| failure(SQLITE_CORRUPT, "a text that is none".to_owned()))?;
            }
        }
    }
    // It begins below 2^61, and is raised by ones.
    let revision: i64 = connection.query_row("SELECT revision FROM total", [], |row| row.get(0))?;
    match revision.unsigned_abs() < 1 << 62 {
        true => Ok(()),
        false => Err(failure(SQLITE_CORRUPT, "a revision that cannot be".to_owned())),
    }
}

/// What a `look` at an index finds, by which it may be thrown away: nothing, where a read failed meanwhile, because what cannot
/// be read cannot be told from what is damaged.
fn looked_at<T>(look: impl FnOnce() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let before = reads::failed();
    look().map_err(|error| match is_broken(&error) && reads::failed() != before {
        true => failure(SQLITE_IOERR_READ, format!("{error}; and the disk fails to read")),
        false => error,
    })
}

fn failure(code: c_int, why: String) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), Some(why))
}

/// An index as it is made, in memory.
fn made() -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch(CREATE)?;
    Ok(connection)
}

/// What there is in an index, by name, as it was declared.
fn schema(connection: &Connection) -> rusqlite::Result<Vec<[String; 4]>> {
    let select = "SELECT name, type, tbl_name, coalesce(sql, '') FROM sqlite_schema
        WHERE name NOT LIKE 'sqlite_stat%' ORDER BY name";
    let mut statement = connection.prepare(select)?;
    let rows = statement.query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))?;
    rows.collect()
}

fn move_aside(paths: &Paths) -> Result<(), Error> {
    let last = broken(&paths.root).map(|(n, _)| n).max();
    let next = last.map_or(0, |last| last.saturating_add(1));
    let aside = paths.root.join(format!("{BROKEN}{next}"));
    tracing::warn!(index = %paths.index.display(), aside = %aside.display(), "the store's index is broken: begun anew");
    for suffix in ["-wal", "-shm", "-journal"] {
        let _absent = std::fs::remove_file(suffixed(&paths.index, suffix));
    }
    std::fs::rename(&paths.index, &aside).at(&paths.index)?;
    // It is kept for a day from now on, however long nobody wrote to it.
    let touched = trust::open(&aside, OpenOptions::new().write(true));
    let _goes_sooner = touched.and_then(|file| file.set_modified(SystemTime::now()));
    // Two copies: what an index that broke again had may all be in the one before.
    broken(&paths.root)
        .filter(|(n, _)| *n != next && Some(*n) != last)
        .for_each(|(_, file)| drop(std::fs::remove_file(file)));
    Ok(())
}

/// What the names of broken indexes begin with.
const BROKEN: &str = "index.broken-";

/// The broken indexes that were moved aside, with their numbers: a later one has a higher one.
fn broken(root: &Path) -> impl Iterator<Item = (u64, PathBuf)> {
    let files = std::fs::read_dir(root).into_iter().flatten().flatten();
    files.filter_map(|file| Some((file.file_name().to_str()?.strip_prefix(BROKEN)?.parse().ok()?, file.path())))
}

/// Removes the broken indexes that are `meant`.
pub(super) fn remove_broken(root: &Path, meant: impl Fn(&Path) -> bool) {
    broken(root).filter(|(_, file)| meant(file)).for_each(|(_, file)| drop(std::fs::remove_file(file)));
}

pub(super) fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn create(paths: &Paths, mode: Mode) -> Result<(), Error> {
    // Left behind by an index that was removed by hand; they would be replayed into the new one.
    for suffix in ["-wal", "-shm", "-journal"] {
        let _absent = std::fs::remove_file(suffixed(&paths.index, suffix));
    }
    let temporary = tempfile::Builder::new().prefix("index.new-").tempfile_in(&paths.root).at(&paths.root)?;
    let connection = Connection::open(temporary.path())?;
    connection.execute_batch(CREATE)?;
    set_journal(&connection, mode)?;
    connection.close().map_err(|(_, error)| error)?;
    temporary.persist(&paths.index).map_err(|error| error.error).at(&paths.index)?;
    // Whatever files of bodies there are lost their rows with the index before.
    look_soon(paths);
    Ok(())
}

fn set_journal(connection: &Connection, mode: Mode) -> rusqlite::Result<()> {
    let journal = if mode.network { "PRAGMA journal_mode = DELETE" } else { "PRAGMA journal_mode = WAL" };
    connection.query_row(journal, [], |_| Ok(()))
}

/// Opens a connection; tries again while the file is locked, which happens at opening in spite of the busy timeout.
pub(super) fn connect(index: &Path, mode: Mode) -> rusqlite::Result<Connection> {
    let (began, mut pause) = (Instant::now(), Duration::from_millis(1));
    loop {
        match connect_once(index, mode) {
            Err(error) if is_locked(&error) && began.elapsed() < mode.patience => std::thread::sleep(pause),
            other => return other,
        }
        pause = (pause * 2).min(mode.patience / 4);
    }
}

fn connect_once(index: &Path, mode: Mode) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open_by(log::vfs(mode.gathers()), index, flags)?;
    connection.busy_timeout(mode.patience)?;
    connection.set_prepared_statement_cache_capacity(64);
    keep_plans(&connection)?;
    check(&connection)?;
    if mode.network {
        set_journal(&connection, mode)?;
    }
    let synchronous = if mode.durable { "FULL" } else { "NORMAL" };
    connection.execute_batch(&format!(
        "PRAGMA synchronous = {synchronous}; PRAGMA mmap_size = 0; PRAGMA journal_size_limit = 33554432;
         PRAGMA cache_size = -8192; PRAGMA cache_spill = OFF; PRAGMA trusted_schema = OFF;"
    ))?;
    Ok(connection)
}

fn open_by(vfs: Option<&CStr>, index: impl AsRef<Path>, flags: OpenFlags) -> rusqlite::Result<Connection> {
    match vfs {
        Some(name) => Connection::open_with_flags_and_vfs(index, flags, name),
        None => Connection::open_with_flags(index, flags),
    }
}

/// Plans do not depend on what is bound. Otherwise SQLite's planner looks whether a value that a column is compared with is
/// a small integer, marks the statement, and prepares it anew once `sqlite3_clear_bindings` was called, which the cache of
/// statements does at each return: most of what a hit cost.
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// Opens for reading alone: through the `-shm` that a writer left, or as a file that nobody writes.
pub(super) fn connect_read_only(index: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let sound = |connection: Connection| {
        keep_plans(&connection)?;
        check(&connection).map(|()| connection)
    };
    let plain = open_by(log::vfs(false), index, flags).and_then(sound);
    if plain.is_ok() || std::fs::metadata(suffixed(index, "-wal")).is_ok_and(|wal| wal.len() > 0) {
        return plain;
    }
    open_by(log::vfs(false), immutable(index), flags).and_then(sound)
}

/// `file:…?immutable=1`, with whatever a URI reserves percent-encoded.
fn immutable(index: &Path) -> String {
    use std::{fmt::Write as _, os::unix::ffi::OsStrExt as _};
    let mut uri = String::from("file:");
    for byte in index.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => uri.push(char::from(*byte)),
            other => drop(write!(uri, "%{other:02X}")),
        }
    }
    uri + "?immutable=1"
}

/// Reads what every file of ours begins with. An empty file is taken for a broken one.
fn check(connection: &Connection) -> rusqlite::Result<()> {
    let id: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version: i32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if (id, version) == (APPLICATION_ID, VERSION) {
        let tables = "SELECT 1 FROM total, (SELECT count(*) FROM (SELECT 1 FROM entry LIMIT 1))";
        return connection.query_row(tables, [], |_| Ok(()));
    }
    let is_ours = (id, version) == (0, 0) || has_our_tables(connection)?;
    let code = if is_ours { SQLITE_NOTADB } else { SQLITE_MISMATCH };
    Err(failure(code, format!("{id:#x}, version {version}")))
}

/// Whether a file that says that it is another program's is ours with damaged numbers: another form of ours never lies in
/// this folder, and nobody else has all of these tables.
fn has_our_tables(connection: &Connection) -> rusqlite::Result<bool> {
    let ours = "SELECT count(*) = 6 FROM sqlite_schema WHERE type = 'table'
        AND name IN ('operation', 'generation', 'entry', 'total', 'counter', 'credential')";
    connection.query_row(ours, [], |row| row.get(0))
}

fn named(index: &Path, error: rusqlite::Error) -> Error {
    match error {
        rusqlite::Error::SqliteFailure(code, Some(found)) if code.code == ErrorCode::TypeMismatch => {
            Error::Foreign { path: index.to_owned(), found }
        }
        other => other.into(),
    }
}

/// What SQLite says of a damaged schema page: tables, columns or constraints that are not there; and of a damaged format number,
/// a form from the future (which would lie in another folder).
const DAMAGE: [&str; 4] =
    ["no such", "has no column named", "ON CONFLICT clause does not match", "unsupported file format"];

/// Whether the file itself is damaged, rather than busy, full or out of reach.
pub(super) fn is_broken(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, message) => match failure.code {
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => true,
            // No statement of ours breaks a constraint while tables and indexes agree.
            ErrorCode::ConstraintViolation => true,
            // Shorter than its own pages, or than its log says: cut, or the log was taken away. A disk that fails says otherwise.
            ErrorCode::SystemIoFailure => failure.extended_code == rusqlite::ffi::SQLITE_IOERR_SHORT_READ,
            ErrorCode::Unknown => message.as_deref().is_some_and(|text| DAMAGE.iter().any(|told| text.contains(told))),
            _ => false,
        },
        // Our statements are right: what they are read against is not.
        rusqlite::Error::SqlInputError { .. }
        | rusqlite::Error::QueryReturnedNoRows
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..) => true,
        _ => false,
    }
}

/// Whether an index was not where it was looked for: it is being moved aside, or was. (A log is made with the rights of its
/// index, which are asked for by path: `SQLITE_IOERR_FSTAT`.)
pub(super) fn is_elsewhere(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|failure| {
        failure.code == ErrorCode::CannotOpen
            || matches!(failure.extended_code, SQLITE_READONLY_DBMOVED | SQLITE_IOERR_FSTAT)
    })
}

/// Whether the index was made within `age`; `false` where the filesystem does not tell.
pub(super) fn is_younger(paths: &Paths, age: Duration) -> bool {
    let made = std::fs::metadata(&paths.index).and_then(|index| index.created());
    made.is_ok_and(|made| made.elapsed().is_ok_and(|passed| passed < age))
}

/// Whether another process holds a lock.
pub(super) fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
