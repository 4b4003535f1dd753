//! What only all operations together can show: double names, unknown names, ambiguous rules.

use super::{
    condition::Condition,
    document::{Document, Table},
    http::HttpRule,
    operation::Operation,
    route::Route,
};
use std::cmp::Ordering;

/// Checks the operations of one file against each other. `operations[i]` was read from `tables[i]`.
pub(crate) fn operations(doc: &Document<'_>, tables: &[Table<'_>], operations: &[Option<Operation>]) {
    let known: Vec<(&Table<'_>, &Operation)> =
        tables.iter().zip(operations).filter_map(|(table, operation)| Some((table, operation.as_ref()?))).collect();
    for (index, (table, operation)) in known.iter().enumerate() {
        invalidates(table, operation, &known);
        for (_, earlier) in known.iter().take(index) {
            if earlier.name == operation.name {
                table.report("name", format!("a second operation is named `{}`", operation.name), None);
            }
            ambiguous(doc, table, earlier, operation);
        }
    }
}

fn invalidates(table: &Table<'_>, operation: &Operation, known: &[(&Table<'_>, &Operation)]) {
    for name in &operation.invalidates {
        if !known.iter().any(|(_, other)| other.name == *name && !other.write) {
            let what = format!("`invalidates` names `{name}`, which is no operation here whose answers are kept");
            table.report("invalidates", what, None);
        }
    }
}

fn ambiguous(doc: &Document<'_>, table: &Table<'_>, one: &Operation, two: &Operation) {
    let (Some(first), Some(second)) = (&one.http, &two.http) else { return };
    let clash = first.routes.iter().flat_map(|a| second.routes.iter().map(move |b| (a, b)));
    let clash = clash.into_iter().find(|(a, b)| a.overlaps(b) && precedence((first, a), (second, b)).is_none());
    if let Some((a, b)) = clash {
        let what = format!("`{}` (`{b}`) and `{}` (`{a}`) match the same requests", two.name, one.name);
        let hint = "make one of the paths more specific, or tell them apart with `match`".to_owned();
        doc.report(&table.span_of("when"), what, Some(hint));
    }
}

/// Which of two overlapping rules goes first for requests that match both. `None`: nothing tells. Rules that exclude each
/// other count as equal, since no request matches both.
pub(crate) fn precedence(one: (&HttpRule, &Route), two: (&HttpRule, &Route)) -> Option<Ordering> {
    let (first, second) = (&one.0.matches, &two.0.matches);
    if first.iter().any(|condition| second.iter().any(|other| condition.excludes(other))) {
        return Some(Ordering::Equal);
    }
    match one.1.specificity(two.1) {
        Ordering::Equal => subset(first, second),
        order => Some(order),
    }
}

/// The rule that demands everything that the other demands, and more, goes first.
fn subset(first: &[Condition], second: &[Condition]) -> Option<Ordering> {
    let covers = |all: &[Condition], some: &[Condition]| some.iter().all(|condition| all.contains(condition));
    match (covers(first, second), covers(second, first)) {
        (true, false) => Some(Ordering::Greater),
        (false, true) => Some(Ordering::Less),
        _ => None,
    }
}
