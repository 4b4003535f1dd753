//! Codecs and the watcher: whether an answer that streams past is complete (docs/design/stream.md).
//!
//! A codec is one file (`sse.rs`) and one line in `Cutter`.

mod conditions;
mod sse;
mod stream;
mod whole;

pub use sse::{Event, Sse};

use crate::{Json, adapter::answer::Codec, judge::Plan};
use http::{HeaderMap, header};
use stream::Stream;
use whole::Whole;

/// The most bytes of an answer, or of one event of a stream, that are held to look into them.
pub const MAX_WATCHED: usize = 64 << 20;

/// Watches an answer's bytes go past and says at the end whether it may be kept.
#[derive(Debug)]
pub struct Watcher(Form);

/// How the bytes are looked at.
#[derive(Debug)]
enum Form {
    /// Nothing is asked of this answer but that it arrives whole: it is no JSON, and its rule speaks of none.
    Unseen,
    /// Held back until the end, then looked into.
    Whole(Box<Whole>),
    /// Cut into events, one at a time.
    Stream(Box<Stream>),
    /// Known from the beginning not to be kept.
    Refused(&'static str),
}

/// What cuts a stream into events.
#[derive(Debug)]
enum Cutter {
    /// [`Codec::Sse`]
    Sse(Sse),
}

/// What the watcher found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// The answer is whole.
    Complete(Findings),
    /// It is not to be kept; the reason, for the log and `Cache-Status`'s detail.
    Incomplete(String),
}

/// What a complete answer said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Tokens in, where the rule says where they stand.
    pub input_tokens: u64,
    /// Tokens out.
    pub output_tokens: u64,
    /// Digest of the fingerprint members.
    pub fingerprint: Option<String>,
    /// A ttl that the answer itself gives (`expires_in`), milliseconds.
    pub ttl_ms: Option<u64>,
}

impl Watcher {
    /// For the answer to `plan` that begins with this status and these headers. The status has been judged before.
    #[must_use]
    pub fn new(plan: &Plan, status: u16, headers: &HeaderMap) -> Self {
        let media = media_type(headers);
        let rule = plan.operation.as_deref().map(|operation| &operation.answer);
        let streamed = media == "text/event-stream" || plan.want.variant.0.split(';').any(|word| word == "stream");
        let form = match rule {
            rule if streamed => rule
                .and_then(|rule| rule.stream.as_ref())
                .map_or(Form::Refused("a streamed answer, and the operation has no `stream` rule"), |stream| {
                    Form::Stream(Box::new(Stream::new(stream)))
                }),
            Some(rule) if Whole::is_wanted(rule) || is_json(&media) => {
                Form::Whole(Box::new(Whole::new(rule, &media, (200..300).contains(&status))))
            }
            _ => Form::Unseen,
        };
        Self(form)
    }

    /// The next bytes, however they are cut.
    pub fn feed(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Form::Whole(whole) => whole.feed(bytes),
            Form::Stream(stream) => stream.feed(bytes),
            Form::Unseen | Form::Refused(_) => {}
        }
    }

    /// Whether a complete answer says itself that it is whole, so that its end need not be marked in any other way.
    #[must_use]
    pub fn proves_end(&self) -> bool {
        match &self.0 {
            Form::Whole(whole) => whole.proves_end(),
            Form::Stream(stream) => stream.proves_end(),
            Form::Unseen | Form::Refused(_) => false,
        }
    }

    /// Why the answer will not be kept, where that is certain before its end. What was certain once stays so.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        match &self.0 {
            Form::Stream(stream) => stream.refusal(),
            Form::Refused(reason) => Some((*reason).to_owned()),
            Form::Whole(_) | Form::Unseen => None,
        }
    }

    /// How many bytes [`Watcher::finish`] has yet to look into: a large document takes longer than a thread that serves
    /// others may be held up.
    #[must_use]
    pub fn unread(&self) -> usize {
        match &self.0 {
            Form::Whole(whole) => whole.held(),
            Form::Stream(_) | Form::Unseen | Form::Refused(_) => 0,
        }
    }

    /// The origin ended the body properly (right length, last chunk).
    #[must_use]
    pub fn finish(self) -> Completion {
        let found = match self.0 {
            Form::Unseen => Ok(Findings::default()),
            Form::Whole(whole) => whole.finish(),
            Form::Stream(stream) => stream.finish(),
            Form::Refused(reason) => Err(reason.to_owned()),
        };
        found.map_or_else(Completion::Incomplete, Completion::Complete)
    }
}

impl Cutter {
    fn new(codec: Codec) -> Self {
        match codec {
            Codec::Sse => Self::Sse(Sse::default()),
        }
    }

    fn feed(&mut self, bytes: &[u8], each: &mut dyn FnMut(Event)) {
        match self {
            Self::Sse(sse) => sse.feed(bytes, each),
        }
    }

    fn in_event(&self) -> bool {
        match self {
            Self::Sse(sse) => sse.in_event(),
        }
    }

    fn held(&self) -> usize {
        match self {
            Self::Sse(sse) => sse.held(),
        }
    }
}

/// The media type without parameters, lower-case; empty where there is none.
fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a document says at its top that it is an error, whatever its status said.
fn is_error(document: &Json) -> bool {
    document.pointer("/error").is_some_and(|error| *error != Json::Null)
}

fn is_json(media: &str) -> bool {
    media == "application/json" || media.ends_with("+json")
}
