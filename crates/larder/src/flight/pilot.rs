//! A flight's own task: asks the origin, gathers the answer, has it kept if it is whole.

use super::{
    Flight, Flights, Handed, Landing, Phase, Shelf, Streaming,
    draft::{Draft, Keep},
    spool::{Spool, Writer},
};
use crate::{
    Body, Entry, Error, Origin, OriginAnswer, OriginError,
    stats::Event,
    sync::{JoinHandle, spawn, spawn_blocking, timeout},
};
use bytes::Bytes;
use futures_core::{future::BoxFuture, stream::BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use http::{HeaderMap, StatusCode, header};
use larder_core::{
    Record, Timestamp,
    codec::{Completion, Watcher},
    judge::{HeadVerdict, Plan, end_to_end, judge_head},
};
use std::sync::Arc;
use tokio::sync::watch;

/// Everything that a flight needs; it outlives the call that began it.
pub(crate) struct Pilot {
    pub(crate) shelf: Arc<dyn Shelf>,
    pub(crate) flights: Arc<Flights>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) now: fn() -> Timestamp,
    /// The stored answer that is to be confirmed, and the validators to do it with.
    pub(crate) confirm: Option<(Entry, HeaderMap)>,
}

/// Something that a graceful end waits for.
struct Aloft(Arc<Flights>);

impl Aloft {
    fn new(flights: &Arc<Flights>) -> Self {
        flights.airborne.send_modify(|flying| *flying += 1);
        Self(Arc::clone(flights))
    }
}

impl Drop for Aloft {
    fn drop(&mut self) {
        self.0.airborne.send_modify(|flying| *flying -= 1);
    }
}

/// Takes the flight off the board however its task ends.
struct Airborne {
    flight: Arc<Flight>,
    aloft: Aloft,
}

impl Airborne {
    fn new(flights: &Arc<Flights>, flight: Arc<Flight>) -> Self {
        Self { flight, aloft: Aloft::new(flights) }
    }
}

impl Drop for Airborne {
    fn drop(&mut self) {
        if !matches!(*self.flight.phase.borrow(), Phase::Landed(_)) {
            self.aloft.0.advance(&self.flight, Phase::Landed(Landing::Lost));
        }
    }
}

impl Pilot {
    /// Flies: a task of its own, so that no client's going ends it.
    pub(crate) fn fly(self, flight: Arc<Flight>, origin: Box<dyn Origin>) {
        let airborne = Airborne::new(&self.flights, Arc::clone(&flight));
        spawn(async move {
            let airborne = airborne;
            tokio::select! {
                biased;
                () = flight.abandoned.notified() => {}
                landing = self.course(&flight, origin) => self.flights.advance(&flight, Phase::Landed(landing)),
            }
            drop(airborne);
        });
    }

    async fn course(&self, flight: &Flight, origin: Box<dyn Origin>) -> Landing {
        let bodiless = origin.bodiless();
        let asked = (self.now)();
        self.count(Event::ApiCall);
        let validators = self.confirm.as_ref().map(|(_, validators)| validators.clone()).unwrap_or_default();
        let called = timeout(self.flights.limits.headers, origin.call(validators)).await;
        let answer = match called.unwrap_or(Err(OriginError::TimedOut)) {
            Ok(answer) => answer,
            Err(error) => return Landing::Failed(error),
        };
        self.learn(answer.status);
        match &self.confirm {
            Some((entry, _)) if answer.status == StatusCode::NOT_MODIFIED => {
                self.refresh(entry, &answer.headers, flight).await
            }
            _ => self.judge(flight, answer, asked, bodiless).await,
        }
    }

    async fn judge(&self, flight: &Flight, answer: OriginAnswer, asked: Timestamp, bodiless: bool) -> Landing {
        let OriginAnswer { status, headers, body } = answer;
        let expected = content_length(&headers).filter(|_| !bodiless);
        let watcher = Watcher::new(&self.plan, status.as_u16(), &headers);
        let verdict = self.verdict(status, &headers, expected);
        let keep = match verdict.and_then(|keep| watcher.refusal().map_or(Ok(keep), Err)) {
            Ok(keep) => keep,
            Err(reason) => {
                self.not_kept(&reason);
                flight.hand_over(Handed { answer: OriginAnswer { status, headers, body }, reason });
                return Landing::Refused(status);
            }
        };
        let (spool, writer) = Spool::new(&self.flights.limits, Arc::clone(&self.shelf));
        let streaming = Arc::new(streaming(status, &headers, &keep, spool));
        self.flights.advance(flight, Phase::Streaming(Arc::clone(&streaming)));
        let draft = Draft { keep, status, headers, asked, expected };
        self.gather(flight, draft, watcher, body, writer, &streaming).await;
        streaming.tell_kept(false);
        Landing::Done(streaming)
    }

    fn verdict(&self, status: StatusCode, headers: &HeaderMap, expected: Option<u64>) -> Result<Keep, String> {
        let most = self.flights.limits.max_body;
        if most > 0 && expected.is_some_and(|bytes| bytes > most) {
            return Err(format!("the body is larger than `{most}` bytes"));
        }
        match judge_head(&self.plan, status, headers, (self.now)()) {
            HeadVerdict::Keep { lifetime, initial_age, vary } => Ok(Keep { lifetime, initial_age, vary }),
            HeadVerdict::Refuse(reason) => Err(reason),
        }
    }

    /// Gathers the body. Whoever comes while a whole one is committed waits for the store.
    async fn gather(
        &self,
        flight: &Flight,
        draft: Draft,
        mut watcher: Watcher,
        body: BoxStream<'static, Result<Bytes, OriginError>>,
        mut writer: Writer,
        streaming: &Arc<Streaming>,
    ) {
        let reaches = |length: u64, watcher: &Watcher| {
            if watcher.refusal().is_some() {
                self.flights.close(flight);
            }
            if draft.expected == Some(length) {
                // Whoever comes now, with all the bytes on their way, waits for the store and is answered by it.
                self.flights.advance(flight, Phase::Committing(Arc::clone(streaming)));
            }
        };
        let is_marked = match self.receive(body, &mut writer, &mut watcher, reaches).await {
            Ok(is_marked) => is_marked,
            Err(error) => return self.cut_short(flight, &mut writer, error),
        };
        if let Some(expected) = draft.expected.filter(|expected| *expected != writer.len()) {
            let reason = format!("{} bytes of `{expected}`", writer.len());
            return self.cut_short(flight, &mut writer, OriginError::Truncated(reason));
        }
        self.flights.advance(flight, Phase::Committing(Arc::clone(streaming)));
        if !is_marked && !watcher.proves_end() {
            self.not_kept(&OriginError::Unmarked.to_string());
        } else if let Some(mut put) = self.commit(flight, draft, watcher, &mut writer).await {
            if streaming.is_short() {
                // Its headers wait for the store, which mostly needs no other thread: then it needs no other task either.
                if let Some(kept) = put.as_mut().now_or_never() {
                    streaming.tell_kept(kept);
                    return writer.end();
                }
            } else {
                // Its headers promised nothing of the store, and a client that has read a stream's last event gives a
                // connection up whose end is not there yet.
                writer.end();
            }
            self.kept(spawn(put), streaming).await;
        }
        writer.end();
    }

    /// Passes the body on piece by piece; `reaches` is told each length, and what was seen up to there, before a reader can
    /// see it. Whether its end was marked.
    async fn receive(
        &self,
        mut body: BoxStream<'static, Result<Bytes, OriginError>>,
        writer: &mut Writer,
        watcher: &mut Watcher,
        reaches: impl Fn(u64, &Watcher),
    ) -> Result<bool, OriginError> {
        loop {
            match timeout(self.flights.limits.idle, body.next()).await {
                Ok(Some(Ok(piece))) => {
                    watcher.feed(&piece);
                    reaches(writer.len() + piece.len() as u64, watcher);
                    writer.push(piece).await;
                }
                Ok(None) => return Ok(true),
                Ok(Some(Err(OriginError::Unmarked))) => return Ok(false),
                Ok(Some(Err(error))) => return Err(error),
                Err(_) => return Err(OriginError::TimedOut),
            }
        }
    }

    fn cut_short(&self, flight: &Flight, writer: &mut Writer, error: OriginError) {
        self.not_kept(&error.to_string());
        self.flights.close(flight);
        writer.fail(error);
    }

    /// Has a complete answer kept, by whoever goes on with what this returns; it says whether it is.
    async fn commit(
        &self,
        flight: &Flight,
        draft: Draft,
        watcher: Watcher,
        writer: &mut Writer,
    ) -> Option<BoxFuture<'static, bool>> {
        let most = self.flights.limits.max_body;
        let findings = match finish(watcher).await {
            Completion::Complete(_) if most > 0 && writer.len() > most => {
                self.not_kept(&format!("the body is larger than `{most}` bytes"));
                return None;
            }
            Completion::Complete(findings) => findings,
            Completion::Incomplete(reason) => {
                self.not_kept(&reason);
                return None;
            }
        };
        let (body, path) = writer.body().await?;
        let record = self.record(&draft, &findings, writer);
        let (put, aloft) = (self.put(flight, record, body), Aloft::new(&self.flights));
        Some(Box::pin(async move {
            let _aloft = aloft;
            let kept = put.await;
            drop(path);
            kept.unwrap_or_else(|error| {
                // The tier that failed has said so, once.
                tracing::debug!(%error, "an answer could not be kept");
                false
            })
        }))
    }

    /// Has an answer kept, unless what is kept of its key was removed since the origin was asked: it may be from before
    /// what made the others stale, and the store drops it. Whether it is kept.
    pub(super) fn put(
        &self,
        flight: &Flight,
        record: Record,
        body: Body,
    ) -> impl Future<Output = Result<bool, Error>> + Send + use<> {
        let (shelf, now, since, key) = (Arc::clone(&self.shelf), self.now, flight.since, record.key);
        async move {
            shelf.put(record, body, since, now()).await?;
            Ok(!shelf.is_removed(&key, since))
        }
    }

    /// Waits for `put`, but not for long. Only what the disk has is called kept.
    async fn kept(&self, put: JoinHandle<bool>, streaming: &Streaming) {
        match timeout(self.flights.limits.commit, put).await {
            Ok(kept) => streaming.tell_kept(kept.unwrap_or(false)),
            Err(_) => self.flights.call_slow("an answer's end is no longer held back for it"),
        }
    }

    /// What the origin's answer says of the credential that it was given.
    fn learn(&self, status: StatusCode) {
        let Some(credential) = &self.plan.credential else { return };
        let (origin, now) = (origin_name(&self.plan), (self.now)());
        if status.is_success() {
            self.shelf.credential_accepted(&origin, credential, now);
        } else if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            self.shelf.credential_rejected(&origin, credential, now);
        }
    }

    pub(super) fn not_kept(&self, reason: &str) {
        tracing::debug!(key = %self.plan.key, reason, "not kept");
        self.count(Event::NotKept);
    }

    fn count(&self, event: Event) {
        self.shelf.count(&self.plan.question.service, &self.plan.question.operation, event);
    }
}

/// Under which name accepted credentials are remembered: the service, the operation, and the origin where that is not the
/// usual one. By operation, because a 2xx of one that asks for no credential (a public list) vouches for nothing.
pub(crate) fn origin_name(plan: &Plan) -> String {
    let question = &plan.question;
    let origin = question.origin.as_deref().unwrap_or_default();
    format!("{} {} {origin}", question.service, question.operation)
}

fn streaming(status: StatusCode, headers: &HeaderMap, keep: &Keep, spool: Arc<Spool>) -> Streaming {
    let left = i64::try_from(keep.lifetime.ttl.as_secs()).unwrap_or(i64::MAX);
    Streaming {
        status,
        headers: for_client(headers),
        vary: keep.vary.clone(),
        age: Some(keep.initial_age).filter(|age| !age.is_zero()),
        ttl_s: left.saturating_sub(i64::try_from(keep.initial_age.as_secs()).unwrap_or(i64::MAX)),
        spool,
        kept: watch::Sender::new(None),
    }
}

/// A document of more bytes is looked into by another thread: whoever is served by this one would wait for it.
const LARGE: usize = 256 << 10;

async fn finish(watcher: Watcher) -> Completion {
    if watcher.unread() <= LARGE {
        return watcher.finish();
    }
    let looked = spawn_blocking(move || watcher.finish()).await;
    looked.unwrap_or_else(|error| Completion::Incomplete(format!("the answer was not looked into: {error}")))
}

/// End-to-end headers without `age`, which is told apart.
pub(crate) fn for_client(headers: &HeaderMap) -> HeaderMap {
    let pairs = end_to_end(headers).into_iter().filter(|(name, _)| *name != header::AGE);
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(name.clone(), value.clone());
    }
    map
}

/// The promised length; several that differ promise nothing that can be kept (RFC 9110 §8.6).
fn content_length(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(header::CONTENT_LENGTH)?;
    value.to_str().ok()?.trim().parse().ok()
}
