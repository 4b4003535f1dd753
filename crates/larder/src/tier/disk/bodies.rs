//! Large bodies: files that are named by the CID of their bytes.

use super::{
    open::Paths,
    trust,
    unpublished::{Unpublished, sync},
};
use crate::{Body, Error, error::At};
use bytes::Bytes;
use larder_core::BodyCid;
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempPath;

/// Files up to this many bytes are read into memory while they are verified.
const WHOLE: u64 = 1 << 20;

/// `bodies/<2 hex of the digest's first byte>/<BodyCid>`
pub(super) fn path(bodies: &Path, cid: &BodyCid) -> PathBuf {
    bodies.join(format!("{:02x}", cid.digest()[0])).join(cid.to_string())
}

/// Hashes everything that `reader` gives, handing each piece to `each`.
fn hash(mut reader: impl Read, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<(BodyCid, u64)> {
    let mut buffer = vec![0u8; 128 << 10];
    let (mut hasher, mut len) = (Sha256::new(), 0u64);
    loop {
        let n = match reader.read(&mut buffer) {
            Ok(0) => return Ok((BodyCid::from_digest(hasher.finalize().into()), len)),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..n]);
        each(&buffer[..n])?;
        len += n as u64;
    }
}

/// For reading, if it is a file: a FIFO would be waited for.
fn open(path: &Path) -> io::Result<File> {
    trust::open(path, File::options().read(true))
}

/// Why a body's file is not its body.
pub(super) enum Unread {
    /// There is none.
    Absent,
    /// It is not what it should be.
    Harmed,
    /// It could not be looked at, which says nothing of it.
    Unseen(Error),
}

/// The body in the file at its place, every byte verified. The handle that was verified is the one that is served.
pub(super) fn read(bodies: &Path, cid: &BodyCid, len: u64) -> Result<Body, Unread> {
    let path = path(bodies, cid);
    match verified(&path, cid, len) {
        Ok(body) => body.ok_or(Unread::Harmed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Unread::Absent),
        Err(error) if is_damage(&error) => Err(Unread::Harmed),
        Err(source) => Err(Unread::Unseen(Error::Io { path, source })),
    }
}

fn verified(path: &Path, cid: &BodyCid, len: u64) -> io::Result<Option<Body>> {
    let file = open(path)?;
    if file.metadata()?.len() != len {
        return Ok(None);
    }
    if len <= WHOLE {
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or_default());
        (&file).take(len + 1).read_to_end(&mut bytes)?;
        return Ok((BodyCid::of(&bytes) == *cid).then(|| Body::Bytes(Bytes::from(bytes))));
    }
    if hash(&file, |_| Ok(()))? != (*cid, len) {
        return Ok(None);
    }
    io::Seek::rewind(&mut &file)?;
    Ok(Some(Body::File { file: Arc::new(file), path: path.to_owned(), len, cid: *cid }))
}

/// Whether it is the file that is wrong (something else stands in its place), and not the disk, the rights, or how many files may be
/// open.
fn is_damage(error: &io::Error) -> bool {
    let of_the_file = [libc::ENOTDIR, libc::EISDIR, libc::ELOOP, libc::ENXIO];
    error.raw_os_error().is_none_or(|number| of_the_file.contains(&number))
}

/// Writes the body's file beside its place. `None`: it is there, and whole.
pub(super) fn prepare(paths: &Paths, cid: &BodyCid, body: &Body, durable: bool) -> Result<Option<Unpublished>, Error> {
    let bodies = &paths.bodies;
    let target = path(bodies, cid);
    if is_whole(&target, cid, body.len()) {
        return Ok(None);
    }
    let folder = target.parent().unwrap_or(bodies);
    let is_there = folder.is_dir();
    super::open::make_folder(folder).at(folder)?;
    if durable && !is_there {
        sync(bodies)?;
    }
    let temporary = match link(&paths.spool, cid, body, folder) {
        Some(linked) => linked,
        None => write_anew(folder, cid, body)?,
    };
    if durable {
        sync(&temporary)?;
    }
    Ok(Some(Unpublished { temporary, target, durable }))
}

fn write_anew(folder: &Path, cid: &BodyCid, body: &Body) -> Result<TempPath, Error> {
    let mut temporary = tempfile::Builder::new().prefix(".new-").tempfile_in(folder).at(folder)?;
    let found = copy(body, temporary.as_file_mut()).at(temporary.path())?;
    match found == *cid {
        true => Ok(temporary.into_temp_path()),
        false => Err(Error::Body { expected: *cid, found }),
    }
}

/// Takes over a body that was gathered in the store's own spool folder, where nobody else writes. Its digest was taken on
/// the way; every read takes it again.
fn link(spool: &Path, cid: &BodyCid, body: &Body, folder: &Path) -> Option<TempPath> {
    let Body::File { path, cid: gathered, .. } = body else { return None };
    if path.parent() != Some(spool) || gathered != cid {
        return None;
    }
    let linked = tempfile::Builder::new().prefix(".new-").make_in(folder, |name| std::fs::hard_link(path, name));
    linked.ok().map(tempfile::NamedTempFile::into_temp_path)
}

fn is_whole(path: &Path, cid: &BodyCid, len: u64) -> bool {
    open(path).is_ok_and(|file| {
        file.metadata().is_ok_and(|metadata| metadata.len() == len)
            && hash(file, |_| Ok(())).is_ok_and(|found| found.0 == *cid)
    })
}

/// Copies what was not gathered in the store's own folder: somebody else may still write to it.
fn copy(body: &Body, to: &mut File) -> io::Result<BodyCid> {
    let (found, _) = match body {
        Body::Bytes(bytes) => hash(&bytes[..], |piece| to.write_all(piece))?,
        Body::File { file, .. } => hash(FromStart { file, at: 0 }, |piece| to.write_all(piece))?,
    };
    Ok(found)
}

/// A small body's bytes, whichever way it came.
pub(super) fn inline(body: &Body) -> Result<Bytes, Error> {
    match body {
        Body::Bytes(bytes) => Ok(bytes.clone()),
        Body::File { file, path, .. } => {
            let mut bytes = Vec::new();
            FromStart { file, at: 0 }.read_to_end(&mut bytes).at(path)?;
            Ok(Bytes::from(bytes))
        }
    }
}

/// Reads a shared file from its start without moving the place where others read it.
struct FromStart<'a> {
    file: &'a File,
    at: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use std::os::unix::fs::FileExt as _;
        let n = self.file.read_at(buffer, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}
