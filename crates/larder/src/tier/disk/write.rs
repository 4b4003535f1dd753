//! Writing: the body first, then the row that makes it an answer.

use super::{
    Inner, bodies,
    pool::Failure,
    remove::{GONE, Gone},
    row::{self, signed},
    runs,
    schema::{INLINE, ROW_OVERHEAD},
    transaction::Transaction,
    unpublished::Unpublished,
};
use crate::{Body, Entry, Error};
use bytes::Bytes;
use larder_core::{BodyCid, Head, Record, RecordCid};
use rusqlite::{OptionalExtension as _, params};
use std::{
    sync::{MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// An entry in the form in which it is kept.
struct Prepared<'a> {
    record: &'a Record,
    encoded: Vec<u8>,
    cid: RecordCid,
    form: [u8; 16],
    /// The body, unless it is a file.
    inline: Option<Bytes>,
    generation: u64,
    removals: Option<u64>,
}

/// What became of a put.
struct Kept {
    /// `false`: it was outdated.
    is_new: bool,
    is_too_full: bool,
}

/// Bodies up to this size are put in place, bytes.
const AT_ONCE: u64 = 16 << 10;
/// A put in place that took longer was slow.
const SLOW: Duration = Duration::from_millis(2);
/// After a slow one, other threads put for so many times as long.
const REST: u32 = 8;

/// What the index has of a key that is put.
#[derive(Default)]
struct Before {
    /// The row that is replaced.
    old: Option<Old>,
    /// Whether there are other forms.
    has_others: bool,
}

struct Old {
    id: i64,
    size: i64,
    /// The digest of its body, if that is in a file.
    file: Option<[u8; 32]>,
}

/// What a row that was put changed.
struct Added {
    entries: i64,
    bytes: i64,
    /// The digest of a body whose file may have lost its last row.
    loose: Option<[u8; 32]>,
}

impl Inner {
    /// Keeps `entry`; whether the store is fuller than it may be now. Cancelled or killed at any point, the store has it
    /// whole or not at all.
    pub(super) fn put(&self, entry: &Entry) -> Result<bool, Error> {
        let prepared = self.prepare(entry)?;
        let body = self.prepare_body(&prepared, entry)?;
        let put = |run: Option<Unpublished>, transaction: &Transaction<'_>| {
            let kept = self.insert(transaction, &prepared)?;
            if kept.is_new {
                self.place_body(body, &prepared, entry)?;
                run.map_or(Ok(()), Unpublished::publish)?;
            }
            Ok(kept)
        };
        let run = self.prepare_run(&prepared, entry);
        let kept = run.and_then(|run| self.write(|transaction| put(run, transaction)));
        if prepared.inline.is_none() && !kept.as_ref().is_ok_and(|kept| kept.is_new) {
            self.loose.push(*prepared.record.body.digest());
        }
        if kept.is_err() && matches!(prepared.record.head, Head::Tool { .. }) {
            runs::remove(&self.paths.runs, &prepared.record.key, &prepared.form);
        }
        Ok(self.told(&prepared, &kept?))
    }

    /// The same in place, for an answer that is put into the index alone. `None`: to be put by a thread that may wait.
    pub(super) fn put_at_once(&self, entry: &Entry) -> Option<Result<bool, Error>> {
        let is_small = matches!(&entry.body, Body::Bytes(bytes) if bytes.len() as u64 <= AT_ONCE);
        if !is_small || matches!(entry.record.head, Head::Tool { .. }) {
            return None;
        }
        let prepared = match self.prepare(entry) {
            Ok(prepared) => prepared,
            Err(error) => return Some(Err(error)),
        };
        let kept = self.in_place(|transaction| self.insert(transaction, &prepared))?;
        Some(kept.map(|kept| self.told(&prepared, &kept)))
    }

    /// Does `work` in a transaction of this thread: handing it to another one and back costs as much as the work. `None`: not
    /// done, because somebody holds the lock, or because the disk is or was lately slow, which every connection of this thread
    /// would feel.
    pub(super) fn in_place<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Option<Result<T, Error>> {
        let is_slow = self.slow_until().is_some_and(|until| Instant::now() < until);
        if is_slow || self.options.durable || self.pool.mode.network {
            return None;
        }
        let began = Instant::now();
        let done = self.write_at_once(work);
        let taken = began.elapsed();
        if taken > SLOW {
            *self.slow_until() = Some(Instant::now() + taken * REST);
        }
        done.transpose()
    }

    fn slow_until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.slow_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the sidecar of what was kept; whether the store is fuller than it may be.
    fn told(&self, prepared: &Prepared<'_>, kept: &Kept) -> bool {
        if kept.is_new {
            self.sidecar.view().written(&prepared.record.key, worth(prepared.record));
            if self.is_removed(prepared) {
                self.take_back(prepared);
            }
        }
        kept.is_too_full
    }

    /// Whether answers of its key were removed since its origin was asked.
    fn is_removed(&self, new: &Prepared<'_>) -> bool {
        self.sidecar.view().is_removed(&new.record.key, new.removals)
    }

    /// Removes what was put: a removal that could not wait for the lock may have looked before it was there.
    fn take_back(&self, put: &Prepared<'_>) {
        let record = put.record;
        let select = format!("{GONE} WHERE e.head = ?1 AND e.key = ?2 AND e.form = ?3 AND e.record_cid = ?4");
        let of = params![row::head_of(&record.key), &record.key.digest()[..], &put.form[..], &put.cid.digest()[..]];
        let removed = self.write_at_once(|transaction| {
            let found = transaction.prepare_cached(&select)?.query_row(of, Gone::read).optional()?;
            Ok(self.delete(transaction, found.as_slice())?)
        });
        if !matches!(removed, Ok(Some(()))) {
            // Too much, but it needs no lock.
            self.outdate(&record.service, &record.operation);
        }
        self.sidecar.touch(&record.key);
    }

    fn prepare<'a>(&self, entry: &'a Entry) -> Result<Prepared<'a>, Error> {
        self.may_write()?;
        self.pool.look_for_room(&self.paths)?;
        let record = &*entry.record;
        let encoded = record.encode().map_err(|error| Error::index(error.to_string()))?;
        let inline = if entry.body.len() <= INLINE {
            let bytes = bodies::inline(&entry.body)?;
            let found = BodyCid::of(&bytes);
            if found != record.body {
                return Err(Error::Body { expected: record.body, found });
            }
            Some(bytes)
        } else {
            None
        };
        let (cid, form) = (RecordCid::of(&encoded), row::form_of(record));
        Ok(Prepared { record, encoded, cid, form, inline, generation: entry.generation, removals: entry.removals })
    }

    /// A large body's file is written before the lock is taken, and put at its place when the row is in: a put that fails leaves
    /// nothing behind.
    fn prepare_body(&self, prepared: &Prepared<'_>, entry: &Entry) -> Result<Option<Unpublished>, Error> {
        match prepared.inline {
            Some(_) => Ok(None),
            None => bodies::prepare(&self.paths, &prepared.record.body, &entry.body, self.options.durable),
        }
    }

    /// Whoever removes a body's file holds the write lock too: what was there before it was taken may be gone, from here on it
    /// stays.
    fn place_body(&self, body: Option<Unpublished>, prepared: &Prepared<'_>, entry: &Entry) -> Result<(), Error> {
        let is_gone = || prepared.inline.is_none() && !bodies::path(&self.paths.bodies, &prepared.record.body).exists();
        let body = match body {
            None if is_gone() => self.prepare_body(prepared, entry)?,
            written => written,
        };
        body.map_or(Ok(()), Unpublished::publish)
    }

    /// A tool's answer is also a file that is read without the index; written now, shown when the row is in.
    fn prepare_run(&self, prepared: &Prepared<'_>, entry: &Entry) -> Result<Option<Unpublished>, Error> {
        let record = prepared.record;
        if !matches!(record.head, Head::Tool { .. }) || !record.vary.is_empty() {
            return Ok(None);
        }
        let body = bodies::inline(&entry.body)?;
        let run =
            runs::Run { record: &prepared.encoded, cid: &prepared.cid, body: &body, generation: entry.generation };
        runs::prepare(&self.paths.runs, &record.key, &prepared.form, &run)
    }

    /// Keeps it, unless its (service, operation) was invalidated, or answers of its key removed, since the origin was asked.
    fn insert(&self, transaction: &Transaction<'_>, new: &Prepared<'_>) -> Result<Kept, Failure> {
        let (revision, entries, bytes) = row::state(transaction)?;
        let current = self.level_with(transaction, revision, new.record)?;
        let is_new = new.generation >= current && !self.is_removed(new);
        let mut totals = (entries, bytes);
        if is_new {
            let added = insert(transaction, new, current)?;
            totals = (entries.saturating_add_signed(added.entries), bytes.saturating_add_signed(added.bytes));
            added.loose.into_iter().for_each(|digest| self.loose.push(digest));
            row::set_totals(transaction, totals)?;
        }
        Ok(Kept { is_new, is_too_full: self.is_beyond_limits(totals) })
    }

    /// The generation that is current for a record's operation, also in the index from here on.
    fn level_with(&self, transaction: &Transaction<'_>, revision: i64, of: &Record) -> Result<u64, Failure> {
        let (scopes, service, operation) = (self.scopes_at(transaction, revision)?, &of.service, &of.operation);
        let current = scopes.current(&self.sidecar.view(), service, operation);
        if scopes.sum(service, operation) < current {
            self.tell_generations(transaction)?;
        }
        Ok(current)
    }
}

fn insert(transaction: &Transaction<'_>, new: &Prepared<'_>, current: u64) -> Result<Added, Failure> {
    let record = new.record;
    let size = signed(new.encoded.len() as u64 + record.body_len + ROW_OVERHEAD);
    let before = Before::look(transaction, new)?;
    if let Some(Old { id, .. }) = before.old {
        transaction.prepare_cached("DELETE FROM entry WHERE id = ?1")?.execute([id])?;
    }
    if before.has_others {
        let update = "UPDATE entry SET sole = 0 WHERE head = ?1 AND key = ?2 AND sole != 0";
        transaction.prepare_cached(update)?.execute(params![row::head_of(&record.key), &record.key.digest()[..]])?;
    }
    let operation = row::operation(transaction, &record.service, &record.operation)?;
    let file = new.inline.is_none().then(|| &record.body.digest()[..]);
    transaction
        .prepare_cached(
            "INSERT INTO entry(head, key, form, sole, op, generation, gone_at, size, file, record_cid, record, body)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            row::head_of(&record.key),
            &record.key.digest()[..],
            &new.form[..],
            !before.has_others,
            operation,
            signed(current),
            record.gone_at().0,
            size,
            file,
            &new.cid.digest()[..],
            &new.encoded,
            new.inline.as_deref(),
        ])?;
    let entries = i64::from(before.old.is_none());
    let (replaced, loose) = before.old.map_or((0, None), |old| (old.size, old.file));
    let loose = loose.filter(|old| file != Some(&old[..]));
    Ok(Added { entries, bytes: size - replaced, loose })
}

impl Before {
    fn look(transaction: &Transaction<'_>, new: &Prepared<'_>) -> rusqlite::Result<Self> {
        let select = "SELECT id, size, form = ?3, file FROM entry WHERE head = ?1 AND key = ?2";
        let mut statement = transaction.prepare_cached(select)?;
        let key = &new.record.key;
        let mut rows = statement.query(params![row::head_of(key), &key.digest()[..], &new.form[..]])?;
        let mut before = Self::default();
        while let Some(row) = rows.next()? {
            match row.get(2)? {
                true => {
                    let (size, file) = (signed(row::unsigned(row, 1)?), row::digest(row, 3)?);
                    before.old = Some(Old { id: row.get(0)?, size, file });
                }
                false => before.has_others = true,
            }
        }
        Ok(before)
    }
}

/// How often the clock hand spares an answer that nobody asked for again: what was dear to get is worth more, unless it
/// takes much room.
fn worth(record: &Record) -> u64 {
    let dear = record.cost.elapsed_ms >= 10_000 || record.cost.output_tokens >= 1_000;
    match record.body_len {
        len if len > 8 << 20 => 0,
        len if len > 1 << 20 => u64::from(dear),
        _ if dear => 2,
        _ => u64::from(record.cost.elapsed_ms >= 1_000 || record.cost.output_tokens > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            Disk,
            tests::{any, options},
        },
        *,
    };
    use larder_core::QueryKey;
    use tempfile::TempDir;

    /// A removal that could not wait for the lock looked before the put committed, and the put looked before the removal was
    /// told: it takes back what it put.
    #[test]
    fn what_was_removed_between_the_look_and_the_commit_is_taken_back() {
        let folder = TempDir::new().unwrap();
        let disk = Disk::open(&options(folder.path())).unwrap();
        let inner = &disk.inner;
        for (question, is_removed, left) in [(b"kept", false, 1), (b"gone", true, 0)] {
            let record = Record { key: QueryKey::of(question), ..any() };
            let key = record.key;
            let removals = Some(inner.sidecar.view().removals(&key));
            let body = Body::Bytes(Bytes::from_static(b"x"));
            let entry = Entry { record: record.into(), body, generation: 0, removals };
            let prepared = inner.prepare(&entry).unwrap();
            let kept = inner.write(|transaction| inner.insert(transaction, &prepared)).unwrap();
            assert!(kept.is_new);
            if is_removed {
                inner.sidecar.outdate(Some(&key));
            }
            inner.told(&prepared, &kept);
            let select = "SELECT count(*) FROM entry WHERE key = ?1";
            let found = inner
                .with(|connection| Ok(connection.query_row(select, [&key.digest()[..]], |row| row.get::<_, i64>(0))?));
            assert_eq!(found.unwrap(), left, "{is_removed}");
        }
    }
}
