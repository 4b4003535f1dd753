//! Every input that was kept, and every one that once showed something wrong, again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use larder_properties::{ALL, MOST_BYTES, MOST_INPUTS, corpus};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    collections::BTreeSet,
    fs,
};

/// An allocation that is larger than this for an input of at most [`LONGEST`] bytes believed a length that was only said.
const LARGEST: usize = 4 << 20;
const LONGEST: usize = 64 << 10;

/// Remembers the largest single allocation of each thread.
struct Watched;

thread_local! {
    static SEEN: Cell<usize> = const { Cell::new(0) };
}

fn note(size: usize) {
    let _ = SEEN.try_with(|seen| seen.set(seen.get().max(size)));
}

// SAFETY: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// Runs a property over its files, and watches what it allocates.
fn replay(name: &str) {
    let (_, property) = ALL.iter().find(|(known, _)| *known == name).expect("a property");
    let kept = corpus::load("corpus", name).expect("a corpus");
    assert!((5..=MOST_INPUTS).contains(&kept.len()), "{} inputs", kept.len());
    assert!(fs::metadata(corpus::path("corpus", name)).unwrap().len() <= MOST_BYTES as u64);
    // Nobody has found anything yet where there is no file.
    let found = corpus::load("findings", name).unwrap_or_default();
    let seeds = corpus::load("seeds", name).expect("seeds");
    for input in found.iter().chain(&seeds).chain(&kept) {
        assert!(input.len() <= LONGEST);
        SEEN.set(0);
        // A panic would not say which input it was.
        let shown = std::panic::catch_unwind(|| property(input));
        assert!(shown.is_ok(), "`{name}` does not hold for \"{}\"", input.escape_ascii());
        assert!(SEEN.get() <= LARGEST, "{} bytes at once for \"{}\"", SEEN.get(), input.escape_ascii());
    }
}

/// The golden vectors, and each beside the next.
#[test]
fn the_keys_vectors() {
    let file = include_str!("../../larder-core/tests/vectors/key.json");
    let file: serde_json::Value = serde_json::from_str(file).unwrap();
    let questions = ["vectors", "refused"].iter().flat_map(|section| file[section].as_array().unwrap());
    let texts: Vec<&str> = questions.filter_map(|vector| vector["question"].as_str()).collect();
    assert!(texts.len() >= 100);
    for pair in texts.windows(2) {
        larder_properties::json(pair[0].as_bytes());
        larder_properties::json(pair.join("\0").as_bytes());
    }
}

macro_rules! replayed {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name));
        })*

        #[test]
        fn nothing_is_left_out() {
            let tested: BTreeSet<_> = [$(stringify!($name)),*].into();
            assert_eq!(tested, ALL.iter().map(|(name, _)| *name).collect());
        }
    };
}

replayed! { json key adapter record run sse cache_control }
