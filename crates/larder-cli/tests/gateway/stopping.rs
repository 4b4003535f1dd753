//! SIGTERM.

use crate::harness::*;
use larder_testkit::{Gate, Scripted};
use rustix::process::Signal;
use std::time::Duration;
use tokio::net::TcpStream;

#[tokio::test]
async fn streams_in_flight_finish_and_are_kept() {
    let home = Home::new();
    let gate = Gate::new();
    let reply = sse().piece(event("a", None)).wait(&gate).piece(event("b", Some("stop"))).piece(DONE);
    let origin = Scripted::replies([reply]);
    let served = origin.serve().await.unwrap();
    let mut gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
    let mut live = gateway.open(chat_stream("a")).await;
    piece(live.body_mut()).await;
    gateway.signal(Signal::TERM);
    while TcpStream::connect(gateway.address()).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    gate.open();
    assert!(whole(live).await.text().ends_with(DONE));
    assert_eq!(gateway.ended().await.code(), Some(0));
    let gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
    assert_eq!((gateway.send(chat_stream("a")).await.how(), origin.calls()), ("hit", 1));
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_is_finished_and_kept() {
    let home = Home::new();
    let gate = Gate::new();
    let reply = sse().piece(event("a", None)).wait(&gate).piece(event("b", Some("stop"))).piece(DONE);
    let origin = Scripted::replies([reply]);
    let served = origin.serve().await.unwrap();
    let mut gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
    let mut leaver = gateway.open(chat_stream("a")).await;
    piece(leaver.body_mut()).await;
    drop(leaver);
    gateway.signal(Signal::TERM);
    while TcpStream::connect(gateway.address()).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    gate.open();
    assert_eq!(gateway.ended().await.code(), Some(0));
    let gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
    assert_eq!((gateway.send(chat_stream("a")).await.how(), origin.calls()), ("hit", 1));
}

#[tokio::test]
async fn a_second_signal_does_not_wait() {
    let home = Home::new();
    let origin = Scripted::replies([sse().piece(event("a", None)).hang()]);
    let served = origin.serve().await.unwrap();
    let mut gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
    let mut live = gateway.open(chat_stream("a")).await;
    piece(live.body_mut()).await;
    gateway.signal(Signal::INT);
    gateway.wait_for("finished first");
    gateway.signal(Signal::INT);
    let start = std::time::Instant::now();
    assert_eq!(gateway.ended().await.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(10));
}
