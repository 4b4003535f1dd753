//! larder's own words beside a tool's: for people who ask for them, and for nobody else.

use super::output::Stream;
use crate::env;
use tracing_subscriber::EnvFilter;

/// To people. Unbuffered, and without a panic where nobody listens.
pub(crate) fn say(what: &str) {
    let _ = Stream::Err.write_all(format!("larder: {what}\n").as_bytes());
}

/// The log goes to stderr where `LARDER_LOG` asks for it. Unset or wrong, there is none: stderr is the tool's.
pub(crate) fn start() {
    let Some(filter) = env::LOG.get().and_then(|words| EnvFilter::try_new(words.to_str()?).ok()) else { return };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // A log that cannot be written is no reason to say so on the same stderr, which would panic.
    let _ = log.log_internal_errors(false).try_init();
}
