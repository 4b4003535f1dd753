//! What can happen to a file: bits, bytes, blocks and whole files.

use super::random::Random;
use std::{
    fs::OpenOptions,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

/// One kind of harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// One bit.
    Flip,
    /// Up to 64 bytes, one after another, become others.
    Scribble,
    /// The file ends earlier.
    Cut,
    /// The file goes on after its end.
    Append,
    /// A piece becomes zeros.
    Zero,
    /// Two equally long pieces change places.
    SwapBlocks,
    /// Two files change places.
    SwapFiles,
    /// A piece is moved round.
    Rotate,
    /// The file as it was when the store was half as full.
    Older,
    /// The file is gone.
    Missing,
}

pub(super) const KINDS: [Kind; 10] = [
    Kind::Flip,
    Kind::Scribble,
    Kind::Cut,
    Kind::Append,
    Kind::Zero,
    Kind::SwapBlocks,
    Kind::SwapFiles,
    Kind::Rotate,
    Kind::Older,
    Kind::Missing,
];

/// Harms `file` of the store in `folder`, whose younger self is in `young`; says what was done. Bytes are changed where
/// they lie: a process that has the file open or mapped sees them.
pub(super) fn harm(kind: Kind, folder: &Path, file: &Path, young: &Path, random: &mut Random) -> String {
    let path = folder.join(file);
    let bytes = std::fs::read(&path).unwrap();
    let changed = match kind {
        Kind::Missing => {
            std::fs::remove_file(&path).unwrap();
            return "removed".to_owned();
        }
        Kind::SwapFiles => return swap_files(folder, file, random),
        Kind::Older => match std::fs::read(young.join(file)) {
            Ok(older) => (older, "its older self".to_owned()),
            Err(_) => piecewise(Kind::Flip, bytes.clone(), random),
        },
        kind => piecewise(kind, bytes.clone(), random),
    };
    write_in_place(&path, &bytes, &changed.0);
    changed.1
}

/// Writes what differs, and gives the file its new length.
fn write_in_place(path: &Path, old: &[u8], new: &[u8]) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let differs = |at: usize| old.get(at) != new.get(at);
    if let Some(first) = (0..new.len()).find(|at| differs(*at)) {
        let last = (first..new.len()).rev().find(|at| differs(*at)).unwrap_or(first);
        file.write_all_at(&new[first..=last], first as u64).unwrap();
    }
    if new.len() < old.len() {
        file.set_len(new.len() as u64).unwrap();
    }
}

fn piecewise(kind: Kind, mut bytes: Vec<u8>, random: &mut Random) -> (Vec<u8>, String) {
    if bytes.is_empty() || kind == Kind::Append {
        let more = 1 + random.below(20_000);
        bytes.extend((0..more).map(|_| random.byte()));
        return (bytes, format!("{more} bytes appended"));
    }
    let at = place(bytes.len(), random);
    let said = match kind {
        Kind::Cut => {
            bytes.truncate(at);
            format!("cut to {at}")
        }
        Kind::Flip => {
            bytes[at] ^= 1 << random.below(8);
            format!("a bit flipped at {at}")
        }
        Kind::Scribble => {
            let end = bytes.len().min(at + 1 + random.below(64));
            bytes[at..end].iter_mut().for_each(|byte| *byte = random.byte());
            format!("scribbled over {at}..{end}")
        }
        Kind::Zero => {
            let (from, to) = piece(bytes.len(), at, random);
            bytes[from..to].fill(0);
            format!("zeros at {from}..{to}")
        }
        Kind::Rotate => {
            let (from, to) = piece(bytes.len(), at, random);
            let by = random.below(to - from);
            bytes[from..to].rotate_left(by);
            format!("{from}..{to} rotated by {by}")
        }
        _ => swap_blocks(&mut bytes, random),
    };
    (bytes, said)
}

/// Every other place early in the file, where headers are.
fn place(len: usize, random: &mut Random) -> usize {
    let early = random.below(2) == 0;
    random.below(if early { len.min(4096) } else { len })
}

/// A piece around `at`: often a whole block, as disks lose them, else any.
fn piece(len: usize, at: usize, random: &mut Random) -> (usize, usize) {
    let block = [1, 24, 512, 4096, 8192][random.below(5)];
    match block {
        1 => (at, len.min(at + 1 + random.below(3 * 8192))),
        block => (at / block * block, len.min((at / block + 1) * block)),
    }
}

fn swap_blocks(bytes: &mut [u8], random: &mut Random) -> String {
    let block = [24, 512, 4096, 8192, 8216][random.below(5)].min(bytes.len() / 2).max(1);
    let blocks = bytes.len() / block;
    let (one, two) = (random.below(blocks) * block, random.below(blocks) * block);
    for step in 0..block {
        bytes.swap(one + step, two + step);
    }
    format!("{block} bytes at {one} and {two} swapped")
}

fn swap_files(folder: &Path, file: &Path, random: &mut Random) -> String {
    let others: Vec<PathBuf> =
        crate::damage::files(folder).into_iter().filter(|other| *other != folder.join(file)).collect();
    let other = &others[random.below(others.len())];
    let aside = folder.join("aside");
    std::fs::rename(folder.join(file), &aside).unwrap();
    std::fs::rename(other, folder.join(file)).unwrap();
    std::fs::rename(&aside, other).unwrap();
    format!("swapped with {}", other.strip_prefix(folder).unwrap().display())
}
