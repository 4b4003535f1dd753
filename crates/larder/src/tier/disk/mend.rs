//! What is said of an index that fails: one that is broken is begun anew, which is said once.

use super::{Inner, open, pool::Failure};
use crate::{Error, IndexFault, error::Harm};
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A process looks no more often: looking at every page of a large index takes long, and what is wrong may be what a check
/// does not find.
pub(super) const SELDOM: Duration = Duration::from_mins(1);

/// An index that is younger may have replaced the one that a call began with.
const JUST: Duration = Duration::from_secs(5);
/// Making an empty index takes a few milliseconds.
const AT_ONCE: Duration = Duration::from_millis(250);

/// What this process did last about an index that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// It is being looked at.
    Going,
    /// It was begun anew.
    Anew,
    /// Nothing was wrong with it: another process was faster, or a check does not find what is wrong.
    Intact,
    /// It could not be looked at, or not be begun anew.
    Failed,
}

/// The last look, and when it was.
#[derive(Debug, Default)]
pub(super) struct Mending(Mutex<Option<(Instant, Look)>>);

impl Mending {
    fn lately(&self) -> Option<Look> {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.filter(|(at, _)| at.elapsed() < SELDOM).map(|(_, look)| look)
    }

    /// `None` where it is time to look, which the caller then does; else what the last look found.
    fn begin(&self) -> Option<Look> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some((at, look)) if at.elapsed() < SELDOM => Some(look),
            _ => {
                *last = Some((Instant::now(), Look::Going));
                None
            }
        }
    }

    fn end(&self, look: Look) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), look));
    }
}

impl Inner {
    /// What the caller is told of a failure; an index that it says is broken is moved aside and begun anew first.
    pub(super) fn judge(&self, failure: Failure) -> Error {
        match failure {
            Failure::Index(error) if self.pool.may_write() => self.judge_index(&error),
            other => other.into(),
        }
    }

    fn judge_index(&self, error: &rusqlite::Error) -> Error {
        let anew = || Error::Index { fault: IndexFault::Anew, why: error.to_string() };
        if !open::is_broken(error) {
            return if open::is_elsewhere(error) && self.is_replaced() { anew() } else { error.into() };
        }
        match self.mend() {
            Ok(true) => anew(),
            Ok(false) => error.into(),
            Err(why) if why.harm() == Some(Harm::Locked) => why,
            Err(why) => Error::index(format!("{error}; and it could not be begun anew: {why}")),
        }
    }

    /// Whether an index that could not be opened was moved aside meanwhile, by another thread or another process.
    fn is_replaced(&self) -> bool {
        if matches!(self.mending.lately(), Some(Look::Going | Look::Anew)) {
            return true;
        }
        if !self.paths.index.exists() {
            // Whoever moves it aside holds the lock until there is another one.
            let _none_is_made = open::lock(&self.paths.root, AT_ONCE);
        }
        open::is_younger(&self.paths, JUST)
    }

    /// Whether what is broken is an index that was begun anew lately, or is about to be.
    fn mend(&self) -> Result<bool, Error> {
        let look = match self.mending.begin() {
            Some(last) => Ok(last),
            None => self.look_for_damage(),
        };
        Ok(matches!(look?, Look::Going | Look::Anew) || open::is_younger(&self.paths, SELDOM))
    }

    fn look_for_damage(&self) -> Result<Look, Error> {
        let looked = open::repair(&self.paths, self.pool.mode).map(|anew| if anew { Look::Anew } else { Look::Intact });
        let by_another = matches!(&looked, Err(why) if why.harm() == Some(Harm::Locked));
        // Who holds the lock so long looks at it, as far as this process knows.
        let otherwise = if by_another { Look::Going } else { Look::Failed };
        self.mending.end(*looked.as_ref().unwrap_or(&otherwise));
        if looked.is_ok()
            && let Err(error) = self.level_generations()
        {
            // Whoever writes next does it, and until then the sidecar knows them.
            tracing::debug!(%error, "the new index does not know the generations yet");
        }
        looked
    }
}
