//! What is passed on, and what happens when there is nobody to pass it to.

use crate::harness::*;
use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use larder_testkit::{Gate, Reply, Scripted};
use std::time::Duration;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
};

#[tokio::test]
async fn requests_and_answers_keep_their_bytes() {
    let home = Home::new();
    let reply = Reply::status(302).header("location", "http://elsewhere.example/").header("set-cookie", "a=1");
    let reply = reply.header("set-cookie", "b=2").header("x-answer", "1").header("cache-status", "edge; hit");
    let origin = Scripted::replies([reply.header("connection", "x-hop").header("x-hop", "1").piece("moved")]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("files", &format!("{}/base/", served.url()))], &[]);
    let mut request = post("k", "/files/a%2Fb//c/./%C3%A4?q=%20&q=+&", "\0\u{1}body");
    for (name, value) in
        [("x-asked", "1"), ("connection", "x-mine"), ("x-mine", "1"), ("te", "trailers"), ("accept-encoding", "br")]
    {
        request.headers_mut().append(name, value.parse().unwrap());
    }
    let answer = gateway.send(request).await;
    let seen = &origin.seen()[0];
    assert_eq!(seen.target, "/base/a%2Fb//c/./%C3%A4?q=%20&q=+&");
    assert_eq!((seen.method.as_str(), &seen.body[..]), ("POST", &b"\0\x01body"[..]));
    assert_eq!(seen.headers["host"], served.address.to_string());
    assert_eq!(
        (&seen.headers["x-asked"], &seen.headers["accept-encoding"]),
        (&"1".parse().unwrap(), &"br".parse().unwrap())
    );
    for name in ["x-mine", "te", "connection"] {
        assert!(!seen.headers.contains_key(name), "{name} stays on its hop");
    }
    assert_eq!(
        (answer.status, answer.text().as_str(), answer.header("location")),
        (302, "moved", "http://elsewhere.example/")
    );
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    assert!(!answer.headers.contains_key("x-hop"));
    let statuses: Vec<_> = answer.headers.get_all("cache-status").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(statuses.len(), 2);
    assert_eq!(statuses[0], "edge; hit");
    assert!(statuses[1].starts_with("larder; fwd=bypass; detail=\""), "{statuses:?}");
    assert_eq!(origin.calls(), 1, "redirects are the client's");
}

#[tokio::test]
async fn a_length_that_is_said_twice_is_told_once() {
    for (method, lengths) in [
        ("GET", "Content-Length: 1, 1"),
        ("GET", "Content-Length: 1\r\nContent-Length: 1"),
        ("HEAD", "Content-Length: 1\r\nContent-Length: 1"),
    ] {
        let home = Home::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            let body = if method == "HEAD" { "" } else { "x" };
            let answer = format!("HTTP/1.1 200 OK\r\n{lengths}\r\nConnection: close\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let gateway = home.serve_upstreams(&[("files", &url)], &[]);
        let mut request = get("/files/a");
        *request.method_mut() = method.parse().unwrap();
        let answer = gateway.send(request).await;
        assert_eq!((answer.status, answer.header("content-length")), (200, "1"), "{method} {lengths}");
    }
}

#[tokio::test]
async fn questions_ask_for_identity() {
    let home = Home::new();
    let origin = Scripted::replies([completion("one")]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
    let mut request = chat("a");
    request.headers_mut().insert("accept-encoding", "gzip, br".parse().unwrap());
    gateway.send(request).await;
    assert_eq!(origin.seen()[0].headers["accept-encoding"], "identity");
}

#[tokio::test]
async fn a_passed_through_call_streams_in_both_directions_at_once() {
    let home = Home::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let gateway = home.serve_upstreams(&[("files", &url)], &[]);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        while lines.next_line().await.unwrap().is_some_and(|line| !line.is_empty()) {}
        write.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        // One chunk out for every chunk in.
        loop {
            let size = lines.next_line().await.unwrap().unwrap();
            let data = lines.next_line().await.unwrap().unwrap();
            write.write_all(format!("{size}\r\n{data}\r\n").as_bytes()).await.unwrap();
            if size == "0" {
                return;
            }
        }
    });
    let (send, receive) = tokio::sync::mpsc::unbounded_channel::<&'static str>();
    let pieces = futures_util::stream::unfold(receive, |mut receive| async {
        receive.recv().await.map(|text| (Ok(Frame::data(Bytes::from(text))), receive))
    });
    send.send("ping1").unwrap();
    let request = http::Request::post("/files/echo").body(StreamBody::new(pieces).boxed_unsync()).unwrap();
    let mut answer = exchange(gateway.address(), request).await;
    assert_eq!(piece(answer.body_mut()).await, "ping1", "before the upload has ended");
    send.send("ping2").unwrap();
    assert_eq!(piece(answer.body_mut()).await, "ping2");
    drop(send);
    assert_eq!(whole(answer).await.text(), "");
}

#[tokio::test]
async fn an_expectation_is_met() {
    let home = Home::new();
    let origin = Scripted::replies([completion("one")]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
    let mut stream = tokio::net::TcpStream::connect(gateway.address()).await.unwrap();
    let head = format!(
        "POST /openai/v1/chat/completions HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: 28\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
        gateway.address()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(br#"{"model":"m","messages":[1]}"#).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_question_that_breaks_off_is_not_asked() {
    let home = Home::new();
    let origin = Scripted::replies([completion("one")]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
    let own = gateway.address();
    let mut stream = tokio::net::TcpStream::connect(own).await.unwrap();
    let head =
        format!("POST /openai/v1/chat/completions HTTP/1.1\r\nHost: {own}\r\nContent-Type: application/json\r\n");
    let half = format!("{head}Content-Length: 100\r\n\r\n{{\"model\":");
    stream.write_all(half.as_bytes()).await.unwrap();
    drop(stream);
    let wrong_length = format!("{head}Content-Length: 2\r\nConnection: close\r\n\r\n{{}}GET /evil HTTP/1.1\r\n\r\n");
    assert!(raw(own, &wrong_length).await.starts_with("HTTP/1.1 200 "));
    landed().await;
    let bodies: Vec<_> = origin.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies, ["{}"], "neither the half question nor what came behind the other one");
}

#[tokio::test]
async fn an_upstream_that_is_down_is_a_502_that_says_what_to_do() {
    let home = Home::new();
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let gateway =
        home.serve_upstreams(&[("openai", &format!("http://{gone}")), ("files", &format!("http://{gone}"))], &[]);
    for request in [chat("a"), post("k", "/files/x", "{}"), get("/files/x")] {
        let path = request.uri().path().to_owned();
        let answer = gateway.send(request).await;
        let error: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, &error["error"]["type"]), (502, &"larder_upstream".into()), "{path}");
        assert!(error["error"]["message"].as_str().unwrap().contains(&gone.to_string()), "{error}");
        assert!(error["error"]["hint"].as_str().unwrap().contains("--upstream"), "{error}");
        assert!(!answer.headers.contains_key("x-should-retry"));
    }
}

#[tokio::test]
async fn a_silent_upstream_is_a_504() {
    let home = Home::new();
    let origin = Scripted::replies([Reply::status(200).silent()]);
    let served = origin.serve().await.unwrap();
    let gateway =
        home.serve_upstreams(&[("openai", &served.url()), ("files", &served.url())], &["--upstream-timeout", "1s"]);
    for request in [chat("a"), post("k", "/files/x", "{}")] {
        assert_eq!(gateway.send(request).await.status, 504);
    }
}

#[tokio::test]
async fn silence_within_an_answer_cuts_it() {
    let home = Home::new();
    let origin = Scripted::replies([Reply::status(200).piece("a").hang()]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("files", &served.url())], &["--upstream-timeout", "1s"]);
    let mut answer = gateway.open(post("k", "/files/x", "{}")).await;
    assert_eq!(piece(answer.body_mut()).await, "a");
    assert!(answer.into_body().collect().await.is_err());
}

#[tokio::test]
async fn a_slow_answer_is_no_silent_one() {
    let home = Home::new();
    let pieces = |reply: Reply| (0..4).fold(reply, |reply, _| reply.piece("a").sleep(Duration::from_millis(400)));
    let origin = Scripted::replies([pieces(Reply::status(200))]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("files", &served.url())], &["--upstream-timeout", "1s"]);
    assert_eq!(gateway.send(post("k", "/files/x", "{}")).await.text(), "aaaa");
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_is_one_warning() {
    let home = Home::new();
    std::fs::write(home.path().join("store"), "a file in its place").unwrap();
    let origin = Scripted::replies([completion("one")]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
    for _ in 0..3 {
        assert_eq!(gateway.send(chat("a")).await.status, 200);
    }
    let health: serde_json::Value = serde_json::from_slice(&gateway.send(get("/-/health")).await.body).unwrap();
    assert_eq!((&health["status"], &health["store"]), (&"ok".into(), &"none".into()));
    assert_eq!(gateway.stats().await["schema"], "larder.stats/1");
    assert_eq!(gateway.send(get("/-/metrics")).await.status, 200);
    let warnings = gateway.said().iter().filter(|line| line.contains("cannot be used")).count();
    assert_eq!(warnings, 1, "{:#?}", gateway.said());
    assert_eq!(std::fs::read_to_string(home.path().join("store")).unwrap(), "a file in its place");
}

#[tokio::test]
async fn a_write_makes_stale_what_its_rule_says() {
    let home = Home::new();
    let gate = Gate::new();
    let hold = gate.clone();
    let origin = Scripted::new(move |n, seen| match (seen.method.as_str(), seen.target.as_str()) {
        ("PUT", "/v1/notes/refused") => Reply::status(403),
        ("PUT", "/v1/notes/lost") => Reply::status(200).headers_after(&hold),
        _ => Reply::ok(n.to_string()),
    });
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("notes", &served.url())], home.with_notes());
    let read = || gateway.send(get("/notes/v1/notes/1"));
    let write =
        |id: &str| http::Request::put(format!("/notes/v1/notes/{id}")).body(Bytes::from_static(b"new")).unwrap();
    let stored = async |why: &str| {
        assert_eq!(read().await.how(), "miss", "{why}");
        assert_eq!(read().await.how(), "hit", "{why}");
    };
    stored("at first").await;
    assert_eq!(gateway.send(write("1")).await.status, 200);
    stored("after a write").await;
    let lost = tokio::spawn({
        let (address, body) = (gateway.address(), http_body_util::Full::new(Bytes::from_static(b"new")));
        let request =
            http::Request::put("/notes/v1/notes/lost").body(body.map_err(|never| match never {}).boxed_unsync());
        exchange(address, request.unwrap())
    });
    origin.called(origin.calls() + 1).await;
    stored("while a write is on its way").await;
    lost.abort();
    let stale = async {
        while read().await.how() == "hit" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, stale).await.expect("after a write whose client went away");
    gate.open();
}

#[tokio::test]
async fn localhost_is_a_name_that_needs_no_resolver() {
    let home = Home::new();
    let origin = Scripted::replies([Reply::ok("here")]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("files", &format!("http://localhost:{}", served.address.port()))], &[]);
    assert_eq!(gateway.send(get("/files/x")).await.text(), "here");
}

#[tokio::test]
async fn no_roots_is_a_502_for_https_and_nothing_for_http() {
    let home = Home::new();
    std::fs::write(home.path().join("none.pem"), "").unwrap();
    let origin = Scripted::replies([Reply::ok("here")]);
    let served = origin.serve().await.unwrap();
    let plain = format!("--upstream=files={}", served.url());
    let mut command = home.command(&["serve", "--listen=127.0.0.1:0", "--upstream=safe=https://127.0.0.1:1", &plain]);
    command.env("SSL_CERT_FILE", home.path().join("none.pem"));
    let gateway = Gateway::start(command);
    let answer = gateway.send(get("/safe/x")).await;
    assert_eq!(answer.status, 502);
    assert!(answer.text().contains("no TLS roots"), "{}", answer.text());
    assert_eq!(gateway.send(get("/files/x")).await.text(), "here");
}
