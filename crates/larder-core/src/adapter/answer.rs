//! The words of an operation that speak of its answer.

/// What makes an answer complete and what it says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerRule {
    /// Statuses that are kept. Empty means `[200]`.
    pub keep_status: Vec<u16>,
    /// For a whole (not streamed) JSON answer: all must hold.
    pub finished: Vec<Finished>,
    /// How a streamed answer is read; `None`: a streamed answer of this operation is never kept.
    pub stream: Option<StreamRule>,
    /// Where the tokens stand in a whole answer (in a stream: the last event that has them).
    pub usage: Vec<UsageRule>,
    /// JSON pointers whose values tell whether the answer really changed.
    pub fingerprint: Vec<String>,
    /// JSON pointer to a number of seconds that the answer itself gives as its ttl.
    pub ttl_from: Option<String>,
}

/// A condition on an answer: the values at `at` (a JSON pointer in which `*` stands for every element of a list) are
/// among `is`. `null` and absent values do not count against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Pointer pattern, e.g. `/choices/*/finish_reason`.
    pub at: String,
    /// Values that mean: whole.
    pub is: Vec<String>,
    /// Whether at least one value must be seen. In a list, every element must have one by the end of the answer.
    pub required: bool,
}

/// How a streamed answer is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRule {
    /// How events are cut.
    pub codec: Codec,
    /// One of these must be the last event.
    pub last: Vec<Last>,
    /// Event names that mean that the answer failed.
    pub failed: Vec<String>,
    /// Conditions on the JSON of the events, over the whole stream.
    pub finished: Vec<Finished>,
    /// Where tokens stand in the events' JSON.
    pub usage: Vec<UsageRule>,
}

/// How a stream is cut into events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Server-sent events (WHATWG HTML, section 9.2).
    Sse,
}

/// What the last event of a whole stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Last {
    /// Its data is exactly this text (`[DONE]`).
    Data(String),
    /// Its event name is this (`message_stop`).
    Event(String),
}

/// Where tokens stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRule {
    /// Pointer to the tokens that went in.
    pub input: String,
    /// Pointer to the tokens that came out.
    pub output: Option<String>,
}
