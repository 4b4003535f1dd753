//! Removing: single rows, keys, prefixes; services and operations by their generation.

use super::{
    Inner, blocking, open,
    pool::Failure,
    row::{self, signed},
    runs,
    schema::CURRENT,
    transaction::Transaction,
};
use crate::{
    Error,
    tier::{Selection, prefix},
};
use larder_core::{QueryKey, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::{sync::Arc, time::Duration};

/// Rows in one transaction: a removal never holds the write lock for long.
pub(super) const BATCH: usize = 100;

/// Longer than a put holds the write lock.
const MOMENT: Duration = Duration::from_millis(50);

/// More than anybody invalidates while an index cannot be read.
const LEAP: u64 = 1 << 20;

/// What removing a row needs to know about it.
pub(super) struct Gone {
    pub(super) id: i64,
    pub(super) key: Vec<u8>,
    pub(super) form: Vec<u8>,
    pub(super) size: i64,
    /// The digest of its body, if that is in a file.
    pub(super) file: Option<[u8; 32]>,
}

/// Columns of [`Gone`], in its order.
pub(super) const GONE: &str = "SELECT e.id, e.key, e.form, e.size, e.file FROM entry e";

impl Gone {
    pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let [key, form] = [row::blob(row, 1)?, row::blob(row, 2)?].map(Option::unwrap_or_default);
        let (size, file) = (signed(row::unsigned(row, 3)?), row::digest(row, 4)?);
        Ok(Self { id: row.get(0)?, key, form, size, file })
    }

    pub(super) fn key(&self) -> Option<QueryKey> {
        self.key.as_slice().try_into().ok().map(QueryKey::from_digest)
    }
}

impl Inner {
    /// Removes one row, if it still is the one that was looked at; whether it was. No reader waits for a lock to do so.
    pub(super) fn remove_row(&self, id: i64, record_cid: &[u8]) -> Result<bool, Error> {
        let removed = self.write_at_once(|transaction| Ok(self.delete_row(transaction, id, record_cid)?))?;
        Ok(removed.unwrap_or(false))
    }

    /// The same within a transaction.
    pub(super) fn delete_row(
        &self,
        transaction: &Transaction<'_>,
        id: i64,
        record_cid: &[u8],
    ) -> rusqlite::Result<bool> {
        let select = format!("{GONE} WHERE e.id = ?1 AND e.record_cid = ?2");
        let found = transaction.prepare_cached(&select)?.query_row(params![id, record_cid], Gone::read).optional()?;
        self.delete(transaction, found.as_slice())?;
        Ok(found.is_some())
    }

    /// Deletes rows and their run files, and takes them off the totals. Bodies' files are left to [`Inner::sweep`]: another row
    /// may name them, and until the commit these rows do.
    pub(super) fn delete(&self, transaction: &Transaction<'_>, rows: &[Gone]) -> rusqlite::Result<()> {
        for gone in rows {
            transaction.prepare_cached("DELETE FROM entry WHERE id = ?1")?.execute([gone.id])?;
            if let (Some(key), Ok(form)) = (gone.key(), gone.form.as_slice().try_into()) {
                runs::remove(&self.paths.runs, &key, form);
                self.sidecar.touch(&key);
            }
            gone.file.into_iter().for_each(|digest| self.loose.push(digest));
        }
        let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        row::add_to_totals(transaction, -count, -rows.iter().map(|gone| gone.size).sum::<i64>())
    }

    /// Whether nothing is kept of `key`, nor will be by a put that began before its removal was told in the sidecar: what a
    /// write through the gateway makes stale mostly is not kept. Puts look into the sidecar under the write lock: who has held
    /// it knows of all that looked before. Nobody's write is held up for long to learn that; a put that holds the lock for longer
    /// takes back what it brought.
    pub(super) async fn has_none_after_all(self: Arc<Self>, key: QueryKey) -> bool {
        if !self.pool.may_write() || runs::may_have(&self.paths.runs, &key) {
            return false;
        }
        let has = move |connection: &Connection| Ok(row::has(connection, &key)?);
        let told = match self.in_place(|transaction| has(transaction)) {
            Some(Ok(has)) => Ok(has),
            // The lock is held, for good, it may be; or nothing can be written: it may be read for all that.
            _ => {
                blocking(move || {
                    let told = self.write_within(MOMENT, |transaction| has(transaction));
                    told.ok().flatten().map_or_else(|| self.with(|connection| has(connection)), Ok)
                })
                .await
            }
        };
        // An index that cannot be asked may have it.
        told.is_ok_and(|has| !has)
    }

    /// Removes what is selected; how many live entries that were. What is selected is dead when this returns, also when
    /// it could not be removed: here, and in every process that shares the sidecar.
    pub(super) fn remove(&self, what: &Selection, now: Timestamp) -> Result<u64, Error> {
        match (&what.key, &what.prefix) {
            (None, None) => self.invalidate(what, now),
            _ => self.remove_range(what, now),
        }
    }

    /// Raises the generation of what is selected, so that its entries are dead at once, here and in every process. The
    /// sidecar first: a process that is killed before the index says so, or held up, has removed too much, never too little.
    fn invalidate(&self, what: &Selection, now: Timestamp) -> Result<u64, Error> {
        let (service, operation) = (what.service.as_deref(), what.operation.as_deref());
        let (service, operation) = (service.unwrap_or_default(), operation.unwrap_or_default());
        let next = self.sidecar.advance(service, operation, self.known(service, operation));
        let removed = self.write(|transaction| {
            let removed = live(transaction, what, now)?;
            self.tell_generations(transaction)?;
            if next.is_none() {
                let next = row::scope(transaction, service, operation)?.saturating_add(1);
                row::raise(transaction, service, operation, next)?;
            }
            Ok(removed)
        });
        if removed.is_err() && next.is_none() {
            self.outdate("", "");
        }
        // Once more: whoever looked between the sidecar and the commit looks again.
        self.sidecar.raise(service, operation, 0);
        // Nobody can look into them for what is to be removed.
        open::remove_broken(&self.paths.root, |_| true);
        removed
    }

    /// Makes a scope dead in the sidecar alone; where that has no room for it, everything.
    pub(super) fn outdate(&self, service: &str, operation: &str) {
        if self.sidecar.advance(service, operation, self.known(service, operation)).is_none() {
            let _reserved = self.sidecar.advance("", "", self.known("", ""));
        }
    }

    /// The generation of exactly this scope in the index. One that cannot be read may be ahead of a sidecar that nobody
    /// shares, but not by so much.
    fn known(&self, service: &str, operation: &str) -> u64 {
        let in_index = self.with(|connection| Ok(row::scope(connection, service, operation)?));
        in_index.unwrap_or_else(|_| self.sidecar.scope(service, operation).saturating_add(LEAP))
    }

    fn remove_range(&self, what: &Selection, now: Timestamp) -> Result<u64, Error> {
        let Some((low, high)) = range(what) else { return Ok(0) };
        // Also what lost its row. Too much is removed where a service was named that the key is not of: only slower.
        runs::remove_range(&self.paths.runs, what);
        let mut removed = 0;
        loop {
            match self.write(|transaction| self.remove_batch(transaction, what, (&low, &high), now)) {
                Ok((live, rows)) => {
                    // Once more: whoever read a row before it was gone must not take it for the newest.
                    rows.iter().filter_map(Gone::key).for_each(|key| self.sidecar.touch(&key));
                    removed += live;
                    if rows.len() < BATCH {
                        break;
                    }
                }
                Err(error) => {
                    self.sweep();
                    self.outdate_range(what, (&low, &high));
                    return Err(error);
                }
            }
        }
        // Once more: what was kept meanwhile and lost its row.
        runs::remove_range(&self.paths.runs, what);
        self.sweep();
        Ok(removed)
    }

    /// Makes the operations dead whose rows are selected: too much, but it needs no lock.
    fn outdate_range(&self, what: &Selection, (low, high): (&[u8; 32], &[u8; 32])) {
        let select = "SELECT DISTINCT o.service, o.name FROM entry e JOIN operation o ON o.id = e.op
             WHERE e.head BETWEEN ?5 AND ?6 AND e.key BETWEEN ?1 AND ?2
             AND (?3 IS NULL OR o.service = ?3) AND (?4 IS NULL OR o.name = ?4)";
        let operations = self.with(|connection| {
            let mut statement = connection.prepare_cached(select)?;
            let heads = (row::head(low), row::head(high));
            let from = params![&low[..], &high[..], what.service, what.operation, heads.0, heads.1];
            let rows = statement.query_map(from, |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<rusqlite::Result<Vec<(String, String)>>>()?)
        });
        let all = || (what.service.clone().unwrap_or_default(), what.operation.clone().unwrap_or_default());
        for (service, operation) in operations.unwrap_or_else(|_| vec![all()]) {
            self.outdate(&service, &operation);
        }
    }

    /// Removes up to [`BATCH`] rows; how many of them were live, and which there were.
    fn remove_batch(
        &self,
        transaction: &Transaction<'_>,
        what: &Selection,
        (low, high): (&[u8; 32], &[u8; 32]),
        now: Timestamp,
    ) -> Result<(u64, Vec<Gone>), Failure> {
        let select = format!(
            "SELECT e.id, e.key, e.form, e.size, e.file, coalesce(e.gone_at > ?3 AND e.generation = {CURRENT}, 0)
             FROM entry e JOIN operation o ON o.id = e.op WHERE e.head BETWEEN ?6 AND ?7 AND e.key BETWEEN ?1 AND ?2
             AND (?4 IS NULL OR o.service = ?4) AND (?5 IS NULL OR o.name = ?5) LIMIT {BATCH}"
        );
        let mut statement = transaction.prepare_cached(&select)?;
        let heads = (row::head(low), row::head(high));
        let from = params![&low[..], &high[..], now.0, what.service, what.operation, heads.0, heads.1];
        let rows = statement.query_map(from, |row| Ok((Gone::read(row)?, row.get::<_, bool>(5)?)))?;
        let (rows, live): (Vec<Gone>, Vec<bool>) = rows.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().unzip();
        self.delete(transaction, &rows)?;
        Ok((live.into_iter().filter(|live| *live).count() as u64, rows))
    }
}

/// The digests that a selection by key or prefix allows.
pub(super) fn range(what: &Selection) -> Option<([u8; 32], [u8; 32])> {
    let (low, high) = what.prefix.as_deref().map_or(Some(([0; 32], [0xff; 32])), prefix::digests)?;
    match what.key {
        None => Some((low, high)),
        Some(key) => (low..=high).contains(key.digest()).then(|| (*key.digest(), *key.digest())),
    }
}

/// How many live entries of the selected services and operations there are.
fn live(connection: &Connection, what: &Selection, now: Timestamp) -> rusqlite::Result<u64> {
    let count = format!(
        "SELECT coalesce(sum((SELECT count(*) FROM entry e WHERE e.op = o.id AND e.generation = {CURRENT}
           AND e.gone_at > ?1)), 0)
         FROM operation o WHERE (?2 IS NULL OR o.service = ?2) AND (?3 IS NULL OR o.name = ?3)"
    );
    let mut statement = connection.prepare_cached(&count)?;
    statement.query_row(params![now.0, what.service, what.operation], |row| row::unsigned(row, 0))
}

/// The most that a limit in SQL may be.
pub(super) fn limit(rows: usize) -> i64 {
    signed(rows as u64)
}
