//! A request's life, from the outside in.

use super::{Door, Reply, forward, gather, guard, keep, own, recognise, rescue, rescue::Failure, trace};
use http::Request;
use hyper::body::Incoming;
use std::{ops::ControlFlow, pin::pin};

/// What a layer hands on, or the reply that makes an end of it.
pub(super) type Onward<T> = Result<ControlFlow<Reply, T>, Failure>;

/// The two layers around everything else.
pub(super) async fn answer(door: &Door, request: Request<Incoming>) -> Reply {
    // Outermost: its line tells how every request ended, the refused and the failed ones too.
    let line = trace::Line::begin(request.method());
    // Around all that can fail: what comes out of here is a response, never an error, and never a hang.
    // Pinned here: it is large, and would be moved with every step inwards.
    let layers = pin!(layers(door, request));
    let reply = rescue::respond(layers).await;
    line.end(&reply);
    reply
}

/// The layers of one listener. Each hands on what it has found out; the form of the request changes on the way:
/// `Request` → [`recognise::Call`] (which service) → [`gather::Asked`] (its body in hand).
async fn layers(door: &Door, request: Request<Incoming>) -> Result<Reply, Failure> {
    // Before anything looks at the path: a web page must reach neither the statistics nor an upstream.
    guard::refuse_foreign(door, &request)?;
    // Before a service is looked up: no service gets an upgrade, and clients fall back the sooner.
    guard::refuse_upgrades(&request)?;
    // Behind the guard, before the services: `/-/` is nobody's name.
    if let Some(reply) = own::answer(door, &request)? {
        return Ok(reply);
    }
    // From here on it is known whose request this is, and hop-by-hop headers are gone: what is judged is what is sent.
    let call = recognise::recognise(door, request)?;
    // Before the body is read: an upload that can be no question streams through, in both directions at once.
    let call = match forward::early(&door.gateway, call).await? {
        ControlFlow::Continue(call) => call,
        ControlFlow::Break(reply) => return Ok(reply),
    };
    // Before the judge: the key needs the whole body. What is too large for that leaves here.
    let asked = match gather::gather(&door.gateway, call).await? {
        ControlFlow::Continue(asked) => asked,
        ControlFlow::Break(reply) => return Ok(reply),
    };
    // Right around the cache, where the body is still in hand: a broken cache passes the call through.
    // Inside it: judge, look up, join or lead the flight, ask the origin.
    rescue::pass_through(&door.gateway, asked, |asked| keep::answer(&door.gateway, asked)).await
}
