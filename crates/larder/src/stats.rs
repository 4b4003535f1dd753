//! Statistics: what was counted, per service and operation, in all processes together.

use std::collections::BTreeMap;

/// What happened; one counter each, per (service, operation).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event {
    /// Answered from the store (fresh or stale).
    Hit,
    /// Not in the store.
    Miss,
    /// The origin was asked.
    ApiCall,
    /// A call that did not have to be made: a hit, or a follower of a flight.
    ApiCallSaved,
    /// An entry was found expired.
    Expiration,
    /// An entry was evicted for room.
    Eviction,
    /// Served stale.
    Stale,
    /// A body or record failed verification.
    Damaged,
    /// A tier failed.
    TierError,
    /// An answer was not kept because it was incomplete or refused.
    NotKept,
}

impl Event {
    /// Every event. The place in this list is the event's number on disk: new ones go to the end, none is ever moved.
    pub const ALL: [Self; 10] = [
        Self::Hit,
        Self::Miss,
        Self::ApiCall,
        Self::ApiCallSaved,
        Self::Expiration,
        Self::Eviction,
        Self::Stale,
        Self::Damaged,
        Self::TierError,
        Self::NotKept,
    ];

    /// The place in [`Self::ALL`].
    #[must_use]
    pub const fn number(self) -> usize {
        self as usize
    }
}

/// Counters of one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// [`Event::Hit`]
    pub hits: u64,
    /// [`Event::Miss`]
    pub misses: u64,
    /// [`Event::ApiCall`]
    pub api_calls_made: u64,
    /// [`Event::ApiCallSaved`]
    pub api_calls_saved: u64,
    /// [`Event::Expiration`]
    pub expirations: u64,
    /// [`Event::Eviction`]
    pub evictions: u64,
    /// [`Event::Stale`]
    pub stale: u64,
    /// [`Event::Damaged`]
    pub damaged: u64,
    /// [`Event::TierError`]
    pub tier_errors: u64,
    /// [`Event::NotKept`]
    pub not_kept: u64,
}

impl Counters {
    /// The counter of `event`.
    #[must_use]
    pub const fn get(&self, event: Event) -> u64 {
        match event {
            Event::Hit => self.hits,
            Event::Miss => self.misses,
            Event::ApiCall => self.api_calls_made,
            Event::ApiCallSaved => self.api_calls_saved,
            Event::Expiration => self.expirations,
            Event::Eviction => self.evictions,
            Event::Stale => self.stale,
            Event::Damaged => self.damaged,
            Event::TierError => self.tier_errors,
            Event::NotKept => self.not_kept,
        }
    }

    /// Adds `n` to the counter of `event`.
    pub const fn add(&mut self, event: Event, n: u64) {
        let counter = match event {
            Event::Hit => &mut self.hits,
            Event::Miss => &mut self.misses,
            Event::ApiCall => &mut self.api_calls_made,
            Event::ApiCallSaved => &mut self.api_calls_saved,
            Event::Expiration => &mut self.expirations,
            Event::Eviction => &mut self.evictions,
            Event::Stale => &mut self.stale,
            Event::Damaged => &mut self.damaged,
            Event::TierError => &mut self.tier_errors,
            Event::NotKept => &mut self.not_kept,
        };
        *counter = counter.saturating_add(n);
    }
}

/// Everything counted so far, by service and operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// (service, operation) → counters.
    pub operations: BTreeMap<(String, String), Counters>,
    /// (service, operation) → live entries in the index.
    pub index: BTreeMap<(String, String), u64>,
}

impl Statistics {
    /// Adds `n` to the counter of `event` of (`service`, `operation`).
    pub fn add(&mut self, service: &str, operation: &str, event: Event, n: u64) {
        let name = (service.to_owned(), operation.to_owned());
        self.operations.entry(name).or_default().add(event, n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_events_number_is_its_place_and_each_has_its_own_counter() {
        for (place, event) in Event::ALL.into_iter().enumerate() {
            assert_eq!(event.number(), place);
            let mut counters = Counters::default();
            counters.add(event, 3);
            for other in Event::ALL {
                assert_eq!(counters.get(other), if other == event { 3 } else { 0 }, "{event:?} {other:?}");
            }
        }
    }
}
