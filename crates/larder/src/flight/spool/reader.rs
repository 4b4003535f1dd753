//! Those who read a spool.

use super::{End, Found, Progress, Spool};
use crate::{OriginError, sync::spawn_blocking};
use bytes::Bytes;
use std::{fs::File, io, os::unix::fs::FileExt as _, sync::Arc};
use tokio::sync::watch;

/// The most bytes that one read hands out.
pub(super) const READ: u64 = 256 << 10;

/// One reader, at its own position.
#[derive(Debug)]
pub(crate) struct Reader {
    spool: Arc<Spool>,
    progress: watch::Receiver<Progress>,
    id: u64,
    at: u64,
    over: bool,
}

impl Reader {
    pub(super) fn new(spool: &Arc<Spool>, id: u64) -> Self {
        Self { spool: Arc::clone(spool), progress: spool.progress.subscribe(), id, at: 0, over: false }
    }

    /// The next bytes; `None` at the end of a whole answer.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, OriginError>> {
        while !self.over {
            let progress = self.progress.borrow_and_update().clone();
            if self.at < progress.len {
                return Some(self.read().await.inspect_err(|_| self.over = true));
            }
            match progress.end {
                End::Open => self.over = self.progress.changed().await.is_err(),
                End::Whole => self.over = true,
                End::Failed(error) => {
                    self.over = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }

    async fn read(&mut self) -> Result<Bytes, OriginError> {
        let bytes = match self.spool.find(self.at) {
            Some(Found::Memory(bytes)) => bytes,
            Some(Found::File(file, len)) => {
                read_at(file, self.at, len).await.map_err(|error| OriginError::Truncated(error.to_string()))?
            }
            None => return Err(OriginError::Truncated("its bytes are gone".to_owned())),
        };
        self.at += bytes.len() as u64;
        self.spool.held().readers.insert(self.id, self.at);
        self.spool.moved.notify_one();
        Ok(bytes)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.spool.held().readers.remove(&self.id);
        self.spool.moved.notify_one();
    }
}

/// `len` bytes at `at`, read away from the runtime's threads.
pub(crate) async fn read_at(file: Arc<File>, at: u64, len: u64) -> io::Result<Bytes> {
    let len = usize::try_from(len.min(READ)).map_err(io::Error::other)?;
    let read = spawn_blocking(move || {
        let mut buffer = vec![0; len];
        file.read_exact_at(&mut buffer, at)?;
        io::Result::Ok(Bytes::from(buffer))
    });
    read.await.map_err(io::Error::other)?
}
