//! The canonical writer: RFC 8785 (JCS). Numbers and member order are canonical already ([`Number`], [`Object`]).
//!
//! [`Number`]: super::Number

use super::{Json, Object};

/// Appends the canonical form of `value`.
pub(super) fn value(value: &Json, out: &mut Vec<u8>) {
    match value {
        Json::Null => out.extend_from_slice(b"null"),
        Json::Bool(true) => out.extend_from_slice(b"true"),
        Json::Bool(false) => out.extend_from_slice(b"false"),
        Json::Number(number) => out.extend_from_slice(number.as_str().as_bytes()),
        Json::String(text) => string(text, out),
        Json::Array(elements) => array(elements, out),
        Json::Object(members) => object(members, out),
    }
}

fn array(elements: &[Json], out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, element) in elements.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        value(element, out);
    }
    out.push(b']');
}

/// Appends an object.
pub(super) fn object(members: &Object, out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, (name, member)) in members.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        string(name, out);
        out.push(b':');
        value(member, out);
    }
    out.push(b'}');
}

/// Appends a string (RFC 8785 §3.2.2.2): only `"`, `\` and U+0000–U+001F are escaped.
pub(super) fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    // Whether a block has anything to escape is asked of many bytes at once; few blocks have.
    for block in text.as_bytes().chunks(64) {
        if block.iter().fold(false, |any, byte| any | needs_escape(*byte)) {
            escaped(block, out);
        } else {
            out.extend_from_slice(block);
        }
    }
    out.push(b'"');
}

fn escaped(mut rest: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = next_escape(rest) {
        out.extend_from_slice(&rest[..at]);
        escape(rest[at], out);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Where the first byte is that has to be escaped. Eight bytes at once: in a word, a byte below `n` (≤ 0x80) borrows from its
/// highest bit when `n` is taken off, which was not set before; of the bits that say so the lowest is never wrong.
fn next_escape(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    const fn below(word: u64, n: u8) -> u64 {
        word.wrapping_sub(ONES * n as u64) & !word & HIGH
    }
    let (words, rest) = bytes.as_chunks::<8>();
    for (n, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        let found = below(word, 0x20) | is(b'"') | is(b'\\');
        if found != 0 {
            return Some(n * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|byte| needs_escape(*byte)).map(|at| words.len() * 8 + at)
}

const fn needs_escape(byte: u8) -> bool {
    // `|` and not `||`: no branch, so that the compiler compares many bytes at once.
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        0x08 => b'b',
        0x09 => b't',
        0x0A => b'n',
        0x0C => b'f',
        0x0D => b'r',
        b'"' | b'\\' => byte,
        _ => {
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
            return out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn escapes_are_found_as_one_by_one(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0x1f_u8..0x23, 0x5b_u8..0x5e, Just(b'a'), Just(0x80)], 0..80)
        ) {
            prop_assert_eq!(next_escape(&bytes), bytes.iter().position(|byte| needs_escape(*byte)));
        }
    }
}
