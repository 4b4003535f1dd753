//! A CID's first letters as a range of digests.

use larder_core::cid::BASE32;

/// What comes before a [`larder_core::QueryKey`]'s digest: version 1, raw, sha2-256, 32 bytes.
const HEADER: [u8; 4] = [0x01, 0x55, 0x12, 0x20];
/// Letters of a whole CID after the `b`.
const LETTERS: usize = 58;

/// The first and last digest of the keys whose text begins with `prefix`; `None` when no key's does.
pub(crate) fn digests(prefix: &str) -> Option<([u8; 32], [u8; 32])> {
    let Some(letters) = prefix.strip_prefix('b') else {
        return prefix.is_empty().then_some(([0; 32], [0xff; 32]));
    };
    if letters.len() > LETTERS || !letters.bytes().all(|letter| matches!(letter, b'a'..=b'z' | b'2'..=b'7')) {
        return None;
    }
    let low = whole(letters, 'a')?;
    let high = whole(letters, '7')?;
    let (low_header, low) = low.split_first_chunk::<4>()?;
    let (high_header, high) = high.split_first_chunk::<4>()?;
    if HEADER < *low_header || HEADER > *high_header {
        return None;
    }
    let low = if HEADER == *low_header { low.try_into().ok()? } else { [0; 32] };
    let high = if HEADER == *high_header { high.try_into().ok()? } else { [0xff; 32] };
    Some((low, high))
}

/// The 36 bytes of `letters`, filled up with `filler`. The last letter's two spare bits are dropped.
fn whole(letters: &str, filler: char) -> Option<Vec<u8>> {
    let mut text: String = letters.to_owned();
    text.extend(std::iter::repeat_n(filler, 64 - letters.len()));
    let mut bytes = BASE32.decode(text.as_bytes()).ok()?;
    bytes.truncate(HEADER.len() + 32);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use larder_core::QueryKey;

    #[test]
    fn every_prefix_of_a_key_holds_it_and_a_longer_one_holds_fewer() {
        for seed in 0..200u8 {
            let key = QueryKey::of(&[seed]);
            let text = key.to_string();
            for len in 0..=text.len() {
                let (low, high) = digests(&text[..len]).unwrap();
                assert!((low..=high).contains(key.digest()), "{}", &text[..len]);
            }
            assert_eq!(digests(&text), Some((*key.digest(), *key.digest())));
        }
    }

    #[test]
    fn the_range_holds_exactly_the_keys_whose_text_begins_so() {
        let keys: Vec<QueryKey> = (0..300u16).map(|seed| QueryKey::of(&seed.to_le_bytes())).collect();
        for prefix in ["bafkreia", "bafkreib2", "bafkreih", "bafkrei", "bafkre", "b", "bafkreic4"] {
            let (low, high) = digests(prefix).unwrap();
            for key in &keys {
                assert_eq!((low..=high).contains(key.digest()), key.to_string().starts_with(prefix), "{prefix} {key}");
            }
        }
    }

    #[test]
    fn what_no_key_begins_with_holds_none() {
        for prefix in ["z", "bafy", "bb", "bafkreiA", "bafkrei1", "bafkrei%", &"b".repeat(70)] {
            assert_eq!(digests(prefix), None, "{prefix}");
        }
    }
}
