//! Connections: taken until the gateway stops, each served until its last answer.

use super::{
    Door,
    alarm::Alarm,
    last_words::{Clogged, LastWords, Telling},
    listen::{Bound, SocketFile},
    stack,
    workers::Workers,
};
use crate::net::{BoxError, MAX_HEADERS};
use futures_core::future::BoxFuture;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use std::{convert::Infallible, io, net, os::unix, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    runtime::Handle,
    sync::watch,
    time::sleep,
};

/// How long a connection may take over a request's headers, the first one or the next.
const HEADERS: Duration = Duration::from_secs(120);

/// Something that connections come from.
trait Accept: Send + Sync + 'static {
    /// A connection that no thread serves yet.
    type Taken: Send + 'static;
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection; nothing is lost when it is not waited for.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Taken>> + Send;

    /// Makes it this thread's.
    fn open(taken: Self::Taken) -> io::Result<Self::Stream>;
}

impl Accept for TcpListener {
    type Taken = net::TcpStream;
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<net::TcpStream> {
        let (stream, _) = Self::accept(self).await?;
        stream.set_nodelay(true)?;
        stream.into_std()
    }

    fn open(taken: net::TcpStream) -> io::Result<TcpStream> {
        TcpStream::from_std(taken)
    }
}

/// The file is removed when the last connection has been taken.
impl Accept for (UnixListener, SocketFile) {
    type Taken = unix::net::UnixStream;
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<unix::net::UnixStream> {
        self.0.accept().await?.0.into_std()
    }

    fn open(taken: unix::net::UnixStream) -> io::Result<UnixStream> {
        UnixStream::from_std(taken)
    }
}

/// Where connections go.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) door: Arc<Door>,
    pub(super) graceful: Arc<GracefulShutdown>,
    pub(super) workers: Arc<Workers>,
}

/// Makes the task that takes connections until `stopped` closes.
pub(super) fn accept(bound: Bound, place: Place, stopped: watch::Receiver<()>) -> io::Result<BoxFuture<'static, ()>> {
    Ok(match bound {
        Bound::Tcp(listener) => {
            listener.set_nonblocking(true)?;
            Box::pin(take_connections(TcpListener::from_std(listener)?, place, stopped))
        }
        Bound::Unix(listener, file) => {
            listener.set_nonblocking(true)?;
            Box::pin(take_connections((UnixListener::from_std(listener)?, file), place, stopped))
        }
    })
}

async fn take_connections<L: Accept>(listener: L, place: Place, mut stopped: watch::Receiver<()>) {
    let mut is_told = false;
    loop {
        let taken = tokio::select! {
            taken = listener.accept() => taken,
            _ = stopped.changed() => return,
        };
        match taken {
            Ok(taken) => {
                is_told = false;
                place.serve::<L>(taken);
            }
            Err(error) => {
                // Out of file descriptors, most likely: not worth a busy loop or a line each time, and it passes.
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!(%error, "a connection could not be taken");
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

impl Place {
    fn serve<L: Accept>(&self, taken: L::Taken) {
        let (door, watcher) = (Arc::clone(&self.door), self.graceful.watcher());
        let (handle, held) =
            self.workers.least().map_or_else(|| (Handle::current(), None), |(h, held)| (h.clone(), Some(held)));
        handle.spawn(async move {
            let ended: Result<(), BoxError> = match L::open(taken) {
                Ok(stream) => watcher.watch(connection(stream, door)).await.map_err(Into::into),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(held);
        });
    }
}

fn connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    door: Arc<Door>,
) -> impl GracefulConnection<Error = hyper::Error> {
    let clogged = Clogged::default();
    let stream = Telling::new(stream, clogged.clone());
    let service = service_fn(move |request| {
        let (door, clogged) = (Arc::clone(&door), clogged.clone());
        async move { Ok::<_, Infallible>(stack::answer(&door, request).await.map(|body| LastWords::new(body, clogged))) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(Alarm::default()).header_read_timeout(HEADERS).max_headers(MAX_HEADERS);
    builder.serve_connection(stream, service)
}
