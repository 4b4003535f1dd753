//! Tools' answers as files that are read without a database: the runner's hit costs one open, one read, one verification.
//!
//! Each holds the record, the body and the generation under which it was kept. Current generations are in the sidecar;
//! without a sidecar there is no hit here, and the runner asks the store itself.

use super::{open::make_folder, row, trust, unpublished::Unpublished};
use crate::{
    Error,
    error::At,
    stats::Event,
    tier::{Selection, sidecar::Sidecar},
};
use bytes::Bytes;
use larder_core::{
    QueryKey, Record, RecordCid, Timestamp,
    record::{
        Want,
        run::{self, RunFile},
    },
};
use std::{
    fs::OpenOptions,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

/// Larger answers are left to the store, which does not read a body whole.
const LARGEST: u64 = 64 << 20;

/// What goes into a file.
pub(super) struct Run<'a> {
    pub(super) record: &'a [u8],
    pub(super) cid: &'a RecordCid,
    pub(super) body: &'a [u8],
    pub(super) generation: u64,
}

/// A tool's answer, verified.
#[derive(Debug)]
pub struct Hit {
    /// What it answers, and how it was made.
    pub record: Record,
    /// All of it.
    pub body: Bytes,
    sidecar: Sidecar,
}

impl Hit {
    /// Counts a hit and a call saved.
    pub fn count(&self) {
        let events = [Event::Hit, Event::ApiCallSaved];
        self.sidecar.count_all(&self.record.service, &self.record.operation, &events, 1);
    }
}

/// The answer to `want` that the store in `dir` keeps for a tool, verified; `None` when it has none that may be served at
/// `now`. Opens no database, starts no thread. Counts nothing: see [`Hit::count`].
#[must_use]
pub fn read(dir: &Path, want: &Want, now: Timestamp) -> Option<Hit> {
    let paths = super::Paths::of(dir);
    let bytes = contents(&path(&paths.runs, &want.key, &row::form(&want.variant, &[])))?;
    let run = RunFile::parse(&bytes)?;
    let body = Bytes::from(bytes).slice(run.body_at..);
    if !run.answers(&body, want, now) {
        return None;
    }
    let RunFile { record, generation, .. } = run;
    let sidecar = Sidecar::open(&paths.sidecar).ok()?;
    if sidecar.generation(&record.service, &record.operation)? != generation {
        return None;
    }
    sidecar.used(&record.key);
    Some(Hit { record, body, sidecar })
}

/// All of a file that this user alone may have written: digests are no proof against somebody who takes them anew.
fn contents(path: &Path) -> Option<Vec<u8>> {
    let mut file = trust::open(path, OpenOptions::new().read(true)).ok()?;
    // Whole or not at all: a file that has its name is not written any more, and the digests say whether that is so.
    let mut bytes = vec![0; usize::try_from(file.metadata().ok()?.len()).ok()?];
    file.read_exact(&mut bytes).ok()?;
    Some(bytes)
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
    let mut header = run::header(run.record, run.cid, run.generation);
    header.extend_from_slice(run.record);
    let written = temporary.write_all(&header).and_then(|()| temporary.write_all(run.body));
    written.at(temporary.path())?;
    Ok(Some(Unpublished { temporary: temporary.into_temp_path(), target: path, durable: false }))
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
