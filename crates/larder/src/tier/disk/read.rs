//! Reading: nothing leaves the disk that was not verified.

use super::{
    Inner, bodies,
    pool::Failure,
    row::{blob, current, four, unsigned},
    schema::BY_KEY,
};
use crate::{Body, Entry, Error, stats::Event, tier::sidecar::View};
use bytes::Bytes;
use larder_core::{
    BodyCid, Record, RecordCid, Timestamp,
    record::{Freshness, Want},
};
use rusqlite::Connection;
use std::{fmt, sync::Arc};

/// What the index has for a want.
pub(super) enum Found {
    Nothing,
    Entry(Entry),
    /// Its body still has to be read and verified.
    InFile(Box<Verified>),
}

/// A row whose record is what its CID says.
pub(super) struct Verified {
    row: Row,
    record: Record,
}

struct Row {
    id: i64,
    record_cid: Vec<u8>,
    record: Vec<u8>,
    generation: u64,
    scopes: [u64; 4],
    file: Option<Vec<u8>>,
    body: Option<Vec<u8>>,
    form: Vec<u8>,
}

/// A row that answers nobody any more.
struct Useless {
    id: i64,
    record_cid: Vec<u8>,
    /// Its record, if its time is over.
    expired: Option<Box<Record>>,
}

impl Row {
    fn useless(self, expired: Option<Box<Record>>) -> Useless {
        Useless { id: self.id, record_cid: self.record_cid, expired }
    }
}

/// Why a row is not an answer.
enum Not {
    /// It answers another want.
    Wanted,
    /// Invalidated, or, with its record, too old.
    Alive(Option<Box<Record>>),
    /// Its bytes are not what they were.
    Sound(String),
}

impl Inner {
    /// The newest row that `want` accepts; rows that are gone or damaged are removed on the way.
    pub(super) fn find(&self, want: &Want, now: Timestamp) -> Result<Found, Error> {
        let mut useless = Vec::new();
        let found = self.with(|connection| self.look(connection, want, now, &mut useless));
        for Useless { id, record_cid, expired } in useless {
            // The row is no answer whether or not it can be removed; whoever removes it counts it.
            if self.remove_row(id, &record_cid).unwrap_or(false)
                && let Some(record) = expired
            {
                self.sidecar.count(&record.service, &record.operation, Event::Expiration, 1);
            }
        }
        found
    }

    fn look(
        &self,
        connection: &mut Connection,
        want: &Want,
        now: Timestamp,
        useless: &mut Vec<Useless>,
    ) -> Result<Found, Failure> {
        let mut statement = connection.prepare_cached(BY_KEY)?;
        let rows = statement.query_map([&want.key.digest()[..]], read_row)?;
        let mut rows = rows.collect::<rusqlite::Result<Vec<Row>>>()?;
        rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.id));
        let sidecar = self.sidecar.view();
        for mut row in rows {
            let encoded = std::mem::take(&mut row.record);
            match judge(&row, &encoded, want, now, &sidecar) {
                Ok(record) if row.file.is_some() => return Ok(Found::InFile(Box::new(Verified { row, record }))),
                Ok(record) => match inline(row.body.take(), &record) {
                    Some(body) => return Ok(Found::Entry(hand_out(record, body, row.generation, &sidecar))),
                    None => {
                        self.damaged(&record.service, &record.operation, &record.body);
                        useless.push(row.useless(None));
                    }
                },
                Err(Not::Wanted) => {}
                Err(Not::Alive(expired)) => useless.push(row.useless(expired)),
                Err(Not::Sound(why)) => {
                    self.damaged("(store)", "record", &why);
                    useless.push(row.useless(None));
                }
            }
        }
        Ok(Found::Nothing)
    }

    /// Reads and verifies the body of a row that keeps it in a file.
    pub(super) fn read_file(&self, found: Box<Verified>) -> Option<Entry> {
        let Verified { row, record } = *found;
        if let Some(body) = bodies::read(&self.paths.bodies, &record.body, record.body_len) {
            return Some(hand_out(record, body, row.generation, &self.sidecar.view()));
        }
        self.damaged(&record.service, &record.operation, &record.body);
        let _still_there = self.remove_row(row.id, &row.record_cid);
        let _absent = std::fs::remove_file(bodies::path(&self.paths.bodies, &record.body));
        None
    }

    fn damaged(&self, service: &str, operation: &str, what: &dyn fmt::Display) {
        self.sidecar.count(service, operation, Event::Damaged, 1);
        tracing::warn!(service, operation, %what, "a stored answer is damaged: it was not served, and was removed");
    }
}

fn hand_out(record: Record, body: Body, generation: u64, sidecar: &View) -> Entry {
    sidecar.used(&record.key);
    Entry { record: Arc::new(record), body, generation }
}

fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        id: row.get(0)?,
        record_cid: blob(row, 1)?.unwrap_or_default(),
        record: blob(row, 2)?.unwrap_or_default(),
        generation: unsigned(row, 3)?,
        scopes: four(row, 4)?,
        file: blob(row, 8)?,
        form: blob(row, 9)?.unwrap_or_default(),
        body: blob(row, 10)?,
    })
}

fn judge(row: &Row, encoded: &[u8], want: &Want, now: Timestamp, sidecar: &View) -> Result<Record, Not> {
    let record = verify_record(&row.record_cid, encoded).map_err(Not::Sound)?;
    if record.key != want.key {
        return Err(Not::Sound(format!("the record of `{}` lies under `{}`", record.key, want.key)));
    }
    if super::row::form_of(&record)[..] != row.form[..] {
        return Err(Not::Sound(format!("a record of `{}` lies under another form", record.key)));
    }
    if row.generation != current(row.scopes, sidecar, &record.service, &record.operation) {
        return Err(Not::Alive(None));
    }
    if record.freshness(now) == Freshness::Gone {
        return Err(Not::Alive(Some(Box::new(record))));
    }
    if want.accepts(&record) { Ok(record) } else { Err(Not::Wanted) }
}

/// The record in `encoded`, if that is what `cid` says.
pub(super) fn verify_record(cid: &[u8], encoded: &[u8]) -> Result<Record, String> {
    let digest = <[u8; 32]>::try_from(cid).map_err(|_| "a record's CID is not 32 bytes long".to_owned())?;
    Record::decode(encoded, &RecordCid::from_digest(digest)).map_err(|error| error.to_string())
}

fn inline(body: Option<Vec<u8>>, record: &Record) -> Option<Body> {
    let body = body.filter(|body| BodyCid::of(body) == record.body)?;
    Some(Body::Bytes(Bytes::from(body)))
}
