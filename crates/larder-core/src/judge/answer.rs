//! The beginning of an origin's answer.

use super::{HeadVerdict, Lifetime, Plan};
use crate::{
    Share, Timestamp,
    freshness::{ResponseControl, explicit_lifetime, initial_age, response_control, vary_names},
    record::vary_value,
    scan::{hands_out_secret, holds_secret},
    secret::{is_credential_header, is_issued_header, is_sure_credential_header},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::time::Duration;

/// Statuses that a plain GET or HEAD is kept with, given an explicit lifetime (RFC 9110 §15.1 without the partial and
/// the failed ones).
const PLAIN_STATUS: [u16; 10] = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414];
/// Hop-by-hop headers (RFC 9110 §7.6.1), besides those that `Connection` names.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Judges the beginning of an answer.
///
/// With an operation and `freshness = "rule"`, `no-store` from either side refuses, else the rule's ttl decides. With
/// `freshness = "origin"` the origin's word comes first and the ttl fills its silence. Without an operation only an
/// explicit lifetime is believed.
#[must_use]
pub fn judge_head(plan: &Plan, status: StatusCode, headers: &HeaderMap, now: Timestamp) -> HeadVerdict {
    let control = response_control(headers);
    let refusal = [
        refused_status(plan, status),
        refused_form(headers),
        refused_secret(headers),
        refused_by_origin(plan, &control),
        refused_by_share(plan, &control, headers),
    ];
    if let Some(reason) = refusal.into_iter().flatten().next() {
        return HeadVerdict::Refuse(reason);
    }
    let vary = match vary_pairs(plan, headers) {
        Ok(vary) => vary,
        Err(reason) => return HeadVerdict::Refuse(reason),
    };
    match lifetime(plan, &control, headers, now) {
        Some(lifetime) if lifetime.is_any() || has_validator(headers) => {
            HeadVerdict::Keep { lifetime, initial_age: initial_age(headers, heeds_origin(plan), now), vary }
        }
        Some(_) => HeadVerdict::Refuse("its lifetime is zero and it has no validator".to_owned()),
        None => HeadVerdict::Refuse("the origin names no lifetime".to_owned()),
    }
}

/// The headers of an answer as they are stored: in order, without hop-by-hop ones (RFC 9110 §7.6.1 and those that
/// `Connection` names), `set-cookie` and `age`; where others are given the answer, too, without those that speak of the
/// account that asked.
#[must_use]
pub fn stored_headers(headers: &HeaderMap, share: &Share) -> Vec<(String, serde_bytes::ByteBuf)> {
    let kept =
        end_to_end(headers).into_iter().filter(|(name, _)| *name != header::AGE && !is_of_the_asker(name, share));
    kept.map(|(name, value)| (name.as_str().to_owned(), serde_bytes::ByteBuf::from(value.as_bytes()))).collect()
}

/// Ends of the names of headers that say for which account an answer is (`x-organization-id`).
const OF_THE_ACCOUNT: [&str; 5] = ["-organization", "-organization-id", "-project", "-project-id", "-account-id"];

/// Words of the names of headers that say how much it may still ask.
const ALLOWANCE: [&str; 2] = ["ratelimit", "rate-limit"];

/// Whether a header is only for the one who asked: cookies, and, where accounts share answers, the account's name and what
/// is left of its allowance.
#[must_use]
pub fn is_of_the_asker(name: &HeaderName, share: &Share) -> bool {
    let name = name.as_str();
    match name {
        "set-cookie" | "set-cookie2" => true,
        _ if !matches!(share, Share::Team | Share::Public) => false,
        _ => OF_THE_ACCOUNT.iter().any(|end| name.ends_with(end)) || ALLOWANCE.iter().any(|word| name.contains(word)),
    }
}

/// The headers of an answer that are meant for the client, in order: hop-by-hop ones left out.
#[must_use]
pub fn end_to_end(headers: &HeaderMap) -> Vec<(&HeaderName, &http::HeaderValue)> {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|line| String::from_utf8_lossy(line.as_bytes()).split(',').map(clean).collect::<Vec<_>>())
        .collect();
    let hop =
        |name: &HeaderName| HOP_BY_HOP.contains(&name.as_str()) || named.iter().any(|other| other == name.as_str());
    headers.iter().filter(|(name, _)| !hop(name)).collect()
}

/// Whether an answer can be revalidated (RFC 9111 §4.3.1).
#[must_use]
pub fn has_validator(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ETAG) || headers.contains_key(header::LAST_MODIFIED)
}

impl Lifetime {
    /// Whether an answer with these lifetimes can be served at all without asking again.
    fn is_any(&self) -> bool {
        self.ttl + self.stale_while_revalidate + self.stale_if_error > Duration::ZERO
    }
}

fn clean(name: &str) -> String {
    name.trim().to_ascii_lowercase()
}

/// Whether the origin's `Cache-Control` decides about freshness.
fn heeds_origin(plan: &Plan) -> bool {
    plan.operation.is_none() || plan.lifetime.from_origin
}

/// Only a credential's own share makes larder a private cache (see `freshness`).
fn is_shared(plan: &Plan) -> bool {
    !matches!(plan.question.share, Share::Credential(_))
}

fn refused_status(plan: &Plan, status: StatusCode) -> Option<String> {
    let code = status.as_u16();
    // A stored 401 or 429 replayed for a day is the classic of this field; 206 is a part, 304 says nothing by itself.
    let never = matches!(code, 100..200 | 206 | 304 | 401 | 403 | 407 | 429 | 500..);
    let kept = match plan.operation.as_deref() {
        None => PLAIN_STATUS.contains(&code),
        Some(operation) if operation.answer.keep_status.is_empty() => code == 200,
        Some(operation) => operation.answer.keep_status.contains(&code),
    };
    (never || !kept).then(|| format!("the status is `{code}`"))
}

/// Encodings are not variants yet: larder asked for `identity`, and another encoding must not reach another client.
fn refused_form(headers: &HeaderMap) -> Option<String> {
    let encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    let encoded = encodings
        .map(|value| value.as_bytes().trim_ascii())
        .find(|value| !value.is_empty() && !value.eq_ignore_ascii_case(b"identity"))?;
    Some(format!("the content encoding is `{}`", encoded.escape_ascii()))
}

/// An answer that hands out a credential in its head: without that header it would be another answer, and with it a
/// secret would lie on the disk.
fn refused_secret(headers: &HeaderMap) -> Option<String> {
    let issued = headers.keys().find(|name| is_issued_header(name.as_str()));
    // Cookies have a rule of their own.
    let others = headers.iter().filter(|(name, _)| *name != header::SET_COOKIE);
    let says = |name: &HeaderName, value: &HeaderValue| {
        hands_out_secret(name.as_str(), &String::from_utf8_lossy(value.as_bytes()))
    };
    let leads = others.into_iter().find(|(name, value)| says(name, value));
    let name = issued.or_else(|| leads.map(|(name, _)| name))?;
    Some(format!("its header `{name}` holds a credential"))
}

fn refused_by_origin(plan: &Plan, control: &ResponseControl) -> Option<String> {
    if plan.control.no_store {
        return Some("the client said `no-store`".to_owned());
    }
    control.no_store.then(|| "the origin said `no-store`".to_owned())
}

/// `private` forbids anything wider than a credential that is one beyond doubt. An anonymous caller is told apart from
/// others by nothing that larder sees, so that an operation whose rule decides may keep it; the origin's own word would
/// forbid it.
fn refused_by_share(plan: &Plan, control: &ResponseControl, headers: &HeaderMap) -> Option<String> {
    let wide = matches!(plan.question.share, Share::Team | Share::Public);
    let private = wide || ((is_shared(plan) || !is_told_apart(plan)) && heeds_origin(plan));
    if control.private && private {
        return Some("the origin said `private`".to_owned());
    }
    if plan.operation.is_none() && headers.contains_key(header::SET_COOKIE) && !control.public {
        return Some("it sets a cookie".to_owned());
    }
    // RFC 9111 §3.5: a shared cache keeps the answer to a credential only where the origin allows it.
    let allowed = control.public || control.must_revalidate || control.s_maxage.is_some();
    let needs_leave = plan.operation.is_none() && is_shared(plan) && plan.credential.is_some();
    (needs_leave && !allowed).then(|| "the request carried a credential and the origin did not say `public`".to_owned())
}

/// Whether a header tells callers apart that is a credential beyond doubt. A parameter called `key`, a header that only
/// looks like one, or a cookie (`lang=en`) may be everybody's, and who is asking may be said elsewhere.
fn is_told_apart(plan: &Plan) -> bool {
    plan.credential_headers.iter().any(|name| *name != header::COOKIE && is_sure_credential_header(name.as_str()))
}

/// `Vary`'s names with this request's values. `accept-encoding` is left out, since only `identity` is kept; credentials
/// are left out, since they are in the share: where the share is wider than they, the answer is refused.
fn vary_pairs(plan: &Plan, headers: &HeaderMap) -> Result<Vec<(String, Option<String>)>, String> {
    let names = vary_names(headers).ok_or("the origin said `Vary: *`")?;
    let mut pairs = Vec::new();
    for name in names {
        if is_credential(plan, &name) {
            if matches!(plan.question.share, Share::Team | Share::Public) {
                return Err(format!("it varies with the credential in `{name}`"));
            }
        } else if name != "accept-encoding" {
            let value = vary_value(&plan.want.headers, &name);
            if value.as_deref().is_some_and(holds_secret) {
                return Err(format!("it varies with `{name}`, in which the client sent a credential"));
            }
            pairs.push((name, value));
        }
    }
    Ok(pairs)
}

/// By the one list, or by the adapter's own: what the plan left out of the key as a credential.
fn is_credential(plan: &Plan, name: &str) -> bool {
    is_credential_header(name) || plan.credential_headers.iter().any(|left_out| left_out == name)
}

/// `None`: a plain answer whose origin names no lifetime.
fn lifetime(plan: &Plan, control: &ResponseControl, headers: &HeaderMap, now: Timestamp) -> Option<Lifetime> {
    if !heeds_origin(plan) {
        return Some(plan.lifetime);
    }
    let shared = is_shared(plan);
    let explicit = explicit_lifetime(control, headers, shared, now);
    let (explicit, must_ask) = if control.no_cache { (Some(Duration::ZERO), true) } else { (explicit, false) };
    let ttl = explicit.or_else(|| plan.operation.as_ref().map(|_| plan.lifetime.ttl))?;
    // RFC 9111 §5.2.2.2, §5.2.2.8 and §5.2.2.10: these forbid serving it stale.
    let never_stale =
        must_ask || control.must_revalidate || (shared && (control.proxy_revalidate || control.s_maxage.is_some()));
    let stale =
        |spoken: Option<Duration>, rule: Duration| if never_stale { Duration::ZERO } else { spoken.unwrap_or(rule) };
    Some(Lifetime {
        ttl,
        stale_while_revalidate: stale(control.stale_while_revalidate, plan.lifetime.stale_while_revalidate),
        stale_if_error: stale(control.stale_if_error, plan.lifetime.stale_if_error),
        from_origin: plan.lifetime.from_origin,
    })
}
