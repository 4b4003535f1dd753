//! An entry: a record and its body, on its way into a tier or out of one.

use bytes::Bytes;
use http::HeaderMap;
use larder_core::{BodyCid, Record, judge::record_headers};
use std::{
    fs::File,
    ops::Deref,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

/// A record and its body. A tier hands out only entries whose body it has verified against the record's [`BodyCid`].
#[derive(Clone, Debug)]
pub struct Entry {
    /// The metadata.
    pub record: SharedRecord,
    /// The bytes.
    pub body: Body,
    /// The generation of (service, operation) that was current when the answer was asked for: a put is dropped when it
    /// is no longer current, so that an invalidation beats fills that began before it.
    pub generation: u64,
    /// What [`Since::removals`] was then: a put is dropped when the key's answers were removed since. `None`: they were
    /// not, or that does not matter; so in every entry out of a tier.
    pub removals: Option<u64>,
}

/// What the cache knew of a question when its origin was asked: see [`crate::Cache::since`]. A generation alone (`From<u64>`)
/// does not tell removals of single keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Since {
    /// The generation of its (service, operation).
    pub generation: u64,
    /// A number that is another one once answers of its key, or of a key that shares its word, were removed.
    pub removals: Option<u64>,
}

impl From<u64> for Since {
    fn from(generation: u64) -> Self {
        Self { generation, removals: None }
    }
}

/// A record that several hold. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SharedRecord(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    record: Record,
    headers: OnceLock<HeaderMap>,
}

impl SharedRecord {
    /// [`record_headers`], read once: an answer in memory is given out many times.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.0.headers.get_or_init(|| record_headers(&self.0.record))
    }

    /// Whether both are clones of one: more than that they are equal, and cheaper to know.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl From<Record> for SharedRecord {
    fn from(record: Record) -> Self {
        Self(Arc::new(Shared { record, headers: OnceLock::new() }))
    }
}

impl PartialEq for SharedRecord {
    fn eq(&self, other: &Self) -> bool {
        self.0.record == other.0.record
    }
}

impl Deref for SharedRecord {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.0.record
    }
}

/// An answer's bytes.
#[derive(Clone, Debug)]
pub enum Body {
    /// In memory.
    Bytes(Bytes),
    /// In a file that is open for reading and verified (out of a tier), or complete, hashed and synced to nobody yet
    /// (into one; a tier may rename or link `path` to take it over).
    File {
        /// The open file.
        file: Arc<File>,
        /// Where it is.
        path: PathBuf,
        /// Bytes.
        len: u64,
        /// The CID of its bytes.
        cid: BodyCid,
    },
}

impl Body {
    /// How many bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
