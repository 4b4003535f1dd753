//! What the gateway says of its answers: `Age` (RFC 9111 §5.1) and `Cache-Status` (RFC 9211).

use super::{Reply, headers, recognise::Head};
use crate::net::{self, BoxError};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use larder::{
    Answer,
    cache::{AnswerBody, How},
};
use std::fmt::Write as _;

/// [`word`] for a fresh answer from the store.
pub(super) const HIT: &str = "hit";

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// The engine's answer to the question `key` as a response to the request `head`.
pub(super) fn reply(answer: Answer, key: &str, head: &Head) -> Reply {
    let status = cache_status(&answer, key);
    let not_modified = answer.status == StatusCode::OK
        && matches!(head.method, Method::GET | Method::HEAD)
        && headers::is_not_modified(&head.headers, &answer.headers);
    let mut reply = Reply::new(match answer.body {
        AnswerBody::Whole(_) if not_modified || head.method == Method::HEAD => net::empty(),
        AnswerBody::Stream(pieces) if not_modified || head.method == Method::HEAD => {
            // The client does not want the bytes, the store does: somebody has to listen for them.
            tokio::spawn(pieces.for_each(|_| std::future::ready(())));
            net::empty()
        }
        AnswerBody::Whole(bytes) => net::whole(bytes),
        AnswerBody::Stream(pieces) => {
            StreamBody::new(pieces.map_ok(Frame::data).map_err(BoxError::from)).boxed_unsync()
        }
    });
    *reply.headers_mut() = answer.headers;
    *reply.status_mut() = answer.status;
    if not_modified {
        *reply.status_mut() = StatusCode::NOT_MODIFIED;
        reply.headers_mut().remove(header::CONTENT_LENGTH);
    }
    if let Some(age) = answer.age {
        reply.headers_mut().insert(header::AGE, age.as_secs().into());
    }
    append(reply.headers_mut(), status);
    reply
}

/// Says that the cache was not asked, and why.
pub(super) fn bypassed(headers: &mut HeaderMap, detail: &str) {
    append(headers, format!("larder; fwd=bypass; detail={}", quoted(detail)));
}

/// How an answer came about, for the log's line.
pub(super) fn word(how: &How) -> &'static str {
    match how {
        How::Hit { .. } => HIT,
        How::Stale { .. } | How::StaleOnError { .. } => "stale",
        How::Miss { .. } => "miss",
        How::Collapsed => "collapsed",
        How::Revalidated => "revalidated",
    }
}

/// The caches before this one have spoken already: the nearest to the client comes last (RFC 9211 §2).
fn append(headers: &mut HeaderMap, status: String) {
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(status)) {
        headers.append(CACHE_STATUS, value);
    }
}

fn cache_status(answer: &Answer, key: &str) -> String {
    // Long enough for a hit.
    let mut text = String::with_capacity(160);
    text.push_str("larder; ");
    // Writing to a string does not fail.
    let _ = match &answer.how {
        How::Hit { .. } | How::Stale { .. } => text.write_str("hit"),
        How::StaleOnError { status: Some(status), .. } => write!(text, "fwd=stale; fwd-status={}", status.as_u16()),
        How::StaleOnError { status: None, .. } => write!(text, "fwd=stale"),
        How::Miss { forward } => write!(text, "fwd={forward}; fwd-status={}", answer.status.as_u16()),
        How::Collapsed => write!(text, "fwd=uri-miss; collapsed"),
        How::Revalidated => write!(text, "fwd=stale; fwd-status=304"),
    };
    if let Some(ttl) = answer.ttl_s.filter(|_| !matches!(answer.how, How::Miss { .. } | How::Collapsed)) {
        let _ = write!(text, "; ttl={ttl}");
    }
    if answer.stored && matches!(answer.how, How::Miss { .. }) {
        text.push_str("; stored");
    }
    let detail = match answer.how {
        How::StaleOnError { status: None, .. } => "\"the upstream gave no answer\"",
        How::Hit { tier } | How::Stale { tier } | How::StaleOnError { tier, .. } => tier,
        How::Miss { .. } | How::Collapsed | How::Revalidated => "",
    };
    let lead = if detail.is_empty() { "" } else { "; detail=" };
    text.extend(["; key=\"", key, "\"", lead, detail]);
    text
}

/// An sf-string (RFC 8941 §3.3.3): printable ASCII, `"` and `\` escaped.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            ' '..='~' => out.push(character),
            _ => out.push('?'),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(how: How, ttl_s: Option<i64>, stored: bool) -> String {
        let (headers, body) = (HeaderMap::new(), AnswerBody::Whole("".into()));
        let answer = Answer { how, status: StatusCode::OK, headers, age: None, ttl_s, stored, body };
        cache_status(&answer, "K")
    }

    #[test]
    fn cache_status_follows_rfc_9211() {
        for (how, ttl, stored, expected) in [
            (How::Hit { tier: "memory" }, Some(376), true, r#"larder; hit; ttl=376; key="K"; detail=memory"#),
            (How::Stale { tier: "disk" }, Some(-3), true, r#"larder; hit; ttl=-3; key="K"; detail=disk"#),
            (
                How::StaleOnError { tier: "disk", status: Some(StatusCode::SERVICE_UNAVAILABLE) },
                Some(-3),
                true,
                r#"larder; fwd=stale; fwd-status=503; ttl=-3; key="K"; detail=disk"#,
            ),
            (
                How::StaleOnError { tier: "disk", status: None },
                Some(-3),
                true,
                r#"larder; fwd=stale; ttl=-3; key="K"; detail="the upstream gave no answer""#,
            ),
            (
                How::Miss { forward: "uri-miss" },
                Some(1800),
                true,
                r#"larder; fwd=uri-miss; fwd-status=200; stored; key="K""#,
            ),
            (How::Miss { forward: "request" }, None, false, r#"larder; fwd=request; fwd-status=200; key="K""#),
            (How::Collapsed, None, true, r#"larder; fwd=uri-miss; collapsed; key="K""#),
            (How::Revalidated, Some(60), true, r#"larder; fwd=stale; fwd-status=304; ttl=60; key="K""#),
        ] {
            assert_eq!(status(how, ttl, stored), expected);
        }
    }

    #[test]
    fn details_are_structured_strings() {
        let mut headers = HeaderMap::from_iter([(CACHE_STATUS, HeaderValue::from_static("edge; hit"))]);
        bypassed(&mut headers, "a \"b\" \\ ü\n");
        let all: Vec<_> = headers.get_all(CACHE_STATUS).iter().collect();
        assert_eq!(all, ["edge; hit", r#"larder; fwd=bypass; detail="a \"b\" \\ ??""#]);
    }
}
