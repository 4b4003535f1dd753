//! `larder stats`: how often the store answered.

use super::{Outcome, session::Session, values::table};
use crate::{
    config::show_size,
    error::CliError,
    output::{DIM, HEADING},
    report::stats::{stats_document, stats_document_of},
};
use serde_json::{Map, Value};
use std::process::ExitCode;

/// What `larder stats` takes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct StatsArgs {
    /// Only this service
    #[arg(value_name = "SERVICE")]
    service: Option<String>,
}

/// Prints the statistics.
pub(crate) fn run(args: &StatsArgs, session: &Session) -> Outcome {
    let cache = session.cache()?;
    let document = match &args.service {
        Some(service) => stats_document_of(&cache, service),
        None => stats_document(&cache),
    };
    cache.close();
    let document = document?;
    if let Some(service) = &args.service {
        check_known(service, &document, session)?;
    }
    if session.output.json {
        session.output.bytes(format!("{document}\n").as_bytes())?;
    } else {
        session.output.line(text(&document))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A name that nothing was counted for, and that nobody knows, is a slip.
fn check_known(service: &str, document: &Value, session: &Session) -> Result<(), CliError> {
    let counted = members(&document["services"]).next().is_some();
    if counted || session.settings.service(service).is_some() || session.registry()?.get(service).is_some() {
        return Ok(());
    }
    Err(CliError::usage(format!("nothing was counted for `{service}`, and no adapter is called so"))
        .hint("`larder stats` lists every service that was asked"))
}

/// The statistics for people: one line per operation, a line per service where it has several, the total.
pub(crate) fn text(document: &Value) -> String {
    let heads = ["SERVICE", "OPERATION", "HITS", "MISSES", "HIT RATE", "CALLS", "SAVED", "EXPIRED", "ENTRIES"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for (service, counted) in members(&document["services"]) {
        let operations: Vec<_> = members(&counted["operations"]).collect();
        for (place, (operation, counted)) in operations.iter().enumerate() {
            let service = if place == 0 { service.as_str() } else { "" };
            rows.push(row(service, operation, counted));
        }
    }
    let total = &document["total"];
    rows.push(row("total", "", total));
    let table = table(&rows, &[2, 3, 4, 5, 6, 7, 8]);
    let (heads, rest) = table.split_once('\n').unwrap_or((&table, ""));
    format!("{HEADING}{heads}{HEADING:#}\n{rest}\n\n{DIM}{}{DIM:#}", room(total))
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn row(service: &str, operation: &str, counted: &Value) -> Vec<String> {
    let number = |name: &str| counted[name].as_u64().unwrap_or(0);
    let asked = number("hits") + number("misses");
    let rate = counted["hit_rate"].as_f64().unwrap_or(0.0) * 100.0;
    let rate = if asked == 0 { "–".to_owned() } else { format!("{rate:.1} %") };
    let mut cells = vec![service.to_owned(), operation.to_owned()];
    cells.extend(["hits", "misses"].map(|name| number(name).to_string()));
    cells.push(rate);
    let rest = ["api_calls_made", "api_calls_saved", "expirations", "cache_size"];
    cells.extend(rest.map(|name| number(name).to_string()));
    cells
}

/// How full the store is.
fn room(total: &Value) -> String {
    let number = |name: &str| total[name].as_u64().unwrap_or(0);
    let limit = |most: u64, text: String| if most == 0 { String::new() } else { format!(" of {text}") };
    let (entries, most_entries) = (number("cache_size"), number("max_cache_size"));
    let (bytes, most_bytes) = (number("cache_bytes"), number("max_cache_bytes"));
    if total.get("cache_bytes").is_none() {
        return format!("{}; {} evicted", super::values::entries(entries), number("evictions"));
    }
    format!(
        "{}{}, {}{}; {} evicted",
        super::values::entries(entries),
        limit(most_entries, most_entries.to_string()),
        show_size(bytes),
        limit(most_bytes, show_size(most_bytes)),
        number("evictions"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_with_a_total() {
        let counted = |hits: u64, misses: u64, rate: f64| json!({"hits": hits, "misses": misses, "hit_rate": rate});
        let mut service = counted(3, 2, 0.6);
        service["operations"] =
            json!({"ask": counted(3, 1, 0.75), "list": counted(0, 1, 0.0), "new": counted(0, 0, 0.0)});
        let mut total = counted(3, 2, 0.6);
        total["cache_size"] = json!(1);
        total["cache_bytes"] = json!(1536);
        total["max_cache_bytes"] = json!(10_u64 << 30);
        let shown =
            anstream::adapter::strip_str(&text(&json!({"services": {"a": service}, "total": total}))).to_string();
        let expected = "\
SERVICE  OPERATION  HITS  MISSES  HIT RATE  CALLS  SAVED  EXPIRED  ENTRIES
a        ask           3       1    75.0 %      0      0        0        0
         list          0       1     0.0 %      0      0        0        0
         new           0       0         –      0      0        0        0
total                  3       2    60.0 %      0      0        0        1

1 entry, 1.5 KiB of 10 GiB; 0 evicted";
        assert_eq!(shown, expected);
    }
}
