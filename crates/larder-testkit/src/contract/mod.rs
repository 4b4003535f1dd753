//! What every tier must do, whatever it keeps its answers in.
//!
//! [`contract`] panics at the first broken promise, so that a tier's test is one line.
#![allow(clippy::panic, reason = "a broken promise ends the test")]

mod cancelling;
mod listing;
mod probe;
mod reading;
mod removal;
mod sizes;
mod time;
mod together;

use larder::tier::Tier;
use std::{any::Any, sync::Arc};

type Generation = Box<dyn Fn(&str, &str) -> u64 + Send + Sync>;

/// A tier under test, empty.
pub struct Subject {
    tier: Arc<dyn Tier>,
    generation: Generation,
    forgets: bool,
    errs: bool,
    largest: usize,
    /// What has to live as long.
    _held: Option<Box<dyn Any + Send + Sync>>,
}

impl Subject {
    /// A tier that keeps whatever it is given. `generation` says what a put of (service, operation) has to carry now.
    pub fn new<T: Tier>(tier: T, generation: impl Fn(&T, &str, &str) -> u64 + Send + Sync + 'static) -> Self {
        let tier = Arc::new(tier);
        let asked = Arc::clone(&tier);
        let generation = Box::new(move |service: &str, operation: &str| generation(&asked, service, operation));
        Self { tier, generation, forgets: false, errs: false, largest: 64 << 20, _held: None }
    }

    /// It may have lost anything at any time: then only wrong answers are wrong.
    #[must_use]
    pub fn forgetting(self) -> Self {
        Self { forgets: true, errs: true, ..self }
    }

    /// It does what it is told, but may report an error beside it: a stack some of whose tiers fail.
    #[must_use]
    pub fn erring(self) -> Self {
        Self { errs: true, ..self }
    }

    /// It need not keep bodies of more than `bytes`.
    #[must_use]
    pub fn up_to(self, bytes: usize) -> Self {
        Self { largest: bytes, ..self }
    }

    /// `held` lives as long as the tier: its folder.
    #[must_use]
    pub fn holding(self, held: impl Any + Send + Sync) -> Self {
        Self { _held: Some(Box::new(held)), ..self }
    }
}

/// A promise: its name and the function that tries it.
type Promise = (&'static str, fn(&Subject));

const PROMISES: [Promise; 22] = [
    ("read your write", reading::read_your_write),
    ("another key never answers", reading::another_key_never_answers),
    ("replacement", reading::replacement),
    ("variants and vary lie side by side", reading::variants_and_vary),
    ("of several forms the newest that fits answers", reading::the_newest_form_that_fits),
    ("expiry to the second", time::expiry_to_the_second),
    ("expiry of one form leaves the others", time::expiry_of_one_form_leaves_the_others),
    ("what can be confirmed outlives its ttl", time::what_can_be_confirmed_is_kept),
    ("time is a parameter", time::time_is_a_parameter),
    ("removal by key", removal::by_key),
    ("removal by operation and service", removal::by_operation_and_service),
    ("removal by prefix", removal::by_prefix),
    ("removal of everything", removal::of_everything),
    ("a put of an old generation is dropped", removal::old_generations_are_dropped),
    ("listing", listing::listing),
    ("sizes", sizes::sizes),
    ("concurrent writers of one key", together::one_key),
    ("concurrent writers of many keys", together::many_keys),
    ("concurrent writers of many forms", together::many_forms),
    ("removal among writers", together::removal_among_writers),
    ("cancellation at any await tears nothing", cancelling::tears_nothing),
    ("cancellation of many at once keeps no lock", cancelling::keeps_no_lock),
];

/// Tries every promise of [`Tier`]; `make` gives an empty tier each time.
pub fn contract(make: impl Fn() -> Subject) {
    for (name, promise) in PROMISES {
        println!("contract: {name}");
        promise(&make());
    }
}

/// Whether the long form of a test is wanted (`LARDER_LONG=1`).
#[must_use]
pub fn is_long() -> bool {
    std::env::var_os("LARDER_LONG").is_some_and(|value| value == "1")
}
