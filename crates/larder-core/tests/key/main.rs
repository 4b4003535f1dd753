//! The key, from outside: golden vectors, properties, and documents for a check against another implementation.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod documents;
mod generate;
mod properties;
mod vectors;
