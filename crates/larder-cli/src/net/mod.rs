//! The HTTP client that asks upstreams.
//!
//! Resolver and TLS are made when they are first needed: both fail on a machine without nameservers or roots, and
//! loopback needs neither. No redirects, no cookies, no proxy: what an upstream says is passed on. Only a GET or HEAD whose
//! kept connection turned out to be closed is sent once more (RFC 9110 §9.2.2).

mod body;
mod names;
mod tls;

pub(crate) use body::{Body, BoxError, Quiet, empty, whole};

use body::{Activity, Watched};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{self, ResponseFuture, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use larder::OriginError;
use larder_core::origin_id::Upstream;
use names::Names;
use std::{
    cell::Cell,
    pin::pin,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept: less than the minute after which common servers close theirs.
const IDLE: Duration = Duration::from_secs(50);
/// The most header lines that are read; more are refused.
pub(crate) const MAX_HEADERS: usize = 256;

type Plain = legacy::Client<HttpConnector<Names>, Body>;
type Tls = legacy::Client<hyper_rustls::HttpsConnector<HttpConnector<Names>>, Body>;

/// Asks upstreams. Cheap to clone; clones share their connections, of each lane its own.
#[derive(Clone)]
pub(crate) struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    connector: HttpConnector<Names>,
    pools: Box<[Pool]>,
    silence: Duration,
}

/// The connections of one lane.
struct Pool {
    plain: Plain,
    tls: OnceLock<Tls>,
}

thread_local! {
    static LANE: Cell<usize> = const { Cell::new(0) };
}

/// Makes `lane` this thread's, whose connections it uses: one that another thread drives costs two wake-ups for each piece
/// of a request or an answer. Threads that say nothing share lane 0.
pub(crate) fn enter_lane(lane: usize) {
    LANE.set(lane);
}

impl Client {
    /// A client for `lanes` lanes that gives an upstream up after `silence` without a byte in either direction.
    pub(crate) fn new(silence: Duration, lanes: usize) -> Self {
        let mut connector = HttpConnector::new_with_resolver(Names::default());
        connector.set_nodelay(true);
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_keepalive(Some(Duration::from_secs(30)));
        let pool = |_| Pool { plain: settings().build(connector.clone()), tls: OnceLock::new() };
        let pools = (0..lanes.max(1)).map(pool).collect();
        Self { inner: Arc::new(Inner { connector, pools, silence }) }
    }

    /// Sends `request`, whose URI is path and query, to `upstream`; its `Host` becomes the upstream's.
    pub(crate) async fn send(
        &self,
        upstream: &Upstream,
        request: Request<Body>,
    ) -> Result<Response<Quiet<Incoming>>, OriginError> {
        let again = repeated(&request);
        let answer = match (self.attempt(upstream, request).await, again) {
            (Err(Failed { cut: true, .. }), Some(again)) => self.attempt(upstream, again).await,
            (first, _) => first,
        };
        let mut answer = answer.map_err(|failed| failed.error)?;
        say_length_once(answer.headers_mut());
        Ok(answer.map(|body| Quiet::new(body, self.inner.silence)))
    }

    async fn attempt(&self, upstream: &Upstream, request: Request<Body>) -> Result<Response<Incoming>, Failed> {
        let activity = Arc::new(Activity::new());
        let request = addressed(upstream, request, &activity)?;
        let pending = self.start(upstream, request)?;
        answered(pending, &activity, self.inner.silence).await
    }

    fn start(&self, upstream: &Upstream, request: Request<Body>) -> Result<ResponseFuture, OriginError> {
        Ok(if upstream.is_https() { self.tls()?.request(request) } else { self.pool().plain.request(request) })
    }

    fn pool(&self) -> &Pool {
        &self.inner.pools[LANE.get() % self.inner.pools.len()]
    }

    /// A failure is not remembered: the roots may be there the next time.
    fn tls(&self) -> Result<&Tls, OriginError> {
        let pool = self.pool();
        if let Some(client) = pool.tls.get() {
            return Ok(client);
        }
        let connector = tls::connector(self.inner.connector.clone()).map_err(OriginError::Unreachable)?;
        Ok(pool.tls.get_or_init(|| settings().build(connector)))
    }
}

/// A length that is said more than once (`1, 1`, or on two lines) is said once, as RFC 9110 §8.6 allows: hyper's server breaks the
/// connection off otherwise.
fn say_length_once(headers: &mut HeaderMap) {
    let lines = headers.get_all(header::CONTENT_LENGTH).iter().filter_map(|line| line.to_str().ok());
    let mut lengths = lines.flat_map(|line| line.split(',')).map(str::trim);
    let Some(first) = lengths.next() else { return };
    let (more, differ) = lengths.fold((false, false), |(_, differ), next| (true, differ || next != first));
    if let (true, false, Ok(length)) = (more, differ, HeaderValue::from_str(first)) {
        headers.insert(header::CONTENT_LENGTH, length);
    }
}

/// Why an attempt came to nothing.
struct Failed {
    error: OriginError,
    /// The connection stood, and ended before a word of the answer.
    cut: bool,
}

impl From<OriginError> for Failed {
    fn from(error: OriginError) -> Self {
        Self { error, cut: false }
    }
}

/// The same request once more, where it may be sent twice: it has no body and changes nothing.
fn repeated(request: &Request<Body>) -> Option<Request<Body>> {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD) && request.body().is_end_stream();
    let again = || {
        let mut again = Request::new(empty());
        *again.method_mut() = request.method().clone();
        *again.uri_mut() = request.uri().clone();
        *again.headers_mut() = request.headers().clone();
        again
    };
    safe.then(again)
}

fn settings() -> legacy::Builder {
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder.pool_idle_timeout(IDLE).pool_timer(TokioTimer::new()).timer(TokioTimer::new());
    builder.http1_max_headers(MAX_HEADERS);
    builder
}

/// Puts the upstream's scheme, authority and `Host` onto `request`.
fn addressed(
    upstream: &Upstream,
    request: Request<Body>,
    activity: &Arc<Activity>,
) -> Result<Request<Body>, OriginError> {
    let (mut parts, body) = request.into_parts();
    let scheme = if upstream.is_https() { "https" } else { "http" };
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let uri = Uri::builder().scheme(scheme).authority(upstream.authority()).path_and_query(target).build();
    parts.uri = uri.map_err(|error| OriginError::Unreachable(format!("`{target}` is not a target: {error}")))?;
    parts.headers.remove(header::HOST);
    Ok(Request::from_parts(parts, Watched::new(body, activity.clone()).boxed_unsync()))
}

/// Waits for the headers for as long as something moves: a large upload takes its time.
async fn answered(
    pending: ResponseFuture,
    activity: &Activity,
    silence: Duration,
) -> Result<Response<Incoming>, Failed> {
    let mut pending = pin!(pending);
    loop {
        match timeout_at(activity.last() + silence, &mut pending).await {
            Ok(answer) => {
                let failed = |error: legacy::Error| Failed {
                    error: OriginError::Unreachable(chain(&error)),
                    cut: !error.is_connect() && !has_answered(&error),
                };
                return answer.map_err(failed);
            }
            Err(_) if activity.last() + silence <= Instant::now() => return Err(OriginError::TimedOut.into()),
            Err(_) => {}
        }
    }
}

/// Whether what came was an answer, only not one that can be read.
fn has_answered(error: &legacy::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<hyper::Error>());
    cause.is_some_and(hyper::Error::is_parse)
}

/// An error and its causes in one line: the first says only "client error".
fn chain(error: &dyn std::error::Error) -> String {
    let causes: Vec<_> =
        std::iter::successors(error.source(), |cause| cause.source()).map(ToString::to_string).collect();
    if causes.is_empty() { error.to_string() } else { causes.join(": ") }
}
