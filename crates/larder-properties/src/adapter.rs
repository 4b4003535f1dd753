//! Adapter files, and what they say of requests.

use crate::{
    asked::{self, Asked, Judge},
    key, tool,
};
use larder_core::adapter::{
    Adapter, Diagnostic,
    harness::{self, Files},
};

/// What separates the sections of an input.
const RULE: &str = "\n---\n";

/// The input is an adapter file and, behind lines of `---`, what it is asked: a test file (it begins with `format`), a command
/// line (`$ …`), or a request (`METHOD /path`, header lines, an empty line, a body).
///
/// Whatever is refused is refused with its line. Of whatever is accepted everything holds that holds of a built-in adapter's
/// judgements, for the given requests and for one to each of its own routes.
pub fn adapter(input: &[u8]) {
    let Some(text) = std::str::from_utf8(input).ok().filter(|_| !asked::holds_canary(input)) else { return };
    let mut sections = text.split(RULE);
    let file = sections.next().unwrap_or_default();
    match Adapter::parse(file, "a.toml") {
        Ok(adapter) => accepted(file, &adapter, sections),
        Err(problems) => {
            assert!(!problems.is_empty());
            located(&problems, "a.toml", file);
        }
    }
}

fn located(problems: &[Diagnostic], file: &str, text: &str) {
    let lines = text.split('\n').count();
    for problem in problems {
        assert!(problem.file == file && (1..=lines).contains(&problem.line), "{problem}");
        assert!(!problem.what.is_empty() && problem.to_string().starts_with(&format!("{file}:{}: ", problem.line)));
    }
}

fn accepted<'a>(file: &str, adapter: &Adapter, sections: impl Iterator<Item = &'a str>) {
    let judge = Judge::new(Some(adapter));
    own(adapter).iter().take(16).for_each(|asked| key::http(&judge, asked));
    for section in sections.take(6) {
        let (line, rest) = section.split_once('\n').unwrap_or((section, ""));
        if let Some(line) = line.strip_prefix("$ ") {
            tool::run(Some(adapter), line, rest.as_bytes());
        } else if section.starts_with("format") {
            let report = harness::run(file, section, Files { adapter: "a.toml", tests: "b.toml" });
            located(&report.problems, "b.toml", section);
        } else if let Some(asked) = Asked::parse(line, rest.as_bytes()) {
            key::http(&judge, &asked);
        }
    }
}

/// A request to each of its routes.
fn own(adapter: &Adapter) -> Vec<Asked> {
    let rules = adapter.operations.iter().filter_map(|operation| operation.http.as_ref());
    let routes = rules.flat_map(|rule| rule.routes.iter().map(|route| (filled(route.as_str()), route.has_body())));
    routes
        .filter_map(|(line, has_body)| {
            let rest =
                if has_body { "content-type: application/json\n\n{\"a\":{\"b\":[1]},\"stream\":true}" } else { "" };
            Asked::parse(&line, rest.as_bytes())
        })
        .collect()
}

/// `/models/{model}` with something in its placeholders.
fn filled(template: &str) -> String {
    let mut text = String::new();
    for (at, part) in template.split('{').enumerate() {
        match part.split_once('}').filter(|_| at > 0) {
            Some((hole, after)) => {
                text.push_str(if hole.ends_with("...") || hole.contains(':') { "a/b" } else { "a" });
                text.push_str(after);
            }
            None => text.push_str(part),
        }
    }
    text
}
