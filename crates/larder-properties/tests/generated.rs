//! The properties over inputs that are made from the kept ones: cut, put together anew, damaged. `LARDER_LONG=1` tries a
//! hundred times as many.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use larder_properties::{ALL, corpus};
use proptest::{
    collection::vec,
    prelude::*,
    sample::Index,
    test_runner::{Config, TestRunner},
};
use std::env;

/// One thing that is done to an input.
#[derive(Clone, Debug)]
enum Edit {
    Set(Index, u8),
    Remove(Index, usize),
    Repeat(Index, usize),
    Insert(Index, Vec<u8>),
    /// What comes from another kept input: from where on, how much, and to where.
    Graft(Index, Index, usize, Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (any::<Index>(), 1..20_usize).prop_map(|(at, length)| Edit::Remove(at, length)),
        (any::<Index>(), 1..20_usize).prop_map(|(at, length)| Edit::Repeat(at, length)),
        (any::<Index>(), vec(any::<u8>(), 1..4)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (any::<Index>(), "[\\[\\]{}:,;=\"\\\\\n -]{1,3}").prop_map(|(at, text)| Edit::Insert(at, text.into_bytes())),
        (any::<Index>(), any::<Index>(), 1..60_usize, any::<Index>())
            .prop_map(|(other, from, length, to)| Edit::Graft(other, from, length, to)),
    ]
}

fn stretch(bytes: &[u8], at: &Index, length: usize) -> std::ops::Range<usize> {
    let start = at.index(bytes.len() + 1);
    start..(start + length).min(bytes.len())
}

fn edited(kept: &[Vec<u8>], first: &Index, edits: &[Edit]) -> Vec<u8> {
    let mut bytes = first.get(kept).clone();
    for edit in edits {
        match edit {
            Edit::Set(at, byte) if !bytes.is_empty() => *at.get_mut(&mut bytes) = *byte,
            Edit::Set(..) => {}
            Edit::Remove(at, length) => drop(bytes.drain(stretch(&bytes, at, *length))),
            Edit::Repeat(at, length) => bytes.extend_from_within(stretch(&bytes, at, *length)),
            Edit::Insert(at, more) => insert(&mut bytes, at, more),
            Edit::Graft(other, from, length, to) => {
                let other = other.get(kept);
                insert(&mut bytes, to, &other[stretch(other, from, *length)]);
            }
        }
    }
    bytes
}

fn insert(bytes: &mut Vec<u8>, at: &Index, more: &[u8]) {
    let at = at.index(bytes.len() + 1);
    bytes.splice(at..at, more.iter().copied());
}

/// `cases` in the short form.
fn holds(name: &str, cases: u32) {
    let (_, property) = ALL.iter().find(|(known, _)| *known == name).expect("a property");
    let mut kept = corpus::load("corpus", name).expect("a corpus");
    kept.extend(corpus::load("seeds", name).expect("seeds"));
    let long = env::var_os("LARDER_LONG").is_some_and(|value| value == "1");
    let cases = if long { cases * 100 } else { cases };
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let tried = runner.run(&(any::<Index>(), vec(edit(), 0..6)), |(first, edits)| {
        property(&edited(&kept, &first, &edits));
        Ok(())
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
}

macro_rules! generated {
    ($($name:ident: $cases:literal,)*) => {
        $(#[test]
        fn $name() {
            holds(stringify!($name), $cases);
        })*
    };
}

generated! {
    json: 2000,
    key: 200,
    adapter: 60,
    record: 2000,
    run: 1000,
    sse: 300,
    cache_control: 1000,
}
