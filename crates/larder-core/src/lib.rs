//! What larder decides, and nothing else.
//!
//! Keys, canonical forms, adapters, verdicts, freshness, records and shares are pure functions here: no sockets,
//! no files, no clock, no async. Time is a parameter ([`Timestamp`]), secrets are values that cannot be printed.
//! The engine (`larder`) acts on these decisions, the binary (`larder-cli`) talks to people about them.

pub mod adapter;
pub mod cid;
pub mod codec;
pub mod explain;
pub mod freshness;
pub mod json;
pub mod judge;
pub mod origin_id;
pub mod params;
pub mod question;
pub mod record;
pub mod registry;
pub mod scan;
pub mod secret;
pub mod share;
pub mod time;

pub use cid::{BodyCid, QueryKey, RecordCid};
pub use json::Json;
pub use question::Question;
pub use record::{Head, Record, Variant};
pub use registry::Registry;
pub use share::{Share, ShareChoice};
pub use time::Timestamp;
