//! The built-in adapters' words on answers, against answers as services give them.

use crate::{
    Registry, ShareChoice,
    codec::{Completion, Watcher},
    judge::{BodyView, Context, HttpRequest, Verdict, judge_http},
    secret::Secret,
};
use http::{HeaderMap, HeaderValue, Method, header::CONTENT_TYPE};

/// Tokens in and out, if the answer is kept.
fn tokens(service: &str, path: &str, question: &str, content_type: &'static str, answer: &str) -> Option<(u64, u64)> {
    let adapter = Registry::builtin_one(service).unwrap().unwrap();
    let json = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    let body = BodyView::Bytes(question.as_bytes());
    let request = HttpRequest { method: &Method::POST, path, query: None, headers: &json, body };
    let secret = Secret::new([7; 32]);
    let context = Context { secret: &secret, share: ShareChoice::Credential, origin: None };
    let Verdict::Keep(plan) = judge_http(&adapter, &request, &context) else { panic!("{path}") };
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
    let mut watcher = Watcher::new(&plan, 200, &headers);
    watcher.feed(answer.as_bytes());
    match watcher.finish() {
        Completion::Complete(findings) => Some((findings.input_tokens, findings.output_tokens)),
        Completion::Incomplete(_) => None,
    }
}

const WHOLE: &str = "application/json";
const STREAM: &str = "text/event-stream";

#[test]
fn chat_completions() {
    let ask = |kind, answer: &str| tokens("openai", "/v1/chat/completions", r#"{"model":"m"}"#, kind, answer);
    let whole = r#"{"choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":5}}"#;
    assert_eq!(ask(WHOLE, whole), Some((3, 5)));
    assert_eq!(ask(WHOLE, &whole.replace("stop", "length")), None);
    assert_eq!(ask(WHOLE, &whole.replace("\"stop\"", "null")), None);
    assert_eq!(ask(WHOLE, r#"{"error":{"message":"no"}}"#), None);
    let stream = concat!(
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5}}\n\n",
        "data: [DONE]\n\n"
    );
    assert_eq!(ask(STREAM, stream), Some((3, 5)));
    assert_eq!(ask(STREAM, &stream.replace("\"stop\"", "\"content_filter\"")), None);
    assert_eq!(ask(STREAM, &stream.replace("\"stop\"", "null")), None);
    assert_eq!(ask(STREAM, &stream.replace("data: [DONE]\n\n", "")), None);
}

#[test]
fn responses() {
    let ask = |kind, answer: &str| tokens("openai", "/v1/responses", r#"{"model":"m","input":"a"}"#, kind, answer);
    let whole = r#"{"status":"completed","usage":{"input_tokens":3,"output_tokens":5}}"#;
    assert_eq!(ask(WHOLE, whole), Some((3, 5)));
    for status in ["incomplete", "failed", "in_progress", "queued", "cancelled"] {
        assert_eq!(ask(WHOLE, &whole.replace("completed", status)), None, "{status}");
    }
    let stream = concat!(
        "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"status\":\"in_progress\"}}\n\n",
        "event: response.output_text.delta\ndata: {\"delta\":\"a\"}\n\n",
        "event: response.completed\ndata: {\"response\":{\"status\":\"completed\",\"usage\":{\"input_tokens\":3,\"output_tokens\":5}}}\n\n"
    );
    assert_eq!(ask(STREAM, stream), Some((3, 5)));
    assert_eq!(ask(STREAM, &stream.replace("completed", "incomplete")), None);
    assert_eq!(ask(STREAM, &format!("{stream}event: error\ndata: {{}}\n\n")), None);
    assert_eq!(ask(STREAM, stream.split("event: response.completed").next().unwrap()), None);
}

#[test]
fn messages() {
    let ask = |kind, answer: &str| tokens("anthropic", "/v1/messages", r#"{"model":"m"}"#, kind, answer);
    let whole = r#"{"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":5}}"#;
    assert_eq!(ask(WHOLE, whole), Some((3, 5)));
    for reason in ["max_tokens", "pause_turn", "refusal", "model_context_window_exceeded", "compaction"] {
        assert_eq!(ask(WHOLE, &whole.replace("end_turn", reason)), None, "{reason}");
    }
    let stream = concat!(
        "event: message_start\ndata: {\"message\":{\"stop_reason\":null,\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n",
        "event: ping\ndata: {\"type\":\"ping\"}\n\n",
        "event: content_block_delta\ndata: {\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n",
        "event: message_delta\ndata: {\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":5}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
    );
    assert_eq!(ask(STREAM, stream), Some((3, 5)));
    assert_eq!(ask(STREAM, &stream.replace("end_turn", "max_tokens")), None);
    assert_eq!(ask(STREAM, stream.split("event: message_stop").next().unwrap()), None);
    let failed = stream.replace("event: message_delta", "event: error\ndata: {}\n\nevent: message_delta");
    assert_eq!(ask(STREAM, &failed), None, "an error in the middle, after a 200");
}

#[test]
fn completions_and_embeddings() {
    let completion = r#"{"choices":[{"finish_reason":"stop"},{"finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":5}}"#;
    let ask = |answer: &str| tokens("openai", "/v1/completions", r#"{"model":"m"}"#, WHOLE, answer);
    assert_eq!(ask(&completion.replace("length", "stop")), Some((3, 5)));
    assert_eq!(ask(completion), None, "one of two choices was cut");
    let embedding = r#"{"data":[{"embedding":[0.1]}],"usage":{"prompt_tokens":3}}"#;
    assert_eq!(tokens("openai", "/v1/embeddings", r#"{"input":"a"}"#, WHOLE, embedding), Some((3, 0)));
}

#[test]
fn answers_without_a_finish_are_looked_into() {
    for (service, path, answer) in [
        ("openai", "/v1/embeddings", r#"{"data":[]}"#),
        ("openai", "/v1/moderations", r#"{"results":[]}"#),
        ("anthropic", "/v1/messages/count_tokens", r#"{"input_tokens":3}"#),
        ("huggingface", "/api/models/a/b/paths-info/main", r#"[{"path":"x"}]"#),
    ] {
        let ask = |kind, answer: &str| tokens(service, path, r#"{"input":"a"}"#, kind, answer).is_some();
        assert!(ask(WHOLE, answer), "{path}");
        for broken in [r#"{"error":{"message":"overloaded"}}"#, "", "garbage", &answer[..answer.len() - 1]] {
            assert!(!ask(WHOLE, broken), "{path} {broken}");
        }
        assert!(!ask("text/html", "<html>captive portal"), "{path}");
    }
}
