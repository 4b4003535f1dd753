//! Folding counters into the index.
//!
//! The index keeps, for every sidecar that there ever was, how far it had counted. A sidecar's own numbers only grow, so
//! that writing them again changes nothing and nobody can count anything twice, whoever is killed when. What is counted
//! in this process alone (no file could be mapped) is added to the sum under sidecar 0, by what it grew since the last time.

use super::{Inner, row::signed, transaction::Transaction};
use crate::{
    Error,
    stats::{Event, Statistics},
};
use larder_core::Timestamp;
use rusqlite::params;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

type Counted = HashMap<(String, String, usize), u64>;

/// How much of this process's own counters is in the index.
#[derive(Debug, Default)]
pub(super) struct Folded(Mutex<Counted>);

impl Inner {
    /// Writes what the sidecar has counted into the index.
    pub(super) fn fold(&self) -> Result<(), Error> {
        if self.sidecar.is_shared() { self.fold_shared() } else { self.fold_private() }
    }

    fn fold_shared(&self) -> Result<(), Error> {
        let (sidecar, counters) = (self.sidecar.identity(), self.sidecar.counters());
        if counters.is_empty() {
            return Ok(());
        }
        self.write(|transaction| {
            for (service, operation, event, n) in &counters {
                let upsert = "INSERT INTO counter VALUES(?1, ?2, ?3, ?4, ?5)
                    ON CONFLICT DO UPDATE SET n = max(n, excluded.n) WHERE excluded.n > n";
                let values = params![signed(sidecar), service, operation, signed(event.number() as u64), signed(*n)];
                transaction.prepare_cached(upsert)?.execute(values)?;
            }
            Ok(())
        })
    }

    fn fold_private(&self) -> Result<(), Error> {
        let mut folded = self.folded.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counters = self.sidecar.counters();
        let grown = |(service, operation, event, n): &(String, String, Event, u64)| {
            n - folded.get(&(service.clone(), operation.clone(), event.number())).copied().unwrap_or(0).min(*n)
        };
        self.write(|transaction| {
            for counter in counters.iter().filter(|counter| grown(counter) > 0) {
                add(transaction, counter, grown(counter))?;
            }
            Ok(())
        })?;
        *folded = counters
            .into_iter()
            .map(|(service, operation, event, n)| ((service, operation, event.number()), n))
            .collect();
        Ok(())
    }

    /// Everything that was counted, by all processes and sidecars, and the live entries at `now`.
    pub(super) fn statistics(&self, now: Timestamp) -> Result<Statistics, Error> {
        let shared = self.sidecar.is_shared();
        // A private sidecar's numbers are those that are not yet folded under 0.
        if !shared && self.pool.may_write() {
            self.fold()?;
        }
        let sidecar = signed(self.sidecar.identity());
        let (mut known, index) = self.with(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT sidecar, service, operation, event, n FROM counter")?;
            let rows = statement.query_map([], |row| {
                let event = usize::try_from(row.get::<_, i64>(3)?).unwrap_or(usize::MAX);
                Ok(((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?, event), super::row::unsigned(row, 4)?))
            })?;
            let known: HashMap<(i64, String, String, usize), u64> = rows.collect::<rusqlite::Result<_>>()?;
            Ok((known, live(connection, now)?))
        })?;
        if shared {
            for (service, operation, event, n) in self.sidecar.counters() {
                let counted = known.entry((sidecar, service, operation, event.number())).or_default();
                *counted = n.max(*counted);
            }
        }
        let mut statistics = Statistics { index, ..Statistics::default() };
        for ((_, service, operation, event), n) in known {
            if let Some(event) = Event::ALL.get(event) {
                statistics.add(&service, &operation, *event, n);
            }
        }
        Ok(statistics)
    }
}

fn add(transaction: &Transaction<'_>, counter: &(String, String, Event, u64), n: u64) -> rusqlite::Result<()> {
    let (service, operation, event, _) = counter;
    let upsert = "INSERT INTO counter VALUES(0, ?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET n = n + excluded.n";
    let values = params![service, operation, signed(event.number() as u64), signed(n)];
    transaction.prepare_cached(upsert)?.execute(values)?;
    Ok(())
}

fn live(
    connection: &rusqlite::Connection,
    now: Timestamp,
) -> rusqlite::Result<std::collections::BTreeMap<(String, String), u64>> {
    let select = format!(
        "SELECT o.service, o.name, (SELECT count(*) FROM entry e WHERE e.op = o.id AND e.generation = {}
         AND e.gone_at > ?1) FROM operation o",
        super::schema::CURRENT
    );
    let mut statement = connection.prepare_cached(&select)?;
    let rows = statement.query_map([now.0], |row| Ok(((row.get(0)?, row.get(1)?), super::row::unsigned(row, 2)?)))?;
    rows.filter(|row| row.as_ref().map_or(true, |(_, entries)| *entries > 0)).collect()
}
