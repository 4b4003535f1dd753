//! `[http]` and the HTTP words of `[[operation]]`.

use super::{
    condition::{self, Condition},
    document::{Section, Table, Text, Word, word},
    place::{self, Place},
    route::{self, Route},
};
use crate::secret;
use std::ops::Range;

/// The words of `[http]`.
pub(crate) static HTTP: Section = Section {
    title: "[http]",
    says: "How a service is reached over HTTP, and what every one of its operations shares.",
    words: &[&[
        word(
            "base-url",
            "text",
            "Where the origin is: scheme, host and base path, without the version path that clients send.",
        ),
        word(
            "env",
            "table of texts",
            "Variables that point clients here: name and the path that follows the service's URL, such as `{ WEATHER_URL = \"/v1\" }`.",
        ),
        word(
            "credentials",
            "list of names",
            "Headers and query parameters that hold credentials, besides those whose names say so anyway. `share = \"team\"` holds only for requests all of whose credentials are named here or under `account`.",
        ),
        word(
            "account",
            "list of names",
            "Headers that choose the account; they enter the credential's digest. `impersonate-*` stands for all that begin so.",
        ),
        word(
            "plain",
            "list of names",
            "Headers, query parameters and placeholders that are no credentials here, although their names say so.",
        ),
        word("headers", "list of names", "Headers that change the answer: they enter every key."),
        word(
            "vary",
            "list of names",
            "Headers that choose the form of the answer: they enter every variant. `accept` always does.",
        ),
        word(
            "default-type",
            "text",
            "The media type of answers to whom accepts anything. `Accept` values that only list it, `*/*` or its `type/*` are one form with no `Accept` at all.",
        ),
    ]],
};

/// The HTTP words of `[[operation]]`.
pub(crate) static WORDS: &[Word] = &[
    word(
        "when",
        "text or list of text",
        "Method and path, such as `GET /v1/models/{model}`. `{name}` fills one segment, `{name:2}` two, `{name...}` all that follow. What a template does not fix is a parameter.",
    ),
    word("match", "list of `{ at = … }`", "Further conditions, all of which must hold."),
    word(
        "pass-when",
        "list of `{ at = … }`",
        "The request is passed through when one of these holds: its answer is not for keeping, or asking does something.",
    ),
    word(
        "ignore",
        "list of places",
        "`/member` and `?name` that do not change the answer and that the answer does not echo: left out of the key.",
    ),
    word(
        "variant",
        "list of places",
        "`/member` and `?name` that choose the form of the answer: in the variant, not in the key. `false` and `null` are as good as absent.",
    ),
    word("headers", "list of names", "Headers that change this operation's answer, besides those under `[http]`."),
];

/// `[http]`: how a service is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Where the origin is, without the version path that clients send. No slash at the end.
    pub base_url: String,
    /// Lines that `larder env` prints: variable name and the path that follows the service's URL (`/v1` or empty).
    pub env: Vec<(String, String)>,
    /// Names of further credentials, lower-case.
    pub credentials: Vec<String>,
    /// Names of headers that choose the account, lower-case; a `*` at the end stands for anything.
    pub account: Vec<String>,
    /// Names that are no credentials here, lower-case.
    pub plain: Vec<String>,
    /// Headers in every key, lower-case.
    pub headers: Vec<String>,
    /// Headers in every variant, lower-case.
    pub vary: Vec<String>,
    /// The media type of answers to whom accepts anything.
    pub default_type: Option<String>,
}

/// What an operation says of its requests.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpRule {
    /// Methods and paths.
    pub routes: Vec<Route>,
    /// Further conditions, all of which must hold.
    pub matches: Vec<Condition>,
    /// Conditions under which the request is passed through.
    pub pass_when: Vec<Condition>,
    /// Left out of the key.
    pub ignore: Vec<Place>,
    /// In the variant, not in the key.
    pub variant: Vec<Place>,
    /// Headers in the key, lower-case.
    pub headers: Vec<String>,
}

impl Http {
    /// Reads `[http]`; what is wrong is reported.
    pub(crate) fn read(table: &Table<'_>) -> Option<Self> {
        let base_url = read_base_url(table);
        Some(Self {
            env: read_env(table),
            credentials: names(table, "credentials"),
            account: read_account(table),
            plain: names(table, "plain"),
            headers: listed_headers(table, "headers"),
            vary: listed_headers(table, "vary"),
            default_type: read_type(table),
            base_url: base_url?,
        })
    }

    /// Whether a header holds a credential here.
    #[must_use]
    pub fn is_credential_header(&self, name: &str) -> bool {
        !contains(&self.plain, name)
            && (secret::is_credential_header(name) || contains(&self.credentials, name) || self.is_account(name))
    }

    /// Whether a query parameter holds a credential here.
    #[must_use]
    pub fn is_credential_parameter(&self, name: &str) -> bool {
        !contains(&self.plain, name) && (secret::is_credential_parameter(name) || contains(&self.credentials, name))
    }

    /// Whether the adapter itself names this credential or account.
    #[must_use]
    pub fn names_credential(&self, name: &str) -> bool {
        contains(&self.credentials, name) || self.is_account(name)
    }

    fn is_account(&self, name: &str) -> bool {
        self.account.iter().any(|known| match known.strip_suffix('*') {
            Some(prefix) => name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)),
            None => known.eq_ignore_ascii_case(name),
        })
    }
}

fn contains(names: &[String], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn read_base_url(table: &Table<'_>) -> Option<String> {
    let (text, _) = table.required_text("base-url")?;
    let uri = text.parse::<http::Uri>().ok();
    let is_origin = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none() && uri.host().is_some()
    });
    if !is_origin || text.ends_with('/') || text.contains(['@', '#']) {
        let hint = "write `http://` or `https://`, a host, and a path without `/` at its end";
        table.report("base-url", format!("`{text}` is not an origin's URL"), hint);
    }
    Some(text)
}

fn read_env(table: &Table<'_>) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for (name, (path, span)) in table.named_texts("env") {
        if !path.is_empty() && (!path.starts_with('/') || path.ends_with('/')) {
            table.doc.report(
                &span,
                format!("`{path}` does not continue a URL"),
                Some("write a path such as `/v1`, or nothing".to_owned()),
            );
        }
        lines.push((name, path));
    }
    lines.sort();
    lines
}

fn read_type(table: &Table<'_>) -> Option<String> {
    let (text, _) = table.text("default-type")?;
    if text.split('/').count() != 2 || text.contains([';', ',', ' ', '*']) {
        table.report("default-type", format!("`{text}` is not a media type"), "write `application/json`");
    }
    Some(text.to_ascii_lowercase())
}

fn names(table: &Table<'_>, word: &str) -> Vec<String> {
    let texts = table.texts(word);
    for (name, span) in
        texts.iter().filter(|(name, _)| name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()))
    {
        table.doc.report(span, format!("`{name}` is not the name of a header or a query parameter"), None);
    }
    texts.iter().map(|(name, _)| name.to_ascii_lowercase()).collect()
}

fn checked_header(table: &Table<'_>, (name, span): &Text) -> Option<String> {
    let checked = place::header_name(name);
    if let Err(what) = &checked {
        table.doc.report(span, what, None);
    }
    checked.ok()
}

fn read_account(table: &Table<'_>) -> Vec<String> {
    let texts = table.texts("account");
    let checked = texts.iter().filter_map(|(name, span)| {
        let stem = name.strip_suffix('*').unwrap_or(name).to_owned();
        checked_header(table, &(stem, span.clone())).map(|_| name.clone())
    });
    checked.collect()
}

/// Header names that enter a key or a variant: none may be a credential.
fn listed_headers(table: &Table<'_>, word: &str) -> Vec<String> {
    let texts = table.texts(word);
    let mut headers: Vec<_> = texts.iter().filter_map(|text| checked_header(table, text)).collect();
    for (name, span) in texts.iter().filter(|(name, _)| secret::is_credential_header(name)) {
        let what = format!("`{name}` is a credential: it never enters a key");
        table.doc.report(span, what, Some("it is in the credential's digest anyway".to_owned()));
    }
    headers.sort();
    headers.dedup();
    headers
}

impl HttpRule {
    /// Reads the HTTP words of an operation; what is wrong is reported.
    pub(crate) fn read(table: &Table<'_>, http: &Http) -> Self {
        let mut headers = listed_headers(table, "headers");
        headers.extend(http.headers.iter().cloned());
        headers.sort();
        headers.dedup();
        let rule = Self {
            routes: read_routes(table, http),
            matches: condition::read_all(table, "match"),
            pass_when: condition::read_all(table, "pass-when"),
            ignore: read_members(table, "ignore"),
            variant: read_members(table, "variant"),
            headers,
        };
        rule.check(table);
        rule
    }

    /// Whether its requests may have a body with parameters.
    #[must_use]
    pub fn has_body(&self) -> bool {
        self.routes.iter().any(Route::has_body)
    }

    /// Whether only the body tells if a request is one of these.
    pub(crate) fn matches_body(&self) -> bool {
        self.matches.iter().any(Condition::is_about_body)
    }

    /// Whether a request cannot be judged without looking into its body.
    pub(crate) fn needs_body(&self) -> bool {
        let members = self.ignore.iter().chain(&self.variant).any(|place| matches!(place, Place::Body(_)));
        members || self.matches_body() || self.pass_when.iter().any(Condition::is_about_body)
    }

    fn check(&self, table: &Table<'_>) {
        for (word, conditions) in [("match", &self.matches), ("pass-when", &self.pass_when)] {
            for condition in conditions {
                self.check_place(table, word, &condition.at);
            }
        }
        for (word, places) in [("ignore", &self.ignore), ("variant", &self.variant)] {
            for place in places {
                self.check_place(table, word, place);
            }
        }
    }

    /// Reports a place that no request of this operation has.
    pub(crate) fn check_place(&self, table: &Table<'_>, word: &str, place: &Place) {
        match place {
            Place::Body(pointer) if !self.has_body() => {
                let what =
                    format!("`{}` is a member of a body, and requests of this method have none", pointer.as_str());
                table.report(word, what, "write `?name` for a query parameter");
            }
            Place::Path(name) if !self.routes.iter().any(|route| route.placeholders().any(|known| known == name)) => {
                table.report(word, format!("`{{{name}}}` is not a placeholder of `when`"), None);
            }
            _ => {}
        }
    }
}

fn read_routes(table: &Table<'_>, http: &Http) -> Vec<Route> {
    let mut routes = Vec::new();
    if table.list("when").is_empty() {
        table.missing("when");
    }
    for (text, span) in table.texts("when") {
        match Route::parse(&text) {
            Ok(route) => {
                check_placeholders(table, http, &route, &span);
                routes.push(route);
            }
            Err(what) => table.doc.report(&span, what, Some(route::HINT.to_owned())),
        }
    }
    let spanning: Vec<_> = routes.iter().flat_map(Route::spanning).map(str::to_owned).collect();
    routes.iter_mut().for_each(|route| route.refuse_slashes(&spanning));
    let bodies = routes.iter().filter(|route| route.has_body()).count();
    // A write has no key: where its parameters stand does not matter.
    if bodies != 0 && bodies != routes.len() && !table.flag("write") {
        table.report(
            "when",
            "some methods of `when` have their parameters in the body, others in the query",
            "write two operations",
        );
    }
    routes
}

/// A placeholder that is named like a credential would stand in the key for all to read, while a call by name, where it is
/// one parameter among others, would leave it out: two questions under one key. A write has no key.
fn check_placeholders(table: &Table<'_>, http: &Http, route: &Route, span: &Range<usize>) {
    let credential = route.placeholders().find(|name| http.is_credential_parameter(name));
    if let (Some(name), false) = (credential, table.flag("write")) {
        let what = format!("`{{{name}}}` is a credential by its name: it would stand in the key");
        let hint = "another name does not make a secret in a path safe; where it is none, list its name under `plain`";
        table.doc.report(span, what, Some(hint.to_owned()));
    }
}

fn read_members(table: &Table<'_>, word: &str) -> Vec<Place> {
    let mut places = Vec::new();
    for (text, span) in table.texts(word) {
        let place = match Place::parse(&text) {
            Ok(place @ (Place::Body(_) | Place::Query(_))) => Ok(place),
            Ok(_) => Err(format!("`{text}` is neither a member of the body nor a query parameter")),
            Err(what) => Err(what),
        };
        let place = place.and_then(|place| if word == "variant" { variant_member(place) } else { Ok(place) });
        match place {
            Ok(place) => places.push(place),
            Err(what) => table.doc.report(&span, what, Some("write `/member` or `?name`".to_owned())),
        }
    }
    places
}

/// A variant's text names its members: their names must not need quoting.
fn variant_member(place: Place) -> Result<Place, String> {
    let name = match &place {
        Place::Body(pointer) => pointer.top_level(),
        Place::Query(name) => Some(name.as_str()),
        _ => None,
    };
    let plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    match name {
        Some(name) if !name.is_empty() && plain(name) => Ok(place),
        _ => {
            Err(format!("{place} cannot choose a variant: only a top-level member of letters, digits, `_` and `-` can"))
        }
    }
}
