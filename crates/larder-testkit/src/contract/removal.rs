//! What is removed is gone, and nothing else.

use super::{Subject, probe::of};
use crate::{
    clock::START,
    entry::{OPERATION, SERVICE, entry, key, record, want, with_body},
};
use larder::{Entry, tier::Selection};

fn named(question: &str, service: &str, operation: &str, generation: u64) -> Entry {
    let mut record = record(question, question.as_bytes(), START);
    (record.service, record.operation) = (service.to_owned(), operation.to_owned());
    Entry { generation, ..with_body(record, question.as_bytes()) }
}

pub(super) fn by_key(subject: &Subject) {
    for question in ["a", "b"] {
        subject.put(entry(question, question.as_bytes(), START), START);
        subject.expect(&want(question), START, Some(question.as_bytes()));
    }
    let what = Selection { key: Some(key("a")), ..Selection::default() };
    // The key is not of that service: nothing is selected.
    subject.remove(&Selection { service: Some("other".to_owned()), ..what.clone() }, START, 0);
    subject.expect(&want("a"), START, Some(b"a"));
    if subject.remove(&what, START, 1) {
        subject.expect(&want("a"), START, None);
        subject.remove(&what, START, 0);
    }
    subject.expect(&want("b"), START, Some(b"b"));
    subject.put(entry("a", b"anew", START), START);
    subject.expect(&want("a"), START, Some(b"anew"));
}

pub(super) fn by_operation_and_service(subject: &Subject) {
    let cases = [
        (of(Some("s1"), Some("o1")), [("s1", "o1", false), ("s1", "o2", true), ("s2", "o1", true)]),
        (of(Some("s1"), None), [("s1", "o1", false), ("s1", "o2", false), ("s2", "o1", true)]),
        (of(None, Some("o1")), [("s1", "o1", false), ("s1", "o2", true), ("s2", "o1", false)]),
    ];
    for (what, rows) in cases {
        for (service, operation, _) in rows {
            let question = format!("{service}/{operation}");
            let generation = subject.generation(service, operation);
            subject.put(named(&question, service, operation, generation), START);
            subject.expect(&want(&question), START, Some(question.as_bytes()));
        }
        let gone = rows.iter().filter(|(_, _, stays)| !stays).count() as u64;
        if !subject.remove(&what, START, gone) {
            continue;
        }
        for (service, operation, stays) in rows {
            let question = format!("{service}/{operation}");
            subject.expect(&want(&question), START, stays.then_some(question.as_bytes()));
        }
    }
}

pub(super) fn by_prefix(subject: &Subject) {
    let questions: Vec<String> = (0..150).map(|n| format!("q{n}")).collect();
    for question in &questions {
        subject.put(entry(question, question.as_bytes(), START), START);
        subject.expect(&want(question), START, Some(question.as_bytes()));
    }
    let prefix = key("q7").to_string()[..9].to_owned();
    let what = Selection { prefix: Some(prefix.clone()), ..Selection::default() };
    let gone = |question: &String| key(question).to_string().starts_with(&prefix);
    let expected = questions.iter().filter(|question| gone(question)).count() as u64;
    assert!(expected >= 1, "the prefix selects nothing");
    let is_removed = subject.remove(&what, START, expected);
    for question in questions.iter().filter(|question| is_removed || !gone(question)) {
        subject.expect(&want(question), START, (!gone(question)).then_some(question.as_bytes()));
    }
    let nobodys = Selection { prefix: Some("bafy".to_owned()), ..Selection::default() };
    subject.remove(&nobodys, START, 0);
}

pub(super) fn of_everything(subject: &Subject) {
    for question in ["a", "b"] {
        subject.put(entry(question, b"x", START), START);
    }
    if subject.remove(&Selection::default(), START, 2) {
        subject.expect(&want("a"), START, None);
        subject.expect(&want("b"), START, None);
        assert!(subject.list(&Selection::default(), 10, START).is_empty());
    }
    let generation = subject.generation(SERVICE, OPERATION);
    subject.put(Entry { generation, ..entry("a", b"anew", START) }, START);
    subject.expect(&want("a"), START, Some(b"anew"));
}

pub(super) fn old_generations_are_dropped(subject: &Subject) {
    let before = subject.generation(SERVICE, OPERATION);
    let what = of(Some(SERVICE), Some(OPERATION));
    let removed = pollster::block_on(subject.tier.remove(&what, START));
    let after = subject.generation(SERVICE, OPERATION);
    assert!(subject.errs || after > before && removed.is_ok(), "an invalidation raises the generation");
    subject.put(Entry { generation: before, ..entry("a", b"asked before", START) }, START);
    if after > before {
        subject.expect(&want("a"), START, None);
    }
    subject.put(Entry { generation: after, ..entry("a", b"asked after", START) }, START);
    subject.expect(&want("a"), START, Some(b"asked after"));
}
