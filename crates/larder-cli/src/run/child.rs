//! Starting a tool, and waiting for it.

use super::{
    capture::{Capture, Kept, LIMIT},
    ending::Ending,
    output::Stream,
    program::Program,
    signals,
};
use crate::env;
use rustix::io::Errno;
use std::{
    ffi::OsString,
    io,
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
    thread,
};

/// A tool that has ended under larder's eyes, with all that it wrote.
pub(crate) struct Finished {
    /// How it ended.
    pub(crate) ending: Ending,
    /// What it wrote.
    pub(crate) kept: Kept,
    /// How long it took.
    pub(crate) elapsed_ms: u64,
}

/// Who is told of a run before its output has been passed on: those who wait for it need not wait for our reader.
pub(crate) struct Told<'a, F> {
    /// The run will certainly not be kept.
    pub(crate) given_up: &'a (dyn Fn() + Sync),
    /// The tool has ended, and all that it wrote is here.
    pub(crate) finished: F,
}

/// A command for `program`, one runner deeper than this one.
pub(crate) fn command(program: &Program, args: &[OsString], depth: u32) -> Command {
    let mut command = Command::new(&program.path);
    command.arg0(&program.name).args(args).env(env::DEPTH.name, (depth + 1).to_string());
    command
}

/// Runs it and captures what it writes, until both outputs are closed: like a pipe of the shell's this waits for
/// whoever the tool leaves behind with its output open. How it ended, and why its output could not be written.
pub(crate) fn run_captured(
    mut command: Command,
    stdin: Stdio,
    one_output: bool,
    told: Told<'_, impl FnOnce(Finished)>,
) -> io::Result<(Ending, Option<Errno>)> {
    let (out, out_writer) = io::pipe()?;
    let (err, err_writer) = match one_output {
        true => (None, out_writer.try_clone()?),
        false => io::pipe().map(|(reader, writer)| (Some(reader), writer))?,
    };
    let capture = Capture::new(LIMIT, told.given_up);
    let mut sources = Vec::new();
    for (source, stream) in [(Some(out), Stream::Out), (err, Stream::Err)] {
        source.map(|source| io::pipe().map(|gone| sources.push((source, stream, gone)))).transpose()?;
    }
    let (mut child, watch) = signals::start(command.stdin(stdin).stdout(out_writer).stderr(err_writer))?;
    // The command holds the pipes' writing ends: without this there would never be an end to read.
    drop(command);
    let capture = &capture;
    let ending = thread::scope(|scope| {
        let readers: Vec<_> = sources
            .into_iter()
            .map(|(source, stream, (gone, hang_up))| {
                scope.spawn(move || capture.pass_on(stream, hang_up, |bytes| stream.write_all(bytes)));
                scope.spawn(move || capture.read(source, stream, &gone))
            })
            .collect();
        let ending = watch.wait(&mut child)?;
        readers.into_iter().for_each(|reader| drop(reader.join()));
        let (kept, elapsed_ms) = capture.settle();
        (told.finished)(Finished { ending, kept, elapsed_ms });
        Ok(ending)
    });
    ending.map(|ending: Ending| (ending, capture.failed()))
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
