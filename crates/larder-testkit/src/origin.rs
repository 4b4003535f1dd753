//! A scripted origin: says what it is told to, call by call, in process or as a real HTTP server on loopback.

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream, stream::BoxStream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use larder::{Origin, OriginAnswer, OriginError};
use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// Something that waits until it is opened; opened once, it stays open.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets everybody through.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until it is open.
    pub async fn passed(&self) {
        // The sender lives in `self`, so that waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

/// One step of an answer.
#[derive(Clone, Debug)]
enum Step {
    Bytes(Bytes),
    Wait(Gate),
    Sleep(Duration),
    Cut,
    Unmarked,
    Hang,
}

/// What the origin does in one call. Steps are taken in the order in which they were added.
#[derive(Clone, Debug)]
pub struct Reply {
    before: Vec<Step>,
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<Step>,
}

impl Reply {
    /// An answer with this status and nothing else.
    #[must_use]
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { before: Vec::new(), status, headers: HeaderMap::new(), body: Vec::new() }
    }

    /// `200` with this body and its `content-length`.
    #[must_use]
    pub fn ok(body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self::status(200).header("content-length", &body.len().to_string()).piece(body)
    }

    /// Adds a header. A name or value that cannot be sent is left out.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            self.headers.append(name, value);
        }
        self
    }

    /// Waits for `gate` before the headers.
    #[must_use]
    pub fn headers_after(mut self, gate: &Gate) -> Self {
        self.before.push(Step::Wait(gate.clone()));
        self
    }

    /// Sleeps before the headers.
    #[must_use]
    pub fn sleep_before(mut self, time: Duration) -> Self {
        self.before.push(Step::Sleep(time));
        self
    }

    /// Never sends headers.
    #[must_use]
    pub fn silent(mut self) -> Self {
        self.before.push(Step::Hang);
        self
    }

    /// Fails before the headers: no connection.
    #[must_use]
    pub fn unreachable() -> Self {
        let mut reply = Self::status(502);
        reply.before.push(Step::Cut);
        reply
    }

    /// A piece of the body.
    #[must_use]
    pub fn piece(mut self, bytes: impl Into<Bytes>) -> Self {
        self.body.push(Step::Bytes(bytes.into()));
        self
    }

    /// Waits for `gate` within the body.
    #[must_use]
    pub fn wait(mut self, gate: &Gate) -> Self {
        self.body.push(Step::Wait(gate.clone()));
        self
    }

    /// Sleeps within the body.
    #[must_use]
    pub fn sleep(mut self, time: Duration) -> Self {
        self.body.push(Step::Sleep(time));
        self
    }

    /// Drops the connection within the body.
    #[must_use]
    pub fn cut(mut self) -> Self {
        self.body.push(Step::Cut);
        self
    }

    /// In process: ends as an answer that nothing but the end of the connection ends.
    #[must_use]
    pub fn unmarked(mut self) -> Self {
        self.body.push(Step::Unmarked);
        self
    }

    /// Sends nothing more and never ends.
    #[must_use]
    pub fn hang(mut self) -> Self {
        self.body.push(Step::Hang);
        self
    }
}

/// A request that the origin was sent.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Method (`GET` or `HEAD` for calls in process).
    pub method: Method,
    /// Path and query (`/` for calls in process).
    pub target: String,
    /// Headers; in process: the conditional ones that the engine added, and those of [`Scripted::call_with`].
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

type Answering = dyn Fn(usize, &Seen) -> Reply + Send + Sync;

#[derive(Default)]
struct Log {
    seen: Vec<Seen>,
    /// Bodies that were dropped before their end.
    dropped: usize,
    /// Steps of the newest body that have not been taken.
    left: usize,
}

/// The origin. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct Scripted {
    answering: Arc<Answering>,
    log: Arc<Mutex<Log>>,
    changed: Arc<watch::Sender<usize>>,
}

impl Scripted {
    /// Answers call number `n` (from 0) with `answering(n, request)`.
    #[must_use]
    pub fn new(answering: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self { answering: Arc::new(answering), log: Arc::default(), changed: Arc::new(watch::Sender::new(0)) }
    }

    /// Answers with these replies in turn; the last one again and again.
    #[must_use]
    pub fn replies(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies: Vec<Reply> = replies.into_iter().collect();
        Self::new(move |n, _| {
            let reply = replies.get(n).or(replies.last());
            reply.cloned().unwrap_or_else(|| Reply::status(404))
        })
    }

    /// How often it was called.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.log().seen.len()
    }

    /// What it was sent, in order.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.log().seen.clone()
    }

    /// How many bodies were dropped before their end.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.log().dropped
    }

    /// How many steps of the body that was read last are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.log().left
    }

    /// Waits until it was called `calls` times.
    pub async fn called(&self, calls: usize) {
        // The sender lives in `self`, so that waiting cannot fail.
        let _ = self.changed.subscribe().wait_for(|made| *made >= calls).await;
    }

    /// One call in process.
    #[must_use]
    pub fn call(&self) -> Box<dyn Origin> {
        self.call_with(HeaderMap::new())
    }

    /// One call in process whose request has these headers.
    #[must_use]
    pub fn call_with(&self, headers: HeaderMap) -> Box<dyn Origin> {
        Box::new(Call { origin: self.clone(), headers, method: Method::GET })
    }

    /// One call in process with the method HEAD: the body that the reply has is not sent.
    #[must_use]
    pub fn call_head(&self) -> Box<dyn Origin> {
        Box::new(Call { origin: self.clone(), headers: HeaderMap::new(), method: Method::HEAD })
    }

    /// Serves over HTTP on a loopback port until the returned value is dropped.
    pub async fn serve(&self) -> io::Result<Served> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let origin = self.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let origin = origin.clone();
                let service = hyper::service::service_fn(move |request| origin.clone().respond(request));
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                // A connection that breaks is part of the script.
                tokio::spawn(connection.map(drop));
            }
        });
        Ok(Served { address, task })
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reply(&self, seen: Seen) -> Reply {
        let number = self.calls();
        let reply = (self.answering)(number, &seen);
        self.log().seen.push(seen);
        self.changed.send_modify(|made| *made += 1);
        reply
    }

    async fn respond(self, request: Request<Incoming>) -> Result<Response<HttpBody>, io::Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let target = head.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
        let reply = self.reply(Seen { method: head.method, target, headers: head.headers, body });
        let answer = self.perform(reply).await.map_err(io::Error::other)?;
        let frames = answer.body.map(|piece| piece.map(Frame::data).map_err(io::Error::other)).boxed();
        let mut response = Response::new(StreamBody::new(frames));
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }

    async fn perform(&self, reply: Reply) -> Result<OriginAnswer, OriginError> {
        for step in reply.before {
            if take(step).await.is_err() {
                return Err(OriginError::Unreachable("the script says so".to_owned()));
            }
        }
        let steps = Steps { left: reply.body.into(), log: Arc::clone(&self.log) };
        let body = stream::unfold(steps, |mut steps| async move {
            loop {
                match take(steps.next()?).await {
                    Ok(Some(bytes)) => return Some((Ok(bytes), steps)),
                    Ok(None) => {}
                    Err(error) => {
                        steps.left.clear();
                        return Some((Err(error), steps));
                    }
                }
            }
        });
        Ok(OriginAnswer { status: reply.status, headers: reply.headers, body: body.boxed() })
    }
}

type HttpBody = StreamBody<BoxStream<'static, Result<Frame<Bytes>, io::Error>>>;

/// The steps that are left; counts itself as dropped when some are.
struct Steps {
    left: VecDeque<Step>,
    log: Arc<Mutex<Log>>,
}

impl Steps {
    fn next(&mut self) -> Option<Step> {
        let step = self.left.pop_front();
        self.log.lock().unwrap_or_else(PoisonError::into_inner).left = self.left.len();
        step
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        if !self.left.is_empty() {
            self.log.lock().unwrap_or_else(PoisonError::into_inner).dropped += 1;
        }
    }
}

async fn take(step: Step) -> Result<Option<Bytes>, OriginError> {
    match step {
        Step::Bytes(bytes) => return Ok(Some(bytes)),
        Step::Wait(gate) => gate.passed().await,
        Step::Sleep(time) => tokio::time::sleep(time).await,
        Step::Cut => {
            // Let what came before be sent: a server that fails at once sends nothing.
            tokio::time::sleep(Duration::from_millis(1)).await;
            return Err(OriginError::Truncated("the script says so".to_owned()));
        }
        Step::Unmarked => return Err(OriginError::Unmarked),
        Step::Hang => std::future::pending::<Infallible>().map(|_| ()).await,
    }
    Ok(None)
}

struct Call {
    origin: Scripted,
    headers: HeaderMap,
    method: Method,
}

impl Origin for Call {
    fn call(self: Box<Self>, conditional: HeaderMap) -> BoxFuture<'static, Result<OriginAnswer, OriginError>> {
        let head = self.bodiless();
        let mut headers = self.headers;
        headers.extend(conditional);
        let seen = Seen { method: self.method.clone(), target: "/".to_owned(), headers, body: Bytes::new() };
        let origin = self.origin;
        async move {
            let mut reply = origin.reply(seen);
            if head {
                reply.body.clear();
            }
            origin.perform(reply).await
        }
        .boxed()
    }

    fn bodiless(&self) -> bool {
        self.method == Method::HEAD
    }
}

/// A running server; dropping it stops it.
#[derive(Debug)]
pub struct Served {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Served {
    /// `http://127.0.0.1:PORT`
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}
