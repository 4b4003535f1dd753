//! The judge against the built-in adapters: keys, variants, shares, and what is passed through.

use super::*;
use crate::{Json, Registry, Share, json::Object};
use http::{HeaderMap, HeaderName, HeaderValue};

const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"ping"}]}"#;
const BEARER: (&str, &str) = ("authorization", "Bearer a");
const JSON: (&str, &str) = ("content-type", "application/json");

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pairs = pairs
        .iter()
        .map(|(name, value)| (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap()));
    pairs.collect()
}

fn context(secret: &Secret, share: ShareChoice) -> Context<'_> {
    Context { secret, share, origin: None }
}

struct Ask<'a> {
    service: &'a str,
    line: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    body: BodyView<'a>,
    share: ShareChoice,
    origin: Option<&'a str>,
}

impl<'a> Ask<'a> {
    fn get(service: &'a str, line: &'a str) -> Self {
        Self { service, line, headers: Vec::new(), body: BodyView::None, share: ShareChoice::Credential, origin: None }
    }

    fn chat(body: &'a str) -> Self {
        Self::post("POST /v1/chat/completions", body)
    }

    fn post(line: &'a str, body: &'a str) -> Self {
        let mut ask = Self::get("openai", line);
        ask.body = BodyView::Bytes(body.as_bytes());
        ask.with(JSON).with(BEARER)
    }

    fn with(mut self, header: (&'a str, &'a str)) -> Self {
        self.headers.push(header);
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self
    }

    fn verdict(&self) -> Verdict {
        let adapter = Registry::builtin_one(self.service).unwrap().unwrap();
        let (method, target) = self.line.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let method = method.parse().unwrap();
        let headers = headers(&self.headers);
        let request = HttpRequest { method: &method, path, query, headers: &headers, body: self.body };
        let secret = Secret::new([7; 32]);
        let context = Context { origin: self.origin, ..context(&secret, self.share) };
        judge_http(&adapter, &request, &context)
    }

    fn plan(&self) -> Plan {
        match self.verdict() {
            Verdict::Keep(plan) => *plan,
            Verdict::Pass(pass) => panic!("{}: {pass:?}", self.line),
        }
    }

    fn key(&self) -> QueryKey {
        self.plan().key
    }

    fn reason(&self) -> PassReason {
        match self.verdict() {
            Verdict::Pass(pass) => pass.reason,
            Verdict::Keep(plan) => panic!("kept: {:?}", plan.question),
        }
    }
}

#[test]
fn the_question() {
    let plan = Ask::chat(CHAT).plan();
    let Share::Credential(digest) = &plan.question.share else { panic!("{:?}", plan.question.share) };
    assert_eq!(Some(digest), plan.credential.as_ref());
    let expected = format!(
        r#"{{"larder":1,"operation":"chat_completion","params":{{"messages":[{{"content":"ping","role":"user"}}],"model":"m"}},"service":"openai","share":"credential:{}"}}"#,
        digest.as_str()
    );
    assert_eq!(String::from_utf8(plan.question.canonical()).unwrap(), expected);
    assert_eq!(plan.lifetime.ttl, Duration::from_secs(1800));
    assert!(plan.finish);
    assert_eq!(plan.want.variant.0, "");
}

#[test]
fn what_does_not_matter() {
    let key = Ask::chat(CHAT).key();
    let turned = r#" { "messages" : [ {"content":"ping","role":"user"} ] , "model" : "m" } "#;
    assert_eq!(Ask::chat(turned).key(), key, "order and space");
    assert_eq!(Ask::chat(&CHAT.replace("\"m\"", "\"m\",\"user\":\"u\"")).key(), key, "ignored");
    for stream in ["true", "false", "null"] {
        let body = CHAT.replace("\"m\"", &format!("\"m\",\"stream\":{stream}"));
        let plan = Ask::chat(&body).plan();
        assert_eq!(plan.key, key);
        assert_eq!(plan.want.variant.0, if stream == "true" { "stream" } else { "" });
    }
    for header in [
        ("user-agent", "x"),
        ("x-stainless-retry-count", "1"),
        ("accept-encoding", "gzip"),
        ("accept", "application/json"),
        ("idempotency-key", "1"),
        ("traceparent", "00-1"),
        ("expect", "100-continue"),
        ("upgrade", "h2c"),
        ("upgrade", "TLS/1.2, h2c"),
        ("content-encoding", "identity"),
        ("connection", "Keep-Alive"),
    ] {
        let plan = Ask::chat(CHAT).with(header).plan();
        assert_eq!((plan.key, plan.want.variant.0.as_str()), (key, ""), "{header:?}");
    }
}

/// Stories of other caches: each member that was left out of a key gave a wrong answer.
#[test]
fn what_matters() {
    let base = Ask::chat(CHAT).key();
    let bodies = [
        r#"{"model":"m","messages":[{"role":"user","content":"Ping"}]}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"ping "}]}"#,
        r#"{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"ping"}]}"#,
        r#"{"model":"m2","messages":[{"role":"user","content":"ping"}]}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"ping"}],"tools":[]}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"ping"}],"tool_choice":"none"}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"ping"}],"thinking":true}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"ping"}],"temperature":0}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"ping"}],"temperature":null}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"ping"}],"seed":1}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"ping"}],"seed":9007199254740993}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"ping"}],"seed":9007199254740992}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"ping"}],"metadata":{"key":"a"}}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"ping"}],"unknown":1}"#,
    ];
    let mut keys: Vec<_> = bodies.iter().map(|body| Ask::chat(body).key()).collect();
    keys.push(base);
    keys.push(Ask::chat(CHAT).without("authorization").key());
    keys.push(Ask::chat(CHAT).without("authorization").with(("authorization", "Bearer b")).key());
    keys.push(Ask::chat(CHAT).with(("openai-organization", "o")).key());
    keys.push(Ask::chat(CHAT).with(("cookie", "session=1")).key());
    keys.push(Ask::chat(CHAT).with(("openai-beta", "x")).key());
    keys.push(Ask::post("POST /v1/chat/completions?api-version=1", CHAT).key());
    keys.push(Ask::post("POST /v1/chat/completions?model=m2", CHAT).key());
    keys.push(Ask { origin: Some("http://127.0.0.1:1"), ..Ask::chat(CHAT) }.key());
    keys.push(Ask::post("POST /v1/completions", CHAT).key());
    let count = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), count);
}

#[test]
fn temperature_zero_lives_longer() {
    for (temperature, seconds) in
        [("0", 3600), ("0.0", 3600), ("-0", 3600), ("0.1", 1800), ("null", 1800), ("\"0\"", 1800)]
    {
        let body = CHAT.replace("\"m\"", &format!("\"m\",\"temperature\":{temperature}"));
        assert_eq!(Ask::chat(&body).plan().lifetime.ttl, Duration::from_secs(seconds), "{temperature}");
    }
}

#[test]
fn forms_of_one_answer() {
    let variant = |ask: Ask<'_>| ask.plan().want.variant.0;
    let body = CHAT.replace("\"m\"", r#""m","stream":true,"stream_options":{"include_usage":true}"#);
    assert_eq!(variant(Ask::chat(&body)), r#"stream;stream_options={"include_usage":true}"#);
    assert_eq!(variant(Ask::chat(CHAT).with(("accept", "text/event-stream"))), r#"accept:"text/event-stream""#);
    assert_eq!(variant(Ask::chat(CHAT).with(("accept", "*/*"))), "");
}

#[test]
fn what_the_answer_echoes_stays() {
    let ask = |body: &str| Ask::post("POST /v1/responses", body).key();
    let base = ask(r#"{"model":"m","input":"ping"}"#);
    for member in ["metadata", "user", "safety_identifier", "prompt_cache_key", "store"] {
        let body = format!(r#"{{"model":"m","input":"ping","{member}":"a"}}"#);
        assert_ne!(ask(&body), base, "{member}");
        assert_ne!(ask(&body), ask(&body.replace("\"a\"", "\"b\"")), "{member}");
    }
}

#[test]
fn passed_through() {
    let excluded = |what: &str| PassReason::Excluded(what.to_owned());
    let ping = r#"{"model":"m","input":"ping"#;
    let response = |member: &str| format!("{ping}\",{member}}}");
    let cases: Vec<(String, PassReason)> = vec![
        (response(r#""previous_response_id":"r""#), excluded("body `/previous_response_id` is there")),
        (response(r#""background":true"#), excluded("body `/background` is `true`")),
        (
            response(r#""tools":[{"type":"function"},{"type":"web_search"}]"#),
            excluded(r#"body `/tools/*/type` is not `"function"` or `"custom"` or `"namespace"`"#),
        ),
    ];
    for (body, reason) in cases {
        assert_eq!(Ask::post("POST /v1/responses", &body).reason(), reason);
    }
    for absent in [r#""previous_response_id":null"#, r#""background":false"#, r#""tools":[{"type":"function"}]"#] {
        Ask::post("POST /v1/responses", &response(absent)).plan();
    }
    let headers = [
        ("range", "bytes=0-1"),
        ("if-none-match", "\"a\""),
        ("if-modified-since", "x"),
        ("content-encoding", "gzip"),
        ("upgrade", "websocket"),
        ("expect", "x"),
        ("x-http-method-override", "DELETE"),
        ("x-original-url", "/x"),
        // A header that is in the key must reach the origin.
        ("connection", "close, openai-beta"),
    ];
    for header in headers {
        assert_eq!(Ask::chat(CHAT).with(header).reason(), excluded(&format!("header `{}`", header.0)));
    }
    assert_eq!(Ask::chat(CHAT).with(("cache-control", "no-store")).reason(), PassReason::NoStore);
    for line in [
        "HEAD /v1/models",
        "GET /v1/models/",
        "GET //v1/models",
        "GET /v1/./models",
        "GET /v1/files",
        "OPTIONS /v1/models",
    ] {
        assert_eq!(Ask::get("openai", line).reason(), PassReason::NoOperation, "{line}");
    }
    assert!(matches!(Ask::get("openai", "GET /v1/models?a=%zz&api_key=b").reason(), PassReason::NotText(_)));
    let mut get = Ask::get("openai", "GET /v1/models");
    get.body = BodyView::Bytes(b"x");
    assert_eq!(get.reason(), excluded("a GET with a body"));
}

#[test]
fn bodies_that_are_no_json_object() {
    for body in [r#"{"a":1"#, r#"{"a":1,"a":2}"#, "", "{\"a\":\"\\ud800\"}"] {
        let reason = Ask::chat(body).reason();
        assert!(!body.is_empty() == matches!(reason, PassReason::MalformedJson(_)), "{body}: {reason:?}");
    }
    for body in ["[]", "1", "null"] {
        assert!(matches!(Ask::chat(body).reason(), PassReason::Excluded(_)), "{body}");
    }
    assert!(matches!(Ask::chat(CHAT).without("content-type").reason(), PassReason::Excluded(_)));
    let large = Ask { body: BodyView::Digest { sha256: &[1; 32], len: 9 }, ..Ask::chat("") };
    assert_eq!(large.reason(), PassReason::TooLarge);
    assert_eq!(large.reason().to_string(), "the body is larger than 8 MiB and its rule looks into it");
    // Nothing in this rule looks into the body.
    let digest = |byte: u8| {
        let sha256 = [byte; 32];
        Ask { body: BodyView::Digest { sha256: &sha256, len: 9 }, ..Ask::post("POST /v1/moderations", "") }.key()
    };
    assert_ne!(digest(1), digest(2));
}

#[test]
fn a_write_passes_and_makes_stale() {
    let Verdict::Pass(pass) = Ask::get("openai", "DELETE /v1/models/m").verdict() else { panic!() };
    assert_eq!(pass.reason, PassReason::Write);
    assert_eq!(pass.operation.as_deref(), Some("model_delete"));
    assert_eq!(pass.invalidates, ["model_list", "model_info"]);
}

#[test]
fn shares() {
    let team = |ask: Ask<'static>| Ask { share: ShareChoice::Team, ..ask }.plan().question.share;
    assert_eq!(team(Ask::chat(CHAT)), Share::Team);
    assert_eq!(team(Ask::chat(CHAT).without("authorization")), Share::Anonymous);
    assert!(
        matches!(team(Ask::chat(CHAT).with(("cookie", "a=b"))), Share::Credential(_)),
        "not a credential that it names"
    );
    assert!(
        matches!(team(Ask::post("POST /v1/responses", r#"{"input":"a"}"#)), Share::Credential(_)),
        "not allowed there"
    );
    let plan = Ask { share: ShareChoice::Team, ..Ask::chat(CHAT) }.plan();
    assert!(plan.credential.is_some(), "the engine asks whether it was accepted");
}

#[test]
fn no_credential_leaves_the_judge() {
    let secret = "sk-hidden-1234";
    let line = format!("GET /v1/models?api_key={secret}&token={secret}&limit=1");
    let mut ask = Ask::get("openai", &line).with(("authorization", secret)).with(("x-custom-token", secret));
    ask.headers.push(("cookie", secret));
    let plan = ask.plan();
    assert!(!format!("{plan:?}").contains(secret));
    assert!(!String::from_utf8_lossy(&plan.question.canonical()).contains(secret));
    assert_eq!(plan.question.params.get("limit"), Some(&"1".into()));
    assert_eq!(plan.question.params.len(), 1);
    let map = headers(&ask.headers);
    let request = HttpRequest {
        method: &Method::GET,
        path: "/",
        query: Some(&line),
        headers: &map,
        body: BodyView::Bytes(secret.as_bytes()),
    };
    assert!(!format!("{request:?}").contains(secret));
}

#[test]
fn one_key_through_every_door() {
    let adapter = Registry::builtin_one("openai").unwrap().unwrap();
    let secret = Secret::new([7; 32]);
    let call = |operation: &str, words: &[&str]| {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        let params = crate::params::words(&words).unwrap();
        judge_call(&adapter, operation, params, None, &context(&secret, ShareChoice::Credential)).unwrap().key
    };
    assert_eq!(Ask::get("openai", "GET /v1/models/m%2Fn").key(), call("model_info", &["model=m/n"]));
    let messages = r#"messages:=[{"role":"user","content":"ping"}]"#;
    let http = Ask::chat(CHAT).without("authorization").key();
    assert_eq!(http, call("chat_completion", &["model=m", messages]));
    assert_eq!(http, call("chat_completion", &["model=m", messages, "stream:=true", "user=me"]));
}

#[test]
fn calls_that_are_no_questions() {
    let adapter = Registry::builtin_one("anthropic").unwrap().unwrap();
    let secret = Secret::new([7; 32]);
    let call = |operation: &str, params| {
        judge_call(&adapter, operation, params, None, &context(&secret, ShareChoice::Credential)).unwrap_err()
    };
    let error = call("messages", Object::default());
    assert_eq!(error.what, "`anthropic` has no operation `messages`");
    assert_eq!(error.hint.as_deref(), Some("its operations are `message`, `token_count`, `model_list`, `model_info`"));
    let params: Object = [("container", "c")].into_iter().collect();
    assert_eq!(call("message", params).what, "`message` keeps no answer to this: body `/container` is there");
}

#[test]
fn the_callers_share_wins() {
    let adapter = Registry::builtin_one("openai").unwrap().unwrap();
    let secret = Secret::new([7; 32]);
    let plan = judge_call(
        &adapter,
        "model_list",
        Object::default(),
        Some(Share::Team),
        &context(&secret, ShareChoice::Credential),
    );
    assert_eq!(plan.unwrap().question.share, Share::Team);
}

const CLASHES: &str = r#"
format = 1
name = "clashes"
summary = "Placeholders, parameters, bodies"
[http]
base-url = "http://a"
headers = ["x-form"]
[[operation]]
name = "read"
when = "GET /things/{id}"
ttl = "1m"
[[operation]]
name = "ask"
when = "POST /things/{id}"
ttl = "1m"
"#;

/// The question without its service, operation and share.
fn clash(line: &str, given: &[(&str, &str)], body: BodyView<'_>) -> String {
    let adapter = crate::adapter::Adapter::parse(CLASHES, "clashes.toml").unwrap();
    let (method, target) = line.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let (method, headers) = (method.parse().unwrap(), headers(given));
    let request = HttpRequest { method: &method, path, query, headers: &headers, body };
    let secret = Secret::new([7; 32]);
    match judge_http(&adapter, &request, &context(&secret, ShareChoice::Credential)) {
        Verdict::Keep(plan) => {
            let Json::Object(mut members) = plan.question.document() else { panic!() };
            for name in ["larder", "service", "operation", "share"] {
                members.remove(name);
            }
            String::from_utf8(Json::Object(members).canonical()).unwrap()
        }
        Verdict::Pass(pass) => pass.reason.to_string(),
    }
}

#[test]
fn nothing_poses_as_something_else() {
    let json = |text: &'static str| BodyView::Bytes(text.as_bytes());
    let is_json: &[_] = &[JSON];
    let patch: &[_] = &[("content-type", "application/merge-patch+json; charset=utf-8")];
    let text: &[_] = &[("content-type", "text/plain")];
    let none: &[(&str, &str)] = &[];
    let cases = [
        ("GET /things/a", none, BodyView::None, r#"{"params":{"id":"a"}}"#),
        ("GET /things/a?", none, BodyView::None, r#"{"params":{"id":"a"}}"#),
        ("GET /things/a?b=c", none, BodyView::None, r#"{"params":{"b":"c","id":"a"}}"#),
        ("GET /things/a?id=b", none, BodyView::None, r#"{"params":{"id":"b"},"path":{"id":"a"}}"#),
        ("GET /things/a?b=1&b=2", none, BodyView::None, r#"{"params":{"b":["1","2"],"id":"a"}}"#),
        ("GET /things/a", &[("x-form", "f")], BodyView::None, r#"{"headers":{"x-form":"f"},"params":{"id":"a"}}"#),
        ("GET /things/a?x-form=f", none, BodyView::None, r#"{"params":{"id":"a","x-form":"f"}}"#),
        ("POST /things/a", is_json, json(r#"{"b":"c"}"#), r#"{"params":{"b":"c","id":"a"}}"#),
        ("POST /things/a", is_json, json(r#"{"id":"b"}"#), r#"{"params":{"id":"b"},"path":{"id":"a"}}"#),
        ("POST /things/a", is_json, json("{}"), r#"{"params":{"id":"a"}}"#),
        ("POST /things/a", none, BodyView::None, r#"{"body":null,"params":{"id":"a"}}"#),
        ("POST /things/a", is_json, json(""), r#"{"body":null,"params":{"id":"a"}}"#),
        ("POST /things/a?b=c", is_json, json("{}"), r#"{"params":{"id":"a"},"query":{"b":"c"}}"#),
        (
            "POST /things/a?id=c",
            is_json,
            json(r#"{"id":"b"}"#),
            r#"{"params":{"id":"b"},"path":{"id":"a"},"query":{"id":"c"}}"#,
        ),
        ("POST /things/a", is_json, json("[1]"), r#"{"body":[1],"params":{"id":"a"}}"#),
        (
            "POST /things/a",
            patch,
            json(r#"{"b":"c"}"#),
            r#"{"headers":{"content-type":"application/merge-patch+json"},"params":{"b":"c","id":"a"}}"#,
        ),
        (
            "POST /things/a",
            text,
            json("x"),
            r#"{"body":{"sha256":"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881","type":"text/plain"},"params":{"id":"a"}}"#,
        ),
    ];
    for (line, headers, body, expected) in cases {
        assert_eq!(clash(line, headers, body), expected, "{line}");
    }
}

#[test]
fn order_and_case_of_credentials_in_the_query_count() {
    let key = |query: &str| Ask::get("openai", &format!("GET /v1/models/m?{query}")).key();
    for (one, other) in
        [("key=a&key=b", "key=b&key=a"), ("key=a&Key=b", "key=b&Key=a"), ("key=a", "KEY=a"), ("key", "key=null")]
    {
        assert_ne!(key(one), key(other), "{one} {other}");
    }
    assert!(matches!(Ask::get("openai", "GET /v1/models/m?a=1;token=x").reason(), PassReason::NotText(_)));
}

#[test]
fn credentials_within_addresses() {
    let plan = |query: &str| Ask::get("openai", &format!("GET /v1/models/m?{query}")).plan();
    let one = plan("url=https%3A%2F%2Fh%2F%3Ftoken%3Done");
    assert!(one.credential.is_some() && !String::from_utf8_lossy(&one.question.canonical()).contains("one"));
    assert_ne!(one.key, plan("url=https%3A%2F%2Fh%2F%3Ftoken%3Dtwo").key);
    assert!(plan("url=https%3A%2F%2Fh%2F%3Fpage%3D1").credential.is_none());
    assert!(plan("url=a&url=https%3A%2F%2Fh%2F%3Ftoken%3Done").credential.is_some());
    assert!(plan("q=ghp_0123456789ab").credential.is_some());
    let reason = Ask::get("openai", "GET /v1/models/m%3Btoken%3Dx").reason();
    assert_eq!(reason, PassReason::Excluded("a credential in the path".to_owned()));
}

#[test]
fn a_credential_in_the_query_is_none_in_a_header() {
    let ask = |line, header| {
        let ask = Ask::get("openai", line);
        let ask = if let Some(header) = header { ask.with(header) } else { ask };
        ask.plan().credential.unwrap()
    };
    assert_ne!(ask("GET /v1/models?api-key=a", None), ask("GET /v1/models", Some(("api-key", "a"))));
}

#[test]
fn headers_that_are_no_text() {
    let adapter = Registry::builtin_one("anthropic").unwrap().unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("anthropic-beta", HeaderValue::from_bytes(b"\xff").unwrap());
    let request =
        HttpRequest { method: &Method::GET, path: "/v1/models", query: None, headers: &headers, body: BodyView::None };
    let secret = Secret::new([7; 32]);
    let Verdict::Pass(pass) = judge_http(&adapter, &request, &context(&secret, ShareChoice::Credential)) else {
        panic!()
    };
    assert_eq!(pass.reason, PassReason::NotText("header `anthropic-beta` is not text".to_owned()));
}
