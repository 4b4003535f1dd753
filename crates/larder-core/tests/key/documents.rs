//! Generated documents for a check against another implementation:
//!
//! ```text
//! LARDER_DOCUMENTS=/tmp/documents.jsonl cargo test -p larder-core --test key -- --ignored documents
//! python3 crates/larder-core/tests/vectors/check.py --documents /tmp/documents.jsonl
//! ```

use crate::generate::document;
use larder_core::Question;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use std::{env, fs};

const COUNT: usize = 12_000;

fn line(text: &str) -> String {
    let question = Question::parse(text.as_bytes()).ok();
    let canonical = question.as_ref().map(|question| String::from_utf8(question.canonical()).unwrap());
    let key = question.map(|question| question.key().to_string());
    serde_json::json!({ "text": text, "canonical": canonical, "key": key }).to_string()
}

/// Refused texts are written as well: the other implementation has to refuse them, too.
#[test]
#[ignore = "writes a file for check.py"]
fn documents() {
    let path = env::var("LARDER_DOCUMENTS").expect("`LARDER_DOCUMENTS` names the file to write");
    let (documents, mut runner) = (document(), TestRunner::deterministic());
    let lines: Vec<_> = (0..COUNT).map(|_| line(&documents.new_tree(&mut runner).unwrap().current())).collect();
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

#[test]
fn generated_documents_are_mostly_accepted_and_sometimes_refused() {
    let (documents, mut runner) = (document(), TestRunner::deterministic());
    let texts = (0..500).map(|_| documents.new_tree(&mut runner).unwrap().current());
    let accepted = texts.filter(|text| Question::parse(text.as_bytes()).is_ok()).count();
    assert!((250..500).contains(&accepted), "{accepted} of 500");
}
