//! Large bodies on disk: written while they are hashed, read back for the upstream.

use crate::net::{Body, BoxError};
use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use sha2::{Digest as _, Sha256};
use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path, sync::Arc};
use tokio::task::spawn_blocking;

/// Bytes read back at a time.
const PIECE: usize = 256 << 10;

/// A file without a name (mode 0600): gone with the process, whatever happens to it.
pub(super) struct Spool {
    file: Arc<File>,
    hasher: Sha256,
    len: u64,
}

/// A whole body on disk.
#[derive(Clone)]
pub(super) struct Spooled {
    file: Arc<File>,
    /// Bytes.
    pub(super) len: u64,
    /// sha2-256 of them.
    pub(super) sha256: [u8; 32],
}

impl Spool {
    /// A spool in `folder`; in the temporary folder where that cannot be used.
    pub(super) async fn new(folder: &Path) -> io::Result<Self> {
        let folder = folder.to_owned();
        let file = blocking(move || tempfile::tempfile_in(folder).or_else(|_| tempfile::tempfile())).await?;
        Ok(Self { file: Arc::new(file), hasher: Sha256::new(), len: 0 })
    }

    /// Writes `pieces` at the end. When that fails, what was written before is still there and whole.
    pub(super) async fn write(&mut self, pieces: &[Bytes]) -> io::Result<()> {
        let (file, mut hasher, mut len) = (self.file.clone(), self.hasher.clone(), self.len);
        let pieces = pieces.to_vec();
        let written = blocking(move || {
            for piece in pieces {
                file.write_all_at(&piece, len)?;
                hasher.update(&piece);
                len += piece.len() as u64;
            }
            Ok((hasher, len))
        });
        (self.hasher, self.len) = written.await?;
        Ok(())
    }

    /// No more comes.
    pub(super) fn finish(self) -> Spooled {
        Spooled { file: self.file, len: self.len, sha256: self.hasher.finalize().into() }
    }
}

impl Spooled {
    /// All of it.
    pub(super) async fn read(&self) -> io::Result<Bytes> {
        let (file, len) = (self.file.clone(), usize::try_from(self.len).map_err(io::Error::other)?);
        blocking(move || piece(&file, 0, len)).await
    }

    /// A body that reads it piece by piece. Each call begins at the start.
    pub(super) fn stream(&self) -> Body {
        let (file, len) = (self.file.clone(), self.len);
        let pieces = stream::try_unfold(0, move |offset| {
            let file = file.clone();
            async move {
                let want = usize::try_from(len - offset).unwrap_or(PIECE).min(PIECE);
                if want == 0 {
                    return Ok::<_, BoxError>(None);
                }
                let bytes = blocking(move || piece(&file, offset, want)).await?;
                Ok(Some((Frame::data(bytes), offset + want as u64)))
            }
        });
        StreamBody::new(pieces).boxed_unsync()
    }
}

fn piece(file: &File, offset: u64, len: usize) -> io::Result<Bytes> {
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes.into())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_goes_in_comes_out_twice() {
        let body: Vec<u8> = (0..(2 * PIECE + 17)).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let mut spool = Spool::new(Path::new("/dev/null/nowhere")).await.unwrap();
        for chunk in body.chunks(100_000) {
            spool.write(&[Bytes::copy_from_slice(chunk)]).await.unwrap();
        }
        let spooled = spool.finish();
        assert_eq!((spooled.len, spooled.sha256), (body.len() as u64, larder_core::cid::sha256(&body)));
        for _ in 0..2 {
            assert_eq!(spooled.stream().collect().await.unwrap().to_bytes(), body);
        }
        assert_eq!(spooled.read().await.unwrap(), body);
    }

    #[tokio::test]
    async fn a_failed_write_leaves_what_was_there() {
        let mut spool = Spool::new(Path::new("/dev/null/nowhere")).await.unwrap();
        spool.write(&[Bytes::from_static(b"whole")]).await.unwrap();
        let good = std::mem::replace(&mut spool.file, Arc::new(File::open("/dev/null").unwrap()));
        assert!(spool.write(&[Bytes::from_static(b"lost")]).await.is_err(), "it is open for reading only");
        spool.file = good;
        assert_eq!(spool.finish().stream().collect().await.unwrap().to_bytes(), "whole");
    }
}
