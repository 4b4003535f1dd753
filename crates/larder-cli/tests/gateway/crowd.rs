//! Many clients at once, over real connections: one call for one question, and nobody is given somebody else's answer.

use crate::harness::*;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use larder_testkit::{Gate, Reply, Scripted, is_long};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};
use tokio::{net::TcpStream, time::timeout};

const CONNECTIONS: usize = 200;

#[tokio::test]
async fn two_hundred_connections_are_one_call() {
    let home = Home::new();
    let gate = Gate::new();
    let origin = Scripted::replies([completion("one").headers_after(&gate), completion("too many calls")]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
    let asking = futures_util::future::join_all((0..CONNECTIONS).map(|_| gateway.send(chat("a"))));
    let open = async {
        origin.called(1).await;
        landed().await;
        gate.open();
    };
    let (answers, ()) = tokio::join!(asking, open);
    assert_eq!(origin.calls(), 1);
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == answers[0].body));
    assert_eq!(answers.iter().filter(|answer| answer.how() == "miss").count(), 1);
    assert_eq!(gateway.stats().await.pointer("/total/api_calls_saved").unwrap(), CONNECTIONS - 1);
}

#[tokio::test]
async fn two_hundred_streams_are_one_call() {
    let home = Home::new();
    let gate = Gate::new();
    let (first, last) = (event("a", None), event("b", Some("stop")));
    let reply = sse().piece(first.clone()).wait(&gate).piece(last.clone()).piece(DONE);
    let origin = Scripted::replies([reply, sse().piece("data: too many calls\n\n")]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
    // Everybody has the first event before the origin sends the second.
    let stream = || async {
        let mut response = gateway.open(chat_stream("a")).await;
        assert_eq!(piece(response.body_mut()).await, first);
        response
    };
    let streams = futures_util::future::join_all((0..CONNECTIONS).map(|_| stream())).await;
    gate.open();
    let whole_ones = futures_util::future::join_all(streams.into_iter().map(whole)).await;
    assert!(whole_ones.iter().all(|answer| answer.text() == format!("{last}{DONE}")));
    assert_eq!(origin.calls(), 1);
}

/// Keys that the origin accepts; the others are thieves'.
const MEMBERS: usize = 45;
const KEYS: usize = 50;
const PROMPTS: usize = 8;
const CLIENTS: usize = 16;

/// Says in every byte who asked what, streamed or not; refuses thieves; forbids to keep every 50th answer. Notes whom it
/// has accepted.
fn echo(accepted: Arc<Vec<AtomicBool>>) -> Scripted {
    Scripted::new(move |n, seen| {
        let key = seen.headers["authorization"].to_str().unwrap().trim_start_matches("Bearer sk-").to_owned();
        if key.parse::<usize>().unwrap() >= MEMBERS {
            return Reply::status(401).header("content-type", "application/json").piece(format!("\"no, {key}\""));
        }
        accepted[key.parse::<usize>().unwrap()].store(true, SeqCst);
        let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
        let prompt = body.pointer("/messages/0/content").unwrap().as_str().unwrap();
        let said = format!("{key} {prompt}|").repeat(1 + n % 30);
        let reply = if body["stream"] == true {
            sse().piece(event(&said, None)).piece(event("", Some("stop"))).piece(DONE)
        } else {
            completion(&said)
        };
        if n % 50 == 49 { reply.header("cache-control", "no-store") } else { reply }
    })
}

/// One client with a connection of its own, as long as that lasts.
struct Client {
    address: SocketAddr,
    sender: Option<http1::SendRequest<Full<Bytes>>>,
    dice: u64,
}

impl Client {
    /// A number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.dice >> 33).unwrap() % limit
    }

    async fn connection(&mut self) -> &mut http1::SendRequest<Full<Bytes>> {
        if self.sender.as_ref().is_none_or(http1::SendRequest::is_closed) {
            let stream = TcpStream::connect(self.address).await.unwrap();
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            self.sender = Some(sender);
        }
        self.sender.as_mut().unwrap()
    }

    /// One request; `None`: the client has hung up in the middle.
    async fn ask(&mut self, key: usize, prompt: usize, is_stream: bool) -> Option<Answer> {
        let (leaves, address) = (self.below(10) == 0, self.address);
        let request = if is_stream { chat_stream(&format!("p{prompt}")) } else { chat(&format!("p{prompt}")) };
        let (mut parts, body) = request.into_parts();
        parts.headers.insert("host", address.to_string().parse().unwrap());
        parts.headers.insert("authorization", format!("Bearer sk-{key}").parse().unwrap());
        let sender = self.connection().await;
        timeout(SOON, sender.ready()).await.unwrap().unwrap();
        let answer = sender.send_request(Request::from_parts(parts, Full::new(body)));
        if leaves {
            // Either the head or nothing has come by then.
            let _ = timeout(std::time::Duration::from_millis(1), answer).await;
            self.sender = None;
            return None;
        }
        let (head, body) = timeout(SOON, answer).await.unwrap().unwrap().into_parts();
        let body = timeout(SOON, body.collect()).await.unwrap().unwrap().to_bytes();
        Some(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }
}

/// What the model said, of either form.
fn said(answer: &Answer, is_stream: bool) -> String {
    if !is_stream {
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        return body.pointer("/choices/0/message/content").unwrap().as_str().unwrap().to_owned();
    }
    let text = answer.text();
    let events = text.strip_suffix(DONE).expect("whole").split_terminator("\n\n");
    let deltas = events.map(|event| {
        let event: serde_json::Value = serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
        event.pointer("/choices/0/delta/content").unwrap().as_str().unwrap().to_owned()
    });
    deltas.collect()
}

/// Whose answer it is. Every word of it must say the same.
fn made_for(said: &str, prompt: usize) -> usize {
    let (first, _) = said.split_once('|').unwrap();
    assert!(said.split_terminator('|').all(|word| word == first), "torn: {said}");
    let (key, of) = first.split_once(' ').unwrap();
    assert_eq!(of, format!("p{prompt}"), "the answer to another question");
    key.parse().unwrap()
}

async fn crowd(share: &str, requests: usize) {
    let home = Home::new();
    let accepted: Arc<Vec<AtomicBool>> = Arc::new((0..KEYS).map(|_| AtomicBool::new(false)).collect());
    let origin = echo(Arc::clone(&accepted));
    let served = origin.serve().await.unwrap();
    let mut command = home.command(&["serve", "--listen=127.0.0.1:0", "--share", share]);
    // A line for each request is too much of them.
    command.arg(format!("--upstream=openai={}", served.url())).env("LARDER_LOG", "info");
    let gateway = Gateway::start(command);
    let (left, counts) = (AtomicUsize::new(requests), [const { AtomicUsize::new(0) }; 4]);
    let (left, accepted, counts, address) = (&left, &accepted, &counts, gateway.address());
    let clients = (0..CLIENTS).map(|n| async move {
        let mut client = Client { address, sender: None, dice: n as u64 };
        while left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
            let (key, prompt, is_stream) = (client.below(KEYS), client.below(PROMPTS), client.below(3) == 0);
            let Some(answer) = client.ask(key, prompt, is_stream).await else {
                counts[0].fetch_add(1, SeqCst);
                continue;
            };
            if key >= MEMBERS {
                assert_eq!((answer.status, answer.text()), (401, format!("\"no, {key}\"")), "a thief");
                counts[1].fetch_add(1, SeqCst);
                continue;
            }
            assert_eq!(answer.status, 200, "{}", answer.text());
            let author = made_for(&said(&answer, is_stream), prompt);
            counts[2].fetch_add(usize::from(answer.how() != "miss"), SeqCst);
            let is_shared = share == "team" && author < MEMBERS && accepted[key].load(SeqCst);
            assert!(author == key || is_shared, "{key} was given the answer of {author}");
            counts[3].fetch_add(usize::from(author != key), SeqCst);
        }
    });
    futures_util::future::join_all(clients).await;
    let counts = counts.each_ref().map(|n| n.load(SeqCst));
    println!("{share}: {requests} requests, {} calls; left, refused, saved, of others: {counts:?}", origin.calls());
    assert!(counts[..3].iter().all(|n| *n > 0), "something did not happen");
    assert_eq!(share == "team", counts[3] > 0, "{} answers of others", counts[3]);
}

fn requests() -> usize {
    if is_long() { 100_000 } else { 1_500 }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_credentials_have_their_own_answers() {
    crowd("credential", requests()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_credentials_of_a_team_share_and_thieves_do_not() {
    crowd("team", requests()).await;
}

/// A read that hangs since before the write is nobody's but its own client's.
#[tokio::test]
async fn who_reads_after_a_write_does_not_join_a_read_from_before() {
    let home = Home::new();
    let gate = Gate::new();
    let replies = [Reply::ok("old").headers_after(&gate), Reply::ok("written"), Reply::ok("new")];
    let origin = Scripted::replies(replies);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("notes", &served.url())], home.with_notes());
    let before = gateway.send(get("/notes/v1/notes/1"));
    let write = async {
        origin.called(1).await;
        let put = Request::put("/notes/v1/notes/1").body(Bytes::from("new")).unwrap();
        assert_eq!(gateway.send(put).await.text(), "written");
        let after = timeout(SOON, gateway.send(get("/notes/v1/notes/1"))).await;
        gate.open();
        assert_eq!(after.expect("it waits for the old read").text(), "new");
    };
    let (before, ()) = tokio::join!(before, write);
    assert_eq!(before.text(), "old");
    assert_eq!(gateway.send(get("/notes/v1/notes/1")).await.text(), "new", "the old read is not kept");
}
