//! The gateway, as a program: the real binary on real sockets, in front of a scripted origin.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what failed by failing")]

mod crowd;
mod guarding;
mod harness;
mod keeping;
mod large;
mod listening;
mod passing;
mod plain;
mod sharing;
mod stopping;
mod streaming;
mod writing;
