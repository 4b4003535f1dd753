//! Disks that fill up, folders that cannot be written, stores that cannot be opened.

use crate::{body, disk_only, open, options, put};
use larder::{Cache, Error, tier::Selection};
use larder_testkit::{
    clock::START,
    entry::{OPERATION, SERVICE, entry, noise},
};
use std::{
    os::unix::{fs::PermissionsExt, process::CommandExt as _},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// In another process: puts until the disk takes no more, and looks at what is left.
pub(crate) fn fill(dir: &Path) {
    let cache = open(dir);
    let (mut kept, mut failed) = (Vec::new(), 0);
    for n in 0..400 {
        let len = if n % 20 == 19 { 600_000 } else { 2_000 };
        match put(&cache, &format!("fill {n}"), &noise(len), START) {
            Ok(()) => kept.push((n, len)),
            Err(error) => {
                assert!(!error.hint().is_empty());
                failed += 1;
            }
        }
    }
    for (n, len) in &kept {
        assert!(body(&cache, &format!("fill {n}"), START).is_some_and(|found| found.0 == noise(*len)), "{n}");
    }
    let errors = cache.statistics().unwrap().operations[&("(store)".to_owned(), "disk".to_owned())].tier_errors;
    assert_eq!(errors, failed);
    println!("> {} {failed}", kept.len());
}

#[test]
fn a_full_disk_fails_the_put_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    drop(open(folder.path()));
    // A limit on the size of files, with its signal ignored, fails writes as a full disk does.
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 600; exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
    let said = crate::processes::said(crate::processes::spawn(shell, "fill", folder.path()));
    let (kept, failed) = said[0].split_once(' ').map(|(kept, failed)| (kept.parse(), failed.parse())).unwrap();
    let (kept, failed): (u32, u32) = (kept.unwrap(), failed.unwrap());
    assert!(kept >= 10 && failed >= 20 && kept + failed == 400, "{kept} kept, {failed} failed");
    let cache = open(folder.path());
    assert_eq!(body(&cache, "fill 0", START).map(|found| found.0), Some(noise(2_000)));
    put(&cache, "later", b"x", START).unwrap();
}

/// In another process, of a user who may not write here.
pub(crate) fn read_only(dir: &Path) {
    let cache = open(dir);
    assert_eq!(body(&cache, "small", START).map(|found| found.0), Some(noise(1_000)));
    assert_eq!(body(&cache, "large", START).map(|found| found.0), Some(noise(2 << 20)));
    let refused = put(&cache, "new", b"x", START);
    assert!(matches!(refused, Err(Error::ReadOnly { .. })), "{refused:?}");
    let removed = pollster::block_on(cache.remove(&Selection::default(), START));
    assert!(removed.is_err());
    assert!(cache.statistics().is_ok() && cache.spool_folder().is_none());
    assert_eq!(pollster::block_on(cache.list(&Selection::default(), 9, START)).unwrap().len(), 2);
    println!("> read");
}

/// This binary where anybody may run it, started as a user who is not root.
fn unprivileged(folder: &Path) -> Command {
    let here = std::env::current_exe().unwrap();
    if !rustix::process::geteuid().is_root() {
        return Command::new(here);
    }
    let copy = folder.join("test");
    std::fs::copy(here, &copy).unwrap();
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = Command::new(copy);
    command.uid(65534).gid(65534).current_dir("/");
    command
}

fn everybody_may_read(folder: &Path) {
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o555)).unwrap();
    for found in std::fs::read_dir(folder).unwrap().map(|found| found.unwrap().path()) {
        if found.is_dir() {
            everybody_may_read(&found);
        } else {
            std::fs::set_permissions(&found, PermissionsExt::from_mode(0o444)).unwrap();
        }
    }
}

fn everything_may_be_removed(folder: &Path) {
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
    for found in std::fs::read_dir(folder).unwrap().map(|found| found.unwrap().path()).filter(|found| found.is_dir()) {
        everything_may_be_removed(&found);
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_read() {
    let folder = TempDir::new().unwrap();
    let store = folder.path().join("store");
    let cache = open(&store);
    put(&cache, "small", &noise(1_000), START).unwrap();
    put(&cache, "large", &noise(2 << 20), START).unwrap();
    drop(cache);
    let command = unprivileged(folder.path());
    everybody_may_read(&store);
    assert_eq!(crate::processes::said(crate::processes::spawn(command, "read-only", &store)), ["read"]);
    everything_may_be_removed(&store);
}

#[test]
fn a_store_that_cannot_be_opened_is_an_error_with_a_hint() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"in the way").unwrap();
    let Err(error) = Cache::open(disk_only(&file)) else { panic!("a file was opened as a folder") };
    assert!(error.to_string().contains(&format!("`{}", file.display())), "{error}");
    assert!(error.hint().contains("--store"), "{}", error.hint());
    let cache = Cache::without_store(1 << 20);
    put(&cache, "a", b"x", START).unwrap();
    assert_eq!(body(&cache, "a", START), Some((b"x".to_vec(), "memory")));
    assert!(cache.spool_folder().is_none());
}

#[test]
fn a_store_that_vanishes_under_a_process_is_made_anew() {
    let folder = TempDir::new().unwrap();
    let cache = open(folder.path());
    put(&cache, "a", b"x", START).unwrap();
    assert!(body(&cache, "a", START).is_some());
    std::fs::remove_dir_all(folder.path().join("v2")).unwrap();
    assert_eq!(body(&open(folder.path()), "a", START), None);
    put(&cache, "b", b"y", START).unwrap();
    assert_eq!(body(&open(folder.path()), "b", START).map(|found| found.0), Some(b"y".to_vec()));
}

#[test]
fn a_lock_that_nobody_lets_go_holds_up_one_write_and_no_read() {
    let folder = TempDir::new().unwrap();
    let patience = Duration::from_millis(200);
    put(&open(folder.path()), "a", b"x", START).unwrap();
    let held = rusqlite::Connection::open(folder.path().join("v2/index.db")).unwrap();
    held.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let (began, cache) = (Instant::now(), Cache::open_in_a_hurry(disk_only(folder.path()), patience).unwrap());
    assert!(body(&cache, "a", START).is_some());
    for n in 0..50 {
        assert!(put(&cache, &format!("b{n}"), b"y", START).is_err());
    }
    cache.close();
    drop(cache);
    // Once 200 ms, not fifty times; the rest is a slow machine.
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    held.execute_batch("COMMIT").unwrap();
    put(&Cache::open_in_a_hurry(disk_only(folder.path()), patience).unwrap(), "b", b"y", START).unwrap();
}

/// By key, by prefix, by operation, by service, everything.
fn selections() -> Vec<Selection> {
    let key = entry("a", b"x", START).record.key;
    let (service, operation) = (Some(SERVICE.to_owned()), Some(OPERATION.to_owned()));
    vec![
        Selection { key: Some(key), ..Selection::default() },
        Selection { prefix: Some(key.to_string()[..20].to_owned()), ..Selection::default() },
        Selection { service: service.clone(), operation, ..Selection::default() },
        Selection { service, ..Selection::default() },
        Selection::default(),
    ]
}

/// A write of the user made them stale: whether that could be written down or not.
#[test]
fn what_is_removed_while_another_process_holds_the_lock_is_not_served_again() {
    let patience = Duration::from_millis(200);
    for what in selections() {
        let folder = TempDir::new().unwrap();
        put(&open(folder.path()), "a", b"x", START).unwrap();
        let [cache, other] = [disk_only(folder.path()), options(folder.path())]
            .map(|options| Cache::open_in_a_hurry(options, patience).unwrap());
        // Twice: from memory the second time.
        (0..2).for_each(|_| assert!(body(&other, "a", START).is_some()));
        let asked = other.generation(SERVICE, OPERATION);
        let held = rusqlite::Connection::open(folder.path().join("v2/index.db")).unwrap();
        held.execute_batch("BEGIN EXCLUSIVE").unwrap();
        for _ in 0..2 {
            assert!(pollster::block_on(cache.remove(&what, START)).is_err());
            assert_eq!((body(&cache, "a", START), body(&other, "a", START)), (None, None), "{what:?}");
        }
        let late = Cache::open_in_a_hurry(options(folder.path()), patience).unwrap();
        assert_eq!(body(&late, "a", START), None, "{what:?}");
        held.execute_batch("COMMIT").unwrap();
        assert_eq!((body(&cache, "a", START), body(&other, "a", START)), (None, None), "{what:?}");
        // A fill that began before the removal, by one that knows of no lock.
        let fill = entry("a", b"old", START);
        pollster::block_on(late.put((*fill.record).clone(), fill.body, asked, START)).unwrap();
        assert_eq!(body(&late, "a", START), None, "{what:?}");
        // The next write levels the index: it knows without the sidecar.
        put(&late, "b", b"y", START).unwrap();
        assert!(body(&other, "b", START).is_some());
        drop((cache, other, late));
        std::fs::remove_file(folder.path().join("v2/sidecar")).unwrap();
        let cache = open(folder.path());
        assert_eq!((body(&cache, "a", START), body(&cache, "b", START).is_some()), (None, true), "{what:?}");
    }
}
