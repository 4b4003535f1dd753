//! Requests to a service that has an adapter.
//!
//! What is in the key, what in the variant and what in neither is told in docs/design/key.md. Where a request could be
//! read in two ways, it is passed through: a miss costs a call, a wrong answer costs trust.

use super::{
    BodyView, Context, HttpRequest, Pass, PassReason, Plan, Verdict,
    body::Body,
    guard,
    parts::{self, Parts},
    stale::distinct,
};
use crate::{
    adapter::{Adapter, HttpRule, Operation, place::Asked, precedence, route::Route},
    freshness::request_control,
    json::Object,
    params::query_members,
};
use http::HeaderMap;
use std::{cmp::Ordering, sync::Arc};

/// A request, taken apart.
struct Opened<'a> {
    body: Body,
    query: Object,
    headers: &'a HeaderMap,
}

/// An operation one of whose routes the request matches.
struct Candidate<'a> {
    operation: &'a Arc<Operation>,
    rule: &'a HttpRule,
    route: &'a Route,
    path: Object,
}

/// Judges an HTTP request to a service that has an adapter.
#[must_use]
pub fn judge_http(adapter: &Adapter, request: &HttpRequest<'_>, context: &Context<'_>) -> Verdict {
    match judged(adapter, request, context) {
        Ok(plan) => Verdict::Keep(Box::new(plan)),
        Err(pass) => Verdict::Pass(pass),
    }
}

fn judged(adapter: &Adapter, request: &HttpRequest<'_>, context: &Context<'_>) -> Result<Plan, Pass> {
    let candidates = candidates(adapter, request);
    let (Some(http), false) = (&adapter.http, candidates.is_empty()) else {
        return Err(pass(PassReason::NoOperation, None));
    };
    let opened = Opened::new(request);
    let undecided = candidates.iter().any(|candidate| candidate.rule.matches_body());
    // Where only the body tells, and cannot be read, it may be any of them.
    let stale = (undecided && opened.body.as_object().is_none()).then(|| possibly_stale(&candidates, &opened));
    let pass = |reason, operation| {
        let pass = pass(reason, operation);
        Pass { invalidates: stale.clone().unwrap_or(pass.invalidates), ..pass }
    };
    let chosen = choose(candidates, &opened).ok_or_else(|| pass(PassReason::NoOperation, None))?;
    if chosen.operation.write {
        return Err(pass(PassReason::Write, Some(chosen.operation)));
    }
    let because = |reason| pass(reason, Some(chosen.operation));
    check(request, &chosen, &opened, undecided).map_err(because)?;
    let control = request_control(request.headers);
    if control.no_store {
        return Err(because(PassReason::NoStore));
    }
    let ttl = chosen.operation.ttl.of(&opened.asked(&chosen.path));
    let parts = Parts::of_request(http, chosen.rule, request, &opened.query, opened.body).map_err(because)?;
    Ok(parts.plan(&adapter.name, chosen.operation, &chosen.path, ttl, control, context))
}

/// Everything for which a request of an operation that reads is passed through nevertheless.
fn check(
    request: &HttpRequest<'_>,
    chosen: &Candidate<'_>,
    opened: &Opened<'_>,
    undecided: bool,
) -> Result<(), PassReason> {
    guard::check(request, chosen.route)?;
    if let Body::Malformed(error) = &opened.body {
        return Err(PassReason::MalformedJson(error.clone()));
    }
    let closed = !matches!(opened.body, Body::Object(_));
    if closed && (undecided || chosen.operation.needs_body()) {
        return Err(match request.body {
            BodyView::Digest { .. } if !matches!(opened.body, Body::Coded) => PassReason::TooLarge,
            _ => PassReason::Excluded("its rule looks into the body, and that is no JSON object".to_owned()),
        });
    }
    parts::check_query(&opened.query)?;
    let asked = opened.asked(&chosen.path);
    match chosen.rule.pass_when.iter().find(|condition| condition.holds(&asked)) {
        Some(condition) => Err(PassReason::Excluded(condition.to_string())),
        None => Ok(()),
    }
}

fn pass(reason: PassReason, operation: Option<&Arc<Operation>>) -> Pass {
    Pass {
        reason,
        operation: operation.map(|operation| operation.name.clone()),
        invalidates: operation.map(|operation| operation.invalidates.clone()).unwrap_or_default(),
    }
}

/// What a request makes stale, whatever its body says.
pub(super) fn stale_of(adapter: &Adapter, request: &HttpRequest<'_>) -> Vec<String> {
    possibly_stale(&candidates(adapter, request), &Opened::new(&HttpRequest { body: BodyView::None, ..*request }))
}

/// What is made stale by any of those whose conditions hold as far as they do not look into the body.
fn possibly_stale(candidates: &[Candidate<'_>], opened: &Opened<'_>) -> Vec<String> {
    let possible = |candidate: &&Candidate<'_>| {
        let asked = opened.asked(&candidate.path);
        candidate.rule.matches.iter().all(|condition| condition.is_about_body() || condition.holds(&asked))
    };
    distinct(candidates.iter().filter(possible).flat_map(|candidate| candidate.operation.invalidates.iter().cloned()))
}

fn candidates<'a>(adapter: &'a Adapter, request: &HttpRequest<'_>) -> Vec<Candidate<'a>> {
    let rules = adapter.operations.iter().filter_map(|operation| Some((operation, operation.http.as_ref()?)));
    let matching = rules.filter_map(|(operation, rule)| {
        let found = rule.routes.iter().find_map(|route| Some((route, route.matches(request.method, request.path)?)));
        found.map(|(route, path)| Candidate { operation, rule, route, path })
    });
    matching.collect()
}

/// The most specific of the candidates whose conditions hold. Loading the adapter has made sure that one goes first.
fn choose<'a>(candidates: Vec<Candidate<'a>>, opened: &Opened<'_>) -> Option<Candidate<'a>> {
    let holds = |candidate: &Candidate<'_>| {
        let asked = opened.asked(&candidate.path);
        candidate.rule.matches.iter().all(|condition| condition.holds(&asked))
    };
    candidates.into_iter().filter(holds).reduce(|best, next| {
        let order = precedence((next.rule, next.route), (best.rule, best.route));
        if order == Some(Ordering::Greater) { next } else { best }
    })
}

impl<'a> Opened<'a> {
    fn new(request: &HttpRequest<'a>) -> Self {
        let query = request.query.map(query_members).unwrap_or_default();
        Self { body: Body::read(request), query, headers: request.headers }
    }

    fn asked<'s>(&'s self, path: &'s Object) -> Asked<'s> {
        Asked { body: self.body.as_object(), query: &self.query, headers: self.headers, path }
    }
}
