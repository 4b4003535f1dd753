//! How long the log is, and what is to be done about it.

use rusqlite::hooks::Wal;
use std::{
    ffi::c_int,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// A log of so many pages (8 MiB) is to be folded into the index, by whoever has time.
const LONG: usize = 2048;

/// One of so many (16 MiB) is folded in by the commit that finds it: nobody had time.
const TOO_LONG: usize = 2 * LONG;

/// One of so many (256 MiB) cannot be folded in: a process that was stopped in the middle of a read holds it.
const STUCK: usize = 32 * LONG;

/// What a commit found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Length {
    Usual,
    /// Answers are not kept at the price of a full disk.
    Stuck,
}

/// The log's length, as this process knows it, pages.
#[derive(Debug)]
pub(super) struct Log {
    /// After the last commit.
    pages: AtomicUsize,
    /// At which length it is to be folded in next: that may do nothing while somebody reads, and costs the more the longer it is.
    next: AtomicUsize,
}

impl Default for Log {
    fn default() -> Self {
        Self { pages: AtomicUsize::new(0), next: AtomicUsize::new(LONG) }
    }
}

impl Log {
    /// After a commit the log has so many pages.
    pub(super) fn told(&self, wal: &mut Wal, pages: c_int) -> Length {
        let pages = usize::try_from(pages).unwrap_or_default();
        self.note(pages);
        if self.is_due(TOO_LONG) || pages >= STUCK {
            // Busy readers are no reason to fail what is committed: a later one tries again.
            let _done = wal.checkpoint();
        }
        if pages >= STUCK { Length::Stuck } else { Length::Usual }
    }

    /// Whether it is to be folded in by whoever has time; says so once for each time.
    pub(super) fn is_long(&self) -> bool {
        self.is_due(LONG)
    }

    fn note(&self, pages: usize) {
        self.pages.store(pages, Relaxed);
        if pages < LONG {
            self.next.store(LONG, Relaxed);
        }
    }

    fn is_due(&self, least: usize) -> bool {
        let (pages, next) = (self.pages.load(Relaxed), self.next.load(Relaxed));
        let later = || self.next.compare_exchange(next, pages + LONG, Relaxed, Relaxed);
        pages >= least && pages >= next && later().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_folded_in_once_at_each_length() {
        let log = Log::default();
        let due = |pages, least| {
            log.note(pages);
            log.is_due(least)
        };
        assert!(!due(LONG - 1, LONG) && due(LONG, LONG) && !due(LONG + 1, LONG));
        assert!(!due(LONG + 1, TOO_LONG), "nobody has to have done it yet");
        assert!(due(TOO_LONG, TOO_LONG) && !due(TOO_LONG, LONG));
        assert!(due(3 * LONG, TOO_LONG), "readers were in the way");
        assert!(!due(10, LONG) && due(LONG, LONG), "it was begun anew");
    }
}
