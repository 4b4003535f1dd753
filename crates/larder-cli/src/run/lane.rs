//! One output on its way: what has come of it, and how much of that has been passed on.

use bytes::Bytes;

/// One output.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// What has come; its beginning is missing where it is not kept any more.
    bytes: Vec<u8>,
    /// The same, once nothing more comes and it is kept.
    settled: Bytes,
    /// How much of it has been passed on.
    passed: usize,
    /// Nothing more comes.
    ended: bool,
    /// Nobody reads it any more.
    closed: bool,
}

impl Lane {
    fn waiting(&self) -> &[u8] {
        let all = if self.settled.is_empty() { &self.bytes[..] } else { &self.settled[..] };
        all.get(self.passed..).unwrap_or_default()
    }

    /// How many bytes are held.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether so much waits that no more is to be taken: never where nobody reads.
    pub(crate) fn is_crowded(&self, bound: usize) -> bool {
        !self.closed && self.waiting().len() >= bound
    }

    /// Whether there is nothing to pass on, and more may come.
    pub(crate) fn is_idle(&self) -> bool {
        !self.ended && !self.closed && self.waiting().is_empty()
    }

    /// Adds bytes; false: nobody reads them.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> bool {
        if !self.closed {
            self.bytes.extend_from_slice(bytes);
        }
        !self.closed
    }

    /// Moves at most `length` bytes to `buffer`; what is not `kept` is forgotten here.
    pub(crate) fn pass_on(&mut self, buffer: &mut Vec<u8>, length: usize, kept: bool) {
        buffer.clear();
        let waiting = self.waiting();
        buffer.extend_from_slice(waiting.get(..length).unwrap_or(waiting));
        self.passed += buffer.len();
        if !kept && self.settled.is_empty() && self.passed * 2 >= self.bytes.len() {
            self.bytes.drain(..self.passed);
            self.bytes.shrink_to(length);
            self.passed = 0;
        }
    }

    /// Nothing more will come.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    /// Nobody reads it any more.
    pub(crate) fn close(&mut self) {
        *self = Self { closed: true, ended: self.ended, ..Self::default() };
    }

    /// All of it, shared with whoever passes it on.
    pub(crate) fn settle(&mut self) -> Bytes {
        self.settled = std::mem::take(&mut self.bytes).into();
        self.settled.clone()
    }
}
