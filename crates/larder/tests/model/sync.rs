//! The model's locks, tasks and time.

use shuttle::rand::{Rng as _, thread_rng};
use std::{future::Future, pin::pin, task::Poll, time::Duration};

pub(crate) use shuttle::{
    future::{JoinHandle, spawn},
    sync::{Mutex, MutexGuard, atomic::AtomicU64},
};

/// A time was over.
#[derive(Debug)]
pub(crate) struct Elapsed;

/// What lasts this long or less may be over at any moment; what lasts longer never is.
pub(crate) const SHORT: Duration = Duration::from_secs(1);

pub(crate) async fn timeout<F: Future>(limit: Duration, call: F) -> Result<F::Output, Elapsed> {
    let mut call = pin!(call);
    std::future::poll_fn(|context| {
        if let Poll::Ready(output) = call.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        if limit > SHORT {
            return Poll::Pending;
        }
        if thread_rng().gen_ratio(1, 8) {
            return Poll::Ready(Err(Elapsed));
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// Work for another thread: a task of its own.
pub(crate) async fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, std::io::Error> {
    spawn(async move { work() }).await.map_err(|_| std::io::Error::other("stopped"))
}

/// Lets others go on.
pub(crate) async fn pause() {
    shuttle::future::yield_now().await;
}

/// Takes so long that others may come to their end meanwhile.
pub(crate) async fn dawdle() {
    for _ in 0..any(2) * any(40) {
        pause().await;
    }
}

/// A number below `limit`.
pub(crate) fn any(limit: usize) -> usize {
    thread_rng().gen_range(0..limit)
}
