//! Tools' answers without a database.

use crate::{disk_only, open};
use larder::{
    Cache,
    tier::{Selection, disk::runs},
};
use larder_core::{Head, Record, Timestamp, Variant, record::Frame, record::Want};
use larder_testkit::{
    clock::START,
    entry::{noise, record, want},
};
use std::{path::Path, time::Duration};
use tempfile::TempDir;

fn tool(question: &str, body: &[u8]) -> Record {
    let frames = vec![Frame { fd: 1, len: body.len() as u64, at_ms: 1 }];
    Record { head: Head::Tool { exit_code: 0, frames }, service: "tool".to_owned(), ..record(question, body, START) }
}

fn put(cache: &Cache, record: Record, body: &[u8]) {
    let generation = cache.generation(&record.service, &record.operation);
    let body = larder::Body::Bytes(body.to_vec().into());
    pollster::block_on(cache.put(record, body, generation, START)).unwrap();
}

fn read(dir: &Path, want: &Want, now: Timestamp) -> Option<Vec<u8>> {
    runs::read(dir, want, now).map(|hit| hit.body.to_vec())
}

#[test]
fn a_run_is_read_without_the_index_until_its_time_is_over() {
    let folder = TempDir::new().unwrap();
    let cache = open(folder.path());
    for (question, body) in [("small", noise(100)), ("large", noise(300_000)), ("empty", Vec::new())] {
        put(&cache, tool(question, &body), &body);
        let hit = runs::read(folder.path(), &want(question), START).unwrap();
        assert_eq!((hit.record, &hit.body[..]), (tool(question, &body), &body[..]));
        assert!(read(folder.path(), &want(question), START.plus(Duration::from_secs(3599))).is_some());
        assert!(read(folder.path(), &want(question), START.plus(Duration::from_secs(3600))).is_none());
    }
    assert_eq!(read(folder.path(), &want("unknown"), START), None);
    let streamed = Want { variant: Variant("one-file".to_owned()), ..want("small") };
    assert_eq!(read(folder.path(), &streamed, START), None);
    drop(cache);
    std::fs::remove_file(folder.path().join("v2/index.db")).unwrap();
    assert_eq!(read(folder.path(), &want("small"), START), Some(noise(100)));
}

#[test]
fn what_is_no_run_is_no_file() {
    let folder = TempDir::new().unwrap();
    let cache = open(folder.path());
    crate::put(&cache, "a", b"x", START).unwrap();
    assert_eq!(read(folder.path(), &want("a"), START), None);
    assert!(!folder.path().join("v2/runs").exists());
}

#[test]
fn every_removal_makes_a_run_dead_at_once() {
    let key = want("a").key;
    let by = |service: Option<&str>, operation: Option<&str>| Selection {
        service: service.map(str::to_owned),
        operation: operation.map(str::to_owned),
        ..Selection::default()
    };
    for what in [
        Selection { key: Some(key), ..Selection::default() },
        Selection { prefix: Some(key.to_string()[..8].to_owned()), ..Selection::default() },
        Selection { key: Some(key), ..by(Some("tool"), None) },
        by(Some("tool"), Some("op")),
        by(Some("tool"), None),
        by(None, Some("op")),
        Selection::default(),
    ] {
        let folder = TempDir::new().unwrap();
        let cache = Cache::open(disk_only(folder.path())).unwrap();
        put(&cache, tool("a", b"x"), b"x");
        assert!(read(folder.path(), &want("a"), START).is_some());
        assert_eq!(pollster::block_on(cache.remove(&what, START)).unwrap(), 1, "{what:?}");
        assert_eq!(read(folder.path(), &want("a"), START), None, "{what:?}");
        put(&cache, tool("a", b"again"), b"again");
        assert_eq!(read(folder.path(), &want("a"), START), Some(b"again".to_vec()), "{what:?}");
    }
    let folder = TempDir::new().unwrap();
    let cache = open(folder.path());
    put(&cache, tool("a", b"x"), b"x");
    pollster::block_on(cache.remove(&by(Some("other"), None), START)).unwrap();
    assert!(read(folder.path(), &want("a"), START).is_some(), "another service's removal is none of this one's");
}

#[test]
fn a_lost_sidecar_is_no_hit_until_the_store_is_opened() {
    let folder = TempDir::new().unwrap();
    let cache = open(folder.path());
    put(&cache, tool("a", b"x"), b"x");
    pollster::block_on(cache.remove(&Selection::default(), START)).unwrap();
    put(&cache, tool("b", b"y"), b"y");
    drop(cache);
    std::fs::remove_file(folder.path().join("v2/sidecar")).unwrap();
    assert_eq!(read(folder.path(), &want("b"), START), None);
    let _cache = open(folder.path());
    assert_eq!(read(folder.path(), &want("b"), START), Some(b"y".to_vec()));
    assert_eq!(read(folder.path(), &want("a"), START), None, "the generations came back from the index");
}

#[test]
fn hits_are_counted_in_the_sidecar() {
    let folder = TempDir::new().unwrap();
    let cache = open(folder.path());
    put(&cache, tool("a", b"x"), b"x");
    (0..3).for_each(|_| runs::read(folder.path(), &want("a"), START).unwrap().count());
    let counted = cache.statistics().unwrap().operations[&("tool".to_owned(), "op".to_owned())];
    assert_eq!((counted.hits, counted.api_calls_saved, counted.misses), (3, 3, 0));
}

#[test]
fn no_damaged_run_is_believed() {
    let folder = TempDir::new().unwrap();
    let cache = open(folder.path());
    let body = noise(500);
    put(&cache, tool("a", &body), &body);
    let run = crate::damage::files(&folder.path().join("v2/runs")).remove(0);
    let whole = std::fs::read(&run).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        std::fs::write(&run, &damaged).unwrap();
        assert_eq!(read(folder.path(), &want("a"), START), None, "byte {at}");
        std::fs::write(&run, &whole[..at]).unwrap();
        assert_eq!(read(folder.path(), &want("a"), START), None, "cut at {at}");
    }
    std::fs::write(&run, &whole).unwrap();
    assert_eq!(read(folder.path(), &want("a"), START), Some(body));
}
