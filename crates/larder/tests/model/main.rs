//! The flight, model-checked: the sources of `src/flight` themselves, compiled over `shuttle`, whose scheduler decides at
//! every lock, atomic and await who goes on. A schedule that breaks a promise is printed, and can be replayed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends where it fails")]

// What the sources name as `crate::…`.
use larder::{
    Answer, Body, Cache, Entry, Error, Origin, OriginAnswer, OriginError, SharedRecord, Since, cache, stats, tier,
};

#[path = "../../src/flight/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "the library uses and publishes it")]
mod flight;

use shuttle::{
    Config, Runner,
    scheduler::{PctScheduler, RandomScheduler},
};

mod crowd;
mod ends;
mod store;
mod sync;
mod writes;

/// Tries `model` under schedules of two kinds: `count` of each in the short form, 100 times as many with `LARDER_LONG=1`.
fn check(count: usize, model: impl Fn() + Send + Sync + Clone + 'static) {
    let count = if larder_testkit::is_long() { 100 * count } else { count };
    let mut config = Config::new();
    // Unoptimised, the adapter's parser and the formatting of a failure need room.
    config.stack_size = 1 << 20;
    Runner::new(RandomScheduler::new(count), config.clone()).run(model.clone());
    Runner::new(PctScheduler::new(3, count), config).run(model);
}
