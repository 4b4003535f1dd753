use super::*;
use tempfile::TempDir;

fn key(n: u32) -> QueryKey {
    QueryKey::of(&n.to_le_bytes())
}

fn attached(path: &Path) -> Sidecar {
    let sidecar = Sidecar::private();
    sidecar.attach(path).unwrap();
    sidecar
}

#[test]
fn two_maps_of_one_file_see_each_other() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sidecar");
    let (one, two) = (attached(&path), Sidecar::open(&path));
    let two = two.unwrap();
    assert!(one.is_shared() && one.identity() == two.identity());
    let before = two.token(&key(1));
    one.touch(&key(1));
    assert_ne!(two.token(&key(1)), before);
    one.raise("s", "o", 4);
    assert_eq!((two.generation("s", "o"), two.generation("s", "other")), (Some(4), Some(0)));
    assert_ne!(two.token(&key(2)).epoch, before.epoch);
    two.count("s", "o", Event::Hit, 2);
    one.count("s", "o", Event::Hit, 1);
    assert_eq!(one.counters(), [("s".to_owned(), "o".to_owned(), Event::Hit, 3)]);
}

#[test]
fn a_generation_is_the_sum_over_every_scope_that_holds_it() {
    let sidecar = Sidecar::private();
    let generations = || {
        ["s/o", "s/p", "t/o", "t/p"].map(|name| {
            let (service, operation) = name.split_once('/').unwrap();
            sidecar.generation(service, operation).unwrap()
        })
    };
    for (service, operation, expected) in
        [("s", "o", [1, 0, 0, 0]), ("s", "", [2, 1, 0, 0]), ("", "o", [3, 1, 1, 0]), ("", "", [4, 2, 2, 1])]
    {
        sidecar.raise(service, operation, 1);
        sidecar.raise(service, operation, 1);
        assert_eq!(generations(), expected, "{service}/{operation}");
    }
}

#[test]
fn names_beyond_the_table_are_counted_together_and_none_is_lost() {
    let sidecar = Sidecar::private();
    let long = "x".repeat(200);
    sidecar.count("s", &long, Event::Miss, 1);
    for n in 0..3_000 {
        sidecar.count("s", &format!("o{n}"), Event::Miss, 1);
    }
    let counters = sidecar.counters();
    assert_eq!(counters.iter().map(|counter| counter.3).sum::<u64>(), 3_001);
    assert!(counters.len() > 500 && counters.iter().any(|counter| counter.0 == OTHER && counter.3 > 1));
    assert!(counters.iter().all(|counter| counter.1 != long));
}

#[test]
fn generations_beyond_the_table_are_unknown_rather_than_wrong() {
    let sidecar = Sidecar::private();
    for n in 0..3_000 {
        sidecar.raise("s", &format!("o{n}"), 1);
    }
    assert_eq!(sidecar.generation("s", "o1"), None);
}

#[test]
fn a_frequency_counts_to_three_and_is_spared_as_often() {
    let sidecar = Sidecar::private();
    assert!(!sidecar.spare(&key(1)));
    (0..9).for_each(|_| sidecar.used(&key(1)));
    assert_eq!((0..5).filter(|_| sidecar.spare(&key(1))).count(), 3);
    sidecar.view().written(&key(1), 2);
    assert!(!sidecar.spare(&key(2)), "its neighbour is another");
    assert_eq!((0..5).filter(|_| sidecar.spare(&key(1))).count(), 2);
}

#[test]
fn a_slot_whose_maker_was_killed_counts_and_gets_its_name_from_the_next() {
    let sidecar = Sidecar::private();
    sidecar.count("s", "o", Event::Hit, 1);
    let map = sidecar.map();
    let values = COUNTERS.find(&map, "s", "o").unwrap();
    let length = values - map::NAME_WORDS - 1;
    map.word(length).store(0, Release);
    assert_eq!(sidecar.counters(), []);
    sidecar.count("s", "o", Event::Hit, 1);
    assert_eq!(sidecar.counters(), [("s".to_owned(), "o".to_owned(), Event::Hit, 2)]);
}

#[test]
fn what_is_no_sidecar_is_replaced_and_a_live_map_of_it_stays_readable() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sidecar");
    for rubbish in [vec![], vec![1; 100], vec![0; usize::try_from(map::BYTES).unwrap()]] {
        std::fs::write(&path, rubbish).unwrap();
        assert!(Sidecar::open(&path).is_err());
        let sidecar = attached(&path);
        assert!(sidecar.intact().is_some());
        std::fs::remove_file(&path).unwrap();
        assert!(sidecar.intact().is_none());
        sidecar.count("s", "o", Event::Hit, 1);
        assert_ne!(attached(&path).identity(), sidecar.identity());
    }
}

#[test]
fn every_thread_counts() {
    let sidecar = Sidecar::private();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let sidecar = &sidecar;
            scope.spawn(move || {
                for n in 0..1_000 {
                    sidecar.count("s", &format!("o{}", (n + thread) % 50), Event::Hit, 1);
                }
            });
        }
    });
    assert_eq!(sidecar.counters().iter().map(|counter| counter.3).sum::<u64>(), 4_000);
    assert_eq!(sidecar.counters().len(), 50);
}

#[test]
fn a_file_that_is_cut_off_under_a_process_is_given_up_and_taken_up_anew() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sidecar");
    for len in [0, 4096, map::BYTES - 1, map::BYTES + 1] {
        let sidecar = attached(&path);
        sidecar.raise("s", "o", 7);
        let before = sidecar.token(&key(1));
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(len).unwrap();
        sidecar.count("s", "o", Event::Hit, 1);
        sidecar.used(&key(1));
        assert!(sidecar.intact().is_none() && !sidecar.is_shared(), "{len}");
        assert_eq!(sidecar.generation("s", "o"), None, "only the index knows");
        assert_ne!(sidecar.token(&key(1)), before);
        assert_ne!(sidecar.token(&key(1)), sidecar.token(&key(1)), "nothing in memory is known to be the newest");
        assert_eq!(sidecar.counters(), [("s".to_owned(), "o".to_owned(), Event::Hit, 1)]);
        sidecar.attach(&path).unwrap();
        assert!(sidecar.is_shared() && sidecar.intact().is_some());
        assert_ne!(sidecar.token(&key(1)).word, before.word);
        assert_eq!(sidecar.token(&key(1)), sidecar.token(&key(1)));
    }
}
