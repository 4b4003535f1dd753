//! What larder is tested with: a scripted origin, a manual clock, entries, the tier contract suite, a faulty tier.

pub mod cancel;
pub mod clock;
pub mod contract;
pub mod entry;
pub mod faulty;
pub mod origin;

pub use contract::is_long;
pub use origin::{Gate, Reply, Scripted, Seen, Served};
