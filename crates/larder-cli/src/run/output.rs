//! Writing a tool's bytes to where it would have written them itself.

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::{Errno, write},
    stdio,
};
use std::os::fd::BorrowedFd;

/// One of the two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// File descriptor 1.
    Out,
    /// File descriptor 2.
    Err,
}

impl Stream {
    /// Its number, as frames name it.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Out => 1,
            Self::Err => 2,
        }
    }

    /// The stream of a frame's number.
    pub(crate) const fn of(number: u8) -> Self {
        if number == 2 { Self::Err } else { Self::Out }
    }

    fn descriptor(self) -> BorrowedFd<'static> {
        match self {
            Self::Out => stdio::stdout(),
            Self::Err => stdio::stderr(),
        }
    }

    /// Writes all of `bytes`, unbuffered. A pipe that somebody has set to non-blocking is waited for.
    pub(crate) fn write_all(self, mut bytes: &[u8]) -> Result<(), Errno> {
        while !bytes.is_empty() {
            match write(self.descriptor(), bytes) {
                Ok(0) => return Err(Errno::IO),
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait()?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn wait(self) -> Result<(), Errno> {
        let mut ready = [PollFd::from_borrowed_fd(self.descriptor(), PollFlags::OUT)];
        match poll(&mut ready, None) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Whether stdout and stderr are one file: only then is there an order between them to be kept.
pub(crate) fn are_one() -> bool {
    let identity = |descriptor| rustix::fs::fstat(descriptor).map(|stat| (stat.st_dev, stat.st_ino));
    match (identity(stdio::stdout()), identity(stdio::stderr())) {
        (Ok(out), Ok(err)) => out == err,
        _ => false,
    }
}

/// Whether stdout is a terminal.
pub(crate) fn is_terminal() -> bool {
    rustix::termios::isatty(stdio::stdout())
}
