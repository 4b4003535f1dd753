//! What every tier must do, whatever it keeps its answers in.
//!
//! [`contract`] panics at the first broken promise, so that a test is one call.

use crate::{
    clock::START,
    entry::{OPERATION, SERVICE, bytes_of, entry, key, noise, record, want, with_body},
};
use http::HeaderMap;
use larder::{
    Entry,
    tier::{Selection, Tier},
};
use larder_core::{Timestamp, Variant, record::Want};
use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// A tier under test.
pub trait Subject {
    /// The tier.
    fn tier(&self) -> Arc<dyn Tier>;

    /// The generation that a put of (service, operation) has to carry now.
    fn generation(&self, service: &str, operation: &str) -> u64;

    /// Whether it forgets at once: a tier that always fails passes everything that a miss passes.
    fn forgets(&self) -> bool {
        false
    }

    /// The largest body that it must keep.
    fn largest(&self) -> usize {
        1 << 20
    }
}

/// A promise: its name and the function that tries it.
type Promise<S> = (&'static str, fn(&S));

/// Every promise of [`Tier`]; `make` gives an empty tier each time.
pub fn contract<S: Subject>(make: impl Fn() -> S) {
    let promises: [Promise<S>; 14] = [
        ("read your write", read_your_write),
        ("another key never answers", another_key_never_answers),
        ("expiry to the second", expiry_to_the_second),
        ("replacement", replacement),
        ("variants and vary lie side by side", variants_and_vary),
        ("removal by key", removal_by_key),
        ("removal by operation and service", removal_by_operation_and_service),
        ("removal by prefix", removal_by_prefix),
        ("removal of everything", removal_of_everything),
        ("listing", listing),
        ("sizes", sizes),
        ("concurrent writers", concurrent_writers),
        ("cancellation tears nothing", cancellation_tears_nothing),
        ("a put of an old generation is dropped", old_generations_are_dropped),
    ];
    for (name, promise) in promises {
        println!("contract: {name}");
        promise(&make());
    }
}

fn get(tier: &Arc<dyn Tier>, want: &Want, now: Timestamp) -> Option<Entry> {
    let found = pollster::block_on(tier.get(want, now)).ok().flatten();
    if let Some(entry) = &found {
        assert!(want.accepts(&entry.record), "the tier answered {want:?} with {:?}", entry.record);
        let body = bytes_of(entry);
        assert_eq!(larder_core::BodyCid::of(&body), entry.record.body, "the body is not the record's");
        assert_eq!(body.len() as u64, entry.record.body_len, "the body is not as long as its record says");
    }
    found
}

fn put(tier: &Arc<dyn Tier>, entry: Entry, now: Timestamp) {
    let _failing_tiers_fail = pollster::block_on(tier.put(entry, now));
}

/// Asserts that the answer to `want` is `body`; a tier that forgets may have none.
fn expect<S: Subject>(subject: &S, want: &Want, now: Timestamp, body: Option<&[u8]>) {
    let found = get(&subject.tier(), want, now).map(|entry| bytes_of(&entry));
    if subject.forgets() && found.is_none() {
        return;
    }
    assert_eq!(found.as_deref().map(Shown), body.map(Shown), "for {want:?} at {now:?}");
}

/// A body in a message: its beginning and length.
#[derive(PartialEq)]
struct Shown<'a>(&'a [u8]);

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes {:?}", self.0.len(), String::from_utf8_lossy(&self.0[..self.0.len().min(40)]))
    }
}

fn of(service: Option<&str>, operation: Option<&str>) -> Selection {
    Selection { service: service.map(str::to_owned), operation: operation.map(str::to_owned), ..Selection::default() }
}

fn named(question: &str, service: &str, operation: &str, generation: u64) -> Entry {
    let mut record = record(question, question.as_bytes(), START);
    (record.service, record.operation) = (service.to_owned(), operation.to_owned());
    Entry { generation, ..with_body(record, question.as_bytes()) }
}

fn read_your_write<S: Subject>(subject: &S) {
    expect(subject, &want("a"), START, None);
    let whole = entry("a", b"answer", START);
    put(&subject.tier(), whole.clone(), START);
    for _ in 0..3 {
        expect(subject, &want("a"), START, Some(b"answer"));
        if let Some(found) = get(&subject.tier(), &want("a"), START) {
            assert_eq!(found.record, whole.record, "the record came back changed");
        }
    }
}

fn another_key_never_answers<S: Subject>(subject: &S) {
    for n in 0..200 {
        put(&subject.tier(), entry(&format!("q{n}"), format!("a{n}").as_bytes(), START), START);
    }
    for n in 0..200 {
        expect(subject, &want(&format!("q{n}")), START, Some(format!("a{n}").as_bytes()));
        expect(subject, &want(&format!("other{n}")), START, None);
    }
}

fn expiry_to_the_second<S: Subject>(subject: &S) {
    let mut short = record("a", b"answer", START);
    (short.ttl_ms, short.stale_if_error_ms) = (10_000, 5_000);
    put(&subject.tier(), with_body(short, b"answer"), START);
    let at = |ms: u64| START.plus(Duration::from_millis(ms));
    expect(subject, &want("a"), at(0), Some(b"answer"));
    expect(subject, &want("a"), at(14_999), Some(b"answer"));
    expect(subject, &want("a"), at(15_000), None);
    expect(subject, &want("a"), at(15_001), None);
}

fn replacement<S: Subject>(subject: &S) {
    let later = START.plus(Duration::from_secs(1));
    put(&subject.tier(), entry("a", b"old", START), START);
    expect(subject, &want("a"), START, Some(b"old"));
    put(&subject.tier(), entry("a", b"new and longer", later), later);
    expect(subject, &want("a"), later, Some(b"new and longer"));
    let listed = pollster::block_on(subject.tier().list(&Selection::default(), 10, later)).unwrap_or_default();
    assert!(listed.len() <= 1, "a replaced entry is still listed: {listed:?}");
}

fn variants_and_vary<S: Subject>(subject: &S) {
    let form = |variant: &str, language: Option<&str>, body: &[u8]| {
        let mut record = record("a", body, START);
        record.variant = Variant(variant.to_owned());
        record.vary =
            language.map(|value| ("accept-language".to_owned(), Some(value.to_owned()))).into_iter().collect();
        with_body(record, body)
    };
    put(&subject.tier(), form("", Some("de"), b"plain de"), START);
    put(&subject.tier(), form("", Some("en"), b"plain en"), START);
    put(&subject.tier(), form("stream", None, b"stream"), START);
    let wanted = |variant: &str, language: &str| {
        let mut headers = HeaderMap::new();
        if let Ok(value) = language.parse() {
            headers.insert("accept-language", value);
        }
        Want { key: key("a"), variant: Variant(variant.to_owned()), headers }
    };
    for _ in 0..2 {
        expect(subject, &wanted("", "de"), START, Some(b"plain de"));
        expect(subject, &wanted("", "en"), START, Some(b"plain en"));
        expect(subject, &wanted("", "fr"), START, None);
        expect(subject, &wanted("stream", "fr"), START, Some(b"stream"));
        expect(subject, &wanted("other", "de"), START, None);
    }
}

fn removal_by_key<S: Subject>(subject: &S) {
    for question in ["a", "b"] {
        put(&subject.tier(), entry(question, question.as_bytes(), START), START);
        expect(subject, &want(question), START, Some(question.as_bytes()));
    }
    let what = Selection { key: Some(key("a")), ..Selection::default() };
    let removed = pollster::block_on(subject.tier().remove(&what, START));
    assert!(subject.forgets() || removed.is_ok_and(|removed| removed == 1), "one entry was to be removed");
    expect(subject, &want("a"), START, None);
    expect(subject, &want("b"), START, Some(b"b"));
    let again = pollster::block_on(subject.tier().remove(&what, START));
    assert!(subject.forgets() || again.is_ok_and(|removed| removed == 0), "nothing was left to be removed");
    put(&subject.tier(), entry("a", b"anew", START), START);
    expect(subject, &want("a"), START, Some(b"anew"));
}

fn removal_by_operation_and_service<S: Subject>(subject: &S) {
    let cases = [
        (of(Some("s1"), Some("o1")), [("s1", "o1", false), ("s1", "o2", true), ("s2", "o1", true)]),
        (of(Some("s1"), None), [("s1", "o1", false), ("s1", "o2", false), ("s2", "o1", true)]),
        (of(None, Some("o1")), [("s1", "o1", false), ("s1", "o2", true), ("s2", "o1", false)]),
    ];
    for (what, rows) in cases {
        for (service, operation, _) in rows {
            let question = format!("{service}/{operation}");
            let generation = subject.generation(service, operation);
            put(&subject.tier(), named(&question, service, operation, generation), START);
            expect(subject, &want(&question), START, Some(question.as_bytes()));
        }
        let removed = pollster::block_on(subject.tier().remove(&what, START));
        let gone = rows.iter().filter(|(_, _, stays)| !stays).count() as u64;
        assert!(
            subject.forgets() || removed.is_ok_and(|removed| removed == gone),
            "{what:?}: {gone} were to be removed"
        );
        for (service, operation, stays) in rows {
            let question = format!("{service}/{operation}");
            expect(subject, &want(&question), START, stays.then_some(question.as_bytes()));
        }
    }
}

fn removal_by_prefix<S: Subject>(subject: &S) {
    let questions: Vec<String> = (0..150).map(|n| format!("q{n}")).collect();
    for question in &questions {
        put(&subject.tier(), entry(question, question.as_bytes(), START), START);
        expect(subject, &want(question), START, Some(question.as_bytes()));
    }
    let prefix = key("q7").to_string()[..9].to_owned();
    let what = Selection { prefix: Some(prefix.clone()), ..Selection::default() };
    let gone = |question: &String| key(question).to_string().starts_with(&prefix);
    let removed = pollster::block_on(subject.tier().remove(&what, START));
    let expected = questions.iter().filter(|question| gone(question)).count() as u64;
    assert!(
        expected >= 1 && (subject.forgets() || removed.is_ok_and(|removed| removed == expected)),
        "{expected} by prefix"
    );
    for question in &questions {
        expect(subject, &want(question), START, (!gone(question)).then_some(question.as_bytes()));
    }
}

fn removal_of_everything<S: Subject>(subject: &S) {
    for question in ["a", "b"] {
        put(&subject.tier(), entry(question, b"x", START), START);
    }
    let _failing_tiers_fail = pollster::block_on(subject.tier().remove(&Selection::default(), START));
    expect(subject, &want("a"), START, None);
    expect(subject, &want("b"), START, None);
    let generation = subject.generation(SERVICE, OPERATION);
    put(&subject.tier(), Entry { generation, ..entry("a", b"anew", START) }, START);
    expect(subject, &want("a"), START, Some(b"anew"));
}

fn listing<S: Subject>(subject: &S) {
    for n in 0..20u64 {
        let at = START.plus(Duration::from_secs(n));
        let mut record = record(&format!("q{n}"), b"x", at);
        record.operation = if n % 2 == 0 { "even" } else { "odd" }.to_owned();
        put(&subject.tier(), with_body(record, b"x"), at);
    }
    let now = START.plus(Duration::from_secs(60));
    let list = |what: &Selection, limit| pollster::block_on(subject.tier().list(what, limit, now)).unwrap_or_default();
    let (all, newest) = (list(&Selection::default(), 100), list(&Selection::default(), 3));
    let even = list(&of(None, Some("even")), 100);
    let prefix = key("q5").to_string()[..12].to_owned();
    let few = list(&Selection { prefix: Some(prefix), ..Selection::default() }, 100);
    if subject.forgets() {
        return;
    }
    assert_eq!((all.len(), newest.len(), even.len()), (20, 3, 10));
    assert_eq!(newest.iter().map(|entry| entry.record.key).collect::<Vec<_>>(), ["q19", "q18", "q17"].map(key));
    assert!(even.iter().all(|entry| entry.record.operation == "even"));
    assert!(few.iter().any(|entry| entry.record.key == key("q5")) && few.len() < 20);
    assert!(list(&of(Some("nobody"), None), 100).is_empty());
    let late = START.plus(Duration::from_secs(3600 + 10));
    let left = pollster::block_on(subject.tier().list(&Selection::default(), 100, late)).unwrap_or_default();
    assert_eq!(left.len(), 9, "what is past its time is not listed");
}

fn sizes<S: Subject>(subject: &S) {
    for len in [0, 1, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, 1 << 20, (1 << 20) + 1, 64 << 20] {
        if len > subject.largest() {
            continue;
        }
        let (question, body) = (format!("size {len}"), noise(len));
        put(&subject.tier(), entry(&question, &body, START), START);
        for _ in 0..2 {
            expect(subject, &want(&question), START, Some(&body));
        }
    }
}

fn concurrent_writers<S: Subject>(subject: &S) {
    let tier = subject.tier();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let tier = &tier;
            scope.spawn(move || {
                for n in 0..50 {
                    put(tier, entry("contended", format!("{writer}:{n}").as_bytes(), START), START);
                    let own = format!("own {writer}:{n}");
                    put(tier, entry(&own, own.as_bytes(), START), START);
                    let _verified_within = get(tier, &want("contended"), START);
                }
            });
        }
    });
    for writer in 0..4 {
        for n in 0..50 {
            let own = format!("own {writer}:{n}");
            expect(subject, &want(&own), START, Some(own.as_bytes()));
        }
    }
    let last = get(&tier, &want("contended"), START);
    assert!(
        subject.forgets() || last.is_some_and(|entry| bytes_of(&entry).ends_with(b":49")),
        "the last write is lost"
    );
}

/// Polls `future` once and drops it.
fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn cancellation_tears_nothing<S: Subject>(subject: &S) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let tier = subject.tier();
    let body = noise(200 << 10);
    for n in 0..30 {
        let question = format!("cancelled {n}");
        // Inside a runtime a tier gives work to other threads, and can be dropped while they are at it.
        runtime.block_on(async {
            drop(tier.put(entry(&question, &body, START), START));
            let _put = poll_once(tier.put(entry(&question, &body, START), START));
            let _got = poll_once(tier.get(&want(&question), START));
            let _listed = poll_once(tier.list(&Selection::default(), 5, START));
            let what = Selection { key: Some(key("nobody's")), ..Selection::default() };
            let _removed = poll_once(tier.remove(&what, START));
        });
        if let Some(found) = get(&tier, &want(&question), START) {
            assert_eq!(Shown(&bytes_of(&found)), Shown(&body));
        }
        put(&tier, entry(&question, b"after", START), START);
    }
    drop(runtime);
    // Whatever was still under way has ended: each question has one of its two answers, whole.
    for n in 0..30 {
        let found = get(&tier, &want(&format!("cancelled {n}")), START).map(|entry| bytes_of(&entry));
        let is_whole = found.as_ref().is_some_and(|found| *found == body || found == b"after");
        assert!(is_whole || found.is_none() && subject.forgets(), "torn or lost: {n}");
    }
}

fn old_generations_are_dropped<S: Subject>(subject: &S) {
    let before = subject.generation(SERVICE, OPERATION);
    let what = of(Some(SERVICE), Some(OPERATION));
    let removed = pollster::block_on(subject.tier().remove(&what, START));
    let after = subject.generation(SERVICE, OPERATION);
    assert!(subject.forgets() || after > before && removed.is_ok(), "an invalidation raises the generation");
    put(&subject.tier(), Entry { generation: before, ..entry("a", b"asked before", START) }, START);
    if after > before {
        expect(subject, &want("a"), START, None);
    }
    put(&subject.tier(), Entry { generation: after, ..entry("a", b"asked after", START) }, START);
    expect(subject, &want("a"), START, Some(b"asked after"));
}
