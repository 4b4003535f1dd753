//! Streams: live, kept, replayed, cut.

use crate::harness::*;
use http_body_util::BodyExt as _;
use larder_testkit::{Gate, Scripted};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UnixStream},
};

#[tokio::test]
async fn events_pass_one_by_one_and_are_replayed() {
    let home = Home::new();
    let gate = Gate::new();
    let (first, second) = (event("a", None), event("b", Some("stop")));
    let reply = sse().piece(first.clone()).wait(&gate).piece(second.clone()).piece(DONE);
    let origin = Scripted::replies([reply]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
    let mut live = gateway.open(chat_stream("a")).await;
    assert_eq!(piece(live.body_mut()).await, first, "before the gate opens");
    let mut late = gateway.open(chat_stream("a")).await;
    assert_eq!(piece(late.body_mut()).await, first, "a late joiner begins at the start");
    gate.open();
    let all = format!("{first}{second}{DONE}");
    assert_eq!(format!("{first}{}", whole(live).await.text()), all);
    assert_eq!(format!("{first}{}", whole(late).await.text()), all);
    let replay = gateway.send(chat_stream("a")).await;
    assert_eq!((replay.how(), replay.text(), origin.calls()), ("hit", all, 1));
    assert_eq!(replay.header("content-type"), "text/event-stream");
}

#[tokio::test]
async fn a_cut_stream_is_cut_and_not_kept() {
    let home = Home::new();
    let gate = Gate::new();
    let cut = sse().piece(event("a", None)).wait(&gate).cut();
    let unfinished = sse().piece(event("a", Some("stop")));
    let whole_one = sse().piece(event("a", Some("stop"))).piece(DONE);
    let origin = Scripted::replies([cut, unfinished, whole_one]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
    let mut response = gateway.open(chat_stream("a")).await;
    piece(response.body_mut()).await;
    gate.open();
    assert!(response.into_body().collect().await.is_err(), "the client sees that it is not whole");
    for _ in 0..2 {
        landed().await;
        assert_eq!(gateway.send(chat_stream("a")).await.how(), "miss");
    }
    assert_eq!(gateway.send(chat_stream("a")).await.how(), "hit");
    assert_eq!(origin.calls(), 3);
}

#[tokio::test]
async fn a_paid_answer_is_finished_when_the_client_leaves() {
    let home = Home::new();
    let gate = Gate::new();
    let reply = sse().piece(event("a", None)).wait(&gate).piece(event("b", Some("stop"))).piece(DONE);
    let origin = Scripted::replies([reply]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
    let mut leaver = gateway.open(chat_stream("a")).await;
    piece(leaver.body_mut()).await;
    drop(leaver);
    gate.open();
    let after = gateway.send(chat_stream("a")).await;
    assert!(after.text().ends_with(DONE));
    assert_eq!((origin.calls(), origin.dropped()), (1, 0));
}

#[tokio::test]
async fn a_passed_through_stream_ends_at_the_origin_when_the_client_leaves() {
    let home = Home::new();
    let origin = Scripted::replies([sse().piece("data: 1\n\n").hang().piece("never")]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("files", &served.url())], &[]);
    let mut leaver = gateway.open(post("k", "/files/events", "{}")).await;
    assert_eq!(piece(leaver.body_mut()).await, "data: 1\n\n");
    drop(leaver);
    tokio::time::timeout(SOON, async {
        while origin.dropped() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the origin is let go");
}

/// An origin on a socket of its own: the head and the body's beginning at once, the end after `pause`.
async fn breaking_origin(promised: usize, sent: usize, pause: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {promised}\r\n\r\n");
            let _ = stream.write_all(format!("{head}{}", "x".repeat(sent)).as_bytes()).await;
            tokio::time::sleep(pause).await;
        }
    });
    address
}

#[tokio::test]
async fn what_comes_before_a_cut_is_told_however_soon_the_cut_comes() {
    let home = Home::new();
    for (promised, sent) in [(500, 0), (500, 100), (60_000, 50_000)] {
        for pause in [0, 10, 15, 40] {
            let origin = breaking_origin(promised, sent, Duration::from_millis(pause)).await;
            let url = format!("http://{origin}");
            let gateway = home.serve_upstreams(&[("openai", &url), ("files", &url)], &[]);
            let question = r#"{"model":"m","messages":[]}"#;
            let asks = format!(
                "POST /openai/v1/chat/completions HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer k\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n{question}",
                gateway.address(),
                question.len()
            );
            let plain = format!("GET /files/a HTTP/1.1\r\nhost: {}\r\n\r\n", gateway.address());
            for request in [asks, plain] {
                let answer = raw(gateway.address(), &request).await;
                let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
                assert!(head.starts_with("HTTP/1.1 200 OK"), "{sent} of {promised} after {pause} ms: `{answer}`");
                assert!(head.contains(&format!("content-length: {promised}")), "{head}");
                assert_eq!(body.len(), sent, "{sent} of {promised} after {pause} ms");
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_reads_late_is_told_all_that_comes_before_a_cut() {
    let home = Home::new();
    // More than a socket holds, and no more than hyper gathers beyond that.
    let (promised, sent) = (600_000, 400_000);
    let origin = breaking_origin(promised, sent, Duration::ZERO).await;
    let socket = home.path().join("files.sock");
    let listen = format!("unix:{}", socket.display());
    let upstream = format!("--upstream=files=http://{origin}");
    let _gateway = home.serve(&["--listen", &listen, &upstream]);
    let mut client = UnixStream::connect(&socket).await.unwrap();
    client.write_all(b"GET /files/a HTTP/1.1\r\nhost: files\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut answer = Vec::new();
    tokio::time::timeout(SOON, client.read_to_end(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert_eq!(answer.split_once("\r\n\r\n").map(|(_, body)| body.len()), Some(sent));
}
