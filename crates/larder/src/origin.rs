//! The origin: whoever is asked when the store has no answer.

use bytes::Bytes;
use futures_core::{future::BoxFuture, stream::BoxStream};
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, StatusCode, Version, header};

/// Something that can be asked once.
pub trait Origin: Send + 'static {
    /// Asks. `conditional` are validators to add (`if-none-match`, `if-modified-since`); empty for a plain call. Where
    /// there are any, they take the place of *all* conditional headers that the client sent: a 304 must speak of the
    /// stored answer and of nothing else.
    fn call(self: Box<Self>, conditional: HeaderMap) -> BoxFuture<'static, Result<OriginAnswer, OriginError>>;

    /// Whether the answer has no body although it may name a `content-length` (the request's method is HEAD).
    fn bodiless(&self) -> bool {
        false
    }
}

/// An answer on its way: status and headers are there, the body streams.
pub struct OriginAnswer {
    /// Status.
    pub status: StatusCode,
    /// Headers in order.
    pub headers: HeaderMap,
    /// The body; an error means that it was cut short.
    pub body: BoxStream<'static, Result<Bytes, OriginError>>,
}

/// Why the origin gave no (whole) answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginError {
    /// No connection, or it was lost before the headers.
    #[error("the origin cannot be reached: {0}")]
    Unreachable(String),
    /// No headers, or no bytes for too long.
    #[error("the origin did not answer in time")]
    TimedOut,
    /// The body ended early.
    #[error("the origin's answer was cut short: {0}")]
    Truncated(String),
    /// As a body's last item: it ended with the connection, without a length or a last chunk (RFC 9112 §6.3, rule 8), so
    /// that nobody can tell whether it is whole. It is passed on as it is, and kept only where it says itself that it is
    /// whole.
    #[error("the origin's answer ended with the connection")]
    Unmarked,
}

/// The body of an answer over HTTP, with [`OriginError::Unmarked`] at its end where that is not marked. `headers` are
/// the origin's own, `transfer-encoding` included.
#[must_use]
pub fn marked(
    version: Version,
    status: StatusCode,
    headers: &HeaderMap,
    body: BoxStream<'static, Result<Bytes, OriginError>>,
) -> BoxStream<'static, Result<Bytes, OriginError>> {
    let framed = version >= Version::HTTP_2
        || headers.contains_key(header::CONTENT_LENGTH)
        || headers.contains_key(header::TRANSFER_ENCODING)
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if framed { body } else { body.chain(stream::iter([Err(OriginError::Unmarked)])).boxed() }
}
