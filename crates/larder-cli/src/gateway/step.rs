//! A layer is an async function: it gets the door, the request and whatever comes next.

use super::{Door, Reply, rescue::Failure};
use std::{
    future::Future,
    sync::Arc,
    task::{Context, Poll},
};
use tower::{Layer, Service};

/// What comes after a layer: a service for the request in the form that the layer hands on.
pub(super) trait Next<R>:
    Service<R, Response = Reply, Error = Failure, Future: Send + 'static> + Clone + Send + Sync + 'static
{
}

impl<R, S> Next<R> for S where
    S: Service<R, Response = Reply, Error = Failure, Future: Send + 'static> + Clone + Send + Sync + 'static
{
}

/// A function as a layer.
#[derive(Clone)]
pub(super) struct Step<F> {
    door: Arc<Door>,
    act: F,
}

/// Makes the layer that runs `act`.
pub(super) fn step<F>(door: &Arc<Door>, act: F) -> Step<F> {
    Step { door: door.clone(), act }
}

/// A layer in its place.
#[derive(Clone)]
pub(super) struct Placed<F, S> {
    door: Arc<Door>,
    act: F,
    next: S,
}

impl<F: Clone, S> Layer<S> for Step<F> {
    type Service = Placed<F, S>;

    fn layer(&self, next: S) -> Placed<F, S> {
        Placed { door: self.door.clone(), act: self.act.clone(), next }
    }
}

impl<F, S, R, Fut> Service<R> for Placed<F, S>
where
    F: Fn(Arc<Door>, R, S) -> Fut,
    S: Clone,
    Fut: Future<Output = Result<Reply, Failure>> + Send + 'static,
{
    type Response = Reply;
    type Error = Failure;
    type Future = Fut;

    /// Always ready: nothing here queues, back-pressure is the connection's.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Fut {
        (self.act)(self.door.clone(), request, self.next.clone())
    }
}

/// The innermost step: nothing comes after it.
pub(super) fn last<F>(door: &Arc<Door>, act: F) -> Placed<F, ()> {
    Placed { door: door.clone(), act, next: () }
}
