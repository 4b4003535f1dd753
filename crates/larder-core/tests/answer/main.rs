//! Answers: what their heads allow, and whether their bodies are complete.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends where it fails")]

mod adapter;
mod complete;
mod head;
mod stored;
