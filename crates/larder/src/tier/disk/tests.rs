use super::*;
use crate::{Body, stats::Event};
use larder_core::{BodyCid, Head, QueryKey, Record, Variant, record::Cost};
use std::{
    path::Path,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn options(dir: &Path) -> Options {
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

fn put(disk: &Disk, question: &str, body: &[u8]) -> BodyCid {
    let record = Record {
        v: 1,
        key: QueryKey::of(question.as_bytes()),
        variant: Variant::default(),
        vary: Vec::new(),
        service: "s".to_owned(),
        operation: "o".to_owned(),
        share: "anonymous".to_owned(),
        question: question.as_bytes().to_vec(),
        body: BodyCid::of(body),
        body_len: body.len() as u64,
        head: Head::Value { content_type: None },
        created: NOW,
        initial_age_ms: 0,
        ttl_ms: 3_600_000,
        stale_while_revalidate_ms: 0,
        stale_if_error_ms: 0,
        cost: Cost::default(),
        fingerprint: None,
    };
    let generation = disk.generation("s", "o").unwrap();
    let (cid, body) = (record.body, Body::Bytes(body.to_vec().into()));
    pollster::block_on(disk.put(Entry { record: Arc::new(record), body, generation }, NOW)).unwrap();
    cid
}

fn has(disk: &Disk, question: &str) -> bool {
    pollster::block_on(disk.get(&Want::plain(QueryKey::of(question.as_bytes())), NOW)).unwrap().is_some()
}

fn rows(disk: &Disk) -> i64 {
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
    assert!(!one.is_coherent() && !folder.path().join("v1/sidecar").exists());
    put(&one, "a", b"x");
    assert!(has(&two, "a") && !folder.path().join("v1/index.db-wal").exists());
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

fn age(file: &Path, by: Duration) {
    std::fs::File::options().write(true).open(file).unwrap().set_modified(SystemTime::now() - by).unwrap();
}

#[test]
fn files_that_nothing_refers_to_are_collected_when_they_are_old() {
    let folder = TempDir::new().unwrap();
    let disk = Disk::open(&options(folder.path())).unwrap();
    let body = |n: u8| vec![n; 100_000];
    let files: Vec<PathBuf> =
        (0..3u8).map(|n| bodies::path(&disk.inner.paths.bodies, &put(&disk, &format!("q{n}"), &body(n)))).collect();
    let spooled = disk.spool_folder().unwrap().join("left behind");
    std::fs::write(&spooled, b"x").unwrap();
    for gone in ["q1", "q2"] {
        let what = Selection { key: Some(QueryKey::of(gone.as_bytes())), ..Selection::default() };
        assert_eq!(pollster::block_on(disk.remove(&what, NOW)).unwrap(), 1);
    }
    // The first put has looked after the store.
    for old in [&files[0], &files[1], &spooled, &disk.inner.paths.root.join("maintenance.lock")] {
        age(old, Duration::from_secs(4_000));
    }
    disk.inner.maintain(NOW);
    let left: Vec<bool> = files.iter().chain([&spooled]).map(|file| file.exists()).collect();
    assert_eq!(left, [true, false, true, false], "referenced, unreferenced and old, unreferenced and young, spooled");
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
    let wal = folder.path().join("v1/index.db-wal");
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
    let index = folder.path().join("v1/index.db");
    let mut bytes = std::fs::read(&index).unwrap();
    let len = bytes.len();
    bytes[4096..len].fill(0x5a);
    std::fs::write(&index, bytes).unwrap();
    let failed = pollster::block_on(disk.get(&Want::plain(QueryKey::of(b"a")), NOW));
    assert!(failed.is_err() || failed.is_ok_and(|found| found.is_none()));
    let _may_find_it = disk.usage();
    put(&disk, "b", b"y");
    assert!(has(&disk, "b") && !has(&disk, "a"));
    assert!(folder.path().join("v1/index.broken-0").exists());
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
        let statement = connection.prepare_cached(schema::BY_KEY)?;
        let status = |status| statement.get_status(status);
        Ok((status(rusqlite::StatementStatus::Run) >= 10, status(rusqlite::StatementStatus::RePrepare)))
    };
    assert_eq!(disk.inner.with(anew).unwrap(), (true, 0));
}
