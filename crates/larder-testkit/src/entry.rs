//! Entries for tests: everything that matters follows from a few words.

use bytes::Bytes;
use larder::{Body, Entry};
use larder_core::{
    BodyCid, Head, QueryKey, Record, Timestamp, Variant,
    record::{Cost, Want},
};

/// The service that entries belong to unless a test says otherwise.
pub const SERVICE: &str = "svc";
/// The operation that entries belong to unless a test says otherwise.
pub const OPERATION: &str = "op";

/// The key of the question `question`.
#[must_use]
pub fn key(question: &str) -> QueryKey {
    QueryKey::of(question.as_bytes())
}

/// The plain form of the answer to `question`.
#[must_use]
pub fn want(question: &str) -> Want {
    Want::plain(key(question))
}

/// A record of `body` as the answer to `question`, complete at `created`, fresh for an hour.
#[must_use]
pub fn record(question: &str, body: &[u8], created: Timestamp) -> Record {
    Record {
        v: 1,
        key: key(question),
        variant: Variant::default(),
        vary: Vec::new(),
        service: SERVICE.to_owned(),
        operation: OPERATION.to_owned(),
        share: "anonymous".to_owned(),
        question: question.as_bytes().to_vec(),
        body: BodyCid::of(body),
        body_len: body.len() as u64,
        head: Head::Value { content_type: None },
        created,
        initial_age_ms: 0,
        ttl_ms: 3_600_000,
        stale_while_revalidate_ms: 0,
        stale_if_error_ms: 0,
        cost: Cost::default(),
        fingerprint: None,
    }
}

/// [`record`] with its body, of generation 0.
#[must_use]
pub fn entry(question: &str, body: &[u8], created: Timestamp) -> Entry {
    with_body(record(question, body, created), body)
}

/// `record` with `body` in memory, of generation 0.
#[must_use]
pub fn with_body(record: Record, body: &[u8]) -> Entry {
    Entry { record: record.into(), body: Body::Bytes(Bytes::copy_from_slice(body)), generation: 0, removals: None }
}

/// Every byte of an entry's body, read from its file if it is one.
#[must_use]
pub fn bytes_of(entry: &Entry) -> Vec<u8> {
    use std::os::unix::fs::FileExt as _;
    match &entry.body {
        Body::Bytes(bytes) => bytes.to_vec(),
        Body::File { file, len, .. } => {
            let mut bytes = vec![0; usize::try_from(*len).unwrap_or(0)];
            match file.read_exact_at(&mut bytes, 0) {
                Ok(()) => bytes,
                Err(_) => Vec::new(),
            }
        }
    }
}

/// `len` bytes that look like noise and are always the same.
#[must_use]
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ len as u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&(state ^ state >> 29).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
