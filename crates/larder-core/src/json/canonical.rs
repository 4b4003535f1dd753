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
    while let Some(at) = rest.iter().position(|byte| needs_escape(*byte)) {
        out.extend_from_slice(&rest[..at]);
        escape(rest[at], out);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
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
