//! What the store costs: `cargo bench -p larder --bench store` (with `LARDER_LONG=1` also at a million entries).

#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{Bencher, Criterion, criterion_group, criterion_main};
use larder::{Cache, Options};
use larder_core::record::Want;
use larder_testkit::{
    clock::START,
    entry::{entry, noise, want},
};
use std::{
    cell::LazyCell,
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Far more questions than a connection keeps pages of, few enough for every run.
const FEW: usize = 10_000;
const MANY: usize = 1_000_000;
/// How many of a store's questions are asked, in an order that says nothing.
const ASKED: usize = 20_000;

fn options(dir: &Path, memory_bytes: u64) -> Options {
    Options { dir: dir.to_owned(), max_bytes: 0, max_entries: 0, memory_bytes, durable: false }
}

fn open(dir: &Path) -> Cache {
    Cache::open(options(dir, 0)).unwrap()
}

fn folder() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn put(cache: &Cache, question: &str, body: &[u8]) {
    let entry = entry(question, body, START);
    let generation = cache.generation(&entry.record.service, &entry.record.operation);
    pollster::block_on(cache.put((*entry.record).clone(), entry.body, generation, START)).unwrap();
}

/// A store of `entries` answers of `len` bytes.
fn filled(entries: usize, len: usize) -> TempDir {
    let folder = folder();
    let cache = open(folder.path());
    let mut body = noise(len);
    for n in 0..entries {
        body[..8].copy_from_slice(&n.to_le_bytes());
        put(&cache, &format!("q{n}"), &body);
    }
    folder
}

/// A cache, and questions that it has answers to, each another one, in an order that says nothing.
struct Asker {
    cache: Cache,
    wants: std::iter::Cycle<std::vec::IntoIter<Want>>,
}

impl Asker {
    fn new(dir: &Path, entries: usize, memory_bytes: u64) -> Self {
        let wants: Vec<Want> = (0..ASKED).map(|n| want(&format!("q{}", n * 7919 % entries * 127 % entries))).collect();
        Self { cache: Cache::open(options(dir, memory_bytes)).unwrap(), wants: wants.into_iter().cycle() }
    }

    fn hit(&mut self, tier: &str) {
        let want = self.wants.next().unwrap();
        let found = pollster::block_on(self.cache.get(&want, START)).unwrap();
        assert_eq!(found.as_ref().map(|found| found.1), Some(tier));
        black_box(found);
    }
}

/// Runs `routine` on what `prepare` makes: once, and only if the bench was chosen. (Criterion calls a bench's function
/// for every sample.)
fn bench<T>(
    criterion: &mut Criterion,
    name: &str,
    prepare: impl Fn() -> T,
    mut routine: impl FnMut(&mut Bencher<'_>, &mut T),
) {
    let mut prepared = None;
    criterion.benchmark_group("store").bench_function(name, |bencher| {
        routine(bencher, prepared.get_or_insert_with(&prepare));
    });
}

fn memory(criterion: &mut Criterion) {
    let prepare = || {
        let folder = filled(1000, 1024);
        let mut asker = Asker::new(folder.path(), 1000, 64 << 20);
        (0..1000).for_each(|_| asker.hit("disk"));
        (asker, folder)
    };
    bench(criterion, "memory_hit_1k", prepare, |bencher, (asker, _)| bencher.iter(|| asker.hit("memory")));
}

fn disk(criterion: &mut Criterion) {
    for (name, entries, len) in
        [("disk_hit_1k", 2 * FEW, 1 << 10), ("disk_hit_64k", 500, 64 << 10), ("disk_hit_1m", 50, 1 << 20)]
    {
        let prepare = || {
            let folder = filled(entries, len);
            (Asker::new(folder.path(), entries, 0), folder)
        };
        bench(criterion, name, prepare, |bencher, (asker, _)| bencher.iter(|| asker.hit("disk")));
    }
}

fn puts(criterion: &mut Criterion) {
    let prepare = || {
        let folder = filled(FEW, 1024);
        (open(folder.path()), 0, folder)
    };
    bench(criterion, "put_1k", prepare, |bencher, (cache, n, _)| {
        // What a caller has when the origin has answered.
        let (body, generation) = (noise(1024), cache.generation("svc", "op"));
        let fresh = || {
            *n += 1;
            let entry = entry(&format!("new{n}"), &body, START);
            ((*entry.record).clone(), entry.body)
        };
        let keep = |(record, body)| pollster::block_on(cache.put(record, body, generation, START)).unwrap();
        bencher.iter_batched(fresh, keep, criterion::BatchSize::SmallInput);
    });
}

/// Opens a store that no process has open. Closing, which folds its WAL, is not measured.
fn open_alone(dir: &Path) -> Duration {
    let start = Instant::now();
    let cache = Cache::open(options(dir, 16 << 20)).unwrap();
    let taken = start.elapsed();
    drop(cache);
    taken
}

fn sizes(criterion: &mut Criterion) {
    let is_long = std::env::var_os("LARDER_LONG").is_some_and(|value| value == "1");
    for (name, entries) in [("10k", FEW), ("1m", MANY)].into_iter().take(if is_long { 2 } else { 1 }) {
        let folder = LazyCell::new(|| filled(entries, 1024));
        bench(
            criterion,
            &format!("open_{name}"),
            || (),
            |bencher, ()| {
                bencher.iter_custom(|times| (0..times).map(|_| open_alone(folder.path())).sum::<Duration>());
            },
        );
        let prepare = || Asker::new(folder.path(), entries, 0);
        bench(criterion, &format!("hit_at_{name}"), prepare, |bencher, asker| bencher.iter(|| asker.hit("disk")));
    }
}

criterion_group!(benches, memory, disk, puts, sizes);
criterion_main!(benches);
