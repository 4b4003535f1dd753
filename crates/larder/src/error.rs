//! The engine's errors: what happened, and a hint.

use larder_core::BodyCid;
use std::path::{Path, PathBuf};

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
    #[error("the store's index failed: {0}")]
    Index(String),
    /// The index was found broken, and was begun anew, which has been said, or will be looked at again within a minute.
    #[error("the store's index was broken, and is begun anew: {0}")]
    Renewed(String),
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

impl Error {
    /// What the user can do about it, for a `hint:` line.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { source, .. } => io_hint(source.kind()),
            Self::Index(why) if is_lock(why) => {
                "let the process that holds it go on or end it (`fuser` names those that have it open)"
            }
            Self::Renewed(_) => "ask again; what is kept from now on stays, and the broken one is `index.broken-N`",
            Self::Index(_) => "is the disk full or the folder on a network mount? `--store DIR` names another folder",
            Self::Body { .. } => "the answer was changed on its way to the store: ask again",
            Self::Unasked { .. } => "the answer was not used; if this goes on, leave that tier out",
            Self::Foreign { .. } => "name another folder with `--store DIR`, or use the larder that made this one",
            Self::Untrusted { .. } => {
                "remove it, name another folder with `--store DIR`, or, if nobody else has written it, take it over \
                 (`chown`) and keep others out (`chmod -R go-w`)"
            }
            Self::Stuck { .. } => "let the process go on or end it (`fuser` names those that have the file open)",
            Self::ReadOnly { .. } => {
                "make it writable, or name another folder with `--store DIR`; a gateway that runs is to be started anew"
            }
        }
    }
}

impl Error {
    /// Which of the things that can be wrong it is, below 32: each is said once.
    pub(crate) fn kind(&self) -> u32 {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        match self {
            Self::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded) => 0,
            Self::Io { .. } => 1,
            Self::Index(why) if is_lock(why) => 2,
            Self::Index(why) if why.contains("full") => 0,
            Self::Index(_) => 1,
            Self::Renewed(_) => 3,
            Self::Body { .. } => 4,
            Self::Unasked { .. } => 5,
            Self::Foreign { .. } => 6,
            Self::Untrusted { .. } => 7,
            Self::Stuck { .. } => 8,
            Self::ReadOnly { .. } => 9,
        }
    }
}

/// SQLite's word for it, and ours.
fn is_lock(why: &str) -> bool {
    why.contains("lock")
}

const fn io_hint(kind: std::io::ErrorKind) -> &'static str {
    use std::io::ErrorKind;
    match kind {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "make the folder writable for this user, or name another one with `--store DIR`"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some room on the disk, or lower the store's limit",
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            "a file stands where the store's folder should be: name another one with `--store DIR`"
        }
        _ => "name another folder with `--store DIR`",
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Index(error.to_string())
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

#[cfg(test)]
mod tests {
    use super::Error;

    #[test]
    fn what_is_wrong_is_told_apart() {
        let index = |why: &str| Error::Index(why.to_owned());
        let full = Error::Io { path: "a".into(), source: std::io::ErrorKind::StorageFull.into() };
        assert_ne!(index("database is locked").kind(), index("database or disk is full").kind());
        assert_eq!(full.kind(), index("database or disk is full").kind());
        assert_ne!(index("disk I/O error").kind(), full.kind());
        assert!(index("database is locked").hint().contains("process"));
        assert!(index("disk I/O error").hint().contains("disk"));
    }
}
