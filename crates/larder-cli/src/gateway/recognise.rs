//! Whose request this is: the service by the first path segment, or by the listener.

use super::{Door, headers, rescue::Failure};
use crate::{
    net::{self, Body},
    service::{Service, Services},
};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::sync::Arc;

/// A request without its body. It cannot be printed: headers and query hold credentials.
#[derive(Clone)]
pub(super) struct Head {
    /// Whose it is.
    pub(super) service: Arc<Service>,
    /// Method.
    pub(super) method: Method,
    /// Path behind the service's name as the client wrote it, beginning with `/`.
    pub(super) path: String,
    /// Query string as the client wrote it.
    pub(super) query: Option<String>,
    /// Headers, hop-by-hop ones gone.
    pub(super) headers: HeaderMap,
    /// The body came without a length.
    pub(super) chunked: bool,
}

/// A request that is some service's, its body still on its way.
pub(super) struct Call {
    /// All but the body.
    pub(super) head: Head,
    /// The body; `None`: none was sent.
    pub(super) body: Option<Body>,
}

/// The layer.
pub(super) fn recognise(door: &Door, request: Request<Incoming>) -> Result<Call, Failure> {
    let (mut parts, body) = request.into_parts();
    let (service, path) = match &door.service {
        Some(service) => (service, parts.uri.path()),
        None => by_prefix(&door.gateway.services, parts.uri.path())?,
    };
    if !(path.is_empty() || path.starts_with('/')) {
        // `OPTIONS *` asks about the server as a whole: that is neither the service nor a path below its base.
        return Err(Failure::new(
            StatusCode::BAD_REQUEST,
            "larder_bad_request",
            "the target is no path",
            "ask for a path",
        ));
    }
    let chunked = parts.headers.contains_key(header::TRANSFER_ENCODING);
    headers::remove_hop_by_hop(&mut parts.headers);
    let head = Head {
        service: service.clone(),
        method: parts.method,
        path: if path.is_empty() { "/" } else { path }.to_owned(),
        query: parts.uri.query().map(str::to_owned),
        headers: parts.headers,
        chunked,
    };
    let body = (!body.is_end_stream()).then(|| body.map_err(net::BoxError::from).boxed_unsync());
    Ok(Call { head, body })
}

/// The service that the first segment names, and what follows it. Nothing is decoded and no dot segment is resolved:
/// what follows a name goes to that name's upstream, whatever it is.
fn by_prefix<'a, 'b>(services: &'a Services, path: &'b str) -> Result<(&'a Arc<Service>, &'b str), Failure> {
    let rest = path.strip_prefix('/').unwrap_or(path);
    let (name, after) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    services.get(name).map(|service| (service, after)).ok_or_else(|| unknown(name, services))
}

fn unknown(name: &str, services: &Services) -> Failure {
    if name.is_empty() {
        return Failure::new(
            StatusCode::NOT_FOUND,
            "larder_unknown_service",
            format!("the path names no service; known are {}", services.names()),
            "a path is `/NAME/…`; the gateway's own are /-/health, /-/stats and /-/metrics",
        );
    }
    let shown: String = name.chars().take(64).collect();
    Failure::new(
        StatusCode::NOT_FOUND,
        "larder_unknown_service",
        format!("no service is called `{}`; known are {}", shown.escape_default(), services.names()),
        "`--upstream NAME=URL` opens one for a name without an adapter",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(names: &[&str]) -> Services {
        names.iter().map(|name| Service::plain(name, "http://h")).collect()
    }

    #[test]
    fn the_first_segment_names_the_service() {
        let services = services(&["a", "b"]);
        for (path, expected) in [
            ("/a/v1/x", Some(("a", "/v1/x"))),
            ("/a", Some(("a", ""))),
            ("/a/", Some(("a", "/"))),
            ("/a//b", Some(("a", "//b"))),
            ("/a/../b/x", Some(("a", "/../b/x"))),
            ("/a/%2e%2e/b", Some(("a", "/%2e%2e/b"))),
            ("/%61/x", None),
            ("/a%2fb/x", None),
            ("//a/x", None),
            ("/A/x", None),
            ("/../a", None),
            ("/", None),
            ("*", None),
        ] {
            let found = by_prefix(&services, path).ok().map(|(service, rest)| (service.name.as_str(), rest));
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn an_unknown_name_is_told_the_known_ones() {
        let failure = by_prefix(&services(&["a", "b"]), "/c/x").unwrap_err();
        assert_eq!(failure.status, StatusCode::NOT_FOUND);
        assert!(failure.what.contains("`c`") && failure.what.contains("`a`, `b`"), "{failure}");
        let failure = by_prefix(&services(&["a", "b"]), "/").unwrap_err();
        assert_eq!(failure.what.as_ref(), "the path names no service; known are `a`, `b`");
    }
}
