//! Small statements on the index that several operations share.

use larder_core::{QueryKey, Record, cid::sha256, record::Variant};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::sync::LazyLock;

/// What tells several answers to one question apart: the first 16 bytes of a digest over variant and vary, framed.
pub(super) fn form(variant: &Variant, vary: &[(String, Option<String>)]) -> [u8; 16] {
    /// That of most answers.
    static PLAIN: LazyLock<[u8; 16]> = LazyLock::new(|| digest_of(&Variant::default(), &[]));
    if vary.is_empty() && *variant == Variant::default() { *PLAIN } else { digest_of(variant, vary) }
}

fn digest_of(variant: &Variant, vary: &[(String, Option<String>)]) -> [u8; 16] {
    let mut text = Vec::new();
    let mut frame = |part: &str| {
        text.extend_from_slice(&(part.len() as u64).to_le_bytes());
        text.extend_from_slice(part.as_bytes());
    };
    frame(&variant.0);
    for (name, value) in vary {
        frame(name);
        frame(if value.is_some() { "=" } else { "" });
        frame(value.as_deref().unwrap_or_default());
    }
    let digest = sha256(&text);
    std::array::from_fn(|place| digest[place])
}

/// The form of a record.
pub(super) fn form_of(record: &Record) -> [u8; 16] {
    form(&record.variant, &record.vary)
}

/// The first 8 bytes of a key's digest as a number that is ordered like the key: what the index of keys is made of. Eight
/// bytes instead of 32 make it a quarter as large; the key itself stands in the row.
pub(super) fn head(digest: &[u8; 32]) -> i64 {
    let first = digest.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
    (first ^ 1 << 63).cast_signed()
}

/// [`head`] of a key.
pub(super) fn head_of(key: &QueryKey) -> i64 {
    head(key.digest())
}

/// Whether the index has anything of `key`.
pub(super) fn has(connection: &Connection, key: &QueryKey) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM entry WHERE head = ?1 AND key = ?2 LIMIT 1")?;
    statement.exists(params![head_of(key), &key.digest()[..]])
}

/// The generation of exactly this scope, as the index knows it.
pub(super) fn scope(connection: &Connection, service: &str, operation: &str) -> rusqlite::Result<u64> {
    let select = "SELECT n FROM generation WHERE service = ?1 AND operation = ?2";
    let found = connection.prepare_cached(select)?.query_row([service, operation], |row| unsigned(row, 0));
    Ok(found.optional()?.unwrap_or(0))
}

/// Raises a scope's generation to at least `n`, and the revision where that changes anything.
pub(super) fn raise(connection: &Connection, service: &str, operation: &str, n: u64) -> rusqlite::Result<()> {
    let upsert = "INSERT INTO generation VALUES(?1, ?2, ?3)
        ON CONFLICT(service, operation) DO UPDATE SET n = excluded.n WHERE excluded.n > n";
    if connection.prepare_cached(upsert)?.execute(params![service, operation, signed(n)])? > 0 {
        connection.prepare_cached("UPDATE total SET revision = revision + 1")?.execute([])?;
    }
    Ok(())
}

/// The number of (service, operation), given out when it is first seen.
pub(super) fn operation(connection: &Connection, service: &str, name: &str) -> rusqlite::Result<i64> {
    // The name comes from the index, every reader goes by the table: where the two disagree nothing would be found.
    let select = "SELECT i.id, t.id IS NOT NULL FROM operation i LEFT JOIN operation t NOT INDEXED
        ON t.id = i.id AND t.service = ?1 AND t.name = ?2 WHERE i.service = ?1 AND i.name = ?2";
    let mut statement = connection.prepare_cached(select)?;
    let known = statement.query_row([service, name], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    match known {
        Some((id, true)) => return Ok(id),
        Some((_, false)) => return Err(corrupt("an operation is in its index and not in its table")),
        None => {}
    }
    connection.prepare_cached("INSERT INTO operation(service, name) VALUES(?1, ?2)")?.execute([service, name])?;
    Ok(connection.last_insert_rowid())
}

/// What SQLite would say, had it looked.
fn corrupt(what: &str) -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(code, Some(what.to_owned()))
}

/// The revision of the generations, entries, bytes.
pub(super) fn state(connection: &Connection) -> rusqlite::Result<(i64, u64, u64)> {
    let mut statement = connection.prepare_cached("SELECT revision, entries, bytes FROM total")?;
    statement.query_row([], |row| Ok((row.get(0)?, unsigned(row, 1)?, unsigned(row, 2)?)))
}

/// Entries and bytes.
pub(super) fn totals(connection: &Connection) -> rusqlite::Result<(u64, u64)> {
    let mut statement = connection.prepare_cached("SELECT entries, bytes FROM total")?;
    statement.query_row([], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)))
}

/// Says how many entries and bytes there are from here on, in the transaction that read how many there were.
pub(super) fn set_totals(connection: &Connection, (entries, bytes): (u64, u64)) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE total SET entries = ?1, bytes = ?2")?
        .execute([signed(entries), signed(bytes)])?;
    Ok(())
}

/// Adds to entries and bytes, in the transaction that adds or removes rows.
pub(super) fn add_to_totals(connection: &Connection, entries: i64, bytes: i64) -> rusqlite::Result<()> {
    let update = "UPDATE total SET entries = max(0, entries + ?1), bytes = max(0, bytes + ?2)";
    connection.prepare_cached(update)?.execute([entries, bytes])?;
    Ok(())
}

/// A column that holds a number and no negative one; one that does not is damaged and counts as 0.
pub(super) fn unsigned(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get_ref(column)?.as_i64().ok().and_then(|number| u64::try_from(number).ok()).unwrap_or(0))
}

/// A column that holds a digest, or the beginning of one; anything else is damaged.
pub(super) fn digest<const N: usize>(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Option<[u8; N]>> {
    Ok(row.get_ref(column)?.as_blob().ok().and_then(|bytes| bytes.try_into().ok()))
}

/// A column that holds bytes; one that does not is empty, or damaged and as good as empty.
pub(super) fn blob(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Option<Vec<u8>>> {
    Ok(row.get_ref(column)?.as_blob().ok().map(<[u8]>::to_vec))
}

/// As SQLite keeps it.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
