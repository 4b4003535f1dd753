//! An entry: a record and its body, on its way into a tier or out of one.

use bytes::Bytes;
use larder_core::{BodyCid, Record};
use std::{fs::File, path::PathBuf, sync::Arc};

/// A record and its body. A tier hands out only entries whose body it has verified against the record's [`BodyCid`].
#[derive(Clone, Debug)]
pub struct Entry {
    /// The metadata.
    pub record: Arc<Record>,
    /// The bytes.
    pub body: Body,
    /// The generation of (service, operation) that was current when the answer was asked for: a put is dropped when it
    /// is no longer current, so that an invalidation beats fills that began before it.
    pub generation: u64,
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
