//! A run whose output is kept: looked up, else run, by one process for all.

use super::{
    Runner,
    args::Form,
    child::{self, Call, Finished, Told},
    ending::{Ending, die_of},
    flight::{self, Leader, Role},
    input::Input,
    judge::{Judged, Keep, Verdict},
    log::say,
    not_runnable,
    output::Stream,
    program::{NotRunnable, Program},
    store::{self, Shelf},
};
use crate::{config::Settings, env};
use larder::tier::disk::runs::Hit;
use larder_core::{Head, judge::judge_run, record::run::stretches};
use rustix::io::Errno;
use signal_hook::consts::SIGPIPE;
use std::{
    ffi::OsString,
    io, mem,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, ExitCode, Stdio},
};

impl Runner {
    pub(super) fn keep(&self, program: &Program, mut keep: Keep, settings: &Settings) -> ExitCode {
        let dir = match settings.store() {
            Ok(dir) => dir.to_owned(),
            Err(error) => {
                self.explain(&format!("untouched: {error}"));
                return self.untouched(program, keep.input);
            }
        };
        if let Some(found) = store::look_up(&dir, &keep) {
            if found.stale {
                self.ask_again(&mut keep);
            }
            return self.hit(&found.run);
        }
        match self.join(&dir, &flight_name(&keep)) {
            Role::Lead(leader) => self.lead(program, keep, settings, &dir, leader),
            Role::Served => match store::look_up_fresh(&dir, &keep) {
                Some(run) => self.hit(&run),
                None => self.alone(program, keep, settings),
            },
            Role::Released | Role::Alone => self.alone(program, keep, settings),
        }
    }

    /// Inside a runner for which others wait nobody does: it may be that one who leads, or one who waits for it.
    fn join(&self, dir: &Path, flight: &str) -> Role {
        match self.awaited {
            false => flight::join(dir, flight),
            true => flight::lead(dir, flight).map_or(Role::Served, Role::Lead),
        }
    }

    fn lead(&self, program: &Program, keep: Keep, settings: &Settings, dir: &Path, leader: Leader) -> ExitCode {
        // Another leader may have landed between our look and our lock.
        if let Some(run) = store::look_up_fresh(dir, &keep) {
            leader.land(true);
            return self.hit(&run);
        }
        self.miss(program, keep, settings, Some(&leader)).map_or_else(|why| not_runnable(&why), Ending::follow)
    }

    fn alone(&self, program: &Program, keep: Keep, settings: &Settings) -> ExitCode {
        self.miss(program, keep, settings, None).map_or_else(|why| not_runnable(&why), Ending::follow)
    }

    /// Runs the tool and keeps its output if it may be kept; how it ended. The leader lands as soon as that is known.
    fn miss(
        &self,
        program: &Program,
        mut keep: Keep,
        settings: &Settings,
        leader: Option<&Leader>,
    ) -> Result<Ending, NotRunnable> {
        let shelf = Shelf::open(settings, &keep);
        let stdin = keep.take_input().into_descriptor();
        let land = |kept| leader.into_iter().for_each(|leader| leader.land(kept));
        let mut why_not = None;
        let finished = |finished: Finished| {
            let disturbed = finished.disturbed;
            why_not = shelve(&keep, shelf.as_ref(), finished).err();
            match leader {
                // That was ours alone, and says nothing of the command: the next one leads.
                Some(leader) if disturbed => leader.leave(),
                _ => land(why_not.is_none()),
            }
        };
        let told = Told { given_up: &|| land(false), finished };
        let awaited = self.awaited || leader.is_some();
        let call = |stdin| Call { awaited, ..self.call(program, stdin) };
        let ran = stdin.and_then(|stdin| child::run_captured(&call(stdin), keep.is_one_output(), told));
        let (ending, failed) = ran.map_err(|error| {
            land(false);
            NotRunnable::from_start(&program.name, &error)
        })?;
        let word = why_not.as_deref().map_or_else(|| "kept".to_owned(), |why| format!("not kept: {why}"));
        self.explain(&format!("miss; {word}; key={}", keep.plan.key));
        Ok(told_of_failure(ending, failed))
    }

    /// Writes what was kept as it was written, and ends as the tool ended.
    fn hit(&self, run: &Hit) -> ExitCode {
        let record = &run.record;
        // `runs::read` gives nothing else.
        let Head::Tool { exit_code, frames } = &record.head else { return ExitCode::FAILURE };
        for (number, bytes) in stretches(frames, &run.body) {
            match Stream::of(number).write_all(bytes) {
                Ok(()) => {}
                // As the tool would: quietly, when its reader has gone.
                Err(Errno::PIPE) => return die_of(SIGPIPE),
                Err(_) if number == Stream::Err.number() => {}
                Err(error) => {
                    say(&format!("the output cannot be written: {error}"));
                    return ExitCode::FAILURE;
                }
            }
        }
        run.count();
        let age = record.age(store::now()).as_secs();
        self.explain(&format!("hit; age={age}; ttl={}; key={}", record.ttl_ms / 1000, record.key));
        ExitCode::from(*exit_code)
    }

    /// Starts a process of its own that asks again; nobody waits for it. If it cannot be started, the next one will try.
    fn ask_again(&self, keep: &mut Keep) {
        if let Err(error) = self.start_refresher(keep) {
            tracing::debug!(%error, "nobody could be started to ask again");
        }
    }

    fn start_refresher(&self, keep: &mut Keep) -> io::Result<()> {
        let form = if keep.is_one_output() { Form::One } else { Form::Two };
        let stdin = match keep.take_input() {
            Input::Inherited => Stdio::null(),
            input => input.into_descriptor()?.map_or_else(Stdio::null, Stdio::from),
        };
        // Its own process group: a Ctrl-C that is meant for what follows us does not reach it.
        Command::new(std::env::current_exe()?)
            .args(["run", "--refresh", form.word()])
            .args(&self.words.before)
            .args(&self.words.command)
            .env(env::DEPTH.name, self.depth.to_string())
            .stdin(stdin)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(())
    }

    /// What that process does: one of them runs the tool, the others find that there is nothing to do.
    pub(super) fn refresh(&self, judged: Judged, settings: &Settings) -> ExitCode {
        let (Verdict::Keep(keep), Ok(dir)) = (judged.verdict, settings.store()) else { return ExitCode::SUCCESS };
        let Some(leader) = flight::lead(dir, &flight_name(&keep)) else { return ExitCode::SUCCESS };
        let is_fresh = store::look_up_fresh(dir, &keep).is_some();
        if is_fresh {
            leader.land(true);
        } else {
            // Nobody looks on: whoever asks next sees what came of it.
            let _ = self.miss(&judged.program, *keep, settings, Some(&leader));
        }
        ExitCode::SUCCESS
    }
}

impl Keep {
    fn take_input(&mut self) -> Input {
        mem::replace(&mut self.input, Input::Inherited)
    }
}

/// Keeps a run, or says why not.
fn shelve(keep: &Keep, shelf: Option<&Shelf>, finished: Finished) -> Result<(), String> {
    let shelf = shelf.ok_or("the store cannot be opened")?;
    shelf.count_miss(keep);
    let verdict = may_be_kept(keep, &finished);
    let exit_code = verdict.inspect_err(|_| shelf.count_not_kept(keep))?;
    shelf.put(keep, exit_code, finished.kept, finished.elapsed_ms).map_err(|error| error.to_string())
}

/// The exit code under which a run is kept, or why it is not.
fn may_be_kept(keep: &Keep, finished: &Finished) -> Result<u8, String> {
    let kept = &finished.kept;
    if let Some(why) = kept.broken {
        return Err(why.to_owned());
    }
    let Ending::Code(code) = finished.ending else { return Err("it was ended by a signal".to_owned()) };
    if finished.disturbed {
        return Err("a signal came while it ran".to_owned());
    }
    let (out, err) = (kept.stream(Stream::Out), kept.stream(Stream::Err));
    judge_run(&keep.matched, code, out, err)?;
    let value_of = |name: &str| std::env::var_os(name).map(OsString::into_encoded_bytes);
    // Whatever the tool was given it may print, named by the rule or not.
    let names: Vec<_> = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    match keep.matched.told_secret(&[out, err], &names, value_of) {
        Some(name) => Err(format!("the output holds the value of `{name}`")),
        None => Ok(code),
    }
}

/// A tool whose output could not be written learns of it as a closed pipe, unless it has written all of it before;
/// people are told what it really was. Lost output is no success, whatever the tool believes.
fn told_of_failure(ending: Ending, failed: Option<Errno>) -> Ending {
    let believed = matches!(ending, Ending::Code(0) | Ending::Signal(SIGPIPE));
    match failed {
        Some(Errno::PIPE) if believed => Ending::Signal(SIGPIPE),
        Some(error) if error != Errno::PIPE => {
            say(&format!("the output cannot be written: {error}"));
            if believed { Ending::Code(1) } else { ending }
        }
        _ => ending,
    }
}

/// Runs of one question whose outputs go to one file and to two are different flights: they are kept apart, too.
fn flight_name(keep: &Keep) -> String {
    let form = if keep.plan.want.variant.0.is_empty() { "plain" } else { &keep.plan.want.variant.0 };
    format!("{}.{form}", keep.plan.key)
}
