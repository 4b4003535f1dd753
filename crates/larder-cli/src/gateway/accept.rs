//! Connections: taken until the gateway stops, each served until its last answer.

use super::{
    Door,
    listen::{Bound, SocketFile},
    stack::stack,
};
use crate::net;
use futures_core::future::BoxFuture;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use std::{future::Future, io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::watch,
    time::sleep,
};

/// How long a connection may take over a request's headers, the first one or the next.
const HEADERS: Duration = Duration::from_secs(120);

/// Something that connections come from.
trait Accept: Send + Sync + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection; nothing is lost when it is not waited for.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = Self::accept(self).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// The file is removed when the last connection has been taken.
impl Accept for (UnixListener, SocketFile) {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<UnixStream> {
        self.0.accept().await.map(|(stream, _)| stream)
    }
}

/// Makes the task that takes connections until `stopped` closes.
pub(super) fn accept(
    bound: Bound,
    door: Arc<Door>,
    graceful: Arc<GracefulShutdown>,
    stopped: watch::Receiver<()>,
) -> io::Result<BoxFuture<'static, ()>> {
    Ok(match bound {
        Bound::Tcp(listener) => {
            listener.set_nonblocking(true)?;
            Box::pin(take_connections(TcpListener::from_std(listener)?, door, graceful, stopped))
        }
        Bound::Unix(listener, file) => {
            listener.set_nonblocking(true)?;
            Box::pin(take_connections((UnixListener::from_std(listener)?, file), door, graceful, stopped))
        }
    })
}

async fn take_connections<L: Accept>(
    listener: L,
    door: Arc<Door>,
    graceful: Arc<GracefulShutdown>,
    mut stopped: watch::Receiver<()>,
) {
    let service = stack(&door);
    let mut is_told = false;
    loop {
        let taken = tokio::select! {
            taken = listener.accept() => taken,
            _ = stopped.changed() => return,
        };
        match taken {
            Ok(stream) => {
                is_told = false;
                serve(stream, TowerToHyperService::new(service.clone()), &graceful);
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

fn serve<S, T>(stream: S, service: T, graceful: &GracefulShutdown)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: hyper::service::HttpService<hyper::body::Incoming, ResBody = net::Body, Future: Send> + Send + 'static,
    T::Error: Into<net::BoxError>,
{
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS).max_headers(net::MAX_HEADERS);
    let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
    });
}
