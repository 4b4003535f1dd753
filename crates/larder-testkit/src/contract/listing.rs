//! What is there is listed, newest first.

use super::{Subject, probe::of};
use crate::{
    clock::START,
    entry::{key, record, with_body},
};
use larder::tier::Selection;
use std::time::Duration;

pub(super) fn listing(subject: &Subject) {
    for n in 0..20u64 {
        let at = START.plus(Duration::from_secs(n));
        let mut record = record(&format!("q{n}"), b"x", at);
        record.operation = if n % 2 == 0 { "even" } else { "odd" }.to_owned();
        subject.put(with_body(record, b"x"), at);
    }
    let now = START.plus(Duration::from_secs(60));
    let list = |what: &Selection, limit| subject.list(what, limit, now);
    let (all, newest) = (list(&Selection::default(), 100), list(&Selection::default(), 3));
    let even = list(&of(None, Some("even")), 100);
    let prefix = key("q5").to_string()[..12].to_owned();
    let few = list(&Selection { prefix: Some(prefix), ..Selection::default() }, 100);
    let one = list(&Selection { key: Some(key("q5")), ..Selection::default() }, 100);
    assert!(list(&of(Some("nobody"), None), 100).is_empty() && list(&Selection::default(), 0).is_empty());
    let late = START.plus(Duration::from_secs(3600 + 10));
    let left = subject.list(&Selection::default(), 100, late);
    if subject.forgets {
        return;
    }
    assert_eq!((all.len(), newest.len(), even.len(), one.len()), (20, 3, 10, 1));
    assert_eq!(newest.iter().map(|entry| entry.record.key).collect::<Vec<_>>(), ["q19", "q18", "q17"].map(key));
    assert!(few.iter().any(|entry| entry.record.key == key("q5")) && few.len() < 20);
    assert_eq!(left.len(), 9, "what is past its time is not listed");
}
