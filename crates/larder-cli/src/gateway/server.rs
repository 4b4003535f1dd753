//! Listening, and stopping: nothing new is taken, what is on its way is finished, the store is closed.

use super::{
    Door, Gateway, accept, accept::Place, invalidate::Writes, listen, listen::Bound, memo::Memo, workers,
    workers::Workers,
};
use crate::{
    address::shown,
    cli::serve::{ListenSpec, ServeError, ServeOptions},
    net::Client,
    service::{Service, Services},
};
use hyper_util::server::graceful::GracefulShutdown;
use larder::Cache;
use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::timeout,
};

/// How long streams in flight may take to finish after the first signal.
const GRACE: Duration = Duration::from_secs(30);

/// A gateway that does not serve yet.
pub(crate) struct Server {
    gateway: Arc<Gateway>,
    listeners: Vec<Listener>,
}

/// One bound listener.
pub(crate) struct Listener {
    bound: Bound,
    service: Option<Arc<Service>>,
}

impl Listener {
    /// `http://ADDR` or `unix:PATH`.
    pub(crate) fn url(&self) -> String {
        match &self.bound {
            Bound::Tcp(listener) => match listener.local_addr() {
                Ok(address) => format!("http://{address}"),
                Err(_) => "http://?".to_owned(),
            },
            Bound::Unix(_, file) => format!("unix:{}", file.path().display()),
        }
    }

    /// The service at its root.
    pub(crate) fn service(&self) -> Option<&Arc<Service>> {
        self.service.as_ref()
    }

    fn address(&self) -> Option<SocketAddr> {
        match &self.bound {
            Bound::Tcp(listener) => listener.local_addr().ok(),
            Bound::Unix(..) => None,
        }
    }
}

impl Server {
    /// A gateway on `listeners`. `cache` is `None` where the store cannot be opened.
    pub(crate) fn new(
        options: ServeOptions,
        services: Services,
        listeners: Vec<Listener>,
        cache: Option<Cache>,
    ) -> Self {
        let stored = cache.is_some();
        let cache = cache.unwrap_or_else(|| Cache::without_store(options.store.memory_bytes));
        let gateway = Gateway {
            stored,
            spool: cache.spool_folder().unwrap_or_else(std::env::temp_dir),
            cache,
            client: Client::new(options.upstream_timeout, workers::lanes()),
            services,
            secret: options.secret,
            max_question: options.max_question,
            memo: Memo::new(),
            writes: Writes::default(),
            started: Instant::now(),
        };
        Self { gateway: Arc::new(gateway), listeners }
    }

    /// The same on listeners that are still to be bound, for a store that is open already.
    pub(crate) fn bind(
        options: ServeOptions,
        listen: &[ListenSpec],
        services: Services,
        cache: Option<Cache>,
    ) -> Result<Self, ServeError> {
        let listeners = bind(listen, &services)?;
        Ok(Self::new(options, services, listeners, cache))
    }

    /// What is listened on.
    pub(crate) fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// What is served.
    pub(crate) fn services(&self) -> &Services {
        &self.gateway.services
    }

    /// Serves until SIGTERM or SIGINT; a second one does not wait for streams in flight. `ready` is called when connections
    /// are taken and signals are obeyed.
    /// Connections are served by `workers`.
    pub(crate) async fn run(self, workers: Workers, ready: impl FnOnce()) -> io::Result<()> {
        let mut signals = Signals::new()?;
        let (stop, stopped) = watch::channel(());
        let (graceful, workers) = (Arc::new(GracefulShutdown::new()), Arc::new(workers));
        let mut accepting = Vec::new();
        for listener in self.listeners {
            let door = Door {
                gateway: self.gateway.clone(),
                unix: matches!(listener.bound, Bound::Unix(..)),
                service: listener.service,
            };
            accepting.push(tokio::spawn(accept::accept(
                listener.bound,
                Place { door: Arc::new(door), graceful: graceful.clone(), workers: workers.clone() },
                stopped.clone(),
            )?));
        }
        drop(stopped);
        ready();
        signals.next().await;
        drop(stop);
        for task in accepting {
            let _ = task.await;
        }
        tracing::debug!("stopping: what is on its way is finished first");
        tokio::select! {
            finished = timeout(GRACE, finish(graceful, &self.gateway)) => {
                if finished.is_err() {
                    tracing::warn!("what was on its way took longer than {} s and was cut", GRACE.as_secs());
                }
            }
            () = signals.next() => tracing::warn!("a second signal: what was on its way was cut"),
        }
        self.gateway.cache.close();
        Ok(())
    }
}

/// Answers on their way to clients, then writes whose client has left, and answers that are finished for the store alone.
async fn finish(graceful: Arc<GracefulShutdown>, gateway: &Gateway) {
    if let Some(graceful) = Arc::into_inner(graceful) {
        graceful.shutdown().await;
    }
    gateway.writes.settled().await;
    gateway.cache.landed().await;
}

/// Binds every listener. Called before any other thread runs: making a unix socket changes the whole process's umask.
pub(crate) fn bind(listen: &[ListenSpec], services: &Services) -> Result<Vec<Listener>, ServeError> {
    let listeners = listen.iter().map(|spec| listener(spec, services)).collect::<Result<Vec<_>, _>>()?;
    refuse_loops(services, &listeners)?;
    Ok(listeners)
}

fn listener(spec: &ListenSpec, services: &Services) -> Result<Listener, ServeError> {
    let service = match &spec.service {
        None => None,
        Some(name) => Some(services.get(name).cloned().ok_or_else(|| {
            let what = format!("`--listen …={name}`: no service is called `{name}`; known are {}", services.names());
            ServeError::usage(what, format!("`--upstream {name}=URL` opens one"))
        })?),
    };
    Ok(Listener { bound: listen::bind(&spec.address)?, service })
}

/// A gateway that is its own upstream would ask itself for ever.
fn refuse_loops(services: &Services, listeners: &[Listener]) -> Result<(), ServeError> {
    let own: Vec<SocketAddr> = listeners.iter().filter_map(Listener::address).collect();
    for service in services.iter().filter(|service| !service.upstream.is_https()) {
        let upstream = &service.upstream;
        let host = if upstream.host() == "localhost" { "127.0.0.1" } else { upstream.host() };
        if own.iter().any(|own| Ok(*own) == format!("{host}:{}", upstream.port()).parse()) {
            let address = upstream.to_string();
            let what = format!("the upstream of `{}` is this gateway itself: `{}`", service.name, shown(&address));
            return Err(ServeError::usage(what, "give the address of the real server"));
        }
    }
    Ok(())
}

/// SIGTERM and SIGINT.
struct Signals {
    term: tokio::signal::unix::Signal,
    int: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}
