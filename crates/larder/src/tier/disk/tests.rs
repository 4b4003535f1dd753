use super::*;
use crate::{Body, stats::Event};
use larder_core::{BodyCid, Head, QueryKey, Record, Variant, record::Cost};
use std::{
    path::Path,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

pub(super) const NOW: Timestamp = Timestamp(1_700_000_000_000);

pub(super) fn options(dir: &Path) -> Options {
    Options { dir: dir.to_owned(), max_bytes: 0, max_entries: 0, memory_bytes: 0, durable: false }
}

/// As on a filesystem that shares no memory.
fn remote(dir: &Path) -> Disk {
    remote_within(dir, open::PATIENCE)
}

fn remote_within(dir: &Path, patience: Duration) -> Disk {
    let paths = Paths::of(dir);
    let made = open::make_folder(&paths.root).at(&paths.root);
    let mode = Mode { durable: false, network: true, patience };
    Disk::open_as(&options(dir), paths, Arc::new(Sidecar::private()), mode, made).unwrap()
}

pub(super) fn any() -> Record {
    Record {
        v: 1,
        key: QueryKey::of(b"any"),
        variant: Variant::default(),
        vary: Vec::new(),
        service: "s".to_owned(),
        operation: "o".to_owned(),
        share: "anonymous".to_owned(),
        question: Vec::new(),
        body: BodyCid::of(b"x"),
        body_len: 1,
        head: Head::Value { content_type: None },
        created: NOW,
        initial_age_ms: 0,
        ttl_ms: 3_600_000,
        stale_while_revalidate_ms: 0,
        stale_if_error_ms: 0,
        cost: Cost::default(),
        fingerprint: None,
    }
}

pub(super) fn put(disk: &Disk, question: &str, body: &[u8]) -> BodyCid {
    put_as(disk, question, body, |_| ())
}

/// The same, after `change` was made to the record.
fn put_as(disk: &Disk, question: &str, body: &[u8], change: impl FnOnce(&mut Record)) -> BodyCid {
    let mut record = Record {
        key: QueryKey::of(question.as_bytes()),
        question: question.as_bytes().to_vec(),
        body: BodyCid::of(body),
        body_len: body.len() as u64,
        ..any()
    };
    change(&mut record);
    let generation = disk.generation("s", "o").unwrap();
    let (cid, body) = (record.body, Body::Bytes(body.to_vec().into()));
    pollster::block_on(disk.put(Entry { record: record.into(), body, generation, removals: None }, NOW)).unwrap();
    cid
}

pub(super) fn has(disk: &Disk, question: &str) -> bool {
    pollster::block_on(disk.get(&Want::plain(QueryKey::of(question.as_bytes())), NOW)).unwrap().is_some()
}

pub(super) fn rows(disk: &Disk) -> i64 {
    disk.inner.with(|connection| Ok(connection.query_row("SELECT count(*) FROM entry", [], |row| row.get(0))?)).unwrap()
}

#[test]
fn without_shared_memory_a_removal_that_nobody_could_write_down_holds_here() {
    for what in [Selection { key: Some(QueryKey::of(b"a")), ..Selection::default() }, Selection::default()] {
        let folder = TempDir::new().unwrap();
        let [one, two] = [0, 1].map(|_| remote_within(folder.path(), Duration::from_millis(100)));
        // The index is ahead of what the other one knows.
        (0..3).for_each(|_| assert_eq!(pollster::block_on(two.remove(&Selection::default(), NOW)).unwrap(), 0));
        put(&two, "a", b"x");
        assert!(has(&one, "a"));
        let held = Connection::open(&one.inner.paths.index).unwrap();
        held.execute_batch("BEGIN EXCLUSIVE").unwrap();
        assert!(pollster::block_on(one.remove(&what, NOW)).is_err());
        held.execute_batch("COMMIT").unwrap();
        assert!(!has(&one, "a"), "{what:?}");
    }
}

#[test]
fn without_shared_memory_there_is_no_wal_and_counters_and_generations_are_right() {
    let folder = TempDir::new().unwrap();
    let (one, two) = (remote(folder.path()), remote(folder.path()));
    assert!(!one.is_coherent() && !folder.path().join("v2/sidecar").exists());
    put(&one, "a", b"x");
    assert!(has(&two, "a") && !folder.path().join("v2/index.db-wal").exists());
    let all = Selection::default();
    assert_eq!(pollster::block_on(two.remove(&all, NOW)).unwrap(), 1);
    assert!(!has(&one, "a"));
    assert_eq!((one.generation("s", "o").unwrap(), two.generation("s", "o").unwrap()), (1, 1));
    for disk in [&one, &two] {
        for _ in 0..3 {
            disk.inner.sidecar.count("s", "o", Event::Hit, 1);
            disk.inner.fold().unwrap();
            disk.inner.fold().unwrap();
        }
    }
    for disk in [&one, &two] {
        let counted = disk.statistics(NOW).unwrap().operations[&("s".to_owned(), "o".to_owned())];
        assert_eq!(counted.hits, 6);
    }
}

/// `stat` fails, as on a disk that does: that there is no index is something else.
#[test]
fn an_index_that_cannot_be_looked_at_is_not_replaced() {
    let folder = TempDir::new().unwrap();
    let paths = Paths::of(folder.path());
    open::make_folder(&paths.root).unwrap();
    std::os::unix::fs::symlink(&paths.index, &paths.index).unwrap();
    let mode = Mode::at(&paths.root, false, open::PATIENCE);
    assert!(matches!(open::open_or_create(&paths, mode), Err(Error::Io { .. })));
    assert!(paths.index.is_symlink());
}

fn age(file: &Path, by: Duration) {
    std::fs::File::options().write(true).open(file).unwrap().set_modified(SystemTime::now() - by).unwrap();
}

#[test]
fn what_is_on_its_way_is_collected_when_it_is_old() {
    let folder = TempDir::new().unwrap();
    let disk = Disk::open(&options(folder.path())).unwrap();
    let body = |n: u8| vec![n; 100_000];
    let file = bodies::path(&disk.inner.paths.bodies, &put(&disk, "q0", &body(0)));
    let places = [disk.spool_folder().unwrap(), file.parent().unwrap().to_owned()];
    let left = places.map(|folder| ["old", "young"].map(|name| folder.join(name)));
    left.iter().flatten().for_each(|file| std::fs::write(file, b"x").unwrap());
    // The first put has looked after the store.
    for old in [&left[0][0], &left[1][0], &file, &disk.inner.paths.root.join("maintenance.lock")] {
        age(old, Duration::from_secs(4_000));
    }
    disk.inner.maintain(NOW);
    assert_eq!(left.map(|files| files.map(|file| file.exists())), [[false, true]; 2]);
    assert!(has(&disk, "q0"));
    put(&disk, "q1", &body(1));
    assert!(has(&disk, "q1"));
}

#[test]
fn invalidated_and_expired_rows_are_reclaimed_a_hundred_at_a_time() {
    let folder = TempDir::new().unwrap();
    let disk = Disk::open(&options(folder.path())).unwrap();
    let fill =
        |from: u32| (from..from + 250).for_each(|n| assert_eq!(put(&disk, &format!("q{n}"), b"x"), BodyCid::of(b"x")));
    fill(0);
    let what = Selection { service: Some("s".to_owned()), ..Selection::default() };
    assert_eq!(pollster::block_on(disk.remove(&what, NOW)).unwrap(), 250);
    while rows(&disk) > 0 {
        let before = rows(&disk);
        disk.inner.maintain(NOW);
        assert!((1..=100).contains(&(before - rows(&disk))), "{before} rows, then {}", rows(&disk));
    }
    fill(1_000);
    let before = rows(&disk);
    let late = NOW.plus(Duration::from_secs(3_600));
    disk.inner.maintain(late);
    assert_eq!(rows(&disk), before - 100);
    let counted = disk.statistics(late).unwrap().operations[&("s".to_owned(), "o".to_owned())];
    assert_eq!((counted.expirations, disk.usage().entries), (100, 150));
}

#[test]
fn a_wal_that_grew_is_folded_into_the_index() {
    let folder = TempDir::new().unwrap();
    let disk = Disk::open(&options(folder.path())).unwrap();
    let wal = folder.path().join("v2/index.db-wal");
    disk.inner
        .with(|connection| {
            connection.execute_batch("PRAGMA wal_autocheckpoint = 0")?;
            let grow = "INSERT INTO credential VALUES(hex(randomblob(20)), hex(zeroblob(1000000)), 1)";
            (0..20).try_for_each(|_| connection.execute_batch(grow))?;
            Ok(())
        })
        .unwrap();
    assert!(std::fs::metadata(&wal).unwrap().len() > 32 << 20);
    disk.inner.maintain(NOW);
    assert!(std::fs::metadata(&wal).unwrap().len() < 1 << 20);
}

#[test]
fn an_index_that_breaks_while_it_is_used_is_moved_aside() {
    let folder = TempDir::new().unwrap();
    let disk = Disk::open(&options(folder.path())).unwrap();
    put(&disk, "a", b"x");
    pollster::block_on(disk.remove(&Selection::default(), NOW)).unwrap();
    put(&disk, "a", b"x");
    disk.close();
    let index = folder.path().join("v2/index.db");
    let mut bytes = std::fs::read(&index).unwrap();
    let len = bytes.len();
    bytes[4096..len].fill(0x5a);
    std::fs::write(&index, bytes).unwrap();
    let failed = pollster::block_on(disk.get(&Want::plain(QueryKey::of(b"a")), NOW));
    assert!(failed.is_err() || failed.is_ok_and(|found| found.is_none()));
    let _may_find_it = disk.usage();
    put(&disk, "b", b"y");
    assert!(has(&disk, "b") && !has(&disk, "a"));
    assert!(folder.path().join("v2/index.broken-0").exists());
    assert_eq!(disk.generation("s", "o").unwrap(), 1, "the sidecar still knew the generation");
}

#[test]
fn a_lock_that_is_no_file_is_an_error_at_once() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("lock");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    assert!(open::lock(folder.path(), open::PATIENCE).is_err());
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap();
    assert!(open::lock(folder.path(), open::PATIENCE).is_err());
    assert!(!folder.path().join("elsewhere").exists());
    std::fs::remove_file(&path).unwrap();
    assert!(open::lock(folder.path(), open::PATIENCE).is_ok());
}

#[test]
fn a_statement_is_prepared_once() {
    let folder = TempDir::new().unwrap();
    let disk = Disk::open(&options(folder.path())).unwrap();
    put(&disk, "a", b"x");
    (0..10).for_each(|_| assert!(has(&disk, "a")));
    let anew = |connection: &mut Connection| {
        let statement = connection.prepare_cached(schema::BY_HEAD)?;
        let status = |status| statement.get_status(status);
        Ok((status(rusqlite::StatementStatus::Run) >= 10, status(rusqlite::StatementStatus::RePrepare)))
    };
    assert_eq!(disk.inner.with(anew).unwrap(), (true, 0));
}

fn body_of(disk: &Disk, want: &Want) -> Option<Vec<u8>> {
    match pollster::block_on(disk.get(want, NOW)).unwrap()?.body {
        Body::Bytes(bytes) => Some(bytes.to_vec()),
        Body::File { .. } => panic!("a small body in a file"),
    }
}

#[test]
fn a_shortcut_to_a_row_does_not_hide_a_newer_form() {
    let folder = TempDir::new().unwrap();
    let (one, two) = (Disk::open(&options(folder.path())).unwrap(), Disk::open(&options(folder.path())).unwrap());
    let want = Want::plain(QueryKey::of(b"a"));
    let both = || [&one, &two].map(|disk| body_of(disk, &want));
    put(&one, "a", b"first");
    // Often enough to be learnt.
    (0..100).for_each(|_| assert_eq!(both(), [Some(b"first".to_vec()), Some(b"first".to_vec())]));
    assert!(one.inner.shortcuts.to(&want.key).is_some());
    // Another form that the same want accepts, from a process that knows nothing of shortcuts.
    put_as(&two, "a", b"second", |record| record.vary = vec![("x".to_owned(), None)]);
    assert_eq!(both(), [Some(b"second".to_vec()), Some(b"second".to_vec())]);
    // Replaced, and removed: the row's number may be given to another key.
    put(&one, "a", b"third");
    assert_eq!(both(), [Some(b"third".to_vec()), Some(b"third".to_vec())]);
    let what = Selection { key: Some(want.key), ..Selection::default() };
    assert_eq!(pollster::block_on(two.remove(&what, NOW)).unwrap(), 2);
    put(&two, "b", b"another");
    assert_eq!(both(), [None, None]);
}

#[test]
fn keys_that_begin_alike_are_different_keys() {
    let folder = TempDir::new().unwrap();
    let disk = Disk::open(&options(folder.path())).unwrap();
    let key = |last: u8| QueryKey::from_digest(std::array::from_fn(|place| if place == 31 { last } else { 7 }));
    for last in 0..3 {
        put_as(&disk, "a", &[last], |record| record.key = key(last));
    }
    for round in 0..100 {
        for last in 0..3 {
            assert_eq!(body_of(&disk, &Want::plain(key(last))), Some(vec![last]), "{round}");
        }
    }
    let what = Selection { key: Some(key(1)), ..Selection::default() };
    assert_eq!(pollster::block_on(disk.list(&what, 9, NOW)).unwrap().len(), 1);
    assert_eq!(pollster::block_on(disk.remove(&what, NOW)).unwrap(), 1);
    let left = (0..3).map(|last| body_of(&disk, &Want::plain(key(last))).is_some());
    assert_eq!(left.collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn what_a_transaction_raised_in_vain_is_not_remembered() {
    let folder = TempDir::new().unwrap();
    let disk = Disk::open(&options(folder.path())).unwrap();
    put(&disk, "a", b"x");
    let raise = |operation: &'static str, outcome: Result<(), Error>| {
        disk.inner.write(|transaction| {
            row::raise(transaction, "s", operation, 5)?;
            assert_eq!(disk.inner.scopes(transaction)?.sum("s", operation), 5);
            Ok(outcome?)
        })
    };
    assert!(raise("o", Err(Error::index("broken off"))).is_err());
    // The same revision, of something else.
    raise("other", Ok(())).unwrap();
    let generation = |operation: &str| disk.inner.with(|one| Ok(disk.inner.scopes(one)?.sum("s", operation))).unwrap();
    assert_eq!((generation("o"), generation("other")), (0, 5));
    assert!(has(&disk, "a"));
}

#[test]
fn what_is_past_its_time_is_found_wherever_it_lies() {
    let folder = TempDir::new().unwrap();
    let disk = Disk::open(&options(folder.path())).unwrap();
    for n in 0..1_500_u32 {
        // Few of many, in several operations.
        put_as(&disk, &format!("q{n}"), b"x", |record| {
            record.operation = format!("o{}", n % 3);
            record.ttl_ms = if n % 100 == 0 { 1 } else { 3_600_000 };
        });
    }
    let late = NOW.plus(Duration::from_secs(60));
    // Its own puts have looked already, at a time when nothing was gone.
    (0..8).for_each(|_| disk.inner.maintain(late));
    assert_eq!(rows(&disk), 1_485);
}

#[test]
fn processes_that_live_short_reclaim_what_lies_behind_living_entries() {
    let folder = TempDir::new().unwrap();
    let fill = |from: u32, to: u32, operation: &str, ttl_ms: u64| {
        let disk = Disk::open(&options(folder.path())).unwrap();
        for n in from..to {
            put_as(&disk, &format!("q{n}"), b"x", |record| {
                record.operation = operation.to_owned();
                record.ttl_ms = ttl_ms;
            });
        }
        rows(&disk)
    };
    fill(0, 600, "o", 3_600_000);
    assert_eq!(fill(600, 650, "p", 1), 650);
    let late = NOW.plus(Duration::from_secs(60));
    for _ in 0..3 {
        // Each looks over one stretch, as after its 64th put, and goes on where the one before came to.
        Disk::open(&options(folder.path())).unwrap().inner.maintain(late);
    }
    assert_eq!(rows(&Disk::open(&options(folder.path())).unwrap()), 600);
}

#[test]
fn on_a_network_mount_no_put_is_made_in_place() {
    let folder = TempDir::new().unwrap();
    let disk = remote(folder.path());
    let (record, body) = (Record { key: QueryKey::of(b"a"), ..any() }, b"x");
    let entry = Entry { record: record.into(), body: Body::Bytes(body.to_vec().into()), generation: 0, removals: None };
    assert!(disk.inner.put_at_once(&entry).is_none());
    let local = TempDir::new().unwrap();
    assert!(Disk::open(&options(local.path())).unwrap().inner.put_at_once(&entry).is_some());
}

#[test]
fn a_refusal_counts_whenever_it_is_written_until_a_later_acceptance() {
    let folder = TempDir::new().unwrap();
    let disk = Disk::open(&options(folder.path())).unwrap();
    let at = |seconds: u64| NOW.plus(Duration::from_secs(seconds));
    for (now, accepted, expected) in [
        (at(0), true, Some(at(0))),
        (at(2), false, None),
        (at(1), true, None),
        (at(2), true, None),
        (at(3), true, Some(at(3))),
        (at(2), false, None),
        (at(3), true, None),
        (at(4), true, Some(at(4))),
        (at(4), false, None),
        // The clock was wrong for a while.
        (at(100_000), true, Some(at(100_000))),
        (at(5), false, None),
        (at(6), true, Some(at(6))),
        (at(100_000), false, None),
        (at(7), true, Some(at(7))),
    ] {
        disk.keep_accepted("origin", "digest", now, accepted);
        assert_eq!(disk.accepted_at("origin", "digest"), expected, "{now:?} {accepted}");
    }
}

/// Whether nobody holds the log of `dir`'s index.
fn is_log_free(dir: &Path) -> bool {
    let other = rusqlite::Connection::open(Paths::of(dir).index).unwrap();
    other.busy_timeout(Duration::ZERO).unwrap();
    other.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get::<_, i64>(0)).unwrap() == 0
}

#[test]
fn who_stops_reading_holds_the_log_for_milliseconds() {
    let dir = TempDir::new().unwrap();
    let disk = Disk::open(&options(dir.path())).unwrap();
    put(&disk, "q", b"a");
    for _ in 0..3 {
        let is_held = (0..1000).any(|_| {
            put(&disk, "q", b"a");
            (0..100).for_each(|_| assert!(has(&disk, "q")));
            !is_log_free(dir.path())
        });
        assert!(is_held);
        let began = Instant::now();
        while !is_log_free(dir.path()) {
            assert!(began.elapsed() < Duration::from_secs(5));
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn readers_that_keep_snapshots_miss_no_write() {
    let dir = TempDir::new().unwrap();
    let (reader, writer) = (Disk::open(&options(dir.path())).unwrap(), Disk::open(&options(dir.path())).unwrap());
    let want = Want::plain(QueryKey::of(b"q"));
    for n in 0_u32..500 {
        (0..20).for_each(|_| drop(pollster::block_on(reader.get(&want, NOW)).unwrap()));
        let body = put(&writer, "q", &n.to_le_bytes());
        let found = pollster::block_on(reader.get(&want, NOW)).unwrap();
        assert_eq!(found.map(|found| found.record.body), Some(body));
    }
}

#[test]
fn a_log_that_cannot_be_folded_in_does_not_fill_the_disk() {
    let dir = TempDir::new().unwrap();
    let disk = Disk::open(&options(dir.path())).unwrap();
    put(&disk, "q", b"a");
    // As one that was stopped in the middle of a read.
    let stopped = rusqlite::Connection::open(Paths::of(dir.path()).index).unwrap();
    stopped.execute_batch("BEGIN; SELECT * FROM total").unwrap();
    let mut body = vec![0; 64 << 10];
    let is_refused = (0_u32..8000).any(|n| {
        body[..4].copy_from_slice(&n.to_le_bytes());
        let record = Record { key: QueryKey::of(&body[..4]), body: BodyCid::of(&body), body_len: 64 << 10, ..any() };
        let entry =
            Entry { record: record.into(), body: Body::Bytes(body.clone().into()), generation: 0, removals: None };
        pollster::block_on(disk.put(entry, NOW)).is_err()
    });
    assert!(is_refused);
    let log = std::fs::metadata(open::suffixed(&Paths::of(dir.path()).index, "-wal")).unwrap().len();
    assert!((256 << 20..300 << 20).contains(&log), "{log}");
    assert!(has(&disk, "q"), "and what is there answers");
    let again = || {
        let entry =
            Entry { record: any().into(), body: Body::Bytes(b"x".to_vec().into()), generation: 0, removals: None };
        pollster::block_on(Disk::open(&options(dir.path())).unwrap().put(entry, NOW))
    };
    assert!(matches!(again(), Err(Error::Stuck { .. })), "who opens the store knows it, too");
    let q = Selection { key: Some(QueryKey::of(b"q")), ..Selection::default() };
    assert_eq!(pollster::block_on(disk.remove(&q, NOW)).unwrap(), 1, "removals go on");
    drop(stopped);
    again().unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    put(&disk, "q", b"a");
}

#[test]
fn a_log_is_not_held_while_it_is_folded_in_nor_when_nobody_reads_any_more() {
    let dir = TempDir::new().unwrap();
    let disk = Disk::open(&options(dir.path())).unwrap();
    let holding = |disk: &Disk| disk.inner.pool.is_holding();
    let is_held = (0..1000).any(|_| {
        put(&disk, "q", b"a");
        (0..100).for_each(|_| assert!(has(&disk, "q")));
        let is_held = holding(&disk);
        disk.inner.fold_log();
        assert!(!holding(&disk));
        is_held
    });
    assert!(is_held);
    let began = Instant::now();
    while disk.inner.pool.is_watched() {
        assert!(began.elapsed() < Duration::from_secs(10), "the thread goes away");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn no_snapshot_is_kept_on_a_network_mount() {
    let dir = TempDir::new().unwrap();
    let disk = remote(dir.path());
    put(&disk, "q", b"a");
    for _ in 0..500 {
        assert!(has(&disk, "q") && !disk.inner.pool.is_holding());
    }
}

#[test]
fn who_folds_the_log_beside_another_one_holds_up_no_write() {
    let dir = TempDir::new().unwrap();
    let disk = Disk::open(&options(dir.path())).unwrap();
    std::thread::scope(|scope| {
        for fold in 0..3 {
            let disk = &disk;
            scope.spawn(move || {
                for n in 0..300 {
                    put(disk, &format!("{fold} {n}"), b"a");
                    disk.inner.fold_log();
                }
            });
        }
    });
}
