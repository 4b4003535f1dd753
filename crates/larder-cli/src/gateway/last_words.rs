//! Answers that break off: the client is given what came before.
//!
//! hyper closes a connection as soon as a body fails, and what it has not written by then, the head too, is lost. It writes
//! when a body has nothing to give: so an error is kept until what came before it is with the system.

use crate::net::{Body, BoxError};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite};

/// Whether a connection waits for its client to read. Only the connection's own task looks at it.
#[derive(Clone, Default)]
pub(super) struct Clogged(Arc<AtomicBool>);

impl Clogged {
    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Remembers how a write went.
    fn after<T>(&self, written: Poll<T>) -> Poll<T> {
        self.0.store(written.is_pending(), Ordering::Relaxed);
        written
    }
}

/// A reply's body whose error comes when everything before it has been written.
pub(super) struct LastWords {
    body: Body,
    error: Option<BoxError>,
    clogged: Clogged,
}

impl LastWords {
    pub(super) fn new(body: Body, clogged: Clogged) -> Self {
        Self { body, error: None, clogged }
    }
}

impl HttpBody for LastWords {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.error.is_some() {
            // The write that waits wakes the connection, and hyper asks again behind it.
            return if self.clogged.get() { Poll::Pending } else { Poll::Ready(self.error.take().map(Err)) };
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

/// A connection that tells whether it is clogged.
pub(super) struct Telling<S> {
    stream: TokioIo<S>,
    clogged: Clogged,
}

impl<S> Telling<S> {
    pub(super) fn new(stream: S, clogged: Clogged) -> Self {
        Self { stream: TokioIo::new(stream), clogged }
    }
}

impl<S: AsyncRead + Unpin> Read for Telling<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> Write for Telling<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.clogged.after(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.clogged.after(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
