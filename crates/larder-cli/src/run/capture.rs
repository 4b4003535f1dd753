//! What a tool writes: kept, up to a bound, and passed on as it comes.
//!
//! Reading what the tool writes and writing it to our own outputs are apart: whoever waits for the run does not wait for
//! the one who reads its output at this end. What is kept is also what waits to be passed on; nothing is held twice.

use super::{lane::Lane, output::Stream};
use bytes::Bytes;
use larder_core::record::{Frame, run::add_frame};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};
use std::{
    io::{self, PipeReader, PipeWriter, Read as _},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// Runs that write more than this are not kept.
pub(crate) const LIMIT: usize = 64 << 20;
/// What is read and written at a time; and what may wait to be passed on of a run that is not kept any more.
const CHUNK: usize = 64 << 10;
const UNREAD: &str = "its output was not read to the end";

/// What a run writes.
pub(crate) struct Capture<'a> {
    started: Instant,
    limit: usize,
    state: Mutex<State>,
    /// Something has come, has been passed on, or has ended.
    changed: Condvar,
    /// Told at once, and once, when the run will certainly not be kept.
    given_up: &'a (dyn Fn() + Sync),
}

#[derive(Default)]
struct State {
    lanes: [Lane; 2],
    frames: Vec<Frame>,
    broken: Option<&'static str>,
    failed: Option<Errno>,
}

/// What there is to keep.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    out: Bytes,
    err: Bytes,
    /// Which stretch went where, in the order in which it was seen.
    pub(crate) frames: Vec<Frame>,
    /// Why it is not whole: it was too large, or nobody read it to the end.
    pub(crate) broken: Option<&'static str>,
}

impl<'a> Capture<'a> {
    /// An empty one; times count from now.
    pub(crate) fn new(limit: usize, given_up: &'a (dyn Fn() + Sync)) -> Self {
        Self { started: Instant::now(), limit, state: Mutex::default(), changed: Condvar::new(), given_up }
    }

    /// Takes what comes from `source` until its end, or until nobody reads any more (`gone` ends). Then the pipe is
    /// closed, and the tool learns of it the way it would have.
    pub(crate) fn read(&self, mut source: PipeReader, stream: Stream, gone: &PipeReader) {
        let mut buffer = vec![0; CHUNK];
        while comes(&source, gone) {
            match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) if self.take(stream, buffer.get(..length).unwrap_or_default()) => {}
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.spoil("the tool's output could not be read");
                    break;
                }
            }
        }
        self.lock().lane(stream).end();
        self.changed.notify_all();
    }

    /// Passes `stream` on with `write` until its end, or until nobody reads it: then `gone` is closed.
    pub(crate) fn pass_on(&self, stream: Stream, gone: PipeWriter, write: impl Fn(&[u8]) -> Result<(), Errno>) {
        let mut buffer = Vec::with_capacity(CHUNK);
        while self.next(stream, &mut buffer) {
            match write(&buffer) {
                Ok(()) => {}
                // What cannot be told on stderr is no reason to end: tools don't look whether their complaints arrive.
                Err(error) if error != Errno::PIPE && stream == Stream::Err => self.spoil(UNREAD),
                Err(error) => {
                    self.spoil(UNREAD);
                    self.close(stream, error);
                    break;
                }
            }
        }
        drop(gone);
    }

    /// Whether somebody still reads it. What is not kept any more is not taken before there is room for it.
    fn take(&self, stream: Stream, bytes: &[u8]) -> bool {
        if self.lock().does_not_fit(bytes.len(), self.limit) {
            self.spoil("its output is too large");
        }
        let at_ms = self.elapsed_ms();
        let crowded = |state: &mut State| state.broken.is_some() && state.lane(stream).is_crowded(CHUNK);
        let mut state = self.changed.wait_while(self.lock(), crowded).unwrap_or_else(PoisonError::into_inner);
        let is_read = state.take(stream, bytes, at_ms);
        drop(state);
        self.changed.notify_all();
        is_read
    }

    /// Fills `buffer` with what is to be passed on next; false: there is no more.
    fn next(&self, stream: Stream, buffer: &mut Vec<u8>) -> bool {
        let idle = |state: &mut State| state.lane(stream).is_idle();
        let mut state = self.changed.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        let kept = state.broken.is_none();
        state.lane(stream).pass_on(buffer, CHUNK, kept);
        drop(state);
        self.changed.notify_all();
        !buffer.is_empty()
    }

    fn close(&self, stream: Stream, error: Errno) {
        let mut state = self.lock();
        state.lane(stream).close();
        state.failed = state.failed.or(Some(error));
        drop(state);
        self.changed.notify_all();
    }

    fn spoil(&self, why: &'static str) {
        let before = {
            let mut state = self.lock();
            let before = state.broken;
            state.broken.get_or_insert(why);
            before
        };
        if before.is_none() {
            (self.given_up)();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What there is to keep once all has been read, and how long it took in milliseconds. What waits to be passed on
    /// goes on waiting.
    pub(crate) fn settle(&self) -> (Kept, u64) {
        let elapsed = self.elapsed_ms();
        let mut state = self.lock();
        let kept = match state.broken {
            Some(why) => Kept { broken: Some(why), ..Kept::default() },
            None => state.settle(),
        };
        (kept, elapsed)
    }

    /// Why an output could not be written to; `EPIPE`: its reader has gone.
    pub(crate) fn failed(&self) -> Option<Errno> {
        self.lock().failed
    }
}

/// Waits until there is something to read from `source`, or an end; false: its reader has gone.
fn comes(source: &PipeReader, gone: &PipeReader) -> bool {
    loop {
        let mut ready = [PollFd::new(source, PollFlags::IN), PollFd::new(gone, PollFlags::IN)];
        match poll(&mut ready, None) {
            Ok(_) => return ready.iter().skip(1).all(|gone| gone.revents().is_empty()),
            Err(Errno::INTR) => {}
            // Reading says what is wrong.
            Err(_) => return true,
        }
    }
}

impl State {
    fn lane(&mut self, stream: Stream) -> &mut Lane {
        let [out, err] = &mut self.lanes;
        if stream == Stream::Out { out } else { err }
    }

    fn does_not_fit(&self, length: usize, limit: usize) -> bool {
        self.broken.is_none() && self.lanes.iter().map(Lane::len).sum::<usize>() + length > limit
    }

    fn take(&mut self, stream: Stream, bytes: &[u8], at_ms: u64) -> bool {
        if self.broken.is_none() {
            add_frame(&mut self.frames, Frame { fd: stream.number(), len: bytes.len() as u64, at_ms });
        }
        self.lane(stream).take(bytes)
    }

    fn settle(&mut self) -> Kept {
        let [out, err] = &mut self.lanes;
        Kept { out: out.settle(), err: err.settle(), frames: std::mem::take(&mut self.frames), broken: None }
    }
}

impl Kept {
    /// The bytes of one stream.
    pub(crate) fn stream(&self, stream: Stream) -> &Bytes {
        if stream == Stream::Out { &self.out } else { &self.err }
    }

    /// Everything, in the order of the frames.
    pub(crate) fn body(&self) -> Bytes {
        match (self.out.is_empty(), self.err.is_empty()) {
            (_, true) => self.out.clone(),
            (true, false) => self.err.clone(),
            (false, false) => self.woven(),
        }
    }

    fn woven(&self) -> Bytes {
        let (mut out, mut err) = (self.out.clone(), self.err.clone());
        let mut body = Vec::with_capacity(out.len() + err.len());
        for frame in &self.frames {
            let rest = if Stream::of(frame.fd) == Stream::Out { &mut out } else { &mut err };
            let length = usize::try_from(frame.len).unwrap_or(usize::MAX).min(rest.len());
            body.extend_from_slice(&rest.split_to(length));
        }
        body.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    fn taken(limit: usize, given_up: &(dyn Fn() + Sync), chunks: &[(Stream, &str)]) -> Kept {
        let capture = Capture::new(limit, given_up);
        for (stream, bytes) in chunks {
            capture.take(*stream, bytes.as_bytes());
        }
        capture.settle().0
    }

    #[test]
    fn streams_are_kept_apart_and_in_order() {
        let chunks = [(Stream::Out, "a"), (Stream::Out, "b"), (Stream::Err, "c"), (Stream::Out, "d")];
        let kept = taken(100, &|| {}, &chunks);
        assert_eq!((&kept.stream(Stream::Out)[..], &kept.stream(Stream::Err)[..]), (&b"abd"[..], &b"c"[..]));
        assert_eq!(kept.frames.iter().map(|frame| frame.len).sum::<u64>(), 4);
        assert_eq!(&kept.body()[..], b"abcd");
    }

    #[test]
    fn one_stream_is_the_body() {
        for stream in [Stream::Out, Stream::Err] {
            assert_eq!(&taken(100, &|| {}, &[(stream, "a"), (stream, "b")]).body()[..], b"ab");
        }
        assert!(taken(100, &|| {}, &[]).body().is_empty());
    }

    #[test]
    fn too_much_is_not_kept_at_all_and_said_once() {
        let told = AtomicUsize::new(0);
        let given_up = || {
            told.fetch_add(1, Ordering::Relaxed);
        };
        let kept = taken(3, &given_up, &[(Stream::Out, "ab"), (Stream::Err, "cd"), (Stream::Out, "e")]);
        assert_eq!((kept.broken, kept.frames.len()), (Some("its output is too large"), 0));
        assert_eq!((kept.body().len(), told.into_inner()), (0, 1));
    }

    /// A tool that writes `length` bytes, and what arrives behind `write`.
    fn passed_on(length: usize, limit: usize, write: impl Fn(&[u8]) -> Result<(), Errno> + Send) -> (Kept, bool) {
        let capture = Capture::new(limit, &|| {});
        let (source, mut tool) = io::pipe().unwrap();
        let (gone, hang_up) = io::pipe().unwrap();
        let capture = &capture;
        thread::scope(|scope| {
            scope.spawn(move || capture.read(source, Stream::Out, &gone));
            scope.spawn(move || capture.pass_on(Stream::Out, hang_up, write));
            let written = io::Write::write_all(&mut tool, &vec![b'x'; length]);
            drop(tool);
            written.is_ok()
        });
        (capture.settle().0, capture.failed().is_some())
    }

    #[test]
    fn all_is_passed_on_whether_it_is_kept_or_not() {
        for limit in [10_000_000, 1_000] {
            let arrived = AtomicUsize::new(0);
            let write = |bytes: &[u8]| {
                arrived.fetch_add(bytes.len(), Ordering::Relaxed);
                Ok(())
            };
            let (kept, failed) = passed_on(3_000_000, limit, write);
            assert_eq!((arrived.load(Ordering::Relaxed), failed), (3_000_000, false));
            assert_eq!(kept.broken.is_none(), limit > 3_000_000);
        }
    }

    #[test]
    fn a_reader_that_has_gone_ends_both_ends() {
        let (kept, failed) = passed_on(3_000_000, 10_000_000, |_| Err(Errno::PIPE));
        assert_eq!((kept.broken, failed), (Some(UNREAD), true));
    }
}
