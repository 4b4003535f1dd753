//! The harness: runs an adapter's test file against the adapter, without any network.

mod outcome;
mod setup;

use super::{
    Adapter, Diagnostic,
    document::{Document, Section, Table, Word, word},
    file::read_format,
};
use outcome::Outcome;
use setup::Setup;
use std::collections::BTreeSet;

/// The words at the top of a test file.
pub(crate) static FILE: Section = Section {
    title: "the test file's top",
    says: "`NAME.test.toml` beside `NAME.toml`: requests or command lines, and what must come out. Every operation needs a \
           case, and at least one case is passed through.",
    words: &[&[word("format", "`1`", "Version of this format."), word("case", "list of tables", "The cases.")]],
};

/// The words that describe a request, a call or a command line.
static SETUP: &[Word] = &[
    word("request", "text", "The request line, such as `POST /v1/chat/completions`."),
    word(
        "headers",
        "table of texts",
        "Its headers. In a change: added to those of the case; an empty text takes one away.",
    ),
    word("json", "text", "Its body, with `content-type: application/json` where `headers` has no other."),
    word("body", "text", "Its body, as it is."),
    word("call", "list of text", "Instead of a request: the call's parameters, `name=value` or `name:=JSON`."),
    word("command", "text or list of text", "Instead of a request: the command line. A text is cut at its blanks."),
    word("env", "table of texts", "The command's variables. In a change: added to those of the case."),
    word("cwd", "text", "The command's working directory, as its rule sees it (a path, or remotes)."),
    word("team", "`true` or `false`", "The user chose `--share team`."),
];

/// The words of `[[case]]`.
pub(crate) static CASE: Section = Section {
    title: "[[case]]",
    says: "One case. A kept one says `operation`, `ttl` and `share`; a passed-through one says `pass`.",
    words: &[
        SETUP,
        &[
            word("operation", "text", "The operation that must come out."),
            word("ttl", "length of time", "The ttl that must come out."),
            word("share", "`credential`, `team` or `anonymous`", "The share that must come out."),
            word("variant", "text", "The variant that must come out; not looked at where it is not said."),
            word("pass", "text", "It must be passed through, for a reason that contains this."),
            word("invalidates", "list of names", "What a write must make stale."),
            word("same", "list of changes", "Changes of the case that must have the same key."),
            word("different", "list of changes", "Changes of the case that must be kept under other keys."),
        ],
    ],
};

/// The words of a change.
pub(crate) static CHANGE: Section = Section {
    title: "same = [{ … }]",
    says: "What differs from the case: any of its words, or a patch of its JSON body.",
    words: &[SETUP, &[word("merge", "text", "A JSON merge patch (RFC 7396) of the case's `json`.")]],
};

/// What became of a test file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many cases were run, changes included.
    pub cases: usize,
    /// What was wrong.
    pub problems: Vec<Diagnostic>,
}

/// Names of the two files, for messages.
#[derive(Clone, Copy, Debug)]
pub struct Files<'a> {
    /// The adapter's.
    pub adapter: &'a str,
    /// The test's.
    pub tests: &'a str,
}

/// Runs a test file against an adapter file. A file that cannot be read is a report with problems, too.
#[must_use]
pub fn run(adapter: &str, tests: &str, files: Files<'_>) -> Report {
    let adapter = match Adapter::parse(adapter, files.adapter) {
        Ok(adapter) => adapter,
        Err(problems) => return Report { cases: 0, problems },
    };
    let doc = Document::new(tests, files.tests);
    let mut cases = 0;
    if let Some(toml) = doc.toml() {
        let file = Table::open(&doc, &FILE, toml.get_ref(), 0..0);
        read_format(&file);
        let mut seen = Seen::default();
        for case in file.tables("case", &CASE) {
            cases += run_case(&adapter, &case, &mut seen);
        }
        seen.check(&adapter, &file);
    }
    Report { cases, problems: doc.into_problems() }
}

/// What the cases have covered.
#[derive(Debug, Default)]
struct Seen {
    operations: BTreeSet<String>,
    passed: bool,
}

impl Seen {
    fn check(&self, adapter: &Adapter, file: &Table<'_>) {
        for operation in adapter.operations.iter().filter(|operation| !self.operations.contains(&operation.name)) {
            file.report(
                "case",
                format!("no case comes out as operation `{}`", operation.name),
                "write a `[[case]]` for it",
            );
        }
        if !self.passed {
            file.report("case", "no case is passed through", "write a `[[case]]` with `pass = \"…\"`");
        }
    }
}

/// Runs one case and its changes; how many runs that were.
fn run_case(adapter: &Adapter, case: &Table<'_>, seen: &mut Seen) -> usize {
    let setup = Setup::read(case);
    let outcome = match setup.run(adapter, case) {
        Ok(outcome) => outcome,
        Err(what) => {
            case.doc.report(&case.span, what, None);
            return 1;
        }
    };
    seen.operations.extend(outcome.operation().map(str::to_owned));
    seen.passed |= matches!(outcome, Outcome::Passed { .. });
    outcome.check(case);
    1 + changes(adapter, case, &setup, &outcome, "same") + changes(adapter, case, &setup, &outcome, "different")
}

fn changes(adapter: &Adapter, case: &Table<'_>, setup: &Setup, base: &Outcome, word: &str) -> usize {
    let changes = case.tables(word, &CHANGE);
    for change in &changes {
        let problem = match setup.changed(change).and_then(|setup| setup.run(adapter, case)) {
            Ok(outcome) => base.compare(&outcome, word == "same"),
            Err(what) => Some(what),
        };
        if let Some(what) = problem {
            change.doc.report(&change.span, what, None);
        }
    }
    changes.len()
}

#[cfg(test)]
mod tests;
