//! An origin that knows who may ask, and says in every byte whom it answered what.

use super::dice::Dice;
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use http::{HeaderMap, StatusCode};
use larder::{Origin, OriginAnswer, OriginError};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

pub(super) const CALLERS: usize = 50;
/// The last of them are never accepted.
pub(super) const THIEVES: usize = 5;
pub(super) const OPERATIONS: usize = 3;

/// What the origin holds to be true.
#[derive(Default)]
pub(super) struct Town {
    /// Raised by writes.
    pub(super) versions: [AtomicUsize; OPERATIONS],
    /// The version whose write is over: nobody who comes now may be given an older one.
    pub(super) floors: [AtomicUsize; OPERATIONS],
    pub(super) callers: Callers,
    serial: AtomicUsize,
}

pub(super) struct Callers(Vec<Caller>);

/// What it knows of one credential.
#[derive(Default)]
pub(super) struct Caller {
    pub(super) is_revoked: AtomicBool,
    /// Operations that gave it a 2xx since it was last revoked.
    pub(super) accepted: [AtomicBool; OPERATIONS],
    /// Its calls whose answers have not ended.
    pub(super) open: AtomicUsize,
    /// Held for writing while it is revoked: none of its requests is under way then.
    pub(super) door: tokio::sync::RwLock<()>,
}

impl Default for Callers {
    fn default() -> Self {
        Self((0..CALLERS).map(|_| Caller::default()).collect())
    }
}

impl std::ops::Index<usize> for Callers {
    type Output = Caller;

    fn index(&self, caller: usize) -> &Caller {
        &self.0[caller]
    }
}

/// What was asked, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) caller: usize,
    pub(super) operation: usize,
    pub(super) question: usize,
}

/// What the origin makes of one call. It is told by the call's number, so that whoever reads the answer knows it, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Usual,
    /// Forbids to keep it: for the caller alone.
    Secret,
    /// Sets a cookie for the caller.
    Cookie,
    Broken,
    /// Breaks off in the middle.
    Cut,
}

pub(super) fn mood(serial: usize) -> Mood {
    match serial * 7919 % 100 {
        0..3 => Mood::Secret,
        3..8 => Mood::Cookie,
        8..10 => Mood::Broken,
        10..12 => Mood::Cut,
        _ => Mood::Usual,
    }
}

/// One answer: it repeats who was answered what, so that every byte tells.
pub(super) fn text(asked: Asked, version: usize, serial: usize) -> String {
    let Asked { caller, operation, question } = asked;
    let line = format!("{caller} {operation} {question} {version} {serial}|");
    // Some outgrow what is kept in memory.
    line.repeat(if serial.is_multiple_of(50) { 6000 } else { 1 + serial % 40 })
}

/// What it says to who may not ask.
pub(super) fn refusal(caller: usize) -> String {
    format!("no, {caller}")
}

/// One call.
pub(super) struct Call {
    pub(super) town: Arc<Town>,
    pub(super) asked: Asked,
}

/// Counts a call until its answer has ended, however it does.
struct Open(Arc<Town>, usize);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.callers[self.1].open.fetch_sub(1, SeqCst);
    }
}

impl Origin for Call {
    fn call(self: Box<Self>, conditional: HeaderMap) -> BoxFuture<'static, Result<OriginAnswer, OriginError>> {
        let Self { town, asked } = *self;
        async move {
            let serial = town.serial.fetch_add(1, SeqCst);
            town.callers[asked.caller].open.fetch_add(1, SeqCst);
            let open = Open(Arc::clone(&town), asked.caller);
            let mut dice = Dice::new(serial as u64);
            linger(&mut dice).await;
            let (status, headers, pieces) = town.answer(asked, serial, &conditional);
            let body = stream::unfold((pieces.into_iter(), dice, open), |(mut pieces, mut dice, open)| async move {
                linger(&mut dice).await;
                pieces.next().map(|piece| (piece, (pieces, dice, open)))
            });
            Ok(OriginAnswer { status, headers, body: body.boxed() })
        }
        .boxed()
    }
}

/// Takes a while, sometimes.
async fn linger(dice: &mut Dice) {
    match dice.below(6) {
        0 => tokio::time::sleep(Duration::from_millis(1)).await,
        1 | 2 => tokio::task::yield_now().await,
        _ => {}
    }
}

type Pieces = Vec<Result<Bytes, OriginError>>;

impl Town {
    fn answer(&self, asked: Asked, serial: usize, conditional: &HeaderMap) -> (StatusCode, HeaderMap, Pieces) {
        let Asked { caller, operation, .. } = asked;
        let (mut headers, whole) = (HeaderMap::new(), |text: String| vec![Ok(Bytes::from(text))]);
        let of_caller = &self.callers[caller];
        if caller >= CALLERS - THIEVES || of_caller.is_revoked.load(SeqCst) {
            return (StatusCode::UNAUTHORIZED, headers, whole(refusal(caller)));
        }
        let (mood, version) = (mood(serial), self.versions[operation].load(SeqCst));
        let etag = format!("\"{operation} {} {version}\"", asked.question);
        let is_known = conditional.get("if-none-match").is_some_and(|known| *known == *etag);
        headers.insert("etag", etag.parse().unwrap());
        if is_known {
            return (StatusCode::NOT_MODIFIED, headers, Vec::new());
        }
        let text = text(asked, version, serial);
        match mood {
            Mood::Broken => return (StatusCode::INTERNAL_SERVER_ERROR, headers, whole(text)),
            Mood::Secret => drop(headers.insert("cache-control", "no-store".parse().unwrap())),
            Mood::Cookie => drop(headers.insert("set-cookie", format!("id={caller}").parse().unwrap())),
            Mood::Usual | Mood::Cut => {}
        }
        of_caller.accepted[operation].store(true, SeqCst);
        (StatusCode::OK, headers, pieces(&text, mood, serial))
    }
}

/// The whole at once, or as a stream.
fn pieces(text: &str, mood: Mood, serial: usize) -> Pieces {
    let size = if serial.is_multiple_of(2) { text.len() } else { text.len().div_ceil(4) };
    let mut pieces: Pieces = text.as_bytes().chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    if mood == Mood::Cut {
        *pieces.last_mut().unwrap() = Err(OriginError::Truncated("the town says so".to_owned()));
    }
    pieces
}
