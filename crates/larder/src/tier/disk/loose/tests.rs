use super::{
    super::{
        Disk, Selection, Sidecar, Tier as _,
        read::Found,
        tests::{NOW, any, has, options, put, rows},
    },
    *,
};
use crate::{Body, Entry};
use larder_core::{QueryKey, Record, record::Want};
use std::path::PathBuf;
use tempfile::TempDir;

static BODY: [u8; 100_000] = [1; 100_000];

fn file(disk: &Disk) -> PathBuf {
    bodies::path(&disk.inner.paths.bodies, &BodyCid::of(&BODY))
}

fn remove_all(disk: &Disk) {
    pollster::block_on(disk.remove(&Selection::default(), NOW)).unwrap();
}

fn renew(disk: &Disk) {
    remove_all(disk);
    put(disk, "a", &BODY);
}

/// What could not be looked at because the lock was held is found by the next maintenance, of any process.
#[test]
fn who_does_not_get_the_lock_leaves_the_files_to_the_next_maintenance() {
    let folder = TempDir::new().unwrap();
    let [one, two] = [(); 2].map(|()| Disk::open(&options(folder.path())).unwrap());
    put(&one, "a", &BODY);
    let holder = Connection::open(&one.inner.paths.index).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE; DELETE FROM entry").unwrap();
    one.inner.loose.push(*BodyCid::of(&BODY).digest());
    one.inner.sweep();
    assert!(file(&one).exists() && !one.inner.loose.any() && two.inner.is_due());
    holder.execute_batch("COMMIT").unwrap();
    two.inner.maintain(NOW);
    assert!(!file(&one).exists() && !two.inner.is_due());
}

/// It has looked for the file, and its row is on the way.
#[test]
fn a_file_is_not_removed_while_a_put_may_rely_on_it() {
    let folder = TempDir::new().unwrap();
    let disk = Disk::open(&options(folder.path())).unwrap();
    put(&disk, "a", &BODY);
    let putting = Connection::open(&disk.inner.paths.index).unwrap();
    putting.execute_batch("CREATE TEMP TABLE kept AS SELECT * FROM entry; DELETE FROM entry").unwrap();
    putting.execute_batch("BEGIN IMMEDIATE; INSERT INTO entry SELECT * FROM kept").unwrap();
    disk.inner.loose.push(*BodyCid::of(&BODY).digest());
    disk.inner.sweep();
    putting.execute_batch("COMMIT").unwrap();
    disk.inner.maintain(NOW);
    assert!(file(&disk).exists() && has(&disk, "a"));
}

/// A file that is removed after it was written, and before its row is in, is written again.
#[test]
fn a_put_whose_file_was_removed_on_the_way_writes_it_again() {
    let folder = TempDir::new().unwrap();
    let disk = Disk::open(&options(folder.path())).unwrap();
    put(&disk, "a", &BODY);
    let holder = Connection::open(&disk.inner.paths.index).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let putting = scope.spawn(|| put(&disk, "b", &BODY));
        // Until it waits for the lock, most likely; it writes the file in either case.
        std::thread::sleep(Duration::from_millis(200));
        std::fs::remove_file(file(&disk)).unwrap();
        holder.execute_batch("COMMIT").unwrap();
        putting.join().unwrap();
    });
    assert!(file(&disk).exists() && has(&disk, "b"));
    remove_all(&disk);
    assert!(!file(&disk).exists());
}

/// Somebody may hold the lock for hours, and every answer that is not kept would leave its body on the disk.
#[test]
fn a_put_that_does_not_get_the_lock_leaves_no_file() {
    let folder = TempDir::new().unwrap();
    let patience = Some(Duration::from_millis(50));
    let disk = Disk::open_with(&options(folder.path()), Arc::new(Sidecar::private()), patience).unwrap();
    let holder = Connection::open(&disk.inner.paths.index).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let record = Record { body: BodyCid::of(&BODY), body_len: BODY.len() as u64, ..any() };
    let entry = Entry { record: record.into(), body: Body::Bytes(BODY[..].into()), generation: 0, removals: None };
    for _ in 0..2 {
        assert!(pollster::block_on(disk.put(entry.clone(), NOW)).is_err());
        let folders = std::fs::read_dir(&disk.inner.paths.bodies).into_iter().flatten().flatten();
        let files = folders.flat_map(|folder| std::fs::read_dir(folder.path()).unwrap()).flatten();
        assert_eq!(files.count(), 0);
    }
    holder.execute_batch("COMMIT").unwrap();
}

/// What happens meanwhile, whether there is an answer, whether something is damaged.
type Case = (fn(&Disk), bool, bool);

/// Between the look at the row and the look for its file a removal may come, and a put, too.
#[test]
fn a_reader_that_comes_late_has_a_plain_miss() {
    let cases: [Case; 4] = [
        (|_| {}, true, false),
        (remove_all, false, false),
        (renew, true, false),
        (|disk| std::fs::remove_file(file(disk)).unwrap(), false, true),
    ];
    for (n, (meanwhile, is_answered, is_damaged)) in cases.into_iter().enumerate() {
        let folder = TempDir::new().unwrap();
        let disk = Disk::open(&options(folder.path())).unwrap();
        put(&disk, "a", &BODY);
        let want = Want::plain(QueryKey::of(b"a"));
        let Found::InFile(found) = disk.inner.find(&want, NOW).unwrap() else { panic!("no body in a file") };
        meanwhile(&disk);
        assert_eq!(disk.inner.read_file(found).unwrap().is_some(), is_answered, "{n}");
        let statistics = disk.statistics(NOW).unwrap();
        let damaged: u64 = statistics.operations.values().map(|counters| counters.damaged).sum();
        assert_eq!((damaged, rows(&disk)), (u64::from(is_damaged), i64::from(is_answered)), "{n}");
    }
}
