//! What was put is what is got.

use super::{Subject, probe::get};
use crate::{
    clock::START,
    entry::{entry, key, record, want, with_body},
};
use http::HeaderMap;
use larder::{Entry, tier::Selection};
use larder_core::{Variant, record::Want};
use std::time::Duration;

pub(super) fn read_your_write(subject: &Subject) {
    subject.expect(&want("a"), START, None);
    let whole = entry("a", b"answer", START);
    subject.put(whole.clone(), START);
    for _ in 0..3 {
        subject.expect(&want("a"), START, Some(b"answer"));
        if let Some(found) = get(&subject.tier, &want("a"), START) {
            assert_eq!(found.record, whole.record, "the record came back changed");
        }
    }
}

pub(super) fn another_key_never_answers(subject: &Subject) {
    for n in 0..200 {
        subject.put(entry(&format!("q{n}"), format!("a{n}").as_bytes(), START), START);
    }
    for n in 0..200 {
        subject.expect(&want(&format!("q{n}")), START, Some(format!("a{n}").as_bytes()));
        subject.expect(&want(&format!("other{n}")), START, None);
    }
}

pub(super) fn replacement(subject: &Subject) {
    let later = START.plus(Duration::from_secs(1));
    subject.put(entry("a", b"old", START), START);
    subject.expect(&want("a"), START, Some(b"old"));
    subject.put(entry("a", b"new and longer", later), later);
    subject.expect(&want("a"), later, Some(b"new and longer"));
    let listed = subject.list(&Selection::default(), 10, later);
    assert!(listed.len() <= 1, "a replaced entry is still listed: {listed:?}");
    // The same bytes under two keys: replacing one of them leaves the other.
    let shared = vec![b'x'; 100 << 10];
    subject.put(entry("b", &shared, later), later);
    subject.put(entry("c", &shared, later), later);
    subject.put(entry("b", b"other", later), later);
    subject.expect(&want("b"), later, Some(b"other"));
    subject.expect(&want("c"), later, Some(&shared));
}

/// A form of the answer to `a`: its variant, the language that it varies by, its body.
pub(super) fn form(variant: &str, language: Option<&str>, body: &[u8]) -> Entry {
    let mut record = record("a", body, START);
    record.variant = Variant(variant.to_owned());
    record.vary = language.map(|value| ("accept-language".to_owned(), Some(value.to_owned()))).into_iter().collect();
    with_body(record, body)
}

/// A wish for a form of the answer to `a`.
pub(super) fn wanted(variant: &str, language: &str) -> Want {
    let mut headers = HeaderMap::new();
    if let Ok(value) = language.parse() {
        headers.insert("accept-language", value);
    }
    Want { key: key("a"), variant: Variant(variant.to_owned()), headers }
}

pub(super) fn variants_and_vary(subject: &Subject) {
    subject.put(form("", Some("de"), b"plain de"), START);
    subject.put(form("", Some("en"), b"plain en"), START);
    subject.put(form("stream", None, b"stream"), START);
    for _ in 0..2 {
        subject.expect(&wanted("", "de"), START, Some(b"plain de"));
        subject.expect(&wanted("", "en"), START, Some(b"plain en"));
        subject.expect(&wanted("", "fr"), START, None);
        subject.expect(&wanted("stream", "fr"), START, Some(b"stream"));
        subject.expect(&wanted("other", "de"), START, None);
    }
    // Replacing one form leaves the others.
    subject.put(form("", Some("de"), b"plain de, anew"), START);
    subject.expect(&wanted("", "de"), START, Some(b"plain de, anew"));
    subject.expect(&wanted("", "en"), START, Some(b"plain en"));
    subject.expect(&wanted("stream", "fr"), START, Some(b"stream"));
    // All of them go with their key.
    if !subject.remove(&Selection { key: Some(key("a")), ..Selection::default() }, START, 3) {
        return;
    }
    for want in [wanted("", "de"), wanted("", "en"), wanted("stream", "fr")] {
        subject.expect(&want, START, None);
    }
}

pub(super) fn the_newest_form_that_fits(subject: &Subject) {
    subject.put(form("", None, b"for everybody"), START);
    subject.expect(&wanted("", "de"), START, Some(b"for everybody"));
    subject.put(form("", Some("de"), b"for de"), START);
    subject.expect(&wanted("", "de"), START, Some(b"for de"));
    subject.expect(&wanted("", "fr"), START, Some(b"for everybody"));
    subject.put(form("", None, b"for everybody, anew"), START);
    subject.expect(&wanted("", "de"), START, Some(b"for everybody, anew"));
    subject.expect(&wanted("", "fr"), START, Some(b"for everybody, anew"));
}
