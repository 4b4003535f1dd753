//! Looking after the store: what is gone, what was invalidated, what there is no room for, what nobody refers to.
//!
//! One process at a time does it (an OS lock that dies with its holder), at most 100 rows in a transaction.

use super::{
    Inner, length,
    loose::look_soon,
    open::{self, suffixed},
    remove::{BATCH, GONE, Gone},
    row::{self, signed},
    runs,
    schema::CURRENT,
    transaction::Transaction,
    trust,
};
use crate::{Error, stats::Event};
use larder_core::Timestamp;
use rusqlite::{OptionalExtension as _, params};
use std::{
    fs::OpenOptions,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// How many batches one process does before it lets another put go on.
const BATCHES: usize = 64;
/// Over how many entries a maintenance looks for those that are past their time.
const STRETCH: usize = 512;
/// A WAL beyond this is folded into the index: left alone it grows to gigabytes under load.
const WAL_LIMIT: u64 = 32 << 20;
/// Who keeps a snapshot ends it sooner.
const SHORT: Duration = Duration::from_millis(20);
/// What was not touched for so long is nobody's work any more.
const UNTOUCHED: Duration = Duration::from_secs(3600);
/// A broken index is kept this long, for whoever wants to look at it.
const BROKEN: Duration = Duration::from_hours(24);

impl Inner {
    /// Whether there is more in the store than its limits allow.
    pub(super) fn is_too_full(&self) -> bool {
        self.with(|connection| Ok(self.is_beyond_limits(row::totals(connection)?))).unwrap_or_default()
    }

    /// Whether so many entries and bytes are more than there may be.
    pub(super) fn is_beyond_limits(&self, totals: (u64, u64)) -> bool {
        exceeds(totals, self.options.max_entries, self.options.max_bytes)
    }

    /// Whether nobody has looked at the folders for an hour: short-lived processes alone never put often enough.
    pub(super) fn is_due(&self) -> bool {
        let path = self.paths.maintenance();
        is_old(&path) || !path.exists()
    }

    /// Does what there is to do, unless another process is at it. Failures are left to the next time.
    pub(super) fn maintain(&self, now: Timestamp) {
        // The lock file's time is that of the last look at the folders.
        let is_due = self.is_due();
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(false).write(true).mode(0o600);
        let Ok(file) = trust::open(&self.paths.maintenance(), options) else { return };
        if matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock)) {
            return;
        }
        if is_due {
            let _next_time = file.set_modified(SystemTime::now());
        }
        if let Err(error) = self.maintain_alone(now, is_due) {
            tracing::debug!(%error, "the store was not looked after");
            if is_due {
                look_soon(&self.paths);
            }
        }
    }

    fn maintain_alone(&self, now: Timestamp, is_due: bool) -> Result<(), Error> {
        self.reclaim_gone(now, is_due)?;
        self.reclaim_batch()?;
        self.evict(now)?;
        self.sweep();
        if is_due {
            self.collect_bodies()?;
            self.collect_runs()?;
            self.collect_unfinished();
        }
        self.fold()?;
        self.bound_wal()
    }

    /// One batch of what is past its time. One, so that a clock that jumps ahead does not empty the store at once. Looks over one
    /// stretch of the entries; over many where nobody has looked for an hour: processes that live short look no more often.
    fn reclaim_gone(&self, now: Timestamp, is_due: bool) -> Result<(), Error> {
        let stretches = if is_due { BATCHES } else { 1 };
        let mut hand = self.sidecar.hand();
        let gone = self.with(|connection| Ok(pass(connection, &mut hand, STRETCH * stretches, now)?))?;
        if !gone.is_empty() {
            self.remove_gone(&gone, now)?;
        }
        self.sidecar.set_hand(hand);
        Ok(())
    }

    fn remove_gone(&self, gone: &[i64], now: Timestamp) -> Result<(), Error> {
        let select = format!("{GONE} WHERE e.id = ?1 AND e.gone_at <= ?2");
        let names = self.write(|transaction| {
            let mut rows = Vec::with_capacity(gone.len());
            for id in gone {
                rows.append(&mut select_gone(transaction, &select, params![id, now.0])?);
            }
            let names = names(transaction, &rows)?;
            self.delete(transaction, &rows)?;
            Ok(names)
        })?;
        for (service, operation, n) in names {
            self.sidecar.count(&service, &operation, Event::Expiration, n);
        }
        Ok(())
    }

    /// What was invalidated makes room at once, so that the totals are those of the live entries. Failures, and what is
    /// too much for one go, are left to the next time.
    pub(super) fn reclaim_invalidated(&self) {
        for _ in 0..BATCHES {
            let reclaimed = self.reclaim_batch();
            self.sweep();
            match reclaimed {
                Ok(false) => return,
                Ok(true) => {}
                Err(error) => return tracing::debug!(%error, "what was invalidated still takes room"),
            }
        }
    }

    /// One batch of every operation's rows of earlier generations; whether there may be more.
    fn reclaim_batch(&self) -> Result<bool, Error> {
        let operations = self.with(|connection| {
            let mut statement = connection.prepare_cached(&format!("SELECT o.id, {CURRENT} FROM operation o"))?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<rusqlite::Result<Vec<(i64, i64)>>>()?)
        })?;
        let select = format!("{GONE} WHERE e.op = ?1 AND e.generation < ?2 LIMIT {BATCH}");
        let mut more = false;
        for (operation, current) in operations.into_iter().filter(|(_, current)| *current > 0) {
            more |= self.write(|transaction| {
                let rows = select_gone(transaction, &select, params![operation, current])?;
                self.delete(transaction, &rows)?;
                Ok(rows.len() == BATCH)
            })?;
        }
        Ok(more)
    }

    /// Evicts down to 95 % of the limits.
    fn evict(&self, now: Timestamp) -> Result<(), Error> {
        if !self.is_too_full() {
            return Ok(());
        }
        let low = |limit: u64| limit - limit / 20;
        let (entries, bytes) = (low(self.options.max_entries), low(self.options.max_bytes));
        for _ in 0..BATCHES {
            let done = self.write(|transaction| {
                self.turn(transaction, now, entries, bytes)?;
                Ok(!exceeds(row::totals(transaction)?, entries, bytes))
            })?;
            self.sweep();
            if done {
                break;
            }
        }
        Ok(())
    }

    /// Moves the clock hand over one batch: what was used since its last pass is spared once more, the rest goes, until
    /// there is room enough.
    fn turn(&self, transaction: &Transaction<'_>, now: Timestamp, entries: u64, bytes: u64) -> rusqlite::Result<()> {
        let (hand, until) = round(transaction)?;
        let select = format!(
            "SELECT e.id, e.key, e.form, e.size, e.file, e.gone_at FROM entry e WHERE e.id > ?1 AND e.id <= ?2 ORDER BY e.id LIMIT {BATCH}"
        );
        let mut statement = transaction.prepare_cached(&select)?;
        let rows = statement.query_map([hand, until], |row| Ok((Gone::read(row)?, signed(row::unsigned(row, 5)?))))?;
        let (mut left, mut last, mut victims) = (row::totals(transaction)?, 0, Vec::new());
        for row in rows {
            let (gone, gone_at) = row?;
            if !exceeds(left, entries, bytes) {
                break;
            }
            last = gone.id;
            if gone_at > now.0 && gone.key().is_some_and(|key| self.sidecar.spare(&key)) {
                continue;
            }
            left = (left.0.saturating_sub(1), left.1.saturating_sub(u64::try_from(gone.size).unwrap_or(0)));
            victims.push(gone);
        }
        for (service, operation, n) in names(transaction, &victims)? {
            self.sidecar.count(&service, &operation, Event::Eviction, n);
        }
        self.delete(transaction, &victims)?;
        // Past the last row the hand begins again at the first.
        transaction.prepare_cached("UPDATE total SET hand = ?1")?.execute([last])?;
        Ok(())
    }

    /// Removes bodies' files that no row refers to: whoever took the row was killed, or held up, before it did. What is on its way to
    /// such a file goes when nobody has touched it for an hour.
    fn collect_bodies(&self) -> Result<(), Error> {
        let remove_old = |file: &Path| {
            if is_old(file) {
                let _absent = std::fs::remove_file(file);
            }
        };
        for folder in folders(&self.paths.bodies) {
            self.find_loose(&folder, remove_old)?;
        }
        self.sweep();
        let spooled = std::fs::read_dir(&self.paths.spool).into_iter().flatten().flatten();
        spooled.for_each(|file| remove_old(&file.path()));
        Ok(())
    }

    /// Removes run files whose rows were lost.
    fn collect_runs(&self) -> Result<(), Error> {
        for folder in folders(&self.paths.runs) {
            let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
            for file in files.filter(|file| is_old(file)) {
                let key = runs::key_of(&file);
                self.write(|transaction| {
                    if !key.map(|key| row::has(transaction, &key)).transpose()?.unwrap_or(false) {
                        let _absent = std::fs::remove_file(&file);
                    }
                    Ok(())
                })?;
            }
        }
        Ok(())
    }

    /// Removes what processes left that were killed while they made an index or a sidecar, or led a flight.
    fn collect_unfinished(&self) {
        let old = |folder: &Path| {
            let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
            files.filter(|file| file.is_file() && is_old(file)).collect::<Vec<_>>()
        };
        let is_new = |file: &&PathBuf| {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with(".tmp") || name.starts_with("index.new-")
        };
        for file in old(&self.paths.root).iter().filter(is_new) {
            let _absent = std::fs::remove_file(file);
        }
        open::remove_broken(&self.paths.root, |file| is_older(file, BROKEN));
        for file in old(&self.paths.root.join("flights")) {
            // Whoever holds the lock runs a tool that takes long; who waits for it looks whether the file has a name.
            let lock = trust::open(&file, OpenOptions::new().write(true));
            if lock.as_ref().is_ok_and(|lock| lock.try_lock().is_ok()) {
                let _absent = std::fs::remove_file(&file);
            }
        }
    }

    /// Folds what can be folded of the WAL into the index. Nobody is waited for: another process may be at it.
    pub(super) fn fold_log(&self) {
        self.pool.release();
        let done = self.with(|connection| Ok(length::fold(connection)));
        tracing::trace!(?done, "the log was folded in");
    }

    /// Folds a WAL that grew too long into the index, and cuts it. Nobody can write while readers are waited for.
    fn bound_wal(&self) -> Result<(), Error> {
        let wal = suffixed(&self.paths.index, "-wal");
        if std::fs::metadata(wal).is_ok_and(|wal| wal.len() > WAL_LIMIT) {
            self.pool.release();
            self.with(|connection| {
                connection.busy_timeout(SHORT)?;
                connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
                Ok(connection.busy_timeout(self.pool.mode.patience)?)
            })?;
        }
        Ok(())
    }
}

/// Moves `hand` (operation, generation, id) over `left` entries in the order of the index of operations, which has all that is
/// needed, and an index of times would cost every put one more page: the rows that are gone at `now`, at most a batch.
fn pass(
    connection: &rusqlite::Connection,
    hand: &mut [i64; 3],
    mut left: usize,
    now: Timestamp,
) -> rusqlite::Result<Vec<i64>> {
    let mut gone = Vec::new();
    while left > 0 && gone.len() < BATCH {
        let alike = "SELECT id, gone_at FROM entry WHERE op = ?1 AND generation = ?2 AND id > ?3 ORDER BY id LIMIT ?4";
        let mut statement = connection.prepare_cached(alike)?;
        let mut rows = statement.query(params![hand[0], hand[1], hand[2], signed(left as u64)])?;
        while gone.len() < BATCH
            && let Some(row) = rows.next()?
        {
            (hand[2], left) = (row.get(0)?, left - 1);
            // A time that is none is damaged: the row answers nobody.
            gone.extend((row.get_ref(1)?.as_i64().unwrap_or(0) <= now.0).then_some(hand[2]));
        }
        if left > 0 && gone.len() < BATCH {
            let next =
                "SELECT op, generation FROM entry WHERE (op, generation) > (?1, ?2) ORDER BY op, generation LIMIT 1";
            let mut statement = connection.prepare_cached(next)?;
            let next =
                statement.query_row([hand[0], hand[1]], |row| Ok([row.get(0)?, row.get(1)?, i64::MIN])).optional()?;
            let Some(next) = next else {
                // Past the last one it begins again at the first, the next time.
                *hand = [0, 0, i64::MIN];
                break;
            };
            *hand = next;
        }
    }
    Ok(gone)
}

/// The folders in `folder`, and no links to others: what lies there is not the store's.
fn folders(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let found = std::fs::read_dir(folder).into_iter().flatten().flatten();
    found.filter(|found| found.file_type().is_ok_and(|kind| kind.is_dir())).map(|found| found.path())
}

/// What a killed process left, not touched for an hour.
fn is_old(file: &Path) -> bool {
    is_older(file, UNTOUCHED)
}

/// Not touched for so long. What is as far in the future was touched while the clock was wrong.
fn is_older(file: &Path, age: Duration) -> bool {
    let changed = std::fs::metadata(file).and_then(|metadata| metadata.modified());
    let distance = |at| SystemTime::now().duration_since(at).unwrap_or_else(|ahead| ahead.duration());
    changed.is_ok_and(|at| distance(at) > age)
}

/// Where the clock hand is and how far it goes: not over the newest sixteenth, which nobody had time to ask for yet.
fn round(transaction: &Transaction<'_>) -> rusqlite::Result<(i64, i64)> {
    let (entries, _) = row::totals(transaction)?;
    let spared = if entries > 1 { (entries / 16).max(1) } else { 0 };
    let mut statement =
        transaction.prepare_cached("SELECT hand, (SELECT coalesce(max(id), 0) FROM entry) FROM total")?;
    statement.query_row([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.saturating_sub(signed(spared)))))
}

fn exceeds((entries, bytes): (u64, u64), max_entries: u64, max_bytes: u64) -> bool {
    max_entries > 0 && entries > max_entries || max_bytes > 0 && bytes > max_bytes
}

fn select_gone(
    transaction: &Transaction<'_>,
    select: &str,
    with: impl rusqlite::Params,
) -> rusqlite::Result<Vec<Gone>> {
    transaction.prepare_cached(select)?.query_map(with, Gone::read)?.collect()
}

/// How many of `rows` belong to which service and operation.
fn names(transaction: &Transaction<'_>, rows: &[Gone]) -> rusqlite::Result<Vec<(String, String, u64)>> {
    let select = "SELECT o.service, o.name FROM entry e JOIN operation o ON o.id = e.op WHERE e.id = ?1";
    let mut statement = transaction.prepare_cached(select)?;
    let mut names = std::collections::BTreeMap::<(String, String), u64>::new();
    for gone in rows {
        let name = statement.query_row([gone.id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        *names.entry(name).or_default() += 1;
    }
    Ok(names.into_iter().map(|((service, operation), n)| (service, operation, n)).collect())
}
