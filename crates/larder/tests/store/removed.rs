//! What was removed stays removed: from other openings of the store, from what is on its way, from what was lost.

use crate::{body, open, put};
use larder::{Body, Cache, tier::Selection};
use larder_core::{QueryKey, share::CredentialDigest};
use larder_testkit::{
    clock::START,
    entry::{entry, want},
};
use std::{
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};
use tempfile::TempDir;

fn key(question: &str) -> QueryKey {
    want(question).key
}

fn remove(cache: &Cache, what: &Selection) {
    pollster::block_on(cache.remove(what, START)).unwrap();
}

fn of(question: &str) -> Selection {
    Selection { key: Some(key(question)), ..Selection::default() }
}

/// Asks, does `meanwhile`, and puts.
fn ask(cache: &Cache, question: &str, meanwhile: impl FnOnce() -> Vec<u8>) {
    let since = cache.since(&key(question), "s", "o");
    let answer = meanwhile();
    let record = (*entry(question, &answer, START).record).clone();
    let since = larder::Since { generation: cache.generation(&record.service, &record.operation), ..since };
    pollster::block_on(cache.put(record, Body::Bytes(answer.into()), since, START)).unwrap();
}

#[test]
fn what_was_asked_before_a_removal_through_another_opening_is_not_kept() {
    let folder = TempDir::new().unwrap();
    let (one, two) = (open(folder.path()), open(folder.path()));
    let text = key("a").to_string();
    let everything_like_it = Selection { prefix: Some(text[..20].to_owned()), ..Selection::default() };
    for what in [of("a"), everything_like_it] {
        ask(&one, "a", || {
            remove(&two, &what);
            b"from before".to_vec()
        });
        assert_eq!((body(&one, "a", START), body(&two, "a", START)), (None, None), "{what:?}");
    }
    ask(&one, "a", || b"from after".to_vec());
    assert_eq!(body(&two, "a", START).unwrap().0, b"from after");
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// One opening asks and puts all the time, one reads, the third one changes what there is to ask for, removes, and looks.
#[test]
fn nothing_older_than_a_removal_is_found_after_it() {
    let folder = TempDir::new().unwrap();
    let [asking, writing, reading] = [(); 3].map(|()| open(folder.path()));
    let (version, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                ask(&asking, "a", || version.load(Ordering::SeqCst).to_le_bytes().to_vec());
            }
        });
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                body(&reading, "a", START);
            }
        });
        // Ends the other threads also where an assertion fails.
        let _over = Over(&is_over);
        for newest in 1..=2_000 {
            version.store(newest, Ordering::SeqCst);
            remove(&writing, &of("a"));
            for cache in [&writing, &asking, &reading] {
                let found = body(cache, "a", START).map(|(body, _)| u64::from_le_bytes(body.try_into().unwrap()));
                assert!(found.is_none_or(|found| found >= newest), "{found:?} after the removal at {newest}");
            }
        }
    });
}

/// Longer than a process takes to notice that a file it has mapped is gone.
fn a_while() {
    std::thread::sleep(Duration::from_millis(50));
}

/// Takes the sidecar away from under open stores.
fn lose_the_sidecar(store: &Path, is_moved: bool) {
    let sidecar = store.join("v2/sidecar");
    match is_moved {
        true => std::fs::rename(&sidecar, store.join("elsewhere")).unwrap(),
        false => std::fs::remove_file(&sidecar).unwrap(),
    }
}

#[test]
fn memory_hears_of_removals_by_who_came_after_the_sidecar_was_lost() {
    for is_moved in [false, true] {
        let folder = TempDir::new().unwrap();
        let one = open(folder.path());
        put(&one, "a", b"old", START).unwrap();
        body(&one, "a", START).unwrap();
        assert_eq!(body(&one, "a", START).unwrap().1, "memory");
        lose_the_sidecar(folder.path(), is_moved);
        let two = open(folder.path());
        remove(&two, &of("a"));
        a_while();
        assert_eq!(body(&one, "a", START), None);
        // And they understand each other again.
        put(&one, "a", b"new", START).unwrap();
        body(&one, "a", START).unwrap();
        assert_eq!(body(&one, "a", START).unwrap(), (b"new".to_vec(), "memory"));
        remove(&two, &of("a"));
        assert_eq!(body(&one, "a", START), None);
    }
}

#[test]
fn a_removal_is_told_to_who_has_another_sidecar_already() {
    for is_moved in [false, true] {
        let folder = TempDir::new().unwrap();
        let [one, two] = [(); 2].map(|()| open(folder.path()));
        lose_the_sidecar(folder.path(), is_moved);
        a_while();
        put(&one, "other", b"x", START).unwrap();
        ask(&one, "a", || {
            remove(&two, &of("a"));
            b"from before".to_vec()
        });
        assert_eq!((body(&one, "a", START), body(&two, "a", START)), (None, None));
    }
}

#[test]
fn a_put_that_was_dropped_removes_nothing() {
    let folder = TempDir::new().unwrap();
    let cache = open(folder.path());
    ask(&cache, "a", || {
        remove(&cache, &of("a"));
        ask(&cache, "a", || b"from after".to_vec());
        b"from before".to_vec()
    });
    assert_eq!(body(&cache, "a", START).unwrap().0, b"from after");
}

#[test]
fn a_refused_credential_stays_refused_when_the_sidecar_is_lost() {
    for is_moved in [false, true] {
        let folder = TempDir::new().unwrap();
        let [one, two] = [(); 2].map(|()| open(folder.path()));
        let mine = CredentialDigest::from_mac(&[7; 32]);
        one.credential_accepted("https://o", &mine, START);
        two.credential_rejected("https://o", &mine, START.plus(Duration::from_secs(1)));
        lose_the_sidecar(folder.path(), is_moved);
        let three = open(folder.path());
        a_while();
        put(&one, "other", b"x", START).unwrap();
        for (name, cache) in [("one", &one), ("two", &two), ("three", &three)] {
            assert!(!cache.is_credential_accepted("https://o", &mine, START.plus(Duration::from_secs(2))), "{name}");
        }
    }
}

fn hold_the_lock(store: &Path) -> rusqlite::Connection {
    let holder = rusqlite::Connection::open(store.join("v2/index.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    holder
}

#[test]
fn a_refusal_counts_everywhere_at_once_though_the_index_is_locked() {
    let folder = TempDir::new().unwrap();
    let [one, two, three] = [(); 3].map(|()| open(folder.path()));
    let mine = CredentialDigest::from_mac(&[7; 32]);
    one.credential_accepted("https://o", &mine, START);
    assert!(two.is_credential_accepted("https://o", &mine, START));
    let holder = hold_the_lock(folder.path());
    let later = START.plus(Duration::from_secs(1));
    std::thread::scope(|scope| {
        let refusing = scope.spawn(|| one.credential_rejected("https://o", &mine, later));
        while one.is_credential_accepted("https://o", &mine, later) {
            std::thread::yield_now();
        }
        for (name, cache) in [("had it in memory", &two), ("has it from the index", &three)] {
            assert!(!cache.is_credential_accepted("https://o", &mine, later), "{name}");
        }
        holder.execute_batch("ROLLBACK").unwrap();
        refusing.join().unwrap();
    });
}

#[test]
fn memory_alone_drops_what_was_asked_before_a_removal() {
    let cache = Cache::without_store(1 << 20);
    ask(&cache, "a", || {
        remove(&cache, &of("a"));
        b"from before".to_vec()
    });
    assert_eq!(body(&cache, "a", START), None);
    ask(&cache, "a", || b"from after".to_vec());
    assert_eq!(body(&cache, "a", START).unwrap().0, b"from after");
}
