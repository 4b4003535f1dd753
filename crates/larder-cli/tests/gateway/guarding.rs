//! Who may speak to the gateway.

use crate::harness::*;
use larder_testkit::Scripted;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn foreign_hosts_and_pages_are_refused_before_anything_else() {
    let home = Home::new();
    let origin = Scripted::replies([completion("one")]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
    let own = gateway.address().to_string();
    for (path, header, value, status) in [
        ("/openai/v1/models", "host", "evil.example", 403),
        ("/-/stats", "host", "evil.example", 403),
        ("/nobody", "host", "evil.example", 403),
        ("/-/stats", "host", "localhost:1", 200),
        ("/-/stats", "origin", "https://evil.example", 403),
        ("/-/stats", "origin", "null", 403),
        ("/-/stats", "origin", &format!("http://{own}"), 200),
        ("/openai/v1/models", "sec-fetch-site", "cross-site", 403),
        ("/-/stats", "sec-fetch-site", "none", 200),
    ] {
        let mut request = get(path);
        request.headers_mut().insert(http::HeaderName::from_bytes(header.as_bytes()).unwrap(), value.parse().unwrap());
        let answer = gateway.send(request).await;
        assert_eq!(answer.status, status, "{path} {header}: {value}: {}", answer.text());
        if status == 403 {
            let error: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            assert!(error["error"]["type"].as_str().unwrap().starts_with("larder_foreign_"), "{error}");
            assert!(error["error"]["hint"].is_string());
        }
    }
    assert_eq!(origin.calls(), 0);
}

#[tokio::test]
async fn odd_requests() {
    let home = Home::new();
    let origin = Scripted::replies([completion("one")]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("files", &served.url())], &[]);
    let own = gateway.address();
    for (request, status) in [
        ("GET /files/a HTTP/1.1\r\n\r\n".to_owned(), 400),
        (format!("GET /files/a HTTP/1.1\r\nHost: {own}\r\nHost: {own}\r\n\r\n"), 400),
        (format!("CONNECT {own} HTTP/1.1\r\nHost: {own}\r\n\r\n"), 405),
        ("GET http://evil.example/files/a HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(), 403),
        (format!("GET http://evil.example/files/a HTTP/1.1\r\nHost: {own}\r\n\r\n"), 403),
        (format!("OPTIONS * HTTP/1.1\r\nHost: {own}\r\nConnection: close\r\n\r\n"), 404),
        (format!("GET /files/a HTTP/1.1\r\nHost: {own}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), 400),
        (format!("GET /files/a HTTP/1.1\r\nHost: {own}\r\nTransfer-Encoding: chunked, identity\r\n\r\n"), 400),
        (format!("GET /files/a HTTP/1.1\r\nHost: {own}\r\nTransfer-Encoding : chunked\r\n\r\n"), 400),
        (format!("GET /files/a HTTP/1.1\r\nHost: {own}\r\nX: a\r\n b\r\n\r\n"), 400),
        (format!("GET /files/a HTTP/1.1\r\nHost: {own}\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)), 431),
    ] {
        let request = request.replacen("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1);
        let answer = raw(own, &request).await;
        let shown: String = request.chars().take(90).collect();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown:?}: {answer}");
    }
    assert_eq!(origin.calls(), 0);
    let absolute = format!("GET http://{own}/files/a?b HTTP/1.1\r\nHost: {own}\r\nConnection: close\r\n\r\n");
    assert!(raw(own, &absolute).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(origin.seen()[0].target, "/a?b");
}

#[tokio::test]
async fn two_lengths_are_one_on_the_next_hop() {
    let home = Home::new();
    let origin = Scripted::replies([completion("one")]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("files", &served.url())], &[]);
    let own = gateway.address();
    for method in ["POST", "GET"] {
        let smuggled = format!(
            "{method} /files/a HTTP/1.1\r\nHost: {own}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\nx\r\n0\r\n\r\n"
        );
        let answer = raw(own, &smuggled).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    for seen in origin.seen() {
        assert_eq!(seen.body, "x", "{seen:?}");
        let lengths = seen.headers.contains_key("content-length") && seen.headers.contains_key("transfer-encoding");
        assert!(!lengths, "{seen:?}");
    }
}

#[tokio::test]
async fn unknown_services_are_named_with_the_known_ones() {
    let home = Home::new();
    let gateway = home.serve_upstreams(&[("files", "http://127.0.0.1:1")], &[]);
    let answer = gateway.send(get("/nobody/v1/models")).await;
    let error: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, &error["error"]["type"]), (404, &"larder_unknown_service".into()));
    let message = error["error"]["message"].as_str().unwrap();
    for name in ["`nobody`", "`files`", "`openai`", "`anthropic`"] {
        assert!(message.contains(name), "{message}");
    }
}

#[tokio::test]
async fn upgrades_are_answered_426() {
    let home = Home::new();
    let origin = Scripted::replies([completion("one")]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
    let mut request = get("/openai/v1/responses");
    request.headers_mut().insert("connection", "Upgrade".parse().unwrap());
    request.headers_mut().insert("upgrade", "websocket".parse().unwrap());
    assert_eq!((gateway.send(request).await.status, origin.calls()), (426, 0));
    let mut request = get("/openai/v1/nothing");
    request.headers_mut().insert("connection", "Upgrade, HTTP2-Settings".parse().unwrap());
    request.headers_mut().insert("upgrade", "h2c".parse().unwrap());
    request.headers_mut().insert("http2-settings", "AAMAAABkAAQAAP__".parse().unwrap());
    assert_eq!((gateway.send(request).await.status, origin.calls()), (200, 1));
    assert!(!origin.seen()[0].headers.contains_key("upgrade"));
    assert!(!origin.seen()[0].headers.contains_key("http2-settings"));
    // As Apache's HttpClient asks.
    let mut request = get("/openai/v1/models");
    request.headers_mut().insert("connection", "Upgrade".parse().unwrap());
    request.headers_mut().insert("upgrade", "TLS/1.2".parse().unwrap());
    assert_eq!((gateway.send(request).await.status, origin.calls()), (200, 2));
    assert!(!origin.seen()[1].headers.contains_key("upgrade"));
}

#[tokio::test]
async fn a_unix_socket_takes_any_host() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let origin = Scripted::replies([completion("one")]);
    let served = origin.serve().await.unwrap();
    let path = home.path().join("g.sock");
    let listen = format!("unix:{}=files", path.display());
    let upstream = format!("files={}", served.url());
    let gateway = home.serve(&["--listen", &listen, "--upstream", &upstream]);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET /-/x HTTP/1.1\r\nHost: api.github.com\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(origin.seen()[0].target, "/-/x", "at a service's own listener every path is the service's");
    assert_eq!(origin.seen()[0].headers["host"], served.address.to_string());
    assert_eq!(gateway.stop().await.code(), Some(0));
    assert!(!path.exists());
}
