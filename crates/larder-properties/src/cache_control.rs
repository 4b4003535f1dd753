//! Cache-Control and the other words on freshness.

use crate::plans::HEEDING;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::CACHE_CONTROL};
use larder_core::{
    Share, Timestamp,
    freshness::{
        ResponseControl, date, explicit_lifetime, initial_age, request_control, response_control, vary_matches,
        vary_names,
    },
    judge::{HeadVerdict, Plan, judge_head},
};
use std::time::Duration;

/// The largest delta-seconds (RFC 9111 §1.2.2).
const LARGEST: Duration = Duration::from_secs(1 << 31);

/// The input is header lines, `name: value`; lines that are none are skipped.
///
/// Neither the order of the lines nor of their directives matters, nor case, nor white space, nor how directives are
/// spread over lines, nor directives that nobody knows. Well-formed directives mean what a second reader finds. No value
/// is beyond 2^31 seconds, and of two values the stricter one counts. A `no-store` that only a broken quotation hides is
/// obeyed. No answer is kept that its headers forbid to keep.
pub fn cache_control(input: &[u8]) {
    let headers = lines(input);
    let control: Vec<&[u8]> = headers.get_all(CACHE_CONTROL).iter().map(HeaderValue::as_bytes).collect();
    same(&headers, control.iter().rev().map(|line| line.to_vec()).collect());
    same(&headers, control.iter().map(|line| line.to_ascii_uppercase()).collect());
    if let Some(directives) = control.iter().map(|line| directives(line)).collect::<Option<Vec<_>>>() {
        let all: Vec<Directive> = directives.into_iter().flatten().collect();
        well_formed(&headers, &all);
    }
    if !control.is_empty() {
        same(
            &headers,
            control.iter().map(|line| line.to_vec()).chain([b"x-unknown=\"1, no-store\", y".to_vec()]).collect(),
        );
        stricter(&headers);
    }
    bounded(&headers);
    quoted_badly(&headers, &control);
    varies(&headers);
    HEEDING.iter().for_each(|plan| judged(plan, &headers));
}

/// Header lines that HTTP could carry.
fn lines(input: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n').take(40) {
        let Some(at) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (HeaderName::from_bytes(&line[..at]), HeaderValue::from_bytes(line[at + 1..].trim_ascii()));
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}

/// `headers` with other lines of `Cache-Control`.
fn with(headers: &HeaderMap, control: Vec<Vec<u8>>) -> HeaderMap {
    let mut headers = headers.clone();
    headers.remove(CACHE_CONTROL);
    for line in control {
        headers.append(CACHE_CONTROL, HeaderValue::from_bytes(&line).expect("made of header lines"));
    }
    headers
}

/// These lines say the same.
fn same(headers: &HeaderMap, control: Vec<Vec<u8>>) {
    let other = with(headers, control);
    assert_eq!(request_control(headers), request_control(&other), "{other:?}");
    assert_eq!(response_control(headers), response_control(&other), "{other:?}");
}

/// A name in lower case, and its value without quotes.
type Directive = (String, Option<String>);

/// The directives of a line that RFC 9111 §5.2 allows; `None` for any other line.
fn directives(line: &[u8]) -> Option<Vec<Directive>> {
    let mut rest = std::str::from_utf8(line).ok().filter(|line| line.is_ascii())?;
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(found);
        }
        let (name, after) = token(rest)?;
        let (value, after) = match after.strip_prefix('=') {
            Some(after) if after.starts_with('"') => quotation(after).map(|(text, after)| (Some(text), after))?,
            Some(after) => token(after).map(|(text, after)| (Some(text.to_owned()), after))?,
            None => (None, after),
        };
        found.push((name.to_ascii_lowercase(), value));
        rest = after.trim_start_matches([' ', '\t']);
        if !(rest.is_empty() || rest.starts_with(',')) {
            return None;
        }
    }
}

fn token(text: &str) -> Option<(&str, &str)> {
    let is_token = |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter);
    let end = text.find(|letter| !is_token(letter)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// From the opening quote on: what is quoted, and what follows.
fn quotation(text: &str) -> Option<(String, &str)> {
    let (mut inside, mut letters) = (String::new(), text.char_indices().skip(1));
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((inside, &text[at + 1..])),
            '\\' => inside.push(letters.next()?.1),
            _ => inside.push(letter),
        }
    }
    None
}

fn spelled((name, value): &Directive) -> Vec<u8> {
    let value = value.as_ref().map(|value| value.replace('\\', "\\\\").replace('"', "\\\""));
    value.map_or_else(|| name.clone(), |value| format!(" {name}=\"{value}\" ")).into_bytes()
}

/// What directives that are well formed mean.
fn well_formed(headers: &HeaderMap, all: &[Directive]) {
    let said = |name: &str| all.iter().any(|(known, _)| known == name);
    let values = |name: &str| -> Vec<Option<Duration>> {
        all.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_deref().map(seconds)).collect()
    };
    let (request, response) = (request_control(headers), response_control(headers));
    assert_eq!(response.no_store, said("no-store"));
    assert_eq!(response.no_cache, said("no-cache"));
    assert_eq!(response.private, said("private"));
    assert_eq!(response.public, said("public"));
    assert_eq!(response.must_revalidate, said("must-revalidate"));
    assert_eq!(response.proxy_revalidate, said("proxy-revalidate"));
    assert_eq!(request.no_store, said("no-store"));
    assert_eq!(request.only_if_cached, said("only-if-cached"));
    let zero = |value: Option<Duration>| value.unwrap_or_default();
    for (name, response) in [("max-age", response.max_age), ("s-maxage", response.s_maxage)] {
        let mut spoken: Vec<_> = values(name).into_iter().map(zero).collect();
        spoken.dedup();
        let agreed = if spoken.len() > 1 { Some(Duration::ZERO) } else { spoken.first().copied() };
        assert_eq!(response, agreed, "{name}");
    }
    assert_eq!(request.max_age, values("max-age").into_iter().map(zero).min());
    assert_eq!(request.min_fresh, values("min-fresh").into_iter().map(zero).max());
    assert_eq!(request.max_stale, values("max-stale").into_iter().map(|value| value.unwrap_or(Duration::MAX)).min());
    assert_eq!(response.stale_if_error, values("stale-if-error").into_iter().map(zero).min());
    assert_eq!(response.stale_while_revalidate, values("stale-while-revalidate").into_iter().map(zero).min());
    if !all.is_empty() {
        same(headers, all.iter().rev().map(spelled).collect());
        same(headers, vec![all.iter().map(spelled).collect::<Vec<_>>().join(&b", "[..])]);
    }
}

fn seconds(text: &str) -> Duration {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Duration::ZERO;
    }
    text.trim_start_matches('0')
        .parse()
        .map_or(if text.trim_start_matches('0').is_empty() { Duration::ZERO } else { LARGEST }, Duration::from_secs)
        .min(LARGEST)
}

/// One more word never makes the origin's word laxer.
fn stricter(headers: &HeaderMap) {
    let before = response_control(headers);
    let and = |word: &str| {
        let mut more = headers.clone();
        more.append(CACHE_CONTROL, HeaderValue::from_str(word).expect("a word"));
        response_control(&more)
    };
    assert_eq!(and("no-store"), ResponseControl { no_store: true, ..before });
    assert_eq!(and("private"), ResponseControl { private: true, ..before });
    assert_eq!(and("max-age=0"), ResponseControl { max_age: Some(Duration::ZERO), ..before });
    assert!(before.max_age.is_none_or(|age| and("max-age=99999999999999999999999").max_age <= Some(age)));
    assert!(before.stale_if_error.is_none_or(|age| and("stale-if-error=5").stale_if_error <= Some(age)));
}

fn bounded(headers: &HeaderMap) {
    let (request, response) = (request_control(headers), response_control(headers));
    let spoken = [request.max_age, request.min_fresh, response.max_age, response.s_maxage, response.stale_if_error];
    assert!(spoken.iter().flatten().chain(&response.stale_while_revalidate).all(|delta| *delta <= LARGEST));
    assert!(request.max_stale.is_none_or(|delta| delta <= LARGEST || delta == Duration::MAX));
    for now in [i64::MIN, -1, 0, 1_800_000_000_000, i64::MAX].map(Timestamp) {
        assert!(initial_age(headers, false, now) <= LARGEST);
        let age = initial_age(headers, true, now);
        assert!(age <= date(headers).map_or(LARGEST, |date| LARGEST.max(now.since(date))));
        let [shared, own] = [true, false].map(|shared| explicit_lifetime(&response, headers, shared, now));
        assert_eq!(shared.is_some(), own.is_some() || response.s_maxage.is_some());
    }
}

/// A quotation that does not end hides nothing.
fn quoted_badly(headers: &HeaderMap, control: &[&[u8]]) {
    let hidden = control.iter().any(|line| {
        let quotes = line.iter().filter(|byte| **byte == b'"').count();
        let says = |piece: &[u8]| piece.trim_ascii().eq_ignore_ascii_case(b"no-store");
        quotes == 1 && line.split(|byte| *byte == b',').any(says)
    });
    assert!(!hidden || response_control(headers).no_store && request_control(headers).no_store, "{headers:?}");
}

fn varies(headers: &HeaderMap) {
    let lines = headers.get_all("vary").iter().map(|line| line.to_str().ok());
    let all: Option<Vec<String>> = lines.map(|line| line.map(str::to_ascii_lowercase)).collect();
    let names = all.map(|all| all.join(",").split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>());
    let star = names.as_ref().is_none_or(|names| names.iter().any(|name| name == "*"));
    let found = vary_names(headers);
    assert_eq!(found.is_none(), star);
    for name in found.into_iter().flatten() {
        assert!(names.as_ref().is_some_and(|names| names.contains(&name)), "{name}");
    }
    for name in ["accept", "age", "x"] {
        let value = headers.get(name).map(|_| larder_core::record::vary_value(headers, name).unwrap());
        assert!(vary_matches(&[(name.to_owned(), value)], headers));
        assert!(!vary_matches(&[(name.to_owned(), Some("\u{100}".to_owned()))], headers));
    }
}

fn judged(plan: &Plan, headers: &HeaderMap) {
    let now = Timestamp(1_800_000_000_000);
    for status in [StatusCode::OK, StatusCode::UNAUTHORIZED, StatusCode::NOT_FOUND] {
        let HeadVerdict::Keep { lifetime, vary, .. } = judge_head(plan, status, headers, now) else { continue };
        let control = response_control(headers);
        assert!(!control.no_store && status != StatusCode::UNAUTHORIZED);
        assert!(!(control.private && matches!(plan.question.share, Share::Team | Share::Public)));
        assert!(vary.iter().all(|(name, _)| name != "*" && name != "authorization"));
        let heeded = plan.operation.is_none() || plan.lifetime.from_origin;
        assert!(!(heeded && control.no_cache) || lifetime.ttl.is_zero());
        let shared = !matches!(plan.question.share, Share::Credential(_));
        if let Some(explicit) = explicit_lifetime(&control, headers, shared, now).filter(|_| heeded) {
            assert!(lifetime.ttl <= explicit);
        }
    }
}
