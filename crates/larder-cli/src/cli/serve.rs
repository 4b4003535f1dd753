//! `larder serve`: what the gateway is started with.

use crate::{
    error::Kind,
    gateway::{
        greeting::greeting,
        server::{self, Server},
        workers::Workers,
    },
    output::Output,
    service::Services,
};
use larder::Cache;
use larder_core::{Registry, ShareChoice, secret::Secret};
use serde::Serialize;
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

/// Where the gateway listens when nothing is said.
pub(crate) const DEFAULT_LISTEN: &str = "127.0.0.1:7117";
/// The largest body that enters a key, in bytes, when nothing is said; larger ones stream through uncached.
pub(crate) const DEFAULT_MAX_QUESTION: u64 = 256 << 20;
/// How long an upstream may be silent when nothing is said: what the language models' own clients wait.
pub(crate) const DEFAULT_UPSTREAM_TIMEOUT: Duration = Duration::from_secs(600);

/// Everything that `larder serve` needs to know; flags, variables and the configuration file are already merged.
pub(crate) struct ServeOptions {
    /// Where to listen; empty: [`DEFAULT_LISTEN`].
    pub(crate) listen: Vec<ListenSpec>,
    /// `--upstream NAME=URL`, in order; the last one of a name wins, and all of them win over `services`.
    pub(crate) upstreams: Vec<(String, String)>,
    /// What the configuration file says of services, by name.
    pub(crate) services: BTreeMap<String, ServiceConfig>,
    /// The store.
    pub(crate) store: larder::Options,
    /// `--share`.
    pub(crate) share: ShareChoice,
    /// `--max-question`, bytes.
    pub(crate) max_question: u64,
    /// How long an upstream may be silent, before its headers and between two pieces of a body.
    pub(crate) upstream_timeout: Duration,
    /// Every adapter that is trusted.
    pub(crate) registry: Registry,
    /// This installation's secret.
    pub(crate) secret: Secret,
    /// Whether it goes with this process, although a store stays.
    pub(crate) is_secret_fleeting: bool,
}

/// What the configuration file says of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServiceConfig {
    /// Its upstream's URL.
    pub(crate) upstream: Option<String>,
    /// The user's name for that upstream: enters the key in the URL's place, so that a team can share under it.
    pub(crate) origin: Option<String>,
    /// How wide its answers are shared, where that differs from `--share`.
    pub(crate) share: Option<ShareChoice>,
}

/// One `--listen ADDR[=SERVICE]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenSpec {
    /// Where.
    pub(crate) address: ListenAddress,
    /// The service that is served at the root; `None`: every service under its name.
    pub(crate) service: Option<String>,
}

/// Where a listener is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListenAddress {
    /// A loopback address and port (0: any free one).
    Tcp(SocketAddr),
    /// A unix socket's path.
    Unix(PathBuf),
}

/// Why the gateway did not start, or a `--listen` was refused: a sentence, a hint, and the exit code.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct ServeError {
    /// What is wrong.
    pub(crate) what: String,
    /// What to do.
    pub(crate) hint: Option<String>,
    /// Exit code: 2 for wrong words, 1 for a machine that does not let us.
    pub(crate) exit: u8,
}

impl ServeError {
    /// Wrong words on the command line or in the configuration: exit 2.
    pub(crate) fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: Some(hint.into()), exit: 2 }
    }

    /// The machine says no: exit 1.
    pub(crate) fn machine(what: impl Into<String>, hint: Option<String>) -> Self {
        Self { what: what.into(), hint, exit: 1 }
    }
}

/// Serves until it is told to stop.
pub(crate) fn run(mut options: ServeOptions, output: Output) -> Result<(), ServeError> {
    let services = Services::effective(&options)?;
    if options.listen.is_empty() {
        options.listen.push(DEFAULT_LISTEN.parse()?);
    }
    let listeners = server::bind(&options.listen, &services)?;
    let cache = open(&options, output);
    let kept = cache.as_ref().map_or_else(|| "memory only".to_owned(), |_| options.store.dir.display().to_string());
    let cache_dir = cache.as_ref().map(|_| options.store.dir.display().to_string());
    let server = Server::new(options, services, listeners, cache);
    let greeting = greeting(server.listeners(), server.services(), &kept);
    let started = output.json.then(|| Started::new(&server, cache_dir));
    let failed = |error: std::io::Error| ServeError::machine(format!("the gateway stopped: {error}"), None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let workers = Workers::start().map_err(failed)?;
    let result = runtime.block_on(server.run(workers, || greet(output, &greeting, started.as_ref())));
    // What still runs in the background (a call to an upstream that hangs) does not hold the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result.map_err(failed)
}

/// What `--json` prints once the gateway listens: what a script that lets the machine choose the port has to know.
#[derive(Serialize)]
struct Started {
    listeners: Vec<Listening>,
    /// The store's folder; `None`: answers are kept in memory only.
    store: Option<String>,
    /// Variable → URL, as `larder env` prints them.
    variables: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Listening {
    url: String,
    /// The service at the root; `None`: every service under its name.
    service: Option<String>,
}

impl Started {
    fn new(server: &Server, store: Option<String>) -> Self {
        let listening = |listener: &server::Listener| Listening {
            url: listener.url(),
            service: listener.service().map(|service| service.name.clone()),
        };
        Self { listeners: server.listeners().iter().map(listening).collect(), store, variables: variables(server) }
    }
}

/// With the ports that the machine chose.
fn variables(server: &Server) -> BTreeMap<String, String> {
    let adapters: Vec<_> = server.services().iter().filter_map(|service| service.adapter.clone()).collect();
    let spec = |listener: &server::Listener| {
        let address = listener.url().strip_prefix("http://")?.parse().ok()?;
        let service = listener.service().map(|service| service.name.clone());
        Some(ListenSpec { address: ListenAddress::Tcp(address), service })
    };
    let listen: Vec<ListenSpec> = server.listeners().iter().filter_map(spec).collect();
    super::env::variables(&adapters, &listen)
}

/// Nobody may be reading: the gateway serves nevertheless.
fn greet(output: Output, greeting: &str, started: Option<&Started>) {
    let told = started.map(|started| output.document("larder.serve/1", started));
    match told {
        Some(Err(error)) if error.kind != Kind::Closed => output.warn(error.to_string()),
        Some(_) => {}
        None => output.say(greeting),
    }
}

/// A store that cannot be used costs its answers, not the calls. One thing is said: without a store nothing outlives the
/// gateway, whatever its secret does.
fn open(options: &ServeOptions, output: Output) -> Option<Cache> {
    let cache = Cache::open(options.store.clone());
    match &cache {
        Ok(_) if options.is_secret_fleeting => output.warn(
            "no folder for the installation's secret (neither `HOME` nor `XDG_CONFIG_HOME` names one that can be \
             written): answers that belong to a credential are not found again after a restart",
        ),
        Ok(_) => {}
        Err(error) if options.store.memory_bytes == 0 => output.warn(format!("{error}; calls go on, nothing is kept")),
        Err(error) => output.warn(format!("{error}; calls go on, answers are kept in memory only")),
    }
    cache.ok()
}

impl FromStr for ListenSpec {
    type Err = ServeError;

    /// `HOST:PORT`, `unix:PATH`, each with an optional `=SERVICE`. The last `=` counts; a path that holds one itself
    /// needs a `=SERVICE` behind it.
    fn from_str(text: &str) -> Result<Self, ServeError> {
        let (address, service) = match text.rsplit_once('=') {
            Some((address, service)) => (address, Some(service.to_owned())),
            None => (text, None),
        };
        if service.as_deref() == Some("") {
            return Err(ServeError::usage(
                format!("`{text}` names no service after `=`"),
                "write ADDR or ADDR=SERVICE",
            ));
        }
        Ok(Self { address: address.parse()?, service })
    }
}

impl FromStr for ListenAddress {
    type Err = ServeError;

    fn from_str(text: &str) -> Result<Self, ServeError> {
        const FORMS: &str = "write HOST:PORT (127.0.0.1:7117, localhost:7117, [::1]:7117) or unix:PATH";
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err(ServeError::usage(format!("`{text}` names no path"), FORMS)),
                path => Ok(Self::Unix(path.into())),
            };
        }
        let address = match text.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}"),
            None => text.to_owned(),
        };
        match address.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() => Ok(Self::Tcp(address)),
            Ok(_) => Err(refused(text)),
            Err(_) if text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) => Err(refused(text)),
            Err(_) => Err(ServeError::usage(format!("`{text}` is not an address to listen on"), FORMS)),
        }
    }
}

fn refused(text: &str) -> ServeError {
    ServeError::usage(
        format!("`{text}` is not a loopback address: whoever reaches the gateway can read what it keeps"),
        "listen on 127.0.0.1, [::1] or unix:PATH; from another machine, come through `ssh -L` or a proxy that asks who calls",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_that_are_understood() {
        let tcp = |text: &str| ListenAddress::Tcp(text.parse().unwrap());
        for (text, address, service) in [
            ("127.0.0.1:7117", tcp("127.0.0.1:7117"), None),
            ("127.0.0.2:0", tcp("127.0.0.2:0"), None),
            ("localhost:80=some", tcp("127.0.0.1:80"), Some("some")),
            ("[::1]:7117", tcp("[::1]:7117"), None),
            ("unix:/run/a.sock", ListenAddress::Unix("/run/a.sock".into()), None),
            ("unix:a=b.sock=some", ListenAddress::Unix("a=b.sock".into()), Some("some")),
        ] {
            let spec: ListenSpec = text.parse().unwrap();
            assert_eq!(spec, ListenSpec { address, service: service.map(str::to_owned) }, "{text}");
        }
    }

    #[test]
    fn forms_that_are_refused() {
        for (text, word) in [
            ("0.0.0.0:7117", "loopback"),
            ("192.168.0.1:80", "loopback"),
            ("[::]:80", "loopback"),
            ("example.com:80", "loopback"),
            ("7117", "not an address"),
            ("127.0.0.1", "not an address"),
            ("127.0.0.1:99999", "not an address"),
            ("unix:", "no path"),
            ("127.0.0.1:1=", "no service"),
        ] {
            let error = text.parse::<ListenSpec>().unwrap_err();
            assert!(error.what.contains(word), "{text}: {error}");
            assert_eq!((error.exit, error.hint.is_some()), (2, true), "{text}");
        }
    }
}
