//! Requests and command lines as text, and what the judge says of them.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use larder_core::{
    QueryKey, Question, Registry, ShareChoice,
    adapter::Adapter,
    judge::{BodyView, Context, HttpRequest, Plan, Verdict, judge_http, judge_plain},
    secret::Secret,
};
use std::sync::LazyLock;

/// A credential, which must be seen nowhere.
pub(crate) const CANARY: &str = "hunter2-canary";

/// Whether an input says it by itself: fuzzers read it here.
pub(crate) fn holds_canary(input: &[u8]) -> bool {
    input.windows(CANARY.len()).any(|part| part == CANARY.as_bytes())
}

/// Every adapter that is built in.
pub(crate) static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::builtin().expect("the built-in adapters"));

/// A request, to be changed.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Vec<u8>,
    pub(crate) origin: Option<&'static str>,
}

/// The judge with what it judges by.
pub(crate) struct Judge<'a> {
    /// `None`: a service that nobody knows.
    pub(crate) adapter: Option<&'a Adapter>,
    pub(crate) secret: Secret,
}

impl Asked {
    /// Reads `METHOD /path?query`, header lines, an empty line, the body. `None` where HTTP could not carry it.
    pub(crate) fn parse(line: &str, rest: &[u8]) -> Option<Self> {
        let (method, target) = line.split_once(' ')?;
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let allowed =
            target.starts_with('/') && target.bytes().all(|byte| (0x21..0x7F).contains(&byte) && byte != b'#');
        let (head, body) = halves(rest);
        Some(Self {
            method: Method::from_bytes(method.as_bytes()).ok().filter(|_| allowed)?,
            path: path.to_owned(),
            query: query.map(str::to_owned),
            headers: head.split(|byte| *byte == b'\n').take(16).filter_map(header).collect(),
            body: body.to_vec(),
            origin: None,
        })
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value")));
        self
    }

    /// With one more query parameter.
    pub(crate) fn parameter(mut self, text: &str) -> Self {
        self.query = Some(
            self.query.filter(|query| !query.is_empty()).map_or(text.to_owned(), |query| format!("{query}&{text}")),
        );
        self
    }
}

/// What stands before and after the first empty line.
fn halves(bytes: &[u8]) -> (&[u8], &[u8]) {
    if let Some(body) = bytes.strip_prefix(b"\n") {
        return (b"", body);
    }
    match bytes.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&bytes[..at], &bytes[at + 2..]),
        None => (bytes, b""),
    }
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let at = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&line[..at], line[at + 1..].trim_ascii());
    HeaderName::from_bytes(name).ok().zip(HeaderValue::from_bytes(value).ok())
}

impl<'a> Judge<'a> {
    pub(crate) fn new(adapter: Option<&'a Adapter>) -> Self {
        Self { adapter, secret: Secret::new([7; 32]) }
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context { secret: &self.secret, share: ShareChoice::Credential, origin: None }
    }

    pub(crate) fn verdict(&self, asked: &Asked) -> Verdict {
        let headers: HeaderMap = asked.headers.iter().fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(name.clone(), value.clone());
            headers
        });
        let body = if asked.body.is_empty() { BodyView::None } else { BodyView::Bytes(&asked.body) };
        let request = HttpRequest {
            method: &asked.method,
            path: &asked.path,
            query: asked.query.as_deref(),
            headers: &headers,
            body,
        };
        let context = Context { origin: asked.origin, ..self.context() };
        match self.adapter {
            Some(adapter) => judge_http(adapter, &request, &context),
            None => judge_plain("plain", &request, &context),
        }
    }

    /// The plan, unless the request is passed through.
    pub(crate) fn plan(&self, asked: &Asked) -> Option<Plan> {
        match self.verdict(asked) {
            Verdict::Keep(plan) => Some(*plan),
            Verdict::Pass(_) => None,
        }
    }
}

/// A key is the CID of its question's canonical form, and that form reads back as the question.
pub(crate) fn sound(plan: &Plan) {
    let canonical = plan.question.canonical();
    assert_eq!((plan.key, plan.want.key), (QueryKey::of(&canonical), plan.key));
    let theirs = crate::reader::read(&canonical, larder_core::json::MAX_DEPTH + 4).expect("the canonical form is JSON");
    assert_eq!(theirs.canonical().into_bytes(), canonical);
    let mut again = Question::parse(&canonical).expect("a question");
    assert_eq!(again.canonical(), canonical);
    again.operation.push('x');
    assert_ne!(again.key(), plan.key);
}

/// Whether something at this place was left out of the key.
pub(crate) fn left_out(plan: &Plan, what: &str) -> bool {
    plan.ignored.iter().any(|ignored| ignored.what == what)
}
