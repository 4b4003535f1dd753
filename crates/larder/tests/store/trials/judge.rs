//! One trial: a copy of a store, one harm, and everything that the store must still do.

use super::{
    harm::{KINDS, Kind, harm},
    random::Random,
    setting,
    told::told,
    world::{Question, Worlds, scratch},
};
use larder::{Cache, Options, tier::Selection};
use larder_testkit::clock::START;
use std::{
    fmt,
    ops::{Add, AddAssign},
    path::{Path, PathBuf},
};

/// What one trial, or many, came to.
#[derive(Clone, Copy, Default)]
pub(super) struct Outcome {
    pub(super) trials: u64,
    /// Answers that were still there.
    pub(super) served: u64,
    /// Answers that were not.
    pub(super) lost: u64,
    /// Trials in which the index was begun anew.
    pub(super) anew: u64,
    /// Warnings.
    pub(super) told: u64,
}

/// The harm and its outcome on one line.
pub(super) struct Line(String, Outcome);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { trials, served, lost, anew, told } = self.1;
        write!(f, "{};{trials};{served};{lost};{anew};{told}", self.0)
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trials, served, lost, anew, told } = self;
        write!(f, "trials {trials}, answers served {served}, lost {lost}; index begun anew {anew}, warnings {told}")
    }
}

impl Outcome {
    pub(super) fn parse(line: &str) -> (String, Self) {
        let (name, rest) = line.split_once(';').unwrap();
        let numbers: Vec<u64> = rest.split(';').map(|number| number.parse().unwrap()).collect();
        let [trials, served, lost, anew, told] = numbers[..] else { panic!("{line}") };
        (name.to_owned(), Self { trials, served, lost, anew, told })
    }
}

impl Add for Outcome {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            trials: self.trials + other.trials,
            served: self.served + other.served,
            lost: self.lost + other.lost,
            anew: self.anew + other.anew,
            told: self.told + other.told,
        }
    }
}

impl AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

pub(super) fn trial(worlds: &Worlds, random: &mut Random, what: &mut String) -> Line {
    let (state, is_open) = setting(random);
    let folder = scratch();
    let store = folder.path().join("store");
    crate::damage::copy(&worlds.state(state), &store);
    // The largest, which is hashed in pieces, costs as much as all the others.
    let all = &worlds.questions[..];
    let questions = if random.below(4) == 0 { all } else { &all[..all.len() - 1] };
    let (reader, early) = told(|| is_open.then(|| open_reader(&store, questions)));
    assert!(early.is_empty(), "before any harm: {early:?}");
    let (file, kind) = (pick(&store, random), KINDS[random.below(KINDS.len())]);
    // Whoever has the index open maps its `-shm` through SQLite, which nothing protects from being cut.
    let kind = if reader.is_some() && kind_cuts(kind) && is_shm(&file) { Kind::Flip } else { kind };
    let said = harm(kind, &store, &file, &worlds.state("young"), random);
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let name = if name.starts_with("bafk") { "a body or run".to_owned() } else { name };
    *what = format!("{state}{}: `{}` {said}", if is_open { " and in use" } else { "" }, file.display());
    let (outcome, warnings) = told(|| judge(&store, reader, questions, random));
    let anew = warnings.iter().filter(|line| line.contains("begun anew")).count() as u64;
    assert!(anew <= 1, "said once: {warnings:?}");
    let (mut again, mut second) = told(|| look_again(&store, questions));
    if is_open && is_shm(&file) && !second.is_empty() {
        // SQLite folds the log by a wal-index that was harmed under it: what that breaks in the index is found when it is
        // read, which may be later; still once.
        assert!(anew == 0 && second.len() == 1 && second[0].contains("begun anew"), "said once: {second:?}");
        heals(&Cache::open(crate::disk_only(&store)).unwrap(), questions);
        (again, second) = told(|| look_again(&store, questions));
    }
    assert!(second.is_empty(), "told again: {second:?}");
    assert_eq!(again, questions.len(), "what was put again is not there");
    Line(format!("{kind:?} {name}"), Outcome { anew, told: warnings.len() as u64, ..outcome })
}

fn kind_cuts(kind: Kind) -> bool {
    matches!(kind, Kind::Cut | Kind::Older)
}

fn is_shm(file: &Path) -> bool {
    file.to_string_lossy().ends_with("-shm")
}

/// Half of all harm is done to the index and what belongs to it.
fn pick(store: &Path, random: &mut Random) -> PathBuf {
    let files = crate::damage::files(store);
    let index: Vec<&PathBuf> = files.iter().filter(|file| file.to_string_lossy().contains("index.db")).collect();
    let file = if random.below(2) == 0 { index[random.below(index.len())] } else { &files[random.below(files.len())] };
    file.strip_prefix(store).unwrap().to_owned()
}

/// A process that has the store open, with answers in memory.
fn open_reader(store: &Path, questions: &[Question]) -> Cache {
    let cache = crate::open(store);
    for question in questions.iter().step_by(2) {
        assert!(question.is_in(&cache));
    }
    cache
}

fn judge(store: &Path, reader: Option<Cache>, questions: &[Question], random: &mut Random) -> Outcome {
    if let Some(cache) = &reader {
        let _right_or_nothing = questions.iter().filter(|question| question.is_in(cache)).count();
        works(cache);
    }
    let cache = Cache::open(crate::disk_only(store)).unwrap_or_else(|error| panic!("it does not open: {error}"));
    let _right_or_nothing = questions.iter().filter(|run| run.is_run_in(store)).count();
    let served = questions.iter().filter(|question| question.is_in(&cache)).count();
    works(&cache);
    heals(&cache, questions);
    if let Some(reader) = reader {
        heals(&reader, questions);
    }
    drop(cache);
    if random.below(3) == 0 {
        makes_room(store);
    }
    let cache = Cache::open(crate::disk_only(store)).unwrap_or_else(|error| panic!("it does not open again: {error}"));
    heals(&cache, questions);
    let (served, all) = (served as u64, questions.len() as u64);
    Outcome { trials: 1, served, lost: all - served, ..Outcome::default() }
}

/// Whatever is asked of it, it answers, and it takes something new. The first put may be what finds the harm.
fn works(cache: &Cache) {
    let _ = (cache.statistics(), cache.usage());
    let _ = pollster::block_on(cache.list(&Selection::default(), 100, START));
    let _ = crate::put(cache, "new", b"new", START);
    crate::put(cache, "new", b"new", START).unwrap_or_else(|error| panic!("a put failed twice: {error}"));
    assert_eq!(
        crate::body(cache, "new", START).map(|found| found.0),
        Some(b"new".to_vec()),
        "what was put is not there"
    );
    cache.statistics().unwrap_or_else(|error| panic!("no statistics: {error}"));
    pollster::block_on(cache.list(&Selection::default(), 100, START))
        .unwrap_or_else(|error| panic!("no list: {error}"));
}

/// What is put again is there again, unless one of the puts is what finds the harm: then it is the time after that.
fn heals(cache: &Cache, questions: &[Question]) {
    let _may_find_the_harm = put_again(cache, questions);
    let lost = put_again(cache, questions);
    assert!(lost.is_empty(), "put again and lost again: {lost:?}");
}

fn put_again<'a>(cache: &Cache, questions: &'a [Question]) -> Vec<&'a str> {
    let missing = || questions.iter().filter(|question| !question.is_in(cache));
    let put: Vec<_> = missing().map(|question| question.put(cache)).collect();
    let failed = put.into_iter().filter_map(Result::err).map(|_| "(a put failed)");
    failed.chain(missing().map(|lost| lost.name.as_str())).collect()
}

/// Maintenance and removal get rid of everything, whatever rows and indexes were harmed.
fn makes_room(store: &Path) {
    let cache = Cache::open(Options { max_entries: 10, ..crate::disk_only(store) }).unwrap();
    for n in 0..130 {
        let _ = crate::put(&cache, &format!("more {n}"), b"x", START);
    }
    let left = cache.usage().entries;
    assert!(left <= 11, "{left} entries where 10 are allowed");
    let everything = Selection { prefix: Some("bafkrei".to_owned()), ..Selection::default() };
    let _ = pollster::block_on(cache.remove(&everything, START));
    pollster::block_on(cache.remove(&everything, START))
        .unwrap_or_else(|error| panic!("nothing can be removed: {error}"));
    assert_eq!(pollster::block_on(cache.list(&Selection::default(), 100, START)).unwrap().len(), 0);
    let left = rusqlite::Connection::open(store.join("v2/index.db")).unwrap().query_row(
        "SELECT count(*) FROM entry",
        [],
        |row| row.get(0),
    );
    assert_eq!(left, Ok(0), "rows that nothing removes");
}

/// A later process finds everything and has nothing more to say.
fn look_again(store: &Path, questions: &[Question]) -> usize {
    let cache = Cache::open(crate::disk_only(store)).unwrap();
    works(&cache);
    questions.iter().filter(|question| question.is_in(&cache)).count()
}
