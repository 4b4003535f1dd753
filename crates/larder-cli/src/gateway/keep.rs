//! The innermost step: judge, and let the engine answer.

use super::{
    Gateway, Reply,
    forward::{self, Through, Upstreamed},
    gather::Asked,
    headers,
    memo::{Judged, Unknown},
    rescue::Failure,
    respond,
    trace::{self, Outcome},
};
use http::Method;
use larder::{Answer, Entry};
use larder_core::{Timestamp, judge::Verdict};
use std::sync::Arc;

/// Answers from the store or the upstream.
pub(super) async fn answer(gateway: &Gateway, asked: Asked) -> Result<Reply, Failure> {
    let unknown = match gateway.memo.find(&asked.head, &asked.body) {
        Ok(judged) => return keep(gateway, asked, judged, None).await,
        Err(unknown) => unknown,
    };
    let through = match asked.head.verdict(gateway, asked.body.view()) {
        Verdict::Keep(plan) if !headers::is_partial(&asked.head.headers) => {
            return keep(gateway, asked, plan.into(), unknown).await;
        }
        Verdict::Keep(_) => Through::because("a part of the answer, or a condition, is asked for"),
        Verdict::Pass(pass) => asked.head.through(gateway, pass),
    };
    forward::pass(gateway, &asked.head, asked.body.stream(), through).await
}

async fn keep(gateway: &Gateway, asked: Asked, judged: Judged, unknown: Option<Unknown>) -> Result<Reply, Failure> {
    let (service, now) = (&asked.head.service, super::now());
    let (mut reply, how) = match at_hand(gateway, &asked, &judged, now) {
        // What is remembered comes again.
        Some(entry) if unknown.is_none() => (judged.said.reply(entry, now, &judged.key, &asked.head), respond::HIT),
        found => {
            let answer = match found {
                Some(entry) => Answer::at_hand(entry, now),
                None => ask(gateway, &asked, &judged).await?,
            };
            let how = respond::word(&answer.how);
            (respond::reply(answer, &judged.key, &asked.head), how)
        }
    };
    if trace::is_read() {
        let operation = Some(judged.plan.question.operation.clone());
        reply.extensions_mut().insert(Outcome { service: service.name.clone(), operation, how });
    }
    if let Some(unknown) = unknown.filter(|_| how == respond::HIT) {
        gateway.memo.keep(&unknown, &asked.head, &asked.body, judged);
    }
    Ok(reply)
}

/// Most answers to what is asked often.
fn at_hand(gateway: &Gateway, asked: &Asked, judged: &Judged, now: Timestamp) -> Option<Entry> {
    (asked.head.method != Method::HEAD).then(|| gateway.cache.at_hand(&judged.plan, now)).flatten()
}

async fn ask(gateway: &Gateway, asked: &Asked, judged: &Judged) -> Result<Answer, Failure> {
    let service = &asked.head.service;
    let origin = Upstreamed { client: gateway.client.clone(), head: asked.head.clone(), body: asked.body.clone() };
    let answer = gateway.cache.answer(Arc::clone(&judged.plan), Box::new(origin), super::now).await;
    answer.map_err(|error| Failure::no_answer(&service.name, &service.upstream, &error))
}
