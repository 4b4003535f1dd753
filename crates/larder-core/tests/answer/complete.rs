//! The watcher, on answers that real servers gave and on those that must not be kept.

use crate::adapter::{headers, plan};
use larder_core::{
    Variant,
    codec::{Completion, Findings, Watcher},
};
use proptest::prelude::*;

const EVENTS: &str = "text/event-stream; charset=utf-8";
const JSON: &str = "application/json";

fn watch(operation: &str, media: &'static str, pieces: &[&[u8]]) -> Completion {
    let mut watcher = Watcher::new(&plan(operation), 200, &headers(&[("content-type", media)]));
    for piece in pieces {
        watcher.feed(piece);
    }
    watcher.finish()
}

/// What is wrong with the answer; `None`: it is complete.
fn wrong(operation: &str, media: &'static str, body: &str) -> Option<String> {
    match watch(operation, media, &[body.as_bytes()]) {
        Completion::Complete(_) => None,
        Completion::Incomplete(reason) => Some(reason),
    }
}

fn findings(operation: &str, media: &'static str, body: &str) -> Findings {
    match watch(operation, media, &[body.as_bytes()]) {
        Completion::Complete(findings) => findings,
        Completion::Incomplete(reason) => panic!("{operation}: {reason}"),
    }
}

const CHAT: &str = include_str!("../answers/llamacpp-chat.body");
const CHAT_STREAM: &str = include_str!("../answers/llamacpp-chat_stream.body");
const MESSAGES_STREAM: &str = include_str!("../answers/llamacpp-messages_stream.body");
const RESPONSES_STREAM: &str = include_str!("../answers/llamacpp-responses_stream.body");

#[test]
fn what_real_servers_end_properly() {
    for (operation, media, body, input, output) in [
        ("chat", JSON, CHAT, 19, 34),
        ("chat", EVENTS, CHAT_STREAM, 19, 34),
        ("messages", EVENTS, MESSAGES_STREAM, 1, 34),
        ("responses", EVENTS, RESPONSES_STREAM, 19, 34),
    ] {
        let found = findings(operation, media, body);
        assert_eq!((found.input_tokens, found.output_tokens), (input, output), "{operation} {media}");
    }
}

#[test]
fn what_real_servers_break_off() {
    for (operation, body, reason) in [
        ("chat", include_str!("../answers/vllm-chat_stream.body"), "`/choices/*/finish_reason` is `length`"),
        ("chat", include_str!("../answers/vllm-completions_stream.body"), "`/choices/*/finish_reason` is `length`"),
        ("messages", include_str!("../answers/vllm-messages_stream.body"), "`/delta/stop_reason` is `max_tokens`"),
        ("responses", include_str!("../answers/vllm-responses_stream.body"), "`/response/status` is `incomplete`"),
    ] {
        assert_eq!(wrong(operation, EVENTS, body).as_deref(), Some(reason), "{operation}");
    }
}

#[test]
fn no_beginning_of_a_stream_is_complete() {
    for (operation, body) in [("chat", CHAT_STREAM), ("messages", MESSAGES_STREAM), ("responses", RESPONSES_STREAM)] {
        let bytes = body.as_bytes();
        let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
        for end in ends.chain([0, 1, bytes.len() / 2, bytes.len() - 2, bytes.len() - 1]) {
            let cut = watch(operation, EVENTS, &[&bytes[..end]]);
            assert!(matches!(cut, Completion::Incomplete(_)), "{operation} cut at {end}");
        }
    }
}

#[test]
fn no_beginning_of_a_document_is_complete() {
    for end in 0..CHAT.len() {
        assert!(wrong("chat", JSON, &CHAT[..end]).is_some(), "cut at {end}");
    }
}

#[test]
fn what_is_left_to_look_into_at_the_end() {
    for (operation, media, body, unread) in [("chat", JSON, CHAT, CHAT.len()), ("chat", EVENTS, CHAT_STREAM, 0)] {
        let mut watcher = Watcher::new(&plan(operation), 200, &headers(&[("content-type", media)]));
        body.as_bytes().chunks(100).for_each(|piece| watcher.feed(piece));
        assert_eq!(watcher.unread(), unread, "{operation} {media}");
    }
}

#[test]
fn finishes_that_mean_that_something_is_missing() {
    for (operation, at, values) in [
        ("chat", r#"{"choices":[{"index":0,"finish_reason":"VALUE"}]}"#, ["length", "content_filter"].as_slice()),
        (
            "messages",
            r#"{"stop_reason":"VALUE"}"#,
            &["max_tokens", "pause_turn", "refusal", "model_context_window_exceeded", "compaction"],
        ),
        ("responses", r#"{"status":"VALUE"}"#, &["incomplete", "failed", "in_progress", "queued", "cancelled"]),
    ] {
        for value in values {
            let reason = wrong(operation, JSON, &at.replace("VALUE", value)).expect("incomplete");
            assert!(reason.ends_with(&format!("is `{value}`")), "{reason}");
        }
    }
}

/// Chat chunks: (choice, finish reason or nothing).
fn chunks(chunks: &[(u32, Option<&str>)]) -> String {
    let chunk = |(index, finish): &(u32, Option<&str>)| {
        let finish = finish.map_or_else(|| "null".to_owned(), |finish| format!("\"{finish}\""));
        format!("data: {{\"choices\":[{{\"index\":{index},\"delta\":{{}},\"finish_reason\":{finish}}}]}}\n\n")
    };
    chunks.iter().map(chunk).collect::<String>() + "data: [DONE]\n\n"
}

#[test]
fn every_choice_of_a_stream_must_end_well() {
    let (open, stop, tools, length) = (None, Some("stop"), Some("tool_calls"), Some("length"));
    for (given, whole) in [
        (vec![(0, open), (0, stop)], true),
        (vec![(0, open), (1, open), (1, stop), (0, tools)], true),
        (vec![(0, open), (1, open), (0, stop)], false),
        (vec![(0, open), (1, open), (0, stop), (1, length)], false),
        (vec![(1, length), (0, stop)], false),
        (vec![(0, open)], false),
        (vec![], false),
    ] {
        assert_eq!(wrong("chat", EVENTS, &chunks(&given)).is_none(), whole, "{given:?}");
    }
}

#[test]
fn streams_that_are_not_to_be_kept() {
    let good = chunks(&[(0, Some("stop"))]);
    let unfinished = good.replace("data: [DONE]\n\n", "");
    for (body, reason) in [
        (unfinished.clone(), "the stream does not end with its last event"),
        (format!("{unfinished}data: [DONE]\n"), "the stream ends in the middle of an event"),
        (format!("{good}data: x\n\n"), "the stream does not end with its last event"),
        (format!("{good}: pi"), "the stream ends in the middle of an event"),
        (
            "data: {\"error\":{\"message\":\"overloaded\"}}\n\ndata: [DONE]\n\n".to_owned(),
            "an event of the stream says `error`",
        ),
        (format!("data: {{\"error\":{{\"message\":\"x\"}}}}\n\n{good}"), "an event of the stream says `error`"),
        (
            "data: {\"choices\":[{\"index\":0,\"finish_reason\":\n\ndata: [DONE]\n\n".to_owned(),
            "`/choices/*/finish_reason` is missing",
        ),
        (String::new(), "the stream does not end with its last event"),
    ] {
        assert_eq!(wrong("chat", EVENTS, &body).as_deref(), Some(reason), "{body}");
    }
    assert_eq!(wrong("chat", EVENTS, &format!("{good}: a comment\n\n")), None);
    assert_eq!(wrong("chat", EVENTS, &format!("data: {{\"error\":null}}\n\n{good}")), None);
    let failed = MESSAGES_STREAM.replace("event: message_delta", "event: error\ndata: {}\n\nevent: message_delta");
    assert_eq!(wrong("messages", EVENTS, &failed).as_deref(), Some("the stream holds the event `error`"));
    let no_rule = wrong("list", EVENTS, "data: x\n\n");
    assert_eq!(no_rule.as_deref(), Some("a streamed answer, and the operation has no `stream` rule"));
}

#[test]
fn a_stream_that_was_asked_for_and_not_given_is_not_kept_as_one() {
    let mut plan = plan("chat");
    plan.want.variant = Variant("stream".to_owned());
    let mut watcher = Watcher::new(&plan, 200, &headers(&[("content-type", JSON)]));
    watcher.feed(CHAT.as_bytes());
    assert!(matches!(watcher.finish(), Completion::Incomplete(_)));
}

#[test]
fn documents() {
    for (operation, media, body, reason) in [
        ("optional", JSON, r#"{"items":[{"state":"ok"},{"state":null},{},{"state":7}]}"#, None),
        ("optional", JSON, r#"{"items":[{"state":"ok"},{"state":"late"}]}"#, Some("`/items/*/state` is `late`")),
        ("optional", JSON, "{}", None),
        ("optional", JSON, "{", Some("not JSON")),
        ("optional", "text/plain", "hello", Some("not JSON")),
        ("hub", "text/plain", "hello", None),
        ("hub", "application/octet-stream", "{ half", None),
        ("hub", JSON, "", None),
        ("hub", JSON, "{ half", Some("not JSON")),
        ("hub", JSON, r#"{"error":{"message":"x"}}"#, Some("says `error`")),
        ("hub", JSON, r#"{"error":null}"#, None),
        ("list", "text/html", "<p>Sign in", Some("not JSON")),
        ("list", "text/html", "{}", Some("not JSON")),
        ("list", "", "{}", None),
        ("list", JSON, "", Some("not JSON")),
        ("list", JSON, "12", Some("neither")),
        ("list", JSON, r#"{"error":"overloaded"}"#, Some("says `error`")),
        ("chat", JSON, r#"{"error":{"message":"x"}}"#, Some("says `error`")),
        ("chat", JSON, r#"{"choices":[]}"#, Some("is missing")),
        ("chat", JSON, r#"{"choices":[{"finish_reason":"stop"},{}]}"#, Some("is missing in a part")),
        (
            "chat",
            JSON,
            r#"{"choices":[{"index":0,"finish_reason":"length"},{"index":0,"finish_reason":"stop"}]}"#,
            Some("length"),
        ),
        ("chat", "text/html", "<p>Sign in", Some("not JSON")),
        ("list", JSON, "{ half", Some("not JSON")),
        ("link", JSON, "{ half", Some("not JSON")),
    ] {
        let found = wrong(operation, media, body);
        match reason {
            None => assert_eq!(found, None, "{operation} {body}"),
            Some(reason) => assert!(found.as_ref().is_some_and(|found| found.contains(reason)), "{body}: {found:?}"),
        }
    }
}

#[test]
fn what_an_answer_says_of_itself() {
    assert_eq!(findings("link", JSON, r#"{"expires_in":90}"#).ttl_ms, Some(90_000));
    assert_eq!(findings("link", JSON, r#"{"expires_in":"90"}"#).ttl_ms, None);
    assert_eq!(findings("link", JSON, r#"{"expires_in":-5}"#).ttl_ms, None);
    let print = |body| findings("list", JSON, body).fingerprint.expect("a fingerprint");
    let first = print(r#"{"meta":{"uid":"a","version":1},"other":1}"#);
    assert_eq!(first, print(r#"{"other":2,"meta":{"version":1.0,"uid":"a"}}"#));
    assert_ne!(first, print(r#"{"meta":{"uid":"a","version":2}}"#));
    assert_ne!(print(r#"{"meta":{"uid":"a"}}"#), print(r#"{"meta":{"version":"a"}}"#));
    assert_eq!(findings("chat", JSON, CHAT).fingerprint, None);
}

proptest! {
    #[test]
    fn any_cutting_of_a_stream_gives_the_same(cuts in proptest::collection::vec(0..CHAT_STREAM.len(), 0..20)) {
        let mut cuts = cuts;
        cuts.extend([0, CHAT_STREAM.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &CHAT_STREAM.as_bytes()[pair[0]..pair[1]]).collect();
        prop_assert_eq!(watch("chat", EVENTS, &pieces), watch("chat", EVENTS, &[CHAT_STREAM.as_bytes()]));
    }
}
