//! What a record cannot say.

use super::{Frame, Head, Record, RecordError, VERSION};
use http::HeaderName;
use serde_bytes::ByteBuf;

/// The last millisecond of the year 9999: no clock says more, and sums with it stay far from overflow.
const LAST_MS: i64 = 253_402_300_799_999;

/// `Err` where the record is of another version or says what cannot be.
pub(super) fn check(record: &Record) -> Result<(), RecordError> {
    if record.v != VERSION {
        return Err(RecordError::Version(record.v.into()));
    }
    if !(-LAST_MS..=LAST_MS).contains(&record.created.0) {
        return nonsense(format!("created at `{}`", record.created.0));
    }
    if let Some((name, _)) = record.vary.iter().find(|(name, _)| !is_field_name(name)) {
        return nonsense(format!("varies by `{}`, not a lower-case header name", name.escape_debug()));
    }
    match &record.head {
        Head::Http { status, headers } => http(*status, headers),
        Head::Tool { frames, .. } => tool(frames, record.body_len),
        Head::Value { .. } => Ok(()),
    }
}

fn nonsense(what: String) -> Result<(), RecordError> {
    Err(RecordError::Nonsense(what))
}

fn http(status: u16, headers: &[(String, ByteBuf)]) -> Result<(), RecordError> {
    if !(100..=599).contains(&status) {
        return nonsense(format!("status `{status}`"));
    }
    match headers.iter().find(|(name, value)| !is_field_name(name) || !is_field_value(value)) {
        Some((name, _)) => nonsense(format!("the header `{}` cannot be sent", name.escape_debug())),
        None => Ok(()),
    }
}

/// A lower-case token (RFC 9110 §5.1); `*` is one, too.
fn is_field_name(name: &str) -> bool {
    HeaderName::from_lowercase(name.as_bytes()).is_ok()
}

/// No control characters (RFC 9110 §5.5): a line break would begin a header of its own.
fn is_field_value(value: &[u8]) -> bool {
    value.iter().all(|byte| (*byte >= 0x20 && *byte != 0x7F) || *byte == b'\t')
}

fn tool(frames: &[Frame], body_len: u64) -> Result<(), RecordError> {
    if let Some(frame) = frames.iter().find(|frame| !(1..=2).contains(&frame.fd)) {
        return nonsense(format!("a frame of file descriptor `{}`", frame.fd));
    }
    let sum = frames.iter().try_fold(0_u64, |sum, frame| sum.checked_add(frame.len));
    if sum == Some(body_len) { Ok(()) } else { nonsense("the frames do not sum to the body".to_owned()) }
}
