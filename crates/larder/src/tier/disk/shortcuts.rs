//! Shortcuts: which row a key was last found in, so that the index of keys need not be asked again. In a store of a million
//! entries that saves reading one page of two.
//!
//! Nothing depends on them: the row says itself whose it is and whether it is the only one of its key, in the snapshot in
//! which it is read. Whatever does not fit is looked up as if there were no shortcut.

use larder_core::QueryKey;
use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// How many are kept: 1 MiB.
const PLACES: usize = 1 << 17;
/// A process that asks less often does without.
const WORTHWHILE: u64 = 64;
/// The bits of a place that are a row's id; the others are of its key.
const ID_BITS: u32 = 40;

/// The shortcuts of this process.
#[derive(Debug, Default)]
pub(super) struct Shortcuts {
    asked: AtomicU64,
    places: OnceLock<Box<[AtomicU64]>>,
}

impl Shortcuts {
    /// The row in which `key` was found last.
    pub(super) fn to(&self, key: &QueryKey) -> Option<i64> {
        let word = self.place(key)?.load(Relaxed);
        (word >> ID_BITS == tag(key) && word != 0).then(|| (word & ((1 << ID_BITS) - 1)).cast_signed())
    }

    /// `key` was found in this row, and in no other.
    pub(super) fn learn(&self, key: &QueryKey, id: i64) {
        if self.places.get().is_none() && self.asked.fetch_add(1, Relaxed) < WORTHWHILE {
            return;
        }
        self.places.get_or_init(|| (0..PLACES).map(|_| AtomicU64::new(0)).collect());
        if let (Some(place), Ok(0..=0xff_ffff_ffff)) = (self.place(key), u64::try_from(id)) {
            place.store(tag(key) << ID_BITS | id.cast_unsigned(), Relaxed);
        }
    }

    fn place(&self, key: &QueryKey) -> Option<&AtomicU64> {
        let number = key.digest().first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
        self.places.get()?.get(usize::try_from(number % PLACES as u64).ok()?)
    }
}

/// 24 bits of the key that do not choose its place.
fn tag(key: &QueryKey) -> u64 {
    let [.., a, b, c] = *key.digest();
    u64::from(u32::from_be_bytes([0, a, b, c]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_leads_to_its_row_or_nowhere() {
        let (shortcuts, keys) = (Shortcuts::default(), (0..1000_i64).map(|n| (n, QueryKey::of(&n.to_le_bytes()))));
        for (id, key) in keys.clone() {
            assert_eq!(shortcuts.to(&key), None);
            shortcuts.learn(&key, id);
        }
        let found = keys.clone().filter(|(id, key)| shortcuts.to(key).inspect(|found| assert_eq!(found, id)).is_some());
        assert!((900..=936).contains(&found.count()), "all but the first, and a few that share a place");
        let key = QueryKey::of(b"far");
        for far in [-1, 1 << ID_BITS, i64::MAX] {
            shortcuts.learn(&key, far);
            assert_eq!(shortcuts.to(&key), None);
        }
        shortcuts.learn(&key, (1 << ID_BITS) - 1);
        assert_eq!(shortcuts.to(&key), Some((1 << ID_BITS) - 1));
    }
}
