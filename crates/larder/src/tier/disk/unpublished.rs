//! Files that are written whole before anybody sees them.

use crate::{Error, error::At};
use std::{
    fs::File,
    path::{Path, PathBuf},
};
use tempfile::TempPath;

/// A file that is written, beside its place and not yet there. Dropped, it is gone.
pub(super) struct Unpublished {
    /// Where it is.
    pub(super) temporary: TempPath,
    /// Its place.
    pub(super) target: PathBuf,
    /// Whether it is to be there after a power loss, too.
    pub(super) durable: bool,
}

impl Unpublished {
    /// Puts it at its place, in place of the one before.
    pub(super) fn publish(self) -> Result<(), Error> {
        let target = &self.target;
        self.temporary.persist(target).map_err(|error| error.error).at(target)?;
        match target.parent().filter(|_| self.durable) {
            Some(folder) => sync(folder),
            None => Ok(()),
        }
    }
}

/// Has the disk write what it has of a file, or which names a folder has.
pub(super) fn sync(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|file| file.sync_all()).at(path)
}
