//! The sidecar: what processes share without a database (docs/design/store.md).
//!
//! Counters, generations, words that tell when a key changed, and how often entries are used. Lost or invalid, it is made
//! anew: statistics since the last fold and recency are lost, answers are not, and generations come from the index.

mod file;
mod map;
mod slots;

use crate::stats::Event;
use larder_core::{QueryKey, Timestamp};
use map::{
    AT_COUNTERS, AT_EPOCH, AT_FREQUENCIES, AT_GENERATIONS, AT_GENERATIONS_OVERFLOW, AT_HAND, AT_IDENTITY, AT_KEY_WORDS,
    AT_REFUSALS, AT_SUPERSEDED, COUNTER_SLOT, FREQUENCY_WORDS, GENERATION_SLOT, KEY_WORDS, Look, Map, REFUSALS,
};
use slots::Table;
use std::{
    io,
    path::Path,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
};

const COUNTERS: Table = Table { at: AT_COUNTERS, slot: COUNTER_SLOT };
const GENERATIONS: Table = Table { at: AT_GENERATIONS, slot: GENERATION_SLOT };

/// Where everything is counted that has no slot of its own: the table is full or a name too long.
pub(crate) const OTHER: &str = "(other)";

/// The upper half of a key's word counts removals that somebody asked for, the lower one changes of entries.
const REMOVAL: u64 = 1 << 32;

/// A credential's word of refusals: a count, the second after the last one (32 bits), and 24 bits of whose it was.
const FINGERPRINT: u64 = (1 << 24) - 1;

/// What the sidecar knows of refusals of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Another one later: this credential, or one that shares its word, was refused since, or the sidecar was lost.
    pub(crate) mark: (u64, u64),
    /// The last one was before this, if it is known. In the future where the clock was wrong.
    pub(crate) before: Option<Timestamp>,
}

/// What an entry in memory remembers to know later whether it is still the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// The key's word in this one sidecar.
    pub(crate) word: u64,
    /// How often anything was invalidated.
    pub(crate) epoch: u64,
}

/// The sidecar that this process uses now.
#[derive(Debug)]
pub(crate) struct Sidecar {
    map: RwLock<Arc<Map>>,
}

impl Sidecar {
    /// For this process alone.
    pub(crate) fn private() -> Self {
        Self { map: RwLock::new(Arc::new(Map::private())) }
    }

    /// An existing one, for a process that opens nothing else.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { map: RwLock::new(Arc::new(file::open(path)?)) })
    }

    /// Takes up the file at `path`, or makes it; the caller holds the store's lock.
    pub(crate) fn attach(&self, path: &Path) -> io::Result<()> {
        self.replace(file::open_or_create(path)?);
        Ok(())
    }

    /// Takes up the file at `path`, if there is one that this version can use.
    pub(crate) fn attach_existing(&self, path: &Path) -> io::Result<()> {
        self.replace(file::open(path)?);
        Ok(())
    }

    fn replace(&self, new: Map) {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        if map.look() != Look::Cut && map.load(AT_IDENTITY) != new.load(AT_IDENTITY) {
            // Others may still go by it.
            map.word(AT_SUPERSEDED).store(1, Release);
        }
        *map = Arc::new(new);
    }

    /// Whether other processes see what is written here.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(*self.map(), Map::Shared { .. })
    }

    /// The words, unless the mapped file was removed, replaced or cut off.
    pub(crate) fn intact(&self) -> Option<View> {
        let map = self.newest();
        let map = match map.look() {
            Look::Whole => map,
            Look::Unlinked => return None,
            Look::Cut => self.give_up(&map, Look::Cut),
        };
        (!matches!(*map, Map::StandIn(_))).then(|| View(map))
    }

    /// Tells this sidecar from those before it.
    pub(crate) fn identity(&self) -> u64 {
        self.map().load(AT_IDENTITY)
    }

    /// The words, for one use: whoever keeps them longer may touch what was cut off meanwhile.
    fn map(&self) -> Arc<Map> {
        let map = self.newest();
        match map.glance() {
            Look::Whole => map,
            look => self.give_up(&map, look),
        }
    }

    fn newest(&self) -> Arc<Map> {
        Arc::clone(&self.map.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Goes on without a file that was cut off or removed, unless somebody took up another one meanwhile.
    fn give_up(&self, broken: &Arc<Map>, look: Look) -> Arc<Map> {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&map, broken) {
            if look == Look::Cut {
                tracing::warn!(
                    "the store's sidecar has another size than it was made with: counts since the last fold are lost"
                );
            } else {
                // Others may still go by it.
                broken.word(AT_SUPERSEDED).store(1, Release);
            }
            *map = Arc::new(Map::stand_in());
        }
        Arc::clone(&map)
    }

    /// The words for several uses within microseconds, looked at once: each look asks for the file's length.
    pub(crate) fn view(&self) -> View {
        View(self.map())
    }

    /// Counts `n` events.
    pub(crate) fn count(&self, service: &str, operation: &str, event: Event, n: u64) {
        self.count_all(service, operation, &[event], n);
    }

    /// Counts each of `events` `n` times.
    pub(crate) fn count_all(&self, service: &str, operation: &str, events: &[Event], n: u64) {
        self.view().count_all(service, operation, events, n);
    }

    /// Everything that is counted here.
    pub(crate) fn counters(&self) -> Vec<(String, String, Event, u64)> {
        let map = self.map();
        let mut all = Vec::new();
        for ((service, operation), values) in COUNTERS.all(&map) {
            for event in Event::ALL {
                let n = map.load(values + event.number());
                if n > 0 {
                    all.push((service.clone(), operation.clone(), event, n));
                }
            }
        }
        all
    }

    /// What an entry of `key` that is read from now on must remember.
    pub(crate) fn token(&self, key: &QueryKey) -> Token {
        self.view().token(key)
    }

    /// An entry of `key` was written or removed: after the index says so.
    pub(crate) fn touch(&self, key: &QueryKey) {
        self.map().word(key_word(key)).fetch_add(1, AcqRel);
    }

    /// `origin` refused the credential of this digest at `at`: known to every process at once, whoever holds the index.
    pub(crate) fn refuse(&self, origin: &str, digest: &str, at: Timestamp) {
        let (place, fingerprint) = refusal(origin, digest);
        let seconds = u64::try_from(at.0 / 1000 + 1).unwrap_or(0) & u64::from(u32::MAX);
        // Counted, so that each makes another word.
        let next = |word: u64| Some(word.wrapping_add(1 << 56) & 0xff << 56 | seconds << 24 | fingerprint);
        let _before = self.map().word(place).fetch_update(AcqRel, Acquire, next);
    }

    /// What is known of refusals of this credential.
    pub(crate) fn refusal(&self, origin: &str, digest: &str) -> Refusal {
        let (map, (place, fingerprint)) = (self.map(), refusal(origin, digest));
        let word = map.load(place);
        let seconds = i64::try_from(word >> 24 & u64::from(u32::MAX)).unwrap_or(0);
        let is_its_own = word != 0 && word & FINGERPRINT == fingerprint;
        Refusal { mark: (map.load(AT_IDENTITY), word), before: is_its_own.then_some(Timestamp(seconds * 1000)) }
    }

    /// Answers of `key` (`None`: of any) are about to be removed: before they are.
    pub(crate) fn outdate(&self, key: Option<&QueryKey>) {
        let map = self.map();
        let all = (0..KEY_WORDS).map(|place| AT_KEY_WORDS + place).filter(|_| key.is_none());
        for word in all.chain(key.map(key_word)) {
            map.word(word).fetch_add(REMOVAL, AcqRel);
        }
    }

    /// The generation of (service, operation): the sum over everything, the service, the operation, both (each only ever
    /// grows, so that equal sums mean equal parts). `None`: some scope had no room here, only the index knows.
    pub(crate) fn generation(&self, service: &str, operation: &str) -> Option<u64> {
        let map = self.map();
        if map.load(AT_GENERATIONS_OVERFLOW) != 0 {
            return None;
        }
        Some(View(map).scopes(service, operation).into_iter().fold(0, u64::saturating_add))
    }

    /// The generation of exactly this scope (an empty name means all).
    pub(crate) fn scope(&self, service: &str, operation: &str) -> u64 {
        let map = self.map();
        GENERATIONS.find(&map, service, operation).map_or(0, |at| map.load(at))
    }

    /// Raises the generation of exactly this scope, so that whatever is older is dead at once.
    pub(crate) fn raise(&self, service: &str, operation: &str, generation: u64) {
        let map = self.map();
        match GENERATIONS.take(&map, service, operation) {
            Some(at) => drop(map.word(at).fetch_max(generation, AcqRel)),
            None => map.word(AT_GENERATIONS_OVERFLOW).store(1, Release),
        }
        map.word(AT_EPOCH).fetch_add(1, AcqRel);
    }

    /// Makes sure that there will be room for this scope.
    pub(crate) fn reserve(&self, service: &str, operation: &str) {
        let _full = GENERATIONS.take(&self.map(), service, operation);
    }

    /// Raises the generation of exactly this scope above all that it was, here or, by `known`, elsewhere. `None`: it has no
    /// room here.
    pub(crate) fn advance(&self, service: &str, operation: &str, known: u64) -> Option<u64> {
        let map = self.map();
        let advanced = GENERATIONS.take(&map, service, operation).map(|at| {
            let next = |n: u64| n.max(known).saturating_add(1);
            map.word(at).fetch_update(AcqRel, Acquire, |n| Some(next(n))).map_or_else(next, next)
        });
        if advanced.is_none() {
            map.word(AT_GENERATIONS_OVERFLOW).store(1, Release);
        }
        map.word(AT_EPOCH).fetch_add(1, AcqRel);
        advanced
    }

    /// Every scope that was ever invalidated, with its generation.
    pub(crate) fn scopes(&self) -> Vec<(String, String, u64)> {
        let map = self.map();
        GENERATIONS.all(&map).map(|((service, operation), at)| (service, operation, map.load(at))).collect()
    }

    /// Where the look for what is past its time has come to: by whoever maintains, one process at a time.
    pub(crate) fn hand(&self) -> [i64; 3] {
        let map = self.map();
        [0, 1, 2].map(|place| map.load(AT_HAND + place).cast_signed())
    }

    /// It has come to here.
    pub(crate) fn set_hand(&self, hand: [i64; 3]) {
        let map = self.map();
        (AT_HAND..).zip(hand).for_each(|(place, part)| map.word(place).store(part.cast_unsigned(), Release));
    }

    /// An entry was used.
    pub(crate) fn used(&self, key: &QueryKey) {
        self.view().used(key);
    }

    /// The clock hand passes: takes one off; whether there was one.
    pub(crate) fn spare(&self, key: &QueryKey) -> bool {
        self.view().set_frequency(key, |frequency| frequency.checked_sub(1))
    }
}

/// The words of one moment: see [`Sidecar::view`].
pub(crate) struct View(Arc<Map>);

impl View {
    /// [`Sidecar::token`].
    pub(crate) fn token(&self, key: &QueryKey) -> Token {
        let map = &self.0;
        if matches!(**map, Map::StandIn(_)) {
            // Nobody tells this process what changed: no two tokens are alike, and what is in memory is not served.
            map.word(AT_EPOCH).fetch_add(1, AcqRel);
        }
        // A sidecar that was made anew begins at 0 again: its words are not those of the one before.
        Token { word: (map.load(key_word(key)) % REMOVAL) ^ map.load(AT_IDENTITY), epoch: map.load(AT_EPOCH) }
    }

    /// What a question remembers whose origin is asked: another number later means that answers of `key` were removed since,
    /// or that this is another sidecar.
    pub(crate) fn removals(&self, key: &QueryKey) -> u64 {
        let map = &self.0;
        map.load(AT_IDENTITY) << 32 | map.load(key_word(key)) >> 32
    }

    /// Whether answers of `key` were removed since [`Self::removals`] was `then`. `None`: that does not matter.
    pub(crate) fn is_removed(&self, key: &QueryKey, then: Option<u64>) -> bool {
        then.is_some_and(|then| then != self.removals(key))
    }

    /// The generations of the four scopes that hold (service, operation), as far as they are known here: in the order of
    /// [`Sidecar::generation`].
    pub(crate) fn scopes(&self, service: &str, operation: &str) -> [u64; 4] {
        let of = |(service, operation)| GENERATIONS.find(&self.0, service, operation).map_or(0, |at| self.0.load(at));
        [("", ""), (service, ""), ("", operation), (service, operation)].map(of)
    }

    /// [`Sidecar::count_all`].
    pub(crate) fn count_all(&self, service: &str, operation: &str, events: &[Event], n: u64) {
        let map = &self.0;
        let slot = COUNTERS.take(map, service, operation).or_else(|| COUNTERS.take(map, OTHER, OTHER));
        if let Some(values) = slot {
            for event in events {
                map.word(values + event.number()).fetch_add(n, Relaxed);
            }
        }
    }

    /// [`Sidecar::touch`] for an entry that is new, and how much it is worth before anybody used it.
    pub(crate) fn written(&self, key: &QueryKey, worth: u64) {
        self.0.word(key_word(key)).fetch_add(1, AcqRel);
        self.set_frequency(key, |frequency| (frequency < worth).then_some(worth.min(3)));
    }

    /// [`Sidecar::used`].
    pub(crate) fn used(&self, key: &QueryKey) {
        self.set_frequency(key, |frequency| (frequency < 3).then(|| frequency + 1));
    }

    fn set_frequency(&self, key: &QueryKey, next: impl Fn(u64) -> Option<u64>) -> bool {
        let map = &self.0;
        let place = number(key, 8) % (FREQUENCY_WORDS * 32);
        let shift = place % 32 * 2;
        let change = |word: u64| next(word >> shift & 3).map(|frequency| word & !(3 << shift) | frequency << shift);
        map.word(AT_FREQUENCIES + place / 32).fetch_update(AcqRel, Acquire, change).is_ok()
    }
}

/// 8 bytes of the key's digest, which are as good as a hash.
fn number(key: &QueryKey, from: usize) -> usize {
    let digest = key.digest();
    (0..7).fold(0, |number, place| number << 8 | usize::from(digest[(from + place) % digest.len()]))
}

/// The word of a credential, and what tells it from most others that share the word.
fn refusal(origin: &str, digest: &str) -> (usize, u64) {
    let hash = slots::hash(origin, digest);
    (AT_REFUSALS + usize::try_from(hash % REFUSALS as u64).unwrap_or(0), hash >> 32 & FINGERPRINT)
}

fn key_word(key: &QueryKey) -> usize {
    AT_KEY_WORDS + number(key, 0) % KEY_WORDS
}

#[cfg(test)]
mod tests;
