//! Which credentials an origin accepted lately: digests, never the credentials.

use super::{Disk, Inner, transaction::Transaction};
use crate::Error;
use larder_core::Timestamp;
use rusqlite::{OptionalExtension as _, params};
use std::sync::Arc;

impl Disk {
    /// Keeps that `origin` accepted `digest` at `now`, or refused it: at once, unless somebody holds the lock; then nobody
    /// waits for it where there is a runtime. The later of two words counts, whichever is written first. An acceptance that
    /// is lost is asked for again; a refusal that is lost (a lock that is held for seconds) is known to this process alone.
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

/// Refusals are negative times.
fn tell(transaction: &Transaction<'_>, origin: &str, digest: &str, at: i64) -> rusqlite::Result<()> {
    let upsert = "INSERT INTO credential VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET at = excluded.at
        WHERE abs(excluded.at) > abs(at) OR abs(excluded.at) = abs(at) AND excluded.at < at";
    transaction.prepare_cached(upsert)?.execute(params![origin, digest, at]).map(drop)
}
