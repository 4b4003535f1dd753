//! Credentials that an origin accepted lately: who may be given a shared answer (DESIGN §3).

use crate::tier::Disk;
use larder_core::{Timestamp, share::CredentialDigest};
use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
    time::Duration,
};

/// How long a 2xx vouches for a credential.
const WINDOW: Duration = Duration::from_secs(24 * 3600);
/// What is on disk may lag behind by this much: the disk is written once in that time, not at every call.
const LAG: Duration = Duration::from_secs(600);
/// A 2xx from the future by more than this does not count: the clock was wrong then or is now.
const SKEW: Duration = Duration::from_secs(600);
/// How many are remembered in memory; beyond it the disk is asked again.
const REMEMBERED: usize = 4096;

/// What this process knows of credentials: (origin, digest) → what it was told last.
#[derive(Debug, Default)]
pub(crate) struct Accepted(RwLock<HashMap<(String, String), Word>>);

/// What an origin said to a credential, and when.
#[derive(Clone, Copy, Debug)]
enum Word {
    Accepted(Timestamp),
    Rejected(Timestamp),
}

impl Accepted {
    pub(crate) fn keep(&self, disk: Option<&Disk>, origin: &str, credential: &CredentialDigest, now: Timestamp) {
        let known = self.known(origin, credential);
        if matches!(known, Some(Word::Accepted(at)) if vouches(at, now) && now.since(at) < LAG) {
            return;
        }
        self.remember(origin, credential, Word::Accepted(now));
        if let Some(disk) = disk {
            disk.keep_accepted(origin, credential.as_str(), now, true);
        }
    }

    /// The origin refused the credential: what vouched for it does so no more.
    pub(crate) fn forget(&self, disk: Option<&Disk>, origin: &str, credential: &CredentialDigest, now: Timestamp) {
        self.remember(origin, credential, Word::Rejected(now));
        if let Some(disk) = disk {
            disk.keep_accepted(origin, credential.as_str(), now, false);
        }
    }

    pub(crate) fn is_accepted(
        &self,
        disk: Option<&Disk>,
        origin: &str,
        credential: &CredentialDigest,
        now: Timestamp,
    ) -> bool {
        let known = self.known(origin, credential);
        if matches!(known, Some(Word::Accepted(at)) if vouches(at, now)) {
            return true;
        }
        // Another process may have seen a later one.
        let Some(at) = disk.and_then(|disk| disk.accepted_at(origin, credential.as_str())) else { return false };
        if !vouches(at, now) || matches!(known, Some(Word::Rejected(then)) if at <= then) {
            return false;
        }
        self.remember(origin, credential, Word::Accepted(at));
        true
    }

    fn known(&self, origin: &str, credential: &CredentialDigest) -> Option<Word> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&(origin.to_owned(), credential.as_str().to_owned())).copied()
    }

    fn remember(&self, origin: &str, credential: &CredentialDigest, word: Word) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert((origin.to_owned(), credential.as_str().to_owned()), word);
    }
}

fn vouches(at: Timestamp, now: Timestamp) -> bool {
    at <= now.plus(SKEW) && now.since(at) <= WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_2xx_vouches_for_24_hours_for_this_origin_and_this_credential() {
        let (accepted, now) = (Accepted::default(), Timestamp(1_700_000_000_000));
        let [mine, other] = [1, 2].map(|byte| CredentialDigest::from_mac(&[byte; 32]));
        assert!(!accepted.is_accepted(None, "https://a", &mine, now));
        accepted.keep(None, "https://a", &mine, now);
        let day = Duration::from_secs(24 * 3600);
        for (origin, credential, at, expected) in [
            ("https://a", &mine, now, true),
            ("https://a", &other, now, false),
            ("https://b", &mine, now, false),
            ("https://a", &mine, now.plus(day), true),
            ("https://a", &mine, now.plus(day + Duration::from_millis(1)), false),
            ("https://a", &mine, Timestamp(now.0 - 599_000), true),
            ("https://a", &mine, Timestamp(now.0 - 601_000), false),
        ] {
            assert_eq!(accepted.is_accepted(None, origin, credential, at), expected, "{origin} {credential:?} {at:?}");
        }
    }

    #[test]
    fn a_refusal_ends_it_and_the_next_2xx_begins_it_anew() {
        let (accepted, now) = (Accepted::default(), Timestamp(1_700_000_000_000));
        let mine = CredentialDigest::from_mac(&[1; 32]);
        accepted.keep(None, "https://a", &mine, now);
        accepted.forget(None, "https://a", &mine, now);
        assert!(!accepted.is_accepted(None, "https://a", &mine, now));
        accepted.keep(None, "https://a", &mine, now);
        assert!(accepted.is_accepted(None, "https://a", &mine, now));
    }
}
