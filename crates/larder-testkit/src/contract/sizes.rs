//! Bodies of every size come back whole, also when the next one has replaced them.

use super::Subject;
use crate::{
    clock::START,
    entry::{entry, noise, want},
};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
/// Both sides of every limit that a tier has: inline or a file, in memory or not.
const SIZES: [usize; 9] = [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, MIB, MIB + 1, 4 * MIB, 64 * MIB];

pub(super) fn sizes(subject: &Subject) {
    let kept = || SIZES.into_iter().filter(|len| *len <= subject.largest);
    for len in kept() {
        let (question, body) = (format!("size {len}"), noise(len));
        subject.put(entry(&question, &body, START), START);
        for _ in 0..2 {
            subject.expect(&want(&question), START, Some(&body));
        }
    }
    // One key whose answer grows and shrinks.
    for len in kept().chain(kept().collect::<Vec<_>>().into_iter().rev()).filter(|len| *len <= MIB) {
        let body = noise(len);
        subject.put(entry("growing", &body, START), START);
        subject.expect(&want("growing"), START, Some(&body));
    }
}
