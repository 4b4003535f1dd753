//! `ttl`: one length of time, or a list of cases.

use super::{
    condition::{self, Condition},
    document::{Section, Table, word},
    place::Asked,
};
use std::time::Duration;
use toml::de::DeValue;

/// The words of one case of a `ttl` list.
pub(crate) static TTL: Section = Section {
    title: "ttl = [{ … }]",
    says: "One case of a list of lifetimes. The first whose conditions all hold decides; the last has no `when`.",
    words: &[&[
        word("when", "condition or list of conditions", "All must hold."),
        word("ttl", "length of time", "How long the answer is fresh then: `30s`, `5m`, `1h`, `7d`."),
    ]],
};

/// How long answers are fresh.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ttl {
    /// Cases, in order.
    pub cases: Vec<(Vec<Condition>, Duration)>,
    /// Where no case holds.
    pub otherwise: Duration,
}

impl Ttl {
    /// Reads `ttl` of an operation; what is wrong is reported.
    pub(crate) fn read(operation: &Table<'_>) -> Option<Self> {
        let is_list = matches!(operation.value("ttl")?.get_ref(), DeValue::Array(_));
        if !is_list {
            return operation.duration("ttl").map(|otherwise| Self { cases: Vec::new(), otherwise });
        }
        let mut cases: Vec<_> = operation.tables("ttl", &TTL).iter().filter_map(read_case).collect();
        let last = cases.pop().filter(|(when, _)| when.is_empty());
        if last.is_none() || cases.iter().any(|(when, _)| when.is_empty()) {
            operation.report(
                "ttl",
                "the last case of `ttl`, and no other, is without `when`",
                "end the list with `{ ttl = \"30m\" }`",
            );
        }
        last.map(|(_, otherwise)| Self { cases, otherwise })
    }

    /// The lifetime of the answer to this request.
    #[must_use]
    pub fn of(&self, asked: &Asked<'_>) -> Duration {
        let case = self.cases.iter().find(|(when, _)| when.iter().all(|condition| condition.holds(asked)));
        case.map_or(self.otherwise, |(_, ttl)| *ttl)
    }
}

fn read_case(table: &Table<'_>) -> Option<(Vec<Condition>, Duration)> {
    let when = condition::read_all(table, "when");
    if !table.has("ttl") {
        table.missing("ttl");
    }
    table.duration("ttl").map(|ttl| (when, ttl))
}
