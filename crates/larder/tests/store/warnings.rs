//! One thing that is wrong is one warning; another thing is another one.

use crate::{body, disk_only, put, trials::told::told};
use futures_core::future::BoxFuture;
use larder::{
    Cache, Entry, Error, IndexFault,
    tier::{Selection, Stack, Tier, Usage},
};
use larder_core::{Timestamp, record::Want};
use larder_testkit::{clock::START, entry::want};
use std::{
    io::ErrorKind,
    path::Path,
    sync::{Arc, Barrier, Mutex},
};
use tempfile::TempDir;

const QUESTIONS: usize = 200;

fn filled() -> TempDir {
    let folder = TempDir::new().unwrap();
    let cache = Cache::open(disk_only(folder.path())).unwrap();
    for n in 0..QUESTIONS {
        put(&cache, &format!("q{n}"), &[b'x'; 500], START).unwrap();
    }
    folder
}

/// Everything in the index but its first page is zeros.
fn harm(folder: &Path) {
    let index = folder.join("v2/index.db");
    let mut bytes = std::fs::read(&index).unwrap();
    bytes[4096..].fill(0);
    std::fs::write(&index, bytes).unwrap();
}

/// Several threads ask for everything, twice; what they are told.
fn read_together(caches: &[&Cache]) -> Vec<String> {
    let barrier = Barrier::new(caches.len());
    let read = |cache: &Cache| {
        barrier.wait();
        for n in 0..2 * QUESTIONS {
            let _found = body(cache, &format!("q{}", n % QUESTIONS), START);
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = caches.iter().map(|&cache| scope.spawn(|| told(|| read(cache)).1)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn an_index_that_is_harmed_once_is_said_once() {
    let folder = filled();
    let cache = Cache::open(disk_only(folder.path())).unwrap();
    harm(folder.path());
    let said = read_together(&[&cache; 6]);
    assert!(said.len() == 1 && said[0].contains("begun anew"), "{said:#?}");
    put(&cache, "new", b"new", START).unwrap();
    // Again within the minute: not looked at again, and not said again.
    harm(folder.path());
    let said = read_together(&[&cache, &cache]);
    assert!(said.is_empty(), "{said:#?}");
}

#[test]
fn answers_that_one_thing_has_harmed_are_one_warning() {
    let folder = filled();
    let session = rusqlite::Connection::open(folder.path().join("v2/index.db")).unwrap();
    session.execute_batch("UPDATE entry SET body = zeroblob(length(body))").unwrap();
    let cache = Cache::open(disk_only(folder.path())).unwrap();
    let said = read_together(&[&cache]);
    assert!(said.len() == 1 && said[0].contains("damaged"), "{said:#?}");
    let counted: u64 = cache.statistics().unwrap().operations.values().map(|counters| counters.damaged).sum();
    assert_eq!(counted, QUESTIONS as u64);
}

/// No check of the database's own sees a text that is no UTF-8.
#[test]
fn an_index_whose_texts_are_none_is_begun_anew() {
    let folder = filled();
    let session = rusqlite::Connection::open(folder.path().join("v2/index.db")).unwrap();
    session
        .execute_batch(
            "INSERT INTO generation VALUES(CAST(X'EF74' AS TEXT), '', 1); UPDATE total SET revision = revision + 1",
        )
        .unwrap();
    let checked: String = session.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(checked, "ok");
    drop(session);
    let (cache, _) = told(|| Cache::open(disk_only(folder.path())).unwrap());
    let _said = read_together(&[&cache]);
    put(&cache, "new", b"new", START).unwrap();
    assert_eq!(body(&cache, "new", START).map(|found| found.0), Some(b"new".to_vec()));
    assert!(folder.path().join("v2/index.broken-0").exists());
}

#[test]
fn what_two_find_at_once_is_said_by_one() {
    let folder = filled();
    let open = || Cache::open(disk_only(folder.path())).unwrap();
    let (one, two) = (open(), open());
    harm(folder.path());
    let said = read_together(&[&one, &two, &one, &two]);
    assert!(said.len() == 1 && said[0].contains("begun anew"), "{said:#?}");
}

#[test]
fn an_index_that_cannot_be_begun_anew_is_said() {
    let folder = filled();
    let cache = Cache::open(disk_only(folder.path())).unwrap();
    let lock = folder.path().join("v2/lock");
    let _absent = std::fs::remove_file(&lock);
    std::fs::create_dir(&lock).unwrap();
    harm(folder.path());
    let said = read_together(&[&cache; 3]);
    assert!(said.len() == 1 && said[0].contains("could not be begun anew"), "{said:#?}");
}

/// A tier that fails as it is told to.
struct Failing(Mutex<Vec<Error>>);

impl Failing {
    fn next<T: Send>(&self) -> BoxFuture<'_, Result<T, Error>> {
        Box::pin(async { Err(self.0.lock().unwrap().remove(0)) })
    }
}

impl Tier for Failing {
    fn name(&self) -> &'static str {
        "failing"
    }

    fn get<'a>(&'a self, _: &'a Want, _: Timestamp) -> BoxFuture<'a, Result<Option<Entry>, Error>> {
        self.next()
    }

    fn put(&self, _: Entry, _: Timestamp) -> BoxFuture<'_, Result<(), Error>> {
        self.next()
    }

    fn remove<'a>(&'a self, _: &'a Selection, _: Timestamp) -> BoxFuture<'a, Result<u64, Error>> {
        self.next()
    }

    fn list<'a>(&'a self, _: &'a Selection, _: usize, _: Timestamp) -> BoxFuture<'a, Result<Vec<Entry>, Error>> {
        self.next()
    }

    fn usage(&self) -> Usage {
        Usage::default()
    }
}

#[test]
fn another_kind_of_harm_is_another_warning() {
    let index = |fault| Error::Index { fault, why: "so".to_owned() };
    let io = |kind: ErrorKind| Error::Io { path: "/store".into(), source: kind.into() };
    let stuck = || Error::Stuck { path: "/log".into() };
    let read_only = Error::ReadOnly { path: "/store".into(), why: "so".to_owned() };
    // (what fails, whether it is said)
    let failures = [
        (index(IndexFault::Locked), true),
        (index(IndexFault::Locked), false),
        (index(IndexFault::Full), true),
        (io(ErrorKind::StorageFull), false),
        (index(IndexFault::Disk), true),
        (io(ErrorKind::PermissionDenied), false),
        (index(IndexFault::Anew), false),
        (read_only, false),
        (index(IndexFault::Other), true),
        (Error::index("something else"), false),
        (stuck(), true),
        (stuck(), false),
        (index(IndexFault::Locked), false),
    ];
    let (failures, is_said): (Vec<_>, Vec<_>) = failures.into_iter().unzip();
    let stack = Stack::new(0, vec![Arc::new(Failing(Mutex::new(failures)))]);
    let asked = want("a");
    for (n, expected) in is_said.into_iter().enumerate() {
        let (found, said) = told(|| pollster::block_on(stack.find(&asked, START)));
        assert!(found.is_none());
        assert_eq!(said.len(), usize::from(expected), "failure {n}: {said:?}");
    }
}

#[test]
fn an_index_that_is_locked_is_no_full_disk() {
    let hint = |fault| Error::Index { fault, why: String::new() }.hint();
    assert_eq!(hint(IndexFault::Locked), Error::Stuck { path: "/log".into() }.hint());
    assert!(hint(IndexFault::Locked).contains("process"), "{}", hint(IndexFault::Locked));
    assert!(hint(IndexFault::Full).contains("room"), "{}", hint(IndexFault::Full));
    assert!(hint(IndexFault::Disk).contains("--store"), "{}", hint(IndexFault::Disk));
}

#[test]
fn somebody_elses_lock_is_called_one() {
    let folder = filled();
    let cache = Cache::open(disk_only(folder.path())).unwrap();
    let session = rusqlite::Connection::open(folder.path().join("v2/index.db")).unwrap();
    session.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..2 {
        let refused = put(&cache, "late", b"x", START);
        assert!(matches!(refused, Err(Error::Index { fault: IndexFault::Locked, .. })), "{refused:?}");
    }
}
