//! What is logged, and where: stderr, in every command but the runner's, whose stderr is the tool's.

use crate::env;
use tracing_subscriber::EnvFilter;

/// `LARDER_LOG` says what is logged; warnings by default. Logs hold no header, query or body. `lasting`: for a process
/// whose lines are read later, and so need a time.
pub(super) fn to_stderr(lasting: bool) {
    let filter = env::LOG.get().and_then(|words| EnvFilter::try_new(words.to_str()?).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new("warn"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // Somebody else's logger, set before, is as good.
    let _ = if lasting { lines.try_init() } else { lines.without_time().with_target(false).try_init() };
}
