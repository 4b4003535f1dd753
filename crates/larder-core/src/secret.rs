//! Secrets that cannot be printed, the names that say "credential", and the digest that stands for a credential.

use crate::share::CredentialDigest;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// A value that is never shown: `Debug` prints `[hidden]`, there is no `Display` and no serialisation, and the memory is
/// wiped when it is dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Hides `bytes`.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The hidden bytes, for hashing and for sending to the origin; never for printing.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// Names that say credential, whole: words in lower case, joined by `_` (`X-Amz-Signature` is `x_amz_signature`).
const NAMES: [&str; 45] = [
    "auth",
    "authorization",
    "apikey",
    "api_key",
    "key",
    "key_pair_id",
    "token",
    "jwt",
    "sig",
    "signature",
    "secret",
    "password",
    "passwd",
    "pwd",
    "pass",
    "pat",
    "bearer",
    "credential",
    "credentials",
    "cookie",
    "cookie2",
    "session",
    "session_id",
    "sessionid",
    "sid",
    "accesstoken",
    "authtoken",
    "assertion",
    "awsaccess_key_id",
    "google_access_id",
    "policy",
    "otp",
    "code",
    "code_verifier",
    "x_registry_config",
    "userpwd",
    "secret_key_base",
    "id_token_hint",
    "pw",
    "pin",
    "passcode",
    "ticket",
    "sign",
    "hmac",
    "sas",
];

/// Words that say credential alone and as the last ones of a name: `x-goog-api-key`, `access_token`, `client_secret`, …
const LAST_WORDS: [&str; 26] = [
    "token",
    "key",
    "apikey",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "pass",
    "pat",
    "signature",
    "credential",
    "credentials",
    "cookie",
    "jwt",
    "auth",
    "authorization",
    "assertion",
    "key_id",
    "pwd",
    "passcode",
    "wsse",
    "bearer",
    "sig",
    "hmac",
    "otp",
    "pw",
];

/// Ends that say credential without a separator in front: header names arrive in lower case, so that `X-AuthToken` is
/// `x_authtoken`, and its words cannot be told apart any more.
const JOINED: [&str; 13] = [
    "token",
    "apikey",
    "secret",
    "secretkey",
    "accesskey",
    "privatekey",
    "signingkey",
    "authkey",
    "appkey",
    "sesskey",
    "subscriptionkey",
    "authentication",
    "credentials",
];

/// Last words of headers by which a proxy in front, or the caller itself, says who is calling.
const IDENTITY: [&str; 15] = [
    "user",
    "user_id",
    "userid",
    "username",
    "user_name",
    "user_email",
    "user_login",
    "forwarded_email",
    "forwarded_groups",
    "auth_email",
    "org_id",
    "orgid",
    "tenant_id",
    "client_cert",
    "client_principal",
];

/// Names that end like a credential and are none: they page, sort, or tell requests apart.
const HARMLESS: [&str; 20] = [
    "page_token",
    "next_page_token",
    "next_token",
    "continuation_token",
    "continue_token",
    "sync_token",
    "cursor_token",
    "idempotency_key",
    "x_idempotency_key",
    "sec_websocket_key",
    "surrogate_key",
    "sort_key",
    "order_key",
    "group_key",
    "start_key",
    "exclusive_start_key",
    "partition_key",
    "primary_key",
    "public_key",
    "cache_key",
];

/// Names that open doors in a URL, and name a conversation or a rule in a header.
const ONLY_IN_URLS: [&str; 6] = ["session", "session_id", "sid", "policy", "code", "code_verifier"];

/// Whether a header of this name holds a credential, adapter or not.
#[must_use]
pub fn is_credential_header(name: &str) -> bool {
    let words = words(name);
    !ONLY_IN_URLS.contains(&words.as_str()) && (says_credential(&words) || says_identity(&words))
}

/// Whether a query parameter of this name holds a credential, adapter or not. Members of a body are never asked: there,
/// `token` and `key` are data, and all of a body is in the key. Every part of `auth[token]` is looked at, and of `a;token`
/// (some servers take `;` for `&`).
#[must_use]
pub fn is_credential_parameter(name: &str) -> bool {
    says_credential(&words(name)) || name.split(['[', ']', ';']).any(|part| says_credential(&words(part)))
}

/// Where a shell stands and stood: no password for all its name.
pub(crate) fn is_folder_variable(name: &str) -> bool {
    matches!(name, "PWD" | "OLDPWD")
}

/// Whether an environment variable of this name holds a credential: `CI_TOKEN`, `SERVICE_API_KEY`, `PGPASSWORD`, …
#[must_use]
pub fn is_credential_variable(name: &str) -> bool {
    let words = words(name);
    if is_folder_variable(name) {
        return false;
    }
    says_credential(&words) || ["passphrase", "secret", "credential", "token"].iter().any(|word| words.contains(word))
}

/// Whether an answer's header of this name hands out a credential: `x-subject-token`, `authentication-info`, … Signatures
/// prove and open nothing; other keys than these are those of caches and shards; cookies have a rule of their own.
#[must_use]
pub fn is_issued_header(name: &str) -> bool {
    let words = words(name);
    says_credential(&words)
        && !proves(&words)
        && !is_only_a_key(&words)
        && words != "set_cookie"
        && !ONLY_IN_URLS.contains(&words.as_str())
        || matches!(words.as_str(), "authentication_info" | "authorization_info")
}

fn proves(words: &str) -> bool {
    ["signature", "sig", "sign", "hmac"].iter().any(|last| words == *last || ends_in(words, last))
}

/// A key that opens nothing.
fn is_only_a_key(words: &str) -> bool {
    let opens = |before: &str| ["api", "access", "secret", "private", "auth"].iter().any(|word| before.ends_with(word));
    words.strip_suffix("_key").is_some_and(|before| !opens(before))
}

/// Whether the value of a header that names addresses (`location`, `link`, …) has a credential in one of them: a query
/// parameter that says so, or user information.
#[must_use]
pub fn has_credential_address(value: &str) -> bool {
    let named = value
        .split(['?', '&', ';', '#', '<', '>', ' ', ','])
        .filter_map(|piece| piece.split_once('='))
        .any(|(name, secret)| !secret.is_empty() && is_credential_parameter(name));
    let authorities = value.split("://").skip(1).filter_map(|rest| rest.split(['/', '?', '#', '>', ' ']).next());
    named || authorities.into_iter().any(|authority| authority.contains('@'))
}

fn says_credential(words: &str) -> bool {
    let hides = || words.contains("password") || words.contains("passwd");
    let ends = || {
        LAST_WORDS.iter().any(|last| words == *last || ends_in(words, last))
            || JOINED.iter().any(|end| words.ends_with(end))
    };
    (NAMES.contains(&words) || ends() || hides()) && !is_harmless(words)
}

/// Whoever the origin believes to be calling: answers to one are not for another. A name too many costs only sharing.
fn says_identity(words: &str) -> bool {
    IDENTITY.iter().any(|last| words == *last || ends_in(words, last)) || words.contains("authenticated_user")
}

fn ends_in(words: &str, last: &str) -> bool {
    words.strip_suffix(last).is_some_and(|before| before.ends_with('_'))
}

/// Separators or not: `page_token` and `pagetoken` are one name.
fn is_harmless(words: &str) -> bool {
    fn letters(name: &str) -> impl Iterator<Item = u8> {
        name.bytes().filter(|byte| *byte != b'_')
    }
    HARMLESS.iter().any(|name| letters(name).eq(letters(words)))
}

/// `X-Api-Key`, `xApiKey` and `X_API_KEY` are all `x_api_key`.
fn words(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    let mut after_lower = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && after_lower {
            words.push('_');
        }
        after_lower = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        words.push(if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' });
    }
    words
}

/// The digest of a caller's credentials (DESIGN §3): base32 HMAC-SHA256 under the installation's secret, over the (name,
/// value) pairs, sorted by name, each part led by its length as eight bytes, big-endian, so that no two lists run together.
///
/// Values of one name keep their order: which of two an origin believes is its own affair. Names are counted in lower
/// case, but those of query parameters (`?Key`) as they are: to an origin, `key` and `Key` are two.
#[must_use]
pub fn credential_digest(secret: &Secret, pairs: &[(String, Secret)]) -> CredentialDigest {
    let counted = |name: &str| if name.starts_with('?') { name.to_owned() } else { name.to_ascii_lowercase() };
    let mut pairs: Vec<_> = pairs.iter().map(|(name, value)| (counted(name), value.expose())).collect();
    // Stable.
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    // HMAC takes keys of every length (RFC 2104 §2), so that the second key is never used; it only avoids a panic.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose()).unwrap_or_else(|_| Hmac::new(&Default::default()));
    for part in pairs.iter().flat_map(|(name, value)| [name.as_bytes(), value]) {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part);
    }
    CredentialDigest::from_mac(&mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_says_credential_says_so_alone_and_at_the_end() {
        for word in LAST_WORDS {
            let name = word.replace('_', "-");
            for name in [name.clone(), format!("x-{name}")] {
                assert!(is_credential_header(&name), "{name}");
                assert!(is_credential_parameter(&name), "{name}");
            }
        }
    }

    #[test]
    fn credential_headers() {
        let yes = [
            "authorization",
            "Proxy-Authorization",
            "cookie",
            "x-api-key",
            "api-key",
            "X-Goog-Api-Key",
            "x-auth-token",
            "x-amz-security-token",
            "private-token",
            "x-vault-token",
            "ocp-apim-subscription-key",
            "X-Registry-Auth",
            "x-csrf-token",
            "x-my-password-hash",
            "cf-access-jwt-assertion",
            "x-client-secret",
            "api_key",
            // As they arrive: in lower case.
            "x-authtoken",
            "x-accesstoken",
            "x-apitoken",
            "x-chatworktoken",
            "x-accesskey",
            "x-secretkey",
            "x-apikey",
            "sessiontoken",
            "x-usertoken",
            "x-clientsecret",
            "x-userpassword",
            "authentication",
            "x-authentication",
            "x-wsse",
            // Who is calling.
            "remote-user",
            "x-remote-user",
            "x-forwarded-user",
            "x-forwarded-email",
            "x-auth-user",
            "x-user-id",
            "x-org-id",
            "x-scope-orgid",
            "api-username",
            "x-goog-authenticated-user-email",
        ];
        let no = [
            "content-type",
            "anthropic-version",
            "anthropic-beta",
            "openai-organization",
            "idempotency-key",
            "session-id",
            "x-claude-code-session-id",
            "kubectl-session",
            "sec-websocket-key",
            "x-stainless-lang",
            "accept",
            "thread-id",
            "x-amz-date",
            "x-tokens",
            "monkey",
            "x-request-id",
            "user-agent",
            "x-user-agent",
            "nextpagetoken",
            "pagetoken",
            "idempotencykey",
            "x-idempotency-key",
            "x-stainless-retry-count",
            "x-stainless-runtime-version",
            "x-client-request-id",
            "x-organization",
            "x-turkey",
        ];
        for name in yes {
            assert!(is_credential_header(name), "{name}");
        }
        for name in no {
            assert!(!is_credential_header(name), "{name}");
        }
    }

    #[test]
    fn credential_parameters() {
        let yes = [
            "key",
            "token",
            "api_key",
            "apiKey",
            "access_token",
            "accessToken",
            "signature",
            "sig",
            "X-Amz-Signature",
            "X-Amz-Credential",
            "X-Amz-Security-Token",
            "X-Goog-Signature",
            "AWSAccessKeyId",
            "GoogleAccessId",
            "Key-Pair-Id",
            "PASSWORD",
            "client_secret",
            "id_token",
            "Token",
            "token[]",
            "auth[token]",
            "user[password]",
            "a;token",
            "token;a",
            "apitoken",
            "authkey",
            "accesskey",
            "secretkey",
            "clientsecret",
            "appsecret",
            "appkey",
            "hapikey",
            "wstoken",
            "sesskey",
            "userpwd",
            "secret_key_base",
            "id_token_hint",
            "passcode",
            "pw",
            "pin",
            "ticket",
            "sign",
            "hmac",
            "sas",
        ];
        let no = [
            "max_tokens",
            "pageToken",
            "nextPageToken",
            "NextToken",
            "continuation-token",
            "continue",
            "prompt_cache_keys",
            "sort_key",
            "limit",
            "labelSelector",
            "watch",
            "X-Amz-Date",
            "tokens",
            "turkey",
            "beta",
            "search",
            "author",
            "filter[name]",
            "page[size]",
            "ids[]",
        ];
        for name in yes {
            assert!(is_credential_parameter(name), "{name}");
        }
        for name in no {
            assert!(!is_credential_parameter(name), "{name}");
        }
    }

    #[test]
    fn headers_that_hand_out_a_credential() {
        for name in
            ["x-subject-token", "X-CSRF-Token", "authorization", "x-client-secret", "x-api-key", "authentication-info"]
        {
            assert!(is_issued_header(name), "{name}");
        }
        for name in [
            "set-cookie",
            "etag",
            "www-authenticate",
            "x-ratelimit-remaining-tokens",
            "anthropic-ratelimit-tokens-limit",
            "x-cache-key",
            "surrogate-key",
            "signature",
            "content-security-policy",
            "openai-organization",
            "x-request-id",
            "x-user",
            "sec-session-id",
        ] {
            assert!(!is_issued_header(name), "{name}");
        }
    }

    #[test]
    fn addresses_with_a_credential() {
        for value in
            ["/next?access_token=x", "https://me:pass@host/", "<https://h/?a=1&sig=x>; rel=next", "0; url=/x?token=x"]
        {
            assert!(has_credential_address(value), "{value}");
        }
        for value in ["/next", "https://h/@scope/x?page=2", "<https://h/?page_token=x>; rel=\"next\"", "/?token="] {
            assert!(!has_credential_address(value), "{value}");
        }
    }

    #[test]
    fn credential_variables() {
        for name in
            ["GH_TOKEN", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "PGPASSWORD", "MY_SECRET"]
        {
            assert!(is_credential_variable(name), "{name}");
        }
        for name in ["HOME", "PATH", "GH_REPO", "KEYBOARD", "LANG", "GH_HOST", "NO_COLOR"] {
            assert!(!is_credential_variable(name), "{name}");
        }
    }

    fn digest(pairs: &[(&str, &str)]) -> String {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect();
        credential_digest(&Secret::new(*b"installation"), &pairs).as_str().to_owned()
    }

    #[test]
    fn digests() {
        // Computed with Python: base32(hmac.new(b"installation", framed, sha256)), lower case without padding.
        assert_eq!(digest(&[("Authorization", "Bearer a")]), "6ok5ii6l4g44tjto2gnn5kuarlz43jonwbilahqyjq5k5yjgahsa");
        assert_eq!(digest(&[("a", "1"), ("b", "2")]), digest(&[("B", "2"), ("A", "1")]), "order and case of names");
        assert_ne!(digest(&[("a", "1")]), digest(&[("a", "1"), ("a", "1")]));
        assert_ne!(digest(&[("a", "1"), ("a", "2")]), digest(&[("a", "2"), ("a", "1")]), "lines of one name");
        assert_ne!(digest(&[("?key", "1")]), digest(&[("?KEY", "1")]), "names of query parameters keep their case");
        assert_ne!(digest(&[("ab", "c")]), digest(&[("a", "bc")]), "framed");
        assert_ne!(digest(&[("a", "b"), ("c", "d")]), digest(&[("a", "bcd")]), "framed");
        assert_ne!(digest(&[("a", "x")]), digest(&[("a", "X")]), "values keep their case");
    }

    #[test]
    fn never_printed() {
        assert_eq!(format!("{:?}", Secret::new(*b"sk-1234")), "[hidden]");
    }
}
