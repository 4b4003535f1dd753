//! How usable a record is at a moment.

use super::{Head, Record};
use crate::Timestamp;
use std::time::Duration;

/// How far in the future a record may have been created, by a machine whose clock is ahead.
pub const MAX_SKEW: Duration = Duration::from_secs(10 * 60);
/// The age at which every record is gone, whatever its ttl says: ten years of 365 days.
pub const MAX_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// How long after its last use a record that has a validator is kept for that alone: a week.
pub const MAX_UNCONFIRMED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How usable a record is at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Within its ttl.
    Fresh,
    /// May be served while somebody asks again.
    StaleWhileRevalidate,
    /// May be served only if asking again fails.
    StaleIfError,
    /// Never served unless the origin confirms it first: kept for its validator (`etag`, `last-modified`; RFC 9111 §4.3).
    Unconfirmed,
    /// Never served (also: created in the future by more than the tolerated clock skew).
    Gone,
}

impl Record {
    /// How usable it is at `now`. Fresh while its age is less than its ttl (RFC 9111 §4.2). A record from the future
    /// (beyond [`MAX_SKEW`]) is gone, and so is one of the age [`MAX_LIFETIME`].
    #[must_use]
    pub fn freshness(&self, now: Timestamp) -> Freshness {
        let age = self.age_ms(now);
        if self.is_from_the_future(now) || age >= self.end_ms(self.longest_kept_ms()) {
            Freshness::Gone
        } else if age >= self.end_ms(self.longest_stale_ms()) {
            Freshness::Unconfirmed
        } else if age < self.end_ms(0) {
            Freshness::Fresh
        } else if age < self.end_ms(self.stale_while_revalidate_ms) {
            Freshness::StaleWhileRevalidate
        } else {
            Freshness::StaleIfError
        }
    }

    /// Age at `now` (RFC 9111 §4.2.3), initial age included. A record from the future has its initial age.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.age_ms(now)).unwrap_or(u64::MAX))
    }

    /// First moment at which [`Self::freshness`] is gone for good: tiers drop it from then on, and it is never before
    /// `created`. A record from the future is gone at first as well; only [`Self::freshness`] shows that.
    #[must_use]
    pub fn gone_at(&self) -> Timestamp {
        let left = (self.end_ms(self.longest_kept_ms()) - i128::from(self.initial_age_ms)).max(0);
        let at = i128::from(self.created.0) + left;
        Timestamp(i64::try_from(at).unwrap_or(i64::MAX))
    }

    /// In 128 bits nothing overflows: ages and ends are sums of at most three 64-bit numbers.
    fn age_ms(&self, now: Timestamp) -> i128 {
        i128::from(self.initial_age_ms) + (i128::from(now.0) - i128::from(self.created.0)).max(0)
    }

    /// The age at which its use ends when it may be stale for `stale_ms`.
    fn end_ms(&self, stale_ms: u64) -> i128 {
        let longest = i128::try_from(MAX_LIFETIME.as_millis()).unwrap_or(i128::MAX);
        (i128::from(self.ttl_ms) + i128::from(stale_ms)).min(longest)
    }

    fn longest_stale_ms(&self) -> u64 {
        self.stale_while_revalidate_ms.max(self.stale_if_error_ms)
    }

    /// How long after its ttl it is worth keeping.
    fn longest_kept_ms(&self) -> u64 {
        let confirmable = if self.has_validator() { MAX_UNCONFIRMED.as_millis() } else { 0 };
        self.longest_stale_ms().saturating_add(u64::try_from(confirmable).unwrap_or(u64::MAX))
    }

    /// Whether the origin can be asked to confirm it.
    fn has_validator(&self) -> bool {
        let Head::Http { headers, .. } = &self.head else { return false };
        headers.iter().any(|(name, _)| matches!(name.as_str(), "etag" | "last-modified"))
    }

    fn is_from_the_future(&self, now: Timestamp) -> bool {
        self.created > now.plus(MAX_SKEW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;
    use Freshness::{Fresh, Gone, StaleIfError, StaleWhileRevalidate};
    use proptest::prelude::*;

    const S: u64 = 1000;
    const YEARS_10: i64 = 315_360_000_000;

    /// Created at second 1000; milliseconds of initial age, ttl, stale-while-revalidate, stale-if-error.
    fn timed(times: [u64; 4]) -> Record {
        let [initial_age_ms, ttl_ms, stale_while_revalidate_ms, stale_if_error_ms] = times;
        let created = Timestamp(1_000_000);
        Record { created, initial_age_ms, ttl_ms, stale_while_revalidate_ms, stale_if_error_ms, ..record() }
    }

    #[test]
    fn at_every_boundary() {
        for (times, at_ms, expected) in [
            ([0, 60 * S, 0, 0], 0, Fresh),
            ([0, 60 * S, 0, 0], 59_999, Fresh),
            ([0, 60 * S, 0, 0], 60_000, Gone),
            ([0, 0, 0, 0], 0, Gone),
            // The initial age counts.
            ([20 * S, 60 * S, 0, 0], 39_999, Fresh),
            ([20 * S, 60 * S, 0, 0], 40_000, Gone),
            ([60 * S, 60 * S, 0, 0], 0, Gone),
            // Both kinds of staleness count from the end of the ttl.
            ([0, 60 * S, 30 * S, 0], 60_000, StaleWhileRevalidate),
            ([0, 60 * S, 30 * S, 0], 89_999, StaleWhileRevalidate),
            ([0, 60 * S, 30 * S, 0], 90_000, Gone),
            ([0, 60 * S, 0, 30 * S], 60_000, StaleIfError),
            ([0, 60 * S, 0, 30 * S], 89_999, StaleIfError),
            ([0, 60 * S, 0, 30 * S], 90_000, Gone),
            ([0, 60 * S, 10 * S, 30 * S], 69_999, StaleWhileRevalidate),
            ([0, 60 * S, 10 * S, 30 * S], 70_000, StaleIfError),
            ([0, 60 * S, 10 * S, 30 * S], 90_000, Gone),
            ([0, 60 * S, 30 * S, 10 * S], 89_999, StaleWhileRevalidate),
            // A clock that is ahead is tolerated for ten minutes.
            ([0, 60 * S, 0, 0], -600_000, Fresh),
            ([0, 60 * S, 0, 0], -600_001, Gone),
            // Nothing lives for ever.
            ([0, u64::MAX, 0, 0], YEARS_10 - 1, Fresh),
            ([0, u64::MAX, 0, 0], YEARS_10, Gone),
            ([0, u64::MAX, u64::MAX, u64::MAX], YEARS_10, Gone),
            ([0, 60 * S, u64::MAX, 0], YEARS_10 - 1, StaleWhileRevalidate),
            ([0, 60 * S, u64::MAX, 0], YEARS_10, Gone),
            ([u64::MAX, u64::MAX, 0, 0], 0, Gone),
        ] {
            let record = timed(times);
            let now = Timestamp(1_000_000 + at_ms);
            assert_eq!(record.freshness(now), expected, "{times:?} after {at_ms} ms");
            let gone_for_good = expected == Gone && at_ms >= 0;
            assert_eq!(now >= record.gone_at(), gone_for_good, "{times:?} after {at_ms} ms");
        }
    }

    #[test]
    fn a_validator_keeps_it_for_a_week() {
        const WEEK: i64 = 604_800_000;
        let headers = vec![("etag".to_owned(), serde_bytes::ByteBuf::from("\"a\""))];
        let record = Record { head: Head::Http { status: 200, headers }, ..timed([0, 60 * S, 10 * S, 30 * S]) };
        for (at_ms, expected) in [
            (59_999, Fresh),
            (89_999, StaleIfError),
            (90_000, Freshness::Unconfirmed),
            (90_000 + WEEK - 1, Freshness::Unconfirmed),
            (90_000 + WEEK, Gone),
        ] {
            let now = Timestamp(1_000_000 + at_ms);
            assert_eq!(record.freshness(now), expected, "after {at_ms} ms");
            assert_eq!(now >= record.gone_at(), expected == Gone, "after {at_ms} ms");
        }
    }

    #[test]
    fn age_includes_the_initial_age_and_never_wraps() {
        let age = |record: &Record, now| record.age(Timestamp(now)).as_millis();
        let record = timed([5 * S, 60 * S, 0, 0]);
        assert_eq!(age(&record, 1_000_000), 5_000);
        assert_eq!(age(&record, 1_007_001), 12_001);
        assert_eq!(age(&record, 999_000), 5_000, "from the future");
        assert_eq!(age(&timed([u64::MAX, 0, 0, 0]), i64::MAX), u128::from(u64::MAX));
    }

    proptest! {
        /// Not gone one millisecond before `gone_at`, gone at it and ever after.
        #[test]
        fn gone_at_is_where_freshness_ends(times in [0..100_000_u64, 0..100_000, 0..100_000, 0..100_000], later in any::<u32>()) {
            let record = timed(times);
            let end = record.gone_at();
            prop_assert_eq!(record.freshness(Timestamp(end.0 + i64::from(later))), Gone);
            if end > record.created {
                prop_assert_ne!(record.freshness(Timestamp(end.0 - 1)), Gone);
            }
        }

        #[test]
        fn extremes_never_panic(now in any::<i64>(), created in any::<i64>(), times in any::<[u64; 4]>()) {
            let record = Record { created: Timestamp(created), ..timed(times) };
            let (now, end) = (Timestamp(now), record.gone_at());
            let _ = record.age(now);
            if now >= end && end.0 < i64::MAX {
                prop_assert_eq!(record.freshness(now), Gone);
            }
        }
    }
}
