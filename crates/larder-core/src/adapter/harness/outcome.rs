//! What came out of a case, and whether it is what the case says.

use crate::{
    QueryKey, Share,
    adapter::document::Table,
    judge::{Pass, Plan},
};
use std::time::Duration;

/// What came out of a case.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is kept.
    Kept { operation: String, ttl: Duration, share: &'static str, variant: String, key: QueryKey },
    /// It is passed through.
    Passed { operation: Option<String>, reason: String, invalidates: Vec<String> },
}

impl From<&Plan> for Outcome {
    fn from(plan: &Plan) -> Self {
        let share = match plan.question.share {
            Share::Public => "public",
            Share::Team => "team",
            Share::Credential(_) => "credential",
            Share::Anonymous => "anonymous",
        };
        Self::Kept {
            operation: plan.question.operation.clone(),
            ttl: plan.lifetime.ttl,
            share,
            variant: plan.want.variant.0.clone(),
            key: plan.key,
        }
    }
}

impl From<Pass> for Outcome {
    fn from(pass: Pass) -> Self {
        Self::Passed { operation: pass.operation, reason: pass.reason.to_string(), invalidates: pass.invalidates }
    }
}

impl Outcome {
    /// The operation, where one matched.
    pub(super) fn operation(&self) -> Option<&str> {
        match self {
            Self::Kept { operation, .. } => Some(operation),
            Self::Passed { operation, .. } => operation.as_deref(),
        }
    }

    /// Reports where it is not what the case says.
    pub(super) fn check(&self, case: &Table<'_>) {
        if let Some((expected, _)) = case.text("operation")
            && self.operation() != Some(&expected)
        {
            let found = self.operation().map_or("no operation".to_owned(), |name| format!("`{name}`"));
            case.report("operation", format!("it is {found}, expected `{expected}`"), None);
        }
        match self {
            Self::Kept { ttl, share, variant, .. } => check_kept(case, *ttl, share, variant),
            Self::Passed { reason, invalidates, .. } => check_passed(case, reason, invalidates),
        }
    }

    /// What is wrong with a changed case's outcome.
    pub(super) fn compare(&self, changed: &Self, same: bool) -> Option<String> {
        match (self, changed) {
            (Self::Kept { key: one, .. }, Self::Kept { key: two, .. }) => match (same, one == two) {
                (true, false) => Some("the key differs, expected the same".to_owned()),
                (false, true) => Some("the key is the same, expected another".to_owned()),
                _ => None,
            },
            (_, Self::Passed { reason, .. }) => Some(format!("it is passed through: {reason}")),
            (Self::Passed { .. }, _) => Some("the case itself is passed through: it has no key".to_owned()),
        }
    }
}

fn check_kept(case: &Table<'_>, ttl: Duration, share: &str, variant: &str) {
    for word in ["pass", "invalidates"].into_iter().filter(|word| case.has(word)) {
        case.report(word, "it is kept, expected that it is passed through", None);
    }
    if case.has("pass") {
        return;
    }
    for word in ["operation", "ttl", "share"].into_iter().filter(|word| !case.has(word)) {
        case.missing(word);
    }
    if let Some(expected) = case.duration("ttl").filter(|expected| *expected != ttl) {
        case.report("ttl", format!("its ttl is {} s, expected {} s", ttl.as_secs(), expected.as_secs()), None);
    }
    for (word, found) in [("share", share), ("variant", variant)] {
        if let Some((expected, _)) = case.text(word).filter(|(expected, _)| expected != found) {
            case.report(word, format!("its {word} is `{found}`, expected `{expected}`"), None);
        }
    }
}

fn check_passed(case: &Table<'_>, reason: &str, invalidates: &[String]) {
    match case.text("pass") {
        Some((expected, _)) if !reason.contains(&expected) => {
            case.report("pass", format!("it is passed through because: {reason}; expected `{expected}`"), None);
        }
        Some(_) => {}
        None => case.doc.report(
            &case.span,
            format!("it is passed through: {reason}"),
            Some("write `pass = \"…\"`".to_owned()),
        ),
    }
    for word in ["ttl", "share", "variant"].into_iter().filter(|word| case.has(word)) {
        case.report(word, "it is passed through", None);
    }
    let expected: Vec<_> = case.texts("invalidates").into_iter().map(|(name, _)| name).collect();
    if case.has("invalidates") && expected != invalidates {
        case.report("invalidates", format!("it makes stale {invalidates:?}, expected {expected:?}"), None);
    }
}
