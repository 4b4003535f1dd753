//! What killed processes leave is cleared away, by whoever puts first after an hour; what is in use stays.

use crate::{disk_only, open, put};
use larder::Cache;
use larder_testkit::clock::START;
use std::{
    fs::File,
    path::Path,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

const HOUR: Duration = Duration::from_secs(3600);
const YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

fn make(folder: &Path, name: &str, time: SystemTime) -> File {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = File::create(path).unwrap();
    file.set_modified(time).unwrap();
    file
}

#[test]
fn unfinished_work_is_cleared_away_by_the_first_put_after_an_hour() {
    let folder = TempDir::new().unwrap();
    let v2 = folder.path().join("v2");
    drop(open(folder.path()));
    crate::trust::keep_others_out(folder.path());
    let (old, ahead, new) = (SystemTime::now() - 2 * HOUR, SystemTime::now() + YEARS, SystemTime::now());
    let gone =
        [("index.new-a", old), (".tmpb", ahead), ("flights/c", old), ("spool/d", ahead), ("bodies/00/.new-e", old)];
    let stays = [("index.new-f", new), ("flights/g", new), ("spool/h", new), ("index.broken-0", old)];
    for (name, time) in gone.iter().chain(&stays) {
        make(&v2, name, *time);
    }
    let flying = make(&v2, "flights/held", old);
    flying.lock().unwrap();
    crate::trust::keep_others_out(folder.path());
    put(&open(folder.path()), "a", b"x", START).unwrap();
    let is_there = |name: &str| v2.join(name).exists();
    assert_eq!(gone.map(|(name, _)| is_there(name)), [false; 5], "{gone:?}");
    assert_eq!(stays.map(|(name, _)| is_there(name)), [true; 4], "{stays:?}");
    assert!(is_there("flights/held"), "somebody runs a tool there");
}

/// Whoever moved a part of the store to another disk may have linked more than that.
#[test]
fn nothing_is_cleared_away_behind_a_link() {
    let (folder, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let v2 = folder.path().join("v2");
    drop(open(folder.path()));
    make(elsewhere.path(), "thesis", SystemTime::now() - 2 * HOUR);
    for name in ["bodies", "runs"] {
        std::fs::create_dir_all(v2.join(name)).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), v2.join(name).join("00")).unwrap();
    }
    crate::trust::keep_others_out(folder.path());
    put(&open(folder.path()), "a", b"x", START).unwrap();
    assert!(elsewhere.path().join("thesis").exists());
}

#[test]
fn a_clock_that_was_ten_years_ahead_does_not_put_maintenance_off_for_ten_years() {
    let folder = TempDir::new().unwrap();
    put(&open(folder.path()), "a", b"x", START).unwrap();
    let lock = folder.path().join("v2/maintenance.lock");
    File::options().write(true).open(&lock).unwrap().set_modified(SystemTime::now() + YEARS).unwrap();
    let left = make(&folder.path().join("v2"), "index.new-a", SystemTime::now() - 2 * HOUR);
    drop(left);
    put(&Cache::open(disk_only(folder.path())).unwrap(), "b", b"y", START).unwrap();
    assert!(!folder.path().join("v2/index.new-a").exists());
    assert!(lock.metadata().unwrap().modified().unwrap() <= SystemTime::now() + HOUR);
}
