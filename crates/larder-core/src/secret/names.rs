//! Names that say "credential": of headers, query parameters and variables.
//!
//! A name is its words in lower case, joined by `_`: `X-Api-Key`, `xApiKey` and `X_API_KEY` are all `x_api_key`. What is
//! taken for a credential by mistake is only not shared and not shown; what is not seen to be one may be somebody else's
//! answer. So a question's names are read widely ([`Said::holds`]), and those of what comes back, where a mistake means that
//! an answer is not kept, by what they are ([`Said::is`]).

use super::lists::{
    COUNTED, HARMLESS, HIDING, IDENTITY, IDENTITY_LETTERS, JOINED, JOINED_MENTIONS, JOINED_SESSIONS, KNOWN, LAST_WORDS,
    LETTERS, NAMES, ONLY_IN_URLS, PAGING, SESSIONS, WORDS,
};
use std::sync::LazyLock;

/// Whether a header of this name holds a credential, adapter or not.
#[must_use]
pub fn is_credential_header(name: &str) -> bool {
    let words = words(name);
    let said = said(&words);
    !ONLY_IN_URLS.contains(&words.as_str()) && (said.caller || said.holds(&words))
}

/// Whether a query parameter of this name holds a credential, adapter or not. Members of a body are never asked: there,
/// `token` and `key` are data, and all of a body is in the key. Every part of `auth[token]` is looked at, and of `a;token`
/// (some servers take `;` for `&`).
#[must_use]
pub fn is_credential_parameter(name: &str) -> bool {
    parts(name).any(|part| {
        let words = words(part);
        said(&words).holds(&words)
    })
}

/// Whether a name in an output (`NAME=value`) says that its value is a credential: what only mentions one does not.
pub(crate) fn is_credential_name(name: &str) -> bool {
    parts(name).any(|part| is(&words(part)))
}

/// The name, and every part of `auth[token]` and `a;token`.
fn parts(name: &str) -> impl Iterator<Item = &str> {
    let apart = name.contains(['[', ']', ';']).then(|| name.split(['[', ']', ';']));
    std::iter::once(name).chain(apart.into_iter().flatten())
}

/// Where a shell stands and stood, and which desktop and terminal it is in: no credentials for all their names. On some desktops
/// one of them is a word that stands in many an output.
pub(crate) fn is_no_credential_variable(name: &str) -> bool {
    const ORDINARY: [&str; 9] = [
        "PWD",
        "OLDPWD",
        "DESKTOP_SESSION",
        "GNOME_DESKTOP_SESSION_ID",
        "KONSOLE_DBUS_SESSION",
        "TERM_SESSION_ID",
        "XDG_SESSION_ID",
        "SSH_AUTH_SOCK",
        "PASSWORD_STORE_DIR",
    ];
    ORDINARY.contains(&name)
}

/// Whether an environment variable of this name holds a credential: `CI_TOKEN`, `SERVICE_API_KEY`, `PGPASSWORD`, …
#[must_use]
pub fn is_credential_variable(name: &str) -> bool {
    let words = words(name);
    if is_no_credential_variable(name) {
        return false;
    }
    is(&words) || ["passphrase", "secret", "credential", "token"].iter().any(|word| words.contains(word))
}

/// Whether an answer's header of this name hands out a credential: `x-subject-token`, `authentication-info`, … Signatures
/// prove and open nothing; other keys than these are those of caches and shards; cookies have a rule of their own.
#[must_use]
pub fn is_issued_header(name: &str) -> bool {
    let words = words(name);
    is(&words)
        && !proves(&words)
        && !is_only_a_key(&words)
        && words != "set_cookie"
        && !ONLY_IN_URLS.contains(&words.as_str())
        && !words.contains("session")
        && !words.starts_with("access_control_")
        && words != "sid"
        || matches!(words.as_str(), "authentication_info" | "authorization_info")
}

fn proves(words: &str) -> bool {
    ["signature", "sig", "sign", "hmac"].iter().any(|last| is_or_ends_in(words, last))
}

/// A key that opens nothing.
pub(crate) fn is_only_a_key(words: &str) -> bool {
    let opens = |before: &str| ["api", "access", "secret", "private", "auth"].iter().any(|word| before.ends_with(word));
    let before = words.strip_suffix("_id").unwrap_or(words).strip_suffix("_key");
    before.is_some_and(|before| !opens(before))
}

/// Whether a header of this name is a credential beyond doubt, and its holder's alone.
pub(crate) fn is_sure_credential_header(name: &str) -> bool {
    const SURE: [&str; 7] =
        ["authorization", "cookie", "x-api-key", "api-key", "x-goog-api-key", "private-token", "x-auth-token"];
    SURE.contains(&name)
}

/// The name of a credential: its last words say so, behind which a version may stand (`Authorization-2`, `token1`).
fn is(words: &str) -> bool {
    said(words).is(words)
}

/// What a name says.
#[derive(Clone, Copy, Default)]
struct Said {
    /// It is one of a credential.
    credential: bool,
    /// It has to do with one.
    mention: bool,
    /// It is of whoever the origin believes to be calling: answers to one are not for another.
    caller: bool,
}

impl Said {
    /// `words` are those of which this is said.
    fn is(self, words: &str) -> bool {
        let unversioned = || Some(without_version(words)).filter(|rest| rest.len() < words.len());
        (self.credential || unversioned().is_some_and(|rest| said(rest).credential)) && !is_harmless(words)
    }

    /// A name too many costs only sharing.
    fn holds(self, words: &str) -> bool {
        self.is(words) || (self.mention || is_plural(words)) && !is_harmless(words)
    }
}

/// Looks for all the lists' letters in one go over the name: names are asked for with each request's headers.
fn said(words: &str) -> Said {
    let mut said = Said::default();
    let bytes = words.as_bytes();
    for (at, pair) in bytes.windows(2).enumerate() {
        let begins_word = at == 0 || bytes.get(at - 1) == Some(&b'_');
        for (letters, stand, kind) in pair_number(pair).and_then(|pair| SAYING.get(pair)).into_iter().flatten() {
            let Some(after) = bytes.get(at..).and_then(|rest| rest.strip_prefix(letters.as_bytes())) else { continue };
            let stands = match stand {
                Stand::Whole => at == 0 && after.is_empty(),
                Stand::Last => begins_word && after.is_empty(),
                Stand::End => after.is_empty(),
                Stand::Word => begins_word && matches!(after, [] | [b'_', ..]),
                Stand::Anywhere => true,
            };
            match kind {
                Kind::Credential => said.credential |= stands,
                Kind::Mention => said.mention |= stands,
                Kind::Caller => said.caller |= stands,
            }
        }
    }
    said
}

/// Where in a name letters must stand to say something.
#[derive(Clone, Copy)]
enum Stand {
    /// They are all of it.
    Whole,
    /// They are its last words.
    Last,
    /// It ends in them.
    End,
    /// They are one of its words.
    Word,
    /// Anywhere.
    Anywhere,
}

#[derive(Clone, Copy)]
enum Kind {
    Credential,
    Mention,
    Caller,
}

type Saying = (&'static str, Stand, Kind);

/// The lists, by the first two letters.
static SAYING: LazyLock<Vec<Vec<Saying>>> = LazyLock::new(|| {
    let lists: [(&[&'static str], Stand, Kind); 12] = [
        (&NAMES, Stand::Whole, Kind::Credential),
        (&LAST_WORDS, Stand::Last, Kind::Credential),
        (&JOINED, Stand::End, Kind::Credential),
        (&HIDING, Stand::Anywhere, Kind::Credential),
        (&WORDS, Stand::Word, Kind::Mention),
        (&LETTERS, Stand::Anywhere, Kind::Mention),
        (&SESSIONS, Stand::Last, Kind::Mention),
        (&JOINED_SESSIONS, Stand::End, Kind::Mention),
        (&JOINED_MENTIONS, Stand::End, Kind::Mention),
        (&KNOWN, Stand::Whole, Kind::Mention),
        (&IDENTITY, Stand::Last, Kind::Caller),
        (&IDENTITY_LETTERS, Stand::Anywhere, Kind::Caller),
    ];
    let mut saying = vec![Vec::new(); PAIRS];
    for (list, stand, kind) in lists {
        for letters in list {
            let pair = letters.as_bytes().get(..2).and_then(pair_number);
            if let Some(sayings) = pair.and_then(|pair| saying.get_mut(pair)) {
                sayings.push((*letters, stand, kind));
            }
        }
    }
    saying
});

/// How many pairs of letters there are; `_` follows `z`.
const PAIRS: usize = 27 * 27;

fn pair_number(pair: &[u8]) -> Option<usize> {
    let number = |letter: &u8| match letter {
        b'a'..=b'z' => Some(usize::from(letter - b'a')),
        b'_' => Some(26),
        _ => None,
    };
    match pair {
        [first, second] => Some(number(first)? * 27 + number(second)?),
        _ => None,
    }
}

/// `X-Tokens`, `cookies`; keys in the plural mostly are those of a table, and `max_tokens` are counted.
fn is_plural(words: &str) -> bool {
    let Some(one) = words.strip_suffix('s') else { return false };
    !is_or_ends_in(one, "key") && is(one) && !words.split('_').any(|word| COUNTED.contains(&word))
}

/// `api_token_v2` → `api_token`, `authorization_2` → `authorization`, `token1` → `token`.
fn without_version(words: &str) -> &str {
    let rest = words.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let rest = if rest.len() < words.len() { rest.strip_suffix("_v").unwrap_or(rest) } else { rest };
    rest.trim_end_matches('_')
}

fn is_or_ends_in(words: &str, last: &str) -> bool {
    words.strip_suffix(last).is_some_and(|before| before.is_empty() || before.ends_with('_'))
}

/// Separators or not: `page_token` and `pagetoken` are one name.
fn is_harmless(words: &str) -> bool {
    let joined = words.replace('_', "");
    HARMLESS.contains(&joined.as_str()) || PAGING.iter().any(|end| joined.ends_with(end))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_lists_is_looked_for() {
        let lists = [NAMES.len(), LAST_WORDS.len(), JOINED.len(), HIDING.len(), WORDS.len(), LETTERS.len()];
        let callers = IDENTITY.len() + IDENTITY_LETTERS.len() + SESSIONS.len() + JOINED_SESSIONS.len() + KNOWN.len();
        let callers = callers + JOINED_MENTIONS.len();
        assert_eq!(SAYING.iter().map(Vec::len).sum::<usize>(), lists.iter().sum::<usize>() + callers);
    }

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
            "authorization-2",
            "x-api-token-v2",
            "x-tokens",
            "x-api-keys",
            "x-sign",
            "x-pin",
            "x-service-ticket",
            "x-session",
            "session",
            "x-metabase-session",
            "x-restsvcsessionid",
            "vmware-api-session-id",
            "mcp-session-id",
            "x-chkp-sid",
            "x-sessionkey",
            "otcsticket",
            "vtexidclientautcookie",
            "x-creds",
            "x-passkey",
            "dpop",
            "x-jws",
            "x-jfrog-art-api",
            "x-auth-realm",
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
            "chatgpt-account-id",
            "x-tenantid",
            "x-gerrit-runas",
            "x-hasura-role",
            "x-remote-group",
            "x-amzn-oidc-data",
            "x-arr-clientcert",
            "x-ssl-cert",
            "x-userinfo",
            "from",
            "x-ssl-client-s-dn",
            "ssl-client-verify",
            "x-impersonate",
            "impersonate-extra-scopes",
            "sudo",
            "x-on-behalf-of",
        ];
        let no = [
            "content-type",
            "anthropic-version",
            "anthropic-beta",
            "openai-organization",
            "idempotency-key",
            "sec-websocket-key",
            "x-stainless-lang",
            "accept",
            "thread-id",
            "x-amz-date",
            "x-max-tokens",
            "x-cache-keys",
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
            "tokens",
            "token1",
            "auth_code",
            "authcode",
            "SAMLResponse",
            "oauth_verifier",
            "pwd_hash",
            "client_secret_post",
            "credential_json",
            "user_sig",
            "PHPSESSID",
            "guest_session_id",
            "_sid",
            "rlkey",
            "passhash",
            "wowzatokenhash",
            "jsessionid",
        ];
        let no = [
            "max_tokens",
            "pageToken",
            "nextPageToken",
            "NextToken",
            "continuation-token",
            "resumptionToken",
            "$skiptoken",
            "continue",
            "prompt_cache_keys",
            "sort_key",
            "limit",
            "labelSelector",
            "watch",
            "X-Amz-Date",
            "n_tokens",
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
        for name in [
            "x-subject-token",
            "x-api-token-v2",
            "X-CSRF-Token",
            "authorization",
            "x-client-secret",
            "x-api-key",
            "authentication-info",
        ] {
            assert!(is_issued_header(name), "{name}");
        }
        for name in [
            "set-cookie",
            "x-auth-mode",
            "token-type",
            "x-session-id",
            "x-ms-session-token",
            "x-ms-continuationtoken",
            "x-next-page-token",
            "x-amz-server-side-encryption-aws-kms-key-id",
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
}
