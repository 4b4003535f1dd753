//! The `larder` binary: the gateway, the runner and the commands.

mod cli;
mod config;
mod env;
mod error;
mod gateway;
mod net;
mod output;
mod report;
mod run;
mod service;

use std::{ffi::OsString, process::ExitCode};

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    // The runner is a tool's fast path: it is reached before the large grammar is built.
    match cli::runner_words(&args) {
        Some(words) => run::run(words),
        None => cli::main(),
    }
}
