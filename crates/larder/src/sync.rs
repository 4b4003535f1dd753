//! What the flight locks and waits with. The flight's model (tests/model) compiles the same sources with its own module in
//! this place, and tries them under many schedules.

pub(crate) use std::sync::{Mutex, MutexGuard, atomic::AtomicU64};
pub(crate) use tokio::{
    task::{JoinHandle, spawn, spawn_blocking},
    time::timeout,
};
