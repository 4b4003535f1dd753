//! The store: what it promises to one process, to several, and when its files are damaged.

// Helpers of tests are tests: clippy recognises only the functions marked as such.
#![allow(clippy::unwrap_used, clippy::panic)]

mod contract;
mod damage;
mod fixture;
mod leftovers;
mod lifetime;
mod limits;
mod processes;
mod removed;
mod runs;
mod trials;
mod trouble;
mod trust;
mod unreferenced;
mod warnings;

use larder::{Cache, Options};
use std::path::Path;

/// A store in `dir` without limits.
fn options(dir: &Path) -> Options {
    Options { dir: dir.to_owned(), max_bytes: 0, max_entries: 0, memory_bytes: 16 << 20, durable: false }
}

/// The same without memory above the disk.
fn disk_only(dir: &Path) -> Options {
    Options { memory_bytes: 0, ..options(dir) }
}

fn open(dir: &Path) -> Cache {
    Cache::open(options(dir)).unwrap()
}

/// The body that `cache` has for `question`, with its tier.
fn body(cache: &Cache, question: &str, now: larder_core::Timestamp) -> Option<(Vec<u8>, &'static str)> {
    let found = pollster::block_on(cache.get(&larder_testkit::entry::want(question), now)).unwrap();
    found.map(|(entry, tier)| (larder_testkit::entry::bytes_of(&entry), tier))
}

fn put(cache: &Cache, question: &str, body: &[u8], now: larder_core::Timestamp) -> Result<(), larder::Error> {
    let entry = larder_testkit::entry::entry(question, body, now);
    let generation = cache.generation(&entry.record.service, &entry.record.operation);
    pollster::block_on(cache.put((*entry.record).clone(), entry.body, generation, now))
}
