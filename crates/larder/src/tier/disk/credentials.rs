//! Which credentials an origin accepted lately: digests, never the credentials.

use super::{Disk, Inner, transaction::Transaction};
use crate::Error;
use larder_core::Timestamp;
use rusqlite::{OptionalExtension as _, params};
use std::sync::Arc;

/// A time that is later than now by more than this is from a clock that was wrong, milliseconds.
const SKEW_MS: i64 = 600_000;

impl Disk {
    /// Keeps that `origin` accepted `digest` at `now`, or refused it: at once, unless somebody holds the lock; then nobody
    /// waits for it where there is a runtime. What is lost (a lock that is held for seconds) is asked for again; of refusals
    /// the sidecar knows, too.
    pub(crate) fn keep_accepted(&self, origin: &str, digest: &str, now: Timestamp, accepted: bool) {
        let at = if accepted { now.0 } else { -now.0 };
        if let Some(Ok(())) = self.inner.in_place(|transaction| Ok(tell(transaction, origin, digest, at)?)) {
            return;
        }
        let (inner, origin, digest) = (Arc::clone(&self.inner), origin.to_owned(), digest.to_owned());
        super::detached(move || drop(inner.write(|transaction| Ok(tell(transaction, &origin, &digest, at)?))));
    }

    /// When `origin` accepted `digest`, as far as the disk knows, if that is its last word.
    pub(crate) fn accepted_at(&self, origin: &str, digest: &str) -> Option<Timestamp> {
        self.inner.accepted_at(origin, digest).ok().flatten()
    }
}

impl Inner {
    fn accepted_at(&self, origin: &str, digest: &str) -> Result<Option<Timestamp>, Error> {
        self.with(|connection| {
            let select = "SELECT at FROM credential WHERE origin = ?1 AND digest = ?2";
            let mut statement = connection.prepare_cached(select)?;
            let at = statement.query_row([origin, digest], |row| row.get(0)).optional()?;
            Ok(at.filter(|at| *at > 0).map(Timestamp))
        })
    }
}

/// Refusals are negative times. A refusal always counts: one that is written late costs a call, an acceptance that outlives
/// it an answer for the wrong one. An acceptance counts where it is later than what is there, or that is from a future in
/// which the clock was wrong.
fn tell(transaction: &Transaction<'_>, origin: &str, digest: &str, at: i64) -> rusqlite::Result<()> {
    let upsert = "INSERT INTO credential VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE
        SET at = iif(excluded.at < 0, -max(abs(at), -excluded.at), excluded.at)
        WHERE excluded.at < 0 OR excluded.at > abs(at) OR excluded.at < abs(at) - ?4";
    transaction.prepare_cached(upsert)?.execute(params![origin, digest, at, SKEW_MS]).map(drop)
}
