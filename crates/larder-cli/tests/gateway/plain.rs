//! Upstreams without an adapter.

use crate::harness::*;
use larder_testkit::{Gate, Reply, Scripted};

#[tokio::test]
async fn the_origins_word_decides() {
    for (control, kept) in [
        ("max-age=60", true),
        ("public, max-age=60", true),
        ("no-store, max-age=60", false),
        ("max-age=0", false),
        ("", false),
    ] {
        let home = Home::new();
        let reply = Reply::ok("text").header("content-type", "text/plain");
        let reply = if control.is_empty() { reply } else { reply.header("cache-control", control) };
        let origin = Scripted::replies([reply]);
        let served = origin.serve().await.unwrap();
        let gateway = home.serve_upstreams(&[("files", &served.url())], &[]);
        let [miss, second] = [gateway.send(get("/files/a?b")).await, gateway.send(get("/files/a?b")).await];
        assert_eq!((miss.text(), second.text()), ("text".into(), "text".into()));
        assert_eq!((second.how() == "hit", origin.calls()), (kept, if kept { 1 } else { 2 }), "{control}");
        assert_eq!(gateway.send(get("/files/a?c")).await.how(), "miss", "another target");
    }
}

#[tokio::test]
async fn heads_have_the_length_and_no_body() {
    let home = Home::new();
    let origin =
        Scripted::replies([Reply::status(200).header("content-length", "4").header("cache-control", "max-age=60")]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("files", &served.url())], &[]);
    for how in ["miss", "hit"] {
        let request = http::Request::head("/files/a").body(bytes::Bytes::new()).unwrap();
        let answer = gateway.send(request).await;
        assert_eq!((answer.status, answer.header("content-length"), answer.body.len()), (200, "4", 0), "{how}");
        assert_eq!(answer.how(), how);
    }
    assert_eq!(origin.calls(), 1);
}

#[tokio::test]
async fn conditions_and_ranges() {
    let home = Home::new();
    let reply = Reply::ok("text").header("cache-control", "max-age=60").header("etag", "\"v1\"");
    let origin = Scripted::replies([reply, Reply::status(206).header("content-range", "bytes 0-1/4").piece("te")]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("files", &served.url())], &[]);
    let with = |name: &'static str, value: &'static str| {
        let mut request = get("/files/a");
        request.headers_mut().insert(name, value.parse().unwrap());
        gateway.send(request)
    };
    let unchanged = with("if-none-match", "\"v1\"").await;
    assert_eq!((unchanged.status, unchanged.body.len(), unchanged.how()), (304, 0, "miss"));
    assert!(!origin.seen()[0].headers.contains_key("if-none-match"), "the flight asks for the whole");
    let unchanged = with("if-none-match", "W/\"v1\", \"v2\"").await;
    assert_eq!((unchanged.status, unchanged.header("etag"), unchanged.how()), (304, "\"v1\"", "hit"));
    let changed = with("if-none-match", "\"v2\"").await;
    assert_eq!((changed.status, changed.text().as_str(), changed.how()), (200, "text", "hit"));
    let part = with("range", "bytes=0-1").await;
    assert_eq!((part.status, part.text().as_str(), part.how(), origin.calls()), (206, "te", "bypass", 2));
    assert_eq!(gateway.send(get("/files/a")).await.text(), "text", "a part never poses as the whole");
}

#[tokio::test]
async fn statuses_without_a_body() {
    let home = Home::new();
    let origin = Scripted::replies([Reply::status(204).header("x-a", "1")]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("files", &served.url())], &[]);
    let own = gateway.address();
    for method in ["GET", "DELETE"] {
        let answer = raw(own, &format!("{method} /files/a HTTP/1.1\r\nHost: {own}\r\nConnection: close\r\n\r\n")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 204 ") && body.is_empty(), "{answer}");
        assert!(!head.to_lowercase().contains("transfer-encoding"), "{answer}");
        assert!(!head.to_lowercase().contains("content-length"), "{answer}");
    }
}

#[tokio::test]
async fn an_unsafe_method_makes_its_target_stale() {
    let home = Home::new();
    let origin = Scripted::new(|n, seen| match seen.target.as_str() {
        "/refused" if seen.method == "PUT" => Reply::status(409),
        _ => Reply::ok(n.to_string()).header("cache-control", "max-age=60"),
    });
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("files", &served.url())], &[]);
    for path in ["/files/a", "/files/b"] {
        gateway.send(get(path)).await;
    }
    let put = http::Request::put("/files/a").body(bytes::Bytes::from_static(b"new")).unwrap();
    assert_eq!(gateway.send(put).await.status, 200);
    assert_eq!(gateway.send(get("/files/a")).await.how(), "miss");
    assert_eq!(gateway.send(get("/files/b")).await.how(), "hit");
    let delete = http::Request::delete("/files/b").body(bytes::Bytes::new()).unwrap();
    gateway.send(delete).await;
    assert_eq!(gateway.send(get("/files/b")).await.how(), "miss");
}

#[tokio::test]
async fn who_comes_after_a_write_is_not_given_what_was_read_before_it() {
    for method in ["PUT", "DELETE"] {
        let (home, gate) = (Home::new(), Gate::new());
        let early = gate.clone();
        let origin = Scripted::new(move |n, seen| match (n, seen.method.as_str()) {
            (0, _) => Reply::ok("old").header("cache-control", "max-age=60").headers_after(&early),
            (_, "GET") => Reply::ok("new").header("cache-control", "max-age=60"),
            _ => Reply::ok(""),
        });
        let served = origin.serve().await.unwrap();
        let gateway = home.serve_upstreams(&[("files", &served.url())], &[]);
        let after = async {
            origin.called(1).await;
            let write = http::Request::builder().method(method).uri("/files/a").body(bytes::Bytes::new()).unwrap();
            assert_eq!(gateway.send(write).await.status, 200);
            let next = gateway.send(get("/files/a")).await;
            gate.open();
            next
        };
        let (before, next) = tokio::join!(gateway.send(get("/files/a")), after);
        assert_eq!((before.text().as_str(), next.text().as_str(), next.how()), ("old", "new", "miss"), "{method}");
        landed().await;
        assert_eq!(gateway.send(get("/files/a")).await.text(), "new", "{method}");
    }
}

/// An upstream that answers once on each connection, and ends it when a second request comes.
fn impatient_upstream() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let request_of = |lines: &mut std::io::BufReader<std::net::TcpStream>| {
        std::io::BufRead::lines(lines).map_while(Result::ok).any(|line| line.is_empty())
    };
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut lines = std::io::BufReader::new(stream.try_clone().unwrap());
                request_of(&mut lines);
                std::io::Write::write_all(&mut &stream, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
                request_of(&mut lines);
            });
        }
    });
    url
}

#[tokio::test]
async fn a_kept_connection_that_ends_is_no_error() {
    let home = Home::new();
    let gateway = home.serve_upstreams(&[("files", &impatient_upstream())], &[]);
    for path in ["/files/1", "/files/2", "/files/3", "/files/4"] {
        assert_eq!(gateway.send(get(path)).await.status, 200, "{path}");
    }
}
