//! Flipped and missing bytes in every file of a store: never a wrong byte, never a panic, never a failed call.

use crate::{body, disk_only, open, put};
use larder::Cache;
use larder_testkit::{
    clock::START,
    entry::{noise, want},
};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Every file below `folder`, in order.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for found in std::fs::read_dir(folder).unwrap().map(|found| found.unwrap().path()) {
        if found.is_dir() { all.extend(files(&found)) } else { all.push(found) }
    }
    all.sort();
    all
}

pub(crate) fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(&file, target).unwrap();
    }
    // Its mode is the umask's, and others are kept out of a store.
    crate::trust::keep_others_out(to);
}

/// Bodies of several sizes, of which one is a file of its own.
fn questions() -> Vec<(String, Vec<u8>)> {
    let lens = (0..40).map(|n| n * 137).chain([20_000, 60_000, 70_000, 1 << 20, (1 << 20) + 9]);
    lens.map(|len| (format!("q{len}"), noise(len))).collect()
}

fn filled() -> TempDir {
    let folder = TempDir::new().unwrap();
    let cache = open(folder.path());
    for (question, body) in questions() {
        put(&cache, &question, &body, START).unwrap();
    }
    folder
}

/// Opens the damaged store and asks for everything; how many answers were still there. No answer may be wrong, and the
/// store must still take a new one.
fn judge(folder: &Path, what: &str) -> usize {
    let cache = Cache::open(disk_only(folder)).unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut left = 0;
    for (question, expected) in questions() {
        let found = pollster::block_on(cache.get(&want(&question), START));
        if let Ok(Some((entry, _))) = found {
            assert!(larder_testkit::entry::bytes_of(&entry) == expected, "{what}: wrong bytes for {question}");
            left += 1;
        }
    }
    let (_, _) = (cache.statistics(), cache.usage());
    let _listed = pollster::block_on(cache.list(&larder::tier::Selection::default(), 100, START));
    // The first put may find the damage; the store that follows it is sound.
    let _found = put(&cache, "new", b"new", START);
    put(&cache, "new", b"new", START).unwrap_or_else(|error| panic!("{what}: a put failed twice: {error}"));
    assert_eq!(body(&cache, "new", START).map(|found| found.0), Some(b"new".to_vec()), "{what}");
    left
}

#[test]
fn flips_and_cuts_in_any_file_give_no_wrong_byte() {
    let sound = filled();
    let (mut trials, mut served, mut state) = (0, 0, 1u64);
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % below.max(1)
    };
    for file in files(sound.path()) {
        let name = file.strip_prefix(sound.path()).unwrap().to_owned();
        let len = std::fs::metadata(&file).unwrap().len();
        for trial in 0..if name.ends_with("index.db") { 150 } else { 12 } {
            let folder = TempDir::new().unwrap();
            copy(sound.path(), folder.path());
            let damaged = folder.path().join(&name);
            let mut bytes = std::fs::read(&damaged).unwrap();
            let what = if trial % 6 == 5 {
                bytes.truncate(usize::try_from(random(len)).unwrap());
                format!("{name:?} cut to {}", bytes.len())
            } else if bytes.is_empty() {
                bytes.push(1);
                format!("{name:?} is no longer empty")
            } else {
                // Every other flip early in the file, where headers are.
                let at = usize::try_from(random(if trial % 2 == 0 { len } else { len.min(4096) })).unwrap();
                bytes[at] ^= 1 << random(8);
                format!("{name:?} flipped at {at}")
            };
            std::fs::write(&damaged, &bytes).unwrap();
            served += judge(folder.path(), &what);
            trials += 1;
        }
    }
    assert!(trials >= 200, "{trials} trials");
    assert!(served > trials * 20, "damage in one place costs little: {served} answers in {trials} trials");
}

#[test]
fn swapped_rows_are_misses() {
    let folder = TempDir::new().unwrap();
    let cache = Cache::open(disk_only(folder.path())).unwrap();
    put(&cache, "a", b"answer to a", START).unwrap();
    put(&cache, "b", b"answer to b", START).unwrap();
    let index = rusqlite::Connection::open(folder.path().join("v2/index.db")).unwrap();
    index
        .execute_batch(
            "CREATE TEMP TABLE t AS SELECT id, key FROM entry;
             UPDATE entry SET form = x'01' WHERE id = 1;
             UPDATE entry SET key = (SELECT key FROM t WHERE t.id = 3 - entry.id);
             UPDATE entry SET form = (SELECT form FROM entry WHERE id = 2) WHERE id = 1;",
        )
        .unwrap();
    drop(index);
    assert_eq!((body(&cache, "a", START), body(&cache, "b", START)), (None, None));
    let damaged = cache.statistics().unwrap().operations.values().map(|counters| counters.damaged).sum::<u64>();
    assert_eq!((damaged, cache.usage().entries), (2, 0));
}

#[test]
fn a_row_of_other_types_is_one_miss_and_is_replaced() {
    for damage in
        ["record = 'text'", "record_cid = 5", "body = 'text'", "form = 1.5", "generation = x'00'", "size = 'x'"]
    {
        let folder = TempDir::new().unwrap();
        let cache = Cache::open(disk_only(folder.path())).unwrap();
        put(&cache, "a", b"x", START).unwrap();
        put(&cache, "b", b"y", START).unwrap();
        let index = rusqlite::Connection::open(folder.path().join("v2/index.db")).unwrap();
        index.execute_batch(&format!("UPDATE entry SET {damage} WHERE id = 1")).unwrap();
        drop(index);
        let found = body(&cache, "a", START).map(|found| found.0);
        assert!(found.is_none() || found == Some(b"x".to_vec()), "{damage}: {found:?}");
        assert_eq!(body(&cache, "b", START).map(|found| found.0), Some(b"y".to_vec()), "{damage}");
        put(&cache, "a", b"again", START).unwrap();
        assert_eq!(body(&cache, "a", START).map(|found| found.0), Some(b"again".to_vec()), "{damage}");
        let everything = larder::tier::Selection { prefix: Some("bafkrei".to_owned()), ..Default::default() };
        assert!(pollster::block_on(cache.remove(&everything, START)).unwrap() >= 2, "{damage}");
        assert_eq!(body(&cache, "b", START), None);
    }
}

#[test]
fn an_index_whose_columns_have_other_names_is_begun_anew() {
    for (table, column) in [("entry", "body"), ("total", "revision"), ("operation", "id")] {
        let folder = TempDir::new().unwrap();
        let cache = Cache::open(disk_only(folder.path())).unwrap();
        put(&cache, "a", b"x", START).unwrap();
        let index = rusqlite::Connection::open(folder.path().join("v2/index.db")).unwrap();
        let damage = format!(
            "PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = replace(sql, '{column} ', 'q{column} ') WHERE name = '{table}';
             PRAGMA schema_version = 1000;"
        );
        index.execute_batch(&damage).unwrap();
        drop(index);
        let _failed = put(&cache, "b", b"y", START);
        put(&cache, "b", b"y", START).unwrap();
        assert_eq!(body(&cache, "b", START).map(|found| found.0), Some(b"y".to_vec()), "{table} {column}");
        assert!(folder.path().join("v2/index.broken-0").exists(), "{table} {column}");
    }
}

#[test]
fn a_damaged_body_is_counted_removed_and_replaced() {
    for len in [1_000, 100_000, 2 << 20] {
        let folder = TempDir::new().unwrap();
        let cache = Cache::open(disk_only(folder.path())).unwrap();
        put(&cache, "a", &noise(len), START).unwrap();
        if len > 65_536 {
            let file = files(&folder.path().join("v2/bodies")).remove(0);
            let mut bytes = std::fs::read(&file).unwrap();
            bytes[len / 2] ^= 1;
            std::fs::write(&file, bytes).unwrap();
        } else {
            let index = rusqlite::Connection::open(folder.path().join("v2/index.db")).unwrap();
            index.execute_batch("UPDATE entry SET body = zeroblob(length(body))").unwrap();
        }
        assert_eq!(body(&cache, "a", START), None);
        let damaged = cache.statistics().unwrap().operations.values().map(|counters| counters.damaged).sum::<u64>();
        assert_eq!((damaged, cache.usage().entries), (1, 0), "{len}");
        put(&cache, "a", &noise(len), START).unwrap();
        assert_eq!(body(&cache, "a", START).map(|found| found.0), Some(noise(len)));
    }
}

#[test]
fn a_file_of_another_program_is_left_alone() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("v2")).unwrap();
    let index = folder.path().join("v2/index.db");
    let foreign = rusqlite::Connection::open(&index).unwrap();
    foreign.execute_batch("PRAGMA application_id = 7; CREATE TABLE mine(x); INSERT INTO mine VALUES(1);").unwrap();
    drop(foreign);
    let before = std::fs::read(&index).unwrap();
    let Err(error) = Cache::open(disk_only(folder.path())) else { panic!("another program's file was opened") };
    assert!(matches!(error, larder::Error::Foreign { .. }) && error.to_string().contains("index.db"), "{error}");
    assert_eq!(std::fs::read(&index).unwrap(), before);
}

#[test]
fn rubbish_in_place_of_the_index_is_moved_aside() {
    for rubbish in [&b""[..], b"not a database at all, but long enough to be read as one's first page"] {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("v2")).unwrap();
        std::fs::write(folder.path().join("v2/index.db"), rubbish).unwrap();
        let cache = open(folder.path());
        put(&cache, "a", b"x", START).unwrap();
        assert_eq!(std::fs::read(folder.path().join("v2/index.broken-0")).unwrap(), rubbish);
    }
}

#[test]
fn a_sidecar_that_is_cut_off_under_open_stores_costs_counts_and_no_call() {
    let folder = TempDir::new().unwrap();
    let sidecar = folder.path().join("v2/sidecar");
    for len in [0, 4096] {
        let (one, two) = (open(folder.path()), open(folder.path()));
        put(&one, "a", b"answer", START).unwrap();
        let has = |cache: &Cache| crate::body(cache, "a", START).is_some_and(|found| found.0 == b"answer");
        assert!(has(&one) && has(&one) && has(&two) && has(&two));
        std::fs::OpenOptions::new().write(true).open(&sidecar).unwrap().set_len(len).unwrap();
        assert!(has(&one) && has(&two) && one.statistics().is_ok());
        assert!(std::fs::metadata(&sidecar).unwrap().len() > 1 << 20, "made anew");
        // What one removes is gone from the other's memory, too.
        assert!(has(&one) && has(&two));
        assert_eq!(pollster::block_on(one.remove(&larder::tier::Selection::default(), START)).unwrap(), 1);
        assert!(!has(&one) && !has(&two));
    }
}

#[test]
fn a_damaged_form_number_is_a_broken_index() {
    let folder = TempDir::new().unwrap();
    put(&open(folder.path()), "a", b"x", START).unwrap();
    let index = folder.path().join("v2/index.db");
    let mut bytes = std::fs::read(&index).unwrap();
    // The schema's form in the file's header: https://www.sqlite.org/fileformat.html#schema_format_number
    bytes[44..48].copy_from_slice(&[0, 0, 0, 0x9c]);
    std::fs::write(&index, bytes).unwrap();
    let cache = open(folder.path());
    assert_eq!(body(&cache, "a", START), None);
    put(&cache, "a", b"x", START).unwrap();
    assert!(body(&cache, "a", START).is_some() && folder.path().join("v2/index.broken-0").exists());
}

/// Several readers of one index that is harmed under them: whoever begins it anew says so, and nobody says more.
#[test]
fn one_harm_is_one_warning() {
    for _ in 0..10 {
        let folder = filled();
        let cache = Cache::open(disk_only(folder.path())).unwrap();
        let index = folder.path().join("v2/index.db");
        std::fs::OpenOptions::new().write(true).open(&index).unwrap().set_len(5_000).unwrap();
        let read = || {
            crate::trials::told::told(|| {
                for (question, _) in questions() {
                    let _a_miss = pollster::block_on(cache.get(&want(&question), START));
                }
            })
            .1
        };
        let said: Vec<String> = std::thread::scope(|scope| {
            let readers = [(); 4].map(|()| scope.spawn(read));
            readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect()
        });
        assert!(said.len() == 1 && said[0].contains("begun anew"), "{said:?}");
        put(&cache, "later", b"x", START).unwrap();
        assert!(body(&cache, "later", START).is_some());
    }
}
