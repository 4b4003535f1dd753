//! The engine's errors: what happened, and a hint.

use larder_core::BodyCid;
use rusqlite::ErrorCode;
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Why the store could not do what was asked. A broken store never fails a call: callers count it and go on uncached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder of the store could not be used.
    #[error("the store at `{path}` cannot be used: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The index could not be read or written.
    #[error("the store's index {fault}: {why}")]
    Index {
        /// What kind of failure it is.
        fault: IndexFault,
        /// What the database says.
        why: String,
    },
    /// A body's bytes are not those that its record names: nothing was kept.
    #[error("the body's bytes are `{found}`, its record says `{expected}`: not kept")]
    Body {
        /// What the record says.
        expected: BodyCid,
        /// What the bytes are.
        found: BodyCid,
    },
    /// A tier gave an answer to something else.
    #[error("the tier `{tier}` answered with what was not asked for: {why}")]
    Unasked {
        /// Which tier.
        tier: &'static str,
        /// What for what.
        why: String,
    },
    /// The index belongs to another program or a later version; it is left alone.
    #[error("`{path}` is not an index of this version of larder (found `{found}`)")]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// Application id and version that it carries.
        found: String,
    },
    /// Others may have forged what is in the store: it is neither read nor written.
    #[error("`{path}` is not used as a store: {why}")]
    Untrusted {
        /// Which file or folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The index's log is as long as it may become, and cannot be folded in: nothing is put until it can.
    #[error("`{path}` is full: a process that was stopped holds what is in it")]
    Stuck {
        /// The log.
        path: PathBuf,
    },
    /// The store can be read and not written.
    #[error("the store at `{path}` can only be read: {why}")]
    ReadOnly {
        /// Which.
        path: PathBuf,
        /// Why it could not be opened for writing.
        why: String,
    },
}

/// Kinds of failures of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexFault {
    /// Another process holds a lock.
    Locked,
    /// No room is left on the disk.
    Full,
    /// The disk, or what lies between it and this process, refuses to read or write.
    Disk,
    /// It was broken, and has been begun anew or is about to be, which was said then: the next call works.
    Anew,
    /// Anything else.
    Other,
}

impl fmt::Display for IndexFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Anew { "is broken and is begun anew" } else { "failed" })
    }
}

impl IndexFault {
    fn of(error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::FileLockingProtocolFailed,
            ) => Self::Disk,
            _ => Self::Other,
        }
    }

    const fn hint(self) -> &'static str {
        match self {
            Self::Locked => LET_GO,
            Self::Full => FREE_ROOM,
            Self::Anew => "ask again: the damaged index was moved aside, and what was in it is asked for anew",
            Self::Disk | Self::Other => {
                "is the disk full or the folder on a network mount? `--store DIR` names another folder"
            }
        }
    }
}

const LET_GO: &str = "let the process go on or end it (`fuser` names those that have the file open)";
const FREE_ROOM: &str = "free some room on the disk, or lower the store's limit";

const MORE_HANDLES: &str = "let the process have more open files (`ulimit -n`), or end those that hold many";

fn is_out_of_handles(error: &std::io::Error) -> bool {
    error.raw_os_error().is_some_and(|number| number == libc::EMFILE || number == libc::ENFILE)
}

/// What is wrong, whichever file or call met it: one warning each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// Somebody holds a lock.
    Locked,
    /// No room is left.
    Full,
    /// The disk fails.
    Disk,
    /// The index fails otherwise.
    Index,
    /// [`Error::Body`].
    Body,
    /// [`Error::Unasked`].
    Unasked,
    /// [`Error::Foreign`].
    Foreign,
    /// [`Error::Untrusted`].
    Untrusted,
    /// [`Error::Stuck`].
    Stuck,
}

impl Error {
    /// A failure of the index that is of no other kind.
    #[must_use]
    pub fn index(why: impl Into<String>) -> Self {
        Self::Index { fault: IndexFault::Other, why: why.into() }
    }

    pub(crate) fn locked() -> Self {
        Self::Index { fault: IndexFault::Locked, why: "another process holds its lock".to_owned() }
    }

    /// What is wrong, where it is to be warned about; `None` where it was when it was found.
    pub(crate) fn harm(&self) -> Option<Harm> {
        Some(match self {
            Self::Io { source, .. } => io_harm(source.kind()),
            Self::Index { fault, .. } => match fault {
                IndexFault::Locked => Harm::Locked,
                IndexFault::Full => Harm::Full,
                IndexFault::Disk => Harm::Disk,
                IndexFault::Other => Harm::Index,
                IndexFault::Anew => return None,
            },
            Self::Body { .. } => Harm::Body,
            Self::Unasked { .. } => Harm::Unasked,
            Self::Foreign { .. } => Harm::Foreign,
            Self::Untrusted { .. } => Harm::Untrusted,
            Self::Stuck { .. } => Harm::Stuck,
            Self::ReadOnly { .. } => return None,
        })
    }

    /// What the user can do about it, for a `hint:` line.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { source, .. } if is_out_of_handles(source) => MORE_HANDLES,
            Self::Io { source, .. } => io_hint(source.kind()),
            Self::Index { fault, .. } => fault.hint(),
            Self::Body { .. } => "the answer was changed on its way to the store: ask again",
            Self::Unasked { .. } => "the answer was not used; if this goes on, leave that tier out",
            Self::Foreign { .. } => "name another folder with `--store DIR`, or use the larder that made this one",
            Self::Untrusted { .. } => {
                "remove it, name another folder with `--store DIR`, or, if nobody else has written it, take it over \
                 (`chown`) and keep others out (`chmod -R go-w`)"
            }
            Self::Stuck { .. } => LET_GO,
            Self::ReadOnly { .. } => {
                "make it writable, or name another folder with `--store DIR`; a gateway that runs is to be started anew"
            }
        }
    }
}

const fn io_harm(kind: std::io::ErrorKind) -> Harm {
    use std::io::ErrorKind;
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Harm::Full,
        // The store's own lock was waited for in vain.
        ErrorKind::TimedOut => Harm::Locked,
        _ => Harm::Disk,
    }
}

const fn io_hint(kind: std::io::ErrorKind) -> &'static str {
    use std::io::ErrorKind;
    match kind {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "make the folder writable for this user, or name another one with `--store DIR`"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => FREE_ROOM,
        ErrorKind::TimedOut => LET_GO,
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            "a file stands where the store's folder should be: name another one with `--store DIR`"
        }
        _ => "name another folder with `--store DIR`",
    }
}

impl From<&rusqlite::Error> for Error {
    fn from(error: &rusqlite::Error) -> Self {
        Self::Index { fault: IndexFault::of(error), why: error.to_string() }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        (&error).into()
    }
}

/// Says which path an I/O error is about.
pub(crate) trait At<T> {
    /// The error with its path.
    fn at(self, path: &Path) -> Result<T, Error>;
}

impl<T> At<T> for std::io::Result<T> {
    fn at(self, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::Io { path: path.to_owned(), source })
    }
}
