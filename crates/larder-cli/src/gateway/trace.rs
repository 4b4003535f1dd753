//! One line a request: never a header, a query or a body.

use super::Reply;
use http::Method;
use std::time::Instant;

/// What a reply says of itself for the line.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// The service.
    pub(super) service: String,
    /// The operation, where one was recognised.
    pub(super) operation: Option<String>,
    /// `hit`, `miss`, `pass`, …
    pub(super) how: &'static str,
}

/// Whether anybody reads the lines.
pub(super) fn is_read() -> bool {
    tracing::enabled!(tracing::Level::DEBUG)
}

/// A request's line, from its beginning on; `None` where nobody reads it.
pub(super) struct Line(Option<(Instant, Method)>);

impl Line {
    /// A request has come.
    pub(super) fn begin(method: &Method) -> Self {
        Self(is_read().then(|| (Instant::now(), method.clone())))
    }

    /// It is answered.
    pub(super) fn end(self, reply: &Reply) {
        let Some((start, method)) = self.0 else { return };
        let outcome = reply.extensions().get::<Outcome>();
        tracing::debug!(
            %method,
            service = outcome.map_or("-", |outcome| outcome.service.as_str()),
            operation = outcome.and_then(|outcome| outcome.operation.as_deref()).unwrap_or("-"),
            outcome = outcome.map_or("own", |outcome| outcome.how),
            status = reply.status().as_u16(),
            ms = start.elapsed().as_secs_f64() * 1e3,
            "request"
        );
    }
}
