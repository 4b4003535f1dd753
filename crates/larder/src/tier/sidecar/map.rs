//! The sidecar's memory: a fixed layout of 64-bit atomics, in a file that all processes map or in this process alone.

use crate::tier::tick::tick;
use rustix::fs::SeekFrom;
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// The first word of every sidecar; another layout gets another word, and with it a new file.
pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"LARDSC01");

/// Header words.
pub(super) const AT_MAGIC: usize = 0;
pub(super) const AT_IDENTITY: usize = 1;
pub(super) const AT_EPOCH: usize = 2;
pub(super) const AT_GENERATIONS_OVERFLOW: usize = 3;
/// Three words: where the look for what is past its time has come to.
pub(super) const AT_HAND: usize = 4;
/// Whether some process has taken up another sidecar in place of this one.
pub(super) const AT_SUPERSEDED: usize = 7;

/// Words for credentials that an origin refused, by hash: see [`super::Sidecar::refuse`].
pub(super) const REFUSALS: usize = 256;
pub(super) const AT_REFUSALS: usize = 256;

/// A word per hashed key: bumped whenever an entry of that key is written or removed.
pub(super) const KEY_WORDS: usize = 4096;
pub(super) const AT_KEY_WORDS: usize = 512;

/// Slots of named values: words are hash, length of the name, the name, the values.
pub(super) const NAME_WORDS: usize = 14;
pub(super) const NAME_BYTES: usize = NAME_WORDS * 8;
pub(super) const SLOTS: usize = 1024;

/// Counters: one slot per (service, operation), 16 values each.
pub(super) const COUNTER_VALUES: usize = 16;
pub(super) const COUNTER_SLOT: usize = 2 + NAME_WORDS + COUNTER_VALUES;
pub(super) const AT_COUNTERS: usize = AT_KEY_WORDS + KEY_WORDS;

/// Generations: one slot per scope that was ever invalidated, one value each (and one to spare).
pub(super) const GENERATION_SLOT: usize = 2 + NAME_WORDS + 2;
pub(super) const AT_GENERATIONS: usize = AT_COUNTERS + SLOTS * COUNTER_SLOT;

/// 2-bit frequencies, 32 to a word.
pub(super) const FREQUENCY_WORDS: usize = 1 << 17;
pub(super) const AT_FREQUENCIES: usize = AT_GENERATIONS + SLOTS * GENERATION_SLOT;

/// All of it.
pub(super) const WORDS: usize = AT_FREQUENCIES + FREQUENCY_WORDS;
/// The file's length. larder never shrinks it; for others that do, see [`Map::glance`].
pub(super) const BYTES: u64 = (WORDS * 8) as u64;

/// The words, shared or not.
#[derive(Debug)]
pub(super) enum Map {
    /// A mapped file; kept open to see whether it is still the one at its path.
    Shared {
        words: memmap2::MmapRaw,
        file: File,
        path: PathBuf,
        /// The tick at which it was last looked whether the file still has a path.
        looked: AtomicU64,
    },
    /// This process alone: no file can be mapped here, or there is no store.
    Private(Box<[AtomicU64]>),
    /// In place of a file that was lost under this process, until the store takes up another one. It knows no generation.
    StandIn(Box<[AtomicU64]>),
}

/// What a map's file looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// As it was made; what is no file always is.
    Whole,
    /// Whole, but not at its path: removed, moved or replaced.
    Unlinked,
    /// Of another length, or it cannot be asked: not to be touched.
    Cut,
}

impl Map {
    /// Zeroed words with a new identity, for this process.
    pub(super) fn private() -> Self {
        let words: Box<[AtomicU64]> = (0..WORDS).map(|_| AtomicU64::new(0)).collect();
        words[AT_MAGIC].store(MAGIC, Ordering::Relaxed);
        words[AT_IDENTITY].store(super::file::identity(), Ordering::Relaxed);
        Self::Private(words)
    }

    /// Words that let the caller count on, and from which nobody learns that anything is still the newest.
    pub(super) fn stand_in() -> Self {
        match Self::private() {
            Self::Private(words) => {
                words[AT_GENERATIONS_OVERFLOW].store(1, Ordering::Relaxed);
                // No token of the lost file has this epoch.
                words[AT_EPOCH].store(super::file::identity(), Ordering::Relaxed);
                Self::StandIn(words)
            }
            other => other,
        }
    }

    /// What can be said of the map before each use, for little. Touching a page of a mapped file that was cut off kills the
    /// process (SIGBUS); asking where it ends before every use costs as little as a system call can. A race remains: a file that
    /// is cut between this and the use that follows, which is microseconds for a word and some ten of them for a whole table.
    /// Whether the file still has a path is asked once in a tick: it takes twice as long.
    pub(super) fn glance(&self) -> Look {
        let Self::Shared { file, looked, .. } = self else { return Look::Whole };
        if looked.load(Ordering::Relaxed) != tick() {
            return self.look();
        }
        // Nobody reads from this file: its position is nobody's.
        match rustix::fs::seek(file, SeekFrom::End(0)) == Ok(BYTES) {
            true if self.load(AT_SUPERSEDED) == 0 => Look::Whole,
            true => Look::Unlinked,
            false => Look::Cut,
        }
    }

    /// Asks for the file's length and whether it still has a path, at once; and once in a tick whether that path still leads
    /// to it.
    pub(super) fn look(&self) -> Look {
        let Self::Shared { file, path, looked, .. } = self else { return Look::Whole };
        let found = match rustix::fs::fstat(file) {
            Ok(found) if u64::try_from(found.st_size) == Ok(BYTES) => found,
            _ => return Look::Cut,
        };
        let is_elsewhere = || {
            let now = tick();
            looked.swap(now, Ordering::Relaxed) != now
                && match rustix::fs::stat(path) {
                    Ok(there) => (there.st_dev, there.st_ino) != (found.st_dev, found.st_ino),
                    Err(error) => error == rustix::io::Errno::NOENT,
                }
        };
        match found.st_nlink == 0 || self.load(AT_SUPERSEDED) != 0 || is_elsewhere() {
            true => Look::Unlinked,
            false => Look::Whole,
        }
    }

    /// Maps `file`, whose length must be [`BYTES`] and whose header must be this version's.
    pub(super) fn shared(file: File, path: &Path) -> io::Result<Self> {
        let refuse = || io::Error::new(io::ErrorKind::InvalidData, "not a sidecar of this version");
        if file.metadata()?.len() != BYTES {
            return Err(refuse());
        }
        let words = memmap2::MmapOptions::new().len(WORDS * 8).map_raw(&file)?;
        let map = Self::Shared { words, file, path: path.to_owned(), looked: AtomicU64::new(0) };
        if map.load(AT_MAGIC) != MAGIC || map.load(AT_IDENTITY) == 0 || map.load(AT_SUPERSEDED) != 0 {
            return Err(refuse());
        }
        Ok(map)
    }

    /// The word at `place`.
    pub(super) fn word(&self, place: usize) -> &AtomicU64 {
        match self {
            Self::Private(words) | Self::StandIn(words) => &words[place],
            Self::Shared { words, .. } => {
                let place = place.min(WORDS - 1);
                // SAFETY: the map is WORDS * 8 bytes long, page-aligned, lives as long as `self`, and every process
                // touches it through 64-bit atomics only.
                unsafe { AtomicU64::from_ptr(words.as_mut_ptr().cast::<u64>().add(place)) }
            }
        }
    }

    pub(super) fn load(&self, place: usize) -> u64 {
        self.word(place).load(Ordering::Acquire)
    }
}
