//! The grammar, and who does what.

mod adapters;
mod body;
mod config;
mod demo;
mod env;
mod explain;
mod explained;
mod get;
mod grammar;
mod key;
mod log;
mod ls;
mod put;
mod question;
#[cfg(test)]
mod reference;
mod rm;
mod select;
pub(crate) mod serve;
pub(crate) mod session;
mod show;
mod start;
mod stats;
pub(crate) mod values;
mod view;

use crate::{
    error::{CliError, Kind},
    output::Output,
    run,
};
use clap::Parser;
use grammar::{Cli, Command};
use session::Session;
use std::{ffi::OsString, process::ExitCode};

/// What a command returns: its exit code, or what went wrong.
pub(crate) type Outcome = Result<ExitCode, CliError>;

/// Where the words belong to the runner: what follows `run`, with the global options that stood before it in front.
/// `None`: another command.
pub(crate) fn runner_words(args: &[OsString]) -> Option<Vec<OsString>> {
    let mut globals = 0;
    loop {
        match args.get(globals)?.to_str()? {
            "run" => return Some(args[..globals].iter().chain(&args[globals + 1..]).cloned().collect()),
            "--store" | "--config" => globals += 2,
            word if word.starts_with("--store=") || word.starts_with("--config=") => globals += 1,
            _ => return None,
        }
    }
}

/// Parses the command line and does what it says.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error, Output { json: json_was_said() }),
    };
    let output = Output { json: cli.globals.json };
    match dispatch(cli) {
        Ok(code) => code,
        Err(error) => {
            output.error(&error);
            error.exit()
        }
    }
}

/// `--help` and `--version` are answers (0); anything else is wrong usage (2), and a document where one was asked for.
fn usage(error: &clap::Error, output: Output) -> ExitCode {
    let own_words = output.json || error.kind() == clap::error::ErrorKind::MissingSubcommand;
    match error.use_stderr() && own_words {
        true => output.error(&CliError::from(error)),
        false => drop(error.print()),
    }
    if error.use_stderr() { ExitCode::from(Kind::Usage.code()) } else { ExitCode::SUCCESS }
}

/// Whether `--json` is among larder's own words: for those that the grammar refuses.
fn json_was_said() -> bool {
    std::env::args_os().skip(1).take_while(|word| word != "--").any(|word| word == "--json")
}

fn dispatch(cli: Cli) -> Outcome {
    if !matches!(cli.command, Command::Run(_) | Command::DemoTool(_)) {
        log::to_stderr(matches!(cli.command, Command::Serve(_)));
    }
    // These read no settings: the runner reads its own, and the demonstration touches nothing of the user's.
    match cli.command {
        Command::Run(_) if cli.globals.json => {
            return Err(run::no_json());
        }
        Command::Run(args) => return Ok(run::run(args.words(&cli.globals))),
        Command::DemoTool(args) => return demo::tool(&args),
        Command::Demo(args) => return demo::run(&args, Output { json: cli.globals.json }),
        _ => {}
    }
    let session = Session::open(&cli.globals)?;
    match cli.command {
        Command::Run(_) | Command::Demo(_) | Command::DemoTool(_) => Ok(ExitCode::SUCCESS),
        Command::Serve(args) => start::run(args, &session),
        Command::Env(args) => env::run(&args, &session),
        Command::Get(args) => get::run(&args, &session),
        Command::Put(args) => put::run(args, &session),
        Command::Key(args) => key::run(&args, &session),
        Command::Ls(args) => ls::run(&args, &session),
        Command::Show(args) => show::run(&args, &session),
        Command::Rm(args) => rm::run(&args, &session),
        Command::Stats(args) => stats::run(&args, &session),
        Command::Explain(args) => explain::run(&args, &session),
        Command::Adapters(args) => adapters::run(&args, &session),
        Command::Config(args) => config::run(&args, &session),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runners_words_are_found_behind_global_options() {
        let words = |words: &[&str]| {
            let found = runner_words(&words.iter().map(OsString::from).collect::<Vec<_>>());
            found
                .map(|words| words.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" "))
        };
        let table: &[(&[&str], Option<&str>)] = &[
            (&["run", "--ttl", "1h", "--", "x"], Some("--ttl 1h -- x")),
            (&["--store", "/s", "run", "x"], Some("--store /s x")),
            (&["--store=/s", "--config", "c", "run"], Some("--store=/s --config c")),
            (&["run", "--help"], Some("--help")),
            (&["--store", "run", "ls"], None),
            (&["ls", "run"], None),
            (&["--json", "run", "x"], None),
            (&["--store"], None),
            (&[], None),
        ];
        for (args, expected) in table {
            assert_eq!(words(args).as_deref(), *expected, "{args:?}");
        }
    }

    #[test]
    fn the_grammar_is_sound() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
