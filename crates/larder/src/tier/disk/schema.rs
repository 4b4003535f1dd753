//! The index's tables (docs/design/store.md says why they are shaped so).

/// `lard`: tells an index of ours from any other SQLite file.
pub(super) const APPLICATION_ID: i32 = 0x6c61_7264;
/// The form of these tables. Another form lives in another folder (`v2/`), so that two versions never share a file.
pub(super) const VERSION: i32 = 1;

/// Bodies up to this many bytes lie in their row, larger ones are files.
pub(super) const INLINE: u64 = 64 << 10;

/// What a row costs besides its record and body, for the limit.
pub(super) const ROW_OVERHEAD: u64 = 256;

/// Run once, on an empty file. The small tables are strict, so that a check of the file finds a damaged type in them;
/// a damaged entry is one miss and no reason to begin anew.
pub(super) const CREATE: &str = "
PRAGMA page_size = 8192;
PRAGMA application_id = 0x6c617264;
PRAGMA user_version = 1;
BEGIN;
CREATE TABLE operation(
  id INTEGER PRIMARY KEY, service TEXT NOT NULL, name TEXT NOT NULL, UNIQUE(service, name)) STRICT;
CREATE TABLE generation(
  service TEXT NOT NULL, operation TEXT NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY(service, operation)) STRICT, WITHOUT ROWID;
CREATE TABLE entry(
  id INTEGER PRIMARY KEY, key BLOB NOT NULL, form BLOB NOT NULL, op INTEGER NOT NULL, generation INTEGER NOT NULL,
  gone_at INTEGER NOT NULL, size INTEGER NOT NULL, file BLOB, record_cid BLOB NOT NULL, record BLOB NOT NULL, body BLOB,
  UNIQUE(key, form));
CREATE INDEX entry_op ON entry(op, generation, id, gone_at);
CREATE INDEX entry_gone ON entry(gone_at) WHERE gone_at < 9223372036854775807;
CREATE INDEX entry_file ON entry(file) WHERE file IS NOT NULL;
CREATE TABLE total(
  one INTEGER PRIMARY KEY CHECK(one = 1), entries INTEGER NOT NULL, bytes INTEGER NOT NULL, hand INTEGER NOT NULL) STRICT;
INSERT INTO total VALUES(1, 0, 0, 0);
CREATE TABLE counter(
  sidecar INTEGER NOT NULL, service TEXT NOT NULL, operation TEXT NOT NULL, event INTEGER NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY(sidecar, service, operation, event)) STRICT, WITHOUT ROWID;
CREATE TABLE credential(
  origin TEXT NOT NULL, digest TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY(origin, digest)) STRICT, WITHOUT ROWID;
COMMIT;
";

/// The generations of all scopes that hold (`$service`, `$operation`), joined by `$with`: their sum is its generation. Four
/// lookups: an `IN` would build a table for its list at every row.
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

/// The generations of the scopes that hold (?1, ?2).
pub(super) const SCOPES: &str = concat!("SELECT ", generation_of!("?1", "?2", ", "));

/// The generation that is current for the joined operation `o`, as the index knows it.
pub(super) const CURRENT: &str = concat!("(", generation_of!("o.service", "o.name", " + "), ")");

/// Rows of a key, each with the generations of the scopes that hold it. Not in order: SQLite would copy bodies to sort them.
pub(super) const BY_KEY: &str = concat!(
    "SELECT e.id, e.record_cid, e.record, e.generation, ",
    generation_of!("o.service", "o.name", ", "),
    ", e.file, e.form, e.body FROM entry e JOIN operation o ON o.id = e.op WHERE e.key = ?1"
);
