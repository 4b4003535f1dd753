//! Calls by name, from the library and the command line.

use super::{
    CallError, Context, Plan,
    parts::{self, Parts},
};
use crate::{
    Share,
    adapter::{Adapter, Operation},
    freshness::RequestControl,
    json::Object,
};
use http::HeaderMap;
use std::time::Duration;

/// A library or command-line question: `get SERVICE OPERATION name=value …`. Errors are sentences with a hint.
/// `share` overrides the share that the parameters give (anonymous, unless a credential is among them).
///
/// The same members through the gateway make the same key: whatever the rule ignores or puts into the variant is left out
/// here too.
pub fn judge_call(
    adapter: &Adapter,
    operation: &str,
    params: Object,
    share: Option<Share>,
    context: &Context<'_>,
) -> Result<Plan, CallError> {
    let operation = adapter.operation(operation).ok_or_else(|| unknown(adapter, operation))?;
    if operation.write {
        let hint = "only operations that read have answers to keep".to_owned();
        return Err(CallError { what: format!("`{}` writes", operation.name), hint: Some(hint) });
    }
    let (parts, ttl) = open(adapter, operation, params)?;
    let control = RequestControl::default();
    Ok(parts.with_share(share).plan(&adapter.name, operation, &Object::default(), ttl, control, context))
}

fn open(adapter: &Adapter, operation: &Operation, params: Object) -> Result<(Parts, Duration), CallError> {
    let (headers, none) = (HeaderMap::new(), Object::default());
    let (Some(http), Some(rule)) = (&adapter.http, &operation.http) else {
        return Ok((Parts::new(params, none, None, &headers), operation.ttl.otherwise));
    };
    let asked = parts::asked_by_name(&params, &headers, rule, &none);
    if let Some(condition) =
        rule.pass_when.iter().find(|condition| !condition.is_about_headers() && condition.holds(&asked))
    {
        let what = format!("`{}` keeps no answer to this: {condition}", operation.name);
        return Err(CallError { what, hint: Some("its rule passes such requests through".to_owned()) });
    }
    let ttl = operation.ttl.of(&asked);
    Ok((Parts::of_call(http, rule, params), ttl))
}

fn unknown(adapter: &Adapter, operation: &str) -> CallError {
    let known: Vec<_> =
        adapter.operations.iter().filter(|known| !known.write).map(|known| format!("`{}`", known.name)).collect();
    CallError {
        what: format!("`{}` has no operation `{operation}`", adapter.name),
        hint: Some(format!("its operations are {}", known.join(", "))),
    }
}
