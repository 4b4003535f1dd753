//! The gateway's own endpoints, under `/-/`: no service can be called `-`.
//!
//! A listener with `=SERVICE` has none: there, every path is the service's.

use super::{Door, Gateway, Reply, rescue::Failure, trace::Outcome};
use crate::{net, report};
use http::{HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use serde_json::json;

/// The layer; `None`: the request is not for larder itself.
pub(super) fn answer(door: &Door, request: &Request<Incoming>) -> Result<Option<Reply>, Failure> {
    let path = request.uri().path();
    if door.service.is_some() || !(path == "/-" || path.starts_with("/-/")) {
        return Ok(None);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Failure::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "larder_bad_request",
            format!("`{path}` is only to be read"),
            "use GET",
        )
        .with("allow", "GET, HEAD"));
    }
    let (kind, text) = document(&door.gateway, path)?;
    let mut reply = Reply::new(net::whole(text));
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply.extensions_mut().insert(Outcome { service: "-".into(), operation: None, how: "own" });
    Ok(Some(reply))
}

fn document(gateway: &Gateway, path: &str) -> Result<(&'static str, String), Failure> {
    const JSON: &str = "application/json";
    let failed = |error: larder::Error| Failure::internal(error.to_string());
    match path {
        "/-/health" => Ok((JSON, format!("{}\n", health(gateway)))),
        "/-/stats" => Ok((JSON, format!("{}\n", report::stats::stats_document(&gateway.cache).map_err(failed)?))),
        "/-/metrics" => {
            Ok(("text/plain; version=0.0.4; charset=utf-8", report::metrics::metrics(&gateway.cache).map_err(failed)?))
        }
        _ => Err(Failure::new(
            StatusCode::NOT_FOUND,
            "larder_not_found",
            format!("the gateway has no `{}`", path.escape_default()),
            "there are /-/health, /-/stats and /-/metrics",
        )),
    }
}

/// `ok` whenever the gateway answers: without a store it still passes calls on, and says so here.
fn health(gateway: &Gateway) -> serde_json::Value {
    json!({
        "schema": "larder.health/1",
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "store": if gateway.stored { "open" } else { "none" },
        "uptime_s": gateway.started.elapsed().as_secs(),
        "services": gateway.services.iter().map(|service| service.name.as_str()).collect::<Vec<_>>(),
    })
}
