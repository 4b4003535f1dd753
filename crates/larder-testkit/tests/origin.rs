//! The scripted origin over real HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends where it fails")]

use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use larder_testkit::{Gate, Reply, Scripted, Served};
use std::time::Duration;
use tokio::{net::TcpStream, time::timeout};

type Response = hyper::Response<hyper::body::Incoming>;

async fn get(served: &Served, target: &str) -> hyper::Result<Response> {
    let stream = TcpStream::connect(served.address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    sender.send_request(Request::get(target).header("host", "origin").body(Empty::<Bytes>::new()).unwrap()).await
}

async fn text(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn says_what_it_is_told_and_counts() {
    let origin = Scripted::new(|n, seen| Reply::ok(format!("{n} {}", seen.target)).header("x-n", &n.to_string()));
    let served = origin.serve().await.unwrap();
    assert_eq!(text(get(&served, "/a?b=1").await.unwrap()).await, "0 /a?b=1");
    let second = get(&served, "/b").await.unwrap();
    assert_eq!((second.status().as_u16(), &second.headers()["x-n"]), (200, &"1".parse().unwrap()));
    assert_eq!(text(second).await, "1 /b");
    assert_eq!(origin.calls(), 2);
    assert_eq!(origin.seen()[0].headers["host"], "origin");
}

#[tokio::test]
async fn gates_hold_it() {
    let (headers, middle) = (Gate::new(), Gate::new());
    let reply = Reply::status(200).headers_after(&headers).piece("one ").wait(&middle).piece("two");
    let origin = Scripted::replies([reply]);
    let served = origin.serve().await.unwrap();
    let mut asking = Box::pin(get(&served, "/"));
    assert!(timeout(Duration::from_millis(50), &mut asking).await.is_err());
    headers.open();
    let mut body = asking.await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "one ");
    assert!(timeout(Duration::from_millis(50), body.frame()).await.is_err());
    middle.open();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "two");
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn its_faults_are_seen_by_the_client() {
    let script = [
        Reply::unreachable(),
        Reply::status(200).piece("one").cut(),
        Reply::status(200).header("content-length", "9").piece("one").sleep(Duration::from_millis(1)),
        Reply::status(200).piece("one").hang(),
    ];
    let served = Scripted::replies(script).serve().await.unwrap();
    assert!(get(&served, "/").await.is_err());
    for fault in ["cut", "wrong length"] {
        assert!(get(&served, "/").await.unwrap().into_body().collect().await.is_err(), "{fault}");
    }
    let mut hanging = get(&served, "/").await.unwrap().into_body();
    assert!(hanging.frame().await.is_some());
    assert!(timeout(Duration::from_millis(50), hanging.frame()).await.is_err());
}
