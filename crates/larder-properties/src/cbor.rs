//! A judge of DAG-CBOR's canonical form that shares nothing with larder's reader (IPLD's DAG-CBOR specification:
//! shortest integers, definite lengths, string keys sorted by length and then by bytes, each once, tag 42 only, floats of
//! 64 bits).

use std::collections::BTreeSet;

/// Whether `bytes` are one canonical item and nothing else.
#[must_use]
pub fn is_canonical(bytes: &[u8]) -> bool {
    names(bytes).is_some()
}

/// The names of all members, each behind the names of those that it lies in (`/head/tool/frames/fd`); `None` where `bytes`
/// are not one canonical item.
#[must_use]
pub fn names(bytes: &[u8]) -> Option<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    item(bytes, &Place { path: String::new(), room: 1024 }, &mut names)?.is_empty().then_some(names)
}

/// Where in the document.
struct Place {
    path: String,
    /// How many levels may still be opened.
    room: usize,
}

impl Place {
    fn inside(&self, name: &str) -> Option<Self> {
        let path = if name.is_empty() { self.path.clone() } else { format!("{}/{name}", self.path) };
        Some(Self { path, room: self.room.checked_sub(1)? })
    }
}

/// Steps over an item; the rest.
fn item<'a>(bytes: &'a [u8], place: &Place, names: &mut BTreeSet<String>) -> Option<&'a [u8]> {
    let (first, rest) = bytes.split_first()?;
    let (major, minor) = (first >> 5, first & 31);
    if major == 7 {
        return simple(minor, rest);
    }
    let (argument, rest) = argument(minor, rest)?;
    match major {
        0 | 1 => Some(rest),
        2 => Some(chunk(argument, rest)?.1),
        3 => text(argument, rest).map(|(_, rest)| rest),
        4 => {
            let inside = place.inside("")?;
            (0..argument).try_fold(rest, |rest, _| item(rest, &inside, names))
        }
        5 => members(argument, rest, place, names),
        _ if argument == 42 => (rest.first()? >> 5 == 2).then(|| item(rest, place, names))?,
        _ => None,
    }
}

/// `false`, `true`, `null`, and finite doubles.
fn simple(minor: u8, rest: &[u8]) -> Option<&[u8]> {
    match minor {
        20..=22 => Some(rest),
        27 => {
            let (bits, rest) = rest.split_first_chunk::<8>()?;
            f64::from_be_bytes(*bits).is_finite().then_some(rest)
        }
        _ => None,
    }
}

/// The number beside a major type, in its shortest form.
fn argument(minor: u8, rest: &[u8]) -> Option<(u64, &[u8])> {
    let (width, least) = match minor {
        0..=23 => return Some((minor.into(), rest)),
        24 => (1, 24),
        25 => (2, 0x100),
        26 => (4, 0x1_0000),
        27 => (8, 0x1_0000_0000),
        _ => return None,
    };
    let (digits, rest) = rest.split_at_checked(width)?;
    let number = digits.iter().fold(0_u64, |number, digit| number << 8 | u64::from(*digit));
    (number >= least).then_some((number, rest))
}

fn chunk(length: u64, rest: &[u8]) -> Option<(&[u8], &[u8])> {
    rest.split_at_checked(usize::try_from(length).ok()?)
}

fn text(length: u64, rest: &[u8]) -> Option<(&str, &[u8])> {
    let (bytes, rest) = chunk(length, rest)?;
    Some((std::str::from_utf8(bytes).ok()?, rest))
}

fn members<'a>(count: u64, mut rest: &'a [u8], place: &Place, names: &mut BTreeSet<String>) -> Option<&'a [u8]> {
    let mut before: Option<&str> = None;
    for _ in 0..count {
        let (first, after) = rest.split_first()?;
        let (length, after) = argument(first & 31, after).filter(|_| first >> 5 == 3)?;
        let (name, after) = text(length, after)?;
        if before.is_some_and(|before| (before.len(), before) >= (name.len(), name)) {
            return None;
        }
        before = Some(name);
        let inside = place.inside(name)?;
        rest = item(after, &inside, names)?;
        names.insert(inside.path);
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::is_canonical;

    #[test]
    fn the_specifications_rules() {
        let good: [&[u8]; 7] = [
            b"\x00",
            b"\x18\x18",
            b"\x43abc",
            b"\x82\x01\xf6",
            b"\xa2\x61b\x01\x62aa\x02",
            b"\xfb\x3f\xf0\0\0\0\0\0\0",
            b"\xd8\x2a\x41\0",
        ];
        for bytes in good {
            assert!(is_canonical(bytes), "{}", bytes.escape_ascii());
        }
        let bad: [&[u8]; 12] = [
            b"",
            b"\x18\x17",
            b"\x19\x00\xff",
            b"\x5f\x41a\xff",
            b"\x9f\xff",
            b"\xa2\x62aa\x01\x61b\x02",
            b"\xa2\x61a\x01\x61a\x02",
            b"\xa1\x01\x02",
            b"\xf9\x3c\0",
            b"\xc1\x00",
            b"\xf7",
            b"\x00\x00",
        ];
        for bytes in bad {
            assert!(!is_canonical(bytes), "{}", bytes.escape_ascii());
        }
    }
}
