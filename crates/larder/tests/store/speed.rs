//! What the store costs, to be looked at: `cargo test --release -p larder --test store -- --ignored --nocapture speed`.

use crate::{open, options, put};
use larder::{Cache, tier::disk::runs};
use larder_core::{Head, Record, record::Frame};
use larder_testkit::{
    clock::START,
    entry::{noise, record, want, with_body},
};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Median and 99th percentile of `times` calls.
fn measure(name: &str, times: usize, mut call: impl FnMut(usize)) {
    let mut taken: Vec<Duration> = (0..times)
        .map(|n| {
            let start = Instant::now();
            call(n);
            start.elapsed()
        })
        .collect();
    taken.sort();
    println!("{name:<40} p50 {:>10?}  p99 {:>10?}", taken[times / 2], taken[times * 99 / 100]);
}

#[test]
#[ignore = "measures; asserts nothing"]
fn speed() {
    let folder = TempDir::new().unwrap();
    let cache = open(folder.path());
    let body = noise(1024);
    measure("put 1 KiB", 20_000, |n| put(&cache, &format!("q{n}"), &body, START).unwrap());
    let plain = Cache::open(crate::disk_only(folder.path())).unwrap();
    let wants: Vec<_> = (0..20_000).map(|n| want(&format!("q{}", n * 7919 % 20_000))).collect();
    let get = |cache: &Cache, n: usize| assert!(pollster::block_on(cache.get(&wants[n], START)).unwrap().is_some());
    measure("get 1 KiB, disk", 20_000, |n| get(&plain, n));
    get(&cache, 0);
    measure("get 1 KiB, memory", 20_000, |_| get(&cache, 0));
    for len in [64 << 10, 1 << 20, 16 << 20] {
        let body = noise(len);
        measure(&format!("put {} KiB", len >> 10), 20, |n| put(&plain, &format!("{len}:{n}"), &body, START).unwrap());
        measure(&format!("get {} KiB, disk", len >> 10), 20, |n| {
            assert!(pollster::block_on(plain.get(&want(&format!("{len}:{n}")), START)).unwrap().is_some());
        });
    }
    let head = Head::Tool { exit_code: 0, frames: vec![Frame { fd: 1, len: 1024, at_ms: 0 }] };
    let tool = with_body(Record { head, ..record("tool", &body, START) }, &body);
    pollster::block_on(plain.put((*tool.record).clone(), tool.body, 0, START)).unwrap();
    measure("read a run", 2_000, |_| assert!(runs::read(folder.path(), &want("tool"), START).is_some()));
    measure("count a hit of a run", 2_000, |_| runs::count_hit(folder.path(), "svc", "op"));
    measure("count", 20_000, |_| cache.count("svc", "op", larder::stats::Event::Hit));
    measure("generation", 2_000, |_| assert_eq!(cache.generation("svc", "op"), 0));
    measure("open and close", 50, |_| drop(Cache::open(options(folder.path())).unwrap()));
    drop((cache, plain));
    measure("open and close, nobody else", 50, |_| drop(Cache::open(options(folder.path())).unwrap()));
}
