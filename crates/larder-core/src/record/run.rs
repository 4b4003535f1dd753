//! A tool's answer as one file that is read without a database, and the stretches of what it wrote (docs/design/store.md).
//!
//! `LARDRN01`, generation, length of the record (both 8 bytes, little-endian), the record's digest (32), 8 bytes of a digest
//! over all that; then the record; then the body, to the end.

use super::{Frame, Freshness, Head, Record, Want};
use crate::{BodyCid, QueryKey, RecordCid, Timestamp, cid::sha256};

/// What each file begins with.
const MAGIC: &[u8; 8] = b"LARDRN01";
/// How long the header is, in bytes.
pub const HEADER: usize = 8 + 8 + 8 + 32 + 8;

/// What a run's file says, its body aside.
#[derive(Clone, Debug, PartialEq)]
pub struct RunFile {
    /// The record.
    pub record: Record,
    /// The generation under which it was kept.
    pub generation: u64,
    /// Where the body begins.
    pub body_at: usize,
}

/// The header of a file whose record is encoded as `record` and known as `cid`.
#[must_use]
pub fn header(record: &[u8], cid: &RecordCid, generation: u64) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&generation.to_le_bytes());
    header.extend_from_slice(&(record.len() as u64).to_le_bytes());
    header.extend_from_slice(cid.digest());
    let check = sha256(&header);
    header.extend_from_slice(&check[..8]);
    header
}

impl RunFile {
    /// Reads a file's header and record; `None` where one of the two is not what its digest says. The body is not looked
    /// at: see [`Self::answers`].
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
        let (fields, check) = header.split_at(HEADER - 8);
        if !fields.starts_with(MAGIC) || sha256(fields)[..8] != *check {
            return None;
        }
        let number = |at: usize| fields[at..at + 8].try_into().ok().map(u64::from_le_bytes);
        let len = usize::try_from(number(16)?).ok()?;
        let cid = RecordCid::from_digest(fields[24..56].try_into().ok()?);
        let record = Record::decode(rest.get(..len)?, &cid).ok()?;
        Some(Self { record, generation: number(8)?, body_at: HEADER + len })
    }

    /// Whether `body`, which is what stands in the file behind the record, is the answer to `want` at `now`.
    #[must_use]
    pub fn answers(&self, body: &[u8], want: &Want, now: Timestamp) -> bool {
        let record = &self.record;
        // Who makes a record up from a key, which the file's name tells, does not know the question that it is the digest of.
        want.accepts(record)
            && QueryKey::of(&record.question) == record.key
            && matches!(record.head, Head::Tool { .. })
            && record.freshness(now) != Freshness::Gone
            && body.len() as u64 == record.body_len
            && BodyCid::of(body) == record.body
    }
}

/// Adds a stretch to what a run wrote: stretches of one stream within one millisecond are one.
pub fn add_frame(frames: &mut Vec<Frame>, frame: Frame) {
    match frames.last_mut().filter(|last| last.fd == frame.fd && last.at_ms == frame.at_ms) {
        Some(last) => last.len += frame.len,
        None => frames.push(frame),
    }
}

/// The stretches of `body` with the number of the stream that each went to, in order. Where the frames say more than there
/// is, the last ones are short or empty.
pub fn stretches<'a>(frames: &'a [Frame], body: &'a [u8]) -> impl Iterator<Item = (u8, &'a [u8])> {
    let mut rest = body;
    frames.iter().map(move |frame| {
        let (stretch, after) = rest.split_at(usize::try_from(frame.len).unwrap_or(usize::MAX).min(rest.len()));
        rest = after;
        (frame.fd, stretch)
    })
}
