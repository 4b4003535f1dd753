//! Write transactions. `rusqlite` has them, too, but parses their first and last words anew each time: a thirtieth of a put.

use rusqlite::Connection;
use std::ops::Deref;

/// One that holds the write lock. What is not committed is rolled back.
pub(super) struct Transaction<'c>(&'c Connection);

impl<'c> Transaction<'c> {
    /// Waits for the lock as long as the connection waits for any.
    pub(super) fn begin(connection: &'c Connection) -> rusqlite::Result<Self> {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Self(connection))
    }

    pub(super) fn commit(self) -> rusqlite::Result<()> {
        self.prepare_cached("COMMIT")?.execute([]).map(drop)
    }
}

impl Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.0
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit() {
            // A connection that cannot even do this fails its next user, and is not lent again.
            let _ = self.0.execute_batch("ROLLBACK");
        }
    }
}
