//! Secrets that cannot be printed, the names and addresses that hold credentials, and the digest that stands for one.

mod address;
mod lists;
mod names;

pub use self::{
    address::has_credential_address,
    names::{is_credential_header, is_credential_parameter, is_credential_variable, is_issued_header},
};
pub(crate) use self::{
    address::{has_address_with, is_credential_path},
    names::{is_credential_name, is_no_credential_variable, is_only_a_key, is_sure_credential_header},
};

use crate::share::CredentialDigest;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// A value that is never shown: `Debug` prints `[hidden]`, there is no `Display` and no serialisation, and the memory is
/// wiped when it is dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Hides `bytes`.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The hidden bytes, for hashing and for sending to the origin; never for printing.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// The digest of a caller's credentials: base32 HMAC-SHA256 under the installation's secret, over the (name,
/// value) pairs, sorted by name, each part led by its length as eight bytes, big-endian, so that no two lists run together.
///
/// Values of one name keep their order: which of two an origin believes is its own affair. Names are counted in lower
/// case, but those of query parameters (`?Key`) as they are: to an origin, `key` and `Key` are two.
#[must_use]
pub fn credential_digest(secret: &Secret, pairs: &[(String, Secret)]) -> CredentialDigest {
    let counted = |name: &str| if name.starts_with('?') { name.to_owned() } else { name.to_ascii_lowercase() };
    let mut pairs: Vec<_> = pairs.iter().map(|(name, value)| (counted(name), value.expose())).collect();
    // Stable.
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    // HMAC takes keys of every length (RFC 2104 §2), so that the second key is never used; it only avoids a panic.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose()).unwrap_or_else(|_| Hmac::new(&Default::default()));
    for part in pairs.iter().flat_map(|(name, value)| [name.as_bytes(), value]) {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part);
    }
    CredentialDigest::from_mac(&mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(pairs: &[(&str, &str)]) -> String {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect();
        credential_digest(&Secret::new(*b"installation"), &pairs).as_str().to_owned()
    }

    #[test]
    fn digests() {
        // Computed with Python: base32(hmac.new(b"installation", framed, sha256)), lower case without padding.
        assert_eq!(digest(&[("Authorization", "Bearer a")]), "6ok5ii6l4g44tjto2gnn5kuarlz43jonwbilahqyjq5k5yjgahsa");
        assert_eq!(digest(&[("a", "1"), ("b", "2")]), digest(&[("B", "2"), ("A", "1")]), "order and case of names");
        assert_ne!(digest(&[("a", "1")]), digest(&[("a", "1"), ("a", "1")]));
        assert_ne!(digest(&[("a", "1"), ("a", "2")]), digest(&[("a", "2"), ("a", "1")]), "lines of one name");
        assert_ne!(digest(&[("?key", "1")]), digest(&[("?KEY", "1")]), "names of query parameters keep their case");
        assert_ne!(digest(&[("ab", "c")]), digest(&[("a", "bc")]), "framed");
        assert_ne!(digest(&[("a", "b"), ("c", "d")]), digest(&[("a", "bcd")]), "framed");
        assert_ne!(digest(&[("a", "x")]), digest(&[("a", "X")]), "values keep their case");
    }

    #[test]
    fn never_printed() {
        assert_eq!(format!("{:?}", Secret::new(*b"sk-1234")), "[hidden]");
    }
}
