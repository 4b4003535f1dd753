//! `larder serve`: its words, joined with the settings.

use super::{
    Outcome,
    serve::{ListenSpec, ServeError, ServeOptions, ServiceConfig},
    session::Session,
};
use crate::{
    address::shown,
    config::{parse_duration, parse_share, parse_size},
    error::CliError,
    output::Output,
};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};
use tempfile::TempDir;

/// What `larder serve` takes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// Where to listen: HOST:PORT or unix:PATH, with =SERVICE for one service at the root (repeatable) [default: 127.0.0.1:7117]
    #[arg(long, value_name = "ADDR[=SERVICE]")]
    listen: Vec<String>,
    /// Another origin for a service, or a plain caching proxy for a name that has no adapter (repeatable)
    #[arg(long, value_name = "NAME=URL")]
    upstream: Vec<String>,
    /// How wide answers are shared, where the adapter allows it: credential or team [default: credential]
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    share: Option<larder_core::ShareChoice>,
    /// The most bytes on disk, such as 10GiB; 0: no limit [default: 10GiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_size: Option<u64>,
    /// The most entries on disk; 0: no limit [default: 0]
    #[arg(long, value_name = "N")]
    max_entries: Option<u64>,
    /// The most bytes in memory; 0: none [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    memory: Option<u64>,
    /// Requests with a larger body stream through uncached [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_question: Option<u64>,
    /// How long an upstream may be silent [default: 10m]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    upstream_timeout: Option<Duration>,
}

/// Serves until it is told to stop.
pub(crate) fn run(args: ServeArgs, session: &Session) -> Outcome {
    let homeless = session.settings.store().err().map(|error| Homeless::new(&error, session.output));
    super::serve::run(options(args, session, homeless.as_ref().map(Homeless::path))?, session.output)?;
    Ok(ExitCode::SUCCESS)
}

/// A store where there is no folder for one: the gateway serves nevertheless, and what it keeps goes when it goes.
enum Homeless {
    Temporary(TempDir),
    /// Not even that can be made. Whoever opens a store there says so.
    Nowhere(PathBuf),
}

impl Homeless {
    fn new(error: &CliError, output: Output) -> Self {
        match tempfile::Builder::new().prefix("larder-").tempdir() {
            Ok(folder) => {
                output.warn(format!("{error}\nuntil then nothing outlives this gateway"));
                Self::Temporary(folder)
            }
            Err(_) => Self::Nowhere(std::env::temp_dir().join(format!("larder-{}", std::process::id()))),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Nowhere(path) => path,
        }
    }
}

fn options(args: ServeArgs, session: &Session, homeless: Option<&Path>) -> Result<ServeOptions, CliError> {
    let settings = &session.settings;
    let known = session.known_or_refuse()?;
    known.replaced().for_each(|line| session.output.warn(line));
    let listen = if args.listen.is_empty() { &settings.listen.value } else { &args.listen };
    let dir = homeless.map_or_else(|| settings.store(), Ok)?;
    let mut store = settings.options_in(dir, args.memory.unwrap_or(settings.memory.value));
    store.max_bytes = args.max_size.unwrap_or(store.max_bytes);
    store.max_entries = args.max_entries.unwrap_or(store.max_entries);
    let (secret, is_lasting) = session.secret_and_whether_it_lasts()?;
    Ok(ServeOptions {
        listen: listen.iter().map(|text| text.parse::<ListenSpec>()).collect::<Result<_, _>>()?,
        upstreams: args.upstream.iter().map(|text| upstream(text)).collect::<Result<_, _>>()?,
        services: settings.services.iter().map(|(name, said)| (name.clone(), ServiceConfig::from(said))).collect(),
        store,
        share: args.share.unwrap_or(settings.share.value),
        max_question: args.max_question.unwrap_or(settings.max_question.value),
        upstream_timeout: args.upstream_timeout.unwrap_or(settings.upstream_timeout.value),
        registry: known.registry,
        secret,
        is_secret_fleeting: !is_lasting && homeless.is_none(),
    })
}

fn upstream(text: &str) -> Result<(String, String), CliError> {
    let wrong = || {
        CliError::usage(format!("`{}` is not an upstream", shown(text)))
            .hint("write --upstream NAME=http://HOST[:PORT][/BASE]")
    };
    // Without a name the URL's own `=` was found.
    let named = text.split_once('=').filter(|(name, _)| !name.contains([':', '/', '?', '#', '@', ';']));
    let (name, url) = named.ok_or_else(wrong)?;
    Ok((name.to_owned(), url.to_owned()))
}

impl From<&crate::config::Service> for ServiceConfig {
    fn from(said: &crate::config::Service) -> Self {
        Self {
            upstream: said.upstream.as_ref().map(|setting| setting.value.clone()),
            origin: said.name.as_ref().map(|setting| setting.value.clone()),
            share: said.share.as_ref().map(|setting| setting.value),
        }
    }
}

impl From<ServeError> for CliError {
    fn from(error: ServeError) -> Self {
        let new = if error.exit == 2 { Self::usage } else { Self::failed };
        error.hint.into_iter().fold(new(error.what), Self::hint)
    }
}
