//! To the upstream and back: calls that are passed through, and the origin that flights ask.

use super::{
    Gateway, Reply,
    gather::Gathered,
    headers, invalidate,
    recognise::{Call, Head},
    rescue::Failure,
    respond,
    stack::Onward,
    trace::Outcome,
};
use crate::net::{self, Body, BoxError, Client};
use futures_core::future::BoxFuture;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::BodyExt as _;
use larder::{Origin, OriginAnswer, OriginError, origin::marked, tier::Selection};
use larder_core::judge::{self, BodyView, HttpRequest, Pass, Verdict};
use std::{ops::ControlFlow, sync::Arc};

/// Why a body beyond `--max-question` is no question.
pub(super) const TOO_LARGE: &str = "the body is larger than --max-question";

/// Why a call is passed through, and what it makes stale.
#[derive(Clone, Debug)]
pub(super) struct Through {
    detail: String,
    operation: Option<String>,
    stale: Vec<Selection>,
}

impl Through {
    /// A reason that is the gateway's own.
    pub(super) fn because(detail: &str) -> Self {
        Self { detail: detail.to_owned(), operation: None, stale: Vec::new() }
    }
}

/// The layer: passes on, with its body still streaming, what no body can make a question of.
pub(super) async fn early(gateway: &Gateway, call: Call) -> Onward<Call> {
    match judge_early(gateway, &call) {
        Some(through) => pass(gateway, &call.head, call.body, through).await.map(ControlFlow::Break),
        None => Ok(ControlFlow::Continue(call)),
    }
}

fn judge_early(gateway: &Gateway, call: &Call) -> Option<Through> {
    call.body.as_ref()?;
    let length = call.head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > gateway.max_question) {
        return Some(call.head.unread(gateway, TOO_LARGE));
    }
    if call.head.needs_body() {
        return None;
    }
    match call.head.verdict(gateway, BodyView::None) {
        Verdict::Pass(pass) => Some(call.head.through(gateway, pass)),
        Verdict::Keep(_) => None,
    }
}

impl Head {
    fn seen<'a>(&'a self, body: BodyView<'a>) -> HttpRequest<'a> {
        HttpRequest {
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
            body,
        }
    }

    /// What the judge says, given this view of the body.
    pub(super) fn verdict(&self, gateway: &Gateway, body: BodyView<'_>) -> Verdict {
        let (request, context) = (self.seen(body), gateway.context(&self.service));
        match &self.service.adapter {
            Some(adapter) => judge::judge_http(adapter, &request, &context),
            None => judge::judge_plain(&self.service.name, &request, &context),
        }
    }

    /// What the judge's word means for this request.
    pub(super) fn through(&self, gateway: &Gateway, pass: Pass) -> Through {
        let mut stale: Vec<_> = pass.invalidates.into_iter().map(|name| self.operation(name)).collect();
        // What the judge saw is the request line's operation, if it is one as it is spelled.
        if self.service.adapter.is_none() || pass.operation.is_none() || judge::is_steered(&self.headers) {
            stale.extend(self.stale(gateway));
        }
        Through { detail: pass.reason.to_string(), operation: pass.operation, stale }
    }

    /// What it means that the judge has not seen this request's body.
    pub(super) fn unread(&self, gateway: &Gateway, why: &str) -> Through {
        Through { stale: self.stale(gateway), ..Through::because(why) }
    }

    /// What this request makes stale, whatever its body says.
    fn stale(&self, gateway: &Gateway) -> Vec<Selection> {
        let (request, base) = (self.seen(BodyView::None), self.service.upstream.base());
        if let Some(adapter) = &self.service.adapter {
            let names = judge::stale_operations(adapter, &request, base);
            return names.into_iter().map(|name| self.operation(name)).collect();
        }
        match judge::stale_keys(&self.service.name, &request, base, &gateway.context(&self.service)) {
            Some(keys) => keys.into_iter().map(|key| Selection { key: Some(key), ..Selection::default() }).collect(),
            None => vec![Selection { service: Some(self.service.name.clone()), ..Selection::default() }],
        }
    }

    fn operation(&self, name: String) -> Selection {
        Selection { service: Some(self.service.name.clone()), operation: Some(name), ..Selection::default() }
    }

    /// Whether the body can change what is done with this request: some operation of this path is a question, or is told
    /// by its body.
    fn needs_body(&self) -> bool {
        let Some(adapter) = &self.service.adapter else {
            return matches!(self.method, Method::GET | Method::HEAD);
        };
        let rules = adapter.operations.iter().filter_map(|operation| Some((operation, operation.http.as_ref()?)));
        let mut here =
            rules.filter(|(_, rule)| rule.routes.iter().any(|route| route.matches(&self.method, &self.path).is_some()));
        here.any(|(operation, rule)| !operation.write || !rule.matches.is_empty())
    }

    fn request(&self, headers: HeaderMap, body: Option<Body>) -> Result<Request<Body>, http::Error> {
        let target = self.service.upstream.target(&self.path, self.query.as_deref());
        let mut request = Request::builder().method(&self.method).uri(target).body(body.unwrap_or_else(net::empty))?;
        *request.headers_mut() = headers;
        if self.chunked {
            // Said aloud, since a client leaves the body of a GET without a length out.
            request.headers_mut().insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        Ok(request)
    }
}

/// Passes a call through and its answer back, byte for byte as they come.
pub(super) async fn pass(
    gateway: &Gateway,
    head: &Head,
    body: Option<Body>,
    through: Through,
) -> Result<Reply, Failure> {
    let service = &head.service;
    let request = head.request(head.headers.clone(), body).map_err(|error| Failure::internal(error.to_string()))?;
    let (client, asked) = (gateway.client.clone(), Arc::clone(service));
    let call = async move { client.send(&asked.upstream, request).await };
    let answer = match through.stale.is_empty() {
        true => call.await,
        false => invalidate::write(gateway, through.stale, call).await,
    };
    let answer = answer.map_err(|error| Failure::upstream(&service.name, &service.upstream, &error))?;
    let mut reply = answer.map(|body| body.map_err(BoxError::from).boxed_unsync());
    headers::remove_hop_by_hop(reply.headers_mut());
    respond::bypassed(reply.headers_mut(), &through.detail);
    let outcome = Outcome { service: service.name.clone(), operation: through.operation, how: "pass" };
    reply.extensions_mut().insert(outcome);
    Ok(reply)
}

/// One call to an upstream, to be made by whoever leads the flight.
pub(super) struct Upstreamed {
    /// Asks.
    pub(super) client: Client,
    /// The request of the caller that leads.
    pub(super) head: Arc<Head>,
    /// Its body.
    pub(super) body: Gathered,
}

impl Upstreamed {
    async fn ask(self, conditional: HeaderMap) -> Result<OriginAnswer, OriginError> {
        let mut headers = self.head.headers.clone();
        headers::prepare_for_flight(&mut headers);
        headers.extend(conditional);
        let request = self.head.request(headers, self.body.stream());
        let request = request.map_err(|error| OriginError::Unreachable(error.to_string()))?;
        let (mut parts, body) = self.client.send(&self.head.service.upstream, request).await?.into_parts();
        let body = match self.head.method == Method::HEAD {
            true => futures_util::stream::empty().boxed(),
            false => marked(parts.version, parts.status, &parts.headers, body.into_data_stream().boxed()),
        };
        headers::remove_hop_by_hop(&mut parts.headers);
        Ok(OriginAnswer { status: parts.status, headers: parts.headers, body })
    }
}

impl Origin for Upstreamed {
    fn call(self: Box<Self>, conditional: HeaderMap) -> BoxFuture<'static, Result<OriginAnswer, OriginError>> {
        Box::pin(self.ask(conditional))
    }

    fn bodiless(&self) -> bool {
        self.head.method == Method::HEAD
    }
}
