//! What a tool writes: passed on as it comes, and kept, up to a bound.

use super::output::Stream;
use larder_core::record::{
    Frame,
    run::{add_frame, stretches},
};
use rustix::io::Errno;
use std::{
    io::{self, PipeReader, Read as _},
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// Runs that write more than this are not kept.
pub(crate) const LIMIT: usize = 64 << 20;
const UNREAD: &str = "its output was not read to the end";

/// What a run wrote.
#[derive(Debug)]
pub(crate) struct Capture {
    started: Instant,
    limit: usize,
    kept: Mutex<Kept>,
}

/// What there is to keep.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Everything, in the order in which it was seen.
    pub(crate) body: Vec<u8>,
    /// Which stretch went where.
    pub(crate) frames: Vec<Frame>,
    /// Why it is not whole: it was too large, or nobody read it to the end.
    pub(crate) broken: Option<&'static str>,
    /// Why an output could not be written to; `EPIPE`: its reader has gone.
    pub(crate) failed: Option<Errno>,
}

impl Capture {
    /// An empty one; times count from now.
    pub(crate) fn new(limit: usize) -> Self {
        Self { started: Instant::now(), limit, kept: Mutex::default() }
    }

    /// Passes on what comes from `source` until its end, or until nobody reads any more. Then the pipe is closed, and
    /// the tool learns of it the way it would have.
    pub(crate) fn pump(&self, mut source: PipeReader, stream: Stream) {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let bytes = match source.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => buffer.get(..length).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return self.spoil("the tool's output could not be read", None),
            };
            self.record(stream, bytes);
            match stream.write_all(bytes) {
                Ok(()) => {}
                // What cannot be told on stderr is no reason to end: tools don't look whether their complaints arrive.
                Err(error) if error != Errno::PIPE && stream == Stream::Err => self.spoil(UNREAD, None),
                Err(error) => return self.spoil(UNREAD, Some(error)),
            }
        }
    }

    fn record(&self, stream: Stream, bytes: &[u8]) {
        let at_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.broken.is_some() {
            return;
        }
        if kept.body.len() + bytes.len() > self.limit {
            kept.spoil("its output is too large");
            return;
        }
        kept.body.extend_from_slice(bytes);
        add_frame(&mut kept.frames, Frame { fd: stream.number(), len: bytes.len() as u64, at_ms });
    }

    fn spoil(&self, why: &'static str, failed: Option<Errno>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.spoil(why);
        kept.failed = kept.failed.or(failed);
    }

    /// What was kept, and how long it took in milliseconds.
    pub(crate) fn finish(self) -> (Kept, u64) {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        (self.kept.into_inner().unwrap_or_else(PoisonError::into_inner), elapsed)
    }
}

impl Kept {
    fn spoil(&mut self, why: &'static str) {
        self.broken.get_or_insert(why);
        self.body = Vec::new();
        self.frames = Vec::new();
    }

    /// The bytes of one stream.
    pub(crate) fn stream(&self, stream: Stream) -> Vec<u8> {
        let all = stretches(&self.frames, &self.body).filter(|(number, _)| *number == stream.number());
        all.flat_map(|(_, bytes)| bytes).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_come_apart_again() {
        let capture = Capture::new(100);
        for (stream, bytes) in [(Stream::Out, "a"), (Stream::Out, "b"), (Stream::Err, "c"), (Stream::Out, "d")] {
            capture.record(stream, bytes.as_bytes());
        }
        let (kept, _) = capture.finish();
        assert_eq!((kept.stream(Stream::Out), kept.stream(Stream::Err)), (b"abd".to_vec(), b"c".to_vec()));
        assert_eq!(kept.frames.iter().map(|frame| frame.len).sum::<u64>(), 4);
        assert_eq!(kept.body, b"abcd");
    }

    #[test]
    fn too_much_is_not_kept_at_all() {
        let capture = Capture::new(3);
        for bytes in ["ab", "cd", "e"] {
            capture.record(Stream::Out, bytes.as_bytes());
        }
        let (kept, _) = capture.finish();
        assert_eq!((kept.broken, kept.body.len(), kept.frames.len()), (Some("its output is too large"), 0, 0));
    }
}
