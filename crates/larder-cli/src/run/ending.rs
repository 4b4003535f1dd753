//! How a tool ended, and how larder ends like it.

use std::{
    os::unix::process::ExitStatusExt as _,
    process::{ExitCode, ExitStatus},
};

/// How a tool ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With an exit code.
    Code(u8),
    /// By a signal.
    Signal(i32),
}

impl Ending {
    /// As the system reports it.
    pub(crate) fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(u8::try_from(code & 0xff).unwrap_or(u8::MAX)),
            (None, signal) => Self::Signal(signal.unwrap_or(0)),
        }
    }

    /// Ends this process in the same way; only a code comes back.
    pub(crate) fn follow(self) -> ExitCode {
        match self {
            Self::Code(code) => ExitCode::from(code),
            Self::Signal(signal) => die_of(signal),
        }
    }
}

/// Dies of `signal`, without a core dump: the tool's own is the one that tells something.
pub(crate) fn die_of(signal: i32) -> ExitCode {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: getrlimit(Resource::Core).maximum };
    let _ = setrlimit(Resource::Core, none);
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    // Still here: a signal that this system's libraries do not know. Shells show it as 128 + n.
    ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX))
}
