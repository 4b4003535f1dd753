//! Conditions on a request.

use super::{
    document::{Section, Table, word},
    place::{self, Asked, Place},
};
use crate::Json;
use std::fmt;
use toml::de::DeValue;

/// The words of a condition.
pub(crate) static CONDITION: Section = Section {
    title: "{ at = … }",
    says: "A condition on a request: a place and one test. Where several values stand at the place (a `*`, a repeated \
           query parameter), it holds when one of them passes. `null` counts as absent.",
    words: &[&[
        word(
            "at",
            "place",
            "Where to look: `/member` in the JSON body, `?name`, `name:` (a header), `{name}` (a placeholder).",
        ),
        word("present", "`true` or `false`", "Whether there is a value."),
        word("is", "value or list of values", "There is a value, and it is (one of) these."),
        word("not", "value or list of values", "There is a value, and it is none of these."),
        word(
            "begins",
            "text or list of texts",
            "There is a value, and it begins with (one of) these, in whatever case.",
        ),
        word("hex", "number", "There is a value, and it is so many hexadecimal digits (`40`: a Git commit)."),
    ]],
};

/// A condition on a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Where to look.
    pub at: Place,
    /// What must hold there.
    pub test: Test,
}

/// What must hold at a place.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// There is a value, or there is none.
    Present(bool),
    /// A value is among these.
    Is(Vec<Json>),
    /// A value is none of these.
    Not(Vec<Json>),
    /// A value begins with one of these, in whatever ASCII case.
    Begins(Vec<String>),
    /// A value is so many hexadecimal digits.
    Hex(usize),
}

impl Condition {
    /// Reads one; what is wrong is reported.
    pub(crate) fn read(table: &Table<'_>) -> Option<Self> {
        let at = read_place(table, "at");
        let tests: Vec<_> =
            ["present", "is", "not", "begins", "hex"].into_iter().filter(|word| table.has(word)).collect();
        let [word] = tests.as_slice() else {
            let hint = "write one of `present`, `is`, `not`, `begins`, `hex`".to_owned();
            table.doc.report(&table.span, format!("a condition has {} tests, expected one", tests.len()), Some(hint));
            return None;
        };
        let test = Test::read(table, word);
        Some(Self { at: at?, test: test? })
    }

    /// Whether it holds.
    #[must_use]
    pub fn holds(&self, asked: &Asked<'_>) -> bool {
        let values = self.at.values(asked);
        match &self.test {
            Test::Present(expected) => values.is_empty() != *expected,
            Test::Is(known) => values.iter().any(|value| known.contains(value)),
            Test::Not(known) => values.iter().any(|value| !known.contains(value)),
            Test::Begins(starts) => values.iter().any(|value| begins(value, starts)),
            Test::Hex(digits) => values.iter().any(|value| is_hex(value, *digits)),
        }
    }

    /// Whether the two can never hold for one request. `false` where that is not certain.
    pub(crate) fn excludes(&self, other: &Self) -> bool {
        self.at == other.at && self.is_single() && (self.test.excludes(&other.test) || other.test.excludes(&self.test))
    }

    /// Whether it looks into the body.
    pub(crate) const fn is_about_body(&self) -> bool {
        matches!(self.at, Place::Body(_))
    }

    /// Whether it looks at headers.
    pub(crate) const fn is_about_headers(&self) -> bool {
        matches!(self.at, Place::Header(_))
    }

    /// Whether at most one value can stand at the place: with several, `is` and `not` can hold at once.
    fn is_single(&self) -> bool {
        match &self.at {
            Place::Body(pointer) => !pointer.as_str().split('/').any(|token| token == "*"),
            Place::Query(_) => false,
            Place::Header(_) | Place::Path(_) => true,
        }
    }
}

impl Test {
    fn read(table: &Table<'_>, word: &str) -> Option<Self> {
        match word {
            "present" => table.optional_flag(word).map(Self::Present),
            "is" => values(table, word).map(Self::Is),
            "not" => values(table, word).map(Self::Not),
            "begins" => starts(table, word).map(Self::Begins),
            _ => match table.numbers(word, 1, 128).as_slice() {
                [digits] => Some(Self::Hex(usize::from(*digits))),
                [] => None,
                _ => {
                    table.report(word, "`hex` is a list, expected one number", None);
                    None
                }
            },
        }
    }

    fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Present(false), Self::Present(false)) => false,
            (Self::Present(false), _) => true,
            (Self::Is(one), Self::Is(two)) => !one.iter().any(|value| two.contains(value)),
            (Self::Is(one), Self::Not(two)) => one.iter().all(|value| two.contains(value)),
            (Self::Is(one), Self::Hex(digits)) => !one.iter().any(|value| is_hex(value, *digits)),
            (Self::Hex(one), Self::Hex(two)) => one != two,
            _ => false,
        }
    }
}

fn begins(value: &Json, starts: &[String]) -> bool {
    let Json::String(text) = value else { return false };
    let begins = |start: &String| {
        text.as_bytes().get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
    };
    starts.iter().any(begins)
}

fn is_hex(value: &Json, digits: usize) -> bool {
    matches!(value, Json::String(text) if text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// A place under `word`; reported when it is missing or none.
pub(crate) fn read_place(table: &Table<'_>, word: &str) -> Option<Place> {
    let (text, span) = table.required_text(word)?;
    let place = Place::parse(&text);
    if let Err(what) = &place {
        table.doc.report(&span, what, Some(place::HINT.to_owned()));
    }
    place.ok()
}

fn values(table: &Table<'_>, word: &str) -> Option<Vec<Json>> {
    let items = table.list(word);
    let values: Vec<_> = items.iter().filter_map(|item| as_json(item.get_ref())).collect();
    if values.is_empty() || values.len() != items.len() {
        table.report(word, format!("`{word}` holds something else than texts, numbers, `true` and `false`"), None);
        return None;
    }
    Some(values)
}

/// The texts under `word`. Everything begins with an empty one.
fn starts(table: &Table<'_>, word: &str) -> Option<Vec<String>> {
    let texts: Vec<_> = table.texts(word).into_iter().map(|(text, _)| text).collect();
    if texts.is_empty() || texts.iter().any(String::is_empty) {
        table.report(word, format!("`{word}` holds an empty text, or none"), None);
        return None;
    }
    Some(texts)
}

/// A TOML scalar as JSON: numbers through their spelling, so that `0` and `0.0` are one.
fn as_json(value: &DeValue<'_>) -> Option<Json> {
    match value {
        DeValue::String(text) => Some(Json::String(text.clone().into_owned())),
        DeValue::Boolean(flag) => Some(Json::Bool(*flag)),
        DeValue::Integer(number) if number.radix() == 10 => {
            Json::parse(number.as_str().trim_start_matches('+').as_bytes()).ok()
        }
        DeValue::Float(number) => Json::parse(number.as_str().trim_start_matches('+').as_bytes()).ok(),
        _ => None,
    }
}

/// A list of conditions under `word`; one condition stands for a list of one.
pub(crate) fn read_all(table: &Table<'_>, word: &str) -> Vec<Condition> {
    table.tables(word, &CONDITION).iter().filter_map(Condition::read).collect()
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &[Json]| {
            let texts: Vec<_> =
                values.iter().map(|value| format!("`{}`", String::from_utf8_lossy(&value.canonical()))).collect();
            texts.join(" or ")
        };
        match &self.test {
            Test::Present(true) => write!(f, "{} is there", self.at),
            Test::Present(false) => write!(f, "{} is missing", self.at),
            Test::Is(values) => write!(f, "{} is {}", self.at, list(values)),
            Test::Not(values) => write!(f, "{} is not {}", self.at, list(values)),
            Test::Begins(starts) => write!(f, "{} begins with `{}`", self.at, starts.join("` or `")),
            Test::Hex(digits) => write!(f, "{} is {digits} hexadecimal digits", self.at),
        }
    }
}
