//! A process of its own, with one thread: a fork copies no other thread, and whatever mutexes these hold stay locked.

#![allow(missing_docs, clippy::unwrap_used)]

use larder::{Cache, Options};
use larder_testkit::{
    clock::START,
    entry::{entry, want},
};
use std::path::Path;

fn put(cache: &Cache, question: &str) {
    let entry = entry(question, b"a", START);
    let generation = cache.generation(&entry.record.service, &entry.record.operation);
    pollster::block_on(cache.put((*entry.record).clone(), entry.body, generation, START)).unwrap();
}

fn has(cache: &Cache, question: &str) -> bool {
    pollster::block_on(cache.get(&want(question), START)).unwrap().is_some()
}

/// Whether nobody holds the log of `dir`'s index for long.
fn is_log_free(dir: &Path) -> bool {
    let other = rusqlite::Connection::open(dir.join("v2/index.db")).unwrap();
    other.busy_timeout(std::time::Duration::from_secs(1)).unwrap();
    other.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get::<_, i64>(0)).unwrap() == 0
}

/// A child has neither the parent's locks nor its threads: it reads, writes, and begins the log anew.
#[test]
fn a_fork_beside_kept_snapshots_works() {
    let dir = tempfile::TempDir::new().unwrap();
    let options = Options { dir: dir.path().into(), max_bytes: 0, max_entries: 0, memory_bytes: 0, durable: false };
    let cache = Cache::open(options).unwrap();
    put(&cache, "q");
    for n in 0..200 {
        (0..100).for_each(|_| assert!(has(&cache, "q")));
        // SAFETY: the child is this thread alone, and leaves without unwinding.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: a child that hangs is killed.
            unsafe { libc::alarm(5) };
            put(&cache, &format!("c{n}"));
            let is_well = has(&cache, &format!("c{n}")) && is_log_free(dir.path());
            // SAFETY: as above.
            unsafe { libc::_exit(i32::from(!is_well)) };
        }
        let mut status = -1;
        // SAFETY: waits for the child.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0, "child {n}");
    }
}
