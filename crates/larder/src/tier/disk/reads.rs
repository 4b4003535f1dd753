//! What fails is called by its name: a read that fails is a disk that fails, not a damaged index; what finds no room is a full disk.
//!
//! SQLite's VFS for Unix makes EIO, ENXIO and ERANGE of a read `SQLITE_IOERR_CORRUPTFS`, and a statement reports that as
//! `SQLITE_CORRUPT` (<https://www.sqlite.org/rescode.html#ioerr_corruptfs>): an intact index on a disk that fails now and then
//! would be moved aside. Here it is `SQLITE_IOERR_READ`, and counted: a check of the whole index puts pages that it could not
//! read into words among those that are damaged.
//!
//! A file of shared memory that cannot grow is `SQLITE_IOERR_SHMSIZE` whatever the reason
//! (<https://www.sqlite.org/rescode.html#ioerr_shmsize>), a write that finds no room `SQLITE_FULL`: here both are.

use rusqlite::ffi::{
    SQLITE_FULL, SQLITE_IOERR, SQLITE_IOERR_CORRUPTFS, SQLITE_IOERR_READ, SQLITE_IOERR_SHMSIZE,
    SQLITE_IOERR_SHORT_READ, SQLITE_OK, sqlite3_file, sqlite3_int64, sqlite3_io_methods,
};
use std::{
    ffi::{c_int, c_void},
    io::{self, ErrorKind},
    ptr,
    sync::atomic::{AtomicPtr, AtomicU64, Ordering},
};

static FAILED: AtomicU64 = AtomicU64::new(0);

/// How many reads of any index have failed in this process.
pub(super) fn failed() -> u64 {
    FAILED.load(Ordering::SeqCst)
}

/// What SQLite is told of a read that the system's VFS says `done` of.
pub(super) fn told(done: c_int) -> c_int {
    if done == SQLITE_OK || done == SQLITE_IOERR_SHORT_READ {
        return done;
    }
    FAILED.fetch_add(1, Ordering::SeqCst);
    if done == SQLITE_IOERR_CORRUPTFS { SQLITE_IOERR_READ } else { done }
}

/// What SQLite is told of shared memory that the system's VFS says `done` of; `why`: the system's last error.
fn mapped(done: c_int, why: &io::Error) -> c_int {
    let is_full = matches!(why.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    if done == SQLITE_IOERR_SHMSIZE && is_full { SQLITE_FULL } else { done }
}

/// Methods of the system's files, but for those that read and that make room in shared memory.
#[repr(C)]
struct Methods {
    /// First: SQLite takes a pointer to the whole for one to it.
    own: sqlite3_io_methods,
    system: &'static sqlite3_io_methods,
    next: *const Self,
}

/// Those that were made, one for each kind of the system's (with locks, without). A list that only grows needs no lock, which
/// a fork could leave locked for ever.
static MADE: AtomicPtr<Methods> = AtomicPtr::new(ptr::null_mut());

/// Has `file` tell of failing reads as [`told`] says.
///
/// # Safety
/// `file` was just opened by the system's VFS, or has no methods.
pub(super) unsafe fn tell(file: *mut sqlite3_file) {
    // SAFETY: whoever calls says so. A VFS's methods are never freed.
    unsafe {
        if let Some(system) = (*file).pMethods.as_ref() {
            (*file).pMethods = (&raw const *methods(system)).cast();
        }
    }
}

fn methods(system: &'static sqlite3_io_methods) -> &'static Methods {
    let first = MADE.load(Ordering::Acquire);
    let mut made: *const Methods = first;
    // SAFETY: what is in the list is never changed nor freed.
    while let Some(found) = unsafe { made.as_ref() } {
        if ptr::eq(found.system, system) {
            return found;
        }
        made = found.next;
    }
    // SAFETY: methods are plain numbers and functions.
    let own = sqlite3_io_methods {
        xRead: Some(read),
        xShmMap: system.xShmMap.and(Some(map)),
        ..unsafe { ptr::read(system) }
    };
    let new = Box::leak(Box::new(Methods { own, system, next: first }));
    // Where another thread was faster these are not in the list, and do as well.
    let _is_listed = MADE.compare_exchange(first, new, Ordering::AcqRel, Ordering::Relaxed);
    new
}

unsafe extern "C" fn read(file: *mut sqlite3_file, into: *mut c_void, len: c_int, at: sqlite3_int64) -> c_int {
    // SAFETY: `tell` gave the file these methods, and the system's function gets its own file.
    unsafe {
        let methods = (*file).pMethods.cast::<Methods>();
        match (*methods).system.xRead {
            Some(read) => told(read(file, into, len, at)),
            None => SQLITE_IOERR,
        }
    }
}

unsafe extern "C" fn map(
    file: *mut sqlite3_file,
    region: c_int,
    size: c_int,
    grow: c_int,
    at: *mut *mut c_void,
) -> c_int {
    // SAFETY: as above.
    unsafe {
        let methods = (*file).pMethods.cast::<Methods>();
        match (*methods).system.xShmMap {
            Some(map) => mapped(map(file, region, size, grow, at), &io::Error::last_os_error()),
            None => SQLITE_IOERR,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_fails_is_no_damage() {
        let before = failed();
        assert_eq!(told(SQLITE_OK), SQLITE_OK);
        assert_eq!(told(SQLITE_IOERR_SHORT_READ), SQLITE_IOERR_SHORT_READ, "a file that was cut is damaged");
        assert_eq!(told(SQLITE_IOERR_CORRUPTFS), SQLITE_IOERR_READ);
        assert_eq!(told(SQLITE_IOERR_READ), SQLITE_IOERR_READ);
        assert!(failed() >= before + 2, "both were counted");
    }

    #[test]
    fn shared_memory_without_room_is_a_full_disk() {
        let why = |kind: ErrorKind| io::Error::from(kind);
        assert_eq!(mapped(SQLITE_IOERR_SHMSIZE, &why(ErrorKind::StorageFull)), SQLITE_FULL);
        assert_eq!(mapped(SQLITE_IOERR_SHMSIZE, &why(ErrorKind::PermissionDenied)), SQLITE_IOERR_SHMSIZE);
        assert_eq!(mapped(SQLITE_OK, &why(ErrorKind::StorageFull)), SQLITE_OK);
    }
}
