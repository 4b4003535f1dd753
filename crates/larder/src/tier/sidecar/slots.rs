//! Open-addressed tables of named values inside the sidecar.
//!
//! A slot is taken by writing its hash in one atomic step; its name is written afterwards. A process that is killed in
//! between leaves a slot that counts and has no name: the next one that looks for this hash writes the same name.

use super::map::{Map, NAME_BYTES, NAME_WORDS, SLOTS};
use std::sync::atomic::Ordering;

/// How far a name may lie from where its hash points.
const PROBES: usize = 64;

/// One table: where it begins and how many words a slot has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    pub(super) at: usize,
    pub(super) slot: usize,
}

/// (service, operation), as they stand in a slot: joined by a zero byte.
pub(super) type Names = (String, String);

impl Table {
    /// Where the values of (service, operation) are; `None` when it was never taken.
    pub(super) fn find(self, map: &Map, service: &str, operation: &str) -> Option<usize> {
        let hash = hash(service, operation);
        for slot in self.probes(hash) {
            match map.load(slot) {
                0 => return None,
                found if found == hash => return Some(slot + 2 + NAME_WORDS),
                _ => {}
            }
        }
        None
    }

    /// The same, taking a slot where there is none yet; `None` when there is no room or the names are too long.
    pub(super) fn take(self, map: &Map, service: &str, operation: &str) -> Option<usize> {
        if service.len() + 1 + operation.len() > NAME_BYTES {
            return None;
        }
        let hash = hash(service, operation);
        for slot in self.probes(hash) {
            let word = map.word(slot);
            let found = match word.compare_exchange(0, hash, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => hash,
                Err(found) => found,
            };
            if found == hash {
                if map.load(slot + 1) == 0 {
                    write_name(map, slot, service, operation);
                }
                return Some(slot + 2 + NAME_WORDS);
            }
        }
        None
    }

    /// Every named slot: names and where its values are.
    pub(super) fn all(self, map: &Map) -> impl Iterator<Item = (Names, usize)> + '_ {
        (0..SLOTS)
            .map(move |place| self.at + place * self.slot)
            .filter_map(|slot| Some((read_name(map, slot)?, slot + 2 + NAME_WORDS)))
    }

    fn probes(self, hash: u64) -> impl Iterator<Item = usize> {
        let start = usize::try_from(hash % SLOTS as u64).unwrap_or(0);
        (0..PROBES).map(move |step| self.at + (start + step) % SLOTS * self.slot)
    }
}

/// FNV-1a over both names, framed; never 0, which marks a free slot. Two names of one hash would share their counters.
pub(super) fn hash(service: &str, operation: &str) -> u64 {
    let bytes = service.bytes().chain([0]).chain(operation.bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    hash.max(1)
}

fn write_name(map: &Map, slot: usize, service: &str, operation: &str) {
    let mut bytes = Vec::with_capacity(NAME_BYTES);
    bytes.extend_from_slice(service.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(operation.as_bytes());
    let len = bytes.len() as u64;
    bytes.resize(NAME_BYTES, 0);
    for (place, word) in bytes.chunks_exact(8).enumerate() {
        let word = word.iter().rev().fold(0u64, |word, byte| word << 8 | u64::from(*byte));
        map.word(slot + 2 + place).store(word, Ordering::Relaxed);
    }
    map.word(slot + 1).store(len, Ordering::Release);
}

fn read_name(map: &Map, slot: usize) -> Option<Names> {
    let len = usize::try_from(map.load(slot + 1)).ok().filter(|len| (1..=NAME_BYTES).contains(len))?;
    let mut bytes = Vec::with_capacity(NAME_BYTES);
    for place in 0..NAME_WORDS {
        bytes.extend_from_slice(&map.load(slot + 2 + place).to_le_bytes());
    }
    let text = std::str::from_utf8(&bytes[..len]).ok()?;
    let (service, operation) = text.split_once('\0')?;
    Some((service.to_owned(), operation.to_owned()))
}
