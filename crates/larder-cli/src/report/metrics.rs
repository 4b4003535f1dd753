//! The statistics for Prometheus (text format 0.0.4): `/-/metrics`.

use larder::{
    Cache, Error,
    stats::{Counters, Statistics},
    tier::Usage,
};
use std::fmt::Write as _;

/// Name, what it counts, and where it stands.
type Counter = (&'static str, &'static str, fn(&Counters) -> u64);

const COUNTERS: &[Counter] = &[
    ("larder_hits_total", "Answers from the store.", |counted| counted.hits),
    ("larder_misses_total", "Questions that the store had no answer to.", |counted| counted.misses),
    ("larder_api_calls_total", "Calls to origins.", |counted| counted.api_calls_made),
    ("larder_api_calls_saved_total", "Calls that did not have to be made.", |counted| counted.api_calls_saved),
    ("larder_expirations_total", "Entries that were found expired.", |counted| counted.expirations),
    ("larder_evictions_total", "Entries that made room.", |counted| counted.evictions),
    ("larder_stale_total", "Answers that were served stale.", |counted| counted.stale),
    ("larder_damaged_total", "Entries that failed their verification.", |counted| counted.damaged),
    ("larder_tier_errors_total", "Failures of a tier.", |counted| counted.tier_errors),
    ("larder_not_kept_total", "Answers that were incomplete or not to be kept.", |counted| counted.not_kept),
];

/// Everything counted, in all processes that share the store.
pub(crate) fn metrics(cache: &Cache) -> Result<String, Error> {
    Ok(text(&cache.statistics()?, cache.usage()))
}

fn text(statistics: &Statistics, usage: Usage) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    for (name, help, value) in COUNTERS {
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} counter\n");
        for ((service, operation), counted) in &statistics.operations {
            let _ = writeln!(out, "{name}{} {}", labels(service, operation), value(counted));
        }
    }
    let _ = write!(out, "# HELP larder_entries Live entries in the index.\n# TYPE larder_entries gauge\n");
    for ((service, operation), entries) in &statistics.index {
        let _ = writeln!(out, "larder_entries{} {entries}", labels(service, operation));
    }
    for (name, help, value) in [
        ("larder_cache_bytes", "Bytes on disk.", usage.bytes),
        ("larder_cache_max_bytes", "The most bytes on disk; 0: no limit.", usage.max_bytes),
        ("larder_cache_entries", "Live entries.", super::stats::entries(statistics)),
        ("larder_cache_max_entries", "The most entries on disk; 0: no limit.", usage.max_entries),
    ] {
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
    }
    out
}

fn labels(service: &str, operation: &str) -> String {
    format!("{{service=\"{}\",operation=\"{}\"}}", escaped(service), escaped(operation))
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_help_type_and_lines() {
        let text = text(&crate::report::stats::tests::sample(), Usage::default());
        for line in [
            "# HELP larder_hits_total Answers from the store.",
            "# TYPE larder_hits_total counter",
            r#"larder_hits_total{service="a",operation="x"} 3"#,
            r#"larder_entries{service="c",operation="z"} 2"#,
            "# TYPE larder_cache_bytes gauge",
            "larder_cache_bytes 0",
            "larder_cache_entries 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn labels_are_escaped() {
        assert_eq!(labels("a\"b", "c\\\n"), r#"{service="a\"b",operation="c\\\n"}"#);
    }
}
