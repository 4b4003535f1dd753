//! Signals while a tool runs: larder must not die before it and leave it behind, and must not shield it either.

use super::ending::{Ending, die_of};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use signal_hook::{
    consts::{SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2},
    flag,
    iterator::{Handle, SignalsInfo, exfiltrator::WithOrigin},
    low_level::siginfo::{Cause, Origin},
};
use std::{
    io,
    mem::MaybeUninit,
    process::{Child, Command},
    ptr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Whatever ends a process by default and is sent by people or by supervisors.
const WATCHED: [i32; 7] = [SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];

/// Passes signals on to a child, from [`start`] until the child has ended.
pub(crate) struct Watch {
    /// `None`: signals cannot be watched here; the child is waited for all the same.
    handle: Option<Handle>,
    /// The child, as long as its process id is certainly its own.
    child: Arc<Mutex<Option<Pid>>>,
    /// Whether a signal has come, from whoever: what the tool did then is not what it does.
    disturbed: Arc<AtomicBool>,
}

/// Starts a child and passes signals on to it. One that comes while the child starts waits until it has.
pub(crate) fn start(command: &mut Command) -> io::Result<(Child, Watch)> {
    let pid = Arc::new(Mutex::new(None));
    let mut starting = lock(&pid);
    let disturbed = Arc::new(AtomicBool::new(false));
    let handle = listen(Arc::clone(&pid), &disturbed);
    if let Err(error) = &handle {
        tracing::debug!(%error, "signals cannot be watched");
    }
    // Not started: nobody is watched for, as before.
    let watch = Watch { handle: handle.ok(), child: Arc::clone(&pid), disturbed };
    let child = command.spawn()?;
    *starting = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    drop(starting);
    Ok((child, watch))
}

impl Watch {
    /// Waits for the child. Its process id is not passed signals any more before it is given back to the system.
    pub(crate) fn wait(&self, child: &mut Child) -> io::Result<Ending> {
        let pid = *lock(&self.child);
        while let Some(pid) = pid {
            match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                Err(rustix::io::Errno::INTR) => {}
                _ => break,
            }
        }
        *lock(&self.child) = None;
        child.wait().map(Ending::of)
    }

    /// Whether a signal has come that ends a process by default.
    pub(crate) fn is_disturbed(&self) -> bool {
        self.disturbed.load(Ordering::Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.handle.iter().for_each(Handle::close);
    }
}

fn listen(child: Arc<Mutex<Option<Pid>>>, disturbed: &Arc<AtomicBool>) -> io::Result<Handle> {
    let watched: Vec<_> = WATCHED.into_iter().filter(|signal| !is_ignored(*signal)).collect();
    let mut signals = SignalsInfo::<WithOrigin>::new(&watched)?;
    let handle = signals.handle();
    // By the handler itself: the thread below may learn of it after the child, which had it from the terminal, has ended.
    for signal in watched {
        flag::register(signal, Arc::clone(disturbed))?;
    }
    thread::Builder::new().spawn(move || signals.forever().for_each(|origin| pass_on(&origin, &child)))?;
    Ok(handle)
}

/// Whether this process was started with the signal ignored (`nohup`). A handler would undo that in the child: what is
/// handled is given its default again when a program starts, what is ignored stays ignored.
fn is_ignored(signal: i32) -> bool {
    let mut current = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action this only writes the present one to `current`, for which zeroes are valid too.
    unsafe {
        libc::sigaction(signal, ptr::null(), current.as_mut_ptr()) == 0
            && current.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

fn lock(child: &Mutex<Option<Pid>>) -> std::sync::MutexGuard<'_, Option<Pid>> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pass_on(origin: &Origin, child: &Mutex<Option<Pid>>) {
    let child = lock(child);
    match *child {
        // From the terminal: the whole foreground group got it, the child among it. Twice would mean something else.
        Some(_) if matches!(origin.cause, Cause::Kernel) => {}
        Some(pid) => {
            let _ = Signal::from_named_raw(origin.signal).map(|signal| kill_process(pid, signal));
        }
        // The child has ended, and somebody it left behind holds its output open: nothing keeps us any more.
        None => {
            die_of(origin.signal);
        }
    }
}
