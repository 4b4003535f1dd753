//! The spool: an answer's bytes from its beginning, for readers of any pace (docs/design/stream.md).
//!
//! The first bytes are held in memory, a longer answer goes to a temporary file that readers read at their own
//! positions, so that memory stays flat. Where no file can be written, what every reader has read is dropped and the
//! writer waits for the slowest one.

mod reader;
mod writer;

use reader::READ;
pub(crate) use reader::{Reader, read_at};
pub(crate) use writer::Writer;

use super::{Limits, Shelf};
use crate::{
    OriginError,
    sync::{Mutex, MutexGuard},
};
use bytes::Bytes;
use std::{
    collections::HashMap,
    fs::File,
    sync::{Arc, PoisonError},
};
use tokio::sync::{Notify, watch};

/// The most bytes that wait in memory for the slowest reader when no file can be had.
const WINDOW: u64 = 8 << 20;

/// How an answer ended.
#[derive(Clone, Debug)]
enum End {
    Open,
    Whole,
    Failed(OriginError),
}

#[derive(Clone, Debug)]
struct Progress {
    len: u64,
    end: End,
}

/// The bytes so far: `file_len` in the file, the rest in pieces with their offsets.
#[derive(Debug, Default)]
struct Held {
    file: Option<Arc<File>>,
    file_len: u64,
    pieces: Vec<(u64, Bytes)>,
    /// Where each reader is.
    readers: HashMap<u64, u64>,
    next_reader: u64,
    /// The beginning has been dropped: nobody can begin to read any more.
    headless: bool,
}

impl Held {
    fn in_memory(&self) -> u64 {
        self.pieces.iter().map(|(_, piece)| piece.len() as u64).sum()
    }

    /// Drops what every reader has read.
    fn drop_read(&mut self) {
        let slowest = self.readers.values().min().copied().unwrap_or(u64::MAX);
        let before = self.pieces.len();
        self.pieces.retain(|(start, piece)| start + piece.len() as u64 > slowest);
        self.headless |= self.pieces.len() < before;
    }
}

/// What readers share.
#[derive(Debug)]
pub(crate) struct Spool {
    held: Mutex<Held>,
    progress: watch::Sender<Progress>,
    /// A reader has read on or left.
    moved: Notify,
}

/// Where the next bytes are.
enum Found {
    Memory(Bytes),
    File(Arc<File>, u64),
}

impl Spool {
    /// An empty spool: up to `limits.memory` bytes stay in memory, then a file in the folder of `shelf` is used.
    pub(crate) fn new(limits: &Limits, shelf: Arc<dyn Shelf>) -> (Arc<Self>, Writer) {
        let (progress, _) = watch::channel(Progress { len: 0, end: End::Open });
        let spool = Arc::new(Self { held: Mutex::default(), progress, moved: Notify::new() });
        let writer = Writer::new(Arc::clone(&spool), limits, shelf);
        (spool, writer)
    }

    /// A reader from the beginning; `None` where that is no longer held.
    pub(crate) fn reader(self: &Arc<Self>) -> Option<Reader> {
        let mut held = self.held();
        let id = held.next_reader;
        held.next_reader += 1;
        if held.headless {
            return None;
        }
        held.readers.insert(id, 0);
        Some(Reader::new(self, id))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether memory is full and nobody has begun to read.
    fn is_unread(&self) -> bool {
        let held = self.held();
        held.in_memory() > WINDOW && held.next_reader == 0
    }

    /// Whether memory can take more, when what every reader has read is dropped.
    fn has_room(&self) -> bool {
        let mut held = self.held();
        if held.in_memory() > WINDOW {
            held.drop_read();
        }
        held.in_memory() <= WINDOW
    }

    fn find(&self, at: u64) -> Option<Found> {
        let held = self.held();
        if at < held.file_len {
            return held.file.as_ref().map(|file| Found::File(Arc::clone(file), held.file_len.min(at + READ) - at));
        }
        let index = held.pieces.partition_point(|(start, _)| *start <= at).checked_sub(1)?;
        let (start, piece) = &held.pieces[index];
        let skip = usize::try_from(at - start).ok()?;
        (skip < piece.len()).then(|| Found::Memory(piece.slice(skip..)))
    }
}
