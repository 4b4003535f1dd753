//! Credentials in addresses, wherever those stand: in a header, in a parameter, in another address.

use super::is_credential_parameter;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// How deep addresses within addresses are opened.
const DEPTH: usize = 3;

/// Whether a text that is or holds addresses (`location`, `link`, a parameter `url=…`) has a credential in one of them: a
/// parameter of its path, query or fragment that says so (RFC 3986 §3.3 to §3.5), or user information (§3.2.1); also where
/// an address is written, percent-encoded, within another. `git@` is everybody's user.
#[must_use]
pub fn has_credential_address(value: &str) -> bool {
    has_address_with(value, is_credential_parameter)
}

/// The same with other names for credentials.
pub(crate) fn has_address_with(value: &str, is_named: fn(&str) -> bool) -> bool {
    in_any_decoding(value, |text| holds(text, is_named))
}

/// Whether a path holds a credential: in its parameters (`/a;token=x`), in an address that is part of it, or in a segment that gives
/// one to a name that `says_openly` what it is (`/a/api_key=x/b`, `/access_token:x`).
pub(crate) fn is_credential_path(path: &str, says_openly: fn(&str) -> bool) -> bool {
    path.contains([';', '%', '@', '&', '=', ':'])
        && in_any_decoding(path, |path| holds(path, is_credential_parameter) || has_segment(path, says_openly))
}

fn has_segment(path: &str, is_named: fn(&str) -> bool) -> bool {
    let mut named = path.split('/').filter_map(|segment| segment.split_once(['=', ':']));
    named.any(|(name, secret)| !secret.is_empty() && is_named(name))
}

fn in_any_decoding(value: &str, is_found: impl Fn(&str) -> bool) -> bool {
    let mut text = Cow::Borrowed(value);
    for _ in 0..DEPTH {
        if is_found(&text) {
            return true;
        }
        match percent_decode_str(&text).into() {
            // Nothing is encoded in it.
            Cow::Borrowed(_) => return false,
            Cow::Owned(bytes) => text = Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }
    is_found(&text)
}

fn holds(text: &str, is_named: fn(&str) -> bool) -> bool {
    // As programs write it in JSON.
    let text = if text.contains("\\u0026") { Cow::Owned(text.replace("\\u0026", "&")) } else { Cow::Borrowed(text) };
    // A query by itself has no mark before its first parameter.
    let start = if text.contains('&') { Some(0) } else { text.find(['?', '#', ';']) };
    let parameters = start.and_then(|at| text.get(at..)).unwrap_or_default();
    let mut named =
        parameters.split(['?', '&', ';', '#', '<', '>', ' ', ',', '/']).filter_map(|piece| piece.split_once('='));
    named.any(|(name, secret)| !secret.is_empty() && is_named(name))
        || text.match_indices("//").any(|(at, _)| has_user(&text[..at], &text[at + 2..]))
}

/// Whether what follows the `//` has user information. Without a scheme it has a password: `//logo@2x.png` is a path. A password may
/// hold what nobody encoded (`https://me:pa/ss@h`), a port is a number.
fn has_user(before: &str, rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#', '>', ' ']).next().unwrap_or_default();
    let word = rest.split(['>', ' ', '"']).next().unwrap_or_default();
    if let Some((user, _)) = authority.rsplit_once('@') {
        return user != "git" && (before.ends_with(':') || user.contains(':'));
    }
    let has_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let cut =
        authority.split_once(':').filter(|(host, port)| !host.is_empty() && !host.starts_with('[') && !has_port(port));
    cut.is_some() && before.ends_with(':') && word.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_a_credential() {
        for value in [
            "/next?access_token=x",
            "https://me:pass@host/",
            "<https://h/?a=1&sig=x>; rel=next",
            "0; url=/x?token=x",
            "https://h/?next=https%3A%2F%2Fi%2F%3Fa%3D1%26token%3Dx",
            "https%3A%2F%2Fme%3Apass%40h%2F",
            "https%253A%252F%252Fh%252F%253Ftoken%253Dx",
            "https%25253A%25252F%25252Fh%25252F%25253Ftoken%25253Dx",
            "/a;token=x/b",
            "/cb#access_token=x",
            "//me:pass@host/",
            "https://git@me:pass@host/",
            "https://git:pass@host/",
            "page=1&token=x",
            "token=x&page=1",
            "https://h/?a=1\\u0026sig=x",
            "https://me:pa/ss@h/",
        ] {
            assert!(has_credential_address(value), "{value}");
        }
        for value in [
            "/next",
            "https://h/@scope/x?page=2",
            "https://h:8080/@scope/x",
            "/img//logo@2x.png",
            "<https://h/?page_token=x>; rel=\"next\"",
            "/?token=",
            "app=web,key=x",
            "ssh://git@host/x",
            "100%",
            "%zz?a=1",
        ] {
            assert!(!has_credential_address(value), "{value}");
        }
        for path in [
            "/a;token=x",
            "/a%3Btoken%3Dx/b",
            "/a%253Btoken%253Dx",
            "/a;token=x/b",
            "/get/https://me:pass@h/",
            "/a&token=x",
        ] {
            assert!(is_credential_path(path, |_| false), "{path}");
        }
        for path in ["/a/key=x/b", "/a;page=2", "/@scope/a%2Fb", "/get/https://h/a", "/npm//vue@3/x"] {
            assert!(!is_credential_path(path, |_| false), "{path}");
        }
    }
}
