//! From a request to its key.

use crate::{
    asked::{self, Asked, CANARY, Judge, REGISTRY, left_out, sound},
    reader::{self, Document},
    respell::respelled,
    tool,
};
use http::HeaderValue;
use larder_core::{
    Share,
    json::MAX_DEPTH,
    judge::{Plan, Verdict, judge_call},
};
use std::collections::BTreeSet;

/// The input is `SERVICE METHOD /path?query`, header lines, an empty line, and a body; or `$ COMMAND ARGUMENT…` and lines
/// `NAME=value`. A service that no adapter describes is judged without one.
///
/// A key is what its question says and nothing else. Another spelling of a request has the same key: order of headers, of
/// parameters and of members, white space, escapes. Another request has another key, unless the plan says what of it was left
/// out. No credential is in a question, a variant, or anything that is printed.
pub fn key(input: &[u8]) {
    if asked::holds_canary(input) {
        return;
    }
    let at = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (line, rest) = (std::str::from_utf8(&input[..at]).unwrap_or_default(), input.get(at + 1..).unwrap_or_default());
    match line.split_once(' ') {
        Some(("$", line)) => tool::command(line, rest),
        Some((service, line)) => {
            let judge = Judge::new(REGISTRY.get(service).map(|adapter| &**adapter));
            Asked::parse(line, rest).iter().for_each(|asked| http(&judge, asked));
        }
        None => {}
    }
}

/// What holds of every request to every adapter.
pub(crate) fn http(judge: &Judge<'_>, asked: &Asked) {
    concealed(judge, asked);
    reordered(judge, asked);
    respelled_body(judge, asked);
    let Some(plan) = judge.plan(asked) else { return };
    sound(&plan);
    members(judge, asked, &plan);
    headers(judge, asked, &plan);
    others(judge, asked, &plan);
    by_name(judge, &plan);
}

/// Both are kept alike, or passed through for the same reason.
fn alike(judge: &Judge<'_>, one: &Asked, other: &Asked) {
    match (judge.verdict(one), judge.verdict(other)) {
        (Verdict::Keep(a), Verdict::Keep(b)) => {
            assert_eq!(
                (a.key, &a.want.variant, a.credential),
                (b.key, &b.want.variant, b.credential),
                "{one:?} {other:?}"
            );
            assert_eq!((a.lifetime, a.control, a.finish), (b.lifetime, b.control, b.finish));
        }
        (Verdict::Pass(a), Verdict::Pass(b)) => assert_eq!(a, b),
        (a, b) => panic!("{a:?} {b:?}"),
    }
}

fn reordered(judge: &Judge<'_>, asked: &Asked) {
    let mut other = asked.clone();
    // Lines of one name keep their order: it may mean something.
    other.headers.sort_by(|(a, _), (b, _)| b.as_str().cmp(a.as_str()));
    if judge.adapter.is_some() {
        other.query = asked.query.as_deref().map(reversed);
    }
    alike(judge, asked, &other);
}

/// The parameters in reverse, where no two can have one name.
fn reversed(query: &str) -> String {
    let mut pieces: Vec<&str> = query.split('&').collect();
    let names: BTreeSet<&str> = pieces.iter().map(|piece| piece.split('=').next().unwrap_or_default()).collect();
    if names.len() == pieces.len() && !query.contains(['%', '+']) {
        pieces.reverse();
    }
    pieces.join("&")
}

fn respelled_body(judge: &Judge<'_>, asked: &Asked) {
    let typed = asked
        .headers
        .iter()
        .any(|(name, value)| name == "content-type" && value.as_bytes().starts_with(b"application/json"));
    if let (true, Ok(document)) = (typed && !is_digested(asked), reader::read(&asked.body, MAX_DEPTH)) {
        alike(judge, asked, &Asked { body: respelled(&document).into_bytes(), ..asked.clone() });
    }
}

/// Whether the type is one whose body enters the key by its digest: then its spelling counts.
fn is_digested(asked: &Asked) -> bool {
    let types: Vec<String> = asked
        .headers
        .iter()
        .filter(|(name, _)| name == "content-type")
        .map(|(_, value)| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
        .collect();
    !larder_core::params::is_json(Some(&types.join(", ")))
}

/// No credential is seen anywhere, and two of them are two callers.
fn concealed(judge: &Judge<'_>, asked: &Asked) {
    let plain = |name| {
        judge.adapter.and_then(|adapter| adapter.http.as_ref()).is_some_and(|http| !http.is_credential_header(name))
    };
    if plain("authorization") || plain("x-api-key") {
        return;
    }
    let with = |word: &str| {
        let bearer = format!("Bearer {CANARY}{word}");
        [
            asked.clone().header("authorization", &bearer),
            asked.clone().header("x-api-key", &bearer),
            asked.clone().header("cookie", &bearer),
            asked.clone().parameter(&format!("access_token={CANARY}{word}")),
            asked.clone().parameter(&format!("a=1;token={CANARY}{word}")),
        ]
    };
    for (one, two) in with("1").iter().zip(&with("2")) {
        let verdicts = [judge.verdict(one), judge.verdict(two)];
        assert!(!format!("{verdicts:?}").contains(CANARY), "{verdicts:?}");
        if let [Verdict::Keep(one), Verdict::Keep(two)] = &verdicts {
            assert!(!String::from_utf8_lossy(&one.question.canonical()).contains(CANARY));
            assert!(one.want.headers.values().all(|value| !String::from_utf8_lossy(value.as_bytes()).contains(CANARY)));
            assert_ne!((one.key, &one.credential), (two.key, &two.credential));
            assert!(one.key != two.key || matches!(one.question.share, Share::Team));
        }
    }
}

/// Each parameter in the body counts, or the plan says that it does not.
fn members(judge: &Judge<'_>, asked: &Asked, plan: &Plan) {
    let Ok(Document::Members(members)) = reader::read(&asked.body, MAX_DEPTH) else { return };
    let with = |members: Vec<(String, Document)>| {
        let body = Document::Members(members).canonical().into_bytes();
        judge.plan(&Asked { body, ..asked.clone() })
    };
    for (at, (name, value)) in members.iter().enumerate().take(12) {
        let mut changed = members.clone();
        changed[at].1 = match value {
            Document::Text(text) => Document::Text(format!("{text}x")),
            other => Document::List(vec![other.clone()]),
        };
        with(changed).iter().for_each(|other| differs(plan, other, "body", &pointer(name)));
        // What is off is as good as absent where it chooses a variant.
        if !matches!(value, Document::Word("null" | "false")) {
            let fewer = members.iter().filter(|(other, _)| other != name).cloned().collect();
            with(fewer).iter().for_each(|other| differs(plan, other, "body", &pointer(name)));
        }
    }
    if members.iter().all(|(name, _)| name != "zz") {
        let more = members.iter().cloned().chain([("zz".to_owned(), Document::Word("null"))]).collect();
        with(more).iter().for_each(|other| differs(plan, other, "body", "/zz"));
    }
}

fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Another key or another variant, unless the rule ignores the place or one inside it.
fn differs(one: &Plan, other: &Plan, kind: &str, place: &str) {
    let whole = format!("{kind} {place}");
    let inside = format!("{whole}/");
    let says = |plan: &Plan| {
        let mut left_out = plan.ignored.iter().filter(|ignored| ignored.rule != "variant");
        left_out.any(|ignored| ignored.what == whole || ignored.what.starts_with(&inside))
    };
    let is_same = one.key == other.key && one.want.variant == other.want.variant;
    assert!(!is_same || says(one) || says(other), "{whole}: {one:?}");
}

/// Each header counts, or the plan says that it does not.
fn headers(judge: &Judge<'_>, asked: &Asked, plan: &Plan) {
    for at in 0..asked.headers.len() {
        let mut other = asked.clone();
        let (name, value) = &mut other.headers[at];
        let (name, longer) = (name.clone(), [value.as_bytes(), b"x"].concat());
        *value = HeaderValue::from_bytes(&longer).expect("longer");
        let Some(other) = judge.plan(&other) else { continue };
        let same = other.key == plan.key && other.want.variant == plan.want.variant;
        assert!(!same || judge.adapter.is_none() || left_out(plan, &format!("header {name}")), "{name}");
    }
    let other = judge.plan(&asked.clone().header("x-unlisted", "1"));
    if let Some(other) = other.filter(|other| left_out(other, "header x-unlisted") || judge.adapter.is_none()) {
        assert_eq!((other.key, other.want.variant), (plan.key, plan.want.variant.clone()));
    }
}

/// Another path, parameter, origin or body is another question.
fn others(judge: &Judge<'_>, asked: &Asked, plan: &Plan) {
    let body = [&asked.body, &b"x"[..]].concat();
    for (kind, place, other) in [
        ("path", "", Asked { path: format!("{}x", asked.path), ..asked.clone() }),
        ("query", "zz", asked.clone().parameter("zz=1")),
        ("query", "zz", asked.clone().parameter("zz")),
        ("origin", "", Asked { origin: Some("http://elsewhere"), ..asked.clone() }),
        ("body", "", Asked { body, ..asked.clone() }),
    ] {
        judge.plan(&other).iter().for_each(|other| differs(plan, other, kind, place));
    }
}

/// The same question asked by name has the same key.
fn by_name(judge: &Judge<'_>, plan: &Plan) {
    let question = &plan.question;
    let elsewhere = [&question.path, &question.query, &question.headers].iter().any(|member| member.is_some());
    let Some(adapter) = judge.adapter.filter(|_| !elsewhere && question.body.is_none()) else { return };
    let called = judge_call(
        adapter,
        &question.operation,
        question.params.clone(),
        Some(question.share.clone()),
        &judge.context(),
    );
    if let Ok(called) = called {
        sound(&called);
        assert_eq!(called.key, plan.key, "{question:?} {:?}", called.question);
    }
}
