//! Single flight: concurrent identical misses are one origin call (docs/design/stream.md).
//!
//! `board` knows who is in the air, and who may come aboard. `ask` is a caller's way, `pilot` is the
//! flight's own task, `spool` carries the bytes between them, `serve` turns what is stored into answers.

pub(crate) mod ask;
mod board;
mod draft;
mod pilot;
pub(crate) mod serve;
mod shelf;
mod spool;

pub use ask::answer;
pub use board::Flights;
pub use shelf::Shelf;

use crate::{
    Entry, OriginAnswer, OriginError, Since,
    sync::{Mutex, MutexGuard, timeout},
};
use board::Ticket;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use larder_core::{QueryKey, Variant, freshness::vary_matches, judge::Plan, share::CredentialDigest};
use spool::Spool;
use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, watch};

/// How long the engine waits, and how much it holds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest time to the origin's headers.
    pub headers: Duration,
    /// The longest silence between two pieces of a body.
    pub idle: Duration,
    /// The longest that a short answer's end, and whoever asks while an answer is on its way there, waits for the store.
    pub commit: Duration,
    /// Larger bodies pass through unkept, bytes; 0: no limit.
    pub max_body: u64,
    /// Bodies up to this size are gathered in memory, bytes.
    pub memory: u64,
    /// Whether larger ones may be gathered in the system's temporary folder where the store's cannot be used. Without
    /// any file the origin is read no faster than the slowest client, and nothing is kept.
    pub temporary: bool,
}

impl Default for Limits {
    /// 10 minutes to the headers (a model may think for that long), 5 between pieces, 1 s for the store, no size limit,
    /// 1 MiB in memory.
    fn default() -> Self {
        Self {
            headers: Duration::from_secs(600),
            idle: Duration::from_secs(300),
            commit: Duration::from_secs(1),
            max_body: 0,
            memory: 1 << 20,
            temporary: true,
        }
    }
}

/// Which flights answer one question in one form. They differ in the request headers that `Vary` may name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    key: QueryKey,
    variant: Variant,
}

/// One call to the origin. It belongs to no client.
#[derive(Debug)]
pub(crate) struct Flight {
    place: Place,
    /// What the leader asks.
    plan: Arc<Plan>,
    /// The leader's credential: where answers are shared, the flight itself shows that the origin accepts it.
    credential: Option<CredentialDigest>,
    /// From before the origin was asked: who comes after an invalidation or a removal does not follow, and what it brings is
    /// not kept.
    pub(crate) since: Since,
    /// What its answer is expected to vary with, and the leader's values of it; empty where nobody knew.
    varies: Vec<(String, Option<String>)>,
    /// Goes on when nobody listens.
    finish: bool,
    phase: watch::Sender<Phase>,
    /// Told when the last listener of a flight that is not to be finished has left.
    abandoned: Notify,
    /// How many listen. Changed under the board's lock only.
    listeners: Mutex<usize>,
    /// An answer that is not to be kept, for the leader's client.
    handed: Mutex<Option<Handed>>,
}

/// An answer that the leader's client gets as it streams, unkept.
pub(crate) struct Handed {
    pub(crate) answer: OriginAnswer,
    pub(crate) reason: String,
}

impl std::fmt::Debug for Handed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handed").field("reason", &self.reason).finish_non_exhaustive()
    }
}

/// How far a flight is.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    /// The origin has not answered.
    Asking,
    /// The answer streams.
    Streaming(Arc<Streaming>),
    /// All bytes are there; the store is getting them.
    Committing(Arc<Streaming>),
    /// Over, and off the board.
    Landed(Landing),
}

/// How a flight ended.
#[derive(Clone, Debug)]
pub(crate) enum Landing {
    /// The whole way; the spool has the answer (or its failure).
    Done(Arc<Streaming>),
    /// The answer is not to be kept: everybody asks for himself.
    Refused(StatusCode),
    /// The origin failed before its headers.
    Failed(OriginError),
    /// The origin said 304: the stored answer, refreshed.
    Confirmed(Box<Entry>),
    /// The origin said 304, and that the answer is not to be kept: it is the leader's alone.
    Parted(Box<Entry>),
    /// The task broke off without a word.
    Lost,
}

/// An answer that is streamed to everybody aboard.
#[derive(Debug)]
pub(crate) struct Streaming {
    pub(crate) status: StatusCode,
    /// End-to-end headers without `age`.
    pub(crate) headers: HeaderMap,
    pub(crate) vary: Vec<(String, Option<String>)>,
    /// The origin's `Age`, if it was not zero.
    pub(crate) age: Option<Duration>,
    /// Freshness left, seconds.
    pub(crate) ttl_s: i64,
    pub(crate) spool: Arc<Spool>,
    /// Whether it is kept, once that is known: it was judged whole and the store has it, or not.
    pub(crate) kept: watch::Sender<Option<bool>>,
}

/// The longest that a short answer's headers are held back to learn whether it is kept: nobody has use for its beginning,
/// and its end comes no later for that.
const JUDGED: Duration = Duration::from_millis(20);
/// What is short, bytes.
const SHORT: u64 = 64 << 10;

impl Streaming {
    /// Whether the answer is kept, as far as that can be said when its headers are sent.
    pub(crate) async fn is_kept(&self) -> bool {
        let mut kept = self.kept.subscribe();
        if self.is_short() {
            // Not known in time is not kept.
            let _ = timeout(JUDGED, kept.wait_for(Option::is_some)).await;
        }
        *kept.borrow() == Some(true)
    }

    /// Tells whether it is kept. What was told first stays.
    pub(crate) fn tell_kept(&self, kept: bool) {
        self.kept.send_if_modified(|told| {
            let news = told.is_none();
            *told = told.or(Some(kept));
            news
        });
    }

    /// Of known length, or JSON, which is of use only as a whole.
    fn is_short(&self) -> bool {
        let text = |name| self.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        length.map_or_else(
            || text(header::CONTENT_TYPE).is_some_and(|media| media.starts_with("application/json")),
            |length| length <= SHORT,
        )
    }
}

impl Flight {
    fn new(place: Place, ticket: Ticket<'_>, finish: bool, listeners: usize) -> Self {
        Self {
            place,
            plan: Arc::clone(ticket.plan),
            credential: ticket.plan.credential.clone(),
            since: ticket.since,
            varies: ticket.varies.to_vec(),
            finish,
            phase: watch::Sender::new(Phase::Asking),
            abandoned: Notify::new(),
            listeners: Mutex::new(listeners),
            handed: Mutex::new(None),
        }
    }

    fn listeners(&self) -> MutexGuard<'_, usize> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a caller may come aboard: answers of others only where it is trusted with them.
    fn takes(&self, ticket: Ticket<'_>) -> bool {
        let own = self.credential.is_some() && self.credential == ticket.plan.credential;
        (ticket.trusted || own) && self.suits(ticket)
    }

    /// Whether a caller's question is answered by this flight, as far as that is known: `Vary` comes with the headers.
    fn suits(&self, ticket: Ticket<'_>) -> bool {
        if self.since.generation < ticket.since.generation || self.since.removals != ticket.since.removals {
            return false;
        }
        let headers = &ticket.plan.want.headers;
        match &*self.phase.borrow() {
            // Who knows what answers vary with waits for none that may be another's: one after the other, he would for all.
            Phase::Asking => {
                vary_matches(&self.varies, headers) && vary_matches(ticket.varies, &self.plan.want.headers)
            }
            Phase::Streaming(answer) | Phase::Committing(answer) => vary_matches(&answer.vary, headers),
            Phase::Landed(_) => false,
        }
    }

    /// Waits for the origin's headers, or for the flight's end.
    pub(crate) async fn decided(&self) -> Phase {
        self.wait(|phase| !matches!(phase, Phase::Asking)).await
    }

    /// Waits for the flight's end.
    pub(crate) async fn landed(&self) -> Phase {
        self.wait(|phase| matches!(phase, Phase::Landed(_))).await
    }

    async fn wait(&self, until: impl FnMut(&Phase) -> bool) -> Phase {
        let mut phase = self.phase.subscribe();
        let reached = phase.wait_for(until).await;
        reached.map_or(Phase::Landed(Landing::Lost), |phase| phase.clone())
    }

    /// Takes the answer that is not to be kept.
    pub(crate) fn take_handed(&self) -> Option<Handed> {
        self.handed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn hand_over(&self, handed: Handed) {
        *self.handed.lock().unwrap_or_else(PoisonError::into_inner) = Some(handed);
    }
}
