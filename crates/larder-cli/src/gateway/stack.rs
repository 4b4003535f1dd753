//! A request's life, from the outside in.

use super::{
    Door, forward, gather, guard, keep, own, recognise, rescue,
    step::{Next, last, step},
    trace,
};
use http::Request;
use hyper::body::Incoming;
use std::sync::Arc;
use tower::ServiceBuilder;

/// The layers of one listener. Each hands on what it has found out; the form of the request changes on the way:
/// `Request` → [`super::recognise::Call`] (which service) → [`super::gather::Asked`] (its body in hand).
pub(super) fn stack(door: &Arc<Door>) -> impl Next<Request<Incoming>> + use<> {
    ServiceBuilder::new()
        // Outermost: its line tells how every request ended, the refused and the failed ones too.
        .layer(step(door, trace::line))
        // Around all that can fail: what comes out of here is a response, never an error, and never a hang.
        .layer(step(door, rescue::respond))
        // Before anything looks at the path: a web page must reach neither the statistics nor an upstream.
        .layer(step(door, guard::refuse_foreign))
        // Before a service is looked up: no service gets an upgrade, and clients fall back the sooner.
        .layer(step(door, guard::refuse_upgrades))
        // Behind the guard, before the services: `/-/` is nobody's name.
        .layer(step(door, own::answer))
        // From here on it is known whose request this is, and hop-by-hop headers are gone: what is judged is what is sent.
        .layer(step(door, recognise::recognise))
        // Before the body is read: an upload that can be no question streams through, in both directions at once.
        .layer(step(door, forward::early))
        // Before the judge: the key needs the whole body. What is too large for that leaves here.
        .layer(step(door, gather::gather))
        // Right around the cache, where the body is still in hand: a broken cache passes the call through.
        .layer(step(door, rescue::pass_through))
        // Judge, look up, join or lead the flight, ask the origin.
        .service(last(door, keep::answer))
}
