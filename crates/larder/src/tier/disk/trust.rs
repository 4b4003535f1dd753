//! Whom a store is believed: this user alone (and root, who may change everything anyway).
//!
//! Digests guard against damage, not against somebody who takes them anew: what others may write they may forge.

use crate::{Error, error::At};
use rustix::fs::OFlags;
use std::{
    fs::{File, Metadata, OpenOptions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

/// Looks at the store's folder `root` and at what lies in it. One that is not there yet holds nothing to believe.
/// Errors: [`Error::Untrusted`] for what is a symlink or neither folder nor file, belongs to another user, or may be
/// written by others.
pub(super) fn check(root: &Path) -> Result<(), Error> {
    look(root)?;
    let found = match std::fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.at(root)?,
    };
    for entry in found {
        look(&entry.at(root)?.path())?;
    }
    Ok(())
}

fn look(path: &Path) -> Result<(), Error> {
    match std::fs::symlink_metadata(path) {
        // Files come and go while other processes work.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        found => judge(&found.at(path)?)
            .map_or(Ok(()), |why| Err(Error::Untrusted { path: path.to_owned(), why: why.to_owned() })),
    }
}

/// Why what `found` describes is not believed.
fn judge(found: &Metadata) -> Option<&'static str> {
    let kind = found.file_type();
    if !kind.is_file() && !kind.is_dir() {
        return Some(if kind.is_symlink() { "it is a symlink" } else { "it is neither a folder nor a file" });
    }
    if found.uid() != 0 && found.uid() != rustix::process::geteuid().as_raw() {
        return Some("it belongs to another user");
    }
    (found.mode() & 0o022 != 0).then_some("others may write it")
}

/// Opens a file of the store as `options` say: no symlink, nothing that would have to be waited for (a FIFO), nothing that
/// others own or may write. What was looked at is what is opened.
pub(crate) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = options.custom_flags(flags.bits().cast_signed()).open(path)?;
    let found = file.metadata()?;
    let why = if found.is_file() { judge(&found) } else { Some("it is no regular file") };
    why.map_or(Ok(file), |why| Err(io::Error::other(why)))
}
