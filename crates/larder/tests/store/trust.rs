//! Stores that others own or may write: whoever can write an answer can forge it, digests and all.

use crate::{damage::files, disk_only, open, put};
use larder::{Cache, Error, tier::disk::runs};
use larder_core::{Head, QueryKey, Record, record::Frame};
use larder_testkit::{
    clock::START,
    entry::{record, want},
};
use std::{
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A user who is neither this one nor root.
const NOBODY: u32 = 65534;

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// Folders 0700, files 0600, whatever the umask made of them.
pub(crate) fn keep_others_out(folder: &Path) {
    set_mode(folder, 0o700);
    for found in std::fs::read_dir(folder).unwrap().map(|found| found.unwrap().path()) {
        if found.is_dir() { keep_others_out(&found) } else { set_mode(&found, 0o600) }
    }
}

fn refusal(dir: &Path) -> Error {
    match Cache::open(disk_only(dir)) {
        Err(error) => error,
        Ok(_) => panic!("the store was opened"),
    }
}

fn is_refused(dir: &Path, why: &str) {
    let error = refusal(dir);
    assert!(matches!(error, Error::Untrusted { .. }), "{error:?}");
    assert!(error.to_string().ends_with(why), "{error}");
    assert!(error.hint().contains("--store"), "{}", error.hint());
}

fn tool(question: &str, body: &[u8]) -> Record {
    let frames = vec![Frame { fd: 1, len: body.len() as u64, at_ms: 1 }];
    Record { head: Head::Tool { exit_code: 0, frames }, service: "tool".to_owned(), ..record(question, body, START) }
}

/// A store with an entry, a large body and a tool's answer.
fn store(dir: &Path) -> Vec<PathBuf> {
    let cache = open(dir);
    put(&cache, "small", b"x", START).unwrap();
    put(&cache, "large", &[7; 100_000], START).unwrap();
    put_tool(&cache, tool("tool", b"answer"), b"answer");
    let root = dir.join("v2");
    let mut all = vec![root.clone()];
    all.extend(std::fs::read_dir(&root).unwrap().map(|found| found.unwrap().path()));
    all.retain(|path| !path.to_string_lossy().contains("index.db-"));
    assert!(all.len() >= 6, "{all:?}");
    all
}

fn put_tool(cache: &Cache, record: Record, body: &[u8]) {
    let generation = cache.generation(&record.service, &record.operation);
    let body = larder::Body::Bytes(body.to_vec().into());
    pollster::block_on(cache.put(record, body, generation, START)).unwrap();
}

fn run_of(dir: &Path) -> PathBuf {
    files(&dir.join("v2/runs")).remove(0)
}

#[test]
fn what_others_may_write_is_no_store() {
    let folder = TempDir::new().unwrap();
    for path in store(folder.path()) {
        let sound = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        for loose in [0o020, 0o002] {
            set_mode(&path, sound | loose);
            is_refused(folder.path(), "others may write it");
        }
        set_mode(&path, sound | if sound & 0o100 == 0 { 0o044 } else { 0o055 });
        drop(open(folder.path()));
    }
}

#[test]
fn what_another_user_owns_is_no_store() {
    // Only root can give files away.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = TempDir::new().unwrap();
    for path in store(folder.path()) {
        chown(&path, Some(NOBODY), None).unwrap();
        is_refused(folder.path(), "it belongs to another user");
        chown(&path, Some(0), None).unwrap();
        drop(open(folder.path()));
    }
}

#[test]
fn a_symlink_in_place_of_the_store_or_its_index_is_refused_and_what_it_points_to_stays() {
    let (folder, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    std::fs::write(other.path().join("index.db"), b"somebody's notes").unwrap();
    symlink(other.path(), folder.path().join("v2")).unwrap();
    is_refused(folder.path(), "it is a symlink");
    std::fs::remove_file(folder.path().join("v2")).unwrap();
    drop(open(folder.path()));
    std::fs::remove_file(folder.path().join("v2/index.db")).unwrap();
    symlink(other.path().join("index.db"), folder.path().join("v2/index.db")).unwrap();
    is_refused(folder.path(), "it is a symlink");
    assert_eq!(files(other.path()).len(), 1);
    assert_eq!(std::fs::read(other.path().join("index.db")).unwrap(), b"somebody's notes");
}

#[test]
fn a_fifo_in_the_store_holds_nobody_up() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    for name in ["lock", "maintenance.lock", "sidecar", "index.db"] {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("v2")).unwrap();
        set_mode(&folder.path().join("v2"), 0o700);
        mknodat(CWD, folder.path().join("v2").join(name), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        is_refused(folder.path(), "it is neither a folder nor a file");
    }
}

#[test]
fn a_store_that_others_put_in_place_of_an_open_one_is_not_read() {
    let folder = TempDir::new().unwrap();
    let (here, forged) = (folder.path().join("store"), folder.path().join("forged"));
    store(&here);
    store(&forged);
    let cache = Cache::open(disk_only(&here)).unwrap();
    std::fs::rename(here.join("v2"), here.join("away")).unwrap();
    std::fs::rename(forged.join("v2"), here.join("v2")).unwrap();
    set_mode(&here.join("v2/index.db"), 0o666);
    assert_eq!(crate::body(&cache, "small", START), None);
    set_mode(&here.join("v2/index.db"), 0o600);
    assert!(crate::body(&cache, "small", START).is_some());
}

#[test]
fn a_run_that_others_may_have_written_is_not_read() {
    let folder = TempDir::new().unwrap();
    store(folder.path());
    let (run, hit) = (run_of(folder.path()), || runs::read(folder.path(), &want("tool"), START).is_some());
    assert!(hit());
    for loose in [0o620, 0o602] {
        set_mode(&run, loose);
        assert!(!hit(), "{loose:o}");
    }
    set_mode(&run, 0o600);
    let elsewhere = folder.path().join("elsewhere");
    std::fs::rename(&run, &elsewhere).unwrap();
    symlink(&elsewhere, &run).unwrap();
    assert!(!hit(), "a symlink");
    std::fs::rename(&elsewhere, &run).unwrap();
    assert!(hit());
    if rustix::process::geteuid().is_root() {
        chown(&run, Some(NOBODY), None).unwrap();
        assert!(!hit(), "another user's");
    }
}

#[test]
fn a_run_whose_question_is_not_the_one_of_its_key_is_not_read() {
    let folder = TempDir::new().unwrap();
    let cache = open(folder.path());
    let forged = Record { key: QueryKey::of(b"asked"), ..tool("made up", b"forged") };
    put_tool(&cache, forged, b"forged");
    assert!(run_of(folder.path()).exists());
    assert!(runs::read(folder.path(), &want("asked"), START).is_none());
}
