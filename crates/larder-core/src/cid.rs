//! Content identifiers: CIDv1, sha2-256, multibase base32 lower case without padding (`bafkrei…`, `bafyrei…`).
//!
//! Three types for three things that must never be confused: the question, the answer's bytes, the record
//! that joins them. None converts into another. Sources: the CID specification (multiformats/cid), RFC 4648 §6.

use data_encoding::Encoding;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use std::{fmt, str::FromStr, sync::LazyLock};

/// Multicodec `raw`: the CID names these very bytes.
const RAW: u8 = 0x55;
/// Multicodec `dag-cbor`.
const DAG_CBOR: u8 = 0x71;
/// CID version 1.
const V1: u8 = 0x01;
/// Multihash `sha2-256`, 32 bytes long.
const SHA2_256: [u8; 2] = [0x12, 0x20];

/// RFC 4648 base32, lower case, no padding: the alphabet of multibase `b`.
pub static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut spec = data_encoding::Specification::new();
    spec.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    // The specification is a constant, so that the fallback is never taken; it only keeps this path free of a panic.
    spec.encoding().unwrap_or(data_encoding::BASE32_NOPAD)
});

/// Why a text is not the CID that was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {expected}: expected a CIDv1 in base32 that begins with `{prefix}`")]
pub struct CidError {
    text: String,
    expected: &'static str,
    prefix: &'static str,
}

fn encode(codec: u8, digest: &[u8; 32]) -> String {
    let mut bytes = [0u8; 36];
    bytes[..4].copy_from_slice(&[V1, codec, SHA2_256[0], SHA2_256[1]]);
    bytes[4..].copy_from_slice(digest);
    let mut text = String::with_capacity(59);
    text.push('b');
    BASE32.encode_append(&bytes, &mut text);
    text
}

fn decode(codec: u8, text: &str) -> Option<[u8; 32]> {
    let bytes = BASE32.decode(text.strip_prefix('b')?.as_bytes()).ok()?;
    let digest = bytes.strip_prefix(&[V1, codec, SHA2_256[0], SHA2_256[1]])?;
    digest.try_into().ok()
}

/// sha2-256 of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

macro_rules! cid_type {
    ($(#[$doc:meta])* $name:ident, $codec:expr, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The identifier of `bytes`.
            #[must_use]
            pub fn of(bytes: &[u8]) -> Self {
                Self(sha256(bytes))
            }

            /// The identifier whose sha2-256 digest is `digest`.
            #[must_use]
            pub const fn from_digest(digest: [u8; 32]) -> Self {
                Self(digest)
            }

            /// The sha2-256 digest inside.
            #[must_use]
            pub const fn digest(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&encode($codec, &self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = CidError;
            fn from_str(text: &str) -> Result<Self, CidError> {
                decode($codec, text).map(Self).ok_or_else(|| CidError {
                    text: text.to_owned(),
                    expected: stringify!($name),
                    prefix: $prefix,
                })
            }
        }

        /// As its 32 digest bytes (a byte string).
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let bytes = serde_bytes::ByteBuf::deserialize(deserializer)?;
                let digest = <[u8; 32]>::try_from(bytes.as_slice()).map_err(serde::de::Error::custom)?;
                Ok(Self(digest))
            }
        }
    };
}

cid_type!(
    /// The CID of the canonical question. Looks answers up; never fetched from a content-addressed network.
    QueryKey, RAW, "bafkrei"
);
cid_type!(
    /// The CID of an answer's bytes, plain and whole. Verifies them, names their file, deduplicates them.
    BodyCid, RAW, "bafkrei"
);
cid_type!(
    /// The CID of an encoded [`crate::Record`] (DAG-CBOR).
    RecordCid, DAG_CBOR, "bafyrei"
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn well_known_identifiers() {
        let empty = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
        assert_eq!(QueryKey::of(b"").to_string(), empty);
        assert_eq!(BodyCid::of(b"").to_string(), empty);
        let hello = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";
        assert_eq!(BodyCid::of(b"hello world").to_string(), hello);
        let empty_map = "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua";
        assert_eq!(RecordCid::of(b"\xa0").to_string(), empty_map);
    }

    #[test]
    fn another_spelling_or_kind_is_refused() {
        let good = QueryKey::of(b"").to_string();
        for text in [
            String::new(),
            "b".to_owned(),
            good.to_uppercase(),
            good[1..].to_owned(),
            good[..58].to_owned(),
            format!("{good}a"),
            format!(" {good}"),
            good.replacen('b', "z", 1),
            // The last character holds two bits that say nothing: they are zero.
            format!("{}v", &good[..58]),
            RecordCid::of(b"").to_string(),
            "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG".to_owned(),
        ] {
            assert!(text.parse::<QueryKey>().is_err(), "{text}");
        }
        let error = good.parse::<RecordCid>().unwrap_err().to_string();
        assert_eq!(
            error,
            format!("`{good}` is not a RecordCid: expected a CIDv1 in base32 that begins with `bafyrei`")
        );
    }

    #[test]
    fn serde_carries_the_digest() {
        let cid = BodyCid::of(b"body");
        let bytes = serde_ipld_dagcbor::to_vec(&cid).unwrap();
        assert_eq!(bytes.len(), 34, "a byte string of 32 bytes");
        assert_eq!(serde_ipld_dagcbor::from_slice::<BodyCid>(&bytes).unwrap(), cid);
        assert!(serde_ipld_dagcbor::from_slice::<BodyCid>(b"\x41\x00").is_err());
    }

    proptest! {
        #[test]
        fn text_comes_back(digest in any::<[u8; 32]>()) {
            let cid = QueryKey::from_digest(digest);
            prop_assert_eq!(cid.to_string().parse::<QueryKey>().unwrap(), cid);
            prop_assert!(cid.to_string().starts_with("bafkrei"));
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), near in "b[a-z2-7]{0,60}") {
            let _ = (text.parse::<QueryKey>(), near.parse::<RecordCid>());
        }
    }
}
