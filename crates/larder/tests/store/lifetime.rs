//! Restarts, two openings of one store, generations, credentials, statistics, clocks that jump.

use crate::{body, disk_only, open, options, put};
use larder::{Cache, stats::Event, tier::Selection};
use larder_core::{Timestamp, share::CredentialDigest};
use larder_testkit::{
    clock::START,
    entry::{OPERATION, SERVICE, bytes_of, entry, noise, record, want, with_body},
};
use std::{os::unix::fs::PermissionsExt as _, path::Path, time::Duration};
use tempfile::TempDir;

const YEARS_10: Duration = Duration::from_secs(10 * 365 * 86_400);

fn remove(cache: &Cache, what: &Selection) -> u64 {
    pollster::block_on(cache.remove(what, START)).unwrap()
}

fn operation() -> Selection {
    Selection { service: Some(SERVICE.to_owned()), operation: Some(OPERATION.to_owned()), ..Selection::default() }
}

#[test]
fn answers_credentials_and_statistics_survive_a_restart() {
    let folder = TempDir::new().unwrap();
    let credential = CredentialDigest::from_mac(&[7; 32]);
    let large = noise(3 << 20);
    {
        let cache = open(folder.path());
        put(&cache, "small", b"answer", START).unwrap();
        put(&cache, "large", &large, START).unwrap();
        cache.credential_accepted("https://o", &credential, START);
        (0..5).for_each(|_| cache.count("s", "o", Event::Hit));
        cache.count("s", "o", Event::Miss);
        cache.close();
        cache.count("s", "o", Event::Hit);
    }
    let cache = open(folder.path());
    assert_eq!(body(&cache, "small", START), Some((b"answer".to_vec(), "disk")));
    assert_eq!(body(&cache, "small", START), Some((b"answer".to_vec(), "memory")));
    assert_eq!(body(&cache, "large", START).map(|found| found.0), Some(large));
    assert!(cache.is_credential_accepted("https://o", &credential, START));
    assert!(!cache.is_credential_accepted("https://other", &credential, START));
    assert!(!cache.is_credential_accepted("https://o", &credential, START.plus(Duration::from_secs(86_401))));
    let counted = cache.statistics().unwrap().operations[&("s".to_owned(), "o".to_owned())];
    assert_eq!((counted.hits, counted.misses), (6, 1));
}

#[test]
fn the_index_of_the_statistics_counts_live_entries() {
    let folder = TempDir::new().unwrap();
    let cache = open(folder.path());
    let now = Timestamp(i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap());
    for question in ["a", "b", "c"] {
        put(&cache, question, b"x", now).unwrap();
    }
    let name = (SERVICE.to_owned(), OPERATION.to_owned());
    assert_eq!(cache.statistics().unwrap().index.get(&name), Some(&3));
    assert_eq!(cache.usage().entries, 3);
    assert!(cache.usage().bytes > 3);
    remove(&cache, &operation());
    assert_eq!(cache.statistics().unwrap().index.get(&name), None);
    assert_eq!((cache.usage().entries, cache.usage().bytes), (0, 0), "what was invalidated takes no room");
}

#[test]
fn whatever_was_invalidated_makes_room_at_once() {
    let folder = TempDir::new().unwrap();
    let cache = disk_only(folder.path());
    let cache = Cache::open(cache).unwrap();
    for n in 0..250 {
        put(&cache, &format!("q{n}"), b"x", START).unwrap();
    }
    assert_eq!(remove(&cache, &Selection { service: Some(SERVICE.to_owned()), ..Selection::default() }), 250);
    assert_eq!(cache.usage().entries, 0);
}

#[test]
fn the_memory_tier_alone_has_an_index_too() {
    let cache = Cache::without_store(1 << 20);
    let now = Timestamp(i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap());
    put(&cache, "a", b"x", now).unwrap();
    let name = (SERVICE.to_owned(), OPERATION.to_owned());
    assert_eq!(cache.statistics().unwrap().index.get(&name), Some(&1));
}

#[test]
fn what_one_opening_removes_or_replaces_no_other_serves_from_memory() {
    let folder = TempDir::new().unwrap();
    let (one, two) = (open(folder.path()), open(folder.path()));
    let key = Selection { key: Some(want("a").key), ..Selection::default() };
    for what in [key, operation(), Selection { prefix: Some("bafkrei".to_owned()), ..Selection::default() }] {
        put(&one, "a", b"first", START).unwrap();
        for _ in 0..2 {
            assert_eq!(body(&two, "a", START).unwrap().0, b"first");
        }
        assert_eq!(body(&two, "a", START).unwrap().1, "memory");
        put(&one, "a", b"second", START).unwrap();
        assert_eq!(body(&two, "a", START).unwrap(), (b"second".to_vec(), "disk"));
        assert_eq!(body(&two, "a", START).unwrap().1, "memory");
        assert_eq!(remove(&one, &what), 1, "{what:?}");
        assert_eq!(body(&two, "a", START), None, "{what:?}");
        assert_eq!(body(&one, "a", START), None, "{what:?}");
    }
}

#[test]
fn an_invalidation_beats_a_fill_that_began_before_it_in_another_opening() {
    let folder = TempDir::new().unwrap();
    let (one, two) = (open(folder.path()), open(folder.path()));
    let before = one.generation(SERVICE, OPERATION);
    for what in
        [operation(), Selection { service: Some(SERVICE.to_owned()), ..Selection::default() }, Selection::default()]
    {
        let asked = one.generation(SERVICE, OPERATION);
        remove(&two, &what);
        let late = entry("a", b"late", START);
        pollster::block_on(one.put((*late.record).clone(), late.body, asked, START)).unwrap();
        assert_eq!((body(&one, "a", START), body(&two, "a", START)), (None, None), "{what:?}");
    }
    assert_eq!(one.generation(SERVICE, OPERATION), before + 3);
    assert_eq!(two.generation(SERVICE, OPERATION), before + 3);
}

#[test]
fn a_lost_sidecar_costs_recent_counts_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let (one, two) = (open(folder.path()), open(folder.path()));
    put(&one, "a", b"old", START).unwrap();
    remove(&one, &operation());
    put(&one, "a", b"new", START).unwrap();
    assert_eq!(body(&two, "a", START).unwrap().0, b"new");
    one.count("s", "o", Event::Hit);
    one.close();
    std::fs::remove_file(folder.path().join("v2/sidecar")).unwrap();
    let three = open(folder.path());
    assert_eq!(body(&three, "a", START).unwrap().0, b"new");
    assert_eq!(three.generation(SERVICE, OPERATION), 1);
    // The first opening takes up the new file as soon as it works with the index.
    assert_eq!((one.generation(SERVICE, OPERATION), two.generation(SERVICE, OPERATION)), (1, 1));
    remove(&three, &operation());
    assert_eq!(body(&two, "a", START), None);
    assert_eq!(three.statistics().unwrap().operations[&("s".to_owned(), "o".to_owned())].hits, 1);
}

#[test]
fn everything_is_for_this_user_alone() {
    let folder = TempDir::new().unwrap();
    let cache = open(&folder.path().join("deep/store"));
    put(&cache, "small", b"x", START).unwrap();
    put(&cache, "large", &noise(100_000), START).unwrap();
    let mut seen = 0;
    let mut folders = vec![folder.path().join("deep")];
    while let Some(folder) = folders.pop() {
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700, "{folder:?}");
        for found in std::fs::read_dir(&folder).unwrap().map(|found| found.unwrap().path()) {
            if found.is_dir() {
                folders.push(found);
            } else {
                seen += 1;
                assert_eq!(std::fs::metadata(&found).unwrap().permissions().mode() & 0o777, 0o600, "{found:?}");
            }
        }
    }
    assert!(seen >= 4, "index, wal, sidecar, body");
}

#[test]
fn a_later_form_beside_this_one_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let later = folder.path().join("v3/index.db");
    std::fs::create_dir(folder.path().join("v3")).unwrap();
    std::fs::write(&later, b"from the future").unwrap();
    let cache = open(folder.path());
    put(&cache, "a", b"x", START).unwrap();
    remove(&cache, &Selection::default());
    drop(cache);
    assert_eq!(std::fs::read(&later).unwrap(), b"from the future");
    assert_eq!(std::fs::read_dir(folder.path().join("v3")).unwrap().count(), 1);
}

fn count_rows(dir: &Path) -> u64 {
    open(dir).usage().entries
}

#[test]
fn a_clock_that_jumps_neither_empties_the_store_nor_makes_an_answer_immortal() {
    let folder = TempDir::new().unwrap();
    let cache = Cache::open(disk_only(folder.path())).unwrap();
    for n in 0..300 {
        put(&cache, &format!("q{n}"), b"x", START).unwrap();
    }
    // Ten years ahead: nothing is served, and no maintenance takes everything with it.
    let future = START.plus(YEARS_10);
    assert_eq!(body(&cache, "q0", future), None);
    for n in 0..64 {
        put(&cache, &format!("future {n}"), b"x", future).unwrap();
    }
    assert!(count_rows(folder.path()) >= 200, "a jump emptied the store");
    // Back again: what was there is served, what came from the future is not.
    assert_eq!(body(&cache, "q299", START).unwrap().0, b"x");
    assert_eq!(body(&cache, "future 63", START), None);
    let before = count_rows(folder.path());
    assert_eq!(body(&cache, "future 62", START), None);
    assert_eq!(count_rows(folder.path()), before - 1, "an answer from the future stays for ever");
    // Ten years back.
    assert_eq!(body(&cache, "q298", Timestamp(START.0 - future.since(START).as_millis() as i64)), None);
    assert_eq!(body(&cache, "q297", START).unwrap().0, b"x");
}

#[test]
fn expirations_are_counted_once() {
    let folder = TempDir::new().unwrap();
    let cache = open(folder.path());
    put(&cache, "a", b"x", START).unwrap();
    assert!(body(&cache, "a", START).is_some());
    let late = START.plus(Duration::from_secs(3601));
    for _ in 0..3 {
        assert_eq!(body(&cache, "a", late), None);
    }
    let name = (SERVICE.to_owned(), OPERATION.to_owned());
    assert_eq!(cache.statistics().unwrap().operations[&name].expirations, 1);
    assert_eq!(cache.usage().entries, 0);
}

#[test]
fn a_body_from_a_file_is_taken_over_and_served() {
    let folder = TempDir::new().unwrap();
    let cache = open(folder.path());
    let bytes = noise(2 << 20);
    for (question, place) in [("spooled", cache.spool_folder().unwrap()), ("elsewhere", folder.path().to_owned())] {
        let path = place.join("body");
        std::fs::write(&path, &bytes).unwrap();
        let record = record(question, &bytes, START);
        let file = std::sync::Arc::new(std::fs::File::open(&path).unwrap());
        let body = larder::Body::File { file, path: path.clone(), len: bytes.len() as u64, cid: record.body };
        pollster::block_on(cache.put(record, body, 0, START)).unwrap();
        std::fs::remove_file(&path).unwrap();
        let (found, _) = pollster::block_on(cache.get(&want(question), START)).unwrap().unwrap();
        assert_eq!(bytes_of(&found), bytes);
    }
}

#[test]
fn a_body_that_is_not_its_records_is_refused() {
    let folder = TempDir::new().unwrap();
    let cache = open(folder.path());
    for (question, claimed, real) in [("small", noise(10), noise(11)), ("large", noise(100_000), noise(100_001))] {
        let entry = with_body(record(question, &claimed, START), &real);
        let refused = pollster::block_on(cache.put((*entry.record).clone(), entry.body, 0, START));
        assert!(matches!(refused, Err(larder::Error::Body { .. })), "{refused:?}");
        assert_eq!(body(&Cache::open(options(folder.path())).unwrap(), question, START), None);
    }
}
