//! The demonstration's origin: it thinks for a while, answers at once or word by word, and counts how often it is asked.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Request, Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, time::sleep};

/// How long the origin thinks about a question.
const THINKING: Duration = Duration::from_millis(800);
/// How long it takes over each word of a stream.
const SPEAKING: Duration = Duration::from_millis(120);
/// What it says.
const ANSWER: [&str; 8] = ["The", "same", "question", "is", "never", "paid", "for", "twice."];

/// How often the origin was asked.
pub(super) type Asked = Arc<AtomicU64>;

/// Binds a free port of the loopback address and serves it until the runtime ends: the URL, and the counter.
pub(super) async fn start() -> io::Result<(String, Asked)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let asked = Asked::default();
    tokio::spawn(accept(listener, asked.clone()));
    Ok((url, asked))
}

async fn accept(listener: TcpListener, asked: Asked) {
    while let Ok((socket, _)) = listener.accept().await {
        let asked = asked.clone();
        let service = service_fn(move |request| answer(request, asked.clone()));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    asked: Asked,
) -> Result<Response<BoxBody<Bytes, Infallible>>, hyper::Error> {
    asked.fetch_add(1, Ordering::Relaxed);
    let body = request.into_body().collect().await?.to_bytes();
    let streamed = serde_json::from_slice::<serde_json::Value>(&body).is_ok_and(|body| body["stream"] == true);
    let (kind, body) =
        if streamed { ("text/event-stream", word_by_word()) } else { ("application/json", whole().await) };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    Ok(response)
}

async fn whole() -> BoxBody<Bytes, Infallible> {
    sleep(THINKING).await;
    let answer = serde_json::json!({"answer": ANSWER.join(" "), "finish": "stop"});
    Full::from(format!("{answer}\n")).boxed()
}

fn word_by_word() -> BoxBody<Bytes, Infallible> {
    let words = ANSWER.iter().map(|word| event(&serde_json::json!({"word": word})));
    let end = [event(&serde_json::json!({"finish": "stop"})), "data: [DONE]\n\n".to_owned()];
    let events: Vec<String> = words.chain(end).collect();
    let frames = stream::iter(events).then(|event| async {
        sleep(SPEAKING).await;
        Ok(Frame::data(Bytes::from(event)))
    });
    http_body_util::BodyExt::boxed(StreamBody::new(frames))
}

fn event(data: &serde_json::Value) -> String {
    format!("data: {data}\n\n")
}
