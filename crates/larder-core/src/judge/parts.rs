//! From a request's parts to its question.

use super::{
    Context, HttpRequest, Ignored, Lifetime, PassReason, Plan, body::Body, credentials::Credentials, variant::Pieces,
};
use crate::{
    Json, Question, Share,
    adapter::{
        Http, HttpRule, Operation,
        place::{Asked, Place, header_text},
    },
    freshness::RequestControl,
    json::Object,
    record::Want,
    secret::is_credential_parameter,
};
use http::HeaderMap;
use std::{sync::Arc, time::Duration};

/// What a request contributes to its question, its variant and its share.
#[derive(Debug)]
pub(super) struct Parts {
    /// Where the operation's parameters are: members of the body or of the query.
    pub(super) params: Object,
    /// The question's `query`.
    pub(super) query: Object,
    /// The question's `headers`.
    pub(super) headers: Object,
    /// The question's `body`.
    pub(super) body: Option<Json>,
    /// The request's headers without credentials.
    pub(super) want_headers: HeaderMap,
    pub(super) credentials: Credentials,
    pub(super) pieces: Pieces,
    pub(super) ignored: Vec<Ignored>,
    /// A share that the caller named.
    pub(super) share: Option<Share>,
}

/// Refuses a query string that could not be taken apart: a credential in it could not be seen.
pub(super) fn check_query(query: &Object) -> Result<(), PassReason> {
    let plain = |value: &Json| match value {
        Json::Object(_) => false,
        // Some servers take `;` for `&`.
        Json::String(text) => !text
            .split(';')
            .skip(1)
            .any(|piece| piece.split_once('=').is_some_and(|(name, _)| is_credential_parameter(name))),
        _ => true,
    };
    let whole = |value: &Json| match value {
        Json::Array(items) => items.iter().all(plain),
        value => plain(value),
    };
    if query.iter().all(|(_, value)| whole(value)) {
        return Ok(());
    }
    Err(PassReason::NotText("the query string cannot be decoded".to_owned()))
}

impl Parts {
    /// Takes a request apart.
    pub(super) fn of_request(
        http: &Http,
        rule: &HttpRule,
        request: &HttpRequest<'_>,
        query: &Object,
        body: Body,
    ) -> Result<Self, PassReason> {
        check_headers(http, rule, request.headers)?;
        let (params, body) = match body {
            Body::Object(members) => (Some(members), None),
            Body::Other(member) => (None, Some(member)),
            Body::None => (None, Some(Json::Null)),
            Body::Malformed(error) => return Err(PassReason::MalformedJson(error)),
            Body::Coded => return Err(PassReason::Excluded("header `content-encoding`".to_owned())),
        };
        let mut parts = if rule.has_body() {
            Self::new(params.unwrap_or_default(), query.clone(), body, request.headers)
        } else {
            Self::new(query.clone(), Object::default(), None, request.headers)
        };
        parts.reduce(http, rule);
        parts.headers = listed_headers(rule, &parts.want_headers);
        Ok(parts)
    }

    /// A call by name: everything is a parameter.
    pub(super) fn of_call(http: &Http, rule: &HttpRule, params: Object) -> Self {
        let mut parts = Self::new(params, Object::default(), None, &HeaderMap::new());
        parts.reduce(http, rule);
        parts
    }

    /// Parts of which nothing is to be left out.
    pub(super) fn new(params: Object, query: Object, body: Option<Json>, headers: &HeaderMap) -> Self {
        Self {
            params,
            query,
            body,
            headers: Object::default(),
            want_headers: headers.clone(),
            credentials: Credentials::default(),
            pieces: Pieces::default(),
            ignored: Vec::new(),
            share: None,
        }
    }

    /// Takes out credentials, what the rule ignores, and what chooses the variant.
    fn reduce(&mut self, http: &Http, rule: &HttpRule) {
        let from = if rule.has_body() { &mut self.query } else { &mut self.params };
        self.credentials = Credentials::take(http, &mut self.want_headers, from, &mut self.ignored);
        for place in &rule.ignore {
            self.ignore(place, rule.has_body());
        }
        for place in &rule.variant {
            self.vary(place, rule.has_body());
        }
        self.pieces.headers(http, &self.want_headers);
        let used = |name: &str| name == "accept" || rule.headers.iter().chain(&http.vary).any(|known| known == name);
        let unused = self.want_headers.keys().filter(|name| !used(name.as_str()));
        self.ignored
            .extend(unused.map(|name| Ignored { what: format!("header {name}"), rule: "not listed".to_owned() }));
    }

    fn query_members(&mut self, in_body: bool) -> &mut Object {
        if in_body { &mut self.query } else { &mut self.params }
    }

    fn ignore(&mut self, place: &Place, in_body: bool) {
        let (removed, what) = match place {
            Place::Body(pointer) => (pointer.remove(&mut self.params), format!("body {}", pointer.as_str())),
            Place::Query(name) => (self.query_members(in_body).remove(name).is_some(), format!("query {name}")),
            Place::Header(_) | Place::Path(_) => return,
        };
        if removed {
            self.ignored.push(Ignored { what, rule: "ignore".to_owned() });
        }
    }

    fn vary(&mut self, place: &Place, in_body: bool) {
        let what = match place {
            Place::Body(pointer) => pointer.top_level().and_then(|name| {
                let value = self.params.remove(name)?;
                self.pieces.member(name, &value);
                Some(format!("body {}", pointer.as_str()))
            }),
            Place::Query(name) => self.query_members(in_body).remove(name).map(|value| {
                self.pieces.query(name, &value);
                format!("query {name}")
            }),
            Place::Header(_) | Place::Path(_) => None,
        };
        self.ignored.extend(what.map(|what| Ignored { what, rule: "variant".to_owned() }));
    }

    /// Makes the plan. `path` are the placeholders.
    pub(super) fn plan(
        self,
        service: &str,
        operation: &Arc<Operation>,
        path: &Object,
        ttl: Duration,
        control: RequestControl,
        context: &Context<'_>,
    ) -> Plan {
        let credential = self.credentials.digest(context);
        let share = self.share.unwrap_or_else(|| self.credentials.share(operation, context.share, credential.as_ref()));
        let (params, clashing) = with_placeholders(self.params, path);
        let question = Question {
            service: service.to_owned(),
            operation: operation.name.clone(),
            share,
            params,
            origin: context.origin.map(str::to_owned),
            path: some(clashing),
            query: some(self.query),
            headers: some(self.headers),
            body: self.body,
        };
        let key = question.key();
        Plan {
            question,
            key,
            want: Want { key, variant: self.pieces.finish(), headers: self.want_headers },
            operation: Some(Arc::clone(operation)),
            lifetime: lifetime(operation, ttl),
            control,
            credential,
            credential_headers: self.credentials.headers,
            ignored: self.ignored,
            finish: operation.finish,
        }
    }
}

fn lifetime(operation: &Operation, ttl: Duration) -> Lifetime {
    Lifetime {
        ttl,
        stale_while_revalidate: operation.stale_while_revalidate,
        stale_if_error: operation.stale_if_error,
        from_origin: operation.from_origin,
    }
}

/// Placeholders go by their bare names; one whose name a parameter has too goes into a member of its own.
fn with_placeholders(mut params: Object, path: &Object) -> (Object, Object) {
    let mut clashing = Object::default();
    for (name, value) in path.iter() {
        let home = if params.contains(name) { &mut clashing } else { &mut params };
        home.insert(name, value.clone());
    }
    (params, clashing)
}

fn some(members: Object) -> Option<Object> {
    (!members.is_empty()).then_some(members)
}

/// Headers that enter the key or the variant must be text.
fn check_headers(http: &Http, rule: &HttpRule, headers: &HeaderMap) -> Result<(), PassReason> {
    let used = rule.headers.iter().chain(&http.vary).map(String::as_str).chain(["accept", "content-type"]);
    for name in used {
        if headers.get_all(name).iter().any(|line| std::str::from_utf8(line.as_bytes()).is_err()) {
            return Err(PassReason::NotText(format!("header `{name}` is not text")));
        }
    }
    Ok(())
}

/// The headers that the rule lists; and the type of a JSON body that is not plain JSON (`application/merge-patch+json`
/// and `application/json` may say different things with the same members).
fn listed_headers(rule: &HttpRule, headers: &HeaderMap) -> Object {
    let mut listed = Object::default();
    for name in &rule.headers {
        if let Some(value) = header_text(headers, name) {
            listed.insert(name.as_str(), value);
        }
    }
    let body_type = header_text(headers, "content-type").unwrap_or_default().to_ascii_lowercase();
    let essence = body_type.split(';').next().unwrap_or_default().trim();
    if rule.has_body() && essence.ends_with("+json") {
        listed.insert("content-type", essence);
    }
    listed
}

impl Parts {
    /// Adds the share that the caller named.
    pub(super) fn with_share(mut self, share: Option<Share>) -> Self {
        self.share = share;
        self
    }
}

/// What conditions see of a call by name.
pub(super) fn asked_by_name<'a>(
    params: &'a Object,
    headers: &'a HeaderMap,
    rule: &HttpRule,
    none: &'a Object,
) -> Asked<'a> {
    let in_body = rule.has_body();
    Asked { body: in_body.then_some(params), query: if in_body { none } else { params }, headers, path: params }
}
