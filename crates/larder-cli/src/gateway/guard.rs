//! Who may speak to the gateway: programs of this machine, no web pages.
//!
//! A page that a browser shows can send requests to loopback: to a name that its owner points at 127.0.0.1 (DNS
//! rebinding: the name stands in `Host`), or straight to 127.0.0.1 (CSRF: `Origin`, `Sec-Fetch-Site` say so). Both are
//! refused before anything else is looked at.

use super::{Door, rescue::Failure};
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, Uri, header, uri::Authority};
use hyper::body::Incoming;
use larder_core::judge;
use std::net::IpAddr;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The layer.
pub(super) fn refuse_foreign(door: &Door, request: &Request<Incoming>) -> Result<(), Failure> {
    check(request.method(), request.uri(), request.headers(), door.unix)
}

/// The layer that answers upgrades: clients take a 426 as "use plain requests" at once. What is only an offer (`h2c`, `TLS/1.2`)
/// is ignored, as RFC 9110 §7.8 allows.
pub(super) fn refuse_upgrades(request: &Request<Incoming>) -> Result<(), Failure> {
    if judge::wants_upgrade(request.headers()) {
        return Err(Failure::new(
            StatusCode::UPGRADE_REQUIRED,
            "larder_upgrade",
            "the gateway does not pass upgrades (WebSocket) on",
            "send plain HTTP/1.1 requests; streams come as server-sent events",
        )
        .with("upgrade", "HTTP/1.1"));
    }
    Ok(())
}

/// Whether a request comes from where it should. Pure.
fn check(method: &Method, uri: &Uri, headers: &HeaderMap, unix: bool) -> Result<(), Failure> {
    if method == Method::CONNECT || uri.path().is_empty() && uri.scheme().is_none() {
        return Err(Failure::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "larder_bad_request",
            "the gateway is no forward proxy: `CONNECT` is not served",
            "take it out of `https_proxy` and point the client's base URL at it",
        )
        .with("allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    }
    let host = host(headers)?;
    let target = uri.authority().map(Authority::as_str);
    let ours = unix || is_loopback(host) && target.is_none_or(is_loopback);
    if !ours {
        return Err(Failure::new(
            StatusCode::FORBIDDEN,
            "larder_foreign_host",
            format!("`Host: {}` is not this gateway", target.unwrap_or(host).escape_default()),
            "call it by 127.0.0.1, localhost or [::1]; a client that must send another `Host` can come by `--listen unix:PATH`",
        ));
    }
    if comes_from_a_page(headers, host) {
        return Err(Failure::new(
            StatusCode::FORBIDDEN,
            "larder_foreign_origin",
            "a web page of another origin sent this request",
            "the gateway answers programs of this machine; a page needs a server of its own between",
        ));
    }
    Ok(())
}

/// The one `Host` (RFC 9112 §3.2: none, or more than one, is a 400).
fn host(headers: &HeaderMap) -> Result<&str, Failure> {
    let mut all = headers.get_all(header::HOST).iter();
    match (all.next().and_then(|value| value.to_str().ok()), all.next()) {
        (Some(host), None) => Ok(host),
        _ => Err(Failure::new(
            StatusCode::BAD_REQUEST,
            "larder_bad_request",
            "a request needs exactly one `Host` header",
            "use an HTTP/1.1 client",
        )),
    }
}

/// `localhost` or a loopback address, with or without a port: any port, since tunnels change it, and a rebound name can
/// be none of these.
fn is_loopback(authority: &str) -> bool {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, ""),
        Some((host, rest)) => match rest.strip_prefix(':') {
            Some(port) => (host, port),
            None => return false,
        },
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let is_address = || host == "127.0.0.1" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    port.bytes().all(|byte| byte.is_ascii_digit()) && (host.eq_ignore_ascii_case("localhost") || is_address())
}

/// Own pages send `Origin: http://` + `Host`, and `Sec-Fetch-Site: same-origin` (`none`: typed by the user).
fn comes_from_a_page(headers: &HeaderMap, host: &str) -> bool {
    let own = |origin: &http::HeaderValue| {
        let origin = origin.to_str().unwrap_or_default();
        origin.strip_prefix("http://").is_some_and(|origin| origin.eq_ignore_ascii_case(host))
    };
    let foreign_origin = headers.get_all(header::ORIGIN).iter().any(|origin| !own(origin));
    let foreign_site =
        headers.get_all(SEC_FETCH_SITE).iter().any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"));
    foreign_origin || foreign_site
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(unix: bool, uri: &str, headers: &[(&'static str, &str)]) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        check(&Method::GET, &uri.parse().unwrap(), &map, unix).map_or_else(|failure| failure.status.as_u16(), |()| 200)
    }

    #[test]
    fn hosts() {
        for (host, status) in [
            ("127.0.0.1:7117", 200),
            ("127.0.0.1", 200),
            ("127.8.9.1:1", 200),
            ("localhost", 200),
            ("LOCALHOST:8080", 200),
            ("[::1]", 200),
            ("[::1]:7117", 200),
            ("", 403),
            ("evil.example", 403),
            ("127.0.0.1.evil.example", 403),
            ("localhost.evil.example:7117", 403),
            ("evil.example:127.0.0.1", 403),
            ("127.0.0.1@evil.example", 403),
            ("127.0.0.1:80@evil.example", 403),
            ("user@127.0.0.1", 403),
            ("[::1]evil.example", 403),
            ("[::1", 403),
            ("::1", 403),
            ("0.0.0.0:7117", 403),
            ("192.168.1.1:7117", 403),
            ("2130706433", 403),
            ("api.github.com", 403),
        ] {
            assert_eq!(verdict(false, "/x", &[("host", host)]), status, "{host}");
        }
    }

    #[test]
    fn unix_sockets_take_any_host_but_one_only() {
        assert_eq!(verdict(true, "/x", &[("host", "api.github.com")]), 200);
        assert_eq!(verdict(true, "/x", &[]), 400);
        assert_eq!(verdict(false, "/x", &[]), 400);
        assert_eq!(verdict(false, "/x", &[("host", "127.0.0.1"), ("host", "127.0.0.1")]), 400);
    }

    #[test]
    fn absolute_targets_must_be_this_gateway_too() {
        let host = [("host", "127.0.0.1:7117")];
        assert_eq!(verdict(false, "http://127.0.0.1:7117/x", &host), 200);
        assert_eq!(verdict(false, "http://evil.example/x", &host), 403);
        assert_eq!(verdict(false, "http://127.0.0.1/x", &[("host", "evil.example")]), 403);
    }

    #[test]
    fn pages() {
        for (headers, status) in [
            (&[("origin", "http://127.0.0.1:7117")][..], 200),
            (&[("origin", "http://127.0.0.1:3000")], 403),
            (&[("origin", "https://127.0.0.1:7117")], 403),
            (&[("origin", "null")], 403),
            (&[("origin", "https://evil.example")], 403),
            (&[("origin", "")], 403),
            (&[("origin", "http://127.0.0.1:7117"), ("origin", "https://evil.example")], 403),
            (&[("sec-fetch-site", "same-origin")], 200),
            (&[("sec-fetch-site", "none")], 200),
            (&[("sec-fetch-site", "cross-site")], 403),
            (&[("sec-fetch-site", "same-site")], 403),
            (&[("sec-fetch-mode", "cors")], 200),
        ] {
            let all: Vec<_> = [("host", "127.0.0.1:7117")].into_iter().chain(headers.iter().copied()).collect();
            assert_eq!(verdict(false, "/x", &all), status, "{headers:?}");
        }
    }

    #[test]
    fn connect_is_not_served() {
        let headers = HeaderMap::from_iter([(header::HOST, "h:443".parse().unwrap())]);
        let failure = check(&Method::CONNECT, &"h:443".parse().unwrap(), &headers, false).unwrap_err();
        assert_eq!(failure.status.as_u16(), 405);
    }
}
