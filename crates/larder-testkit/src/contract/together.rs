//! Many at once: whoever reads sees one of the answers that were written, whole, and never an older one than was there
//! when he began.

use super::{
    Subject, is_long,
    probe::get,
    reading::{form, wanted},
};
use crate::{
    clock::START,
    entry::{bytes_of, entry, key, noise, want},
};
use larder::{Entry, tier::Selection};
use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

const WRITERS: usize = 4;

fn rounds() -> usize {
    if is_long() { 400 } else { 40 }
}

/// What writer number `writer` writes in its round `n`: every fifth answer is so large that it has a file of its own.
fn body(writer: usize, n: usize) -> Vec<u8> {
    let mut body = format!("{writer}:{n}:").into_bytes();
    body.extend(noise(if n.is_multiple_of(5) { (80 << 10) + n } else { 10 + n }));
    body
}

/// Whose it is and of which round, if it is whole.
fn read(entry: &Entry) -> (usize, usize) {
    let found = bytes_of(entry);
    let head: Vec<usize> = found
        .split(|byte| *byte == b':')
        .take(2)
        .filter_map(|number| std::str::from_utf8(number).ok()?.parse().ok())
        .collect();
    let [writer, n] = head[..] else { panic!("nobody wrote this") };
    assert!(found == body(writer, n), "the answer of {writer} in round {n} is torn");
    (writer, n)
}

pub(super) fn one_key(subject: &Subject) {
    let (written, over) = ([const { AtomicUsize::new(0) }; WRITERS], AtomicBool::new(false));
    let look = || {
        let before: Vec<usize> = written.iter().map(|n| n.load(Ordering::SeqCst)).collect();
        if let Some(found) = get(&subject.tier, &want("contended"), START) {
            let (writer, n) = read(&found);
            assert!(
                n + 1 >= before[writer],
                "the answer of {writer} in round {n}, though {} had been kept",
                before[writer] - 1
            );
        }
    };
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (written, look) = (&written, &look);
                scope.spawn(move || {
                    for n in 0..rounds() {
                        subject.put(entry("contended", &body(writer, n), START), START);
                        written[writer].store(n + 1, Ordering::SeqCst);
                        look();
                    }
                })
            })
            .collect();
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    look();
                }
            });
        }
        let failed = writers.into_iter().filter_map(|writer| writer.join().err()).count();
        over.store(true, Ordering::SeqCst);
        assert_eq!(failed, 0, "writers that saw a wrong answer");
    });
    let last = get(&subject.tier, &want("contended"), START).map(|found| read(&found).1);
    assert!(subject.forgets && last.is_none() || last == Some(rounds() - 1), "the last write is lost: {last:?}");
}

pub(super) fn many_keys(subject: &Subject) {
    let question = |writer, n| format!("own {writer}:{n}");
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || {
                for n in 0..rounds() {
                    subject.put(entry(&question(writer, n), &body(writer, n), START), START);
                    subject.expect(&want(&question(writer, n)), START, Some(&body(writer, n)));
                }
            });
        }
    });
    // The newest are there: a tier in memory need not have room for all.
    for (writer, n) in (0..WRITERS).flat_map(|writer| (rounds() - 20..rounds()).map(move |n| (writer, n))) {
        subject.expect(&want(&question(writer, n)), START, Some(&body(writer, n)));
    }
}

pub(super) fn many_forms(subject: &Subject) {
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || {
                let variant = format!("form {writer}");
                for n in 0..rounds() {
                    subject.put(form(&variant, None, &body(writer, n)), START);
                    subject.expect(&wanted(&variant, "de"), START, Some(&body(writer, n)));
                }
            });
        }
    });
    for writer in 0..WRITERS {
        subject.expect(&wanted(&format!("form {writer}"), "de"), START, Some(&body(writer, rounds() - 1)));
    }
}

/// What was removed stays away, although another form under the same key is written at that moment.
pub(super) fn removal_among_writers(subject: &Subject) {
    let (what, over) = (Selection { key: Some(key("a")), ..Selection::default() }, AtomicBool::new(false));
    thread::scope(|scope| {
        let remover = scope.spawn(|| {
            for n in 0..rounds() * 5 {
                subject.put(form("removed", None, format!("{n}").as_bytes()), START);
                // How many that are depends on the other writer.
                if pollster::block_on(subject.tier.remove(&what, START)).is_ok() || !subject.forgets {
                    subject.expect(&wanted("removed", "de"), START, None);
                }
            }
        });
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                subject.put(form("other", None, b"other"), START);
            }
        });
        let removed = remover.join();
        over.store(true, Ordering::SeqCst);
        assert!(removed.is_ok(), "an answer came back after its removal");
    });
    subject.put(form("other", None, b"the last"), START);
    subject.expect(&wanted("other", "de"), START, Some(b"the last"));
}
