//! A commit's frames reach SQLite's log in one write.
//!
//! SQLite writes each page of a commit by two system calls, the frame's header and the page: a third of what a put costs.
//! This VFS is the system's own (<https://www.sqlite.org/vfs.html>), but for reads that fail (`reads`) and the log's file:
//! frames are gathered until the one that commits is whole, which its header says (<https://www.sqlite.org/fileformat2.html#wal_file_format>: the size of
//! the database is not 0), and are written at once. Only then does SQLite tell other processes of them. A write that fails
//! fails the commit, as it always did.
//!
//! It relies on `cache_spill = OFF`: frames are written by commits alone, so that nothing is left gathered when one has
//! ended. Where something is left all the same, the next transaction fails rather than write it over what others wrote since.
//!
//! Connections that do not gather have a second VFS, which differs in the reads alone.

use super::reads;
use rusqlite::ffi::{
    self, SQLITE_IOERR_WRITE, SQLITE_OK, SQLITE_OPEN_WAL, sqlite3_file, sqlite3_filename, sqlite3_int64,
    sqlite3_io_methods, sqlite3_vfs,
};
use std::{
    ffi::{CStr, c_int, c_void},
    mem::size_of,
    ptr,
    sync::OnceLock,
};

/// The names of the VFS that gathers and of the one that does not.
const NAMES: [&CStr; 2] = [c"larder-log", c"larder"];

/// A frame's header, bytes.
const HEADER: usize = 24;
/// What is gathered beyond this is written before the commit ends.
const MOST: usize = 1 << 20;
/// SQLite's own VFS writes no more at once than 131,071 bytes.
const AT_ONCE: usize = 64 << 10;

/// The name of the VFS that `gathers`, or of the one that does not; `None` where SQLite could not be told of them.
pub(super) fn vfs(gathers: bool) -> Option<&'static CStr> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let is_registered = *REGISTERED.get_or_init(|| register(NAMES[0], open) && register(NAMES[1], open_plain));
    is_registered.then_some(if gathers { NAMES[0] } else { NAMES[1] })
}

/// The system's VFS, once it is known.
static SYSTEM: OnceLock<System> = OnceLock::new();

struct System(*mut sqlite3_vfs);

// SAFETY: SQLite's VFS objects are never changed nor freed once they are registered, and are called from any thread.
unsafe impl Send for System {}
// SAFETY: as above.
unsafe impl Sync for System {}

type Open = unsafe extern "C" fn(*mut sqlite3_vfs, sqlite3_filename, *mut sqlite3_file, c_int, *mut c_int) -> c_int;

fn register(name: &'static CStr, open: Open) -> bool {
    // SAFETY: the default VFS is asked for; SQLite initialises itself on the way.
    let system = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
    if system.is_null() {
        return false;
    }
    let System(system) = *SYSTEM.get_or_init(|| System(system));
    // SAFETY: a registered VFS can be read. The copy is leaked: SQLite keeps it. Its functions are the system's, which find
    // in it what they know of themselves.
    unsafe {
        let mut own = ptr::read(system);
        own.zName = name.as_ptr();
        own.pNext = ptr::null_mut();
        own.szOsFile += size_of::<LogFile>() as c_int;
        own.xOpen = Some(open);
        ffi::sqlite3_vfs_register(Box::into_raw(Box::new(own)), 0) == SQLITE_OK
    }
}

/// What SQLite has in place of a log's file; the system's own follows it.
#[repr(C)]
struct LogFile {
    head: sqlite3_file,
    frames: Frames,
}

/// Frames that are gathered.
#[derive(Default)]
struct Frames {
    /// Where they belong in the file.
    at: usize,
    bytes: Vec<u8>,
    /// Their last header is that of a commit's last frame.
    commits: bool,
    /// Their last header's page has yet to come.
    awaits_page: bool,
    /// Where the last write ended. Before it stands what may be read already.
    end: usize,
}

/// What is to be done with a write.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// It was gathered.
    Wait,
    /// It was gathered, and all of it is to be written.
    Write,
    /// It is to be written by itself.
    Pass,
    /// Nothing can be said of what was gathered before it.
    Fail,
}

impl Frames {
    /// Takes up a write of `bytes` at `at`.
    fn take(&mut self, bytes: &[u8], at: usize) -> Next {
        let is_header = bytes.len() == HEADER && !self.awaits_page;
        let follows = if self.bytes.is_empty() { at >= self.end } else { at == self.at + self.bytes.len() };
        if !follows || !is_header && !self.awaits_page {
            let is_left = !self.bytes.is_empty();
            *self = Self { end: at + bytes.len(), bytes: std::mem::take(&mut self.bytes), ..Self::default() };
            self.bytes.clear();
            return if is_left { Next::Fail } else { Next::Pass };
        }
        if self.bytes.is_empty() {
            self.at = at;
        }
        self.bytes.extend_from_slice(bytes);
        self.end = at + bytes.len();
        self.awaits_page = is_header;
        if is_header {
            self.commits = bytes[4..8] != [0; 4];
        }
        let is_whole = !is_header && (self.commits || self.bytes.len() >= MOST);
        if is_whole { Next::Write } else { Next::Wait }
    }
}

impl LogFile {
    /// The system's file, which lies behind `file`.
    ///
    /// # Safety
    /// `file` is one that [`open`] was given for a log.
    unsafe fn inner(file: *mut sqlite3_file) -> *mut sqlite3_file {
        // SAFETY: SQLite gave room for both, aligned to 8 bytes.
        unsafe { file.cast::<Self>().add(1).cast() }
    }

    /// # Safety
    /// As above, and nobody else uses the file now: SQLite calls the methods of a connection's files one at a time.
    unsafe fn frames<'a>(file: *mut sqlite3_file) -> &'a mut Frames {
        // SAFETY: `open` has written it there.
        unsafe { &mut (*file.cast::<Self>()).frames }
    }
}

/// Calls a method of the system's file.
macro_rules! system {
    ($file:ident.$method:ident($($argument:expr),*)) => {{
        // SAFETY: SQLite calls methods of files that were opened, with arguments for this one; the system's file was opened
        // with it and has methods.
        unsafe {
            let inner = LogFile::inner($file);
            match (*(*inner).pMethods).$method {
                Some(method) => method(inner $(, $argument)*),
                None => ffi::SQLITE_IOERR,
            }
        }
    }};
}

/// Opens a file whose writes are not gathered.
unsafe extern "C" fn open_plain(
    _own: *mut sqlite3_vfs,
    name: sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    opened: *mut c_int,
) -> c_int {
    let Some(System(system)) = SYSTEM.get() else { return ffi::SQLITE_CANTOPEN };
    // SAFETY: SQLite's arguments are handed on to the system's VFS, for whose files there is room.
    unsafe {
        let Some(open) = (**system).xOpen else { return ffi::SQLITE_CANTOPEN };
        let done = open(*system, name, file, flags, opened);
        if done == SQLITE_OK {
            reads::tell(file);
        }
        done
    }
}

unsafe extern "C" fn open(
    own: *mut sqlite3_vfs,
    name: sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    opened: *mut c_int,
) -> c_int {
    if flags & SQLITE_OPEN_WAL == 0 {
        // SAFETY: SQLite's arguments are handed on.
        return unsafe { open_plain(own, name, file, flags, opened) };
    }
    let Some(System(system)) = SYSTEM.get() else { return ffi::SQLITE_CANTOPEN };
    // SAFETY: SQLite's arguments are handed on to the system's VFS, for whose files there is room at either place. A log's
    // own part is written before anybody reads it.
    unsafe {
        let Some(open) = (**system).xOpen else { return ffi::SQLITE_CANTOPEN };
        let done = open(*system, name, LogFile::inner(file), flags, opened);
        // Without methods it is not closed: what failed to open has none of the system's either.
        let methods = if done == SQLITE_OK { &raw const METHODS } else { ptr::null() };
        ptr::write(file.cast(), LogFile { head: sqlite3_file { pMethods: methods }, frames: Frames::default() });
        done
    }
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: nobody uses it any more.
    drop(std::mem::take(unsafe { LogFile::frames(file) }));
    system!(file.xClose())
}

unsafe extern "C" fn write(file: *mut sqlite3_file, bytes: *const c_void, len: c_int, at: sqlite3_int64) -> c_int {
    let (Ok(size), Ok(place)) = (usize::try_from(len), usize::try_from(at)) else { return SQLITE_IOERR_WRITE };
    // SAFETY: SQLite gives `len` bytes.
    let (frames, given) = unsafe { (LogFile::frames(file), std::slice::from_raw_parts(bytes.cast::<u8>(), size)) };
    match frames.take(given, place) {
        Next::Wait => SQLITE_OK,
        Next::Write => flush(file),
        Next::Pass => system!(file.xWrite(bytes, len, at)),
        Next::Fail => SQLITE_IOERR_WRITE,
    }
}

/// Writes what is gathered; nothing is afterwards, also when that fails.
fn flush(file: *mut sqlite3_file) -> c_int {
    // SAFETY: called from methods of this file alone.
    let frames = unsafe { LogFile::frames(file) };
    let gathered = std::mem::take(&mut frames.bytes);
    let write = |(n, piece): (usize, &[u8])| {
        let at = sqlite3_int64::try_from(frames.at + n * AT_ONCE);
        match (c_int::try_from(piece.len()), at) {
            (Ok(len), Ok(at)) => system!(file.xWrite(piece.as_ptr().cast(), len, at)),
            _ => SQLITE_IOERR_WRITE,
        }
    };
    let failed = gathered.chunks(AT_ONCE).enumerate().map(write).find(|done| *done != SQLITE_OK);
    // The room of a usual commit is kept.
    frames.bytes = gathered;
    frames.bytes.clear();
    frames.bytes.shrink_to(AT_ONCE);
    failed.unwrap_or(SQLITE_OK)
}

/// Does what concerns the whole file when all of it is there.
macro_rules! flushed {
    ($name:ident: $method:ident($($argument:ident: $type:ty),*)) => {
        unsafe extern "C" fn $name(file: *mut sqlite3_file $(, $argument: $type)*) -> c_int {
            match flush(file) {
                SQLITE_OK => system!(file.$method($($argument),*)),
                failed => failed,
            }
        }
    };
}

unsafe extern "C" fn read(file: *mut sqlite3_file, into: *mut c_void, len: c_int, at: sqlite3_int64) -> c_int {
    match flush(file) {
        SQLITE_OK => reads::told(system!(file.xRead(into, len, at))),
        failed => failed,
    }
}

flushed!(truncate: xTruncate(size: sqlite3_int64));
flushed!(sync: xSync(flags: c_int));
flushed!(size: xFileSize(size: *mut sqlite3_int64));
flushed!(lock: xLock(level: c_int));
flushed!(unlock: xUnlock(level: c_int));
flushed!(is_reserved: xCheckReservedLock(found: *mut c_int));
flushed!(control: xFileControl(what: c_int, with: *mut c_void));

unsafe extern "C" fn sector(file: *mut sqlite3_file) -> c_int {
    system!(file.xSectorSize())
}

unsafe extern "C" fn characteristics(file: *mut sqlite3_file) -> c_int {
    system!(file.xDeviceCharacteristics())
}

/// Of version 1: a log is neither mapped nor shared memory.
static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(is_reserved),
    xFileControl: Some(control),
    xSectorSize: Some(sector),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame's header: of a commit's last frame, or of another one.
    fn header(commits: bool) -> [u8; HEADER] {
        let mut header = [7; HEADER];
        header[4..8].copy_from_slice(&u32::from(commits).to_be_bytes());
        header
    }

    /// Takes up (length of a page, or whether a header commits) one behind the other, from `at` on.
    fn takes(frames: &mut Frames, mut at: usize, writes: &[Result<usize, bool>]) -> Vec<Next> {
        let take = |write: &Result<usize, bool>| {
            let bytes = write.map_or_else(|commits| header(commits).to_vec(), |len| vec![1; len]);
            let next = frames.take(&bytes, at);
            at += bytes.len();
            if next == Next::Write {
                frames.bytes.clear();
            }
            next
        };
        writes.iter().map(take).collect()
    }

    const PAGE: Result<usize, bool> = Ok(4096);

    #[test]
    fn a_commit_is_one_write() {
        let mut frames = Frames::default();
        assert_eq!(takes(&mut frames, 0, &[Ok(32)]), [Next::Pass], "the log's own header");
        let commit = [Err(false), PAGE, Err(false), PAGE, Err(true), PAGE];
        let expected = [Next::Wait, Next::Wait, Next::Wait, Next::Wait, Next::Wait, Next::Write];
        assert_eq!(takes(&mut frames, 32, &commit), expected);
        assert_eq!(takes(&mut frames, 32 + 3 * 4120, &commit[4..]), expected[4..], "and the next one");
        assert_eq!(takes(&mut frames, 90_000, &commit[4..]), expected[4..], "behind what others wrote");
    }

    #[test]
    fn a_large_commit_is_written_in_parts() {
        let writes: Vec<_> = (0..600).flat_map(|n| [Err(n == 599), PAGE]).collect();
        let next = takes(&mut Frames::default(), 32, &writes);
        assert_eq!(next.iter().filter(|next| **next == Next::Write).count(), 3);
        assert_eq!(next.last(), Some(&Next::Write));
    }

    #[test]
    fn what_is_no_frame_is_passed_on() {
        let mut frames = Frames::default();
        assert_eq!(takes(&mut frames, 32, &[Err(true), PAGE]), [Next::Wait, Next::Write]);
        // Changed where they are: their page is not gathered, and neither is what follows.
        assert_eq!(takes(&mut frames, 32, &[Err(true)]), [Next::Pass]);
        assert_eq!(takes(&mut frames, 56, &[PAGE]), [Next::Pass]);
        assert_eq!(takes(&mut frames, 9_000, &[Ok(100)]), [Next::Pass]);
    }

    #[test]
    fn what_was_left_of_a_commit_is_not_written_later() {
        let mut frames = Frames::default();
        assert_eq!(takes(&mut frames, 32, &[Err(false), PAGE]), [Next::Wait, Next::Wait]);
        assert_eq!(takes(&mut frames, 32, &[Err(false)]), [Next::Fail]);
        assert!(frames.bytes.is_empty());
    }
}
