//! `[[operation]]`.

use super::{
    answer::AnswerRule,
    answer_words,
    condition::Condition,
    document::{Section, Table, Word, word},
    file::check_name,
    http::{self, Http, HttpRule},
    tool::ToolRule,
    tool_words,
    ttl::Ttl,
};
use std::time::Duration;

/// The words that HTTP and tool operations share.
static SHARED: &[Word] = &[
    word("name", "text", "The operation's name."),
    word("write", "`true` or `false`", "It changes something: passed through, and never kept."),
    word(
        "invalidates",
        "list of names",
        "Operations whose answers a write makes stale, before it and after it, unless the origin has refused it (4xx).",
    ),
    word("ttl", "length of time, or list of `{ when = …, ttl = … }`", "How long the answer is fresh."),
    word(
        "stale-while-revalidate",
        "length of time",
        "For so much longer it may be served while it is asked again (RFC 5861 §3).",
    ),
    word(
        "stale-if-error",
        "length of time",
        "For so much longer it may be served when the origin fails (RFC 5861 §4).",
    ),
    word(
        "freshness",
        "`rule` or `origin`",
        "Whose word on freshness comes first: the ttl's (the default), or the origin's, and the ttl where it is silent.",
    ),
    word(
        "share",
        "`credential` or `team`",
        "The widest share that the user may choose. `team` where the answer does not depend on who asks.",
    ),
    word("finish", "`true` or `false`", "Go on when nobody listens any more: the answer is paid for."),
];

/// The words of `[[operation]]`.
pub(crate) static OPERATION: Section = Section {
    title: "[[operation]]",
    says: "One operation: how its requests (or command lines) look, and how long its answers live.",
    words: &[SHARED, http::WORDS, answer_words::WORDS, tool_words::WORDS],
};

/// One operation of a service or a tool.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its name.
    pub name: String,
    /// It changes something: passed through.
    pub write: bool,
    /// Operations whose answers it makes stale.
    pub invalidates: Vec<String>,
    /// How long answers are fresh.
    pub ttl: Ttl,
    /// Served for so much longer while it is asked again.
    pub stale_while_revalidate: Duration,
    /// Served for so much longer when the origin fails.
    pub stale_if_error: Duration,
    /// The origin's word on freshness comes first.
    pub from_origin: bool,
    /// A team may share the answers.
    pub team: bool,
    /// Go on when nobody listens any more.
    pub finish: bool,
    /// What makes an answer complete and what it says of itself (HTTP operations).
    pub answer: AnswerRule,
    /// How its requests look (HTTP operations).
    pub http: Option<HttpRule>,
    /// How its command lines look (tool operations).
    pub tool: Option<ToolRule>,
}

/// What the file says outside the operation.
#[derive(Debug)]
pub(crate) struct Owner<'a> {
    /// `[http]`, where it could be read.
    pub(crate) http: Option<&'a Http>,
    /// There is an `[http]`.
    pub(crate) has_http: bool,
    /// There is a `[tool]`.
    pub(crate) tool: bool,
}

impl Operation {
    /// Reads one; what is wrong is reported.
    pub(crate) fn read(table: &Table<'_>, owner: &Owner<'_>) -> Option<Self> {
        let name = table.required_text("name");
        name.iter().for_each(|name| check_name(table.doc, "name", name));
        let is_tool = tool_words::WORDS.iter().any(|word| table.has(word.name));
        check_kind(table, owner, is_tool);
        let http = owner.http.filter(|_| table.has("when")).map(|http| HttpRule::read(table, http));
        let write = table.flag("write");
        let ttl = Ttl::read(table);
        check_write(table, write);
        if let Some(rule) = &http {
            check_ttl(table, rule, ttl.as_ref());
        }
        Some(Self {
            write,
            invalidates: table.texts("invalidates").into_iter().map(|(name, _)| name).collect(),
            ttl: ttl.unwrap_or_default(),
            stale_while_revalidate: table.duration("stale-while-revalidate").unwrap_or_default(),
            stale_if_error: table.duration("stale-if-error").unwrap_or_default(),
            from_origin: one_of(table, "freshness", ["rule", "origin"]),
            team: one_of(table, "share", ["credential", "team"]),
            finish: table.flag("finish"),
            answer: answer_words::read(table),
            tool: if is_tool { tool_words::read_rule(table) } else { None },
            http,
            name: name?.0,
        })
    }
}

impl Operation {
    /// Whether a request of it cannot be judged without looking into its body.
    pub(crate) fn needs_body(&self) -> bool {
        let mut conditions = self.ttl.cases.iter().flat_map(|(when, _)| when);
        conditions.any(Condition::is_about_body) || self.http.as_ref().is_some_and(HttpRule::needs_body)
    }
}

/// One of two words, the first being the default; whether it is the second.
fn one_of(table: &Table<'_>, word: &str, choices: [&str; 2]) -> bool {
    let Some((text, _)) = table.text(word) else { return false };
    if !choices.contains(&text.as_str()) {
        table.report(word, format!("`{word}` is `{text}`, expected `{}` or `{}`", choices[0], choices[1]), None);
    }
    text == choices[1]
}

/// An operation is either one of HTTP or one of a tool, and the file must have the table that goes with it.
fn check_kind(table: &Table<'_>, owner: &Owner<'_>, is_tool: bool) {
    let only_http = || http::WORDS.iter().chain(answer_words::WORDS).map(|word| word.name).find(|name| table.has(name));
    match (is_tool, owner.tool, table.has("when")) {
        (true, false, _) => {
            table.report("name", "an operation with a tool's words, and no `[tool]`", "write a `[tool]` table")
        }
        (true, true, _) => {
            if let Some(name) = only_http() {
                table.report(name, format!("`{name}` speaks of HTTP, and this operation is a tool's"), None);
            }
        }
        (false, _, true) if !owner.has_http => {
            table.report("when", "`when` speaks of HTTP, and there is no `[http]`", "write an `[http]` table");
        }
        (false, _, true) => {}
        (false, true, false) => {}
        (false, false, false) => table.missing("when"),
    }
}

fn check_write(table: &Table<'_>, write: bool) {
    let kept = [
        "ttl",
        "stale-while-revalidate",
        "stale-if-error",
        "freshness",
        "share",
        "finish",
        "variant",
        "ignore",
        "pass-when",
    ];
    let kept = kept.into_iter().chain(answer_words::WORDS.iter().map(|word| word.name));
    match write {
        true => kept.filter(|word| table.has(word)).for_each(|word| {
            table.report(word, format!("`{word}` speaks of an answer that is kept, and this operation writes"), None);
        }),
        false if !table.has("ttl") && !table.flag("untouched") => table.missing("ttl"),
        false if table.has("invalidates") => {
            table.report(
                "invalidates",
                "`invalidates` stands in an operation that does not write",
                "add `write = true`",
            );
        }
        false => {}
    }
}

fn check_ttl(table: &Table<'_>, rule: &HttpRule, ttl: Option<&Ttl>) {
    let conditions = ttl.iter().flat_map(|ttl| &ttl.cases).flat_map(|(when, _)| when);
    conditions.for_each(|condition| rule.check_place(table, "ttl", &condition.at));
}
