//! The scanner: does a text hold something that looks like a token? Such output is never stored, such an argument never
//! stands in a question. It knows forms, not values, so that it errs on the side of seeing too much.

use crate::secret::{
    has_address_with, has_credential_address, is_credential_name, is_credential_variable, is_no_credential_variable,
    is_only_a_key,
};
use data_encoding::BASE64_NOPAD;
use memchr::memmem;
use std::sync::LazyLock;

/// One form of token: what it begins with, and what must follow.
struct Form {
    /// What it begins with; also what people are told.
    prefix: &'static str,
    /// Which bytes follow.
    tail: fn(u8) -> bool,
    /// At least how many of them.
    least: usize,
}

const fn form(prefix: &'static str, tail: fn(u8) -> bool, least: usize) -> Form {
    Form { prefix, tail, least }
}

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn capital(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn url_safe(byte: u8) -> bool {
    word(byte) || byte == b'-'
}

pub(crate) fn dotted(byte: u8) -> bool {
    url_safe(byte) || byte == b'.'
}

fn base64(byte: u8) -> bool {
    letter(byte) || matches!(byte, b'+' | b'/' | b'=')
}

/// The shortest tails are well below what is really issued: a shortened or made-up token is still nobody's business.
static FORMS: [Form; 33] = [
    form("ghp_", word, 8),
    form("gho_", word, 8),
    form("ghu_", word, 8),
    form("ghs_", word, 8),
    form("ghr_", word, 8),
    form("github_pat_", word, 8),
    form("glpat-", url_safe, 12),
    form("hf_", letter, 16),
    form("sk-", url_safe, 16),
    form("AKIA", capital, 16),
    form("ASIA", capital, 16),
    form("gsk_", letter, 16),
    form("AIza", url_safe, 30),
    form("xoxb-", url_safe, 16),
    form("xoxp-", url_safe, 16),
    form("npm_", letter, 30),
    form("xoxa-", url_safe, 16),
    form("xoxc-", url_safe, 16),
    form("xoxd-", url_safe, 16),
    form("xoxe-", url_safe, 16),
    form("xapp-", url_safe, 16),
    form("sk_live_", letter, 12),
    form("rk_live_", letter, 12),
    form("ya29.", url_safe, 16),
    form("dop_v1_", letter, 16),
    form("SG.", dotted, 32),
    form("pypi-AgEI", url_safe, 8),
    form("shpat_", letter, 16),
    form("nvapi-", url_safe, 16),
    form("xai-", letter, 20),
    form("dckr_pat_", url_safe, 12),
    form("hvs.", url_safe, 16),
    form("AccountKey=", base64, 40),
];

/// What kind of token is seen in `bytes` (what it begins with, `JWT`, `private key`); `None`: none.
#[must_use]
pub fn token_in(bytes: &[u8]) -> Option<&'static str> {
    let formed = (0..bytes.len()).find_map(|at| form_at(bytes, at)).map(|form| form.prefix);
    formed.or_else(|| has_jwt(bytes).then_some("JWT")).or_else(|| has_private_key(bytes).then_some("private key"))
}

/// Whether a text that need not be secret by its name holds a credential all the same: in an address, by its form, or behind an
/// authentication scheme.
pub(crate) fn holds_secret(text: &str) -> bool {
    has_credential_address(text) || token_in(text.as_bytes()).is_some() || has_scheme(text)
}

/// Whether a header of an answer hands out a credential by what it says. A validator is an opaque word.
pub(crate) fn hands_out_secret(header: &str, value: &str) -> bool {
    match header {
        "etag" => false,
        "location" | "content-location" | "refresh" => holds_secret(value),
        "link" => has_address_with(value, |name| is_credential_name(name) && !is_only_a_key(&name.replace('-', "_"))),
        _ => has_address_with(value, says_openly) || token_in(value.as_bytes()).is_some(),
    }
}

/// Authentication schemes (the registry of RFC 9110 §16.4.1, and what is used beside it).
const SCHEMES: [&str; 19] = [
    "basic",
    "bearer",
    "digest",
    "dpop",
    "gnap",
    "hoba",
    "negotiate",
    "ntlm",
    "oauth",
    "token",
    "apikey",
    "vapid",
    "aws4-hmac-sha256",
    "privatetoken",
    "hawk",
    "ssws",
    "sharedkey",
    "sharedkeylite",
    "client-id",
];

/// The authentication scheme that a text begins with, and what follows it, if something does (RFC 9110 §11.4).
fn scheme(text: &str) -> Option<(&'static str, &str)> {
    let (scheme, rest) = text.trim().split_once([' ', '\t', ':'])?;
    let known = SCHEMES.into_iter().find(|known| scheme.eq_ignore_ascii_case(known));
    known.map(|known| (known, rest.trim())).filter(|(_, rest)| !rest.is_empty())
}

/// `Bearer …`, `Digest username=…`: enough where nothing but a credential begins so.
pub(crate) fn begins_with_scheme(text: &str) -> bool {
    scheme(text).is_some()
}

/// `Bearer …` or `Basic …` with what belongs behind it (RFC 7617), by itself or behind a header's name: enough anywhere.
fn has_scheme(text: &str) -> bool {
    let value = text.rsplit_once(": ").map_or(text, |(_, value)| value).trim().trim_matches(['"', '\'']);
    let is_word = |word: &str| word.bytes().all(|byte| byte.is_ascii_graphic());
    match scheme(value) {
        Some(("bearer", word)) => is_word(word),
        Some(("basic", word)) => is_word(word) && is_login(word),
        _ => false,
    }
}

fn is_login(word: &str) -> bool {
    let decoded = BASE64_NOPAD.decode(word.trim_end_matches('=').as_bytes());
    decoded.is_ok_and(|login| login.contains(&b':'))
}

/// The name in a `NAME=value` of `bytes` (`env`, `set`, `.env` files, signed addresses) or in a `"name": "value"` (JSON) that says
/// credential and is given something like one; `None`: there is none.
#[must_use]
pub fn named_in(bytes: &[u8]) -> Option<String> {
    memchr::memchr2_iter(b'=', b':', bytes).find_map(|at| {
        let (before, value) = (bytes.get(..at)?, bytes.get(at + 1..)?);
        let is_member = bytes.get(at) == Some(&b':');
        let (before, value) = if is_member { member(before, value)? } else { (before, value) };
        let length = before.iter().rev().take_while(|byte| url_safe(**byte)).take(LONGEST_NAME).count();
        let (before, name) = before.split_at(before.len() - length);
        let name = std::str::from_utf8(name).ok()?;
        let name = if before.ends_with(b"\\") { unescaped(name) } else { name };
        let looks_secret = if is_member { quotes_secret(value) } else { looks_secret(name, value) };
        (looks_secret && says_secret(name)).then(|| name.to_owned())
    })
}

/// What is before a colon without the quote at its end, and what is behind it from the quote on, if both are there: as JSON has
/// them, JSON within JSON, and what Python prints.
fn member<'a>(before: &'a [u8], value: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (quote, before) = before.trim_ascii_end().split_last().filter(|(last, _)| b"\"'".contains(last))?;
    let value = value.trim_ascii_start();
    let value = value.strip_prefix(b"\\").unwrap_or(value);
    (value.first() == Some(quote)).then_some((before.strip_suffix(b"\\").unwrap_or(before), value))
}

/// What follows the rest of an escape sequence of JSON: of `n`, or of `u0026`.
fn unescaped(name: &str) -> &str {
    let length = if name.starts_with('u') { 5 } else { 1 };
    name.get(length..).unwrap_or_default()
}

/// In capitals it is a variable, where `token` anywhere says enough; elsewhere `max_tokens` is none.
fn says_secret(name: &str) -> bool {
    let is_variable = !name.bytes().any(|byte| byte.is_ascii_lowercase());
    match is_variable {
        true => !is_no_credential_variable(name) && (is_credential_name(name) || is_credential_variable(name)),
        false => says_openly(name),
    }
}

/// Whether a name says credential, and nothing else.
pub(crate) fn says_openly(name: &str) -> bool {
    is_credential_name(name) && !is_ordinary(name)
}

/// Names that every program and page gives to other things as well: not enough to keep nothing of an output.
fn is_ordinary(name: &str) -> bool {
    const ORDINARY: [&str; 12] =
        ["key", "session", "session_id", "sid", "code", "policy", "pin", "ticket", "sign", "pat", "pass", "auth"];
    let name = name.trim_start_matches('-').to_ascii_lowercase();
    ORDINARY.contains(&name.as_str()) || is_only_a_key(&name.replace('-', "_"))
}

/// Names of variables are not longer.
const LONGEST_NAME: usize = 64;
/// Shorter values are words, numbers, switches.
const LEAST_VALUE: usize = 8;
/// So much of a value is looked at: a text may be one long line of them.
const LONGEST_VALUE: usize = 256;

/// Quotes do not count; stars, dots and references to other variables stand for a secret and are none.
fn looks_secret(name: &str, value: &[u8]) -> bool {
    let value = value.strip_prefix(b"\"").or_else(|| value.strip_prefix(b"'")).unwrap_or(value);
    let value = value.get(..LONGEST_VALUE).unwrap_or(value);
    let length = value.iter().take_while(|byte| byte.is_ascii_graphic() && !b"\"'&".contains(byte)).count();
    let value = value.get(..length).unwrap_or_default();
    may_be_secret(value) && !is_code(name, value)
}

/// The same of a value with its quotation marks: all between them belongs to it, whatever it is.
fn quotes_secret(value: &[u8]) -> bool {
    let Some((quote, value)) = value.split_first() else { return false };
    let value = value.get(..LONGEST_VALUE).unwrap_or(value);
    may_be_secret(value.split(|byte| byte == quote).next().unwrap_or_default())
}

/// Armour (RFC 7468, RFC 9580) says itself where it is a private key.
fn may_be_secret(value: &[u8]) -> bool {
    let stands_for =
        value.iter().all(|byte| b"*x.-_".contains(byte)) || matches!(value.first(), Some(b'$' | b'<' | b'='));
    let is_other = stands_for || value.iter().all(u8::is_ascii_digit) || value.starts_with(b"-----BEGIN ");
    value.len() >= LEAST_VALUE && !is_other
}

/// `os.getenv(…`, `config[0]`: what a program asks for, not what it gets. Its quotations are cut off before; a bracket behind which
/// more stands is closed, or may be part of a password, as it may be wherever a shell sets a variable.
fn is_code(name: &str, value: &[u8]) -> bool {
    let length = value.iter().take_while(|byte| word(**byte) || **byte == b'.').count();
    let close = match value.get(length) {
        Some(b'(') => b')',
        Some(b'[') => b']',
        _ => return false,
    };
    let inside = value.get(length + 1..).unwrap_or_default();
    length > 0 && name.bytes().any(|byte| byte.is_ascii_lowercase()) && (inside.is_empty() || inside.contains(&close))
}

/// Whether a word begins at `at`: in `task-…` there is no `sk-…`. A colour's escape sequence and JSON's escapes end in a
/// letter or digit and are not part of the word.
fn begins(bytes: &[u8], at: usize) -> bool {
    let before = bytes.get(..at).unwrap_or_default();
    let Some(last) = before.last().filter(|byte| letter(**byte)) else { return true };
    let escaped =
        |length: usize, mark: &[u8]| before.get(..before.len() - length).is_some_and(|rest| rest.ends_with(mark));
    match last {
        b'm' => {
            let numbers =
                before.iter().rev().skip(1).take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
            escaped(1 + numbers, b"\x1b[")
        }
        b'n' | b'r' | b't' | b'b' | b'f' if escaped(1, b"\\") => true,
        _ => before.len() >= 6 && escaped(4, b"\\u"),
    }
}

/// How many of the bytes from `from` on belong to a token, counted to `most`.
fn tail_length(bytes: &[u8], from: usize, most: usize, tail: fn(u8) -> bool) -> usize {
    bytes.iter().skip(from).take(most).take_while(|byte| tail(**byte)).count()
}

/// The forms, by the byte that they begin with.
static BY_FIRST: LazyLock<Vec<Vec<&Form>>> = LazyLock::new(|| {
    let of = |first: u8| FORMS.iter().filter(|form| form.prefix.as_bytes().first() == Some(&first)).collect();
    (0..=u8::MAX).map(of).collect()
});

fn form_at(bytes: &[u8], at: usize) -> Option<&'static Form> {
    let rest = bytes.get(at..)?;
    let forms = BY_FIRST.get(usize::from(*rest.first()?))?;
    let fits = |form: &&&Form| {
        rest.starts_with(form.prefix.as_bytes())
            && begins(bytes, at)
            && tail_length(rest, form.prefix.len(), form.least, form.tail) == form.least
    };
    forms.iter().find(fits).copied()
}

/// A JSON Web Token (RFC 7519): three base64url parts, of which the first is an encoded `{"…`.
fn has_jwt(bytes: &[u8]) -> bool {
    let mut looked = 0;
    places(bytes, "eyJ").any(|at| {
        // In one run of letters only the first can be one: the others have the same end.
        if at < looked {
            return false;
        }
        let head = tail_length(bytes, at, usize::MAX, url_safe);
        let body = tail_length(bytes, at + head + 1, usize::MAX, url_safe);
        looked = at + head;
        let is_dot = |at: usize| bytes.get(at) == Some(&b'.');
        head >= 10 && body >= 10 && is_dot(at + head) && is_dot(at + head + 1 + body)
    })
}

/// PEM (RFC 7468) and PGP's armour (RFC 9580 §6.2): any label that says `PRIVATE KEY`.
fn has_private_key(bytes: &[u8]) -> bool {
    places(bytes, "-----BEGIN ").any(|at| {
        let label = bytes.iter().skip(at + 11).take(40).copied().take_while(|byte| *byte != b'-');
        memmem::find(&label.collect::<Vec<_>>(), b"PRIVATE KEY").is_some()
    })
}

/// Beyond this, looking the processor's abilities up once (tens of microseconds in a virtual machine) pays.
const SHORT: usize = 256;

/// Where `text` stands in `bytes`.
fn places<'a>(bytes: &'a [u8], text: &'a str) -> impl Iterator<Item = usize> {
    let text = text.as_bytes();
    let short = (bytes.len() <= SHORT).then(|| {
        let tails = bytes.iter().enumerate().filter(|(_, byte)| text.first() == Some(byte));
        tails.map(|(at, _)| at).filter(|at| bytes.get(*at..).is_some_and(|tail| tail.starts_with(text)))
    });
    let long = short.is_none().then(|| memmem::find_iter(bytes, text));
    short.into_iter().flatten().chain(long.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::{named_in, token_in};

    #[test]
    fn the_length_of_the_text_makes_no_difference() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";
        let found = [("ghp_0123456789", "ghp_"), (jwt, "JWT"), ("-----BEGIN RSA PRIVATE KEY-----", "private key")];
        for length in [0, 200, 240, 256, 257, 400, 5_000] {
            for (token, kind) in found {
                let behind = format!("{} {token}", "- ".repeat(length / 2));
                let before = format!("{token} {}", "ghp ".repeat(length / 4));
                assert_eq!(token_in(behind.as_bytes()), Some(kind), "{length}");
                assert_eq!(token_in(before.as_bytes()), Some(kind), "{length}");
            }
            assert_eq!(token_in("ghp eyJ --".repeat(length / 10).as_bytes()), None, "{length}");
        }
    }

    #[test]
    fn named_values_are_seen() {
        for (text, name) in [
            ("API_TOKEN=canary-9f3b", "API_TOKEN"),
            ("a\nexport DB_PASSWORD='canary-9f3b'\n", "DB_PASSWORD"),
            ("x https://h/?a=1&X-Amz-Signature=0123456789abcdef", "X-Amz-Signature"),
            ("{\"line\":\"CLIENT_SECRET=canary-9f3b\"}", "CLIENT_SECRET"),
            (r#"{"u":"https://h/?a=1\u0026sig=abcdefghijk"}"#, "sig"),
            (r#"{"text":"a\nsig=abcdefghijk"}"#, "sig"),
            ("OTHER_PASSWORD=hunter7(hunter8", "OTHER_PASSWORD"),
            ("password=abc(defgh", "password"),
            ("TOKEN=get_it(abcd)", "TOKEN"),
            (r#"{"id":1,"access_token":"canary-9f3b"}"#, "access_token"),
            ("{\n  \"dbPassword\" :\n \"canary-9f3b\"}", "dbPassword"),
            (r#"{"body":"{\"client_secret\": \"canary-9f3b\"}"}"#, "client_secret"),
            (r#"{"API_TOKEN": "canary-9f3b"}"#, "API_TOKEN"),
            ("[{'id': 1, 'jupyter_token': 'canary-9f3b'}]", "jupyter_token"),
            (r#"{"password": "can ary 9f3b"}"#, "password"),
            (r#"{"password": "c&nary-9f3b"}"#, "password"),
            (r#"{"password": "can'ary-9f3b"}"#, "password"),
            (r#"{"password": "canary(9f)3b"}"#, "password"),
            (r#"{"signature": "canary-9f3b"}"#, "signature"),
        ] {
            assert_eq!(named_in(text.as_bytes()).as_deref(), Some(name), "{text}");
        }
    }

    #[test]
    fn names_alone_words_and_numbers_are_not() {
        for text in [
            "API_TOKEN=",
            "API_TOKEN=********",
            "API_TOKEN=$OTHER_ONE_HERE",
            "token=true",
            "max_tokens=1000000000",
            "page_token=abcdefghijkl",
            "PATH=/usr/local/bin:/usr/bin",
            "PWD=/srv/work",
            "OLDPWD=/srv/work",
            "if token == expected_token",
            "=abcdefghijkl",
            "TOKEN=<your token>",
            "<li key={item.id} data-key=\"user-profile\">",
            "password=os.getenv('DB_PASSWORD')",
            "OpenAI(api_key=os.environ[0])",
            "code=ECONNREFUSED",
            "foreign_key=customer_id",
            "session=requests.Session()",
            r#"{"token": null, "password": "", "secret": {"a": "abcdefghij"}, "access_token": "********"}"#,
            r#"{"next_page_token": "abcdefghijkl", "key": "abcdefghijkl", "max_tokens": "1000000000"}"#,
            // What GitHub says of each signed commit.
            r#"{"verification": {"signature": "-----BEGIN PGP SIGNATURE-----\n\nabcdefghijkl"}}"#,
            "token: abcdefghijkl",
            "\"token\" : abcdefghijkl",
            ":\"abcdefghijkl\"",
        ] {
            assert_eq!(named_in(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn one_long_line_takes_no_longer_than_its_length() {
        let began = std::time::Instant::now();
        for part in [
            "a=",
            "key=",
            "=",
            "token=12345678",
            "task-",
            "eyJ",
            "eyJ.",
            "eyJaaaaaaaaaa.",
            "xSG.",
            "-----BEGIN ",
            "\"a\": \"",
            " :",
        ] {
            let text = part.repeat(100_000 / part.len());
            let _found = (token_in(text.as_bytes()), named_in(text.as_bytes()));
        }
        // Seconds; what takes time by the square of its length takes many minutes.
        assert!(began.elapsed() < std::time::Duration::from_secs(60));
    }

    #[test]
    fn tokens_are_seen() {
        for text in [
            "ghp_0123456789abcdefghij",
            "token: gho_0123456789\n",
            "\u{1b}[1;32mgithub_pat_11ABCDEFG0\u{1b}[0m",
            "HF=hf_abcdefghijklmnopqrst",
            "eyJ.eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
            r#"{"log":"\nsk-abcdefghijklmnopq"}"#,
            r"\u0022sk-abcdefghijklmnopq",
            "\u{1b}[1msk-abcdefghijklmnopq",
            "sk-proj-abcdefghijklmnop",
            "sk-ant-api03-abcdefgh-ijkl",
            "AKIAIOSFODNN7EXAMPLE",
            "gsk_abcdefghijklmnop1234",
            "AIzaSyA-0123456789abcdefghijklmnopqrstu",
            "sk_live_0123456789abcdef",
            "rk_live_0123456789abcdef",
            "xoxc-0123456789-abcdefgh",
            "xapp-1-A0123456789-abcdef",
            "ya29.a0AfH6SMB-0123456789",
            "dop_v1_0123456789abcdef0123",
            "SG.0123456789abcdefghijkl.0123456789abcdefghijkl",
            "pypi-AgEIcHlwaS5vcmcC",
            "shpat_0123456789abcdef",
            "nvapi-0123456789abcdef",
            "xai-0123456789abcdefghij",
            "dckr_pat_0123456789ab-c",
            "hvs.CAESI0123456789abcdef",
            "AccountKey=0123456789abcdef0123456789abcdef0123456789==;",
            "x eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc",
            "-----BEGIN PRIVATE KEY-----\nMII",
            "-----BEGIN OPENSSH PRIVATE KEY-----\n",
            "-----BEGIN PGP PRIVATE KEY BLOCK-----\n",
        ] {
            assert!(token_in(text.as_bytes()).is_some(), "{text}");
        }
    }

    #[test]
    fn words_that_only_begin_alike() {
        for text in [
            "",
            "mask-abcdefghijklmnopqrst",
            "task-abcdefghijklmnopqrst",
            "ghp_",
            "hf_transfer",
            "hf_hub_download_everything",
            "sk-short",
            "xai-explained",
            "MSG.0123456789abcdefghijkl.0123456789abcdefghijkl",
            "pypi-server-of-the-house",
            "AKIA",
            "eyJhbGciOiJIUzI1NiJ9",
            "eyJhbGciOiJIUzI1NiJ9.short.x",
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----",
            "-----BEGIN PGP SIGNATURE-----",
        ] {
            assert_eq!(token_in(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn tokens_are_seen_between_other_bytes() {
        assert!(token_in(b"\xff\xfe\0ghs_0123456789\0").is_some());
    }
}
