//! What a write makes stale is told to nobody any more.

use crate::harness::*;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http::Request;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use larder_testkit::{Gate, Reply, Scripted, Served};
use rustix::process::Signal;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

/// An origin that says how many writes are over; each ends when `gate` is open, whether somebody waits for it or not.
fn counting(gate: &Gate) -> Scripted {
    let (gate, writes) = (gate.clone(), Arc::new(AtomicUsize::new(0)));
    Scripted::new(move |_, seen| {
        let steered = seen.headers.keys().any(|name| name.as_str().starts_with("x-http-method"));
        if !steered && matches!(seen.method.as_str(), "GET" | "HEAD") {
            let body = serde_json::json!({"writes": writes.load(Ordering::SeqCst)}).to_string();
            return Reply::ok(body).header("cache-control", "max-age=600").header("content-type", "application/json");
        }
        let (gate, writes) = (gate.clone(), writes.clone());
        tokio::spawn({
            let gate = gate.clone();
            async move {
                gate.passed().await;
                writes.fetch_add(1, Ordering::SeqCst);
            }
        });
        Reply::ok("{}").headers_after(&gate)
    })
}

fn open() -> Gate {
    let gate = Gate::new();
    gate.open();
    gate
}

type Pairs = &'static [(&'static str, &'static str)];

fn request(method: &str, path: &str, headers: Pairs, body: Bytes) -> Request<Bytes> {
    let named = headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
    named.method(method).uri(path).body(body).unwrap()
}

const COOKIE: (&str, &str) = ("cookie", "sid=1");
const BEARER: (&str, &str) = ("authorization", "Bearer t");
const CSRF: (&str, &str) = ("x-csrf-token", "abc");
const STEERED: (&str, &str) = ("x-http-method-override", "DELETE");

/// Reads, writes, reads again.
async fn told_after(gateway: &Gateway, read: &Request<Bytes>, write: Request<Bytes>) -> (&'static str, String) {
    told_after_any(gateway, read, write.map(|body| Full::new(body).map_err(|never| match never {}).boxed_unsync()))
        .await
}

async fn told_after_any(gateway: &Gateway, read: &Request<Bytes>, write: Request<AnyBody>) -> (&'static str, String) {
    for how in ["miss", "hit"] {
        assert_eq!(gateway.send(read.clone()).await.how(), how);
        landed().await;
    }
    assert_eq!(whole(exchange(gateway.address(), write).await).await.status, 200);
    let after = gateway.send(read.clone()).await;
    (after.how(), after.text())
}

async fn told_anew(service: &str, path: &str, writes: &[(&str, Pairs, Pairs, usize)]) {
    for (method, read, write, len) in writes {
        let home = Home::new();
        home.with_notes();
        let origin = counting(&open());
        let served = origin.serve().await.unwrap();
        let gateway = home.serve_upstreams(&[(service, &served.url())], &["--max-question", "1KiB"]);
        let read = request("GET", path, read, Bytes::new());
        let written = request(method, path, write, vec![b' '; *len].into());
        let told = told_after(&gateway, &read, written).await;
        assert_eq!(told, ("miss", r#"{"writes":1}"#.to_owned()), "{method} {write:?} {len}");
    }
}

#[tokio::test]
async fn whoever_wrote_is_told_anew() {
    told_anew(
        "files",
        "/files/a?q=1",
        &[
            ("PUT", &[], &[], 1),
            ("PUT", &[], &[], 5000),
            ("PUT", &[COOKIE], &[COOKIE, CSRF], 1),
            ("PUT", &[], &[BEARER], 1),
            ("DELETE", &[BEARER], &[BEARER, COOKIE], 0),
            ("POST", &[], &[STEERED], 1),
            ("GET", &[], &[STEERED], 0),
            ("POST", &[COOKIE], &[COOKIE, CSRF, ("x-original-url", "/other")], 1),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_write_that_is_too_large_to_look_at_is_a_write_with_an_adapter_too() {
    let writes: &[(&str, Pairs, Pairs, usize)] =
        &[("PUT", &[BEARER], &[BEARER], 5000), ("PUT", &[BEARER], &[BEARER], 1)];
    told_anew("notes", "/notes/v1/notes/n", writes).await;
}

#[tokio::test]
async fn a_write_whose_path_is_spelled_as_no_route_is_one() {
    for path in ["/notes//v1/notes/n", "/notes/v1/notes/n/", "/notes/v1/x/../notes/%6e", "/notes/v1/notes%2fn"] {
        let home = Home::new();
        home.with_notes();
        let origin = counting(&open());
        let served = origin.serve().await.unwrap();
        let gateway = home.serve_upstreams(&[("notes", &served.url())], &[]);
        let read = request("GET", "/notes/v1/notes/n", &[BEARER], Bytes::new());
        let write = request("PUT", path, &[BEARER], Bytes::new());
        assert_eq!(told_after(&gateway, &read, write).await, ("miss", r#"{"writes":1}"#.to_owned()), "{path}");
    }
}

#[tokio::test]
async fn a_write_that_only_its_body_tells_is_one_where_that_is_too_large_to_look_at() {
    for (len, chunked) in [(10, false), (5000, false), (5000, true)] {
        let home = Home::new();
        let adapters = home.path().join("adapters");
        std::fs::create_dir_all(&adapters).unwrap();
        std::fs::write(adapters.join("acts.toml"), ACTS).unwrap();
        let origin = counting(&open());
        let served = origin.serve().await.unwrap();
        let gateway = home.serve_upstreams(&[("acts", &served.url())], &["--max-question", "1KiB"]);
        let body = Full::from(format!(r#"{{"action":"drop"{}}}"#, " ".repeat(len))).map_err(|never| match never {});
        let body = match chunked {
            true => StreamBody::new(body.into_data_stream().map_ok(Frame::data)).boxed_unsync(),
            false => body.boxed_unsync(),
        };
        let headers = &[BEARER, ("content-type", "application/json")];
        let write = request("POST", "/acts/v1/acts", headers, Bytes::new()).map(|_| body);
        let read = request("GET", "/acts/v1/acts", &[BEARER], Bytes::new());
        let told = told_after_any(&gateway, &read, write).await;
        assert_eq!(told, ("miss", r#"{"writes":1}"#.to_owned()), "{len} {chunked}");
    }
}

const ACTS: &str = r#"
format = 1
name = "acts"
summary = "Acts"

[http]
base-url = "https://acts.example"

[[operation]]
name = "list"
when = "GET /v1/acts"
ttl = "1h"

[[operation]]
name = "drop"
when = "POST /v1/acts"
match = [{ at = "/action", is = ["drop"] }]
write = true
invalidates = ["list"]
"#;

#[tokio::test]
async fn what_a_header_names_is_told_anew() {
    let home = Home::new();
    let origin = counting(&open());
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("files", &format!("{}/base", served.url()))], &[]);
    for (path, value) in [("/files/b", "/base/b"), ("/files/c?q", "/c?q")] {
        let mut write = request("POST", "/files/a", &[], Bytes::from_static(b"x"));
        write.headers_mut().insert("x-original-url", value.parse().unwrap());
        assert_eq!(told_after(&gateway, &get(path), write).await.0, "miss", "{value}");
    }
}

struct World {
    home: Home,
    gate: Gate,
    origin: Scripted,
    served: Served,
}

impl World {
    async fn new() -> Self {
        let gate = Gate::new();
        let origin = counting(&gate);
        let served = origin.serve().await.unwrap();
        Self { home: Home::new(), gate, origin, served }
    }

    fn serve(&self) -> Gateway {
        self.home.serve_upstreams(&[("files", &self.served.url())], &[])
    }

    /// The client of a write leaves in its middle; then the old state is read and kept.
    async fn left(&self, gateway: &Gateway) {
        let mut client = TcpStream::connect(gateway.address()).await.unwrap();
        let write = b"PUT /files/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx";
        client.write_all(write).await.unwrap();
        self.origin.called(1).await;
        drop(client);
        landed().await;
        for how in ["miss", "hit"] {
            let old = gateway.send(get("/files/a")).await;
            assert_eq!((old.how(), old.text().as_str()), (how, r#"{"writes":0}"#));
            landed().await;
        }
    }
}

const NEW: &str = r#"{"writes":1}"#;

#[tokio::test]
async fn what_is_read_during_a_write_is_not_told_after_it() {
    let world = World::new().await;
    let (gateway, other) = (world.serve(), world.serve());
    let write = gateway.send(request("PUT", "/files/a", &[], Bytes::from_static(b"x")));
    let meanwhile = async {
        world.origin.called(1).await;
        for gateway in [&gateway, &other, &gateway, &other] {
            assert_eq!(gateway.send(get("/files/a")).await.text(), r#"{"writes":0}"#);
            landed().await;
        }
        world.gate.open();
    };
    let (write, ()) = tokio::join!(write, meanwhile);
    assert_eq!(write.status, 200);
    for gateway in [&gateway, &other] {
        assert_eq!(gateway.send(get("/files/a")).await.text(), NEW);
    }
}

#[tokio::test]
async fn a_write_whose_client_left_is_a_write() {
    let world = World::new().await;
    let gateway = world.serve();
    world.left(&gateway).await;
    world.gate.open();
    let start = std::time::Instant::now();
    while gateway.send(get("/files/a")).await.text() != NEW {
        assert!(start.elapsed() < SOON, "the old state is told for ever");
        landed().await;
    }
}

#[tokio::test]
async fn a_write_whose_client_left_is_waited_for_at_the_end() {
    let world = World::new().await;
    let mut gateway = world.serve();
    world.left(&gateway).await;
    gateway.signal(Signal::TERM);
    while TcpStream::connect(gateway.address()).await.is_ok() {
        landed().await;
    }
    landed().await;
    world.gate.open();
    assert_eq!(gateway.ended().await.code(), Some(0));
    assert_eq!(world.serve().send(get("/files/a")).await.text(), NEW);
}

#[tokio::test]
async fn a_write_that_never_ends_holds_up_no_second_signal() {
    let world = World::new().await;
    let mut gateway = world.serve();
    world.left(&gateway).await;
    gateway.signal(Signal::TERM);
    gateway.wait_for("finished first");
    gateway.signal(Signal::TERM);
    let start = std::time::Instant::now();
    assert_eq!(gateway.ended().await.code(), Some(0));
    assert!(start.elapsed() < SOON / 2);
}
