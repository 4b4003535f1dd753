//! The one who fills a spool.

use super::super::{Limits, Shelf};
use super::{End, Spool};
use crate::{
    Body, OriginError,
    sync::{spawn_blocking, timeout},
};
use bytes::Bytes;
use larder_core::BodyCid;
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::PathBuf,
    sync::{Arc, Once},
    time::Duration,
};
use tempfile::TempPath;

/// Once a file is there, pieces are gathered up to this size before they are written.
const GATHER: u64 = 256 << 10;
/// How long the first reader is waited for then.
const FIRST_READ: Duration = Duration::from_secs(10);

/// The one writer. Dropped without an end, it marks the answer as cut short, so that no reader waits for ever.
pub(crate) struct Writer {
    spool: Arc<Spool>,
    hasher: Sha256,
    len: u64,
    memory: u64,
    temporary: bool,
    /// Knows the folder for a file, which is made when it is asked for: most answers need none.
    shelf: Arc<dyn Shelf>,
    path: Option<TempPath>,
    /// No file could be made or written: the answer is delivered from memory and not kept.
    stuck: bool,
    ended: bool,
}

impl Writer {
    pub(super) fn new(spool: Arc<Spool>, limits: &Limits, shelf: Arc<dyn Shelf>) -> Self {
        Self {
            spool,
            hasher: Sha256::new(),
            len: 0,
            memory: limits.memory,
            temporary: limits.temporary,
            shelf,
            path: None,
            stuck: false,
            ended: false,
        }
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Appends a piece and wakes the readers.
    pub(crate) async fn push(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        self.hasher.update(&piece);
        let start = self.len;
        self.len += piece.len() as u64;
        let in_memory = {
            let mut held = self.spool.held();
            held.pieces.push((start, piece));
            self.len - held.file_len
        };
        self.spool.progress.send_modify(|progress| progress.len = self.len);
        let limit = if self.path.is_some() { GATHER } else { self.memory };
        if in_memory > limit {
            self.spill().await;
        }
        if self.stuck {
            self.make_room().await;
        }
    }

    /// Without a file memory is all there is: the origin is read no faster than the slowest client.
    async fn make_room(&self) {
        if self.spool.is_unread() {
            // The leader's client is about to begin. If it left instead, the bytes are nobody's.
            let _ = timeout(FIRST_READ, self.spool.moved.notified()).await;
        }
        while !self.spool.has_room() {
            self.spool.moved.notified().await;
        }
    }

    /// The whole answer as a body to keep; `None` where it could not be gathered. The path guard removes what no tier
    /// took over.
    pub(crate) async fn body(&mut self) -> Option<(Body, Option<TempPath>)> {
        if self.stuck {
            return None;
        }
        if self.path.is_none() {
            return Some((Body::Bytes(self.in_memory()), None));
        }
        self.spill().await;
        let file = self.spool.held().file.clone().filter(|_| !self.stuck)?;
        let path = self.path.take()?;
        let body = Body::File { file, path: path.to_path_buf(), len: self.len, cid: self.cid() };
        Some((body, Some(path)))
    }

    /// The CID of the bytes so far.
    pub(crate) fn cid(&self) -> BodyCid {
        BodyCid::from_digest(self.hasher.clone().finalize().into())
    }

    /// The answer is whole.
    pub(crate) fn end(&mut self) {
        self.close(End::Whole);
    }

    /// The answer was cut short: every reader gets the error after the bytes that there are.
    pub(crate) fn fail(&mut self, error: OriginError) {
        self.close(End::Failed(error));
    }

    fn close(&mut self, end: End) {
        if !self.ended {
            self.ended = true;
            self.spool.progress.send_modify(|progress| progress.end = end);
        }
    }

    fn in_memory(&self) -> Bytes {
        let held = self.spool.held();
        if let [(_, only)] = held.pieces.as_slice() {
            return only.clone();
        }
        held.pieces.iter().flat_map(|(_, piece)| piece.iter().copied()).collect()
    }

    /// Moves the pieces from memory into the file. When that fails they stay where they are.
    async fn spill(&mut self) {
        if self.stuck {
            return;
        }
        if let Err(error) = self.try_spill().await {
            // Once: a disk that is full stays full for every answer that comes.
            static SAID: Once = Once::new();
            SAID.call_once(|| {
                tracing::warn!(%error, "an answer outgrew memory and could not be written to a file: such answers are not kept");
            });
            self.stuck = true;
        }
    }

    async fn try_spill(&mut self) -> io::Result<()> {
        let (file, mut at, pieces) = {
            let held = self.spool.held();
            (held.file.clone(), held.file_len, held.pieces.clone())
        };
        let (shelf, temporary) = (Arc::clone(&self.shelf), self.temporary);
        let (file, made, end) = spawn_blocking(move || {
            let (file, made) = match file {
                Some(file) => (file, None),
                None => create(shelf.spool_folder(), temporary).map(|(file, path)| (Arc::new(file), Some(path)))?,
            };
            for (_, piece) in &pieces {
                file.write_all_at(piece, at)?;
                at += piece.len() as u64;
            }
            io::Result::Ok((file, made, at))
        })
        .await
        .map_err(io::Error::other)??;
        self.path = made.or(self.path.take());
        let mut held = self.spool.held();
        held.file = Some(file);
        held.file_len = end;
        held.pieces.retain(|(start, _)| *start >= end);
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close(End::Failed(OriginError::Truncated("the call was given up".to_owned())));
    }
}

/// A temporary file in `folder` (0600), else, if allowed, where the system keeps such files.
fn create(folder: Option<PathBuf>, temporary: bool) -> io::Result<(File, TempPath)> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".spool-");
    let inside = folder.map(|folder| builder.tempfile_in(folder));
    let made = match inside {
        Some(Ok(made)) => made,
        Some(Err(error)) if !temporary => return Err(error),
        _ if temporary => builder.tempfile()?,
        _ => return Err(io::Error::other("there is no folder for it")),
    };
    Ok(made.into_parts())
}
