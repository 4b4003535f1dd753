//! The innermost step: judge, and let the engine answer.

use super::{
    Door, Reply,
    forward::{self, Through, Upstreamed},
    gather::Asked,
    headers,
    rescue::Failure,
    respond,
    trace::Outcome,
};
use larder_core::judge::{Plan, Verdict};
use std::sync::Arc;

/// Answers from the store or the upstream.
pub(super) async fn answer(door: Arc<Door>, asked: Asked, _end: ()) -> Result<Reply, Failure> {
    let gateway = &door.gateway;
    let plan = match asked.head.verdict(gateway, asked.body.view()) {
        Verdict::Pass(pass) => {
            let through = asked.head.through(gateway, pass);
            return forward::pass(gateway, &asked.head, asked.body.stream(), through).await;
        }
        Verdict::Keep(_) if headers::is_partial(&asked.head.headers) => {
            let through = Through::because("a part of the answer, or a condition, is asked for");
            return forward::pass(gateway, &asked.head, asked.body.stream(), through).await;
        }
        Verdict::Keep(plan) => plan,
    };
    keep(&door, asked, *plan).await
}

async fn keep(door: &Door, asked: Asked, plan: Plan) -> Result<Reply, Failure> {
    let (gateway, service) = (&door.gateway, &asked.head.service);
    let (key, operation) = (plan.key, plan.question.operation.clone());
    let (client, head) = (gateway.client.clone(), asked.head.clone());
    let origin = Upstreamed { client, head, body: asked.body.stream() };
    let answer = gateway.cache.answer(plan, Box::new(origin), super::now).await;
    let answer = answer.map_err(|error| Failure::no_answer(&service.name, &service.upstream, &error))?;
    let how = respond::word(&answer.how);
    let mut reply = respond::reply(answer, &key, &asked.head);
    reply.extensions_mut().insert(Outcome { service: service.name.clone(), operation: Some(operation), how });
    Ok(reply)
}
