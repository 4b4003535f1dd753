//! Whether bytes are DAG-CBOR in its one canonical form (IPLD's DAG-CBOR specification): shortest numbers, definite
//! lengths, names sorted by length and then by bytes, each once, no tag but CIDs', floats of 64 bits that are numbers.
//!
//! Serde looks at the members that it knows; what a later version may add is skipped unseen, and could be anything.

/// How deep lists and maps may be nested: version 1 needs five levels.
const MAX_DEPTH: usize = 32;

/// Whether `bytes` are one canonical item, and nothing follows it.
pub(super) fn is_canonical(bytes: &[u8]) -> bool {
    item(bytes, MAX_DEPTH).is_some_and(<[u8]>::is_empty)
}

/// Steps over one item; what follows it.
fn item(bytes: &[u8], room: usize) -> Option<&[u8]> {
    let (first, rest) = bytes.split_first()?;
    let minor = first & 31;
    if first >> 5 == 7 {
        return simple(minor, rest);
    }
    let (number, rest) = number(minor, rest)?;
    match first >> 5 {
        0 | 1 => Some(rest),
        2 => chunk(number, rest).map(|(_, rest)| rest),
        3 => text(number, rest).map(|(_, rest)| rest),
        4 => elements(number, rest, room.checked_sub(1)?),
        5 => members(number, rest, room.checked_sub(1)?),
        _ => link(number, rest),
    }
}

/// `false`, `true`, `null`, doubles.
fn simple(minor: u8, rest: &[u8]) -> Option<&[u8]> {
    match minor {
        20..=22 => Some(rest),
        27 => rest.split_first_chunk().filter(|(bits, _)| f64::from_be_bytes(**bits).is_finite()).map(|(_, rest)| rest),
        _ => None,
    }
}

/// The number in or behind an item's first byte, if it could not be written shorter.
pub(super) fn number(minor: u8, rest: &[u8]) -> Option<(u64, &[u8])> {
    let (width, least) = match minor {
        0..=23 => return Some((minor.into(), rest)),
        24 => (1, 24),
        25 => (2, 1 << 8),
        26 => (4, 1 << 16),
        27 => (8, 1 << 32),
        _ => return None,
    };
    let (digits, rest) = rest.split_at_checked(width)?;
    let number = digits.iter().fold(0, |number, digit| number << 8 | u64::from(*digit));
    (number >= least).then_some((number, rest))
}

fn chunk(length: u64, rest: &[u8]) -> Option<(&[u8], &[u8])> {
    rest.split_at_checked(usize::try_from(length).ok()?)
}

fn text(length: u64, rest: &[u8]) -> Option<(&str, &[u8])> {
    let (bytes, rest) = chunk(length, rest)?;
    Some((std::str::from_utf8(bytes).ok()?, rest))
}

fn elements(count: u64, rest: &[u8], room: usize) -> Option<&[u8]> {
    (0..count).try_fold(rest, |rest, _| item(rest, room))
}

fn members(count: u64, mut rest: &[u8], room: usize) -> Option<&[u8]> {
    let mut before = None;
    for _ in 0..count {
        let (name, after) = name(rest)?;
        let order = (name.len(), name);
        if before.is_some_and(|before| before >= order) {
            return None;
        }
        before = Some(order);
        rest = item(after, room)?;
    }
    Some(rest)
}

fn name(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (first, rest) = bytes.split_first().filter(|(first, _)| **first >> 5 == 3)?;
    let (length, rest) = number(first & 31, rest)?;
    text(length, rest)
}

/// Tag 42: a CID's bytes behind a zero.
fn link(tag: u64, rest: &[u8]) -> Option<&[u8]> {
    let (first, rest) = rest.split_first().filter(|(first, _)| tag == 42 && **first >> 5 == 2)?;
    let (length, rest) = number(first & 31, rest)?;
    chunk(length, rest).filter(|(cid, _)| cid.starts_with(&[0])).map(|(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_for_one_document() {
        let good: [&[u8]; 9] = [
            b"\x00",
            b"\x18\x18",
            b"\x39\x01\x00",
            b"\x1b\0\0\0\x01\0\0\0\0",
            b"\x43abc",
            b"\x82\x01\xf6",
            b"\xa2\x61b\x01\x62aa\xf5",
            b"\xfb\x3f\xf0\0\0\0\0\0\0",
            b"\xd8\x2a\x42\0\x01",
        ];
        for bytes in good {
            assert!(is_canonical(bytes), "{}", bytes.escape_ascii());
        }
        let bad: [&[u8]; 19] = [
            b"",
            b"\x00\x00",
            b"\x18\x17",
            b"\x19\x00\xff",
            b"\x1a\0\0\xff\xff",
            b"\x5f\x41a\xff",
            b"\x9f\xff",
            b"\xa2\x62aa\x01\x61b\x02",
            b"\xa2\x61a\x01\x61a\x02",
            b"\xa1\x01\x02",
            b"\xa1\x61\xff\x02",
            b"\xf9\x3c\0",
            b"\xfb\x7f\xf8\0\0\0\0\0\0",
            b"\xf7",
            b"\xc1\x00",
            b"\xd8\x2a\x41\x01",
            b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
            &[0x81; 4096],
        ];
        for bytes in bad {
            assert!(!is_canonical(bytes), "{}", bytes.escape_ascii());
        }
    }
}
