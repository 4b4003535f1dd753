//! Conditions on the JSON of an answer, and the tokens that it names.

use crate::{
    Json,
    adapter::answer::{Finished, UsageRule},
};
use std::collections::BTreeMap;

/// What was last seen at a place: `None` where the place was there without a value.
type Seen = BTreeMap<String, Option<String>>;

/// Follows [`Finished`] conditions over one document, or over all documents of a stream: at each place the last value
/// that was seen counts (`in_progress` may become `completed`).
#[derive(Debug)]
pub(super) struct Conditions {
    rules: Vec<(Finished, Seen)>,
    /// Elements of a list are told apart by their member `index` (streams send one element at a time), else by position.
    by_index: bool,
}

impl Conditions {
    pub(super) fn new(rules: &[Finished], by_index: bool) -> Self {
        Self { rules: rules.iter().map(|rule| (rule.clone(), Seen::new())).collect(), by_index }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    pub(super) fn any_required(&self) -> bool {
        self.rules.iter().any(|(rule, _)| rule.required)
    }

    /// The next document.
    pub(super) fn feed(&mut self, document: &Json) {
        for (rule, seen) in &mut self.rules {
            let steps: Vec<&str> = rule.at.split('/').skip(1).collect();
            look(document, &steps, String::new(), self.by_index, seen);
        }
    }

    /// Whether all hold; the reason if not.
    pub(super) fn finish(&self) -> Result<(), String> {
        self.rules.iter().try_for_each(|(rule, seen)| holds(rule, seen))
    }
}

fn holds(rule: &Finished, seen: &Seen) -> Result<(), String> {
    for value in seen.values() {
        match value {
            Some(value) if !rule.is.contains(value) => return Err(format!("`{}` is `{}`", rule.at, shown(value))),
            None if rule.required => return Err(format!("`{}` is missing in a part of the answer", rule.at)),
            _ => {}
        }
    }
    let lacking = rule.required && seen.is_empty();
    if lacking { Err(format!("`{}` is missing", rule.at)) } else { Ok(()) }
}

/// At most 40 characters: the reason is logged, and the value is the origin's.
fn shown(value: &str) -> String {
    value.chars().take(40).collect()
}

/// Walks `steps` from `at`; `place` names the list elements on the way.
fn look(at: &Json, steps: &[&str], place: String, by_index: bool, seen: &mut Seen) {
    let Some((step, rest)) = steps.split_first() else {
        return note(seen, place, text(at));
    };
    if *step == "*" {
        let Json::Array(elements) = at else { return };
        for (position, element) in elements.iter().enumerate() {
            let inside = format!("{place}/{}", element_name(element, position, by_index));
            note(seen, inside.clone(), None);
            look(element, rest, inside, by_index, seen);
        }
    } else if let Some(next) = at.pointer(&format!("/{step}")) {
        look(next, rest, place, by_index, seen);
    }
}

fn element_name(element: &Json, position: usize, by_index: bool) -> String {
    let index = element.pointer("/index").filter(|_| by_index).and_then(text);
    index.unwrap_or_else(|| position.to_string())
}

/// A later absence or `null` does not undo a value.
fn note(seen: &mut Seen, place: String, value: Option<String>) {
    let known = seen.entry(place).or_default();
    if value.is_some() {
        *known = value;
    }
}

/// A value as conditions compare it: a string's content, anything else as JSON; `None` for `null`.
fn text(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => String::from_utf8(other.canonical()).ok(),
    }
}

/// The tokens that were named last.
#[derive(Debug)]
pub(super) struct Tokens {
    rules: Vec<UsageRule>,
    pub(super) input: u64,
    pub(super) output: u64,
}

impl Tokens {
    pub(super) fn new(rules: &[UsageRule]) -> Self {
        Self { rules: rules.to_vec(), input: 0, output: 0 }
    }

    /// The next document; the first rule that finds something in it counts.
    pub(super) fn feed(&mut self, document: &Json) {
        let first = |mut pointers: Box<dyn Iterator<Item = &str> + '_>| {
            pointers.find_map(|pointer| document.pointer(pointer).and_then(number))
        };
        let input = first(Box::new(self.rules.iter().map(|rule| rule.input.as_str())));
        let output = first(Box::new(self.rules.iter().filter_map(|rule| rule.output.as_deref())));
        self.input = input.unwrap_or(self.input);
        self.output = output.unwrap_or(self.output);
    }
}

/// A count or a number of seconds: whole and not negative; fractions are cut off.
pub(super) fn number(value: &Json) -> Option<u64> {
    if !matches!(value, Json::Number(_)) {
        return None;
    }
    let text = String::from_utf8(value.canonical()).ok()?;
    text.parse().ok().or_else(|| {
        let float: f64 = text.parse().ok()?;
        // Within the range where a double holds every whole number.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be within 0..2^53")]
        (0.0..9_007_199_254_740_992.0).contains(&float).then_some(float as u64)
    })
}
