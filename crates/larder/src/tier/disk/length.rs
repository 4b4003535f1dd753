//! How long the log is, and what is to be done about it.

use rusqlite::{Connection, hooks::Wal, wal::CheckpointMode};
use std::{
    ffi::c_int,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// A log of so many pages (8 MiB) is to be folded into the index, by whoever has time.
pub(super) const LONG: usize = 2048;

/// One of so many (16 MiB) is folded in by the commit that finds it: nobody had time.
const TOO_LONG: usize = 2 * LONG;

/// One of so many (256 MiB) is left by processes that were stopped while they held a snapshot of it.
const STUCK: usize = 32 * LONG;

/// What a page takes in the log with its header, bytes.
const FRAME: u64 = 4096 + 24;

/// Whether a stuck log can be folded in is tried so often.
const AGAIN: Duration = Duration::from_secs(1);

/// The log's length, as this process knows it, pages.
#[derive(Debug)]
pub(super) struct Log {
    /// After the last commit.
    pages: AtomicUsize,
    /// At which length it is to be folded in next: that may do nothing while somebody reads, and costs the more the longer it is.
    next: AtomicUsize,
    /// When it was stuck, and tried whether it still is.
    tried: Mutex<Option<Instant>>,
}

impl Log {
    /// One whose file has so many bytes: it is no longer than that.
    pub(super) fn of(bytes: u64) -> Self {
        let pages = usize::try_from(bytes / FRAME).unwrap_or(usize::MAX);
        Self { pages: pages.into(), next: LONG.into(), tried: Mutex::default() }
    }

    /// After a commit the log has so many pages.
    pub(super) fn told(&self, wal: &mut Wal, pages: c_int) {
        self.note(usize::try_from(pages).unwrap_or_default());
        if self.is_due(TOO_LONG) {
            // Busy readers are no reason to fail what is committed: a later one tries again.
            let _done = wal.checkpoint();
        }
    }

    /// Whether it is to be folded in by whoever has time; says so once for each time.
    pub(super) fn is_long(&self) -> bool {
        self.is_due(LONG)
    }

    /// Whether it may grow further: answers are not kept at the price of a full disk. Where it is that long, it is tried at times
    /// whether it can be folded in.
    pub(super) fn has_room(&self, fold: impl FnOnce() -> Option<(c_int, c_int)>) -> bool {
        if self.pages.load(Relaxed) < STUCK {
            return true;
        }
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        if tried.is_none_or(|at| at.elapsed() > AGAIN) {
            *tried = Some(Instant::now());
            // One that is folded in is begun anew by the next commit.
            if let Some((pages, folded)) = fold() {
                let pages = usize::try_from(pages).unwrap_or_default();
                self.note(if i64::from(folded) == pages as i64 { 0 } else { pages });
            }
        }
        self.pages.load(Relaxed) < STUCK
    }

    fn note(&self, pages: usize) {
        self.pages.store(pages, Relaxed);
        if pages < LONG {
            self.next.store(LONG, Relaxed);
        }
    }

    fn is_due(&self, least: usize) -> bool {
        let (pages, next) = (self.pages.load(Relaxed), self.next.load(Relaxed));
        let later = pages + (pages / 8).max(LONG / 8);
        let is_first = || self.next.compare_exchange(next, later, Relaxed, Relaxed).is_ok();
        pages >= least && pages >= next && is_first()
    }
}

/// Folds what can be folded of the log into the index: how many pages it has, and how many of them are in. `None`: somebody else is
/// at it, for whom nobody has to wait, or it failed, which says nothing of the locks that others hold.
pub(super) fn fold(connection: &Connection) -> Option<(c_int, c_int)> {
    connection.wal_checkpoint_v2(Some(rusqlite::MAIN_DB), CheckpointMode::PASSIVE).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_folded_in_once_at_each_length() {
        let log = Log::of(0);
        let due = |pages, least| {
            log.note(pages);
            log.is_due(least)
        };
        assert!(!due(LONG - 1, LONG) && due(LONG, LONG) && !due(LONG + 1, LONG));
        assert!(due(LONG + LONG / 8, LONG) && !due(LONG + LONG / 8 + 1, LONG), "readers were in the way");
        assert!(!due(TOO_LONG - 1, TOO_LONG) && due(TOO_LONG, TOO_LONG) && !due(TOO_LONG + 1, LONG));
        assert!(!due(10, LONG) && due(LONG, LONG), "it was begun anew");
    }

    #[test]
    fn one_that_cannot_be_folded_in_grows_no_further() {
        let log = Log::of(300 << 20);
        assert!(!log.has_room(|| Some((70_000, 10))), "who opens the store knows it");
        assert!(!log.has_room(|| panic!("it was just tried")));
        let log = Log::of(300 << 20);
        assert!(log.has_room(|| Some((70_000, 70_000))) && log.has_room(|| panic!("it is short now")));
        let log = Log::of(300 << 20);
        assert!(log.has_room(|| Some((5, 3))), "its file was longer than it");
        assert!(!Log::of(300 << 20).has_room(|| None), "nobody can say");
        assert!(Log::of(200 << 20).has_room(|| panic!("it is short")));
    }
}
