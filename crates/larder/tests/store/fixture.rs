//! A store that an earlier version wrote: every later one must read it.
//!
//! `cargo test -p larder --test store -- --ignored write_the_fixture` writes it; that is right only for a new form
//! (`store-v3`), never to make a change of today's pass.

use crate::{body, disk_only, open};
use larder::{
    Cache,
    stats::Event,
    tier::{Selection, disk::runs},
};
use larder_core::{Head, Record, Variant, record::Frame, record::Want, share::CredentialDigest};
use larder_testkit::{
    clock::START,
    entry::{noise, record, want},
};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store-v2")
}

fn put(cache: &Cache, record: Record, body: &[u8]) {
    let generation = cache.generation(&record.service, &record.operation);
    pollster::block_on(cache.put(record, larder::Body::Bytes(body.to_vec().into()), generation, START)).unwrap();
}

fn http() -> Record {
    let headers = vec![("content-type".to_owned(), serde_bytes::ByteBuf::from(b"text/plain".to_vec()))];
    let vary = vec![("accept".to_owned(), Some("text/plain".to_owned())), ("accept-language".to_owned(), None)];
    Record { head: Head::Http { status: 200, headers }, vary, ..record("http", b"an HTTP answer", START) }
}

fn tool() -> Record {
    let frames = vec![Frame { fd: 1, len: 3, at_ms: 4 }, Frame { fd: 2, len: 4, at_ms: 9 }];
    Record {
        head: Head::Tool { exit_code: 3, frames },
        service: "tool".to_owned(),
        ..record("tool", b"outerr!", START)
    }
}

fn stream() -> Record {
    Record { variant: Variant("stream".to_owned()), ..record("small", b"streamed", START) }
}

#[test]
#[ignore = "writes the fixture anew"]
fn write_the_fixture() {
    let folder = TempDir::new().unwrap();
    let cache = Cache::open(disk_only(folder.path())).unwrap();
    put(&cache, Record { service: "dead".to_owned(), ..record("dead", b"x", START) }, b"x");
    let dead = Selection { service: Some("dead".to_owned()), ..Selection::default() };
    pollster::block_on(cache.remove(&dead, START)).unwrap();
    put(&cache, record("small", b"small", START), b"small");
    put(&cache, stream(), b"streamed");
    put(&cache, http(), b"an HTTP answer");
    put(&cache, tool(), b"outerr!");
    put(&cache, record("large", &noise(70_000), START), &noise(70_000));
    cache.count("svc", "op", Event::Hit);
    cache.credential_accepted("https://origin", &CredentialDigest::from_mac(&[9; 32]), START);
    drop(cache);
    for file in crate::damage::files(&folder.path().join("v2")) {
        let name = file.strip_prefix(folder.path().join("v2")).unwrap();
        // The sidecar is made anew wherever it is missing; locks are empty.
        if name != Path::new("sidecar") && !name.to_string_lossy().ends_with("lock") {
            let target = fixture().join("v2").join(name);
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::copy(&file, target).unwrap();
        }
    }
}

#[test]
fn the_first_versions_store_is_read() {
    let folder = TempDir::new().unwrap();
    for file in crate::damage::files(&fixture()) {
        let target = folder.path().join(file.strip_prefix(fixture()).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(&file, target).unwrap();
    }
    crate::trust::keep_others_out(folder.path());
    let cache = open(folder.path());
    let get =
        |want: &Want| pollster::block_on(cache.get(want, START)).unwrap().map(|(entry, _)| (*entry.record).clone());
    assert_eq!(body(&cache, "small", START).map(|found| found.0), Some(b"small".to_vec()));
    assert_eq!(body(&cache, "large", START).map(|found| found.0), Some(noise(70_000)));
    assert_eq!(body(&cache, "dead", START), None);
    assert_eq!(get(&Want { variant: Variant("stream".to_owned()), ..want("small") }), Some(stream()));
    let accept = [(http::header::ACCEPT, http::HeaderValue::from_static("text/plain"))].into_iter().collect();
    assert_eq!(get(&Want { headers: accept, ..want("http") }), Some(http()));
    assert_eq!(get(&want("http")), None);
    let hit = runs::read(folder.path(), &want("tool"), START).unwrap();
    assert_eq!((hit.record, &hit.body[..]), (tool(), &b"outerr!"[..]));
    assert_eq!(cache.generation("dead", "op"), 1);
    assert_eq!(cache.statistics().unwrap().operations[&("svc".to_owned(), "op".to_owned())].hits, 1);
    assert!(cache.is_credential_accepted("https://origin", &CredentialDigest::from_mac(&[9; 32]), START));
    // The dead row was removed when it was asked for.
    assert_eq!(
        (cache.usage().entries, pollster::block_on(cache.list(&Selection::default(), 9, START)).unwrap().len()),
        (5, 5)
    );
    assert!(!crate::damage::files(folder.path()).iter().any(|file| file.to_string_lossy().contains("broken")));
}
