//! The gateway: a caching reverse proxy on loopback (ARCHITECTURE.md, "A request's way").
//!
//! [`stack`] is a request's life; each of its layers is one file here. [`rescue`] is the one place where errors become
//! responses. [`server`] listens and stops,
//! [`greeting`] says what to do next.

mod accept;
mod alarm;
mod forward;
mod gather;
pub(crate) mod greeting;
mod guard;
mod headers;
mod invalidate;
mod keep;
mod last_words;
mod listen;
mod memo;
mod own;
mod recognise;
mod rescue;
mod respond;
mod said;
pub(crate) mod server;
mod spool;
mod stack;
mod trace;
pub(crate) mod workers;

use crate::{
    net::{Body, Client},
    service::{Service, Services},
};
use larder::Cache;
use larder_core::{Timestamp, judge::Context, secret::Secret};
use std::{path::PathBuf, sync::Arc, time::Instant};

/// What is passed back to the client.
type Reply = http::Response<Body>;

/// What every request shares.
pub(crate) struct Gateway {
    /// The cache.
    pub(crate) cache: Cache,
    /// Whether the cache has a store on disk.
    pub(crate) stored: bool,
    /// Asks upstreams.
    pub(crate) client: Client,
    /// What is served.
    pub(crate) services: Services,
    /// Keys the credential digests.
    pub(crate) secret: Secret,
    /// The largest body that enters a key.
    pub(crate) max_question: u64,
    /// Where large bodies are spooled: on the store's disk, since the temporary folder may be memory.
    pub(crate) spool: PathBuf,
    /// What the judge said of requests that come again.
    pub(crate) memo: memo::Memo,
    /// What is being written.
    pub(crate) writes: invalidate::Writes,
    /// When the gateway started.
    pub(crate) started: Instant,
}

impl Gateway {
    fn context<'a>(&'a self, service: &'a Service) -> Context<'a> {
        Context { secret: &self.secret, share: service.share, origin: service.origin.as_deref() }
    }
}

/// One listener, as its requests see it.
struct Door {
    gateway: Arc<Gateway>,
    /// A unix socket: no browser reaches it, and clients send their upstream's `Host`.
    unix: bool,
    /// The service that is served at the root; `None`: every service under its name, and `/-/`.
    service: Option<Arc<Service>>,
}

/// The clock.
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
