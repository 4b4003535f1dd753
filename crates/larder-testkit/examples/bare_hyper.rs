//! What the gateway is measured against: hyper 1 over tokio and nothing else. It is also the origin of those benches.
//!
//! `bare_hyper MODE [BYTES] [THREADS]` listens on a free port of 127.0.0.1 and prints `http://127.0.0.1:PORT`.
//!
//! - `constant`: BYTES bytes (1024), kept for an hour by a cache.
//! - `echo`: the request's body.
//! - `chat`: a chat completion of BYTES bytes.
//! - `sse`: a chat completion as nine events of about BYTES bytes, 20 ms apart, the first at once.
//! - `proxy ORIGIN` (`127.0.0.1:PORT`): asks it for every request, body and answer whole before they are sent on; one connection
//!   to it for each of its own.
//! - `stream`: BYTES bytes in pieces of 64 KiB, not to be stored; `sized` says their length, `kept` lets a cache keep them, too.
//!
//! In every mode `GET /asked` says how many other requests there were.
//!
//! THREADS: 0 (one, and no work-stealing scheduler around it) or the number of tokio's workers (2).

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Builder,
    sync::Mutex,
    time::sleep,
};

static ASKED: AtomicU64 = AtomicU64::new(0);

type Body = UnsyncBoxBody<Bytes, Infallible>;

#[derive(Clone, Copy)]
enum Mode {
    Constant(&'static Bytes),
    Chat(&'static Bytes),
    Echo,
    Sse(usize),
    Stream { bytes: usize, sized: bool, kept: bool },
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, otherwise: usize| words.get(at).map_or(Ok(otherwise), |word| word.parse::<usize>());
    if let [mode, origin, ..] = &words[..]
        && mode == "proxy"
    {
        let runtime = Builder::new_multi_thread().worker_threads(number(2, 2)?).enable_all().build()?;
        let origin: &'static str = Box::leak(origin.clone().into_boxed_str());
        runtime.block_on(async move { tokio::spawn(listen(move |stream| pass_on(origin, stream))).await })??;
        return Ok(());
    }
    let bytes = number(1, 1024)?;
    let mode = match words.first().map(String::as_str) {
        Some("constant") => Mode::Constant(Box::leak(Box::new(vec![b'x'; bytes].into()))),
        Some("chat") => Mode::Chat(Box::leak(Box::new(completion(bytes)))),
        Some("echo") => Mode::Echo,
        Some("sse") => Mode::Sse(bytes),
        Some(word @ ("stream" | "sized" | "kept")) => {
            Mode::Stream { bytes, sized: word != "stream", kept: word == "kept" }
        }
        _ => return Err("`bare_hyper constant|chat|echo|sse|stream|sized|kept [BYTES] [THREADS]`, `bare_hyper proxy ORIGIN [THREADS]`".into()),
    };
    let runtime = match number(2, 2)? {
        0 => Builder::new_current_thread().enable_all().build()?,
        threads => Builder::new_multi_thread().worker_threads(threads).enable_all().build()?,
    };
    // A task, as in every server: what `block_on` itself runs is none of the workers'.
    runtime.block_on(async move { tokio::spawn(listen(move |stream| serve(mode, stream))).await })??;
    Ok(())
}

async fn listen<S>(serve: impl Fn(TcpStream) -> S + Send + 'static) -> std::io::Result<()>
where
    S: Future<Output: Send> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "http://{}", listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream));
    }
}

async fn serve(mode: Mode, stream: TcpStream) -> hyper::Result<()> {
    let service = service_fn(move |request| async move { answer(mode, request).await });
    http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await
}

async fn pass_on(origin: &'static str, stream: TcpStream) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let behind = TcpStream::connect(origin).await?;
    behind.set_nodelay(true)?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(behind)).await?;
    tokio::spawn(connection);
    let sender = Arc::new(Mutex::new(sender));
    let service = service_fn(move |request: Request<Incoming>| {
        let sender = Arc::clone(&sender);
        async move {
            let (head, body) = request.into_parts();
            let request = Request::from_parts(head, Full::new(body.collect().await?.to_bytes()));
            let (head, body) = sender.lock().await.send_request(request).await?.into_parts();
            Ok::<_, hyper::Error>(Response::from_parts(head, Full::new(body.collect().await?.to_bytes())))
        }
    });
    Ok(http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await?)
}

async fn answer(mode: Mode, request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    if request.uri().path() == "/asked" {
        return Ok(Response::new(Full::new(ASKED.load(Relaxed).to_string().into()).boxed_unsync()));
    }
    ASKED.fetch_add(1, Relaxed);
    let (kind, control, body) = match mode {
        Mode::Constant(bytes) => ("text/plain", "max-age=3600", Full::new(bytes.clone()).boxed_unsync()),
        Mode::Chat(bytes) => {
            request.into_body().collect().await?;
            ("application/json", "private", Full::new(bytes.clone()).boxed_unsync())
        }
        Mode::Echo => {
            let body = request.into_body().collect().await?.to_bytes();
            ("application/json", "no-store", Full::new(body).boxed_unsync())
        }
        Mode::Sse(bytes) => {
            request.into_body().collect().await?;
            ("text/event-stream", "private", events(bytes))
        }
        Mode::Stream { bytes, kept, .. } => {
            ("application/octet-stream", if kept { "max-age=3600" } else { "no-store" }, pieces(bytes))
        }
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(control));
    if let Mode::Stream { bytes, sized: true, .. } = mode {
        response.headers_mut().insert(header::CONTENT_LENGTH, bytes.into());
    }
    Ok(response)
}

fn completion(bytes: usize) -> Bytes {
    let head = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"bench","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":""#;
    let tail = r#""}}],"usage":{"prompt_tokens":500,"completion_tokens":400,"total_tokens":900}}"#;
    let content = "w".repeat(bytes.saturating_sub(head.len() + tail.len()));
    format!("{head}{content}{tail}").into()
}

fn event(delta: &str, reason: &str) -> String {
    let head = r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"bench","choices":"#;
    format!("{head}[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{reason}}}]}}\n\n")
}

fn events(bytes: usize) -> Body {
    let words = event(&format!(r#"{{"content":"{}"}}"#, "w".repeat(bytes)), "null");
    let last = format!("{}data: [DONE]\n\n", event("{}", r#""stop""#));
    let events = stream::unfold(0, move |sent| {
        let event = if sent < 8 { words.clone() } else { last.clone() };
        async move {
            if sent > 0 {
                sleep(Duration::from_millis(20)).await;
            }
            (sent < 9).then(|| (Ok(Frame::data(event.into())), sent + 1))
        }
    });
    StreamBody::new(events).boxed_unsync()
}

fn pieces(bytes: usize) -> Body {
    let piece = Bytes::from_static(&[b'x'; 64 << 10]);
    let pieces = stream::unfold((bytes, piece), |(left, piece)| async move {
        let len = left.min(piece.len());
        (len > 0).then(|| (Ok(Frame::data(piece.slice(..len))), (left - len, piece)))
    });
    StreamBody::new(pieces).boxed_unsync()
}
