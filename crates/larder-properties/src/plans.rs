//! Plans to judge answers with.

use larder_core::{
    Question, Registry, Share, Variant,
    adapter::Operation,
    freshness::RequestControl,
    json::Object,
    judge::{Lifetime, Plan},
    record::Want,
    share::CredentialDigest,
};
use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

/// A plan for every built-in operation whose streams may be kept.
pub(crate) static STREAMED: LazyLock<Vec<Plan>> = LazyLock::new(|| {
    let streams = operations().into_iter().filter(|operation| operation.answer.stream.is_some());
    streams.map(|operation| plan(Some(operation), Share::Team)).collect()
});

/// Plans that between them heed everything that an origin may say: without an operation, and with operations of either
/// kind of freshness, for every kind of share.
pub(crate) static HEEDING: LazyLock<Vec<Plan>> = LazyLock::new(|| {
    let all = operations();
    let of =
        |from_origin| all.iter().find(|operation| operation.from_origin == from_origin && operation.http.is_some());
    let shares =
        [Share::Team, Share::Public, Share::Anonymous, Share::Credential(CredentialDigest::from_mac(&[7; 32]))];
    let kinds = [None, of(true).cloned(), of(false).cloned()];
    shares.iter().flat_map(|share| kinds.iter().map(|kind| plan(kind.clone(), share.clone()))).collect()
});

fn operations() -> Vec<Arc<Operation>> {
    let registry = Registry::builtin().expect("the built-in adapters");
    registry.iter().flat_map(|adapter| adapter.operations.clone()).filter(|operation| !operation.write).collect()
}

fn plan(operation: Option<Arc<Operation>>, share: Share) -> Plan {
    let question = Question {
        service: "service".to_owned(),
        operation: "operation".to_owned(),
        params: Object::default(),
        origin: None,
        path: None,
        query: None,
        headers: None,
        body: None,
        share,
    };
    let key = question.key();
    let rule = operation.as_deref();
    let ttl = if rule.is_some() { Duration::from_secs(600) } else { Duration::ZERO };
    Plan {
        key,
        want: Want { variant: Variant::default(), ..Want::plain(key) },
        credential: match &question.share {
            Share::Credential(digest) => Some(digest.clone()),
            _ => None,
        },
        question,
        lifetime: Lifetime {
            ttl,
            from_origin: rule.is_none_or(|operation| operation.from_origin),
            stale_while_revalidate: rule.map_or(Duration::ZERO, |operation| operation.stale_while_revalidate),
            stale_if_error: rule.map_or(Duration::ZERO, |operation| operation.stale_if_error),
        },
        operation,
        control: RequestControl::default(),
        credential_headers: Vec::new(),
        ignored: Vec::new(),
        finish: false,
    }
}
