//! Which upstream a question is put to, and what the question's `origin` member says of it (docs/design/key.md).
//!
//! Two spellings of one upstream must be one key, two upstreams never: the URL is normalised as RFC 3986 §6.2.2.1 and
//! §6.2.3 allow (scheme and host in lower case, default port left out, one spelling of an IPv6 address) and no further.
//! A base path is kept as it was written, less slashes at its end.

use http::Uri;
use std::{fmt, net::Ipv6Addr, str::FromStr};

/// An upstream: where a service's requests are sent. `Display` is the normalised URL, `scheme://host[:port][/base]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upstream {
    https: bool,
    host: String,
    port: Option<u16>,
    base: String,
}

/// Why a text is not an upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{url}` is not an upstream: {what}")]
pub struct UpstreamError {
    url: String,
    what: &'static str,
}

impl Upstream {
    /// Whether it is reached over TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Host and, unless it is the scheme's own, port: what `Host` says.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// The host in lower case; an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, the scheme's own if none was written.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.https { 443 } else { 80 })
    }

    /// The path before every request's own: empty, or `/…` without a slash at the end.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Path and query of a request: the base, then what the client sent, byte for byte.
    #[must_use]
    pub fn target(&self, path: &str, query: Option<&str>) -> String {
        let mark = if query.is_some() { "?" } else { "" };
        format!("{}{path}{mark}{}", self.base, query.unwrap_or_default())
    }
}

impl FromStr for Upstream {
    type Err = UpstreamError;

    fn from_str(url: &str) -> Result<Self, UpstreamError> {
        let refuse = |what| UpstreamError { url: without_credentials(url), what };
        if url.contains('#') {
            return Err(refuse("it has a fragment (`#…`)"));
        }
        let uri: Uri = url.parse().map_err(|_| refuse("expected http://HOST[:PORT][/BASE] or https://…"))?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(refuse("expected http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| refuse("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(refuse("credentials do not belong into a URL: clients send their own"));
        }
        if uri.query().is_some() {
            return Err(refuse("it has a query string"));
        }
        let port = port(authority.as_str(), authority.host()).map_err(refuse)?;
        Ok(Self {
            https,
            host: host(authority.host()).ok_or_else(|| refuse("its host is not one"))?,
            port: port.filter(|port| *port != if https { 443 } else { 80 }),
            base: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

/// What stands after the host: nothing, a bare `:`, or a port.
fn port(authority: &str, host: &str) -> Result<Option<u16>, &'static str> {
    match authority[host.len()..].strip_prefix(':') {
        None | Some("") => Ok(None),
        Some(digits) => digits.parse().map(Some).map_err(|_| "its port is not a number up to 65535"),
    }
}

fn host(host: &str) -> Option<String> {
    match host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(address) => Some(format!("[{}]", address.parse::<Ipv6Addr>().ok()?)),
        None if host.is_empty() => None,
        None => Some(host.to_ascii_lowercase()),
    }
}

/// A refused URL may hold a password: it must not reach a terminal or a log.
fn without_credentials(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => format!("{}…{}", &url[..scheme + 3], &url[at..]),
        _ => url.to_owned(),
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.https { "https" } else { "http" }, self.authority(), self.base)
    }
}

/// The question's `origin` member: `None` where `upstream` is the adapter's own public one, else the user's `name` for it,
/// else its normalised URL.
#[must_use]
pub fn origin_member(upstream: &Upstream, public: Option<&Upstream>, name: Option<&str>) -> Option<String> {
    (Some(upstream) != public).then(|| name.map_or_else(|| upstream.to_string(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_upstream_has_one_spelling() {
        for (url, normal) in [
            ("https://api.example.com", "https://api.example.com"),
            ("HTTPS://API.Example.com:443/", "https://api.example.com"),
            ("http://h:80//", "http://h"),
            ("http://h:443", "http://h:443"),
            ("https://h:80/v1/", "https://h:80/v1"),
            ("http://127.0.0.1:8080/Base/x", "http://127.0.0.1:8080/Base/x"),
            ("http://[0:0:0:0:0:0:0:1]:9/a", "http://[::1]:9/a"),
            ("http://h:/a%2Fb", "http://h/a%2Fb"),
        ] {
            assert_eq!(url.parse::<Upstream>().unwrap().to_string(), normal, "{url}");
        }
    }

    #[test]
    fn what_is_no_upstream() {
        for (url, word) in [
            ("api.example.com", "http://"),
            ("ftp://h", "http://"),
            ("http://user:hunter2@h/", "credentials"),
            ("http://h/?key=1", "query"),
            ("http://h/#a", "fragment"),
            ("http://h:99999", "port"),
            ("http://[::zz]/", "upstream"),
            ("/v1", "http://"),
            ("", "expected"),
        ] {
            let error = url.parse::<Upstream>().unwrap_err().to_string();
            assert!(error.contains(word), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn the_member_names_what_is_not_public() {
        let [public, other] = ["https://api.example.com/", "http://localhost:1"].map(|url| url.parse().unwrap());
        assert_eq!(origin_member(&public, Some(&public), Some("prod")), None);
        assert_eq!(origin_member(&other, Some(&public), None).as_deref(), Some("http://localhost:1"));
        assert_eq!(origin_member(&other, Some(&public), Some("prod")).as_deref(), Some("prod"));
        assert_eq!(origin_member(&public, None, None).as_deref(), Some("https://api.example.com"));
    }

    #[test]
    fn targets_keep_their_bytes() {
        let upstream: Upstream = "http://h/base/".parse().unwrap();
        assert_eq!(upstream.target("/a%2f../b", Some("")), "/base/a%2f../b?");
        assert_eq!(upstream.target("/v1/x", Some("q=%20")), "/base/v1/x?q=%20");
        assert_eq!(upstream.target("/", None), "/base/");
    }
}
