//! How the process begins.
//!
//! The standard library's own beginning reads this process's memory map and sets up a second stack for the message about
//! a full one: that costs a tenth of a hit of the runner. What of it protects somebody is done here. A full stack still
//! ends the process at its guard page, without that message.

use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{Mode, OFlags},
    io::Errno,
    stdio,
};
use std::{
    panic::catch_unwind,
    process::{ExitCode, exit},
};

/// What a panic ends a program with, as the standard library has it.
const PANICKED: u8 = 101;

/// The system's entry. The standard library learns its arguments by itself (glibc hands them to `.init_array`).
// SAFETY: nothing else is called `main` where this is compiled: there the crate is `no_main`.
#[unsafe(no_mangle)]
extern "C" fn main(_count: libc::c_int, _words: *const *const libc::c_char) -> libc::c_int {
    let code = match ready() {
        Ok(()) => catch_unwind(super::run_and_tell).unwrap_or(ExitCode::from(PANICKED)),
        Err(_) => ExitCode::FAILURE,
    };
    // Writes what is buffered. No destructor runs: the system takes everything back faster.
    exit(i32::from((0..=u8::MAX).find(|number| ExitCode::from(*number) == code).unwrap_or(PANICKED)))
}

fn ready() -> Result<(), Errno> {
    open_what_is_closed()?;
    ignore_broken_pipes();
    Ok(())
}

/// No file that is opened later may become somebody's stdout.
fn open_what_is_closed() -> Result<(), Errno> {
    let all = [stdio::stdin(), stdio::stdout(), stdio::stderr()];
    let mut looked_at = all.map(|descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::empty()));
    poll(&mut looked_at, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    for _ in looked_at.iter().filter(|one| one.revents().contains(PollFlags::NVAL)) {
        // It takes the lowest number that is free, and they come in order.
        std::mem::forget(rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty())?);
    }
    Ok(())
}

/// A reader who has gone is an error of the write: what is to be done about it is said there.
fn ignore_broken_pipes() {
    // SAFETY: to ignore a signal sets no code that could run.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
    }
}
