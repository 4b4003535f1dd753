//! Snapshots that are kept: who reads often begins a read transaction seldom.
//!
//! Beginning and ending one takes two locks from the system and a look at the log, a quarter of what a hit costs. So a
//! connection that reads again at once keeps its transaction for a few milliseconds, and goes on with it while it shows
//! the index as it is now. That is the case while the header of the log's index is the one of its beginning: every commit
//! of any process changes it, and SQLite itself compares nothing else when a transaction begins
//! (<https://www.sqlite.org/walformat.html#the_wal_index_header>).

use super::length::LONG;
use crate::tier::tick::tick;
use rusqlite::{Connection, ffi};
use std::{
    ffi::{c_int, c_void},
    ptr,
    sync::atomic::{AtomicU64, Ordering},
};

/// The header's length in words of 64 bits.
const HEADER: usize = 6;
/// SQLite maps the log's index in regions of so many bytes.
const REGION: c_int = 32 << 10;
/// The header's first number.
const FORMAT: u32 = 3_007_000;

const REVISION: &str = "SELECT revision FROM total";

/// A connection of the pool, and what it still sees since it last read.
#[derive(Debug)]
pub(super) struct Reader {
    connection: Connection,
    kept: Option<Snapshot>,
    /// When it last read, in ticks.
    read: u64,
    /// Whether its index has a log, once it was asked.
    has_log: Option<bool>,
}

/// A read transaction that is open.
#[derive(Debug)]
struct Snapshot {
    index: LogIndex,
    header: [u64; HEADER],
    /// The revision of the generations in it.
    revision: i64,
    /// When it began, in ticks.
    began: u64,
}

/// The index of a connection's log, mapped by SQLite for as long as the connection is open.
#[derive(Clone, Copy, Debug)]
struct LogIndex(*const AtomicU64);

// SAFETY: the memory is shared between processes anyway, and is read through atomics.
unsafe impl Send for LogIndex {}

impl Reader {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, kept: None, read: 0, has_log: None }
    }

    /// The connection, in no transaction.
    pub(super) fn plain(&mut self) -> rusqlite::Result<&mut Connection> {
        self.end()?;
        Ok(&mut self.connection)
    }

    /// Does `work` with the connection in a transaction that sees the index as it is now, and with the revision of the
    /// generations in it. `may_keep`: the log's index is memory that all processes share.
    pub(super) fn read<T, E: From<rusqlite::Error>>(
        &mut self,
        may_keep: bool,
        work: impl FnOnce(&Connection, i64) -> Result<T, E>,
    ) -> Result<T, E> {
        let now = tick();
        let is_dense = std::mem::replace(&mut self.read, now) == now;
        if let Some(kept) = self.kept.as_ref().filter(|kept| kept.began == now && kept.is_current()) {
            return work(&self.connection, kept.revision);
        }
        self.end()?;
        if is_dense && may_keep && self.keep(now)? {
            let revision = self.kept.as_ref().map_or(0, |kept| kept.revision);
            return work(&self.connection, revision);
        }
        let mut statement = self.connection.prepare_cached(REVISION)?;
        // As long as this statement stands at its row the transaction is open: two statements fewer than with a name for it.
        let mut rows = statement.query([])?;
        let revision = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?.get(0)?;
        work(&self.connection, revision)
    }

    /// Begins a transaction to be kept; whether it can be.
    fn keep(&mut self, now: u64) -> rusqlite::Result<bool> {
        let index = LogIndex::of(&self.connection, &mut self.has_log)?;
        // A long log is begun anew when nobody reads what is in it.
        let Some((index, header)) = index.and_then(|index| Some((index, index.header()?))) else { return Ok(false) };
        if pages(&header) >= LONG {
            return Ok(false);
        }
        self.connection.prepare_cached("BEGIN")?.execute([])?;
        let revision = self.connection.prepare_cached(REVISION)?.query_row([], |row| row.get(0))?;
        let snapshot = Snapshot { index, header, revision, began: now };
        if !snapshot.is_current() {
            // Somebody committed meanwhile, and it may be of before or after that.
            self.end()?;
            return Ok(false);
        }
        self.kept = Some(snapshot);
        Ok(true)
    }

    /// Whether it holds a snapshot.
    pub(super) fn is_holding(&self) -> bool {
        self.kept.is_some()
    }

    /// Ends a snapshot that began before this tick.
    pub(super) fn end_old(&mut self) -> rusqlite::Result<()> {
        let is_old = self.kept.as_ref().is_some_and(|kept| kept.began != tick());
        if is_old { self.end() } else { Ok(()) }
    }

    /// Ends what is open.
    pub(super) fn end(&mut self) -> rusqlite::Result<()> {
        self.kept = None;
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.connection.prepare_cached("COMMIT")?.execute([]).map(drop)
    }
}

/// How many pages the log has, by its header: its field `mxFrame`, in the byte order of this machine.
fn pages(header: &[u64; HEADER]) -> usize {
    let [a, b, c, d, ..] = header[2].to_ne_bytes();
    u32::from_ne_bytes([a, b, c, d]) as usize
}

impl Snapshot {
    fn is_current(&self) -> bool {
        self.index.header() == Some(self.header)
    }
}

impl LogIndex {
    /// That of a connection that has read, if its index has a log and the log's index is shared.
    fn of(connection: &Connection, has_log: &mut Option<bool>) -> rusqlite::Result<Option<Self>> {
        let ask = || connection.query_row("PRAGMA journal_mode", [], |row| Ok(row.get::<_, String>(0)? == "wal"));
        // Whoever is asked for what is not there makes it.
        let has = has_log.map_or_else(ask, Ok)?;
        *has_log = Some(has);
        Ok(if has { Self::mapped(connection) } else { None })
    }

    fn mapped(connection: &Connection) -> Option<Self> {
        let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
        let mut region: *mut c_void = ptr::null_mut();
        let (name, asked) = (c"main".as_ptr(), (&raw mut file).cast());
        // SAFETY: the handle is that of an open connection, which nobody else uses now. SQLite gives its file, and the file
        // its first region, which was mapped when the connection read first and stays where it is until it is closed.
        unsafe {
            let found = ffi::sqlite3_file_control(connection.handle(), name, ffi::SQLITE_FCNTL_FILE_POINTER, asked);
            if found != ffi::SQLITE_OK || file.is_null() || (*file).pMethods.is_null() {
                return None;
            }
            let methods = &*(*file).pMethods;
            let map = methods.xShmMap.filter(|_| methods.iVersion >= 2)?;
            let mapped = map(file, 0, REGION, 0, &raw mut region);
            (mapped == ffi::SQLITE_OK && !region.is_null()).then_some(Self(region.cast_const().cast()))
        }
    }

    /// The header, if it is one that is in use.
    fn header(self) -> Option<[u64; HEADER]> {
        // SAFETY: the region is longer, begins at a page, and lives as long as the connection, beside which this is kept. Acquire:
        // what is read of the index, and of the sidecar, is read in the order in which it is asked for.
        let header: [u64; HEADER] = std::array::from_fn(|n| unsafe { (*self.0.add(n)).load(Ordering::Acquire) });
        let ([a, b, c, d, ..], second) = (header[0].to_ne_bytes(), header[1].to_ne_bytes());
        let is_initialised = second[4] != 0;
        (is_initialised && u32::from_ne_bytes([a, b, c, d]) == FORMAT).then_some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        path::Path,
        time::{Duration, Instant},
    };

    fn connect(path: &Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 0").unwrap();
        connection
    }

    /// A file with a log, one who reads it, and one who writes.
    fn pair(folder: &Path) -> (Reader, Connection) {
        let path = folder.join("db");
        let writer = connect(&path);
        writer.execute_batch("CREATE TABLE total(revision); INSERT INTO total VALUES(0)").unwrap();
        (Reader::new(connect(&path)), writer)
    }

    fn raise(writer: &Connection) {
        writer.execute("UPDATE total SET revision = revision + 1", []).unwrap();
    }

    fn read(reader: &mut Reader, may_keep: bool) -> i64 {
        reader.read(may_keep, |_, revision| Ok::<_, rusqlite::Error>(revision)).unwrap()
    }

    /// Reads until the snapshot is kept.
    fn keep(reader: &mut Reader) {
        let kept = (0..1000).any(|_| {
            read(reader, true);
            reader.is_holding()
        });
        assert!(kept);
    }

    fn ends_the_log(writer: &Connection) -> bool {
        writer.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get::<_, i64>(0)).unwrap() == 0
    }

    #[test]
    fn who_reads_again_at_once_keeps_its_snapshot_and_sees_every_commit() {
        let folder = tempfile::TempDir::new().unwrap();
        let (mut reader, writer) = pair(folder.path());
        assert_eq!(read(&mut reader, true), 0);
        assert!(!reader.is_holding(), "the first time nobody knows that there will be another");
        for revision in 1..1000 {
            keep(&mut reader);
            raise(&writer);
            assert_eq!(read(&mut reader, true), revision);
            if revision % 7 == 0 {
                reader.end().unwrap();
                assert!(ends_the_log(&writer), "and of a log that was begun anew");
            }
        }
    }

    #[test]
    fn a_snapshot_holds_the_log_until_it_is_ended() {
        let folder = tempfile::TempDir::new().unwrap();
        let (mut reader, writer) = pair(folder.path());
        keep(&mut reader);
        assert!(!ends_the_log(&writer));
        std::thread::sleep(Duration::from_millis(20));
        reader.end_old().unwrap();
        assert!(!reader.is_holding() && ends_the_log(&writer));
        raise(&writer);
        keep(&mut reader);
        reader.plain().unwrap();
        assert!(!reader.is_holding() && ends_the_log(&writer));
    }

    #[test]
    fn who_reads_without_a_rest_lets_the_log_go_at_times() {
        let folder = tempfile::TempDir::new().unwrap();
        let (mut reader, writer) = pair(folder.path());
        keep(&mut reader);
        assert!(!ends_the_log(&writer));
        let until = Instant::now() + Duration::from_millis(20);
        while Instant::now() < until {
            read(&mut reader, true);
        }
        // All of it is folded in, so that the newer snapshot does not need it.
        assert!(ends_the_log(&writer));
    }

    #[test]
    fn none_is_kept_of_a_long_log() {
        let folder = tempfile::TempDir::new().unwrap();
        let (mut reader, writer) = pair(folder.path());
        writer.execute_batch("PRAGMA wal_autocheckpoint = 0; CREATE TABLE large(bytes)").unwrap();
        writer.execute("INSERT INTO large VALUES(zeroblob(9000000))", []).unwrap();
        for _ in 0..100 {
            read(&mut reader, true);
            assert!(!reader.is_holding());
        }
    }

    #[test]
    fn none_is_kept_where_nobody_says_what_is_current() {
        let folder = tempfile::TempDir::new().unwrap();
        let (mut reader, writer) = pair(folder.path());
        let none_is_kept = |reader: &mut Reader, may_keep: bool| {
            for _ in 0..100 {
                read(reader, may_keep);
                assert!(!reader.is_holding());
            }
        };
        none_is_kept(&mut reader, false);
        drop(writer);
        reader.plain().unwrap().execute_batch("PRAGMA journal_mode = DELETE").unwrap();
        drop(reader);
        let mut reader = Reader::new(Connection::open(folder.path().join("db")).unwrap());
        none_is_kept(&mut reader, true);
        assert!(!folder.path().join("db-shm").exists());
        raise(&connect(&folder.path().join("db")));
        assert_eq!(read(&mut reader, true), 1);
    }
}
