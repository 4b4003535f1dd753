//! Reading the words of an operation that speak of its answer.

use super::{
    answer::{AnswerRule, Codec, Finished, Last, StreamRule, UsageRule},
    document::{Section, Table, Text, Word, word},
    pointer::Pointer,
};

/// The answer's words in `[[operation]]`.
pub(crate) static WORDS: &[Word] = &[
    word("keep-status", "list of numbers", "Statuses that are kept; `[200]` where it is not said."),
    word("finished", "list of `{ at = … }`", "What a whole JSON answer must say of itself to be kept. All must hold."),
    word("stream", "table", "How a streamed answer is read. Without it no streamed answer is kept."),
    word("usage", "list of `{ input = … }`", "Where the tokens stand that the answer cost."),
    word("fingerprint", "list of pointers", "The members that tell whether the answer really changed."),
    word("ttl-from", "pointer", "A number of seconds in the answer that is its ttl."),
];

/// The words of a `finished` condition.
pub(crate) static FINISHED: Section = Section {
    title: "finished = [{ … }]",
    says: "A condition on the answer: what stands at a place is among these texts. `null` and absent values do not count \
           against it.",
    words: &[&[
        word("at", "pointer", "Where to look in the answer; `*` stands for every element."),
        word("is", "list of text", "The values that mean: whole."),
        word("required", "`true` or `false`", "At least one value must be there; in a list, one for every element."),
    ]],
};

/// The words of `[operation.stream]`.
pub(crate) static STREAM: Section = Section {
    title: "[operation.stream]",
    says: "How a streamed answer is read, and when it is whole.",
    words: &[&[
        word("codec", "`sse`", "How events are cut: server-sent events (WHATWG HTML §9.2)."),
        word("last", "list of `{ data = … }` or `{ event = … }`", "One of these must be the last event."),
        word("failed", "list of text", "Names of events that mean that the answer failed."),
        word("finished", "list of `{ at = … }`", "Conditions on the JSON of the events, over the whole stream."),
        word("usage", "list of `{ input = … }`", "Where tokens stand in the events' JSON."),
    ]],
};

/// The words of a `last` event.
pub(crate) static LAST: Section = Section {
    title: "last = [{ … }]",
    says: "What the last event of a whole stream is: one of the two.",
    words: &[&[
        word("data", "text", "Its data is exactly this (`[DONE]`)."),
        word("event", "text", "Its name is this (`message_stop`)."),
    ]],
};

/// The words of a `usage` rule.
pub(crate) static USAGE: Section = Section {
    title: "usage = [{ … }]",
    says: "Where tokens stand. In a stream the last event that has them counts.",
    words: &[&[
        word("input", "pointer", "The tokens that went in."),
        word("output", "pointer", "The tokens that came out."),
    ]],
};

/// Reads the answer's words of an operation; what is wrong is reported.
pub(crate) fn read(operation: &Table<'_>) -> AnswerRule {
    AnswerRule {
        keep_status: operation.numbers("keep-status", 200, 599),
        finished: read_finished(operation),
        stream: operation.table("stream", &STREAM).and_then(|table| read_stream(&table)),
        usage: read_usage(operation),
        fingerprint: pointers(operation, "fingerprint"),
        ttl_from: pointer(operation, "ttl-from"),
    }
}

fn read_stream(table: &Table<'_>) -> Option<StreamRule> {
    let (codec, _) = table.required_text("codec")?;
    if codec != "sse" {
        table.report("codec", format!("`{codec}` is not a codec"), "the codecs are `sse`");
    }
    if table.list("last").is_empty() {
        table.missing("last");
    }
    Some(StreamRule {
        codec: Codec::Sse,
        last: table.tables("last", &LAST).iter().filter_map(read_last).collect(),
        failed: table.texts("failed").into_iter().map(|(name, _)| name).collect(),
        finished: read_finished(table),
        usage: read_usage(table),
    })
}

fn read_last(table: &Table<'_>) -> Option<Last> {
    match (table.text("data"), table.text("event")) {
        (Some((data, _)), None) => Some(Last::Data(data)),
        (None, Some((event, _))) => Some(Last::Event(event)),
        _ => {
            table.doc.report(&table.span, "a last event is told by `data` or by `event`, expected one of them", None);
            None
        }
    }
}

fn read_finished(table: &Table<'_>) -> Vec<Finished> {
    table.tables("finished", &FINISHED).iter().filter_map(read_condition).collect()
}

fn read_condition(table: &Table<'_>) -> Option<Finished> {
    let at = required_pointer(table, "at");
    if !table.has("is") {
        table.missing("is");
    }
    let is: Vec<_> = table.texts("is").into_iter().map(|(value, _)| value).collect();
    if table.has("is") && table.list("is").is_empty() {
        table.report("is", "`is` is empty: no answer would be kept", None);
    }
    Some(Finished { at: at?, is, required: table.flag("required") })
}

fn read_usage(table: &Table<'_>) -> Vec<UsageRule> {
    let read = |rule: &Table<'_>| {
        let input = required_pointer(rule, "input");
        Some(UsageRule { output: pointer(rule, "output"), input: input? })
    };
    table.tables("usage", &USAGE).iter().filter_map(read).collect()
}

fn required_pointer(table: &Table<'_>, word: &str) -> Option<String> {
    if !table.has(word) {
        table.missing(word);
    }
    pointer(table, word)
}

fn pointer(table: &Table<'_>, word: &str) -> Option<String> {
    table.text(word).and_then(|text| checked(table, text))
}

fn pointers(table: &Table<'_>, word: &str) -> Vec<String> {
    table.texts(word).into_iter().filter_map(|text| checked(table, text)).collect()
}

fn checked(table: &Table<'_>, (text, span): Text) -> Option<String> {
    if let Err(why) = Pointer::parse(&text) {
        table.doc.report(&span, format!("`{text}` is not a JSON pointer: {why}"), None);
        return None;
    }
    Some(text)
}
