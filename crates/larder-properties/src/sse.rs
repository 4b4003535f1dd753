//! Server-sent events, and the watcher that says whether an answer is whole.

use crate::{
    plans::STREAMED,
    reader::{self, Document},
};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use larder_core::{
    adapter::answer::{Last, StreamRule},
    codec::{Completion, Event, Sse, Watcher},
    json::MAX_DEPTH,
    judge::Plan,
};

/// The input is a stream, or a whole answer.
///
/// However the bytes are cut, the events are those that a reader of the whole text finds, and so is the verdict of every
/// built-in operation that has a stream. A stream that is called complete ends with its last event, names no failure and
/// holds no error; a whole answer that is called complete is JSON and no error.
pub fn sse(input: &[u8]) {
    let cuts = [vec![input], input.chunks(1).collect(), pieces(input)];
    let expected = reference(input);
    for cut in &cuts {
        assert_eq!(events(cut), expected);
    }
    for plan in STREAMED.iter() {
        for media in ["text/event-stream", "application/json"] {
            let verdicts = [&cuts[0], &cuts[2]].map(|cut| watched(plan, media, cut));
            assert_eq!(verdicts[0], verdicts[1]);
            if let [Completion::Complete(_), _] = verdicts {
                complete(plan, media, input, &expected);
            }
        }
    }
}

/// Uneven pieces, other ones for other bytes.
fn pieces(input: &[u8]) -> Vec<&[u8]> {
    let (mut pieces, mut rest) = (Vec::new(), input);
    let mut state = input.iter().fold(7_u64, |state, byte| state.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    while !rest.is_empty() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let length = usize::try_from(state >> 61).unwrap_or_default().min(rest.len());
        let (piece, after) = rest.split_at(length);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

type Seen = (Vec<Event>, bool);

/// All events, and whether the end is in the middle of one.
fn events(pieces: &[&[u8]]) -> Seen {
    let (mut sse, mut events, mut fed) = (Sse::default(), Vec::new(), 0);
    for piece in pieces {
        sse.feed(piece, &mut |event| events.push(event));
        fed += piece.len();
        // A byte that is no UTF-8 is held as the three of U+FFFD.
        assert!(sse.held() <= 3 * fed);
    }
    (events, sse.in_event())
}

/// The standard's interpretation of a whole text (WHATWG HTML §9.2.6), line by line.
fn reference(input: &[u8]) -> Seen {
    let text = String::from_utf8_lossy(input.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(input));
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<&str> = text.split('\n').collect();
    let unfinished = lines.pop().unwrap_or_default();
    let (mut found, mut name, mut data) = (Vec::new(), "", Vec::new());
    for line in lines {
        match line
            .split_once(':')
            .map_or((line, ""), |(field, value)| (field, value.strip_prefix(' ').unwrap_or(value)))
        {
            ("", "") if line.is_empty() => {
                if !data.is_empty() {
                    found.push(Event { name: name.to_owned(), data: data.join("\n") });
                }
                (name, data) = ("", Vec::new());
            }
            ("event", value) => name = value,
            ("data", value) => data.push(value),
            _ => {}
        }
    }
    // Until its first line is over, a mark at the beginning is not told from what follows.
    let mark_alone = input == b"\xEF\xBB\xBF";
    (found, mark_alone || !unfinished.is_empty() || !data.is_empty() || !name.is_empty())
}

fn watched(plan: &Plan, media: &'static str, pieces: &[&[u8]]) -> Completion {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media))]);
    let mut watcher = Watcher::new(plan, 200, &headers);
    pieces.iter().for_each(|piece| watcher.feed(piece));
    watcher.finish()
}

fn complete(plan: &Plan, media: &str, input: &[u8], (events, in_event): &Seen) {
    let rule = plan.operation.as_ref().and_then(|operation| operation.answer.stream.as_ref()).expect("a stream");
    if media == "text/event-stream" {
        assert!(!in_event);
        streamed(rule, events);
    } else {
        let document = reader::read(input, MAX_DEPTH).expect("complete, and no JSON");
        assert!(!says_error(&document));
    }
}

fn streamed(rule: &StreamRule, events: &[Event]) {
    let is_last = |event: &Event| {
        rule.last.iter().any(|last| match last {
            Last::Data(data) => event.data == *data,
            Last::Event(name) => event.name == *name,
        })
    };
    assert!(rule.last.is_empty() || events.last().is_some_and(is_last), "complete without its last event");
    for event in events {
        assert!(!rule.failed.contains(&event.name), "complete, with `{}`", event.name);
        let error = reader::read(event.data.as_bytes(), MAX_DEPTH).is_ok_and(|document| says_error(&document));
        assert!(!error, "complete, with an error");
    }
}

/// A member `error` at the top that is not null.
fn says_error(document: &Document) -> bool {
    let Document::Members(members) = document else { return false };
    members.iter().any(|(name, value)| name == "error" && *value != Document::Word("null"))
}
