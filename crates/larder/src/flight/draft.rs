//! What is written down of an answer: the record of a new one, and of one that the origin has confirmed.

use super::{Flight, Landing, pilot::Pilot, spool::Writer};
use crate::{Entry, sync::timeout};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use larder_core::{
    Head, Record, Timestamp,
    codec::Findings,
    judge::{HeadVerdict, Lifetime, end_to_end, judge_head, stored_headers},
    record::Cost,
};
use std::{sync::Once, time::Duration};

/// What a verdict lets be kept.
pub(super) struct Keep {
    pub(super) lifetime: Lifetime,
    pub(super) initial_age: Duration,
    pub(super) vary: Vec<(String, Option<String>)>,
}

/// The answer's metadata while its body streams.
pub(super) struct Draft {
    pub(super) keep: Keep,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) asked: Timestamp,
    /// The bytes that `content-length` promises.
    pub(super) expected: Option<u64>,
}

impl Pilot {
    pub(super) fn record(&self, draft: &Draft, findings: &Findings, writer: &Writer) -> Record {
        let (plan, now) = (&self.plan, (self.now)());
        let elapsed = now.since(draft.asked);
        // Where the origin's clock decides, the time on the way counts as age (RFC 9111 §4.2.3).
        let by_origin = plan.operation.is_none() || draft.keep.lifetime.from_origin;
        let on_the_way = if by_origin { elapsed } else { Duration::ZERO };
        let rule = draft.keep.lifetime.ttl;
        let said = findings.ttl_ms.map(Duration::from_millis);
        let ttl = said.map_or(rule, |said| if rule.is_zero() { said } else { said.min(rule) });
        Record {
            v: 1,
            key: plan.key,
            variant: plan.want.variant.clone(),
            vary: draft.keep.vary.clone(),
            service: plan.question.service.clone(),
            operation: plan.question.operation.clone(),
            share: plan.question.share.to_string(),
            question: plan.question.canonical(),
            body: writer.cid(),
            body_len: writer.len(),
            head: Head::Http {
                status: draft.status.as_u16(),
                headers: stored_headers(&draft.headers, &plan.question.share),
            },
            created: now,
            initial_age_ms: millis(draft.keep.initial_age + on_the_way),
            ttl_ms: millis(ttl),
            stale_while_revalidate_ms: millis(draft.keep.lifetime.stale_while_revalidate),
            stale_if_error_ms: millis(draft.keep.lifetime.stale_if_error),
            cost: Cost {
                elapsed_ms: millis(elapsed),
                input_tokens: findings.input_tokens,
                output_tokens: findings.output_tokens,
            },
            fingerprint: findings.fingerprint.clone(),
        }
    }

    /// The stored answer with the times and headers of the 304 that confirms it (RFC 9111 §3.2, §4.3.4).
    pub(super) async fn refresh(&self, entry: &Entry, news: &HeaderMap, flight: &Flight) -> Landing {
        let mut record = Record::clone(&entry.record);
        let Head::Http { status, .. } = record.head else {
            return Landing::Confirmed(Box::new(entry.clone()));
        };
        let headers = updated(entry.record.headers(), news);
        record.head = Head::Http { status, headers: stored_headers(&headers, &self.plan.question.share) };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        let verdict = judge_head(&self.plan, status, &headers, (self.now)());
        let (lifetime, initial_age) = match verdict {
            HeadVerdict::Keep { lifetime, initial_age, vary } if vary == record.vary && is_of(entry, news) => {
                (lifetime, initial_age)
            }
            // Who kept it asked for less than what it varies with now, or was given another answer.
            HeadVerdict::Keep { .. } => return self.part(entry, "the origin says other things of it").await,
            HeadVerdict::Refuse(_) => return self.part(entry, "the origin no longer lets it be kept").await,
        };
        record.created = (self.now)();
        record.initial_age_ms = millis(initial_age);
        record.ttl_ms = millis(lifetime.ttl);
        record.stale_while_revalidate_ms = millis(lifetime.stale_while_revalidate);
        record.stale_if_error_ms = millis(lifetime.stale_if_error);
        let put = self.put(flight, record.clone(), entry.body.clone());
        match timeout(self.flights.limits.commit, put).await {
            Ok(Ok(_)) => {}
            // The tier that failed has said so, once.
            Ok(Err(error)) => tracing::debug!(%error, "an answer could not be refreshed"),
            Err(_) => self.flights.call_slow("an answer was not refreshed"),
        }
        Landing::Confirmed(Box::new(Entry { record: record.into(), ..entry.clone() }))
    }

    /// The stored answer, for the leader alone.
    async fn part(&self, entry: &Entry, why: &str) -> Landing {
        self.not_kept(why);
        self.forget(entry).await;
        Landing::Parted(Box::new(entry.clone()))
    }

    async fn forget(&self, entry: &Entry) {
        let forgotten = timeout(self.flights.limits.commit, self.shelf.forget(entry.record.key, (self.now)())).await;
        if !matches!(forgotten, Ok(Ok(()))) {
            // Once: a store that cannot be written is so for every answer.
            static SAID: Once = Once::new();
            SAID.call_once(|| {
                tracing::warn!(
                    "an answer that is not to be kept any longer could not be removed: it stays until its time is over"
                );
            });
        }
    }
}

/// Whether a 304 speaks of the stored answer: the validator of another one does not (RFC 9111 §4.3.4; weak comparison, RFC 9110
/// §8.8.3.2).
fn is_of(entry: &Entry, news: &HeaderMap) -> bool {
    let opaque = |tag: &HeaderValue| tag.as_bytes().strip_prefix(b"W/").unwrap_or(tag.as_bytes()).to_vec();
    let stored = entry.record.headers().get(header::ETAG).map(opaque);
    news.get(header::ETAG).is_none_or(|named| stored.is_none_or(|stored| stored == opaque(named)))
}

/// The stored headers with those of a 304 in place of their namesakes; what speaks of the body stays as it was stored.
fn updated(stored: &HeaderMap, confirmed: &HeaderMap) -> HeaderMap {
    let mut map = stored.clone();
    let of_the_body = [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::CONTENT_TYPE, header::CONTENT_RANGE];
    let news: Vec<_> = end_to_end(confirmed).into_iter().filter(|(name, _)| !of_the_body.contains(name)).collect();
    for (name, _) in &news {
        map.remove(*name);
    }
    for (name, value) in news {
        map.append(name.clone(), value.clone());
    }
    map
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
