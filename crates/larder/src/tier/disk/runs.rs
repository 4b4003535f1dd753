//! Tools' answers as files that are read without a database: the runner's hit costs one open, one read, one verification.
//!
//! Each holds the record, the body and the generation under which it was kept. Current generations are in the sidecar;
//! without a sidecar there is no hit here, and the runner asks the store itself.

use super::{open::make_folder, row, trust};
use crate::{
    Error,
    error::At,
    stats::Event,
    tier::{Selection, sidecar::Sidecar},
};
use bytes::Bytes;
use larder_core::{
    BodyCid, Head, QueryKey, Record, RecordCid, Timestamp,
    cid::sha256,
    record::{Freshness, Want},
};
use std::{
    fs::OpenOptions,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

/// What each file begins with.
const MAGIC: &[u8; 8] = b"LARDRN01";
/// Magic, generation, length of the record, its CID's digest, and 8 bytes of a digest over all that.
const HEADER: usize = 8 + 8 + 8 + 32 + 8;
/// Larger answers are left to the store, which does not read a body whole.
const LARGEST: u64 = 64 << 20;

/// What goes into a file.
pub(super) struct Run<'a> {
    pub(super) record: &'a [u8],
    pub(super) cid: &'a RecordCid,
    pub(super) body: &'a [u8],
    pub(super) generation: u64,
}

/// A file that is written and not yet to be seen.
pub(super) struct Unpublished {
    temporary: tempfile::NamedTempFile,
    path: PathBuf,
}

impl Unpublished {
    /// Shows it, in place of the one before.
    pub(super) fn publish(self) -> Result<(), Error> {
        self.temporary.persist(&self.path).map_err(|error| error.error).at(&self.path)?;
        Ok(())
    }
}

/// The answer to `want` that the store in `dir` keeps for a tool, verified; `None` when it has none that may be served at
/// `now`. Opens no database, starts no thread. Counts nothing: see [`count_hit`].
#[must_use]
pub fn read(dir: &Path, want: &Want, now: Timestamp) -> Option<(Record, Bytes)> {
    let paths = super::Paths::of(dir);
    let bytes = contents(&path(&paths.runs, &want.key, &row::form(&want.variant, &[])))?;
    let (record, generation, at) = parse(&bytes)?;
    let body = Bytes::from(bytes).slice(at..);
    // Who makes a record up from a key, which the file's name tells, does not know the question that it is the digest of.
    let is_answer = want.accepts(&record)
        && QueryKey::of(&record.question) == record.key
        && matches!(record.head, Head::Tool { .. })
        && record.freshness(now) != Freshness::Gone
        && body.len() as u64 == record.body_len
        && BodyCid::of(&body) == record.body;
    if !is_answer {
        return None;
    }
    let sidecar = Sidecar::open(&paths.sidecar).ok()?;
    if sidecar.generation(&record.service, &record.operation)? != generation {
        return None;
    }
    sidecar.used(&record.key);
    Some((record, body))
}

/// All of a file that this user alone may have written: digests are no proof against somebody who takes them anew.
fn contents(path: &Path) -> Option<Vec<u8>> {
    let mut file = trust::open(path, OpenOptions::new().read(true)).ok()?;
    let mut bytes = Vec::with_capacity(usize::try_from(file.metadata().ok()?.len()).ok()?);
    file.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Counts a hit and a call saved, in the sidecar of the store in `dir` alone. Without one nothing is counted.
pub fn count_hit(dir: &Path, service: &str, operation: &str) {
    if let Ok(sidecar) = Sidecar::open(&super::Paths::of(dir).sidecar) {
        sidecar.count(service, operation, Event::Hit, 1);
        sidecar.count(service, operation, Event::ApiCallSaved, 1);
    }
}

fn parse(bytes: &[u8]) -> Option<(Record, u64, usize)> {
    let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
    let (fields, check) = header.split_at(HEADER - 8);
    if !fields.starts_with(MAGIC) || sha256(fields)[..8] != *check {
        return None;
    }
    let number = |at: usize| fields[at..at + 8].try_into().ok().map(u64::from_le_bytes);
    let len = usize::try_from(number(16)?).ok()?;
    let cid = RecordCid::from_digest(fields[24..56].try_into().ok()?);
    let record = Record::decode(rest.get(..len)?, &cid).ok()?;
    Some((record, number(8)?, HEADER + len))
}

/// `runs/<2 hex of the digest's first byte>/<QueryKey>.<8 hex of the form's digest>`
fn path(runs: &Path, key: &QueryKey, form: &[u8; 16]) -> PathBuf {
    let form = u32::from_be_bytes([form[0], form[1], form[2], form[3]]);
    folder(runs, key.digest()[0]).join(format!("{key}.{form:08x}"))
}

fn folder(runs: &Path, first: u8) -> PathBuf {
    runs.join(format!("{first:02x}"))
}

/// Writes a file under another name. `None` for answers that are too large to be read whole.
pub(super) fn prepare(
    runs: &Path,
    key: &QueryKey,
    form: &[u8; 16],
    run: &Run<'_>,
) -> Result<Option<Unpublished>, Error> {
    if run.body.len() as u64 > LARGEST {
        return Ok(None);
    }
    let path = path(runs, key, form);
    let folder = folder(runs, key.digest()[0]);
    make_folder(&folder).at(&folder)?;
    let mut temporary = tempfile::Builder::new().prefix(".new-").tempfile_in(&folder).at(&folder)?;
    let mut header = Vec::with_capacity(HEADER + run.record.len());
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&run.generation.to_le_bytes());
    header.extend_from_slice(&(run.record.len() as u64).to_le_bytes());
    header.extend_from_slice(run.cid.digest());
    let check = sha256(&header);
    header.extend_from_slice(&check[..8]);
    header.extend_from_slice(run.record);
    let written = temporary.write_all(&header).and_then(|()| temporary.write_all(run.body));
    written.at(temporary.path())?;
    Ok(Some(Unpublished { temporary, path }))
}

/// Removes the file of one key and form.
pub(super) fn remove(runs: &Path, key: &QueryKey, form: &[u8; 16]) {
    let _absent = std::fs::remove_file(path(runs, key, form));
}

/// Whether there may be a file of this key.
pub(super) fn may_have(runs: &Path, key: &QueryKey) -> bool {
    folder(runs, key.digest()[0]).exists()
}

/// Removes every file of the selected keys: also those whose rows were lost.
pub(super) fn remove_range(runs: &Path, what: &Selection) {
    let Some((low, high)) = super::remove::range(what) else { return };
    for first in low[0]..=high[0] {
        let Ok(files) = std::fs::read_dir(folder(runs, first)) else { continue };
        for file in files.flatten() {
            if key_of(&file.path()).is_some_and(|key| (low..=high).contains(key.digest())) {
                let _absent = std::fs::remove_file(file.path());
            }
        }
    }
}

/// The key that a run file is named by.
pub(super) fn key_of(file: &Path) -> Option<QueryKey> {
    file.file_name()?.to_str()?.split_once('.')?.0.parse().ok()
}
