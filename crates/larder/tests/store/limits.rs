//! The size limits and who goes first.

use crate::{body, disk_only, put};
use larder::{Cache, Options};
use larder_core::record::Cost;
use larder_testkit::{
    clock::START,
    entry::{OPERATION, SERVICE, noise, record, with_body},
};
use tempfile::TempDir;

fn evictions(cache: &Cache) -> u64 {
    cache.statistics().unwrap().operations.get(&(SERVICE.to_owned(), OPERATION.to_owned())).map_or(0, |c| c.evictions)
}

#[test]
fn entries_and_bytes_stay_within_their_limits() {
    for (max_entries, max_bytes, len) in [(50, 0, 10), (0, 200_000, 2_000), (0, 2_000_000, 100_000)] {
        let folder = TempDir::new().unwrap();
        let cache = Cache::open(Options { max_entries, max_bytes, ..disk_only(folder.path()) }).unwrap();
        for n in 0..200 {
            put(&cache, &format!("q{n}"), &noise(len + n), START).unwrap();
            let usage = cache.usage();
            assert!(max_entries == 0 || usage.entries <= max_entries, "{usage:?}");
            assert!(max_bytes == 0 || usage.bytes <= max_bytes, "{usage:?}");
        }
        let left = (0..200).filter(|n| body(&cache, &format!("q{n}"), START).is_some()).count() as u64;
        assert_eq!(left, cache.usage().entries, "the totals are those of the rows");
        assert_eq!(evictions(&cache), 200 - left);
        assert!(left >= 15, "no more was evicted than had to be: {left} left");
    }
}

#[test]
fn what_is_used_or_was_dear_outlives_what_is_not() {
    let folder = TempDir::new().unwrap();
    let cache = Cache::open(Options { max_entries: 100, ..disk_only(folder.path()) }).unwrap();
    let mut dear = record("dear", b"x", START);
    dear.cost = Cost { elapsed_ms: 30_000, input_tokens: 10, output_tokens: 2_000 };
    let dear = with_body(dear, b"x");
    pollster::block_on(cache.put((*dear.record).clone(), dear.body, 0, START)).unwrap();
    put(&cache, "used", b"x", START).unwrap();
    put(&cache, "unused", b"x", START).unwrap();
    for n in 0..150 {
        assert!(body(&cache, "used", START).is_some(), "evicted while it was in use, at {n}");
        put(&cache, &format!("once {n}"), b"x", START).unwrap();
    }
    assert!(body(&cache, "dear", START).is_some());
    assert!(body(&cache, "unused", START).is_none());
}

#[test]
fn large_headers_count_in_memory_as_they_are_held() {
    let cache = Cache::without_store(4 << 20);
    for n in 0..500 {
        let header = |m: usize| (format!("x-{m}"), serde_bytes::ByteBuf::from(vec![b'v'; 1000]));
        let head = larder_core::Head::Http { status: 200, headers: (0..20).map(header).collect() };
        let record = larder_core::Record { head, ..larder_testkit::entry::record(&format!("q{n}"), b"x", START) };
        pollster::block_on(cache.put(record, larder::Body::Bytes("x".into()), 0, START)).unwrap();
    }
    let kept = cache.usage().entries;
    // As they are kept, and as they are sent.
    assert!(kept > 50 && kept * 2 * 20 * 1000 < 4 << 20, "{kept} entries");
}
