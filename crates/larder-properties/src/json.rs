//! Canonical JSON and the question's document.

use crate::{
    reader::{self, Document, Refused},
    respell::respelled,
};
use larder_core::{Json, QueryKey, Question, json::MAX_DEPTH};

/// The input is one JSON text, or two with a zero byte between them.
///
/// What is accepted is what an independent reader of docs/design/key.md accepts, and its canonical form is the one that
/// reader writes: so two documents have one form if and only if they are one value. The form is stable, and any other
/// spelling has the same. A text that is a question reads back as itself, and its key is its form's CID.
pub fn json(input: &[u8]) {
    let mut texts = input.splitn(2, |byte| *byte == 0);
    let first = texts.next().and_then(one);
    let second = texts.next().and_then(one);
    if let (Some(first), Some(second)) = (first, second) {
        assert_eq!(first.0 == second.0, first.1 == second.1, "one form for one value: {first:?} {second:?}");
    }
    question(input);
}

/// The value and its canonical form.
fn one(text: &[u8]) -> Option<(Json, Vec<u8>)> {
    let (ours, theirs) = (Json::parse(text), reader::read(text, MAX_DEPTH));
    let (value, document) = match (ours, theirs) {
        (Ok(value), Ok(document)) => (value, document),
        (Err(error), Err(_)) => {
            assert!(error.offset <= text.len(), "{error}");
            return None;
        }
        (ours, theirs) => panic!("two readers disagree: {ours:?} {theirs:?}"),
    };
    let canonical = value.canonical();
    assert_eq!(String::from_utf8(canonical.clone()).unwrap(), document.canonical());
    again(&canonical, &value);
    again(respelled(&document).as_bytes(), &value);
    pointers(&value, &document);
    Some((value, canonical))
}

/// Another spelling of `value`.
fn again(text: &[u8], value: &Json) {
    let read = Json::parse(text).unwrap();
    assert_eq!(read, *value);
    assert_eq!(read.canonical(), value.canonical());
    assert!(!matches!(reader::read(text, MAX_DEPTH), Err(Refused::Syntax)));
}

/// Every member is found by its pointer, and only it is taken out.
fn pointers(value: &Json, document: &Document) {
    let Document::Members(members) = document else { return };
    for (name, member) in members {
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        let found = value.pointer(&pointer).map(Json::canonical);
        assert_eq!(found, Some(member.canonical().into_bytes()), "{pointer}");
        let mut rest = value.clone();
        assert!(rest.remove_pointer(&pointer).is_some() && rest.pointer(&pointer).is_none());
        assert_eq!(rest.as_object().map(|rest| rest.len() + 1), Some(members.len()));
    }
}

fn question(text: &[u8]) {
    let Ok(question) = Question::parse(text) else { return };
    let canonical = question.canonical();
    assert_eq!(question.document().canonical(), canonical);
    assert_eq!(question.key(), QueryKey::of(&canonical));
    assert_eq!(Question::parse(&canonical).unwrap().canonical(), canonical);
    let theirs = reader::read(text, MAX_DEPTH + 4).expect("a question is JSON");
    assert_eq!(Question::parse(respelled(&theirs).as_bytes()).unwrap().key(), question.key());
}
