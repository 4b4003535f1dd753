//! One store, one origin, and questions to ask.

use crate::shelf::MemoryShelf;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue};
use larder::{
    Answer, OriginError,
    cache::{AnswerBody, AnswerError, How},
    flight::{Flights, Limits, answer},
};
use larder_core::{
    Question, Share, Timestamp, Variant,
    adapter::Adapter,
    freshness::{RequestControl, request_control},
    json::Object,
    judge::{Lifetime, Plan},
    record::Want,
    share::CredentialDigest,
};
use larder_testkit::Scripted;
use std::{cell::Cell, sync::Arc, time::Duration};

thread_local! {
    /// The tests' clock, milliseconds; each test has a thread of its own.
    static NOW: Cell<i64> = const { Cell::new(1_800_000_000_000) };
}

/// The clock. Tests run on a current-thread runtime, so that flights read the same one.
pub(crate) fn now() -> Timestamp {
    Timestamp(NOW.get())
}

/// Time passes for the cache.
pub(crate) fn later(seconds: i64) {
    NOW.set(NOW.get() + seconds * 1000);
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) shelf: Arc<MemoryShelf>,
    pub(crate) flights: Arc<Flights>,
    pub(crate) origin: Scripted,
}

impl World {
    pub(crate) fn new(origin: Scripted) -> Self {
        Self::with(origin, MemoryShelf::default(), Limits::default())
    }

    pub(crate) fn with(origin: Scripted, shelf: MemoryShelf, limits: Limits) -> Self {
        Self { shelf: Arc::new(shelf), flights: Arc::new(Flights::new(limits)), origin }
    }

    pub(crate) async fn ask(&self, plan: Plan) -> Result<Answer, AnswerError> {
        answer(self.shelf.clone(), &self.flights, plan, self.origin.call(), now).await
    }

    /// Asks and reads everything.
    pub(crate) async fn get(&self, plan: Plan) -> Got {
        read(self.ask(plan).await.expect("an answer")).await
    }

    /// Asks and reads everything, in a task of its own.
    pub(crate) fn begin(&self, plan: Plan) -> tokio::task::JoinHandle<Got> {
        let world = self.clone();
        tokio::spawn(async move { world.get(plan).await })
    }
}

/// What a client got.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) how: How,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) stored: bool,
    pub(crate) body: String,
    pub(crate) error: Option<OriginError>,
}

pub(crate) async fn read(answer: Answer) -> Got {
    let mut got = Got {
        how: answer.how,
        status: answer.status.as_u16(),
        headers: answer.headers,
        stored: answer.stored,
        body: String::new(),
        error: None,
    };
    let mut stream = match answer.body {
        AnswerBody::Whole(bytes) => futures_util::stream::iter([Ok(bytes)]).boxed(),
        AnswerBody::Stream(stream) => stream,
    };
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(bytes) => got.body.push_str(&text(&bytes)),
            Err(error) => got.error = Some(error),
        }
    }
    got
}

pub(crate) fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The next piece of a streamed answer.
pub(crate) async fn piece(answer: &mut Answer) -> String {
    let AnswerBody::Stream(stream) = &mut answer.body else { panic!("a whole answer") };
    text(&stream.next().await.expect("a piece").expect("bytes"))
}

const ADAPTER: &str = r#"
format  = 1
name    = "chat"
summary = "What the engine's tests ask"

[http]
base-url = "https://chat.invalid"

[[operation]]
name = "say"
when = "POST /say"
ttl  = "1m"
keep-status = [200, 404]

[[operation]]
name = "tell"
when = "POST /tell"
ttl  = "1m"

[operation.stream]
codec  = "sse"
last   = [{ data = "[DONE]" }]
failed = ["error"]
"#;

/// A question of an operation: fresh for a minute.
pub(crate) fn question(text: &str) -> Plan {
    of("say", text)
}

/// A question whose answer is a stream of events.
pub(crate) fn streamed(text: &str) -> Plan {
    of("tell", text)
}

fn of(operation: &str, text: &str) -> Plan {
    let adapter = Adapter::parse(ADAPTER, "chat.toml").expect("an adapter");
    let mut params = Object::default();
    params.insert("text", larder_core::Json::String(text.to_owned()));
    let question = Question {
        service: "chat".to_owned(),
        operation: operation.to_owned(),
        share: Share::Anonymous,
        params,
        origin: None,
        path: None,
        query: None,
        headers: None,
        body: None,
    };
    let key = question.key();
    Plan {
        key,
        want: Want { key, variant: Variant::default(), headers: HeaderMap::new() },
        question,
        operation: adapter.operation(operation).cloned(),
        lifetime: Lifetime { ttl: Duration::from_secs(60), ..Lifetime::default() },
        control: RequestControl::default(),
        credential: None,
        credential_headers: Vec::new(),
        ignored: Vec::new(),
        finish: false,
    }
}

/// Small changes to a question.
pub(crate) trait Changed: Sized {
    fn finish(self) -> Self;
    fn share(self, share: Share, caller: &str) -> Self;
    fn header(self, name: &'static str, value: &'static str) -> Self;
    fn control(self, cache_control: &'static str) -> Self;
    fn lifetime(self, change: impl FnOnce(&mut Lifetime)) -> Self;
}

impl Changed for Plan {
    fn finish(self) -> Self {
        Self { finish: true, ..self }
    }

    fn share(mut self, share: Share, caller: &str) -> Self {
        self.question.share = share;
        self.credential = Some(credential(caller));
        self.key = self.question.key();
        self.want.key = self.key;
        self
    }

    fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.want.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }

    fn control(self, cache_control: &'static str) -> Self {
        let headers = [(http::header::CACHE_CONTROL, HeaderValue::from_static(cache_control))];
        Self { control: request_control(&headers.into_iter().collect()), ..self }
    }

    fn lifetime(mut self, change: impl FnOnce(&mut Lifetime)) -> Self {
        change(&mut self.lifetime);
        self
    }
}

pub(crate) fn credential(caller: &str) -> CredentialDigest {
    CredentialDigest::from_mac(&larder_core::cid::sha256(caller.as_bytes()))
}

/// Lets every task do what it can.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
