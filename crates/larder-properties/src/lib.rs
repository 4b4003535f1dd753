//! What holds of every input of larder's parsers.
//!
//! One function for each parser takes any bytes and panics where something that was promised does not hold. The same
//! functions are the fuzz targets (`fuzz/`), run over generated inputs in `cargo test`, and over every input that is kept
//! (`fuzz/corpus`, `fuzz/findings`). How the bytes of an input are read is told at each function.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these functions are tests")]

mod adapter;
mod asked;
mod cache_control;
pub mod cbor;
pub mod corpus;
mod json;
mod key;
mod plans;
pub mod reader;
mod record;
pub mod respell;
mod run;
mod sse;
mod tool;

pub use adapter::adapter;
pub use cache_control::cache_control;
pub use json::json;
pub use key::key;
pub use record::record;
pub use run::run;
pub use sse::sse;

/// A property: takes any bytes, panics where it does not hold.
pub type Property = fn(&[u8]);

/// Every property by the name of its fuzz target, corpus and findings.
pub const ALL: &[(&str, Property)] = &[
    ("json", json),
    ("key", key),
    ("adapter", adapter),
    ("record", record),
    ("run", run),
    ("sse", sse),
    ("cache_control", cache_control),
];

/// How many inputs are kept for a property.
pub const MOST_INPUTS: usize = 300;
/// How large a file of kept inputs is at most, in bytes.
pub const MOST_BYTES: usize = 1 << 20;
