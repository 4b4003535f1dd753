//! A caller's way: the store, somebody's flight, or a flight of its own.

use super::{
    Flights, Landing, Phase, Shelf, Streaming,
    board::{Boarding, Listener, Ticket},
    pilot::{Pilot, origin_name},
    serve,
};
use crate::{
    Answer, Entry, Origin, OriginError,
    cache::{AnswerError, How},
    stats::Event,
    sync::timeout,
};
use http::{HeaderMap, Method, StatusCode, header};
use larder_core::{
    Share, Timestamp,
    freshness::vary_matches,
    judge::{Plan, Use, judge_stored, may_serve_on_error},
    record::{Freshness, vary_value},
};
use std::sync::Arc;

/// Answers `plan` from `shelf`, a flight of `flights`, or `origin`. See [`crate::Cache::answer`], which calls this with
/// its own store.
pub async fn answer(
    shelf: Arc<dyn Shelf>,
    flights: &Arc<Flights>,
    plan: impl Into<Arc<Plan>>,
    origin: Box<dyn Origin>,
    now: fn() -> Timestamp,
) -> Result<Answer, AnswerError> {
    Asking::new(shelf, Arc::clone(flights), plan.into(), origin, now).answer().await
}

/// One call for an answer.
struct Asking {
    shelf: Arc<dyn Shelf>,
    flights: Arc<Flights>,
    plan: Arc<Plan>,
    origin: Option<Box<dyn Origin>>,
    bodiless: bool,
    now: fn() -> Timestamp,
    /// May be given what others asked for.
    trusted: bool,
    /// A flight turned out to carry nothing for others: this call goes by itself.
    alone: bool,
    /// What the answer of a flight that was not for this caller varied with, and this call's values of it.
    varies: Vec<(String, Option<String>)>,
    /// Why the store does not answer, in the words of RFC 9211 §2.2.
    forward: &'static str,
    /// What the store has that is too old.
    old: Option<(Entry, &'static str)>,
}

/// What following a flight led to.
enum Followed {
    Answered(Result<Answer, AnswerError>),
    /// The flight has nothing for this caller.
    Again,
}

impl Asking {
    fn new(
        shelf: Arc<dyn Shelf>,
        flights: Arc<Flights>,
        mut plan: Arc<Plan>,
        origin: Box<dyn Origin>,
        now: fn() -> Timestamp,
    ) -> Self {
        if origin.bodiless() {
            set_apart(&mut plan);
        }
        let trusted = is_trusted(shelf.as_ref(), &plan, now());
        Self {
            shelf,
            flights,
            plan,
            bodiless: origin.bodiless(),
            origin: Some(origin),
            now,
            trusted,
            alone: false,
            varies: Vec::new(),
            forward: if trusted { "uri-miss" } else { "bypass" },
            old: None,
        }
    }

    async fn answer(mut self) -> Result<Answer, AnswerError> {
        loop {
            let seen = self.flights.landings(&self.plan.key);
            if self.trusted
                && !self.alone
                && let Some(answer) = self.look_up().await
            {
                return Ok(answer);
            }
            if self.plan.control.only_if_cached {
                if let Some(listener) = self.flights.ending(Ticket { alone: false, ..self.ticket(seen) })
                    && let Followed::Answered(answer) = self.after_landing(listener).await
                {
                    return answer;
                }
                self.count(Event::Miss);
                return Err(AnswerError::OnlyIfCached);
            }
            match self.flights.take_off(self.ticket(seen)) {
                Boarding::LookAgain => {}
                Boarding::Lead(listener) => return self.lead(listener).await,
                Boarding::Follow(listener) => {
                    if let Followed::Answered(answer) = self.follow(listener).await {
                        return answer;
                    }
                }
            }
        }
    }

    /// How this call wants to fly. `seen`: the landings when the store was looked at.
    fn ticket(&self, seen: u64) -> Ticket<'_> {
        let question = &self.plan.question;
        let since = self.shelf.since(&self.plan.key, &question.service, &question.operation);
        let varies = &self.varies;
        Ticket { plan: &self.plan, alone: self.alone, trusted: self.trusted, seen, since, varies }
    }

    /// The store's answer, if it may be given out. A store that fails is a miss.
    async fn look_up(&mut self) -> Option<Answer> {
        let now = (self.now)();
        let found = self.shelf.get(&self.plan.want, now).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "the store could not be read: a miss");
            None
        });
        let (entry, tier) = found.filter(|(entry, _)| serve::is_servable(&entry.record))?;
        let what = judge_stored(&entry.record, &self.plan.control, now);
        match what {
            Use::Serve => Some(self.hit(entry, How::Hit { tier })),
            Use::ServeStale => Some(self.hit(entry, How::Stale { tier })),
            Use::ServeAndRefresh => {
                self.refresh(&entry);
                Some(self.hit(entry, How::Stale { tier }))
            }
            Use::Ask => {
                self.too_old(entry, tier, now);
                None
            }
        }
    }

    fn too_old(&mut self, entry: Entry, tier: &'static str, now: Timestamp) {
        let expired = entry.record.freshness(now) != Freshness::Fresh;
        if expired && self.old.is_none() {
            self.count(Event::Expiration);
        }
        self.forward = if expired { "stale" } else { "request" };
        self.old = Some((entry, tier));
    }

    fn hit(&self, entry: Entry, how: How) -> Answer {
        let events = [Event::Hit, Event::ApiCallSaved, Event::Stale];
        let counted = if matches!(how, How::Stale { .. }) { &events[..] } else { &events[..2] };
        self.shelf.count_all(&self.plan.question.service, &self.plan.question.operation, counted);
        serve::stored(entry, how, (self.now)(), self.bodiless)
    }

    /// Asks the origin in the background, with this call's own means: it does not need them any more.
    fn refresh(&mut self, entry: &Entry) {
        if self.plan.control.only_if_cached || self.origin.is_none() {
            return;
        }
        if let Some(flight) = self.flights.take_off_unmanned(self.ticket(0))
            && let Some(origin) = self.origin.take()
        {
            self.pilot(Some(entry)).fly(flight, origin);
        }
    }

    fn pilot(&self, old: Option<&Entry>) -> Pilot {
        Pilot {
            shelf: Arc::clone(&self.shelf),
            flights: Arc::clone(&self.flights),
            plan: Arc::clone(&self.plan),
            now: self.now,
            confirm: old.and_then(|entry| Some((entry.clone(), validators(entry)?))),
        }
    }

    async fn lead(mut self, listener: Listener) -> Result<Answer, AnswerError> {
        let Some(origin) = self.origin.take() else {
            return Err(OriginError::Unreachable("it has been asked before".to_owned()).into());
        };
        self.pilot(self.old.as_ref().map(|(entry, _)| entry)).fly(Arc::clone(&listener.flight), origin);
        let how = How::Miss { forward: self.forward };
        match listener.flight.decided().await {
            Phase::Streaming(streaming) | Phase::Committing(streaming) | Phase::Landed(Landing::Done(streaming)) => {
                self.count(Event::Miss);
                let lost = || OriginError::Truncated("nobody read it in time".to_owned());
                let answer = serve::streamed(&streaming, how, listener, &self.plan.question.share).ok_or_else(lost)?;
                Ok(Answer { stored: streaming.is_kept().await, ..answer })
            }
            Phase::Landed(Landing::Refused(status)) => self.unkept(status, &listener, how),
            Phase::Landed(Landing::Confirmed(entry) | Landing::Parted(entry)) => {
                Ok(self.confirmed(*entry, How::Revalidated))
            }
            Phase::Landed(Landing::Failed(error)) => self.failed(error),
            Phase::Asking | Phase::Landed(Landing::Lost) => {
                self.failed(OriginError::Unreachable("the call was given up".to_owned()))
            }
        }
    }

    /// The origin's own answer to the leader, or a stale one in place of its failure.
    fn unkept(&mut self, status: StatusCode, listener: &Listener, how: How) -> Result<Answer, AnswerError> {
        if let Some(answer) = self.in_place_of(status) {
            return Ok(answer);
        }
        self.count(Event::Miss);
        let lost = || OriginError::Unreachable("the answer was given to nobody".to_owned());
        let handed = listener.flight.take_handed().ok_or_else(lost)?;
        Ok(serve::handed(handed, how, self.flights.limits.idle))
    }

    async fn follow(&mut self, listener: Listener) -> Followed {
        match listener.flight.decided().await {
            Phase::Streaming(streaming) | Phase::Committing(streaming) | Phase::Landed(Landing::Done(streaming)) => {
                self.board(&streaming, listener).await
            }
            Phase::Landed(Landing::Confirmed(entry)) if self.plan.want.accepts(&entry.record) => {
                self.count(Event::ApiCallSaved);
                Followed::Answered(Ok(self.confirmed(*entry, How::Collapsed)))
            }
            Phase::Landed(Landing::Failed(error)) => Followed::Answered(self.failed(error)),
            Phase::Landed(Landing::Refused(status)) => {
                if let Some(answer) = self.in_place_of(status) {
                    return Followed::Answered(Ok(answer));
                }
                self.alone = true;
                Followed::Again
            }
            Phase::Asking | Phase::Landed(Landing::Confirmed(_) | Landing::Parted(_) | Landing::Lost) => {
                self.alone = true;
                Followed::Again
            }
        }
    }

    /// Takes part in a flight whose headers are there, if they are for this caller.
    async fn board(&mut self, streaming: &Arc<Streaming>, listener: Listener) -> Followed {
        if !vary_matches(&streaming.vary, &self.plan.want.headers) {
            self.forward = "vary-miss";
            let own = |(name, _): &(String, _)| (name.clone(), vary_value(&self.plan.want.headers, name));
            self.varies = streaming.vary.iter().map(own).collect();
            return Followed::Again;
        }
        if !self.trusted && !streaming.status.is_success() {
            // Only a 2xx shows that the origin accepts this credential.
            self.alone = true;
            return Followed::Again;
        }
        if listener.late {
            return self.after_landing(listener).await;
        }
        let Some(answer) = serve::streamed(streaming, How::Collapsed, listener, &self.plan.question.share) else {
            self.alone = true;
            return Followed::Again;
        };
        self.count(Event::Miss);
        self.count(Event::ApiCallSaved);
        Followed::Answered(Ok(answer))
    }

    /// Whoever comes when the origin's answer has ended asks anew: what was not kept, or must be confirmed each time, is
    /// not for him. Its end is not waited for longer than the store is given.
    async fn after_landing(&mut self, listener: Listener) -> Followed {
        if timeout(self.flights.limits.commit, listener.flight.landed()).await.is_err() {
            self.alone = true;
        }
        self.trusted = is_trusted(self.shelf.as_ref(), &self.plan, (self.now)());
        if self.trusted
            && let Some(answer) = self.look_up().await
        {
            return Followed::Answered(Ok(answer));
        }
        Followed::Again
    }

    /// A stored answer that the origin has confirmed.
    fn confirmed(&self, entry: Entry, how: How) -> Answer {
        self.count(Event::Hit);
        serve::stored(entry, how, (self.now)(), self.bodiless)
    }

    /// The origin gave no answer: a stale one, if that is allowed.
    fn failed(&mut self, error: OriginError) -> Result<Answer, AnswerError> {
        self.stale_on_error(None).ok_or_else(|| {
            self.count(Event::Miss);
            error.into()
        })
    }

    /// RFC 5861 §4: 500, 502, 503 and 504 are failures of the origin.
    fn in_place_of(&mut self, status: StatusCode) -> Option<Answer> {
        if matches!(status.as_u16(), 500 | 502 | 503 | 504) { self.stale_on_error(Some(status)) } else { None }
    }

    fn stale_on_error(&mut self, status: Option<StatusCode>) -> Option<Answer> {
        let now = (self.now)();
        let (entry, tier) = self.old.take()?;
        if !may_serve_on_error(&entry.record, &self.plan.control, now) {
            return None;
        }
        self.count(Event::Hit);
        self.count(Event::Stale);
        Some(serve::stored(entry, How::StaleOnError { tier, status }, now, self.bodiless))
    }

    fn count(&self, event: Event) {
        self.shelf.count(&self.plan.question.service, &self.plan.question.operation, event);
    }
}

/// Answers of a share wider than the credential go only to a credential that this origin accepted.
pub(crate) fn is_trusted(shelf: &dyn Shelf, plan: &Plan, now: Timestamp) -> bool {
    let accepted = || {
        let credential = plan.credential.as_ref();
        credential.is_some_and(|credential| shelf.is_credential_accepted(&origin_name(plan), credential, now))
    };
    match plan.question.share {
        Share::Team => accepted(),
        // Public answers need no credential, but a wrong one is to be told so by the origin.
        Share::Public => plan.credential.is_none() || accepted(),
        Share::Credential(_) | Share::Anonymous => true,
    }
}

/// An operation that is asked with HEAD and with other methods has one key for them: an answer without a body must not be
/// given to who wants one.
fn set_apart(plan: &mut Arc<Plan>) {
    let rule = plan.operation.as_deref().and_then(|operation| operation.http.as_ref());
    let mixed = rule.is_some_and(|rule| rule.routes.iter().any(|route| *route.method() != Method::HEAD));
    if mixed {
        let variant = &mut Arc::make_mut(plan).want.variant.0;
        variant.push_str(if variant.is_empty() { "head" } else { ";head" });
    }
}

/// What the stored answer can be confirmed by; `None` where it has no validator (RFC 9111 §4.3.1).
fn validators(entry: &Entry) -> Option<HeaderMap> {
    let stored = entry.record.headers();
    let pairs = [(header::ETAG, header::IF_NONE_MATCH), (header::LAST_MODIFIED, header::IF_MODIFIED_SINCE)];
    let found: HeaderMap = pairs.into_iter().filter_map(|(of, asks)| Some((asks, stored.get(of)?.clone()))).collect();
    (!found.is_empty()).then_some(found)
}
