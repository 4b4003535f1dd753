//! Whether what a caller got is for him, byte by byte.

use super::town::{Asked, CALLERS, Mood, THIEVES, Town, mood, refusal, text};
use crate::world::Got;
use larder::cache::How;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// What happened, how often: a test in which something never happens shows nothing of it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) left: AtomicUsize,
    pub(super) writes: AtomicUsize,
    pub(super) revoked: AtomicUsize,
    refused: AtomicUsize,
    hits: AtomicUsize,
    stale: AtomicUsize,
    misses: AtomicUsize,
    collapsed: AtomicUsize,
    confirmed: AtomicUsize,
    of_others: AtomicUsize,
    broken: AtomicUsize,
    cut: AtomicUsize,
    secrets: AtomicUsize,
    cookies: AtomicUsize,
}

impl Seen {
    fn count(&self, how: &How) {
        let counter = match how {
            How::Hit { .. } => &self.hits,
            How::Stale { .. } | How::StaleOnError { .. } => &self.stale,
            How::Miss { .. } => &self.misses,
            How::Collapsed => &self.collapsed,
            How::Revalidated => &self.confirmed,
        };
        counter.fetch_add(1, SeqCst);
    }

    pub(super) fn is_everything(&self) {
        let happened = [&self.left, &self.writes, &self.revoked, &self.refused, &self.hits, &self.stale, &self.misses];
        let more = [&self.collapsed, &self.confirmed, &self.of_others, &self.broken, &self.cut, &self.secrets];
        let happened = happened.into_iter().chain(more).chain([&self.cookies]);
        assert!(happened.map(|n| n.load(SeqCst)).all(|n| n > 0), "something did not happen: {self:?}");
    }
}

/// An answer's own words of whom it was made for, and its version and number.
fn parse(body: &str) -> Option<(Asked, usize, usize)> {
    let (line, _) = body.split_once('|')?;
    let numbers: Vec<usize> = line.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [caller, operation, question, version, serial] = numbers[..] else { return None };
    Some((Asked { caller, operation, question }, version, serial))
}

/// Fails where `got` is not for who asked. `floor`: the version whose write was over when he came.
pub(super) fn judge(town: &Town, seen: &Seen, asked: Asked, of_team: bool, floor: usize, got: Got) {
    seen.count(&got.how);
    let case = || format!("{asked:?}, team {of_team}, {:?}, {}: {:.100}", got.how, got.status, got.body);
    if asked.caller >= CALLERS - THIEVES {
        assert_eq!((got.status, got.body.clone()), (401, refusal(asked.caller)), "{}", case());
        seen.refused.fetch_add(1, SeqCst);
        return;
    }
    let Some((made_for, version, serial)) = parse(&got.body) else {
        assert!(got.error.is_some() && got.body.is_empty(), "nothing that was ever said: {}", case());
        return;
    };
    let (whole, mood) = (text(made_for, version, serial), mood(serial));
    match got.error {
        None => assert!(got.body == whole, "not whole: {}", case()),
        Some(_) => assert!(mood == Mood::Cut && whole.starts_with(&got.body), "not its beginning: {}", case()),
    }
    assert_eq!((made_for.operation, made_for.question), (asked.operation, asked.question), "{}", case());
    assert!(version >= floor, "version {version} after the write of {floor}: {}", case());
    let is_own = made_for.caller == asked.caller;
    assert!(is_own || of_team, "somebody else's: {}", case());
    assert!(is_own || !matches!(mood, Mood::Secret | Mood::Broken), "for its caller alone: {}", case());
    let is_accepted = town.callers[asked.caller].accepted[asked.operation].load(SeqCst);
    assert!(is_own || is_accepted, "never accepted: {}", case());
    assert_eq!(got.status, if mood == Mood::Broken { 500 } else { 200 }, "{}", case());
    if let Some(cookie) = got.headers.get("set-cookie") {
        assert_eq!(*cookie, *format!("id={}", asked.caller), "{}", case());
        seen.cookies.fetch_add(1, SeqCst);
    }
    let count = |is: bool, counter: &AtomicUsize| counter.fetch_add(usize::from(is), SeqCst);
    count(!is_own, &seen.of_others);
    count(mood == Mood::Broken, &seen.broken);
    count(got.error.is_some(), &seen.cut);
    count(mood == Mood::Secret, &seen.secrets);
}
