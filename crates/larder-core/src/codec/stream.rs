//! Streamed answers.

use super::{
    Cutter, Event, Findings, MAX_WATCHED,
    conditions::{Conditions, Tokens},
    is_error,
};
use crate::{
    Json,
    adapter::answer::{Codec, Last, StreamRule},
};

/// An answer that is cut into events and followed to its last one.
#[derive(Debug)]
pub(super) struct Stream {
    codec: Codec,
    cutter: Cutter,
    /// An event was larger than [`MAX_WATCHED`].
    too_large: bool,
    seen: Seen,
}

#[derive(Debug)]
struct Seen {
    last: Vec<Last>,
    failed: Vec<String>,
    conditions: Conditions,
    tokens: Tokens,
    /// The newest event is one of `last`.
    at_last: bool,
    /// An event's data says error; not every server gives such an event a name.
    error: bool,
    /// Name of the event that said that the answer failed.
    failure: Option<String>,
}

impl Stream {
    pub(super) fn new(rule: &StreamRule) -> Self {
        let seen = Seen {
            last: rule.last.clone(),
            failed: rule.failed.clone(),
            conditions: Conditions::new(&rule.finished, true),
            tokens: Tokens::new(&rule.usage),
            at_last: rule.last.is_empty(),
            error: false,
            failure: None,
        };
        Self { codec: rule.codec, cutter: Cutter::new(rule.codec), too_large: false, seen }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if self.too_large {
            return;
        }
        let Self { cutter, seen, .. } = self;
        cutter.feed(bytes, &mut |event| seen.event(&event));
        if self.cutter.held() > MAX_WATCHED {
            self.too_large = true;
            self.cutter = Cutter::new(self.codec);
        }
    }

    /// A stream with a last event cannot be cut short before it.
    pub(super) fn proves_end(&self) -> bool {
        !self.seen.last.is_empty()
    }

    /// Why nothing that comes can make the answer complete; `None` while something can.
    pub(super) fn refusal(&self) -> Option<String> {
        if self.too_large {
            return Some("an event of the stream is too large to be looked into".to_owned());
        }
        if let Some(name) = &self.seen.failure {
            return Some(format!("the stream holds the event `{name}`"));
        }
        self.seen.error.then(|| "an event of the stream says `error`".to_owned())
    }

    pub(super) fn finish(self) -> Result<Findings, String> {
        if let Some(reason) = self.refusal() {
            return Err(reason);
        }
        if self.cutter.in_event() {
            return Err("the stream ends in the middle of an event".to_owned());
        }
        if !self.seen.at_last {
            return Err("the stream does not end with its last event".to_owned());
        }
        self.seen.conditions.finish()?;
        let tokens = self.seen.tokens;
        Ok(Findings { input_tokens: tokens.input, output_tokens: tokens.output, ..Findings::default() })
    }
}

impl Seen {
    fn event(&mut self, event: &Event) {
        self.at_last = self.last.is_empty() || self.last.iter().any(|last| is(event, last));
        if self.failed.contains(&event.name) {
            self.failure = Some(event.name.clone());
        }
        // An event that is no JSON (or holds half of a surrogate pair, which tokens may be cut into) says nothing here;
        // a finish that must be seen is then missing.
        if let Ok(document) = Json::parse(event.data.as_bytes()) {
            self.error |= is_error(&document);
            self.conditions.feed(&document);
            self.tokens.feed(&document);
        }
    }
}

fn is(event: &Event, last: &Last) -> bool {
    match last {
        Last::Data(data) => event.data == *data,
        Last::Event(name) => event.name == *name,
    }
}
