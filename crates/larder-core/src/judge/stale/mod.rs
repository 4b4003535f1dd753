//! What a write makes stale, found without its body: operations where an adapter knows them, else the keys of its target
//! (RFC 9111 §4.4).
//!
//! Too much is only slower; too little is a wrong answer. So headers that steer some servers are taken at their word and
//! not: what they name is stale, and what the request line says is stale, too.

use super::{BodyView, Context, HttpRequest, guard, plain, request::stale_of};
use crate::{QueryKey, adapter::Adapter, secret::is_sure_credential_header};
use http::{HeaderMap, HeaderName, Method, Uri};

/// Operations of `adapter` whose answers a request may make stale, whatever its body says. `base`: the path of the
/// upstream's URL, before which a header that names another path may name it.
#[must_use]
pub fn stale_operations(adapter: &Adapter, request: &HttpRequest<'_>, base: &str) -> Vec<String> {
    let mut stale = Vec::new();
    for (path, query) in targets(request, base) {
        for method in &methods(request) {
            let target = HttpRequest { method, path: &path, query: query.as_deref(), ..*request };
            stale.extend(stale_of(adapter, &target));
        }
    }
    distinct(stale)
}

/// Keys of what a request to an upstream without an adapter makes stale: of its target, asked for with GET and HEAD, by
/// whoever has the write's credentials, some of them or none. No keys where it only reads; `None`: all that the service has, for
/// there are too many to name.
#[must_use]
pub fn stale_keys(
    service: &str,
    request: &HttpRequest<'_>,
    base: &str,
    context: &Context<'_>,
) -> Option<Vec<QueryKey>> {
    if methods(request).iter().all(Method::is_safe) {
        return Some(Vec::new());
    }
    let read = |method: &Method, (path, query): &Target, headers: &HeaderMap| {
        let read = HttpRequest { method, path, query: query.as_deref(), headers, body: BodyView::None };
        plain::plan(service, &read, context)
    };
    let all = guard::without_steering(request.headers);
    let callers = callers(&all, &plain::credential_headers(&all));
    let targets = targets(request, base);
    if targets.len() * callers.len() > MOST_READS {
        return None;
    }
    let mut stale = Vec::new();
    for target in targets {
        for headers in &callers {
            stale.extend([Method::GET, Method::HEAD].map(|method| read(&method, &target, headers).key));
        }
    }
    Some(distinct(stale))
}

/// How many targets, each asked for by one caller, are named.
const MOST_READS: usize = 256;

/// Of how many credentials every selection is tried.
const MOST: u32 = 6;

/// As whom the writer may have read: with every selection of the write's credentials, since a write carries some that no read does
/// (a token against forged requests, a login) and reads some that the write leaves out. Where there are too many of them: with all,
/// with each left out, with each alone, with none.
fn callers(all: &HeaderMap, credentials: &[HeaderName]) -> Vec<HeaderMap> {
    let only = |keep: &dyn Fn(usize) -> bool| {
        let is_kept = |name: &HeaderName| credentials.iter().position(|known| known == name).is_none_or(keep);
        let kept = all.iter().filter(|(name, _)| is_kept(name));
        kept.map(|(name, value)| (name.clone(), value.clone())).collect::<HeaderMap>()
    };
    let count = credentials.len();
    if let Some(selections) = u32::try_from(count).ok().filter(|count| *count <= MOST).map(|count| 1u32 << count) {
        return (0..selections).rev().map(|selection| only(&|at| selection >> at & 1 == 1)).collect();
    }
    let each = |act: &dyn Fn(usize) -> HeaderMap| (0..count).map(act).collect::<Vec<_>>();
    let sure = |at: usize| credentials.get(at).is_some_and(|name| is_sure_credential_header(name.as_str()));
    let few = vec![all.clone(), only(&sure), only(&|_| false)];
    [few, each(&|out| only(&|at| at != out)), each(&|alone| only(&|at| at == alone))].concat()
}

/// The request's method, and those that its headers name.
fn methods(request: &HttpRequest<'_>) -> Vec<Method> {
    let named = |name| request.headers.get_all(name).iter();
    let named = guard::METHOD_STEERING.into_iter().flat_map(named);
    let named = named.filter_map(|value| value.to_str().ok()?.trim().to_ascii_uppercase().parse().ok());
    distinct(std::iter::once(request.method.clone()).chain(named))
}

type Target = (String, Option<String>);

/// The request's target, and those that its headers name: below `base` or beside it, with a query of their own or the
/// request's.
fn targets(request: &HttpRequest<'_>, base: &str) -> Vec<Target> {
    let query = request.query.map(str::to_owned);
    let mut targets: Vec<_> = spellings(request.path).into_iter().map(|path| (path, query.clone())).collect();
    let named = guard::PATH_STEERING.into_iter().flat_map(|name| request.headers.get_all(name));
    for uri in named.filter_map(|value| value.to_str().ok()?.trim().parse::<Uri>().ok()) {
        let below = uri.path().strip_prefix(base.trim_end_matches('/'));
        for path in std::iter::once(uri.path()).chain(below) {
            let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
            for path in spellings(&path) {
                targets.push((path.clone(), uri.query().map(str::to_owned)));
                if uri.query().is_none() {
                    targets.push((path, query.clone()));
                }
            }
        }
    }
    distinct(targets)
}

/// The path as it was sent, as it is usually spelled, and as servers read it that mend what nobody should send.
fn spellings(path: &str) -> Vec<String> {
    let usual = usual(path);
    // An encoded `/` is a part of a segment to one server (a branch `feat/x`), to another it ends one.
    let opened = mended(&usual.replace("%2F", "/"));
    let mended = mended(&usual);
    let closed = (path.ends_with('/') && mended != "/").then(|| format!("{mended}/"));
    distinct([path.to_owned(), usual, mended, opened].into_iter().chain(closed))
}

/// The path without empty segments, dot segments (RFC 3986 §5.2.4), parameters of segments, and a `/` at its end.
fn mended(path: &str) -> String {
    let mut mended = Vec::new();
    for segment in path.split('/').map(|segment| segment.split(';').next().unwrap_or(segment)) {
        match segment {
            "" | "." => {}
            ".." => drop(mended.pop()),
            segment => mended.push(segment),
        }
    }
    format!("/{}", mended.join("/"))
}

/// What need not be encoded in a segment (RFC 3986 §3.3), `;` aside: some programs write `me%40h`, others `me@h`.
const OPEN: &[u8] = b"-._~!$&'()*+,=:@";

/// The path as it is usually spelled: no letter, digit or [`OPEN`] byte encoded, other bytes in capitals (RFC 3986 §6.2.2).
fn usual(path: &str) -> String {
    let mut usual = String::with_capacity(path.len());
    let mut pieces = path.split('%');
    usual.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let byte = piece.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (byte, piece.get(2..)) {
            (Some(byte), Some(rest)) if byte.is_ascii_alphanumeric() || OPEN.contains(&byte) => {
                usual.push(char::from(byte));
                usual.push_str(rest);
            }
            (Some(byte), Some(rest)) => usual.push_str(&format!("%{byte:02X}{rest}")),
            _ => usual.push_str(&format!("%{piece}")),
        }
    }
    usual
}

/// In their order, each once.
pub(super) fn distinct<T: PartialEq>(all: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut distinct = Vec::new();
    for item in all {
        if !distinct.contains(&item) {
            distinct.push(item);
        }
    }
    distinct
}

#[cfg(test)]
mod tests;
