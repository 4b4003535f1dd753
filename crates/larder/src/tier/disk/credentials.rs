//! Which credentials an origin accepted lately: digests, never the credentials.

use super::{Disk, Inner, transaction::Transaction};
use crate::Error;
use larder_core::Timestamp;
use rusqlite::{OptionalExtension as _, params};
use std::sync::Arc;

impl Disk {
    /// Keeps that `origin` accepted `digest`: at once, unless somebody holds the lock; then nobody waits for it where there is
    /// a runtime. Lost, the origin is asked again.
    pub(crate) fn keep_accepted(&self, origin: &str, digest: &str, now: Timestamp) {
        if self.inner.in_place(|transaction| Ok(accept(transaction, origin, digest, now)?)).is_some() {
            return;
        }
        let (inner, origin, digest) = (Arc::clone(&self.inner), origin.to_owned(), digest.to_owned());
        super::detached(move || drop(inner.write(|transaction| Ok(accept(transaction, &origin, &digest, now)?))));
    }

    /// When `origin` last accepted `digest`, as far as the disk knows.
    pub(crate) fn accepted_at(&self, origin: &str, digest: &str) -> Option<Timestamp> {
        self.inner.accepted_at(origin, digest).ok().flatten()
    }
}

impl Inner {
    fn accepted_at(&self, origin: &str, digest: &str) -> Result<Option<Timestamp>, Error> {
        self.with(|connection| {
            let select = "SELECT at FROM credential WHERE origin = ?1 AND digest = ?2";
            let mut statement = connection.prepare_cached(select)?;
            Ok(statement.query_row([origin, digest], |row| row.get(0).map(Timestamp)).optional()?)
        })
    }
}

fn accept(transaction: &Transaction<'_>, origin: &str, digest: &str, now: Timestamp) -> rusqlite::Result<()> {
    let upsert = "INSERT INTO credential VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET at = excluded.at";
    transaction.prepare_cached(upsert)?.execute(params![origin, digest, now.0]).map(drop)
}
