//! larder as a library: lookup → single flight → origin → store.
//!
//! Decisions come from `larder-core`; this crate acts on them.

pub mod cache;
pub mod entry;
pub mod error;
pub mod flight;
pub mod origin;
pub mod stats;
mod sync;
pub mod tier;

pub use cache::{Answer, Cache, Options};
pub use entry::{Body, Entry, SharedRecord, Since};
pub use error::{Error, IndexFault};
pub use origin::{Origin, OriginAnswer, OriginError};
