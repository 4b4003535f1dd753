//! A body's file goes when the last row that refers to it does, and the copies of broken indexes do not pile up.

use crate::{body, damage::files, disk_only, put};
use larder::{Body, Cache, Options, tier::Selection};
use larder_core::Timestamp;
use larder_testkit::{
    clock::START,
    entry::{OPERATION, SERVICE, key, noise, record, want},
};
use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

const LEN: usize = 100_000;

fn in_bodies(store: &Path) -> Vec<PathBuf> {
    let bodies = store.join("v2/bodies");
    if bodies.exists() { files(&bodies) } else { Vec::new() }
}

fn remove(cache: &Cache, what: &Selection) {
    pollster::block_on(cache.remove(what, START)).unwrap();
}

fn of(question: &str) -> Selection {
    Selection { key: Some(key(question)), ..Selection::default() }
}

fn damaged(cache: &Cache) -> u64 {
    cache.statistics().unwrap().operations.values().map(|counters| counters.damaged).sum()
}

#[test]
fn the_limit_holds_for_the_files_of_bodies() {
    let folder = TempDir::new().unwrap();
    let max_bytes = 20 * LEN as u64;
    let cache = Cache::open(Options { max_bytes, ..disk_only(folder.path()) }).unwrap();
    for n in 0..200 {
        put(&cache, &format!("q{n}"), &noise(LEN + n), START).unwrap();
        let on_disk: u64 = in_bodies(folder.path()).iter().map(|file| file.metadata().unwrap().len()).sum();
        assert!(on_disk <= max_bytes + LEN as u64 + 200, "{on_disk} bytes after {n} puts");
    }
    assert_eq!(in_bodies(folder.path()).len() as u64, cache.usage().entries);
}

type Way = (&'static str, fn(&Cache, &Path));

/// How rows go, of five answers each with a body in a file.
const WAYS: [Way; 9] = [
    ("by key", |cache, _| (0..5).for_each(|n| remove(cache, &of(&format!("q{n}"))))),
    ("by prefix", |cache, _| {
        let prefix = |n| Some(key(&format!("q{n}")).to_string()[..30].to_owned());
        (0..5).for_each(|n| remove(cache, &Selection { prefix: prefix(n), ..Selection::default() }));
    }),
    ("by service", |cache, _| remove(cache, &Selection { service: Some(SERVICE.to_owned()), ..Selection::default() })),
    ("by operation", |cache, _| {
        remove(cache, &Selection { operation: Some(OPERATION.to_owned()), ..Selection::default() });
    }),
    ("all", |cache, _| remove(cache, &Selection::default())),
    ("asked for after its time", |cache, _| {
        (0..5).for_each(|n| assert_eq!(body(cache, &format!("q{n}"), later()), None));
    }),
    ("looked for after its time", |cache, _| {
        (0..64).for_each(|n| put(cache, &format!("small {n}"), b"x", later()).unwrap());
    }),
    ("replaced by small ones", |cache, _| {
        (0..5).for_each(|n| put(cache, &format!("q{n}"), b"x", START).unwrap());
    }),
    ("damaged", |cache, store| {
        for file in in_bodies(store) {
            std::fs::write(file, vec![0; LEN]).unwrap();
        }
        (0..5).for_each(|n| assert_eq!(body(cache, &format!("q{n}"), START), None));
    }),
];

fn later() -> Timestamp {
    START.plus(Duration::from_secs(3_601))
}

#[test]
fn no_file_outlives_its_rows() {
    for (way, go) in WAYS {
        let folder = TempDir::new().unwrap();
        let cache = Cache::open(disk_only(folder.path())).unwrap();
        (0..5).for_each(|n| put(&cache, &format!("q{n}"), &noise(LEN + n), START).unwrap());
        assert_eq!(in_bodies(folder.path()).len(), 5, "{way}");
        go(&cache, folder.path());
        assert_eq!(in_bodies(folder.path()), [] as [PathBuf; 0], "{way}");
    }
}

#[test]
fn a_file_stays_while_another_row_refers_to_it() {
    let folder = TempDir::new().unwrap();
    let cache = Cache::open(disk_only(folder.path())).unwrap();
    ["a", "b"].iter().for_each(|question| put(&cache, question, &noise(LEN), START).unwrap());
    remove(&cache, &of("a"));
    assert_eq!(body(&cache, "b", START).unwrap().0, noise(LEN));
    put(&cache, "b", &noise(LEN), START.plus(Duration::from_secs(1))).unwrap();
    assert_eq!(body(&cache, "b", START.plus(Duration::from_secs(1))).unwrap().0, noise(LEN));
    put(&cache, "b", &noise(LEN + 1), START).unwrap();
    assert_eq!(in_bodies(folder.path()).len(), 1);
    assert_eq!(body(&cache, "b", START).unwrap().0, noise(LEN + 1));
}

#[test]
fn what_is_not_kept_leaves_no_file() {
    let folder = TempDir::new().unwrap();
    let cache = Cache::open(disk_only(folder.path())).unwrap();
    let since = cache.since(&key("a"), SERVICE, OPERATION);
    remove(&cache, &Selection::default());
    let answer = noise(LEN);
    pollster::block_on(cache.put(record("a", &answer, START), Body::Bytes(answer.into()), since, START)).unwrap();
    assert_eq!(body(&cache, "a", START), None);
    assert_eq!(in_bodies(folder.path()), [] as [PathBuf; 0]);
}

#[test]
fn an_open_file_is_read_to_its_end() {
    let folder = TempDir::new().unwrap();
    let cache = Cache::open(disk_only(folder.path())).unwrap();
    put(&cache, "a", &noise(2 << 20), START).unwrap();
    let (found, _) = pollster::block_on(cache.get(&want("a"), START)).unwrap().unwrap();
    remove(&cache, &of("a"));
    assert_eq!(in_bodies(folder.path()), [] as [PathBuf; 0]);
    assert_eq!(larder_testkit::entry::bytes_of(&found), noise(2 << 20));
}

/// A process was killed after its rows were gone, and before their files were.
#[test]
fn the_hourly_look_finds_what_a_killed_process_left_however_young() {
    let folder = TempDir::new().unwrap();
    let cache = Cache::open(disk_only(folder.path())).unwrap();
    put(&cache, "a", &noise(LEN), START).unwrap();
    put(&cache, "b", &noise(LEN + 1), START).unwrap();
    drop(cache);
    let index = rusqlite::Connection::open(folder.path().join("v2/index.db")).unwrap();
    index.execute("DELETE FROM entry WHERE key = ?1", [&key("a").digest()[..]]).unwrap();
    drop(index);
    age(&folder.path().join("v2/maintenance.lock"), 2);
    let cache = Cache::open(disk_only(folder.path())).unwrap();
    put(&cache, "c", b"x", START).unwrap();
    assert_eq!(in_bodies(folder.path()).len(), 1);
    assert_eq!(body(&cache, "b", START).unwrap().0, noise(LEN + 1));
}

#[test]
fn what_lost_its_row_with_a_broken_index_goes_with_the_next_look() {
    let folder = TempDir::new().unwrap();
    put(&Cache::open(disk_only(folder.path())).unwrap(), "a", &noise(LEN), START).unwrap();
    std::fs::write(folder.path().join("v2/index.db"), rubbish(0)).unwrap();
    put(&Cache::open(disk_only(folder.path())).unwrap(), "b", &noise(LEN + 1), START).unwrap();
    assert_eq!(in_bodies(folder.path()).len(), 1);
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Two openings put the same body, one removes it, one reads: a row always has its file, and at the end there is none.
#[test]
fn a_put_and_a_removal_of_the_same_body_agree_about_its_file() {
    let folder = TempDir::new().unwrap();
    let [one, two, removing, reading] = [(); 4].map(|()| Cache::open(disk_only(folder.path())).unwrap());
    let (answer, is_over) = (noise(LEN), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for (cache, question) in [(&one, "a"), (&two, "b")] {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    put(cache, question, &answer, START).unwrap();
                }
            });
        }
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                for question in ["a", "b"] {
                    assert!(body(&reading, question, START).is_none_or(|found| found.0 == answer));
                }
            }
        });
        let _over = Over(&is_over);
        for _ in 0..200 {
            remove(&removing, &of("a"));
            remove(&removing, &of("b"));
        }
    });
    for question in ["a", "b"] {
        // What was put last is there with its file, or it was removed.
        let found = body(&reading, question, START);
        assert!(found.is_none_or(|found| found.0 == answer), "{question}");
    }
    assert_eq!(damaged(&reading), 0, "a row had no file");
    remove(&removing, &of("a"));
    remove(&removing, &of("b"));
    assert_eq!(in_bodies(folder.path()), [] as [PathBuf; 0]);
}

fn broken(store: &Path) -> Vec<PathBuf> {
    let all = files(&store.join("v2"));
    all.into_iter().filter(|file| file.to_string_lossy().contains("index.broken-")).collect()
}

fn age(file: &Path, hours: u64) {
    let at = SystemTime::now() - Duration::from_secs(hours * 3600);
    File::options().write(true).open(file).unwrap().set_modified(at).unwrap();
}

fn rubbish(n: usize) -> String {
    format!("not a database at all, but long enough to be read as one's first page: {n}")
}

/// A store whose index was broken four times.
fn often_broken() -> (TempDir, Cache) {
    let folder = TempDir::new().unwrap();
    let mut cache = Cache::open(disk_only(folder.path())).unwrap();
    for n in 0..4 {
        drop(cache);
        std::fs::write(folder.path().join("v2/index.db"), rubbish(n)).unwrap();
        // As one that nobody wrote to for long.
        age(&folder.path().join("v2/index.db"), 100);
        cache = Cache::open(disk_only(folder.path())).unwrap();
        put(&cache, "a", b"x", START).unwrap();
    }
    (folder, cache)
}

#[test]
fn the_two_newest_broken_indexes_are_kept_for_a_day() {
    let (folder, cache) = often_broken();
    let kept: Vec<_> = broken(folder.path()).iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    assert_eq!(kept, [rubbish(2), rubbish(3)]);
    for (hours, left) in [(23, 2), (25, 0)] {
        broken(folder.path()).iter().for_each(|file| age(file, hours));
        age(&folder.path().join("v2/maintenance.lock"), 2);
        (0..64).for_each(|n| put(&cache, &format!("q{n}"), b"x", START).unwrap());
        assert_eq!(broken(folder.path()).len(), left, "{hours}");
    }
}

#[test]
fn a_removal_that_names_no_key_removes_broken_indexes() {
    let service = Selection { service: Some(SERVICE.to_owned()), ..Selection::default() };
    for (what, left) in [(of("a"), 2), (service, 0), (Selection::default(), 0)] {
        let (folder, cache) = often_broken();
        remove(&cache, &what);
        assert_eq!(broken(folder.path()).len(), left, "{what:?}");
    }
}
