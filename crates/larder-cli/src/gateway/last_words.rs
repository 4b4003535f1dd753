//! Answers that break off: the client is given what came before.

use crate::net::{Body, BoxError};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A reply's body whose error comes one poll later than it could. hyper closes a connection as soon as a body fails,
/// and what it has not written by then, the head too, is lost; it writes when a body has nothing to give.
pub(super) struct LastWords {
    body: Body,
    error: Option<BoxError>,
}

impl LastWords {
    pub(super) fn new(body: Body) -> Self {
        Self { body, error: None }
    }
}

impl HttpBody for LastWords {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Err(error)) => {
                self.error = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            frame => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.error.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
