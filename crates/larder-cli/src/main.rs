//! The `larder` binary: the gateway, the runner and the commands.

#![cfg_attr(all(target_os = "linux", target_env = "gnu", not(test)), no_main)]

mod address;
mod cli;
mod config;
#[cfg(all(target_os = "linux", target_env = "gnu", not(test)))]
mod entry;
mod env;
mod error;
mod gateway;
mod net;
mod output;
mod report;
mod run;
mod service;

use std::{ffi::OsString, process::ExitCode};

#[cfg(not(all(target_os = "linux", target_env = "gnu", not(test))))]
fn main() -> ExitCode {
    run_and_tell()
}

fn run_and_tell() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    // The runner is a tool's fast path: it is reached before the large grammar is built.
    match cli::runner_words(&args) {
        Some(words) => run::run(words),
        None => cli::main(),
    }
}
