//! What is stored or streamed, as an answer.

use super::{
    Handed, Streaming,
    board::Listener,
    pilot::for_client,
    spool::{Reader, read_at},
};
use crate::{
    Answer, Body, Entry, OriginError, SharedRecord,
    cache::{AnswerBody, How},
    sync::timeout,
};
use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use larder_core::{Head, Record, Share, Timestamp, judge::is_of_the_asker};
use std::{fs::File, sync::Arc, time::Duration};

/// Whether an entry can be given to an HTTP client: a tool's run cannot.
pub(crate) fn is_servable(record: &Record) -> bool {
    !matches!(record.head, Head::Tool { .. })
}

/// A stored answer.
pub(crate) fn stored(entry: Entry, how: How, now: Timestamp, bodiless: bool) -> Answer {
    let record = &entry.record;
    let (status, mut headers) = stored_head(record);
    let has_length = !bodiless && status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED;
    if has_length && !headers.contains_key(header::CONTENT_LENGTH) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(record.body_len));
    }
    let (age, ttl) = (record.age(now), Duration::from_millis(record.ttl_ms));
    Answer {
        how,
        status,
        headers,
        age: Some(age),
        ttl_s: Some(seconds(ttl).saturating_sub(seconds(age))),
        stored: true,
        body: body(entry.body),
    }
}

fn stored_head(record: &SharedRecord) -> (StatusCode, HeaderMap) {
    match &record.head {
        Head::Http { status, .. } => {
            (StatusCode::from_u16(*status).unwrap_or(StatusCode::OK), record.headers().clone())
        }
        Head::Value { content_type } => {
            let media = content_type.as_deref().unwrap_or("application/octet-stream");
            let value = HeaderValue::from_str(media);
            (StatusCode::OK, value.ok().map(|value| (header::CONTENT_TYPE, value)).into_iter().collect())
        }
        Head::Tool { .. } => (StatusCode::OK, HeaderMap::new()),
    }
}

/// An answer as it streams past. Only the leader's client is given what the origin set for it alone.
/// `None`: its beginning is no longer held.
pub(super) fn streamed(streaming: &Streaming, how: How, listener: Listener, share: &Share) -> Option<Answer> {
    let reader = streaming.spool.reader()?;
    let mut headers = streaming.headers.clone();
    if how == How::Collapsed {
        let own: Vec<_> = headers.keys().filter(|name| is_of_the_asker(name, share)).cloned().collect();
        for name in own {
            headers.remove(name);
        }
    }
    Some(Answer {
        how,
        status: streaming.status,
        headers,
        age: streaming.age,
        ttl_s: Some(streaming.ttl_s),
        stored: false,
        body: AnswerBody::Stream(spooled(reader, listener)),
    })
}

/// An answer that is not kept, straight from the origin.
pub(super) fn handed(handed: Handed, how: How, idle: Duration) -> Answer {
    let answer = handed.answer;
    Answer {
        how,
        status: answer.status,
        headers: for_client(&answer.headers),
        age: None,
        ttl_s: None,
        stored: false,
        body: AnswerBody::Stream(impatient(answer.body, idle)),
    }
}

/// Listening lasts as long as the stream is held.
fn spooled(reader: Reader, listener: Listener) -> BoxStream<'static, Result<Bytes, OriginError>> {
    let pieces = stream::unfold((reader, listener), |(mut reader, listener)| async move {
        reader.next().await.map(|piece| (piece, (reader, listener)))
    });
    pieces.boxed()
}

fn body(body: Body) -> AnswerBody {
    match body {
        Body::Bytes(bytes) => AnswerBody::Whole(bytes),
        Body::File { file, len, .. } => AnswerBody::Stream(from_file(file, len)),
    }
}

fn from_file(file: Arc<File>, len: u64) -> BoxStream<'static, Result<Bytes, OriginError>> {
    let pieces = stream::unfold(Some(0), move |at| {
        let file = Arc::clone(&file);
        async move {
            let at = at.filter(|at| *at < len)?;
            match read_at(file, at, len - at).await {
                Ok(bytes) => {
                    let next = at + bytes.len() as u64;
                    Some((Ok(bytes), Some(next)))
                }
                Err(error) => Some((Err(OriginError::Truncated(error.to_string())), None)),
            }
        }
    });
    pieces.boxed()
}

/// Ends in an error when the origin is silent for too long.
fn impatient(
    body: BoxStream<'static, Result<Bytes, OriginError>>,
    idle: Duration,
) -> BoxStream<'static, Result<Bytes, OriginError>> {
    let pieces = stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        match timeout(idle, body.next()).await {
            Ok(Some(Err(OriginError::Unmarked))) => None,
            Ok(piece) => piece.map(|piece| {
                let rest = piece.is_ok().then_some(body);
                (piece, rest)
            }),
            Err(_) => Some((Err(OriginError::TimedOut), None)),
        }
    });
    pieces.boxed()
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
