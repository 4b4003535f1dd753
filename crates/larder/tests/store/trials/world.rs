//! The store that is harmed: small bodies, bodies in files, tools' answers, an invalidated operation; what it must say.

use larder::{Body, Cache, tier::Selection, tier::disk::runs};
use larder_core::{Head, Record, record::Frame};
use larder_testkit::{
    clock::START,
    entry::{bytes_of, key, noise, record, want},
};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// On a file system in memory, where there is one: thousands of small stores are made and thrown away.
pub(super) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory).unwrap() } else { TempDir::new().unwrap() }
}

/// A question and its one right answer. Those beginning with `tool` are tools'.
pub(super) struct Question {
    pub(super) name: String,
    pub(super) answer: Vec<u8>,
}

impl Question {
    fn of(name: String, len: usize) -> Self {
        // The answer tells whose it is, and its bytes follow from its length.
        let answer = [name.as_bytes(), b"\n", &noise(len)].concat();
        Self { name, answer }
    }

    fn record(&self) -> Record {
        let record = record(&self.name, &self.answer, START);
        if !self.name.starts_with("tool") {
            return record;
        }
        let frames = vec![Frame { fd: 1, len: self.answer.len() as u64, at_ms: 1 }];
        Record { head: Head::Tool { exit_code: 0, frames }, service: "tool".to_owned(), ..record }
    }

    pub(super) fn put(&self, cache: &Cache) -> Result<(), larder::Error> {
        let record = self.record();
        let generation = cache.generation(&record.service, &record.operation);
        pollster::block_on(cache.put(record, Body::Bytes(self.answer.clone().into()), generation, START))
    }

    /// Whether the cache has it. Panics when it has something else.
    pub(super) fn is_in(&self, cache: &Cache) -> bool {
        match pollster::block_on(cache.get(&want(&self.name), START)) {
            Ok(Some((entry, _))) => {
                assert!(bytes_of(&entry) == self.answer, "WRONG BYTES for {}", self.name);
                assert!(entry.record.key == key(&self.name), "WRONG RECORD for {}", self.name);
                true
            }
            Ok(None) | Err(_) => false,
        }
    }

    /// The same, as the runner looks it up.
    pub(super) fn is_run_in(&self, store: &Path) -> bool {
        let Some(runs::Hit { record, body, .. }) = runs::read(store, &want(&self.name), START) else { return false };
        assert!(body[..] == self.answer[..] && record == self.record(), "WRONG RUN for {}", self.name);
        true
    }
}

fn questions() -> Vec<Question> {
    let small = (0..20).map(|n| Question::of(format!("q{n}"), n * 137));
    let large = [30_000, 70_000, (1 << 20) + 9].map(|len| Question::of(format!("large {len}"), len));
    let tools = [10, 5_000].map(|len| Question::of(format!("tool {len}"), len));
    small.chain(tools).chain(large).collect()
}

/// Stores to begin from, each in its own folder.
pub(super) struct Worlds {
    folder: TempDir,
    pub(super) questions: Vec<Question>,
}

/// How the store was left.
pub(super) const STATES: [&str; 2] = ["closed", "open"];

impl Worlds {
    pub(super) fn make() -> Self {
        let folder = scratch();
        let made = folder.path().join("made");
        let cache = Cache::open(crate::disk_only(&made)).unwrap();
        let questions = questions();
        let (first, second) = questions.split_at(questions.len() / 2);
        first.iter().for_each(|question| question.put(&cache).unwrap());
        crate::damage::copy(&made, &folder.path().join("young"));
        let dead = Question::of("dead".to_owned(), 9);
        pollster::block_on(cache.put(
            Record { service: "dead".to_owned(), ..dead.record() },
            Body::Bytes(dead.answer.into()),
            0,
            START,
        ))
        .unwrap();
        let what = Selection { service: Some("dead".to_owned()), ..Selection::default() };
        pollster::block_on(cache.remove(&what, START)).unwrap();
        second.iter().for_each(|question| question.put(&cache).unwrap());
        // As a process that was killed leaves it, and as one that ended well does.
        crate::damage::copy(&made, &folder.path().join("open"));
        drop(cache);
        crate::damage::copy(&made, &folder.path().join("closed"));
        std::fs::remove_dir_all(made).unwrap();
        Self { folder, questions }
    }

    pub(super) fn state(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
