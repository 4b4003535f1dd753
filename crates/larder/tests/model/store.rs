//! A store, an origin and callers that give way wherever real ones wait.

use crate::{
    flight::{Flights, Limits, Shelf, answer},
    sync::{any, dawdle, pause, spawn},
};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use http::{HeaderMap, StatusCode};
use larder::{
    Body, Entry, Error, Origin, OriginAnswer, OriginError, Since,
    cache::{AnswerBody, AnswerError, How},
    stats::Event,
};
use larder_core::{
    QueryKey, Question, Record, Share, Timestamp, Variant,
    freshness::RequestControl,
    judge::{Lifetime, Plan},
    record::Want,
    share::CredentialDigest,
};
use larder_testkit::cancel::give_up_after;
use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// What is never over in the model.
const LONG: Duration = Duration::from_secs(3600);

/// The same clock for everybody.
static NOW: AtomicI64 = AtomicI64::new(1_800_000_000_000);

fn now() -> Timestamp {
    Timestamp(NOW.load(Ordering::SeqCst))
}

/// A store whose every call gives way at its beginning. Nothing is locked meanwhile.
#[derive(Default)]
pub(crate) struct Store {
    entries: Mutex<Vec<Entry>>,
    accepted: Mutex<HashSet<String>>,
    generation: AtomicU64,
    removals: AtomicU64,
}

impl Store {
    fn known(&self) -> Since {
        let removals = self.removals.load(Ordering::SeqCst);
        Since { generation: self.generation.load(Ordering::SeqCst), removals: Some(removals) }
    }
}

impl Shelf for Store {
    fn get<'a>(
        &'a self,
        want: &'a Want,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<(Entry, &'static str)>, Error>> {
        async move {
            dawdle().await;
            let current = self.generation.load(Ordering::SeqCst);
            let fits = |entry: &&Entry| {
                entry.generation == current && want.accepts(&entry.record) && now < entry.record.gone_at()
            };
            let found = self.entries.lock().unwrap().iter().rev().find(fits).cloned();
            dawdle().await;
            Ok(found.map(|entry| (entry, "model")))
        }
        .boxed()
    }

    fn put(&self, record: Record, body: Body, since: Since, _now: Timestamp) -> BoxFuture<'_, Result<(), Error>> {
        async move {
            dawdle().await;
            let Since { generation, removals } = since;
            if since == self.known() {
                self.entries.lock().unwrap().push(Entry { record: record.into(), body, generation, removals });
            }
            pause().await;
            Ok(())
        }
        .boxed()
    }

    fn forget(&self, key: QueryKey, _now: Timestamp) -> BoxFuture<'_, Result<(), Error>> {
        async move {
            pause().await;
            self.entries.lock().unwrap().retain(|entry| entry.record.key != key);
            Ok(())
        }
        .boxed()
    }

    fn since(&self, _key: &QueryKey, _service: &str, _operation: &str) -> Since {
        self.known()
    }

    fn is_removed(&self, _key: &QueryKey, since: Since) -> bool {
        self.known().removals != since.removals
    }

    fn count(&self, _service: &str, _operation: &str, _event: Event) {}

    fn credential_accepted(&self, _origin: &str, credential: &CredentialDigest, _now: Timestamp) {
        self.accepted.lock().unwrap().insert(credential.as_str().to_owned());
    }

    fn credential_rejected(&self, _origin: &str, credential: &CredentialDigest, _now: Timestamp) {
        self.accepted.lock().unwrap().remove(credential.as_str());
    }

    fn is_credential_accepted(&self, _origin: &str, credential: &CredentialDigest, _now: Timestamp) -> bool {
        self.accepted.lock().unwrap().contains(credential.as_str())
    }

    fn spool_folder(&self) -> Option<PathBuf> {
        None
    }
}

/// What the origin does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    /// Answers in two pieces.
    Answer,
    /// Forbids to keep the answer.
    Forbid,
    /// Gives no answer.
    Fail,
    /// Breaks off after the first piece.
    Cut,
}

/// One world: everybody asks one question.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) store: Arc<Store>,
    pub(crate) flights: Arc<Flights>,
    pub(crate) calls: Arc<AtomicUsize>,
    /// What a write has made of the answer.
    pub(crate) version: Arc<AtomicUsize>,
    does: Does,
}

/// What a caller got: the origin's call and version, whole.
pub(crate) type Got = Result<(usize, usize), String>;

impl World {
    /// `slow`: the store may take longer than an answer's end is held back for.
    pub(crate) fn new(does: Does, slow: bool) -> Self {
        let commit = if slow { crate::sync::SHORT } else { LONG };
        let limits = Limits { headers: LONG, idle: LONG, commit, ..Limits::default() };
        Self {
            store: Arc::default(),
            flights: Arc::new(Flights::new(limits)),
            calls: Arc::default(),
            version: Arc::default(),
            does,
        }
    }

    /// Asks and reads everything.
    pub(crate) async fn get(&self, plan: Plan) -> Result<Got, AnswerError> {
        let call = Call { world: self.clone(), who: plan.credential.clone() };
        let answer = answer(self.store.clone(), &self.flights, plan, Box::new(call), now).await?;
        let (status, how) = (answer.status, answer.how);
        let pieces = match answer.body {
            AnswerBody::Whole(bytes) => vec![Ok(bytes)],
            AnswerBody::Stream(stream) => stream.collect().await,
        };
        let text: Result<Vec<_>, OriginError> = pieces.into_iter().collect();
        Ok(text.map_err(|error| error.to_string()).and_then(|pieces| read(&pieces.concat(), status, &how)))
    }

    /// A caller who has all the time in the world.
    pub(crate) fn begin(&self, plan: Plan) -> shuttle::future::JoinHandle<Result<Got, AnswerError>> {
        let world = self.clone();
        spawn(async move { world.get(plan).await })
    }

    /// A caller who may leave at any await; `None`: he has left.
    pub(crate) fn begin_and_leave(&self, plan: Plan) -> shuttle::future::JoinHandle<Option<Result<Got, AnswerError>>> {
        let (world, polls) = (self.clone(), any(14));
        spawn(async move { give_up_after(polls, world.get(plan)).await })
    }

    /// A write: the origin has another answer from now on, and what is kept of the old one is dead. What it returns is
    /// the oldest version that who comes now may be given.
    pub(crate) async fn write(&self) -> usize {
        let version = self.version.fetch_add(1, Ordering::SeqCst) + 1;
        pause().await;
        self.store.generation.fetch_add(1, Ordering::SeqCst);
        pause().await;
        version
    }

    /// The same by a removal of the one key, which deletes: through another process's cache, or this one's.
    pub(crate) async fn write_and_remove(&self) -> usize {
        let version = self.version.fetch_add(1, Ordering::SeqCst) + 1;
        pause().await;
        self.store.removals.fetch_add(1, Ordering::SeqCst);
        pause().await;
        self.store.entries.lock().unwrap().clear();
        pause().await;
        version
    }

    /// What is true when everybody has gone: nothing is in the air.
    pub(crate) async fn is_empty_at_the_end(&self) {
        self.flights.landed().await;
        assert!(self.flights.board.lock().unwrap().is_empty(), "a flight is left on the board");
    }
}

/// Every byte is looked at.
fn read(text: &[u8], status: StatusCode, how: &How) -> Got {
    let text = String::from_utf8_lossy(text);
    if !status.is_success() {
        return Err(format!("{status}"));
    }
    let rest = text.strip_prefix("call ").and_then(|rest| rest.strip_suffix("; the end"));
    let numbers = rest.and_then(|rest| rest.split_once(" of version "));
    let numbers = numbers.and_then(|(call, version)| Some((call.parse().ok()?, version.parse().ok()?)));
    numbers.ok_or_else(|| panic!("a torn answer ({how:?}): {text}"))
}

/// One call of the origin by one caller.
struct Call {
    world: World,
    who: Option<CredentialDigest>,
}

impl Origin for Call {
    fn call(self: Box<Self>, _conditional: HeaderMap) -> BoxFuture<'static, Result<OriginAnswer, OriginError>> {
        let number = self.world.calls.fetch_add(1, Ordering::SeqCst);
        let does = self.world.does;
        async move {
            dawdle().await;
            let version = self.world.version.load(Ordering::SeqCst);
            dawdle().await;
            if does == Does::Fail {
                return Err(OriginError::Unreachable("the model says so".to_owned()));
            }
            let mut headers = HeaderMap::new();
            if does == Does::Forbid {
                headers.insert("cache-control", "no-store".parse().unwrap());
            }
            let refused = self.who.as_ref().is_some_and(|who| *who == credential("thief"));
            let status = if refused { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
            let first = Ok(format!("call {number} of version {version}").into());
            let last = if does == Does::Cut {
                Err(OriginError::Truncated("the model says so".to_owned()))
            } else {
                Ok("; the end".into())
            };
            let pieces = stream::iter([first, last]).then(|piece| async move {
                pause().await;
                piece
            });
            Ok(OriginAnswer { status, headers, body: pieces.boxed() })
        }
        .boxed()
    }
}

pub(crate) fn credential(caller: &str) -> CredentialDigest {
    CredentialDigest::from_mac(&larder_core::cid::sha256(caller.as_bytes()))
}

const ADAPTER: &str = r#"
format  = 1
name    = "chat"
summary = "What the model asks"

[http]
base-url = "https://chat.invalid"

[[operation]]
name = "say"
when = "POST /say"
ttl  = "1m"
"#;

/// The one question, fresh for a minute.
pub(crate) fn question() -> Plan {
    static OPERATION: std::sync::OnceLock<larder_core::adapter::Adapter> = std::sync::OnceLock::new();
    let adapter = OPERATION.get_or_init(|| larder_core::adapter::Adapter::parse(ADAPTER, "chat.toml").unwrap());
    let question = Question {
        service: "chat".to_owned(),
        operation: "say".to_owned(),
        share: Share::Anonymous,
        params: larder_core::json::Object::default(),
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
        operation: adapter.operation("say").cloned(),
        lifetime: Lifetime { ttl: Duration::from_secs(60), ..Lifetime::default() },
        control: RequestControl::default(),
        credential: None,
        credential_headers: Vec::new(),
        ignored: Vec::new(),
        finish: false,
    }
}

/// The same, shared with a team.
pub(crate) fn shared_by(caller: &str) -> Plan {
    let mut plan = question();
    plan.question.share = Share::Team;
    plan.credential = Some(credential(caller));
    plan.key = plan.question.key();
    plan.want.key = plan.key;
    plan
}
