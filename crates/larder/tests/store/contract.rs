//! The tier contract, over every tier there is.

use crate::options;
use larder::{
    Cache, Options,
    tier::{Disk, Memory, Stack, Tier},
};
use larder_testkit::{
    contract::{Subject, contract},
    faulty::Faulty,
};
use std::sync::Arc;
use tempfile::TempDir;

struct Under<G> {
    tier: Arc<dyn Tier>,
    generation: G,
    forgets: bool,
    largest: usize,
    _folder: Option<TempDir>,
}

impl<G: Fn(&str, &str) -> u64> Subject for Under<G> {
    fn tier(&self) -> Arc<dyn Tier> {
        Arc::clone(&self.tier)
    }

    fn generation(&self, service: &str, operation: &str) -> u64 {
        (self.generation)(service, operation)
    }

    fn forgets(&self) -> bool {
        self.forgets
    }

    fn largest(&self) -> usize {
        self.largest
    }
}

#[test]
fn memory() {
    contract(|| {
        let tier = Arc::new(Memory::new(64 << 20));
        let asked = Arc::clone(&tier);
        let generation = move |service: &str, operation: &str| asked.generation(service, operation);
        Under { tier, generation, forgets: false, largest: 2 << 20, _folder: None }
    });
}

#[test]
fn disk() {
    contract(|| {
        let folder = TempDir::new().unwrap();
        let tier = Arc::new(Disk::open(&options(folder.path())).unwrap());
        let asked = Arc::clone(&tier);
        let generation = move |service: &str, operation: &str| asked.generation(service, operation).unwrap();
        Under { tier, generation, forgets: false, largest: 64 << 20, _folder: Some(folder) }
    });
}

#[test]
fn durable_disk() {
    contract(|| {
        let folder = TempDir::new().unwrap();
        let tier = Arc::new(Disk::open(&Options { durable: true, ..options(folder.path()) }).unwrap());
        let asked = Arc::clone(&tier);
        let generation = move |service: &str, operation: &str| asked.generation(service, operation).unwrap();
        Under { tier, generation, forgets: false, largest: 1 << 20, _folder: Some(folder) }
    });
}

#[test]
fn stack_of_memory_and_disk() {
    contract(|| {
        let folder = TempDir::new().unwrap();
        let disk = Arc::new(Disk::open(&options(folder.path())).unwrap());
        let tier = Arc::new(Stack::new(16 << 20, vec![Arc::clone(&disk) as Arc<dyn Tier>]));
        let generation = move |service: &str, operation: &str| disk.generation(service, operation).unwrap();
        Under { tier, generation, forgets: false, largest: 2 << 20, _folder: Some(folder) }
    });
}

#[test]
fn the_cache() {
    contract(|| {
        let folder = TempDir::new().unwrap();
        let cache = Cache::open(options(folder.path())).unwrap();
        let tier = Arc::new(OfCache(cache.clone()));
        let generation = move |service: &str, operation: &str| cache.generation(service, operation);
        Under { tier, generation, forgets: false, largest: 2 << 20, _folder: Some(folder) }
    });
}

#[test]
fn the_cache_without_a_store() {
    contract(|| {
        let cache = Cache::without_store(64 << 20);
        let tier = Arc::new(OfCache(cache.clone()));
        let generation = move |service: &str, operation: &str| cache.generation(service, operation);
        Under { tier, generation, forgets: false, largest: 2 << 20, _folder: None }
    });
}

#[test]
fn a_faulty_tier_is_always_a_miss_and_never_a_wrong_answer() {
    for memory_bytes in [0, 16 << 20] {
        contract(|| {
            let folder = TempDir::new().unwrap();
            let disk = Arc::new(Disk::open(&options(folder.path())).unwrap());
            let faulty = Arc::new(Faulty::new(Arc::clone(&disk) as Arc<dyn Tier>, 1));
            let tier = Arc::new(Stack::new(memory_bytes, vec![faulty as Arc<dyn Tier>]));
            let generation = move |service: &str, operation: &str| disk.generation(service, operation).unwrap();
            Under { tier, generation, forgets: true, largest: 1 << 20, _folder: Some(folder) }
        });
    }
}

#[test]
fn a_tier_that_fails_now_and_then_gives_no_answer_that_was_not_put() {
    use larder_testkit::{
        clock::START,
        entry::{bytes_of, entry, want},
    };
    for memory_bytes in [0, 64 << 10] {
        let folder = TempDir::new().unwrap();
        let disk = Arc::new(Disk::open(&options(folder.path())).unwrap());
        let faulty = Arc::new(Faulty::new(disk, 3));
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

/// The cache's own methods, as a tier.
struct OfCache(Cache);

impl Tier for OfCache {
    fn name(&self) -> &'static str {
        "cache"
    }

    fn get<'a>(
        &'a self,
        want: &'a larder_core::record::Want,
        now: larder_core::Timestamp,
    ) -> futures_core::future::BoxFuture<'a, Result<Option<larder::Entry>, larder::Error>> {
        Box::pin(async move { Ok(self.0.get(want, now).await?.map(|(entry, _)| entry)) })
    }

    fn put(
        &self,
        entry: larder::Entry,
        now: larder_core::Timestamp,
    ) -> futures_core::future::BoxFuture<'_, Result<(), larder::Error>> {
        let record = Arc::unwrap_or_clone(entry.record);
        Box::pin(self.0.put(record, entry.body, entry.generation, now))
    }

    fn remove<'a>(
        &'a self,
        what: &'a larder::tier::Selection,
        now: larder_core::Timestamp,
    ) -> futures_core::future::BoxFuture<'a, Result<u64, larder::Error>> {
        Box::pin(self.0.remove(what, now))
    }

    fn list<'a>(
        &'a self,
        what: &'a larder::tier::Selection,
        limit: usize,
        now: larder_core::Timestamp,
    ) -> futures_core::future::BoxFuture<'a, Result<Vec<larder::Entry>, larder::Error>> {
        Box::pin(self.0.list(what, limit, now))
    }

    fn usage(&self) -> larder::tier::Usage {
        self.0.usage()
    }
}
