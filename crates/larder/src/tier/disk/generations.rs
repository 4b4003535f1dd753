//! Which generations the index knows: read once, and again when its revision is another one.
//!
//! Every hit has to know them, and they hardly ever change. So the index counts its changes of them in the row that also
//! holds the totals; a hit reads this one number, in the same snapshot as the row that it judges.

use super::{Inner, row};
use crate::tier::sidecar::View;
use rusqlite::{Connection, TransactionState};
use std::sync::{Arc, PoisonError, RwLock};

/// The scopes of one revision.
#[derive(Debug, Default)]
pub(super) struct Scopes {
    /// `None`: of no index.
    revision: Option<i64>,
    /// (service, operation, generation), in order.
    all: Vec<(String, String, u64)>,
}

/// The scopes that were read last.
#[derive(Debug, Default)]
pub(super) struct Generations(RwLock<Arc<Scopes>>);

impl Scopes {
    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let select = "SELECT t.revision, g.service, g.operation, g.n FROM total t LEFT JOIN generation g ORDER BY 2, 3";
        let (mut revision, mut all) = (None, Vec::new());
        let mut statement = connection.prepare_cached(select)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            revision = Some(row.get(0)?);
            let n = row::unsigned(row, 3)?;
            if n > 0 {
                all.push((row.get(1)?, row.get(2)?, n));
            }
        }
        Ok(Self { revision, all })
    }

    /// Every scope that was invalidated: (service, operation, generation).
    pub(super) fn all(&self) -> &[(String, String, u64)] {
        &self.all
    }

    fn of(&self, service: &str, operation: &str) -> u64 {
        let place = self.all.binary_search_by(|(s, o, _)| (s.as_str(), o.as_str()).cmp(&(service, operation)));
        place.ok().and_then(|place| self.all.get(place)).map_or(0, |found| found.2)
    }

    /// The generation of (service, operation) by the index alone: the sum over the four scopes that hold it.
    pub(super) fn sum(&self, service: &str, operation: &str) -> u64 {
        self.four(service, operation).into_iter().fold(0, u64::saturating_add)
    }

    /// The generation that is current for (service, operation): of each scope the newest that the index or the sidecar knows.
    /// The sidecar is ahead where a removal could not be written into the index, the index where a process has no sidecar.
    pub(super) fn current(&self, sidecar: &View, service: &str, operation: &str) -> u64 {
        let known = sidecar.scopes(service, operation);
        let newest = self.four(service, operation).into_iter().zip(known).map(|(index, sidecar)| index.max(sidecar));
        newest.fold(0, u64::saturating_add)
    }

    /// In the order of [`View::scopes`].
    fn four(&self, service: &str, operation: &str) -> [u64; 4] {
        if self.all.is_empty() {
            return [0; 4];
        }
        [("", ""), (service, ""), ("", operation), (service, operation)].map(|(s, o)| self.of(s, o))
    }
}

impl Inner {
    /// The scopes as they were at `revision`, or later.
    pub(super) fn scopes_at(&self, connection: &Connection, revision: i64) -> rusqlite::Result<Arc<Scopes>> {
        let known = Arc::clone(&self.generations.0.read().unwrap_or_else(PoisonError::into_inner));
        if known.revision == Some(revision) {
            return Ok(known);
        }
        let read = Arc::new(Scopes::read(connection)?);
        // What a transaction that is under way has raised may be taken back, and the revision given to something else.
        if connection.transaction_state(None::<&str>)? != TransactionState::Write {
            *self.generations.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&read);
        }
        Ok(read)
    }

    /// The scopes as they are.
    pub(super) fn scopes(&self, connection: &Connection) -> rusqlite::Result<Arc<Scopes>> {
        let mut statement = connection.prepare_cached("SELECT revision FROM total")?;
        let revision = statement.query_row([], |row| row.get(0))?;
        self.scopes_at(connection, revision)
    }
}
