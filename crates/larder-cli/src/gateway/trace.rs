//! One line a request: never a header, a query or a body.

use super::{Door, Reply, rescue::Failure, step::Next};
use http::Request;
use hyper::body::Incoming;
use std::{sync::Arc, time::Instant};

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

/// The layer.
pub(super) async fn line<N: Next<Request<Incoming>>>(
    _door: Arc<Door>,
    request: Request<Incoming>,
    mut next: N,
) -> Result<Reply, Failure> {
    let (start, method) = (Instant::now(), request.method().clone());
    let reply = next.call(request).await?;
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
    Ok(reply)
}
