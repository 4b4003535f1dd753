//! The adapter and the plans that these tests ask with.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use larder_core::{
    Question, Share, Variant,
    adapter::Adapter,
    freshness::RequestControl,
    json::Object,
    judge::{Lifetime, Plan},
    record::Want,
    share::CredentialDigest,
};
use std::time::Duration;

const TEXT: &str = r#"
format  = 1
name    = "service"
summary = "Every way in which an answer says that it is complete"

[http]
base-url = "https://service.invalid"

[[operation]]
name = "chat"
when = "POST /chat"
ttl  = "1h"
finished = [{ at = "/choices/*/finish_reason", is = ["stop", "tool_calls"], required = true }]
usage = [{ input = "/usage/prompt_tokens", output = "/usage/completion_tokens" }]
[operation.stream]
codec = "sse"
last = [{ data = "[DONE]" }]
finished = [{ at = "/choices/*/finish_reason", is = ["stop", "tool_calls"], required = true }]
usage = [{ input = "/usage/prompt_tokens", output = "/usage/completion_tokens" }]

[[operation]]
name = "messages"
when = "POST /messages"
ttl  = "1h"
finished = [{ at = "/stop_reason", is = ["end_turn", "tool_use", "stop_sequence"], required = true }]
[operation.stream]
codec = "sse"
last = [{ event = "message_stop" }]
failed = ["error"]
finished = [{ at = "/delta/stop_reason", is = ["end_turn", "tool_use", "stop_sequence"], required = true }]
usage = [
  { input = "/message/usage/input_tokens", output = "/message/usage/output_tokens" },
  { input = "/usage/input_tokens", output = "/usage/output_tokens" },
]

[[operation]]
name = "responses"
when = "POST /responses"
ttl  = "1h"
finished = [{ at = "/status", is = ["completed"], required = true }]
[operation.stream]
codec = "sse"
last = [{ event = "response.completed" }]
failed = ["error", "response.failed", "response.incomplete"]
finished = [{ at = "/response/status", is = ["completed"], required = true }]
usage = [{ input = "/response/usage/input_tokens", output = "/response/usage/output_tokens" }]

[[operation]]
name = "optional"
when = "POST /optional"
ttl  = "1h"
finished = [{ at = "/items/*/state", is = ["ok", "7"] }]

[[operation]]
name = "list"
when = "GET /list"
ttl  = "1h"
keep-status = [200, 404]
fingerprint = ["/meta/uid", "/meta/version"]

[[operation]]
name = "link"
when = "GET /link"
ttl  = "1h"
ttl-from = "/expires_in"

[[operation]]
name = "hub"
when = "GET /hub"
ttl  = "10m"
stale-while-revalidate = "1m"
stale-if-error = "2m"
freshness = "origin"
"#;

/// A plan of `operation`, for one credential; without one: a plain GET.
pub(crate) fn plan(operation: &str) -> Plan {
    let adapter = Adapter::parse(TEXT, "service.toml").expect("an adapter");
    let rule = adapter.operation(operation).cloned();
    let credential = CredentialDigest::from_mac(&[7; 32]);
    let question = Question {
        service: "service".to_owned(),
        operation: operation.to_owned(),
        share: Share::Credential(credential.clone()),
        params: Object::default(),
        origin: None,
        path: None,
        query: None,
        headers: None,
        body: None,
    };
    let key = question.key();
    let lifetime = rule.as_ref().map_or_else(
        || Lifetime { from_origin: true, ..Lifetime::default() },
        |rule| Lifetime {
            ttl: if operation == "hub" { Duration::from_secs(600) } else { Duration::from_secs(3600) },
            stale_while_revalidate: rule.stale_while_revalidate,
            stale_if_error: rule.stale_if_error,
            from_origin: rule.from_origin,
        },
    );
    Plan {
        key,
        want: Want { key, variant: Variant::default(), headers: HeaderMap::new() },
        question,
        operation: rule,
        lifetime,
        control: RequestControl::default(),
        credential: Some(credential),
        credential_headers: vec![header::AUTHORIZATION],
        ignored: Vec::new(),
        finish: false,
    }
}

pub(crate) fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(name, value);
    }
    map
}
