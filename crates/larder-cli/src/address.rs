//! Upstreams' addresses: read, and shown without what could be a credential.
//!
//! Whoever writes a password into an URL is refused, and the refusal stands in terminals and logs: it must not repeat it.
//! A password may itself hold `/`, `?` or `#`, so that no parser finds its end. What is shown ends before it could begin.

use larder_core::{
    origin_id::{Upstream, UpstreamError},
    scan::token_in,
    secret::{has_credential_address, is_credential_parameter},
};
use std::borrow::Cow;

/// An upstream's URL. Error: a sentence without credentials.
pub(crate) fn upstream(url: &str) -> Result<Upstream, String> {
    let refuse = |what: &str| format!("`{}` is not an upstream: {what}", shown(url));
    let upstream: Upstream = url.parse().map_err(|error| refuse(&reason(&error)))?;
    match url.contains(';') || has_credential_address(url) {
        true => Err(refuse("it has a path parameter (`;…`)")),
        false => Ok(upstream),
    }
}

/// What is wrong, without the URL that the error repeats.
fn reason(error: &UpstreamError) -> String {
    let text = error.to_string();
    text.rsplit_once("` is not an upstream: ").map_or("it cannot be read", |(_, what)| what).to_owned()
}

/// An address, or what was meant as one, up to the first part that could be a credential.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    let start = scheme(text).len();
    let end = if is_secretive(text) { Some(start) } else { suspect(text, start) };
    match end.and_then(|end| text.get(..end)) {
        Some(before) => Cow::Owned(format!("{before}…")),
        None => Cow::Borrowed(text),
    }
}

/// A message that may quote such a text, up to the first quotation if it does.
pub(crate) fn shown_message(text: &str) -> Cow<'_, str> {
    let is_suspect = is_secretive(text) || has_credential_address(text) || text.contains("://") && shown(text) != text;
    match text.find(['`', '"']).filter(|_| is_suspect).and_then(|start| text.get(..start)) {
        Some(before) => Cow::Owned(format!("{before}…")),
        None => Cow::Borrowed(text),
    }
}

/// `http://`, `https://`, or nothing: another word before `://` may be anything.
fn scheme(text: &str) -> &str {
    let known = |scheme: &&str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let length = ["http://", "https://"].iter().find(|scheme| known(scheme)).map_or(0, |scheme| scheme.len());
    text.get(..length).unwrap_or_default()
}

/// Whether nothing behind the scheme may be shown: there is user information, which may reach further than it seems, or a
/// parameter that says what it is where none belongs.
fn is_secretive(text: &str) -> bool {
    let path = text.split([';', '?', '#']).next().unwrap_or_default();
    let mut named = path.split(['/', '&', ',', ' ', '`', '"']).filter_map(|piece| piece.split_once('='));
    text.contains('@')
        || token_in(text.as_bytes()).is_some()
        || text.to_ascii_lowercase().contains("%40")
        || named.any(|(name, _)| is_credential_parameter(name))
        || has_credential_address(path)
}

/// Where parameters begin, or what stands in a port's place and is none.
fn suspect(text: &str, start: usize) -> Option<usize> {
    let rest = text.get(start..)?;
    let authority = rest.split(['/', '?', '#']).next().filter(|_| start > 0).unwrap_or_default();
    let host = authority.rfind(']').map_or(0, |end| end + 1);
    let port = authority.get(host..).and_then(|port| port.rfind(':')).map(|at| host + at);
    let port = port.filter(|at| !authority.get(at + 1..).is_some_and(is_number));
    [port, rest.find([';', '?', '#'])].into_iter().flatten().min().map(|at| start + at + 1)
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_up_to_what_could_be_a_credential() {
        for (text, expected) in [
            ("http://127.0.0.1:9/a;token=S", "http://127.0.0.1:9/a;…"),
            ("http://127.0.0.1:9/a?token=S", "http://127.0.0.1:9/a?…"),
            ("http://127.0.0.1:9?api_key=S", "http://127.0.0.1:9?…"),
            ("http://127.0.0.1:9/#token=S", "http://127.0.0.1:9/#…"),
            ("http://h/a%3Btoken=S", "http://…"),
            ("http://h/token=S/", "http://…"),
            ("http://h/ghp_0123456789abcdef?y", "http://…"),
            ("http://[::1]:S", "http://[::1]:…"),
            ("http://[::1]:80/a", "http://[::1]:80/a"),
            ("HTTPS://user:pw@host:1/p@q", "HTTPS://…"),
            ("https://token@host", "https://…"),
            ("http://user:pa/S@h", "http://…"),
            ("http://user:pa?S@h", "http://…"),
            ("http://user:pa#S@h", "http://…"),
            ("http://user%3AS%40h", "http://…"),
            ("http://user:S", "http://user:…"),
            ("user:S@127.0.0.1:9", "…"),
            ("//user:S@h", "…"),
            ("S://h@", "…"),
            ("token=S", "…"),
            ("h/?a", "h/?…"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        for text in
            ["https://host:1/p/q", "http://[::1]:9/a", "http://[::zz]/", "http://h:99999", "host", "ftp://h", ""]
        {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn messages_are_shown_up_to_what_they_quote() {
        for (text, expected) in [
            ("invalid type: string \"http://u:S@h\", expected a table", "invalid type: string …"),
            ("`http://h/?token=S` cannot name an origin", "…"),
            ("`token=S` is not a share", "…"),
            ("unknown field `h/?api_key=S`", "unknown field …"),
        ] {
            assert_eq!(shown_message(text), expected);
        }
        for text in ["unknown field `max-sise`", "`http://h` cannot name an origin", "expected a text, `#` or `;`"] {
            assert_eq!(shown_message(text), text);
        }
    }

    #[test]
    fn upstreams_are_refused_without_their_credentials() {
        for (url, word) in [
            ("http://h/a;token=HUNTER", "path parameter"),
            ("http://h/a;HUNTER", "path parameter"),
            ("http://h/a%3btoken=HUNTER", "path parameter"),
            ("http://h;token=HUNTER/a", "path parameter"),
            ("http://h/a?token=HUNTER", "query"),
            ("http://h/#token=HUNTER", "fragment"),
            ("http://u:HUNTER@h", "credentials"),
            ("http://u:pa/HUNTER@h", "port"),
            ("u:HUNTER@127.0.0.1:9", "http://"),
            ("//u:HUNTER@h", "http://"),
            ("http://h/` is not an upstream: HUNTER@h", "expected"),
        ] {
            let error = upstream(url).unwrap_err();
            assert!(error.contains(word) && !error.contains("HUNTER"), "{url}: {error}");
        }
        assert_eq!(upstream("http://h/@scope").unwrap().to_string(), "http://h/@scope");
    }
}
