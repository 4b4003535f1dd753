//! The tier contract, over every tier there is.

use crate::options;
use futures_core::future::BoxFuture;
use larder::{
    Cache, Entry, Error, Options,
    tier::{Disk, Memory, Selection, Stack, Tier, Usage},
};
use larder_core::{Timestamp, record::Want};
use larder_testkit::{
    clock::START,
    contract::{Subject, contract},
    entry::{bytes_of, entry, want},
    faulty::{Fault, Faulty},
};
use std::sync::Arc;
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

#[test]
fn memory() {
    contract(|| Subject::new(Memory::new(64 * MIB), Memory::generation).up_to(2 << 20));
}

#[test]
fn disk() {
    contract(|| on_disk(false, |disk| disk));
}

#[test]
fn durable_disk() {
    contract(|| on_disk(true, |disk| disk).up_to(1 << 20));
}

#[test]
fn memory_above_disk() {
    contract(|| on_disk(false, |disk| Stack::new(64 * MIB, vec![Arc::new(disk)])));
}

#[test]
fn the_cache() {
    contract(|| {
        let folder = TempDir::new().unwrap();
        let cache = Cache::open(options(folder.path())).unwrap();
        Subject::new(OfCache(cache), |cache, service, operation| cache.0.generation(service, operation)).holding(folder)
    });
}

#[test]
fn the_cache_without_a_store() {
    contract(|| {
        let cache = OfCache(Cache::without_store(64 * MIB));
        Subject::new(cache, |cache, service, operation| cache.0.generation(service, operation)).up_to(2 << 20)
    });
}

#[test]
fn a_slow_tier_is_only_slow() {
    for memory_bytes in [0, 64 * MIB] {
        contract(|| on_disk(false, |disk| above(memory_bytes, [faulty(disk, Fault::Delay(3), 1)])).up_to(1 << 20));
    }
}

#[test]
fn a_tier_that_always_fails_is_a_miss_and_the_next_one_answers() {
    for memory_bytes in [0, 64 * MIB] {
        contract(|| {
            on_disk(false, |disk| above(memory_bytes, [faulty(nothing(), Fault::Error, 1), Arc::new(disk)])).erring()
        });
    }
}

#[test]
fn a_tier_that_reports_failures_loses_nothing_by_it() {
    contract(|| {
        let tiers = |disk: Disk| [faulty(disk.clone(), Fault::ErrorAfter, 3), Arc::new(disk) as Arc<dyn Tier>];
        on_disk(false, |disk| above(64 * MIB, tiers(disk))).erring()
    });
}

#[test]
fn a_tier_that_lies_is_a_miss_and_the_next_one_answers() {
    for (memory_bytes, every) in [(0, 1), (64 * MIB, 1), (0, 3), (64 * MIB, 3)] {
        contract(|| {
            let tiers = |disk: Disk| [faulty(disk.clone(), Fault::Lie, every), Arc::new(disk) as Arc<dyn Tier>];
            on_disk(false, |disk| above(memory_bytes, tiers(disk))).up_to(1 << 20)
        });
    }
}

#[test]
fn a_faulty_tier_alone_gives_no_wrong_answer() {
    for (fault, every) in [(Fault::Error, 1), (Fault::ErrorAfter, 2), (Fault::Lie, 1)] {
        for memory_bytes in [0, 64 * MIB] {
            contract(|| {
                on_disk(false, |disk| above(memory_bytes, [faulty(disk, fault, every)])).forgetting().up_to(1 << 20)
            });
        }
    }
}

#[test]
fn a_tier_that_fails_now_and_then_gives_no_answer_that_was_not_put() {
    for memory_bytes in [0, 64 << 10] {
        let folder = TempDir::new().unwrap();
        let disk = Arc::new(Disk::open(&options(folder.path())).unwrap());
        let faulty = Arc::new(Faulty::with(disk, Fault::Error, 3));
        let stack = Stack::new(memory_bytes, vec![Arc::clone(&faulty) as Arc<dyn Tier>]);
        let (mut failed, mut answered) = (0, 0);
        for n in 0..600u32 {
            let question = format!("q{}", n * 31 % 20);
            let body = format!("{question} answered at {n}");
            failed +=
                u32::from(pollster::block_on(stack.put(entry(&question, body.as_bytes(), START), START)).is_err());
            let asked = format!("q{}", n * 7 % 20);
            if let Some((found, _)) = pollster::block_on(stack.find(&want(&asked), START)) {
                let found = String::from_utf8(bytes_of(&found)).unwrap();
                let at: u32 = found.strip_prefix(&format!("{asked} answered at ")).unwrap().parse().unwrap();
                assert!(at <= n && format!("q{}", at * 31 % 20) == asked, "{found}");
                answered += 1;
            }
        }
        assert!(failed > 100 && answered > 200 && faulty.calls() > 600, "{failed} failed, {answered} answered");
    }
}

/// What `make` builds over a store in a folder of its own.
fn on_disk<T: Tier>(durable: bool, make: impl FnOnce(Disk) -> T) -> Subject {
    let folder = TempDir::new().unwrap();
    let disk = Disk::open(&Options { durable, ..options(folder.path()) }).unwrap();
    let generation = disk.clone();
    Subject::new(make(disk), move |_, service, operation| generation.generation(service, operation).unwrap())
        .holding(folder)
}

/// Memory above `tiers`.
fn above<const N: usize>(memory_bytes: u64, tiers: [Arc<dyn Tier>; N]) -> Stack {
    Stack::new(memory_bytes, tiers.into())
}

fn faulty(tier: impl Tier, fault: Fault, every: u64) -> Arc<dyn Tier> {
    Arc::new(Faulty::with(Arc::new(tier), fault, every))
}

fn nothing() -> Memory {
    Memory::new(0)
}

/// The cache's own methods, as a tier.
struct OfCache(Cache);

impl Tier for OfCache {
    fn name(&self) -> &'static str {
        "cache"
    }

    fn get<'a>(&'a self, want: &'a Want, now: Timestamp) -> BoxFuture<'a, Result<Option<Entry>, Error>> {
        Box::pin(async move { Ok(self.0.get(want, now).await?.map(|(entry, _)| entry)) })
    }

    fn put(&self, entry: Entry, now: Timestamp) -> BoxFuture<'_, Result<(), Error>> {
        let record = (*entry.record).clone();
        Box::pin(self.0.put(record, entry.body, entry.generation, now))
    }

    fn remove<'a>(&'a self, what: &'a Selection, now: Timestamp) -> BoxFuture<'a, Result<u64, Error>> {
        Box::pin(self.0.remove(what, now))
    }

    fn list<'a>(
        &'a self,
        what: &'a Selection,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Entry>, Error>> {
        Box::pin(self.0.list(what, limit, now))
    }

    fn usage(&self) -> Usage {
        self.0.usage()
    }
}
