//! Connections that nobody works with, and who ends the snapshots that they keep.

use super::{folder::FileId, snapshot::Reader};
use std::{
    cell::RefCell,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

/// Snapshots that nobody went on with are ended so often.
const RELEASE: Duration = Duration::from_millis(5);

/// Who ends them goes away after so many times without any.
const QUIET: u32 = 200;

/// Shared by a pool and the thread that ends its snapshots.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<Mutex<Idle>>);

#[derive(Debug)]
pub(super) struct Idle {
    pub(super) pid: u32,
    /// Which file the connections are on; another one stands there once the index was replaced.
    pub(super) file: FileId,
    pub(super) readers: Vec<Reader>,
    /// Whether a thread ends the snapshots that they keep.
    pub(super) is_watched: bool,
}

impl Shared {
    /// None yet, of the index `file`, for the process `pid`.
    pub(super) fn new(pid: u32, file: FileId) -> Self {
        Self(Arc::new(Mutex::new(Idle { pid, file, readers: Vec::new(), is_watched: false })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Idle> {
        lock(&self.0)
    }

    /// Has a thread end the snapshots that nobody goes on with, until there were none for a while; whether there is one.
    pub(super) fn watch(&self) -> bool {
        let idle = Arc::downgrade(&self.0);
        if !fork::is_guarded(&idle) {
            return false;
        }
        let thread = std::thread::Builder::new().name("larder-release".to_owned()).stack_size(128 << 10);
        thread.spawn(move || end_old(&idle)).is_ok()
    }
}

fn lock(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end_old(idle: &Weak<Mutex<Idle>>) {
    let mut quiet = 0;
    loop {
        std::thread::sleep(RELEASE);
        let Some(idle) = idle.upgrade() else { return };
        let _no_fork = fork::lock();
        let mut idle = lock(&idle);
        quiet = if idle.readers.iter().any(Reader::is_holding) { 0 } else { quiet + 1 };
        idle.readers.retain_mut(|reader| reader.end_old().is_ok());
        if quiet >= QUIET {
            idle.is_watched = false;
            return;
        }
    }
}

/// A fork while a snapshot is kept would leave the child with a lock that nobody lets go (SQLite counts locks by process), and one
/// while the thread above is at work with mutexes that nobody unlocks. So the snapshots of idle connections are ended first, and the
/// thread waits (pthread_atfork, POSIX.1-2024).
pub(super) mod fork {
    use super::{Idle, Mutex, MutexGuard, PoisonError, Reader, RefCell, Weak};
    use std::sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    };

    type Known = Vec<Weak<Mutex<Idle>>>;

    /// Who has a thread that ends snapshots. Held while it does so, and over a fork.
    static KNOWN: Mutex<Known> = Mutex::new(Vec::new());

    /// [`process`], once it was asked. 0: not yet, or it is another one.
    static PROCESS: AtomicU32 = AtomicU32::new(0);

    thread_local! {
        /// Over a fork.
        static HELD: RefCell<Option<MutexGuard<'static, Known>>> = const { RefCell::new(None) };
    }

    pub(super) fn lock() -> MutexGuard<'static, Known> {
        KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes sure that forks end the snapshots of `idle` first.
    pub(super) fn is_guarded(idle: &Weak<Mutex<Idle>>) -> bool {
        let mut known = lock();
        known.retain(|known| known.strong_count() > 0 && !known.ptr_eq(idle));
        known.push(Weak::clone(idle));
        is_registered()
    }

    /// This process, without asking the system each time.
    pub(in super::super) fn process() -> u32 {
        let known = if is_registered() { PROCESS.load(Relaxed) } else { 0 };
        if known != 0 {
            return known;
        }
        let process = std::process::id();
        PROCESS.store(process, Relaxed);
        process
    }

    /// Whether the handlers are called at a fork.
    fn is_registered() -> bool {
        static REGISTERED: OnceLock<bool> = OnceLock::new();
        // SAFETY: the handlers neither unwind nor fork, and stay where they are: nothing is unloaded.
        let register = || unsafe { libc::pthread_atfork(Some(before), Some(after), Some(after_in_child)) == 0 };
        *REGISTERED.get_or_init(register)
    }

    extern "C" fn before() {
        let known = lock();
        for idle in known.iter().filter_map(Weak::upgrade) {
            super::lock(&idle).readers.retain_mut(|reader: &mut Reader| reader.end().is_ok());
        }
        // A thread that is ending already holds nobody up.
        let _kept = HELD.try_with(|held| *held.borrow_mut() = Some(known));
    }

    extern "C" fn after() {
        let _released = HELD.try_with(|held| held.borrow_mut().take());
    }

    extern "C" fn after_in_child() {
        PROCESS.store(0, Relaxed);
        after();
    }
}
