//! What a write makes stale is told to nobody any more.

use crate::harness::*;
use bytes::Bytes;
use http::Request;
use larder_testkit::{Gate, Reply, Scripted};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

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
    for how in ["miss", "hit"] {
        assert_eq!(gateway.send(read.clone()).await.how(), how);
        landed().await;
    }
    assert_eq!(gateway.send(write).await.status, 200);
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
    // A rule that needs the body to know a write by it, and bodies whose length nobody said.
    for len in [10, 5000] {
        let home = Home::new();
        let adapters = home.path().join("adapters");
        std::fs::create_dir_all(&adapters).unwrap();
        std::fs::write(adapters.join("acts.toml"), ACTS).unwrap();
        let origin = counting(&open());
        let served = origin.serve().await.unwrap();
        let gateway = home.serve_upstreams(&[("acts", &served.url())], &["--max-question", "1KiB"]);
        let body = format!(r#"{{"action":"drop"{}}}"#, " ".repeat(len));
        let write = request("POST", "/acts/v1/acts", &[BEARER, ("content-type", "application/json")], body.into());
        let read = request("GET", "/acts/v1/acts", &[BEARER], Bytes::new());
        assert_eq!(told_after(&gateway, &read, write).await, ("miss", r#"{"writes":1}"#.to_owned()), "{len}");
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
