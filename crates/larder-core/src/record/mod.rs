//! The record: the small document that says "the answer to this question is that body".
//!
//! Encoded as DAG-CBOR; its CID ([`RecordCid`]) is stored beside it, so that no damaged record is believed.
//! The form is specified in docs/design/record.md.

mod cbor;
mod check;
mod freshness;
mod layout;
pub mod run;
mod strict;
mod want;

pub use freshness::{Freshness, MAX_LIFETIME, MAX_SKEW, MAX_UNCONFIRMED};
pub use want::{Want, vary_value};

use crate::{BodyCid, QueryKey, RecordCid, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};

/// What chooses the form of one answer and is not in the key: told apart under one key. Empty for the plain form.
/// A canonical text such as `stream` or `accept=text/plain;stream`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Variant(pub String);

/// The version of the form that this program writes and reads.
pub const VERSION: u8 = 1;

/// The stored answer's metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this form: [`VERSION`].
    pub v: u8,
    /// The question's key.
    pub key: QueryKey,
    /// The form of the answer.
    pub variant: Variant,
    /// Request headers that the origin's `Vary` named, lower-case, with the values that this answer was given for
    /// (RFC 9111 §4.1); `None`: the header was absent.
    pub vary: Vec<(String, Option<String>)>,
    /// Adapter name.
    pub service: String,
    /// Operation name.
    pub operation: String,
    /// The share, as text.
    pub share: String,
    /// The canonical question, for `show` and `explain`. Holds no credential.
    #[serde(with = "serde_bytes")]
    pub question: Vec<u8>,
    /// The answer's bytes.
    pub body: BodyCid,
    /// How many bytes.
    pub body_len: u64,
    /// Status and headers, or exit code and frames.
    pub head: Head,
    /// When the answer was complete at the origin.
    pub created: Timestamp,
    /// How old it was then (the origin's `Age`), milliseconds.
    pub initial_age_ms: u64,
    /// How long it is fresh, milliseconds from `created - initial_age_ms`.
    pub ttl_ms: u64,
    /// How long after the end of its ttl it may be served while it is revalidated (RFC 5861 §3), milliseconds.
    pub stale_while_revalidate_ms: u64,
    /// How long after the end of its ttl it may be served when the origin fails (RFC 5861 §4), milliseconds.
    pub stale_if_error_ms: u64,
    /// What asking again would cost, for eviction and for the statistics.
    pub cost: Cost,
    /// Digest of the members that tell whether the answer really changed; `None` without a fingerprint rule.
    #[serde(deserialize_with = "present")]
    pub fingerprint: Option<String>,
}

/// Reads a member that must be there, if only as `null`: serde takes one that is missing for `None`, and then one record
/// would have two encodings.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(deserializer)
}

/// What asking the origin cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Milliseconds until the answer was whole.
    pub elapsed_ms: u64,
    /// Tokens that went in, where the service says so.
    pub input_tokens: u64,
    /// Tokens that came out, where the service says so.
    pub output_tokens: u64,
}

/// What there is besides the body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// An HTTP answer: status, and headers in their order (names lower-case, values as bytes; hop-by-hop, `set-cookie`
    /// and `age` left out).
    Http {
        /// Status code.
        status: u16,
        /// Headers in order.
        headers: Vec<(String, serde_bytes::ByteBuf)>,
    },
    /// A tool's run. The body is what it wrote, in the order it was seen.
    Tool {
        /// Exit code, 0–255.
        exit_code: u8,
        /// Which stretch of the body went where, in order.
        frames: Vec<Frame>,
    },
    /// A value that was put by hand (`larder put`, library).
    Value {
        /// Media type, if it was named.
        #[serde(deserialize_with = "present")]
        content_type: Option<String>,
    },
}

/// One stretch of a tool's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// 1: stdout; 2: stderr. Where both were one file, everything is 1.
    pub fd: u8,
    /// Bytes of the body.
    pub len: u64,
    /// Milliseconds since the start.
    pub at_ms: u64,
}

/// Why bytes are not a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The bytes are not what their CID says.
    #[error("the record's bytes do not match their CID `{expected}`")]
    Mismatch {
        /// The CID that was stored.
        expected: RecordCid,
    },
    /// Not DAG-CBOR of this form.
    #[error("not a record: {0}")]
    Form(String),
    /// Of a version that this program does not know.
    #[error("a record of version `{0}`, this program knows `{VERSION}`")]
    Version(u64),
    /// Of the right form, but it says what cannot be.
    #[error("not a record: {0}")]
    Nonsense(String),
}

/// The one member that every version has.
#[derive(Deserialize)]
struct Versioned {
    v: u64,
}

impl Record {
    /// DAG-CBOR bytes. A record that [`Self::decode`] would refuse is refused here already.
    pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
        check::check(self)?;
        Ok(layout::write(self))
    }

    /// Reads what [`Self::encode`] wrote; `expected` is the CID stored beside it and is verified first.
    /// Refused: bytes that are not what the CID says, another version, and what cannot be (a status outside 100–599,
    /// header names that are not lower-case, frames that do not sum to the body).
    pub fn decode(bytes: &[u8], expected: &RecordCid) -> Result<Self, RecordError> {
        if RecordCid::of(bytes) != *expected {
            return Err(RecordError::Mismatch { expected: *expected });
        }
        if let Some(record) = layout::read(bytes) {
            return check::check(&record).map(|()| record);
        }
        // One with a member that a later version added, or what is no record: it is said why.
        let record: Self = serde_ipld_dagcbor::from_slice(bytes).map_err(|error| unreadable(bytes, &error))?;
        check::check(&record)?;
        if strict::is_canonical(bytes) { Ok(record) } else { Err(RecordError::Form("it is not canonical".to_owned())) }
    }
}

/// Why `bytes` could not be read: because of their version, where they have one that is not ours.
fn unreadable(bytes: &[u8], error: &impl ToString) -> RecordError {
    match serde_ipld_dagcbor::from_slice::<Versioned>(bytes) {
        Ok(Versioned { v }) if v != u64::from(VERSION) => RecordError::Version(v),
        _ => RecordError::Form(error.to_string()),
    }
}

#[cfg(test)]
pub(crate) mod tests;
