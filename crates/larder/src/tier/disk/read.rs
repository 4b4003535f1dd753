//! Reading: nothing leaves the disk that was not verified.

use super::{
    Inner,
    bodies::{self, Unread},
    generations::Scopes,
    mend::SELDOM,
    pool::Failure,
    row::{self, blob, digest, unsigned},
    schema::{BY_HEAD, BY_ID},
};
use crate::{Body, Entry, Error, stats::Event, tier::sidecar::View};
use bytes::Bytes;
use larder_core::{
    BodyCid, Record, RecordCid, Timestamp,
    record::{Freshness, Want},
};
use rusqlite::{Connection, params};
use std::{
    fmt,
    sync::{Arc, PoisonError},
    time::Instant,
};

/// What the index has for a want.
pub(super) enum Found {
    Nothing,
    Entry(Entry),
    /// Its body still has to be read and verified.
    InFile(Box<Verified>),
}

/// A row whose record is what its CID says.
pub(super) struct Verified {
    id: i64,
    record_cid: Vec<u8>,
    generation: u64,
    record: Record,
}

struct Row {
    id: i64,
    key: Option<[u8; 32]>,
    form: Option<[u8; 16]>,
    /// Whether no other row has ever been of this key beside it.
    is_sole: bool,
    record_cid: Vec<u8>,
    record: Vec<u8>,
    generation: u64,
    is_in_file: bool,
    body: Option<Vec<u8>>,
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
    pub(super) fn find(self: &Arc<Self>, want: &Want, now: Timestamp) -> Result<Found, Error> {
        let mut useless = Vec::new();
        let found = self.read(|connection, revision, sidecar| {
            let scopes = self.scopes_at(connection, revision)?;
            self.look(connection, (&scopes, sidecar), want, now, &mut useless)
        });
        for Useless { id, record_cid, expired } in useless {
            // The row is no answer whether or not it can be removed; whoever removes it counts it.
            if !self.remove_row(id, &record_cid).unwrap_or(false) {
                continue;
            }
            self.sweep_soon();
            if let Some(record) = expired {
                self.sidecar.count(&record.service, &record.operation, Event::Expiration, 1);
            }
        }
        found
    }

    fn look(
        &self,
        connection: &Connection,
        known: (&Scopes, &View),
        want: &Want,
        now: Timestamp,
        useless: &mut Vec<Useless>,
    ) -> Result<Found, Failure> {
        if let Some(found) = self.look_ahead(connection, known, want, now)? {
            return Ok(found);
        }
        let mut rows = rows(connection, BY_HEAD, row::head_of(&want.key))?;
        rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.id));
        for mut row in rows {
            match judge(&row, want, now, known) {
                Ok(record) => match held(&mut row, &record) {
                    Some(held) => {
                        if row.is_sole {
                            self.shortcuts.learn(&want.key, row.id);
                        }
                        return Ok(found(row, record, held, known.1));
                    }
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

    /// The row in which the key was found last, if it still is the only one of this key and an answer; else all are looked at.
    fn look_ahead(
        &self,
        connection: &Connection,
        known: (&Scopes, &View),
        want: &Want,
        now: Timestamp,
    ) -> Result<Option<Found>, Failure> {
        let Some(id) = self.shortcuts.to(&want.key) else { return Ok(None) };
        let mut statement = connection.prepare_cached(BY_ID)?;
        let row = statement.query([id])?.next()?.map(read_row).transpose()?;
        let Some(mut row) = row.filter(|row| row.is_sole) else { return Ok(None) };
        let Ok(record) = judge(&row, want, now, known) else { return Ok(None) };
        Ok(held(&mut row, &record).map(|held| found(row, record, held, known.1)))
    }

    /// Reads and verifies the body of a row that keeps it in a file.
    pub(super) fn read_file(self: &Arc<Self>, found: Box<Verified>) -> Result<Option<Entry>, Error> {
        let read = || bodies::read(&self.paths.bodies, &found.record.body, found.record.body_len);
        // Rows go before their files: who finds no file may have come late, and the row may be another one by now.
        let body = read().or_else(|unread| if self.is_there(&found) { read() } else { Err(unread) });
        match body {
            Ok(body) => {
                let Verified { generation, record, .. } = *found;
                Ok(Some(hand_out(record, body, generation, &self.sidecar.view())))
            }
            Err(Unread::Unseen(error)) => Err(error),
            Err(unread) => {
                if self.remove_unread(&found, &unread) {
                    self.sweep_soon();
                    let record = &found.record;
                    self.damaged(&record.service, &record.operation, &record.body);
                }
                Ok(None)
            }
        }
    }

    /// Whether the row that was found is there.
    fn is_there(&self, found: &Verified) -> bool {
        self.with(|connection| Ok(is_there(connection, found)?)).unwrap_or(true)
    }

    /// Removes a row whose body could not be read; whether it was the file that was wrong, and not the reader that was late.
    fn remove_unread(&self, found: &Verified, unread: &Unread) -> bool {
        let file = bodies::path(&self.paths.bodies, &found.record.body);
        // Under the lock a row that is in has its file. Without it there is no telling: who reads next will.
        let removed = self.write_at_once(|transaction| {
            let is_lost = matches!(unread, Unread::Harmed) || file.try_exists().is_ok_and(|there| !there);
            Ok(is_lost && self.delete_row(transaction, found.id, &found.record_cid)?)
        });
        match (removed, unread) {
            (Ok(Some(is_lost)), _) => is_lost,
            (Ok(None), Unread::Absent) => false,
            _ => self.is_there(found),
        }
    }

    /// Counts an answer that is damaged, and says so, once a minute: what harms one mostly harms many.
    fn damaged(&self, service: &str, operation: &str, what: &dyn fmt::Display) {
        self.sidecar.count(service, operation, Event::Damaged, 1);
        let mut told = self.told_of_damage.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|at| at.elapsed() > SELDOM) {
            *told = Some(Instant::now());
            tracing::warn!(
                service,
                operation,
                %what,
                "a stored answer is damaged: it was not served, and was removed; others are counted (`larder stats`)"
            );
        }
    }
}

fn is_there(connection: &Connection, found: &Verified) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM entry WHERE id = ?1 AND record_cid = ?2")?;
    statement.exists(params![found.id, found.record_cid])
}

fn hand_out(record: Record, body: Body, generation: u64, sidecar: &View) -> Entry {
    sidecar.used(&record.key);
    Entry { record: record.into(), body, generation, removals: None }
}

fn rows(connection: &Connection, select: &str, of: i64) -> rusqlite::Result<Vec<Row>> {
    connection.prepare_cached(select)?.query_map([of], read_row)?.collect()
}

/// Where a row's body is.
enum Held {
    Here(Body),
    InFile,
}

/// The body of a row whose record is sound; `None`: it is not what the record says.
fn held(row: &mut Row, record: &Record) -> Option<Held> {
    match row.is_in_file {
        true => Some(Held::InFile),
        false => inline(row.body.take(), record).map(Held::Here),
    }
}

fn found(row: Row, record: Record, held: Held, sidecar: &View) -> Found {
    let Row { id, record_cid, generation, .. } = row;
    match held {
        Held::Here(body) => Found::Entry(hand_out(record, body, generation, sidecar)),
        Held::InFile => Found::InFile(Box::new(Verified { id, record_cid, generation, record })),
    }
}

fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        id: row.get(0)?,
        key: digest(row, 1)?,
        form: digest(row, 2)?,
        is_sole: unsigned(row, 3)? == 1,
        record_cid: blob(row, 4)?.unwrap_or_default(),
        record: blob(row, 5)?.unwrap_or_default(),
        generation: unsigned(row, 6)?,
        is_in_file: row.get_ref(7)?.as_blob().is_ok(),
        body: blob(row, 8)?,
    })
}

fn judge(row: &Row, want: &Want, now: Timestamp, (scopes, sidecar): (&Scopes, &View)) -> Result<Record, Not> {
    let record = verify_record(&row.record_cid, &row.record).map_err(Not::Sound)?;
    if row.key.as_ref() != Some(record.key.digest()) {
        return Err(Not::Sound(format!("the record of `{}` lies under another key", record.key)));
    }
    // Keys that begin alike.
    if record.key != want.key {
        return Err(Not::Wanted);
    }
    if Some(row::form_of(&record)) != row.form {
        return Err(Not::Sound(format!("a record of `{}` lies under another form", record.key)));
    }
    if row.generation != scopes.current(sidecar, &record.service, &record.operation) {
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
