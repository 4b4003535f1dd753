//! The runner: `larder run -- COMMAND ARGS…` keeps what a tool prints, and its exit code.
//!
//! It is transparent: larder's own words are never on the tool's stderr, unless `-v` asks for them, and whatever goes
//! wrong with the cache, the tool runs. A hit reads one file; no database, no async runtime, no large grammar.

mod adapters;
mod args;
mod capture;
mod child;
mod ending;
mod facts;
mod flight;
mod git;
mod input;
mod judge;
mod keep;
mod lane;
mod log;
mod output;
mod program;
mod signals;
mod store;

#[cfg(test)]
pub(crate) use args::HELP;
pub(crate) use args::no_json;
pub(crate) use judge::{Verdict, judge};
pub(crate) use program::NotRunnable;

use crate::{config::Settings, env, error::CliError, output::Output};
use args::{Form, Words};
use child::Call;
use ending::Ending;
use input::Input;
use judge::{Outputs, judge_for};
use log::say;
use output::Stream;
use program::Program;
use std::{ffi::OsString, os::fd::OwnedFd, process::ExitCode};
use store::Stale;

/// So many runners around one another are two that call each other for ever.
const DEEPEST: u32 = 8;
/// Exit code for that, as `timeout` and `env` use it for their own failures.
const OWN_FAILURE: u8 = 125;

/// Runs `larder run`; `words` is what follows the word `run`, with `--store` and `--config` in front where they were
/// given before it.
pub(crate) fn run(words: Vec<OsString>) -> ExitCode {
    let json = args::says_json(&words);
    match Words::parse(words) {
        Err(error) if json => {
            Output { json }.error(&error);
            error.exit()
        }
        Err(error) => refuse(&error),
        Ok(words) if words.help => {
            let _ = Stream::Out.write_all(args::HELP.as_bytes());
            ExitCode::SUCCESS
        }
        Ok(words) => {
            log::start();
            Runner::new(words).go()
        }
    }
}

fn refuse(error: &CliError) -> ExitCode {
    say(&error.to_string());
    error.exit()
}

/// One run.
struct Runner {
    words: Words,
    depth: u32,
    /// Others may wait for a runner around this one.
    awaited: bool,
}

impl Runner {
    fn new(words: Words) -> Self {
        let depth = env::DEPTH.get().and_then(|depth| depth.to_str()?.parse().ok()).unwrap_or(0);
        Self { words, depth, awaited: env::AWAITED.get().is_some() }
    }

    fn go(self) -> ExitCode {
        if self.depth >= DEEPEST {
            say(&format!("{} runners around one another: a tool that runs itself through larder", self.depth));
            return ExitCode::from(OWN_FAILURE);
        }
        if env::OFF.get().is_some_and(|off| off != "0") {
            return self.off("`LARDER_OFF` is set");
        }
        match Settings::load(&self.words.flags) {
            // A file that is named by hand is refused where it is wrong; what was set up once (variables, the user's own
            // configuration) must not keep a tool from running, nor must a store that cannot be used.
            Err(error) => match Settings::check_named(&self.words.flags) {
                Err(named) => refuse(&named),
                Ok(()) => self.off(&error.to_string()),
            },
            Ok(settings) => self.with(&settings),
        }
    }

    /// Runs the tool without a look at anything.
    fn off(&self, why: &str) -> ExitCode {
        self.explain(&format!("untouched: {why}"));
        let name = self.words.command.first().cloned().unwrap_or_default();
        match Program::find(&name) {
            Ok(program) => self.untouched(&program, Input::Inherited),
            Err(why) => not_runnable(&why),
        }
    }

    /// Only where it was asked for (`-v`, or `LARDER_LOG`).
    fn explain(&self, what: &str) {
        tracing::info!("{what}");
        if self.words.verbose {
            say(what);
        }
    }

    fn args(&self) -> &[OsString] {
        self.words.command.get(1..).unwrap_or_default()
    }

    fn with(&self, settings: &Settings) -> ExitCode {
        let share = self.words.share.unwrap_or(settings.share.value);
        let outputs = match self.words.refresh {
            None => Outputs::own(),
            Some(form) => Outputs { one: form == Form::One, terminal: false, patient: true },
        };
        let judged = match judge_for(outputs, &self.words.command, &self.words.options, share, settings) {
            Ok(judged) => judged,
            Err(why) => return not_runnable(&why),
        };
        if self.words.refresh.is_some() {
            return self.refresh(judged, settings);
        }
        match judged.verdict {
            Verdict::Keep(keep) => self.keep(&judged.program, *keep, settings),
            Verdict::Pass { pass, input } => {
                self.explain(&format!("untouched: {}", pass.reason));
                let service = judged.adapter.map(|adapter| adapter.name.clone()).unwrap_or_default();
                match Stale::of(settings, &service, &pass.invalidates).filter(|_| !pass.invalidates.is_empty()) {
                    Some(stale) => self.write(&judged.program, input, &stale),
                    None => self.untouched(&judged.program, input),
                }
            }
        }
    }

    fn call<'a>(&'a self, program: &'a Program, stdin: Option<OwnedFd>) -> Call<'a> {
        Call { program, args: self.args(), depth: self.depth, awaited: self.awaited, stdin }
    }

    /// Becomes the tool; only what has to be fed to it needs somebody who stays.
    fn untouched(&self, program: &Program, input: Input) -> ExitCode {
        match input {
            Input::Inherited => {
                not_runnable(&NotRunnable::from_start(&program.name, &child::become_it(&self.call(program, None))))
            }
            input => self.through(program, input),
        }
    }

    fn through(&self, program: &Program, input: Input) -> ExitCode {
        self.waited_for(program, input).map_or_else(|why| not_runnable(&why), Ending::follow)
    }

    fn waited_for(&self, program: &Program, input: Input) -> Result<Ending, NotRunnable> {
        let call = self.call(program, input.into_descriptor().unwrap_or_default());
        child::run_through(&call).map_err(|error| NotRunnable::from_start(&program.name, &error))
    }

    /// What it makes stale is forgotten before it runs and after: a fill that began in between is dropped too.
    fn write(&self, program: &Program, input: Input, stale: &Stale) -> ExitCode {
        stale.forget();
        let ended = self.waited_for(program, input);
        // Before we end as the tool did: that may be by a signal.
        stale.forget();
        ended.map_or_else(|why| not_runnable(&why), Ending::follow)
    }
}

fn not_runnable(why: &NotRunnable) -> ExitCode {
    say(&why.what);
    ExitCode::from(why.code)
}
