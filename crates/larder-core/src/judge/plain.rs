//! Requests to an upstream without an adapter.

use super::{
    BodyView, Context, HttpRequest, Ignored, Lifetime, Pass, PassReason, Plan, Verdict,
    credentials::{has_credential, holds_credential},
    guard,
};
use crate::{
    Json, Question, Share, Variant,
    freshness::{RequestControl, request_control},
    json::Object,
    params::query_members,
    record::Want,
    secret::{Secret, credential_digest, is_credential_header, is_credential_parameter},
};
use http::{HeaderMap, HeaderName, Method, header};

/// Credentials, and what is left of the request without them.
struct Stripped {
    credentials: Vec<(String, Secret)>,
    credential_headers: Vec<HeaderName>,
    headers: HeaderMap,
    target: String,
    ignored: Vec<Ignored>,
}

/// Judges an HTTP request to an upstream without an adapter: GET and HEAD, by the origin's word alone.
///
/// Question: operation `get` or `head`, params `{"target": path and raw query}`, and the origin. The values of query
/// parameters whose names say credential are taken out of the target and into the share; the names stay where they are,
/// since the order of parameters may mean something.
#[must_use]
pub fn judge_plain(service: &str, request: &HttpRequest<'_>, context: &Context<'_>) -> Verdict {
    let control = request_control(request.headers);
    if let Some(reason) = pass_reason(request, &control) {
        return Verdict::Pass(Pass { reason, operation: None, invalidates: Vec::new() });
    }
    Verdict::Keep(Box::new(Plan { control, ..plan(service, request, context) }))
}

/// The plan of a GET or HEAD, whatever else would have it passed through.
pub(super) fn plan(service: &str, request: &HttpRequest<'_>, context: &Context<'_>) -> Plan {
    let stripped = strip(request);
    let credential =
        (!stripped.credentials.is_empty()).then(|| credential_digest(context.secret, &stripped.credentials));
    let mut params = Object::default();
    params.insert("target", Json::String(stripped.target));
    let question = Question {
        service: service.to_owned(),
        operation: request.method.as_str().to_ascii_lowercase(),
        share: credential.clone().map_or(Share::Anonymous, Share::Credential),
        params,
        origin: context.origin.map(str::to_owned),
        path: None,
        query: None,
        headers: None,
        body: None,
    };
    let key = question.key();
    Plan {
        want: Want { key, variant: Variant::default(), headers: stripped.headers },
        question,
        key,
        operation: None,
        lifetime: Lifetime { from_origin: true, ..Lifetime::default() },
        control: RequestControl::default(),
        credential,
        credential_headers: stripped.credential_headers,
        ignored: stripped.ignored,
        finish: false,
    }
}

fn pass_reason(request: &HttpRequest<'_>, control: &RequestControl) -> Option<PassReason> {
    if request.method != Method::GET && request.method != Method::HEAD {
        return Some(PassReason::PlainMethod);
    }
    if control.no_store {
        return Some(PassReason::NoStore);
    }
    if !matches!(request.body, BodyView::None | BodyView::Bytes([])) {
        return Some(PassReason::Excluded("it has a body".to_owned()));
    }
    // A part of an answer, or another protocol.
    let range = request.headers.contains_key(header::RANGE).then_some("range");
    if let Some(name) = range.or_else(|| guard::wants_upgrade(request.headers).then_some("upgrade")) {
        return Some(PassReason::Excluded(format!("header `{name}`")));
    }
    guard::check_steering(request.headers).and_then(|()| guard::check_path(request.path)).err()
}

/// The headers that are credentials, each once.
pub(super) fn credential_headers(headers: &HeaderMap) -> Vec<HeaderName> {
    let is_credential = |name: &&HeaderName| is_credential_header(name.as_str()) || has_credential(headers, name);
    headers.keys().filter(is_credential).cloned().collect()
}

fn strip(request: &HttpRequest<'_>) -> Stripped {
    let mut stripped = Stripped {
        credentials: Vec::new(),
        credential_headers: credential_headers(request.headers),
        headers: HeaderMap::new(),
        target: request.path.to_owned(),
        ignored: Vec::new(),
    };
    for (name, value) in request.headers {
        if stripped.credential_headers.contains(name) {
            stripped.take("header", name.as_str(), "", value.as_bytes());
        } else {
            stripped.headers.append(name.clone(), value.clone());
        }
    }
    let Some(query) = request.query else { return stripped };
    let mut kept = Vec::new();
    for piece in query.split('&') {
        let (open, credential) = cut(piece);
        if let Some(Cut { name, secret, is_named }) = credential {
            // A name that says nothing may stand there without a credential, too: then the place is part of the question.
            let place = if is_named { String::new() } else { format!("#{}.{}", kept.len(), open.len()) };
            stripped.take("query", &name, &place, secret.as_bytes());
        }
        kept.push(open);
    }
    stripped.target.push('?');
    stripped.target.push_str(&kept.join("&"));
    stripped
}

/// A credential that was cut out of the query string.
struct Cut<'a> {
    /// Its decoded name.
    name: String,
    secret: &'a str,
    /// The name says so, and not the value alone.
    is_named: bool,
}

/// What of a piece may be seen (up to the name of a credential), and the credential. Some
/// servers take `;` for `&`; what follows a credential after `;` may still be its value and is taken with it.
fn cut(piece: &str) -> (&str, Option<Cut<'_>>) {
    // A password may hold a `;` itself.
    if let (true, Some((shown, secret)), Some((name, is_named))) =
        (piece.contains(['@', '%']), piece.split_once('='), credential_name(piece))
    {
        return (shown, Some(Cut { name, secret, is_named }));
    }
    let starts = std::iter::once(0).chain(piece.match_indices(';').map(|(at, _)| at + 1));
    for start in starts {
        let rest = &piece[start..];
        let part = rest.split(';').next().unwrap_or(rest);
        if let Some((name, is_named)) = credential_name(part) {
            let shown = part.split('=').next().unwrap_or(part);
            return (&piece[..start + shown.len()], Some(Cut { name, secret: rest, is_named }));
        }
    }
    (piece, None)
}

/// The decoded name of a piece of the query string, if it says credential (`true`) or its value holds one.
fn credential_name(piece: &str) -> Option<(String, bool)> {
    let members = query_members(piece);
    let found = |(name, value): (&str, &Json)| {
        let is_named = is_credential_parameter(name);
        (is_named || holds_credential(value)).then(|| (name.to_owned(), is_named))
    };
    members.iter().find_map(found)
}

impl Stripped {
    /// The kind is part of the name under which the digest counts it: a header is not a query parameter.
    fn take(&mut self, kind: &str, name: &str, place: &str, value: &[u8]) {
        self.ignored.push(Ignored { what: format!("{kind} {name}"), rule: "credentials".to_owned() });
        let counted = if kind == "header" { name.to_owned() } else { format!("?{name}{place}") };
        self.credentials.push((counted, Secret::new(value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn verdict(method: &Method, query: Option<&str>, headers: &[(&'static str, &'static str)]) -> Verdict {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let request = HttpRequest { method, path: "/a", query, headers: &headers, body: BodyView::None };
        let secret = Secret::new(*b"secret");
        let context = Context { secret: &secret, share: crate::ShareChoice::Team, origin: Some("http://o") };
        judge_plain("files", &request, &context)
    }

    fn plan(query: Option<&str>, headers: &[(&'static str, &'static str)]) -> Plan {
        match verdict(&Method::GET, query, headers) {
            Verdict::Keep(plan) => *plan,
            Verdict::Pass(pass) => panic!("{pass:?}"),
        }
    }

    #[test]
    fn the_target_is_the_question() {
        let key = |query| plan(query, &[]).key;
        assert_ne!(key(None), key(Some("a=1")));
        assert_ne!(key(Some("a=1&b=2")), key(Some("b=2&a=1")));
        assert_ne!(key(None), key(Some("")));
        assert_eq!(plan(None, &[]).question.share, Share::Anonymous);
        assert_eq!(plan(None, &[]).question.origin.as_deref(), Some("http://o"));
    }

    #[test]
    fn credentials_are_taken_out_and_tell_apart() {
        let with = |token| plan(Some(token), &[]);
        let (one, two) = (with("x=1&access_token=one"), with("x=1&access_token=two"));
        assert_ne!(one.key, two.key);
        for (plan, secret) in [(one, "one"), (with("x=1&access%5ftoken=three"), "three")] {
            let question = String::from_utf8(plan.question.canonical()).unwrap();
            assert!(!question.contains(secret), "{question}");
        }
        let bearer = plan(None, &[("authorization", "Bearer s3cret"), ("accept", "a")]);
        assert!(!format!("{bearer:?}").contains("s3cret"));
        assert!(bearer.want.headers.contains_key("accept"));
        assert_eq!(bearer.credential_headers, [header::AUTHORIZATION]);
        assert!(plan(Some("authorization=x"), &[]).credential_headers.is_empty(), "a parameter is no header");
        assert_ne!(bearer.key, plan(None, &[("authorization", "Bearer other")]).key);
    }

    /// Whatever the header is called.
    #[test]
    fn a_header_that_holds_a_credential_tells_apart() {
        for value in [
            "Bearer alice",
            "Bearer alice, x",
            "Digest username=\"alice\"",
            "Token\talice",
            "Basic YWxpY2U6cHc=",
            "ghp_0123456789abcdef",
            "https://h/?token=alice",
        ] {
            let with = |value| plan(None, &[("x-zz", value)]);
            assert_ne!(with(value).key, with("plain").key, "{value}");
            assert!(!with(value).want.headers.contains_key("x-zz"), "{value}");
        }
        for value in ["bearer", "tokens: 5", "https://h/?page=2"] {
            assert_eq!(plan(None, &[("x-zz", value)]).question.share, Share::Anonymous, "{value}");
        }
    }

    #[test]
    fn order_case_and_place_of_credentials_count() {
        let key = |query| plan(Some(query), &[]).key;
        for (one, other) in [
            ("key=left&key=right", "key=right&key=left"),
            ("id=1&code=7&id=2&code=8", "id=1&code=8&id=2&code=7"),
            ("a=1&key=x&b=2", "key=x&a=1&b=2"),
            ("key=a&Key=b", "key=b&Key=a"),
            ("key=a", "KEY=a"),
            ("key", "key=null"),
            ("key", "key="),
            ("token=a;b=1", "token=a;b=2"),
            ("url=https://h/?token=x&url", "url&url=https://h/?token=x"),
            ("a;url=//u:p@h/&a;url", "a;url&a;url=//u:p@h/"),
            ("url=//u:p@h/&url=", "url=&url=//u:p@h/"),
        ] {
            assert_ne!(key(one), key(other), "{one} {other}");
        }
    }

    #[test]
    fn no_secret_is_in_the_target() {
        for (query, target) in [
            ("a=1&access_token=s3cret&b=2", "/a?a=1&access_token&b=2"),
            ("a=1;token=s3cret;b=2&c", "/a?a=1;token&c"),
            ("token=x;s3cret", "/a?token"),
            ("auth[token]=s3cret", "/a?auth[token]"),
            ("token%5B%5D=s3cret", "/a?token%5B%5D"),
            ("a=1&url=https%3A%2F%2Fh%2F%3Ftoken%3Ds3cret&b=2", "/a?a=1&url&b=2"),
            ("url=https://me:s3cret@h/", "/a?url"),
            ("url=https://me:s3cret@h/%zz", "/a?url"),
            ("url=//me:s3cret@h/", "/a?url"),
            ("url=https://git@me:s3cret@h/", "/a?url"),
            ("q=a%26token%3Ds3cret", "/a?q"),
            ("q=ghp_s3cret0123456789", "/a?q"),
            ("url=https://me:pa;s3cret@host/", "/a?url"),
            ("q=token%3Ds3cret%26a%3D1", "/a?q"),
            ("h=Bearer%20s3cret", "/a?h"),
            ("h=Authorization:%20Bearer+s3cret", "/a?h"),
            ("url=https%253A%252F%252Fh%252F%253Ftoken%253Ds3cret", "/a?url"),
        ] {
            let plan = plan(Some(query), &[]);
            assert_eq!(plan.question.params.get("target"), Some(&Json::String(target.to_owned())));
            assert!(plan.credential.is_some(), "{query}");
        }
    }

    #[test]
    fn what_passes() {
        let reason = |method, headers: &[(&'static str, &'static str)]| match verdict(method, None, headers) {
            Verdict::Pass(pass) => pass.reason,
            Verdict::Keep(_) => panic!("kept"),
        };
        assert_eq!(reason(&Method::POST, &[]), PassReason::PlainMethod);
        assert_eq!(reason(&Method::GET, &[("cache-control", "no-store")]), PassReason::NoStore);
        let headers = HeaderMap::new();
        for path in ["/a;token=x", "/ghp_0123456789abcdef", "/a/api_key=x/b", "/access_token%3Ax/b"] {
            let in_path =
                HttpRequest { method: &Method::GET, path, query: None, headers: &headers, body: BodyView::None };
            let reason_of = pass_reason(&in_path, &request_control(&headers));
            assert_eq!(reason_of, Some(PassReason::Excluded("a credential in the path".to_owned())), "{path}");
        }
        for header in [
            ("x-http-method-override", "DELETE"),
            ("x-original-url", "/admin"),
            ("x-rewrite-url", "/admin"),
            ("connection", "accept"),
            ("expect", "something"),
        ] {
            assert!(matches!(reason(&Method::GET, &[header]), PassReason::Excluded(_)), "{header:?}");
        }
        assert!(matches!(reason(&Method::HEAD, &[("range", "bytes=0-1")]), PassReason::Excluded(_)));
    }
}
