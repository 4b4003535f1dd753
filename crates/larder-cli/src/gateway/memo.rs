//! What the judge said of requests that were answered from the store, for those that come again byte for byte.
//!
//! Judging depends on nothing but the request and what the gateway was started with, so that equal requests have equal
//! plans. Equal means every byte of method, path, query, headers and body: a hash only says where to look. What is
//! remembered holds credentials; it is wiped when it is forgotten.

use super::{gather::Gathered, recognise::Head, said::Said};
use foldhash::fast::RandomState;
use larder_core::{judge::Plan, secret::Secret};
use std::{
    hash::{BuildHasher as _, Hasher as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How many are remembered; whoever comes to a place that is taken takes it over.
const PLACES: usize = 128;
/// Larger requests are judged each time, bytes.
const LARGEST: usize = 32 << 10;

/// The plans of requests that were answered from the store.
pub(crate) struct Memo {
    hashes: RandomState,
    places: Box<[Mutex<Option<Known>>]>,
}

struct Known {
    hash: u64,
    request: Secret,
    judged: Judged,
}

/// What the judge said of a request that is a question. Cheap to clone.
#[derive(Clone)]
pub(super) struct Judged {
    /// All of it.
    pub(super) plan: Arc<Plan>,
    /// The question's key, as text: every answer says it.
    pub(super) key: Arc<str>,
    /// What was said last.
    pub(super) said: Arc<Said>,
}

impl From<Box<Plan>> for Judged {
    fn from(plan: Box<Plan>) -> Self {
        Self { key: plan.key.to_string().into(), said: Arc::default(), plan: plan.into() }
    }
}

/// A request that is not known yet, and where it belongs.
pub(super) struct Unknown(u64);

impl Memo {
    /// One that knows nothing.
    pub(crate) fn new() -> Self {
        Self { hashes: RandomState::default(), places: (0..PLACES).map(|_| Mutex::new(None)).collect() }
    }

    /// What was said of this very request.
    pub(super) fn find(&self, head: &Head, body: &Gathered) -> Result<Judged, Option<Unknown>> {
        let Some(body) = within_reach(body) else { return Err(None) };
        let mut hasher = self.hashes.build_hasher();
        let mut len = 0;
        each_piece(head, body, |piece| {
            hasher.write(piece);
            len += piece.len();
        });
        let hash = hasher.finish();
        if len > LARGEST {
            return Err(None);
        }
        let place = self.place(hash).ok_or(None)?;
        match &*place {
            Some(known) if known.hash == hash && is_same(known.request.expose(), head, body) => {
                Ok(known.judged.clone())
            }
            _ => Err(Some(Unknown(hash))),
        }
    }

    /// Remembers what the judge said of a request that [`Self::find`] did not know.
    pub(super) fn keep(&self, unknown: &Unknown, head: &Head, body: &Gathered, judged: Judged) {
        let Some(body) = within_reach(body) else { return };
        let mut len = 0;
        each_piece(head, body, |piece| len += piece.len());
        // In one piece from the beginning: growing would leave unwiped copies behind.
        let mut request = Vec::with_capacity(len);
        each_piece(head, body, |piece| request.extend_from_slice(piece));
        if let Some(mut place) = self.place(unknown.0) {
            *place = Some(Known { hash: unknown.0, request: Secret::new(request), judged });
        }
    }

    fn place(&self, hash: u64) -> Option<MutexGuard<'_, Option<Known>>> {
        let at = usize::try_from(hash % PLACES as u64).unwrap_or_default();
        Some(self.places.get(at)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// `None`: the body is on disk. No body and one of no bytes are told apart, as the judge may.
fn within_reach(body: &Gathered) -> Option<Option<&[u8]>> {
    match body {
        Gathered::None => Some(None),
        Gathered::Memory(bytes) => Some(Some(bytes)),
        Gathered::Disk(_) => None,
    }
}

/// Everything that the judge sees of a request, each text behind its length, so that no two requests have one row of
/// pieces.
fn each_piece(head: &Head, body: Option<&[u8]>, mut visit: impl FnMut(&[u8])) {
    let mut text = |text: Option<&[u8]>| {
        visit(&text.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
        visit(text.unwrap_or_default());
    };
    text(Some(head.service.name.as_bytes()));
    text(Some(head.method.as_str().as_bytes()));
    text(Some(head.path.as_bytes()));
    text(head.query.as_deref().map(str::as_bytes));
    for (name, value) in &head.headers {
        text(Some(name.as_str().as_bytes()));
        text(Some(value.as_bytes()));
    }
    // The end of the headers: no name is absent.
    text(None);
    text(body);
}

fn is_same(known: &[u8], head: &Head, body: Option<&[u8]>) -> bool {
    let mut rest = Some(known);
    each_piece(head, body, |piece| rest = rest.and_then(|rest| rest.strip_prefix(piece)));
    rest.is_some_and(<[u8]>::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Service;
    use http::{HeaderMap, HeaderName, Method};
    use larder_core::judge::{BodyView, Context, HttpRequest, Verdict, judge_plain};

    fn head(method: Method, path: &str, query: Option<&str>, headers: &[(&'static str, &str)]) -> Head {
        let lines = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(name, value);
        }
        Head {
            service: Service::plain("a", "http://h"),
            method,
            path: path.to_owned(),
            query: query.map(str::to_owned),
            headers: map,
            chunked: false,
        }
    }

    fn judge() -> Judged {
        let headers = HeaderMap::new();
        let body = BodyView::None;
        let request = HttpRequest { method: &Method::GET, path: "/", query: None, headers: &headers, body };
        let context = Context { secret: &Secret::new("s"), share: Default::default(), origin: None };
        match judge_plain("a", &request, &context) {
            Verdict::Keep(plan) => plan.into(),
            Verdict::Pass(pass) => panic!("{pass:?}"),
        }
    }

    fn memory(text: &'static str) -> Gathered {
        Gathered::Memory(text.into())
    }

    #[test]
    fn what_comes_again_is_known_and_nothing_else() {
        let requests = || {
            let get = |path, query, headers: &[_]| head(Method::GET, path, query, headers);
            let service = Head { service: Service::plain("b", "http://h"), ..get("/x", None, &[]) };
            [
                (get("/x", None, &[]), Gathered::None),
                (get("/x", None, &[]), memory("")),
                (get("/x", None, &[]), memory("1")),
                (get("/x", Some(""), &[]), Gathered::None),
                (get("/x", Some("q"), &[]), Gathered::None),
                (get("/xq", None, &[]), Gathered::None),
                (head(Method::HEAD, "/x", None, &[]), Gathered::None),
                (service, Gathered::None),
                (get("/x", None, &[("a", "bc")]), Gathered::None),
                (get("/x", None, &[("ab", "c")]), Gathered::None),
                (get("/x", None, &[("a", "b"), ("a", "c")]), Gathered::None),
                (get("/x", None, &[("a", "c"), ("a", "b")]), Gathered::None),
                (get("/x", None, &[("authorization", "Bearer one")]), Gathered::None),
                (get("/x", None, &[("authorization", "Bearer two")]), Gathered::None),
            ]
        };
        let judged: Vec<_> = requests().iter().map(|_| judge()).collect();
        let rows: Vec<_> = requests()
            .iter()
            .map(|(head, body)| {
                let mut row = Vec::new();
                each_piece(head, within_reach(body).unwrap(), |piece| row.extend_from_slice(piece));
                row
            })
            .collect();
        for (place, row) in rows.iter().enumerate() {
            for (other, (head, body)) in requests().iter().enumerate() {
                assert_eq!(is_same(row, head, within_reach(body).unwrap()), place == other, "{place} {other}");
            }
        }
        let memo = Memo::new();
        for ((head, body), judged) in requests().iter().zip(&judged) {
            let Err(Some(unknown)) = memo.find(head, body) else { panic!("known before it was kept") };
            memo.keep(&unknown, head, body, judged.clone());
            assert!(memo.find(head, body).is_ok_and(|found| Arc::ptr_eq(&found.plan, &judged.plan)));
        }
        for ((head, body), judged) in requests().iter().zip(&judged) {
            // Another one may have taken its place; nobody is given another one's plan.
            assert!(memo.find(head, body).map_or(true, |found| Arc::ptr_eq(&found.plan, &judged.plan)));
        }
    }

    #[test]
    fn equal_hashes_are_not_equal_requests() {
        let memo = Memo::new();
        let one = head(Method::GET, "/one", None, &[("authorization", "Bearer one")]);
        let Err(Some(unknown)) = memo.find(&one, &Gathered::None) else { panic!("known") };
        let other = head(Method::GET, "/other", None, &[("authorization", "Bearer two")]);
        // As if `other` had the hash of `one`.
        memo.keep(&Unknown(unknown.0), &other, &Gathered::None, judge());
        assert!(memo.find(&one, &Gathered::None).is_err());
    }

    #[test]
    fn large_requests_are_not_held() {
        let (memo, head) = (Memo::new(), head(Method::POST, "/x", None, &[]));
        assert!(matches!(memo.find(&head, &Gathered::Memory(vec![0; LARGEST].into())), Err(None)));
        assert!(matches!(memo.find(&head, &memory("small")), Err(Some(_))));
    }
}
