//! Bodies' files that may have lost their last row: whoever took it removes them, too.
//!
//! Looked at under the write lock, which a put holds while it looks for the file of its body and until its row is in. So a file is
//! either seen by the put and kept, or gone before the put looks, which then writes it again.

use super::{Inner, bodies, detached, open::Paths, trust};
use crate::Error;
use larder_core::BodyCid;
use rusqlite::Connection;
use std::{
    fs::OpenOptions,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

/// For how long the lock is waited for. Whoever looks after the store next does what was not done.
const MOMENT: Duration = Duration::from_millis(50);
/// Files that are removed while the lock is held once: a large one takes a while.
const AT_ONCE: usize = 16;

/// Digests of bodies whose files nobody may refer to any more.
#[derive(Debug, Default)]
pub(super) struct Loose {
    digests: Mutex<Vec<[u8; 32]>>,
    /// Whether there are any, for those who have no time to ask.
    any: AtomicBool,
}

impl Loose {
    /// Also from within the transaction that takes the row: nobody looks before that has ended.
    pub(super) fn push(&self, digest: [u8; 32]) {
        self.change(|digests| digests.push(digest));
    }

    pub(super) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    fn take(&self, n: usize) -> Vec<[u8; 32]> {
        self.change(|digests| digests.split_off(digests.len().saturating_sub(n)))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<[u8; 32]>) -> T) -> T {
        let mut digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        let done = change(&mut digests);
        self.any.store(!digests.is_empty(), Ordering::Release);
        done
    }
}

impl Inner {
    /// Removes the files that lost their last row in this process; nobody waits for it where there is a runtime. Called by who took
    /// a row: were it every call, many would wait for the lock beside an eviction.
    pub(super) fn sweep_soon(self: &Arc<Self>) {
        if self.loose.any() {
            let inner = Arc::clone(self);
            detached(move || inner.sweep());
        }
    }

    /// The same, now.
    pub(super) fn sweep(&self) {
        while self.loose.any() {
            // Taken under the lock: what took these rows has ended.
            let swept = self.write_within(MOMENT, |transaction| {
                for digest in self.loose.take(AT_ONCE) {
                    self.remove_unless_named(transaction, &digest)?;
                }
                Ok(())
            });
            if !matches!(swept, Ok(Some(()))) {
                self.loose.take(usize::MAX);
                return look_soon(&self.paths);
            }
        }
    }

    fn remove_unless_named(&self, connection: &Connection, digest: &[u8; 32]) -> rusqlite::Result<()> {
        if !is_named(connection, digest)? {
            let _absent = std::fs::remove_file(bodies::path(&self.paths.bodies, &BodyCid::from_digest(*digest)));
        }
        Ok(())
    }

    /// Finds the files in `folder`, of those named as bodies, to which no row refers, however young, for the next [`Inner::sweep`];
    /// hands what is no body to `rest`.
    pub(super) fn find_loose(&self, folder: &Path, rest: impl Fn(&Path)) -> Result<(), Error> {
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
        let mut digests = Vec::new();
        for file in files {
            let cid = file.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<BodyCid>().ok());
            match cid.filter(|cid| bodies::path(&self.paths.bodies, cid) == file) {
                Some(cid) => digests.push(*cid.digest()),
                None => rest(&file),
            }
        }
        // Most are referred to, and that needs no lock.
        self.with(|connection| {
            for digest in digests {
                if !is_named(connection, &digest)? {
                    self.loose.push(digest);
                }
            }
            Ok(())
        })
    }
}

/// Makes the hourly look due, for whichever process looks after the store next: it finds the files to which no row refers.
pub(super) fn look_soon(paths: &Paths) {
    let lock = trust::open(&paths.maintenance(), OpenOptions::new().write(true));
    let _missing_is_due = lock.and_then(|lock| lock.set_modified(SystemTime::UNIX_EPOCH));
}

fn is_named(connection: &Connection, digest: &[u8; 32]) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM entry WHERE file = ?1 LIMIT 1")?.exists([&digest[..]])
}

#[cfg(test)]
mod tests;
