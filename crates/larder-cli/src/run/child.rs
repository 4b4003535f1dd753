//! Starting a tool, and waiting for it.

use super::{
    capture::{Capture, Kept, LIMIT},
    ending::Ending,
    output::Stream,
    program::Program,
    signals,
};
use crate::env;
use std::{
    ffi::OsString,
    io,
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
    thread,
};

/// A tool that has run under larder's eyes.
pub(crate) struct Finished {
    /// How it ended.
    pub(crate) ending: Ending,
    /// What it wrote.
    pub(crate) kept: Kept,
    /// How long it took.
    pub(crate) elapsed_ms: u64,
}

/// A command for `program`, one runner deeper than this one.
pub(crate) fn command(program: &Program, args: &[OsString], depth: u32) -> Command {
    let mut command = Command::new(&program.path);
    command.arg0(&program.name).args(args).env(env::DEPTH.name, (depth + 1).to_string());
    command
}

/// Runs it and captures what it writes, until both outputs are closed: like a pipe of the shell's this waits for
/// whoever the tool leaves behind with its output open.
pub(crate) fn run_captured(mut command: Command, stdin: Stdio, one_output: bool) -> io::Result<Finished> {
    let (out, out_writer) = io::pipe()?;
    let (err, err_writer) = match one_output {
        true => (None, out_writer.try_clone()?),
        false => io::pipe().map(|(reader, writer)| (Some(reader), writer))?,
    };
    let capture = Capture::new(LIMIT);
    let (mut child, watch) = signals::start(command.stdin(stdin).stdout(out_writer).stderr(err_writer))?;
    // The command holds the pipes' writing ends: without this there would never be an end to read.
    drop(command);
    let ending = thread::scope(|scope| {
        scope.spawn(|| capture.pump(out, Stream::Out));
        err.map(|err| scope.spawn(|| capture.pump(err, Stream::Err)));
        watch.wait(&mut child)
    });
    let (kept, elapsed_ms) = capture.finish();
    Ok(Finished { ending: ending?, kept, elapsed_ms })
}

/// Runs it untouched and waits for it.
pub(crate) fn run_through(mut command: Command) -> io::Result<Ending> {
    let (mut child, watch) = signals::start(&mut command)?;
    watch.wait(&mut child)
}

/// Becomes it. Comes back only where it cannot be started.
pub(crate) fn become_it(mut command: Command) -> io::Error {
    command.exec()
}
