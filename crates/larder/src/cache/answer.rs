//! Answering a plan: lookup → single flight → origin → store.

use crate::{
    Cache, Entry, Origin, OriginError,
    flight::{Flights, Limits, Shelf, answer, ask::is_trusted, serve},
    stats::Event,
};
use bytes::Bytes;
use futures_core::stream::BoxStream;
use http::{HeaderMap, StatusCode};
use larder_core::{
    Record, Timestamp,
    judge::{Plan, Use, judge_stored},
};
use std::sync::Arc;

/// Where an answer came from, in the words of RFC 9211.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// From the store, fresh; which tier.
    Hit {
        /// `memory`, `disk`, …
        tier: &'static str,
    },
    /// From the store, stale, without waiting for the origin: the client accepts it, or it is asked again meanwhile.
    Stale {
        /// Which tier.
        tier: &'static str,
    },
    /// From the store, stale, because the origin was asked and failed (RFC 5861 §4).
    StaleOnError {
        /// Which tier.
        tier: &'static str,
        /// The origin's status; `None` where it gave no answer.
        status: Option<StatusCode>,
    },
    /// From the origin, by this call.
    Miss {
        /// Why it was not answered from the store: `uri-miss`, `vary-miss`, `stale`, `request`, `bypass` (RFC 9211 §2.2).
        forward: &'static str,
    },
    /// From another call's flight.
    Collapsed,
    /// Revalidated: the origin said 304 and the stored answer was served.
    Revalidated,
}

/// An answer to be passed on.
pub struct Answer {
    /// Where it came from.
    pub how: How,
    /// Status.
    pub status: StatusCode,
    /// Headers as the origin sent them (hop-by-hop ones left out), no `Age`, no `Cache-Status`.
    pub headers: HeaderMap,
    /// Age, for stored answers.
    pub age: Option<std::time::Duration>,
    /// Remaining freshness in seconds, may be negative; for `Cache-Status: ttl=`.
    pub ttl_s: Option<i64>,
    /// Whether the answer is stored (RFC 9211 `stored`). `false` for one that is still open or on its way into the store: it
    /// may yet be kept.
    pub stored: bool,
    /// The body. `content-length` is among the headers where the origin gave it or the whole is in the store.
    pub body: AnswerBody,
}

/// An answer's body.
pub enum AnswerBody {
    /// All of it, in memory.
    Whole(Bytes),
    /// A stream of pieces. An error means: cut the connection, the answer is not whole.
    Stream(BoxStream<'static, Result<Bytes, OriginError>>),
}

impl Answer {
    /// What [`Cache::at_hand`] found.
    #[must_use]
    pub fn at_hand(entry: Entry, now: Timestamp) -> Self {
        serve::stored(entry, How::Hit { tier: "memory" }, now, false)
    }
}

impl Cache {
    /// Answers `plan`: lookup → single flight → `origin` → store. `now` is a clock, read at each step.
    /// `Err` only where neither the origin nor a stale entry could answer, or `only-if-cached` found nothing.
    pub async fn answer(
        &self,
        plan: impl Into<Arc<Plan>>,
        origin: Box<dyn Origin>,
        now: fn() -> Timestamp,
    ) -> Result<Answer, AnswerError> {
        let shelf: Arc<dyn Shelf> = Arc::new(self.clone());
        answer(shelf, &self.flights, plan.into(), origin, now).await
    }

    /// A fresh entry that memory has for `plan`, counted as the hit that it is: [`Answer::at_hand`] makes of it what
    /// [`Self::answer`] would give for a request with another method than HEAD, at once and without an origin in hand. `None`:
    /// only that can tell.
    #[must_use]
    pub fn at_hand(&self, plan: &Plan, now: Timestamp) -> Option<Entry> {
        if !is_trusted(self, plan, now) {
            return None;
        }
        let is_good =
            |record: &Record| serve::is_servable(record) && judge_stored(record, &plan.control, now) == Use::Serve;
        let (entry, view) = self.inner.stack.memory()?.at_hand(&plan.want, now, is_good)?;
        // By the words at hand: another look at them would be another system call.
        let question = &plan.question;
        view.count_all(&question.service, &question.operation, &[Event::Hit, Event::ApiCallSaved], 1);
        Some(entry)
    }

    /// Waits until no flight is in the air: answers that are finished although nobody listens any more are kept then.
    pub async fn landed(&self) {
        self.flights.landed().await;
    }

    /// The same cache with other limits. To be called before anything is asked.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { flights: Arc::new(Flights::new(limits)), ..self }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The origin failed and nothing stale may be served.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// `only-if-cached`, and the store has no answer (a 504, RFC 9111 §5.2.1.7).
    #[error("the answer is not in the store and the client said `only-if-cached`")]
    OnlyIfCached,
}
