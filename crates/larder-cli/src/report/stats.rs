//! The statistics as one document: `larder stats --json` and `/-/stats` (schema `larder.stats/1`).

use larder::{
    Cache, Error,
    stats::{Counters, Statistics},
    tier::Usage,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Everything counted, in all processes that share the store. Numbers are counts since the store began, but for
/// `hit_rate` (0–1), sizes (now) and `max_…` (0: no limit).
pub(crate) fn stats_document(cache: &Cache) -> Result<Value, Error> {
    Ok(document(&cache.statistics()?, cache.usage()))
}

/// The same of one service alone: `total` is its own, and says nothing of how full the store is.
pub(crate) fn stats_document_of(cache: &Cache, service: &str) -> Result<Value, Error> {
    Ok(document_of(cache.statistics()?, service))
}

fn document_of(mut statistics: Statistics, service: &str) -> Value {
    statistics.operations.retain(|(name, _), _| name == service);
    statistics.index.retain(|(name, _), _| name == service);
    let mut document = document(&statistics, Usage::default());
    let total = document.get_mut("total").and_then(Value::as_object_mut);
    if let Some(total) = total {
        total.retain(|name, _| !["max_cache_size", "cache_bytes", "max_cache_bytes"].contains(&name.as_str()));
        total.insert("cache_size".into(), statistics.index.values().sum::<u64>().into());
    }
    document
}

fn document(statistics: &Statistics, usage: Usage) -> Value {
    let mut total = counters(&sum(statistics.operations.values()));
    total.insert("cache_size".into(), entries(statistics).into());
    total.insert("max_cache_size".into(), usage.max_entries.into());
    total.insert("cache_bytes".into(), usage.bytes.into());
    total.insert("max_cache_bytes".into(), usage.max_bytes.into());
    let services: Map<String, Value> =
        by_service(statistics).into_iter().map(|(name, operations)| (name.to_owned(), service(&operations))).collect();
    json!({"schema": "larder.stats/1", "total": total, "services": services, "index": index(statistics)})
}

/// Live entries: the sum over the services. Rows that are past their time are still on disk, and in nobody's answer.
pub(super) fn entries(statistics: &Statistics) -> u64 {
    statistics.index.values().sum()
}

type Operations<'a> = BTreeMap<&'a str, (Counters, u64)>;

/// Counters and live entries of each operation; either may be there without the other.
fn by_service(statistics: &Statistics) -> BTreeMap<&str, Operations<'_>> {
    let mut services: BTreeMap<&str, Operations<'_>> = BTreeMap::new();
    for ((service, operation), counted) in &statistics.operations {
        services.entry(service).or_default().entry(operation).or_default().0 = *counted;
    }
    for ((service, operation), entries) in &statistics.index {
        services.entry(service).or_default().entry(operation).or_default().1 = *entries;
    }
    services
}

fn service(operations: &Operations<'_>) -> Value {
    let of_one = |counted: &Counters, entries: u64| {
        let mut members = counters(counted);
        members.insert("cache_size".into(), entries.into());
        members
    };
    let mut members = of_one(
        &sum(operations.values().map(|(counted, _)| counted)),
        operations.values().map(|(_, entries)| entries).sum(),
    );
    let operations: Map<String, Value> = operations
        .iter()
        .map(|(name, (counted, entries))| ((*name).to_owned(), of_one(counted, *entries).into()))
        .collect();
    members.insert("operations".into(), operations.into());
    members.into()
}

fn index(statistics: &Statistics) -> Value {
    let mut operations: BTreeMap<String, u64> = BTreeMap::new();
    for ((service, operation), entries) in &statistics.index {
        operations.insert(format!("{service}/{operation}"), *entries);
    }
    json!({
        "total_cids": statistics.index.values().sum::<u64>(),
        "total_operations": operations.len(),
        "operations": operations,
    })
}

fn counters(counted: &Counters) -> Map<String, Value> {
    let lookups = counted.hits + counted.misses;
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 52 bits")]
    let hit_rate = if lookups == 0 { 0.0 } else { counted.hits as f64 / lookups as f64 };
    let mut members = Map::new();
    members.insert("hits".into(), counted.hits.into());
    members.insert("misses".into(), counted.misses.into());
    members.insert("hit_rate".into(), hit_rate.into());
    for (name, value) in [
        ("api_calls_saved", counted.api_calls_saved),
        ("api_calls_made", counted.api_calls_made),
        ("expirations", counted.expirations),
        ("evictions", counted.evictions),
        // The network of peers is not built in yet: nothing has been asked of it.
        ("ipfs_fallback_hits", 0),
        ("ipfs_fallback_misses", 0),
        ("stale", counted.stale),
        ("damaged", counted.damaged),
        ("tier_errors", counted.tier_errors),
        ("not_kept", counted.not_kept),
    ] {
        members.insert(name.into(), value.into());
    }
    members
}

fn sum<'a>(all: impl Iterator<Item = &'a Counters>) -> Counters {
    all.fold(Counters::default(), |sum, one| Counters {
        hits: sum.hits + one.hits,
        misses: sum.misses + one.misses,
        api_calls_made: sum.api_calls_made + one.api_calls_made,
        api_calls_saved: sum.api_calls_saved + one.api_calls_saved,
        expirations: sum.expirations + one.expirations,
        evictions: sum.evictions + one.evictions,
        stale: sum.stale + one.stale,
        damaged: sum.damaged + one.damaged,
        tier_errors: sum.tier_errors + one.tier_errors,
        not_kept: sum.not_kept + one.not_kept,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::report) fn sample() -> Statistics {
        let key = |service: &str, operation: &str| (service.to_owned(), operation.to_owned());
        let counted = |hits, misses| Counters { hits, misses, api_calls_made: misses, ..Counters::default() };
        let operations =
            [(key("a", "x"), counted(3, 1)), (key("a", "y"), counted(0, 1)), (key("b", "x"), counted(0, 0))];
        let index = [(key("a", "x"), 1), (key("c", "z"), 2)];
        Statistics { operations: operations.into(), index: index.into() }
    }

    #[test]
    fn the_total_of_one_service_is_its_own() {
        let document = document_of(sample(), "a");
        let services: Vec<_> = document["services"].as_object().unwrap().keys().collect();
        assert_eq!(services, ["a"]);
        let of_c = document_of(sample(), "c");
        assert_eq!((&document["total"]["misses"], &document["total"]["cache_size"]), (&json!(2), &json!(1)));
        assert_eq!((&of_c["total"]["misses"], &of_c["total"]["cache_size"]), (&json!(0), &json!(2)));
        assert_eq!(of_c["index"]["total_cids"], 2);
        assert!(document["total"].get("cache_bytes").is_none());
    }

    #[test]
    fn the_document_has_the_settled_shape() {
        let usage = Usage { entries: 5, max_entries: 10, bytes: 99, max_bytes: 0 };
        let document = document(&sample(), usage);
        let at = |pointer: &str| document.pointer(pointer).cloned().unwrap_or(json!("nothing there"));
        for (pointer, expected) in [
            ("/schema", json!("larder.stats/1")),
            ("/total/hits", json!(3)),
            ("/total/misses", json!(2)),
            ("/total/hit_rate", json!(0.6)),
            ("/total/api_calls_made", json!(2)),
            ("/total/ipfs_fallback_hits", json!(0)),
            ("/total/cache_size", json!(3)),
            ("/total/max_cache_size", json!(10)),
            ("/total/cache_bytes", json!(99)),
            ("/services/a/hits", json!(3)),
            ("/services/a/operations/x/hit_rate", json!(0.75)),
            ("/services/b/hit_rate", json!(0.0)),
            ("/services/c/operations/z/cache_size", json!(2)),
            ("/index/total_cids", json!(3)),
            ("/index/total_operations", json!(2)),
            ("/index/operations/a~1x", json!(1)),
        ] {
            assert_eq!(at(pointer), expected, "{pointer}");
        }
    }
}
