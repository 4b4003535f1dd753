//! Credentials that an origin accepted lately: who may be given a shared answer.

use crate::tier::{Disk, sidecar::Sidecar};
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
    /// And what the sidecar knew of refusals then.
    Accepted(Timestamp, (u64, u64)),
    Rejected(Timestamp),
}

/// Who knows what other processes were told.
#[derive(Clone, Copy)]
pub(crate) struct Witnesses<'a> {
    /// Acceptances and refusals.
    pub(crate) disk: Option<&'a Disk>,
    /// Refusals, also those that could not be written.
    pub(crate) sidecar: &'a Sidecar,
}

impl Witnesses<'_> {
    fn refuse(&self, origin: &str, credential: &CredentialDigest, now: Timestamp) {
        match self.disk {
            Some(disk) => disk.refuse(origin, credential.as_str(), now),
            None => self.sidecar.refuse(origin, credential.as_str(), now),
        }
    }
}

impl Accepted {
    pub(crate) fn keep(&self, others: &Witnesses<'_>, origin: &str, credential: &CredentialDigest, now: Timestamp) {
        let (known, refusal) = (self.known(origin, credential), others.sidecar.refusal(origin, credential.as_str()));
        if matches!(known, Some(Word::Accepted(at, mark)) if mark == refusal.mark && vouches(at, now) && now.since(at) < LAG)
        {
            return;
        }
        self.remember(origin, credential, Word::Accepted(now, refusal.mark));
        if let Some(disk) = others.disk {
            disk.keep_accepted(origin, credential.as_str(), now, true);
        }
    }

    /// The origin refused the credential: what vouched for it does so no more.
    pub(crate) fn forget(&self, others: &Witnesses<'_>, origin: &str, credential: &CredentialDigest, now: Timestamp) {
        others.refuse(origin, credential, now);
        self.remember(origin, credential, Word::Rejected(now));
        if let Some(disk) = others.disk {
            disk.keep_accepted(origin, credential.as_str(), now, false);
        }
    }

    pub(crate) fn is_accepted(
        &self,
        others: &Witnesses<'_>,
        origin: &str,
        credential: &CredentialDigest,
        now: Timestamp,
    ) -> bool {
        let (known, refusal) = (self.known(origin, credential), others.sidecar.refusal(origin, credential.as_str()));
        if matches!(known, Some(Word::Accepted(at, mark)) if mark == refusal.mark && vouches(at, now)) {
            return true;
        }
        // Another process may have seen a later one, or a refusal.
        let Some(at) = others.disk.and_then(|disk| disk.accepted_at(origin, credential.as_str())) else { return false };
        let is_refused = refusal.before.is_some_and(|before| at < before)
            || matches!(known, Some(Word::Rejected(then)) if at <= then);
        if is_refused || !vouches(at, now) {
            return false;
        }
        self.remember(origin, credential, Word::Accepted(at, refusal.mark));
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

    fn witnesses(sidecar: &Sidecar) -> Witnesses<'_> {
        Witnesses { disk: None, sidecar }
    }

    #[test]
    fn a_2xx_vouches_for_24_hours_for_this_origin_and_this_credential() {
        let (accepted, sidecar, now) = (Accepted::default(), Sidecar::private(), Timestamp(1_700_000_000_000));
        let [mine, other] = [1, 2].map(|byte| CredentialDigest::from_mac(&[byte; 32]));
        assert!(!accepted.is_accepted(&witnesses(&sidecar), "https://a", &mine, now));
        accepted.keep(&witnesses(&sidecar), "https://a", &mine, now);
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
            assert_eq!(
                accepted.is_accepted(&witnesses(&sidecar), origin, credential, at),
                expected,
                "{origin} {credential:?} {at:?}"
            );
        }
    }

    #[test]
    fn a_refusal_ends_it_and_the_next_2xx_begins_it_anew() {
        let (accepted, sidecar, now) = (Accepted::default(), Sidecar::private(), Timestamp(1_700_000_000_000));
        let mine = CredentialDigest::from_mac(&[1; 32]);
        accepted.keep(&witnesses(&sidecar), "https://a", &mine, now);
        accepted.forget(&witnesses(&sidecar), "https://a", &mine, now);
        assert!(!accepted.is_accepted(&witnesses(&sidecar), "https://a", &mine, now));
        accepted.keep(&witnesses(&sidecar), "https://a", &mine, now);
        assert!(accepted.is_accepted(&witnesses(&sidecar), "https://a", &mine, now));
    }

    #[test]
    fn what_one_process_saw_refused_no_other_one_trusts() {
        let (sidecar, now) = (Sidecar::private(), Timestamp(1_700_000_000_000));
        let (mine, others) = (CredentialDigest::from_mac(&[1; 32]), witnesses(&sidecar));
        let [one, two] = [Accepted::default(), Accepted::default()];
        one.keep(&others, "https://a", &mine, now);
        let later = now.plus(Duration::from_secs(1));
        two.forget(&others, "https://a", &mine, later);
        assert!(!one.is_accepted(&others, "https://a", &mine, later));
        one.keep(&others, "https://a", &mine, later.plus(Duration::from_secs(1)));
        assert!(one.is_accepted(&others, "https://a", &mine, later.plus(Duration::from_secs(1))));
    }

    #[test]
    fn every_refusal_ends_what_was_accepted_before_it_whatever_the_clock_says() {
        let (sidecar, now) = (Sidecar::private(), Timestamp(1_700_000_000_000));
        let (mine, others) = (CredentialDigest::from_mac(&[1; 32]), witnesses(&sidecar));
        let [one, two] = [Accepted::default(), Accepted::default()];
        for at in [now, now, Timestamp(now.0 - 300_000), now.plus(Duration::from_secs(3600)), now] {
            one.keep(&others, "https://a", &mine, now);
            assert!(one.is_accepted(&others, "https://a", &mine, now));
            two.forget(&others, "https://a", &mine, at);
            assert!(!one.is_accepted(&others, "https://a", &mine, now), "{at:?}");
        }
    }
}
