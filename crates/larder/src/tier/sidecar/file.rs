//! The sidecar's file: made whole under a temporary name and renamed, never truncated, replaced when it is not readable.

use super::map::{AT_IDENTITY, AT_MAGIC, BYTES, MAGIC, Map};
use crate::tier::disk::trust;
use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    path::Path,
};

/// A random number that tells one sidecar from those before it. Never 0, fits an SQLite integer.
pub(super) fn identity() -> u64 {
    getrandom::u64().map_or(1, |random| (random >> 1).max(1))
}

/// Maps the sidecar at `path`.
pub(super) fn open(path: &Path) -> io::Result<Map> {
    Map::shared(trust::open(path, OpenOptions::new().read(true).write(true))?, path)
}

/// Maps the sidecar at `path`; makes one where there is none or none that this version can use. The caller holds the
/// store's lock.
pub(super) fn open_or_create(path: &Path) -> io::Result<Map> {
    if let Ok(map) = open(path) {
        return Ok(map);
    }
    create(path)?;
    open(path)
}

/// Every byte is written: a hole that cannot be filled later (full disk) would kill whoever touches it through a map.
fn create(path: &Path) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    let mut header = [0u8; 4096];
    header[AT_MAGIC * 8..][..8].copy_from_slice(&MAGIC.to_ne_bytes());
    header[AT_IDENTITY * 8..][..8].copy_from_slice(&identity().to_ne_bytes());
    file.write_all(&header)?;
    let zeros = vec![0u8; 64 << 10];
    let mut left = BYTES - header.len() as u64;
    while left > 0 {
        let piece = left.min(zeros.len() as u64);
        file.write_all(&zeros[..usize::try_from(piece).unwrap_or(zeros.len())])?;
        left -= piece;
    }
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
