//! Kept inputs: one text file for each property, one input a line, in quotes, what is no printable ASCII escaped as in Rust.
//! Lines without a quote at their beginning are remarks.

use std::{fmt::Write as _, fs, io, path::PathBuf};

/// A file of kept inputs: `kind` is `seeds`, `corpus` or `findings`, `name` a property's.
#[must_use]
pub fn path(kind: &str, name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz").join(kind).join(format!("{name}.txt"))
}

/// The inputs of a file.
pub fn load(kind: &str, name: &str) -> io::Result<Vec<Vec<u8>>> {
    Ok(unpack(&fs::read_to_string(path(kind, name))?))
}

/// A file's text.
#[must_use]
pub fn pack(inputs: &[Vec<u8>]) -> String {
    inputs.iter().fold(String::new(), |mut text, input| {
        let _ = writeln!(text, "\"{}\"", input.escape_ascii());
        text
    })
}

/// The inputs in a file's text; lines that are none are left out.
#[must_use]
pub fn unpack(text: &str) -> Vec<Vec<u8>> {
    let quoted = text.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    quoted.filter_map(|line| unescaped(line.as_bytes())).collect()
}

fn unescaped(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (letter, after) = rest.split_first()?;
        rest = after;
        bytes.push(match letter {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            other => *other,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let inputs = vec![(0..=255).collect::<Vec<u8>>(), Vec::new(), b"\\x41\"'#".to_vec()];
        assert_eq!(unpack(&format!("# a remark\n{}", pack(&inputs))), inputs);
    }
}
