//! Threads that serve connections, each with a scheduler of its own: a connection stays where it is, and requests of two
//! threads share neither queues nor wake-ups. Measured against one scheduler for all, a hit takes a seventh less of a core.

use crate::net;
use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// How long work that cannot be interrupted may hold the end of a worker.
const UNINTERRUPTED: Duration = Duration::from_secs(1);

/// The threads. Dropping them ends them, and whatever is still under way on them.
pub(crate) struct Workers(Vec<Worker>);

struct Worker {
    handle: Handle,
    /// One reference is the worker's own, one each its connections'.
    connections: Arc<()>,
    /// Dropped: the thread ends.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// How many there are.
fn count() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// How many lanes the client needs: one for each, and one for whoever else asks.
pub(crate) fn lanes() -> usize {
    count() + 1
}

impl Workers {
    /// Starts one for each processor.
    pub(crate) fn start() -> io::Result<Self> {
        (1..=count()).map(Worker::start).collect::<io::Result<_>>().map(Self)
    }

    /// The thread that serves the fewest connections, and what a new one of them has to hold while it lives.
    /// `None`: whoever asks serves it himself.
    pub(super) fn least(&self) -> Option<(&Handle, Arc<()>)> {
        let least = self.0.iter().min_by_key(|worker| Arc::strong_count(&worker.connections))?;
        Some((&least.handle, Arc::clone(&least.connections)))
    }

    /// None: everything runs where it is asked for.
    pub(crate) const fn none() -> Self {
        Self(Vec::new())
    }
}

impl Worker {
    fn start(lane: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let handle = runtime.handle().clone();
        let thread = thread::Builder::new().name("larder-worker".to_owned()).spawn(move || {
            net::enter_lane(lane);
            // Nothing is ever sent: the sender is dropped.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_timeout(UNINTERRUPTED);
        })?;
        Ok(Self { handle, connections: Arc::default(), stop: Some(stop), thread: Some(thread) })
    }
}

/// All are told before any is waited for.
impl Drop for Workers {
    fn drop(&mut self) {
        for worker in &mut self.0 {
            worker.stop = None;
        }
        for worker in &mut self.0 {
            // A thread that panicked has ended, too.
            let _ = worker.thread.take().map(JoinHandle::join);
        }
    }
}
