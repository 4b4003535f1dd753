//! The index's tables (docs/design/store.md says why they are shaped so).

/// `lard`: tells an index of ours from any other SQLite file.
pub(super) const APPLICATION_ID: i32 = 0x6c61_7264;
/// The form of these tables. Another form lives in another folder ([`super::FOLDER`]), so that two versions never share a
/// file.
pub(super) const VERSION: i32 = 2;

/// Bodies up to this many bytes lie in their row, larger ones are files.
pub(super) const INLINE: u64 = 64 << 10;

/// What a row costs besides its record and body, for the limit.
pub(super) const ROW_OVERHEAD: u64 = 256;

/// Run once, on an empty file. The small tables are strict, so that a check of the file finds a damaged type in them;
/// a damaged entry is one miss and no reason to begin anew. `revision` begins anywhere: a number that another index had
/// says nothing of this one.
pub(super) const CREATE: &str = "
PRAGMA page_size = 4096;
PRAGMA application_id = 0x6c617264;
PRAGMA user_version = 2;
BEGIN;
CREATE TABLE operation(
  id INTEGER PRIMARY KEY, service TEXT NOT NULL, name TEXT NOT NULL, UNIQUE(service, name)) STRICT;
CREATE TABLE generation(
  service TEXT NOT NULL, operation TEXT NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY(service, operation)) STRICT, WITHOUT ROWID;
CREATE TABLE entry(
  id INTEGER PRIMARY KEY, head INTEGER NOT NULL, key BLOB NOT NULL, form BLOB NOT NULL, sole INTEGER NOT NULL,
  op INTEGER NOT NULL, generation INTEGER NOT NULL, gone_at INTEGER NOT NULL, size INTEGER NOT NULL, file BLOB,
  record_cid BLOB NOT NULL, record BLOB NOT NULL, body BLOB);
CREATE INDEX entry_head ON entry(head);
CREATE INDEX entry_op ON entry(op, generation, id, gone_at);
CREATE INDEX entry_file ON entry(file) WHERE file IS NOT NULL;
CREATE TABLE total(
  one INTEGER PRIMARY KEY CHECK(one = 1), entries INTEGER NOT NULL, bytes INTEGER NOT NULL, hand INTEGER NOT NULL,
  revision INTEGER NOT NULL) STRICT;
INSERT INTO total VALUES(1, 0, 0, 0, random() >> 2);
CREATE TABLE counter(
  sidecar INTEGER NOT NULL, service TEXT NOT NULL, operation TEXT NOT NULL, event INTEGER NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY(sidecar, service, operation, event)) STRICT, WITHOUT ROWID;
CREATE TABLE credential(
  origin TEXT NOT NULL, digest TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY(origin, digest)) STRICT, WITHOUT ROWID;
COMMIT;
";

/// The generations of all scopes that hold (`$service`, `$operation`), joined by `$with`: their sum is its generation. Four
/// lookups: an `IN` would build a table for its list at every row. (A hit asks for none of them: see `generations`.)
macro_rules! generation_of {
    ($service:literal, $operation:literal, $with:literal) => {
        concat!(
            "coalesce((SELECT n FROM generation WHERE service = '' AND operation = ''), 0)",
            $with,
            "coalesce((SELECT n FROM generation WHERE service = ",
            $service,
            " AND operation = ''), 0)",
            $with,
            "coalesce((SELECT n FROM generation WHERE service = '' AND operation = ",
            $operation,
            "), 0)",
            $with,
            "coalesce((SELECT n FROM generation WHERE service = ",
            $service,
            " AND operation = ",
            $operation,
            "), 0)"
        )
    };
}

/// The generation that is current for the joined operation `o`, as the index knows it.
pub(super) const CURRENT: &str = concat!("(", generation_of!("o.service", "o.name", " + "), ")");

/// What is read of a row.
macro_rules! rows {
    ($of:literal) => {
        concat!(
            "SELECT e.id, e.key, e.form, e.sole, e.record_cid, e.record, e.generation, e.file, e.body ",
            "FROM entry e WHERE ",
            $of
        )
    };
}

/// Rows whose key begins like the wanted one's. Not in order: SQLite would copy bodies to sort them.
pub(super) const BY_HEAD: &str = rows!("e.head = ?1");

/// One row.
pub(super) const BY_ID: &str = rows!("e.id = ?1");
