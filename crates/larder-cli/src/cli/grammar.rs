//! The grammar of the command line: help, usage errors and docs/reference/commands.md come from here.
//!
//! One line a command in [`Command`]; what a command takes stands in its own file.

use super::{adapters, config, demo, env as env_command, explain, get, key, ls, put, rm, show, start, stats};
use crate::env;
use clap::{Args, Parser, Subcommand};
use std::{ffi::OsString, path::PathBuf};

/// What stands under the help of the whole.
const CODES: &str = "\
Exit codes:
  0         done
  1         failed
  2         wrong usage, configuration or adapter
  3         the store has no answer
  125       run: larder runs inside larder too deeply
  126, 127  run: the tool cannot be run, is not there";

/// Exit codes and variables.
fn after() -> String {
    let rows: Vec<Vec<String>> =
        env::ALL.iter().map(|variable| vec![format!("  {}", variable.name), variable.meaning.to_owned()]).collect();
    format!(
        "{CODES}\n\nVariables; flags come before them, the configuration file after them:\n{}",
        super::values::table(&rows, &[])
    )
}

/// Keeps the answers to API calls and command-line tools, so that the same question is never paid for twice.
#[derive(Debug, Parser)]
#[command(name = "larder", version, max_term_width = 100, after_help = after())]
pub(crate) struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub(crate) globals: Globals,
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command; they may stand before or after it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Globals {
    /// The store's folder [LARDER_STORE; else `larder` in the platform's cache folder]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    pub(crate) store: Option<PathBuf>,
    /// The configuration file [LARDER_CONFIG; else `larder/config.toml` in the platform's configuration folder]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    pub(crate) config: Option<PathBuf>,
    /// Print a JSON document with a `schema` tag instead of text
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway: a caching proxy in front of every service that has an adapter
    Serve(start::ServeArgs),
    /// Run a command-line tool, or answer for it from the store
    Run(RunArgs),
    /// Print the lines to export, so that clients find the gateway
    Env(env_command::EnvArgs),
    /// Print a stored answer
    Get(get::GetArgs),
    /// Store an answer that is read from standard input
    Put(put::PutArgs),
    /// Print the key of a question
    Key(key::KeyArgs),
    /// List stored answers, the newest first
    Ls(ls::LsArgs),
    /// Show everything about one stored answer
    Show(show::ShowArgs),
    /// Remove stored answers
    Rm(rm::RmArgs),
    /// Show how often the store answered, per service and operation
    Stats(stats::StatsArgs),
    /// Explain what larder makes of a request or a command, and why
    Explain(explain::ExplainArgs),
    /// List, check and test adapters
    Adapters(adapters::AdaptersArgs),
    /// Show the configuration
    Config(config::ConfigArgs),
    /// Show larder at work: ten seconds, no API key, nothing left behind
    Demo(demo::DemoArgs),
    /// What the demonstration runs as its tool
    #[command(hide = true, name = "demo-tool")]
    DemoTool(demo::ToolArgs),
}

/// What follows `larder run`; the runner reads it itself.
#[derive(Clone, Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct RunArgs {
    /// `larder run --help` lists them
    #[arg(value_name = "OPTIONS -- COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

impl RunArgs {
    /// As the runner reads them: global options in front.
    pub(crate) fn words(self, globals: &Globals) -> Vec<OsString> {
        let flag = |name: &str, value: &Option<PathBuf>| value.clone().map(|value| [name.into(), value.into()]);
        let flags = [flag("--store", &globals.store), flag("--config", &globals.config)];
        flags.into_iter().flatten().flatten().chain(self.words).collect()
    }
}

/// A question by name.
#[derive(Clone, Debug, Args)]
pub(crate) struct QuestionArgs {
    /// The adapter's name
    #[arg(value_name = "SERVICE")]
    pub(crate) service: String,
    /// The operation's name (`larder adapters show SERVICE` lists them)
    #[arg(value_name = "OPERATION")]
    pub(crate) operation: String,
    /// Parameters: name=value is a string, name:=JSON any other value
    #[arg(value_name = "NAME=VALUE")]
    pub(crate) params: Vec<String>,
    /// Whose answer: public, team, anonymous or credential:DIGEST [default: anonymous]
    #[arg(long, value_name = "SHARE")]
    pub(crate) share: Option<String>,
    /// Whose origin: an URL, or the name that the configuration gives it [default: what the configuration says, else the adapter's own]
    #[arg(long, value_name = "URL|NAME")]
    pub(crate) origin: Option<String>,
}
