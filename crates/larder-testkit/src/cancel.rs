//! Calls that are given up.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// Polls `call` at most `polls` times, each time that it asks for it, and drops it then.
struct Limited<F> {
    call: Pin<Box<F>>,
    polls: usize,
}

impl<F: Future> Future for Limited<F> {
    /// `None`: it was given up.
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(left) = self.polls.checked_sub(1) else { return Poll::Ready(None) };
        self.polls = left;
        match self.call.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            // The last poll was this one: nobody waits for the next.
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Gives `call` up after `polls` polls; whether it came to its end.
pub async fn give_up_after<F: Future>(polls: usize, call: F) -> Option<F::Output> {
    Limited { call: Box::pin(call), polls }.await
}
