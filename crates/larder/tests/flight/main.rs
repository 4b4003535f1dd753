//! Flights: who asks the origin how often, what everybody gets, what is kept.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends where it fails")]

mod crowd;
mod identities;
mod kept;
mod leaving;
mod released;
mod shelf;
mod stages;
mod stale;
mod streams;
mod together;
#[path = "../store/trials/told.rs"]
mod told;
mod world;
