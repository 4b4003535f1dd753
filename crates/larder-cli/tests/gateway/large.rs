//! Bodies larger than memory.

use crate::harness::*;
use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use larder_testkit::Scripted;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

fn big_json(filler: char, len: usize) -> String {
    format!(r#"{{"model":"m","messages":[],"x":"{}"}}"#, filler.to_string().repeat(len))
}

#[tokio::test]
async fn large_json_enters_the_key() {
    // 3 MiB is canonicalised, 9 MiB is known by its digest.
    for (len, spaced) in [(3 << 20, "hit"), (9 << 20, "miss")] {
        let home = Home::new();
        let origin = Scripted::new(|n, _| completion(&n.to_string()));
        let served = origin.serve().await.unwrap();
        let gateway = home.serve_upstreams(&[("notes", &served.url())], home.with_notes());
        let ask = |body: String| gateway.send(post("k", "/notes/v1/digest", body));
        assert_eq!(ask(big_json('a', len)).await.how(), "miss");
        assert_eq!(ask(big_json('a', len)).await.how(), "hit");
        assert_eq!(ask(big_json('b', len)).await.how(), "miss", "one byte decides");
        assert_eq!(ask(format!(" {}", big_json('a', len))).await.how(), spaced, "{len}");
        assert_eq!(origin.seen()[0].body, big_json('a', len), "as it was sent");
        assert_eq!(origin.seen()[0].headers["content-length"], big_json('a', len).len().to_string());
    }
}

#[tokio::test]
async fn a_rule_that_must_look_into_the_body_passes_what_it_cannot_see() {
    let home = Home::new();
    let origin = Scripted::new(|n, _| completion(&n.to_string()));
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
    for calls in 1..=2 {
        let answer = gateway.send(post("k", "/openai/v1/chat/completions", big_json('a', 9 << 20))).await;
        assert_eq!((answer.how(), answer.status, origin.calls()), ("bypass", 200, calls));
        let why = "detail=\"the body is larger than 8 MiB and its rule looks into it\"";
        assert!(answer.header("cache-status").ends_with(why), "{}", answer.header("cache-status"));
        assert_eq!(origin.seen()[0].body, big_json('a', 9 << 20), "as it was sent");
    }
}

/// Counts what it is sent; answers when all is there.
async fn sink() -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let received = Arc::new(AtomicU64::new(0));
    let count = received.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut buffer, mut tail) = (vec![0; 1 << 16], Vec::new());
            // The body is chunked: its end is the last chunk.
            while !tail.ends_with(b"\r\n0\r\n\r\n") {
                let read = stream.read(&mut buffer).await.unwrap();
                assert!(read > 0, "the upload was cut");
                count.fetch_add(buffer[..read].iter().filter(|byte| **byte == b'#').count() as u64, Ordering::Relaxed);
                tail.extend_from_slice(&buffer[..read]);
                tail.drain(..tail.len().saturating_sub(16));
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        }
    });
    (url, received)
}

#[tokio::test]
async fn a_body_beyond_the_limit_streams_through_without_growing_memory() {
    const PIECES: u64 = 300;
    let home = Home::new();
    let (url, received) = sink().await;
    let gateway = home.serve_upstreams(&[("openai", &url)], &["--max-question", "4MiB"]);
    let before = gateway.peak_kib();
    for round in 1..=2 {
        let megabyte = Bytes::from(vec![b'#'; 1 << 20]);
        let pieces = futures_util::stream::iter((0..PIECES).map(move |_| Ok(Frame::data(megabyte.clone()))));
        let request = http::Request::post("/openai/v1/chat/completions").header("content-type", "application/json");
        let request = request.body(StreamBody::new(pieces).boxed_unsync()).unwrap();
        let answer = whole(exchange(gateway.address(), request).await).await;
        assert_eq!((answer.status, answer.how()), (200, "bypass"));
        assert!(answer.header("cache-status").contains("--max-question"), "{}", answer.header("cache-status"));
        assert_eq!(received.load(Ordering::Relaxed), round * (PIECES << 20), "every byte, the spooled ones too");
    }
    let grown = gateway.peak_kib() - before;
    assert!(grown < 60 << 10, "{grown} KiB more memory for 300 MiB");
}

#[tokio::test]
async fn a_spooled_question_does_not_grow_memory_either() {
    let home = Home::new();
    let origin = Scripted::replies([completion("one")]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("notes", &served.url())], home.with_notes());
    let before = gateway.peak_kib();
    let body = big_json('a', 100 << 20);
    assert_eq!(gateway.send(post("k", "/notes/v1/digest", body.clone())).await.how(), "miss");
    assert_eq!(gateway.send(post("k", "/notes/v1/digest", body.clone())).await.how(), "hit");
    assert_eq!(origin.seen()[0].body.len(), body.len());
    let grown = gateway.peak_kib() - before;
    assert!(grown < 60 << 10, "{grown} KiB more memory for 100 MiB");
    let left = walk(home.path());
    assert!(left < 20 << 20, "{left} bytes are left of the spooled body");
}

fn walk(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|entry| if entry.path().is_dir() { walk(&entry.path()) } else { entry.metadata().unwrap().len() }).sum()
}
