//! Share: who may be given an answer (docs/design/key.md, "Share").

use crate::cid::BASE32;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// Who may be given the answer. Part of the question, so that no answer crosses it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Share {
    /// Anyone.
    Public,
    /// Every member of the team (or, without one, every caller of this installation whose credential the origin accepted).
    Team,
    /// Only callers with this credential.
    Credential(CredentialDigest),
    /// Callers that carried no credential: equal everywhere.
    Anonymous,
}

/// base32 HMAC-SHA256 of a caller's credentials under this installation's secret. Not a secret itself: it can be shown.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CredentialDigest(String);

impl CredentialDigest {
    /// The digest whose HMAC output is `mac`.
    #[must_use]
    pub fn from_mac(mac: &[u8; 32]) -> Self {
        Self(BASE32.encode(mac))
    }

    /// The base32 text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CredentialDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How wide the user lets answers be shared (`--share`). An adapter's own `share` is the widest that can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShareChoice {
    /// Each credential has its own answers. The default.
    #[default]
    Credential,
    /// Answers are shared where the adapter allows it.
    Team,
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("public"),
            Self::Team => f.write_str("team"),
            Self::Credential(digest) => write!(f, "credential:{}", digest.as_str()),
            Self::Anonymous => f.write_str("anonymous"),
        }
    }
}

/// Why a text is not a share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a share: expected `public`, `team`, `anonymous` or `credential:` and 52 base32 letters")]
pub struct ShareError(String);

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        match text {
            "public" => Ok(Self::Public),
            "team" => Ok(Self::Team),
            "anonymous" => Ok(Self::Anonymous),
            _ => {
                let digest = text.strip_prefix("credential:").filter(|digest| is_digest(digest));
                digest
                    .map(|digest| Self::Credential(CredentialDigest(digest.to_owned())))
                    .ok_or_else(|| ShareError(text.to_owned()))
            }
        }
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == 52 && BASE32.decode(text.as_bytes()).is_ok()
}

/// As its text.
impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let digest = CredentialDigest::from_mac(&[9; 32]);
        for share in [Share::Public, Share::Team, Share::Anonymous, Share::Credential(digest)] {
            assert_eq!(share.to_string().parse(), Ok(share));
        }
        for wrong in [
            "",
            "Team",
            "credential:",
            "credential:abc",
            "credential:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert!(wrong.parse::<Share>().is_err(), "{wrong}");
        }
    }
}
