//! Secrets in command lines and variables: they stand in the question as HMACs, which tell them apart and tell nobody
//! what they are.

use super::passwords::Words;
use crate::{
    json::{Json, Object},
    scan,
    secret::{
        Secret, credential_digest, is_credential_header, is_credential_parameter, is_credential_variable,
        is_no_credential_variable,
    },
};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// Puts secrets out of sight, and remembers where they stood.
pub(super) struct Concealer<'s> {
    secret: &'s Secret,
    concealed: Vec<String>,
}

impl<'s> Concealer<'s> {
    pub(super) fn new(secret: &'s Secret) -> Self {
        Self { secret, concealed: Vec::new() }
    }

    /// Where secrets stood: `argument 3`, `variable X`.
    pub(super) fn into_concealed(self) -> Vec<String> {
        self.concealed
    }

    /// `{"hmac": …}`: an object, so that no plain argument can pose as one.
    fn conceal(&mut self, place: String, value: &str) -> Json {
        self.concealed.push(place);
        self.hmac(value)
    }

    /// What is on standard input may be a password, which its bare digest would tell to whoever guesses.
    pub(super) fn stdin(&self, digest: &str) -> Json {
        self.hmac(digest)
    }

    fn hmac(&self, value: &str) -> Json {
        let digest = credential_digest(self.secret, &[("value".to_owned(), Secret::new(value))]);
        let mut object = Object::default();
        object.insert("hmac", Json::String(digest.as_str().to_owned()));
        Json::Object(object)
    }

    /// The arguments of `tool` as the question lists them.
    pub(super) fn args(&mut self, tool: &str, args: &[String]) -> Vec<Json> {
        let (mut words, mut before) = (Words::default(), tool);
        words.is_password(tool);
        let mut listed = Vec::with_capacity(args.len());
        for (at, arg) in args.iter().enumerate() {
            let is_password = words.is_password(arg);
            let is_named = names_credential(before) || is_credential_setting(before);
            let is_secret = is_password || is_named || is_login(before, arg) || holds_credential(arg);
            listed.push(match is_secret {
                true => self.conceal(format!("argument {}", at + 1), arg),
                false => Json::String(arg.clone()),
            });
            before = arg;
        }
        listed
    }

    /// A variable's value as the question lists it.
    pub(super) fn variable(&mut self, name: &str, value: &str) -> Json {
        match is_secret_variable(name, value) {
            true => self.conceal(format!("variable {name}"), value),
            false => Json::String(value.to_owned()),
        }
    }
}

/// Whether a variable holds a credential, by its name or by what it holds.
pub(super) fn is_secret_variable(name: &str, value: &str) -> bool {
    let is_named = is_credential_variable(name) || says_secret(name) && !is_no_credential_variable(name);
    is_named || holds_credential(value)
}

/// `--token`, `-password`: the next argument is the credential.
fn names_credential(flag: &str) -> bool {
    flag.strip_prefix('-').is_some_and(|name| says_secret(name.trim_start_matches('-')))
}

/// `configure set aws_secret_access_key SECRET`: a word of several that says credential.
fn is_credential_setting(word: &str) -> bool {
    word.contains('_') && word.bytes().all(scan::dotted) && says_secret(word)
}

/// Ends of names that say credential in command lines and variables, where words run together. Whatever is hidden by
/// mistake is still told apart.
const ENDS: [&str; 20] = [
    "token",
    "passwd",
    "pwd",
    "pass",
    "passcode",
    "secret",
    "apikey",
    "authkey",
    "accesskey",
    "secretkey",
    "privatekey",
    "signingkey",
    "creds",
    "cookies",
    "authheader",
    "dsn",
    "psk",
    "passphrase",
    "mnemonic",
    "mfacode",
];

fn says_secret(name: &str) -> bool {
    let joined: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    is_credential_parameter(name) || joined == "pw" || ENDS.iter().any(|end| joined.ends_with(end))
}

/// `--token=…`, `{"api_key":"…"}`, `Authorization: …`, `https://user:password@…`, or anything with a token's form; also where
/// it is percent-encoded.
fn holds_credential(arg: &str) -> bool {
    scan::holds_secret(arg)
        || has_named_value(arg)
        || has_header(arg)
        || has_userinfo(arg)
        || arg.split(": ").any(scan::begins_with_scheme)
        || has_flag(arg)
        || matches!(percent_decode_str(arg).into(), Cow::Owned(bytes) if has_named_value(&String::from_utf8_lossy(&bytes)))
}

/// `… --password SECRET …`, `… -u alice:SECRET …`, `… -pSECRET …` within one argument, as in what a shell is to run.
fn has_flag(arg: &str) -> bool {
    let (mut words, mut flag) = (Words::default(), "");
    arg.split_whitespace().any(|word| {
        let before = std::mem::replace(&mut flag, word);
        let is_named = names_credential(before) && !word.starts_with('-');
        words.is_password(word) || is_named || is_login(before, word) || is_glued(word) || has_header(word)
    })
}

/// Words of `find` that begin like a glued password.
const WORDS: [&str; 6] = ["-path", "-perm", "-print", "-print0", "-printf", "-prune"];

/// `-pSECRET`, `-ualice:SECRET`: the value is glued to its flag. `-pretty` is hidden too: it still is told apart.
fn is_glued(arg: &str) -> bool {
    if WORDS.contains(&arg) {
        return false;
    }
    let password = ["-p", "/p:"].iter().any(|flag| arg.strip_prefix(flag).is_some_and(|value| !value.is_empty()));
    password || arg.strip_prefix('-').is_some_and(|rest| rest.starts_with(['u', 'U']) && rest.contains(':'))
}

/// A name that says credential and, behind `=` or `:`, its value: `--env=DB_PASSWORD=…`, `--set=auth.token=…`,
/// `{"api_key": "…"}`, `{\"token\":\"…\"}`.
fn has_named_value(arg: &str) -> bool {
    arg.match_indices(['=', ':']).any(|(at, _)| {
        let (before, after) = arg.split_at(at);
        let name = before.trim_end_matches(is_quoting).rsplit(|letter| !is_of_name(letter)).next().unwrap_or_default();
        let value = &after[1..];
        let has_value = !value.trim_start_matches(is_quoting).is_empty();
        has_value && (says_secret(name.trim_start_matches('-')) || is_login(name, value))
    })
}

/// What may stand between a name, its separator and its value.
fn is_quoting(letter: char) -> bool {
    matches!(letter, '"' | '\'' | '\\' | ' ')
}

fn is_of_name(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.' | '[' | ']')
}

/// `-u alice:password`, `-sku alice:password`, `-a alice:password`, `--proxy-user=alice:password`, `-U alice%password`; not
/// the numbers of a user and a group, nor a time's form.
fn is_login(flag: &str, value: &str) -> bool {
    let is_short = |flag: &str| {
        let letters = flag.strip_prefix('-').unwrap_or_default();
        letters.chars().all(|letter| letter.is_ascii_alphabetic()) && letters.ends_with(['u', 'U', 'a', 'A'])
    };
    let is_flag =
        is_short(flag) || flag.starts_with("--") && ["user", "login", "basic"].iter().any(|name| flag.ends_with(name));
    // Those of a user and a group are short.
    let is_number = || value.len() <= 11 && value.chars().all(|letter| letter.is_ascii_digit() || letter == ':');
    is_flag && value.contains([':', '%']) && !is_number() && !value.starts_with('+')
}

fn has_header(arg: &str) -> bool {
    arg.split_once(':').is_some_and(|(name, _)| is_credential_header(name.trim().trim_start_matches("-H").trim()))
}

/// A password with a `/` or `?` in it that nobody encoded counts as well, and `alice:password@host` without a scheme.
fn has_userinfo(arg: &str) -> bool {
    let Some((_, rest)) = arg.split_once("://") else {
        let (login, host) = arg.rsplit_once('@').unwrap_or_default();
        let has_password = login.split_once(':').is_some_and(|(user, word)| !user.is_empty() && !word.is_empty());
        return has_password && !login.contains(['/', ' ']) && !host.is_empty() && !host.starts_with("sha256:");
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    user.is_some_and(|user| !user.is_empty() && user != "git")
        || rest.rsplit_once('@').is_some_and(|(before, _)| before.split('/').next().unwrap_or_default().contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_by_name_and_by_what_they_hold() {
        for (name, value) in [
            ("SSHPASS", "x"),
            ("CI_TOKEN", "x"),
            ("DATABASE_URL", "postgres://u:secret@h/x"),
            ("OTHER", "ghp_0123456789abcdefghij"),
        ] {
            assert!(is_secret_variable(name, value), "{name}");
        }
        for (name, value) in [
            ("DESKTOP_SESSION", "ubuntu"),
            ("SSH_AUTH_SOCK", "/tmp/agent"),
            ("PWD", "/srv/work"),
            ("OLDPWD", "/srv"),
            ("PATH", "/usr/bin:/bin"),
            ("HOME", "/srv/me"),
        ] {
            assert!(!is_secret_variable(name, value), "{name}");
        }
    }

    #[test]
    fn credentials_in_arguments() {
        let secret = Secret::new([7; 32]);
        let hidden = |args: &[&str]| {
            let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
            let mut concealer = Concealer::new(&secret);
            let listed = concealer.args("tool", &args);
            assert_eq!(listed.len(), args.len());
            concealer.into_concealed()
        };
        assert_eq!(hidden(&["repo", "list", "--limit", "5"]), Vec::<String>::new());
        assert_eq!(
            hidden(&["ssh://git@host/x", "-u", "HEAD", "basics", "page=2", "-p", "22", "-upstream", "https://h/@a/b"]),
            Vec::<String>::new()
        );
        assert_eq!(
            hidden(&["-u", "1000:1000", "date", "-u", "+%H:%M", "git@host:a/b", "nginx:1.2@sha256:ab", "a@b"]),
            Vec::<String>::new()
        );
        assert_eq!(hidden(&["-c", "find . -type f -print0 && ls -u x", "-path"]), Vec::<String>::new());
        for args in [
            &["-x", "ghp_0123456789abcdefghij"][..],
            &["-H", "Authorization: Bearer me"],
            &["x", "https://me:pass@host/"],
            &["x", "https://host/?a=1&api_key=me"],
            &["--token", "me"],
            &["x", "--api-key=me"],
            &["--password", "me"],
            &["-u", "alice:me"],
            &["x", "--user=alice:me"],
            &["x", "https://me@host/x"],
            &["x", "Bearer me"],
            &["--apitoken", "me"],
            &["--pw", "me"],
            &["--passcode", "me"],
            &["x", "SSHPASS=me"],
            &["x", "-pme"],
            &["x", "-ualice:me"],
            &["-c", "mysql --password me; echo a"],
            &["-c", "curl -u alice:me https://host/"],
            &["x", "https://me:pa/ss@host/"],
            &["x", "--env=DB_PASSWORD=me"],
            &["-e", "DB_PASSWORD=me"],
            &["x", "--set=auth.token=me"],
            &["x", "--from-literal=password=me"],
            &["-d", r#"{"api_key":"me"}"#],
            &["-d", r#"{ "a": 1, "api_key" : "me" }"#],
            &["-d", r#"{\"token\":\"me\"}"#],
            &["-d", "api_key%3Dme"],
            &["x", r#"--json={"token":"me"}"#],
            &["--oauth2-bearer", "me"],
            &["--proxy-user", "alice:me"],
            &["x", "--proxy-user=alice:me"],
            &["-U", "alice:me"],
            &["x", "-Ualice:me"],
            &["-su", "alice:me"],
            &["-a", "alice:me"],
            &["-U", "alice%me"],
            &["-x", "alice:me@proxy:3128"],
            &["x", "//alice:me@host/"],
            &["x", "/p:me"],
            &["--psk", "me"],
            &["x", "X-Remote-User: me"],
            &["x", "next=https%3A%2F%2Falice%3Ame%40host%2F"],
            &["--passphrase", "me"],
            &["x", "pass:me"],
            &["x", "https://host/a;token=me"],
            &["x", "https://host/?url=https%3A%2F%2Fh%2F%3Ftoken%3Dme"],
            &["-f", "password=me"],
            &["-b", "session=me"],
            &["-c", "mysql --user=alice -pme"],
            &["-c", "sudo sshpass -p me ssh host"],
            &["-c", "/usr/bin/redis-cli -a me get x"],
            &["-c", "curl -HAuthorization:me https://host/"],
            &["-u", "12345:67890123"],
            &["--pass-phrase", "me"],
            &["--login", "alice:me"],
            &["aws_secret_access_key", "me"],
        ] {
            assert_eq!(hidden(args), ["argument 2"], "{args:?}");
        }
    }

    #[test]
    fn a_long_argument_takes_no_longer_than_its_length() {
        let began = std::time::Instant::now();
        for part in ["1:", ":", "a=", "\"a\": ", "-p x ", "-u a:b ", "a/b?c=d&", "%3d"] {
            let _found = holds_credential(&part.repeat(60_000 / part.len()));
        }
        // Seconds; what takes time by the square of its length takes minutes.
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
    }

    #[test]
    fn passwords_of_tools_that_do_not_call_them_so() {
        let secret = Secret::new([7; 32]);
        let hidden = |tool: &str, args: &[&str]| {
            let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
            let mut concealer = Concealer::new(&secret);
            concealer.args(tool, &args);
            concealer.into_concealed()
        };
        assert_eq!(hidden("sshpass", &["-p", "me", "ssh", "host"]), ["argument 2"]);
        assert_eq!(hidden("sudo", &["/usr/bin/sshpass", "-p", "me", "ssh", "host"]), ["argument 3"]);
        assert_eq!(hidden("redis-cli", &["-h", "host", "-a", "me"]), ["argument 4"]);
        assert_eq!(hidden("influx", &["query", "-t", "me"]), ["argument 3"]);
        assert_eq!(hidden("ldapsearch", &["-w", "me", "-x"]), ["argument 2"]);
        assert_eq!(hidden("docker", &["run", "-p", "127.0.0.1:80:80", "nginx"]), Vec::<String>::new());
        assert_eq!(hidden("mkdir", &["-p", "folder"]), Vec::<String>::new());
    }

    #[test]
    fn concealed_values_still_differ_and_are_not_shown() {
        let (one, two) = (Secret::new([1; 32]), Secret::new([2; 32]));
        let value = |secret, value| Concealer::new(secret).variable("MY_TOKEN", value);
        assert_ne!(value(&one, "canary-a"), value(&one, "canary-b"));
        assert_ne!(value(&one, "canary-a"), value(&two, "canary-a"));
        assert_eq!(value(&one, "canary-a"), value(&one, "canary-a"));
        assert!(!String::from_utf8_lossy(&value(&one, "canary-a").canonical()).contains("canary"));
    }

    #[test]
    fn plain_variables_stay_readable() {
        let secret = Secret::new([1; 32]);
        assert_eq!(Concealer::new(&secret).variable("GH_HOST", "a.example"), Json::String("a.example".into()));
    }
}
