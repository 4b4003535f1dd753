//! Starting a tool, and waiting for it.

use super::{
    capture::{Capture, Kept, LIMIT},
    ending::Ending,
    output::Stream,
    program::Program,
    signals::{self, Watch},
};
use crate::env;
use rustix::io::Errno;
use std::{
    ffi::OsString,
    io,
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    process::{Child, Command},
    thread,
};

/// A tool that has ended under larder's eyes, with all that it wrote.
pub(crate) struct Finished {
    /// How it ended.
    pub(crate) ending: Ending,
    /// Whether it, or larder for it, was sent a signal meanwhile.
    pub(crate) disturbed: bool,
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

/// What is to be started.
pub(crate) struct Call<'a> {
    /// The program.
    pub(crate) program: &'a Program,
    /// What follows its name.
    pub(crate) args: &'a [OsString],
    /// How deep this runner is; the tool is one deeper.
    pub(crate) depth: u32,
    /// Others may wait for this runner, or for one around it.
    pub(crate) awaited: bool,
    /// Its standard input, where it is not ours.
    pub(crate) stdin: Option<OwnedFd>,
}

/// Who runs what the system says it cannot execute: a script without an interpreter line (POSIX's `execvp`).
const SHELL: &str = "/bin/sh";

impl Call<'_> {
    fn command(&self, by_shell: bool) -> io::Result<Command> {
        let mut command = match by_shell {
            false => Command::new(&self.program.path),
            true => Command::new(SHELL),
        };
        match by_shell {
            false => command.arg0(&self.program.name),
            true => command.arg(&self.program.path),
        };
        command.args(self.args).env(env::DEPTH.name, (self.depth + 1).to_string());
        if self.awaited {
            command.env(env::AWAITED.name, "1");
        }
        if let Some(stdin) = &self.stdin {
            command.stdin(stdin.try_clone()?);
        }
        Ok(command)
    }

    /// Starts it; `prepare` gives it its outputs.
    fn start(&self, prepare: impl Fn(&mut Command) -> io::Result<()>) -> io::Result<(Child, Watch)> {
        let start = |by_shell| {
            let mut command = self.command(by_shell)?;
            prepare(&mut command)?;
            signals::start(&mut command)
        };
        start(false).or_else(|error| if is_no_program(&error) { start(true) } else { Err(error) })
    }
}

fn is_no_program(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOEXEC)
}

/// Runs it and captures what it writes, until both outputs are closed: like a pipe of the shell's this waits for
/// whoever the tool leaves behind with its output open. How it ended, and why its output could not be written.
pub(crate) fn run_captured(
    call: &Call<'_>,
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
    let (mut child, watch) = call.start(|command| {
        command.stdout(out_writer.try_clone()?).stderr(err_writer.try_clone()?);
        Ok(())
    })?;
    // As long as these are open there would never be an end to read.
    drop((out_writer, err_writer));
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
        (told.finished)(Finished { ending, disturbed: watch.is_disturbed(), kept, elapsed_ms });
        Ok(ending)
    });
    ending.map(|ending: Ending| (ending, capture.failed()))
}

/// Runs it untouched and waits for it.
pub(crate) fn run_through(call: &Call<'_>) -> io::Result<Ending> {
    let (mut child, watch) = call.start(|_| Ok(()))?;
    watch.wait(&mut child)
}

/// Becomes it. Comes back only where it cannot be started.
pub(crate) fn become_it(call: &Call<'_>) -> io::Error {
    let become_by = |by_shell| call.command(by_shell).map_or_else(|error| error, |mut command| command.exec());
    let error = become_by(false);
    if is_no_program(&error) { become_by(true) } else { error }
}
