//! Canonical parts of a question: query strings, non-JSON and multipart bodies, `name=value` and `name:=JSON` words.
//!
//! The forms are specified in docs/design/key.md ("Query strings", "Bodies"). Nothing here fails on odd input: what
//! cannot be taken apart enters the question as its text or its digest, in a form that nothing else has.

mod body;
mod media;
mod multipart;
mod query;
mod words;

pub use body::{body_member, digest_member};
pub use media::is_json;
pub use query::query_members;
pub use words::words;
