//! The commands, as people and scripts meet them: the real program in a home of its own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod adapters;
mod config;
mod demo;
mod doors;
mod explain;
mod home;
mod store;
mod words;
