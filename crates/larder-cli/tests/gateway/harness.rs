//! Starts the binary, speaks HTTP to it, and knows what an origin would say.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::{Request, Response, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use larder_testkit::Reply;
use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// A service of our own: a question whose rule does not look into the body, a read, and writes.
const NOTES: &str = r#"
format = 1
name = "notes"
summary = "Notes"

[http]
base-url = "https://notes.example"

[[operation]]
name = "digest"
when = "POST /v1/digest"
ttl = "1h"

[[operation]]
name = "note"
when = "GET /v1/notes/{id}"
ttl = "1h"

[[operation]]
name = "note_update"
when = "PUT /v1/notes/{id}"
write = true
invalidates = ["note"]
"#;

/// Nothing in these tests takes longer.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A home for one installation: configuration, secret and store; several gateways may run in it one after the other.
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Puts the adapter `notes` in its place. No further words are needed.
    pub(crate) fn with_notes(&self) -> &'static [&'static str] {
        let folder = self.path().join("adapters");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("notes.toml"), NOTES).unwrap();
        &[]
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_larder"));
        command.args(words).env_clear().env("HOME", self.path()).env("LARDER_STORE", self.path().join("store"));
        command.env("LARDER_ADAPTERS", self.path().join("adapters"));
        command.env("LARDER_LOG", "debug").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// `larder serve WORDS…`, once it listens.
    pub(crate) fn serve(&self, words: &[&str]) -> Gateway {
        Gateway::start(self.command(&[&["serve"], words].concat()))
    }

    /// The same on a free port, with these upstreams.
    pub(crate) fn serve_upstreams(&self, upstreams: &[(&str, &str)], words: &[&str]) -> Gateway {
        let upstreams: Vec<String> = upstreams.iter().map(|(name, url)| format!("--upstream={name}={url}")).collect();
        let upstreams: Vec<&str> = upstreams.iter().map(String::as_str).collect();
        self.serve(&[&["--listen", "127.0.0.1:0"], &*upstreams, words].concat())
    }
}

/// A running gateway. Killed when dropped.
pub(crate) struct Gateway {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Gateway {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let said = Arc::new(Mutex::new(Vec::new()));
        let writer = said.clone();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                writer.lock().unwrap().push(line);
            }
        });
        let mut gateway = Self { child, said };
        gateway.wait_for("store: ");
        gateway
    }

    /// Waits for a line that holds `text`.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let start = Instant::now();
        loop {
            if let Some(line) = self.said().iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && start.elapsed() < SOON, "no `{text}` ({ended:?}) in {:#?}", self.said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it has written to stderr.
    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// Where listener number `n` listens.
    pub(crate) fn address_of(&self, n: usize) -> SocketAddr {
        let said = self.said();
        let urls = said.iter().filter_map(|line| line.split_once("listens on http://")).map(|(_, rest)| rest);
        urls.map(|rest| rest.split(' ').next().unwrap().parse().unwrap()).nth(n).unwrap()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address_of(0)
    }

    /// The most memory that it ever held, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < SOON * 2, "it did not end: {:#?}", self.said());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// SIGTERM, and the end.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        self.ended().await
    }

    /// A request and its whole answer.
    pub(crate) async fn send(&self, request: Request<Bytes>) -> Answer {
        whole(self.open(request).await).await
    }

    /// A request and its answer as it comes.
    pub(crate) async fn open(&self, request: Request<Bytes>) -> Response<Incoming> {
        exchange(self.address(), request.map(|body| Full::new(body).map_err(|never| match never {}).boxed_unsync()))
            .await
    }

    /// The statistics.
    pub(crate) async fn stats(&self) -> serde_json::Value {
        let answer = self.send(get("/-/stats")).await;
        serde_json::from_slice(&answer.body).unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{:#?}", self.said());
        }
    }
}

pub(crate) type AnyBody = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// One request over a connection of its own.
pub(crate) async fn exchange(address: SocketAddr, request: Request<AnyBody>) -> Response<Incoming> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let (mut parts, body) = request.into_parts();
    if !parts.headers.contains_key("host") {
        parts.headers.insert("host", address.to_string().parse().unwrap());
    }
    timeout(SOON, sender.send_request(Request::from_parts(parts, body))).await.unwrap().unwrap()
}

/// Bytes as they are, over a connection that is read to its end.
pub(crate) async fn raw(address: SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is as good as an end.
    let _ = timeout(SOON, stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// `hit`, `miss`, `collapsed` or `bypass`, after `Cache-Status`.
    pub(crate) fn how(&self) -> &'static str {
        let status = self.header("cache-status");
        let word = |text: &str| status.split("; ").any(|part| part == text);
        match () {
            () if word("hit") => "hit",
            () if word("collapsed") => "collapsed",
            () if word("fwd=bypass") => "bypass",
            () if status.contains("fwd=") => "miss",
            () => "none",
        }
    }
}

pub(crate) async fn whole(response: Response<Incoming>) -> Answer {
    let (parts, body) = response.into_parts();
    let body = timeout(SOON * 3, body.collect()).await.unwrap().unwrap().to_bytes();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

/// Whoever asks while an answer is still landing gets that one, collapsed: time for it to land.
pub(crate) async fn landed() {
    tokio::time::sleep(Duration::from_millis(200)).await;
}

pub(crate) fn get(path: &str) -> Request<Bytes> {
    Request::get(path).body(Bytes::new()).unwrap()
}

/// A chat completion whose prompt is `prompt`.
pub(crate) fn chat(prompt: &str) -> Request<Bytes> {
    chat_as("sk-one", prompt)
}

pub(crate) fn chat_as(key: &str, prompt: &str) -> Request<Bytes> {
    let body = serde_json::json!({"model": "m", "messages": [{"role": "user", "content": prompt}]});
    post(key, "/openai/v1/chat/completions", body.to_string())
}

pub(crate) fn chat_stream(prompt: &str) -> Request<Bytes> {
    let body = serde_json::json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": prompt}]});
    post("sk-one", "/openai/v1/chat/completions", body.to_string())
}

pub(crate) fn post(key: &str, path: &str, body: impl Into<Bytes>) -> Request<Bytes> {
    let request = Request::post(path).header("content-type", "application/json");
    request.header("authorization", format!("Bearer {key}")).body(body.into()).unwrap()
}

/// What a model would answer, whole.
pub(crate) fn completion(text: &str) -> Reply {
    let body = serde_json::json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    });
    Reply::ok(body.to_string()).header("content-type", "application/json").header("x-request-id", "r-1")
}

/// A streamed answer's event.
pub(crate) fn event(text: &str, finish: Option<&str>) -> String {
    let delta = serde_json::json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}],
    });
    format!("data: {delta}\n\n")
}

/// The last event.
pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// A streamed answer that still lacks its events.
pub(crate) fn sse() -> Reply {
    Reply::status(200).header("content-type", "text/event-stream")
}

/// The next piece of a streamed answer.
pub(crate) async fn piece(body: &mut Incoming) -> String {
    let frame = timeout(SOON, body.frame()).await.expect("a piece in time").expect("one more piece").unwrap();
    String::from_utf8_lossy(&frame.into_data().unwrap()).into_owned()
}
