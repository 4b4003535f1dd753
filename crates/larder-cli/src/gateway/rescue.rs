//! Where errors become responses, and where a call is passed on in spite of one.

use super::{
    Gateway, Reply,
    forward::{self, Through},
    gather::Asked,
    trace::Outcome,
};
use crate::{address::shown, net};
use futures_util::FutureExt as _;
use http::{HeaderValue, StatusCode, header};
use larder::{OriginError, cache::AnswerError};
use serde_json::json;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Why there is no answer: becomes `{"error":{"type":…,"message":…,"hint":…}}`.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}")]
pub(super) struct Failure {
    /// The response's status.
    pub(super) status: StatusCode,
    /// `larder_…`, for programs.
    pub(super) kind: &'static str,
    /// What happened.
    pub(super) what: Box<str>,
    /// What to do.
    pub(super) hint: Option<String>,
    /// A header that this status asks for (`Allow`, `Upgrade`).
    pub(super) header: Option<(&'static str, &'static str)>,
    /// Whose request it was, once that is known.
    pub(super) service: Option<String>,
}

impl Failure {
    /// A failure with a hint.
    pub(super) fn new(
        status: StatusCode,
        kind: &'static str,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { status, kind, what: what.into().into_boxed_str(), hint: Some(hint.into()), header: None, service: None }
    }

    /// Something in larder itself.
    pub(super) fn internal(what: impl Into<String>) -> Self {
        let hint = "this is larder's fault, not the upstream's: its log (`LARDER_LOG=debug`) says more";
        Self::new(StatusCode::BAD_GATEWAY, "larder_internal", what, hint)
    }

    /// The upstream of `service` gave no answer.
    pub(super) fn upstream(service: &str, upstream: impl std::fmt::Display, error: &OriginError) -> Self {
        let status = match error {
            OriginError::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        };
        let upstream = upstream.to_string();
        let upstream = shown(&upstream);
        let hint = match error {
            OriginError::TimedOut => "`--upstream-timeout` says how long the upstream may be silent".to_owned(),
            _ => format!("is `{upstream}` running and reachable from here? `--upstream {service}=URL` names another"),
        };
        let what = format!("the upstream of `{service}`, `{upstream}`, gave no answer: {error}");
        Self { service: Some(service.to_owned()), ..Self::new(status, "larder_upstream", what, hint) }
    }

    /// The engine has no answer.
    pub(super) fn no_answer(service: &str, upstream: impl std::fmt::Display, error: &AnswerError) -> Self {
        match error {
            AnswerError::Origin(error) => Self::upstream(service, upstream, error),
            AnswerError::OnlyIfCached => Self {
                service: Some(service.to_owned()),
                ..Self::new(
                    StatusCode::GATEWAY_TIMEOUT,
                    "larder_only_if_cached",
                    error.to_string(),
                    "leave `only-if-cached` out of `Cache-Control` to ask the upstream",
                )
            },
            _ => Self::internal(error.to_string()),
        }
    }

    /// The same with a header.
    pub(super) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }

    fn reply(self) -> Reply {
        let error = json!({"error": {"type": self.kind, "message": self.what, "hint": self.hint}});
        let mut reply = Reply::new(net::whole(format!("{error}\n")));
        *reply.status_mut() = self.status;
        let headers = reply.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some((name, value)) = self.header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let service = self.service.unwrap_or_else(|| "-".to_owned());
        reply.extensions_mut().insert(Outcome { service, operation: None, how: self.kind });
        reply
    }
}

/// The outer layer: failures and panics become responses.
pub(super) async fn respond(inner: impl Future<Output = Result<Reply, Failure>>) -> Reply {
    let result = AssertUnwindSafe(inner).catch_unwind().await;
    result
        .unwrap_or_else(|_| Err(Failure::internal("larder failed while it handled this request")))
        .unwrap_or_else(Failure::reply)
}

/// The inner layer: when the cache fails, by an internal error or a panic, the call is made as if there were none.
pub(super) async fn pass_through<F: Future<Output = Result<Reply, Failure>>>(
    gateway: &Gateway,
    asked: Asked,
    inner: impl FnOnce(Asked) -> F,
) -> Result<Reply, Failure> {
    let attempt = asked.clone();
    let result = AssertUnwindSafe(async move { inner(attempt).await }).catch_unwind().await;
    match result {
        Ok(Err(failure)) if failure.kind == "larder_internal" => tracing::warn!(%failure, "the call is passed through"),
        Ok(result) => return result,
        Err(_) => tracing::warn!("larder failed while it looked for an answer; the call is passed through"),
    }
    let why = "larder failed";
    // What a write makes stale is not what failed, most likely.
    let through = catch_unwind(AssertUnwindSafe(|| asked.head.unread(gateway, why)));
    let through = through.unwrap_or_else(|_| Through::because(why));
    forward::pass(gateway, &asked.head, asked.body.stream(), through).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        gateway::{Gateway, gather::Gathered, memo::Memo, recognise::Head},
        net::Client,
        service::Service,
    };
    use http_body_util::BodyExt as _;
    use larder_core::{
        judge::{BodyView, Verdict},
        secret::Secret,
    };
    use larder_testkit::Scripted;
    use std::{
        sync::Arc,
        time::{Duration, Instant},
    };

    /// Status and body, the origin, and whether what a GET was told before is stale.
    async fn rescued(act: fn() -> Failure) -> (StatusCode, String, Scripted, bool) {
        let origin = Scripted::replies([larder_testkit::Reply::ok("from the origin")]);
        let served = origin.serve().await.unwrap();
        let gateway = Gateway {
            cache: larder::Cache::without_store(0),
            stored: false,
            client: Client::new(Duration::from_secs(5), 1),
            services: Default::default(),
            secret: Secret::new("s"),
            max_question: 1,
            spool: std::env::temp_dir(),
            memo: Memo::new(),
            writes: Default::default(),
            started: Instant::now(),
        };
        let head = Head {
            service: Service::plain("files", &served.url()),
            method: http::Method::POST,
            path: "/x".into(),
            query: None,
            headers: http::HeaderMap::new(),
            chunked: false,
        };
        let read = Head { method: http::Method::GET, ..head.clone() }.verdict(&gateway, BodyView::None);
        let Verdict::Keep(plan) = read else { panic!("{read:?}") };
        let since = gateway.cache.since(&plan.key, "files", "get");
        let asked = Asked { head: Arc::new(head), body: Gathered::Memory("asked".into()) };
        let result = pass_through(&gateway, asked, async |_| Err(act())).await;
        let reply = result.unwrap_or_else(Failure::reply);
        let (status, body) = (reply.status(), reply.into_body().collect().await.unwrap().to_bytes());
        (status, String::from_utf8(body.to_vec()).unwrap(), origin, gateway.cache.is_removed(&plan.key, since))
    }

    #[tokio::test]
    async fn a_broken_cache_passes_the_call_through() {
        for act in [(|| panic!("a bug")) as fn() -> Failure, || Failure::internal("a broken store")] {
            let (status, body, origin, stale) = rescued(act).await;
            assert!(stale, "a write is one, whatever failed");
            assert_eq!((status, body.as_str()), (StatusCode::OK, "from the origin"));
            assert_eq!(origin.seen()[0].body, "asked", "the body is sent again from its start");
        }
    }

    #[tokio::test]
    async fn an_upstreams_failure_is_not_tried_again() {
        let (status, body, origin, _) =
            rescued(|| Failure::upstream("files", "http://h", &OriginError::TimedOut)).await;
        assert_eq!((status, origin.calls()), (StatusCode::GATEWAY_TIMEOUT, 0));
        assert!(body.contains("\"type\":\"larder_upstream\"") && body.contains("--upstream-timeout"), "{body}");
    }
}
