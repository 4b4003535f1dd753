//! Listing: records without bodies, newest first.

use super::{
    Inner, read,
    remove::{limit, range},
    row::{self, unsigned},
    schema::CURRENT,
};
use crate::{Body, Entry, Error, tier::Selection};
use bytes::Bytes;
use larder_core::{Timestamp, record::Freshness};
use rusqlite::{Connection, params};

type Listed = (i64, Entry);

impl Inner {
    /// Live entries that are selected, newest first. A damaged record is left out: whoever asks for it removes it.
    pub(super) fn list(&self, what: &Selection, at_most: usize, now: Timestamp) -> Result<Vec<Entry>, Error> {
        let mut listed = self.with(|connection| match (&what.key, &what.prefix) {
            (None, None) => Ok(by_operation(connection, what, at_most, now)?),
            _ => Ok(by_key(connection, what, at_most, now)?),
        })?;
        listed.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
        listed.truncate(at_most);
        Ok(listed.into_iter().map(|(_, entry)| entry).collect())
    }
}

/// The newest of every selected operation: the index has each in order, and the caller merges them.
fn by_operation(
    connection: &Connection,
    what: &Selection,
    at_most: usize,
    now: Timestamp,
) -> rusqlite::Result<Vec<Listed>> {
    let operations = format!(
        "SELECT o.id, {CURRENT} FROM operation o WHERE (?1 IS NULL OR o.service = ?1) AND (?2 IS NULL OR o.name = ?2)"
    );
    let mut statement = connection.prepare_cached(&operations)?;
    let operations = statement
        .query_map(params![what.service, what.operation], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let select = "SELECT id, record_cid, record, generation FROM entry
        WHERE op = ?1 AND generation = ?2 AND gone_at > ?3 ORDER BY id DESC LIMIT ?4";
    let mut statement = connection.prepare_cached(select)?;
    let mut all = Vec::new();
    for (operation, generation) in operations {
        let mut rows = statement.query(params![operation, generation, now.0, limit(at_most)])?;
        collect(&mut rows, now, &mut all)?;
    }
    Ok(all)
}

fn by_key(connection: &Connection, what: &Selection, at_most: usize, now: Timestamp) -> rusqlite::Result<Vec<Listed>> {
    let Some((low, high)) = range(what) else { return Ok(Vec::new()) };
    let select = format!(
        "SELECT e.id, e.record_cid, e.record, e.generation FROM entry e JOIN operation o ON o.id = e.op
         WHERE e.head BETWEEN ?7 AND ?8 AND e.key BETWEEN ?1 AND ?2 AND e.gone_at > ?3 AND e.generation = {CURRENT}
         AND (?4 IS NULL OR o.service = ?4) AND (?5 IS NULL OR o.name = ?5) ORDER BY e.id DESC LIMIT ?6"
    );
    let mut statement = connection.prepare_cached(&select)?;
    let (from, to) = (row::head(&low), row::head(&high));
    let selected = params![&low[..], &high[..], now.0, what.service, what.operation, limit(at_most), from, to];
    let mut all = Vec::new();
    collect(&mut statement.query(selected)?, now, &mut all)?;
    Ok(all)
}

fn collect(rows: &mut rusqlite::Rows<'_>, now: Timestamp, all: &mut Vec<Listed>) -> rusqlite::Result<()> {
    while let Some(row) = rows.next()? {
        let (cid, encoded) = (row.get_ref(1)?, row.get_ref(2)?);
        let record = read::verify_record(cid.as_blob().unwrap_or_default(), encoded.as_blob().unwrap_or_default());
        if let Ok(record) = record
            && record.freshness(now) != Freshness::Gone
        {
            let entry = Entry {
                record: record.into(),
                body: Body::Bytes(Bytes::new()),
                generation: unsigned(row, 3)?,
                removals: None,
            };
            all.push((row.get(0)?, entry));
        }
    }
    Ok(())
}
