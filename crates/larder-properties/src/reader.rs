//! JSON read and written a second time, sharing nothing with larder's parser: `serde_json` reads texts and names, what a
//! number means is told by its literal, the canonical form is written from the specification (docs/design/key.md).

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// A document as its specification understands it.
#[derive(Clone, Debug, PartialEq)]
pub enum Document {
    /// `null`, `true`, `false`
    Word(&'static str),
    /// The digits of an integer literal.
    Integer(String),
    /// The double that any other number literal means.
    Double(f64),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Document>),
    /// Members as they came.
    Members(Vec<(String, Document)>),
}

/// Why there is no document.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not JSON.
    Syntax,
    /// JSON, and one of the things that docs/design/key.md refuses all the same.
    Limit,
}

/// Members in their order, those that occur twice included.
struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Pairs<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry::<String, &RawValue>()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// Reads a text whose lists and objects are nested at most `depth` deep.
pub fn read(bytes: &[u8], depth: usize) -> Result<Document, Refused> {
    let text = std::str::from_utf8(bytes).map_err(|_| Refused::Syntax)?;
    let raw: &RawValue = parse(text)?;
    // Skipping does not look into strings: whether all is JSON is asked of another reader first, where it can nest so deep.
    value(raw.get(), depth)
}

fn parse<'a, T: de::Deserialize<'a>>(text: &'a str) -> Result<T, Refused> {
    serde_json::from_str(text).map_err(|_| Refused::Syntax)
}

fn value(text: &str, room: usize) -> Result<Document, Refused> {
    Ok(match text.as_bytes().first() {
        Some(b'n') => Document::Word("null"),
        Some(b't') => Document::Word("true"),
        Some(b'f') => Document::Word("false"),
        Some(b'"') => Document::Text(parse(text)?),
        Some(b'[') => {
            let room = room.checked_sub(1).ok_or(Refused::Limit);
            let elements: Vec<&RawValue> = parse(text)?;
            let room = room?;
            Document::List(elements.iter().map(|raw| value(raw.get(), room)).collect::<Result<_, _>>()?)
        }
        Some(b'{') => members(text, room)?,
        _ => number(text)?,
    })
}

fn members(text: &str, room: usize) -> Result<Document, Refused> {
    let Pairs(pairs) = parse(text)?;
    let room = room.checked_sub(1).ok_or(Refused::Limit)?;
    let members: Vec<(String, Document)> = pairs
        .into_iter()
        .map(|(name, raw)| value(raw.get(), room).map(|value| (name, value)))
        .collect::<Result<_, _>>()?;
    let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) { Err(Refused::Limit) } else { Ok(Document::Members(members)) }
}

fn number(text: &str) -> Result<Document, Refused> {
    if !text.contains(['.', 'e', 'E']) {
        let digits = text.trim_start_matches('-').len();
        let integer = if text == "-0" { "0" } else { text };
        return if digits > 4096 { Err(Refused::Limit) } else { Ok(Document::Integer(integer.to_owned())) };
    }
    let double: f64 = text.parse().map_err(|_| Refused::Syntax)?;
    if double.is_finite() { Ok(Document::Double(double)) } else { Err(Refused::Limit) }
}

impl Document {
    /// The canonical form.
    #[must_use]
    pub fn canonical(&self) -> String {
        match self {
            Self::Word(word) => (*word).to_owned(),
            Self::Integer(digits) => digits.clone(),
            Self::Double(double) => spelled(*double),
            Self::Text(text) => quoted(text),
            Self::List(elements) => {
                format!("[{}]", elements.iter().map(Self::canonical).collect::<Vec<_>>().join(","))
            }
            Self::Members(members) => {
                let mut sorted: Vec<_> = members
                    .iter()
                    .map(|(name, value)| (name.encode_utf16().collect::<Vec<_>>(), name, value))
                    .collect();
                sorted.sort_by(|a, b| a.0.cmp(&b.0));
                let written = sorted.iter().map(|(_, name, value)| format!("{}:{}", quoted(name), value.canonical()));
                format!("{{{}}}", written.collect::<Vec<_>>().join(","))
            }
        }
    }
}

fn quoted(text: &str) -> String {
    let letter = |letter: char| match letter {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\u{8}' => "\\b".to_owned(),
        '\t' => "\\t".to_owned(),
        '\n' => "\\n".to_owned(),
        '\u{c}' => "\\f".to_owned(),
        '\r' => "\\r".to_owned(),
        '\0'..='\u{1f}' => format!("\\u{:04x}", u32::from(letter)),
        other => other.to_string(),
    };
    format!("\"{}\"", text.chars().map(letter).collect::<String>())
}

/// As few digits as tell this double from all others, and of those the nearest to it, of two that are equally near the
/// even one (RFC 8785 §3.2.2.3, "Note 2"): Rust's own shortest form takes the larger of these two.
fn shortest(double: f64) -> String {
    let short = format!("{double:e}");
    let digits = short.split('e').next().unwrap_or_default().replace('.', "").len();
    let near = format!("{double:.*e}", digits.saturating_sub(1));
    if near.parse() == Ok(double) { near } else { short }
}

/// ECMA-262, Number::toString with radix 10.
fn spelled(double: f64) -> String {
    if double == 0.0 {
        return "0".to_owned();
    }
    let shortest = shortest(double.abs());
    let (mantissa, exponent) = shortest.split_once('e').expect("an exponent");
    let digits = mantissa.replace('.', "");
    let point = exponent.parse::<i32>().expect("a number") + 1;
    let count = i32::try_from(digits.len()).expect("few digits");
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let body = if (count..=21).contains(&point) {
        digits + &zeros(point - count)
    } else if (1..=21).contains(&point) {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
        format!("{whole}.{fraction}")
    } else if (-5..=0).contains(&point) {
        format!("0.{}{digits}", zeros(-point))
    } else {
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        format!("{first}{dot}{rest}e{:+}", point - 1)
    };
    format!("{}{body}", if double < 0.0 { "-" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Examples of RFC 8785 and of docs/design/key.md.
    #[test]
    fn the_specifications_examples() {
        for (text, canonical) in [
            (
                "[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001]",
                "[333333333.3333333,1e+30,4.5,0.002,1e-27]",
            ),
            (
                "[-0.0,1e20,1e21,0.000001,0.0000001,-1.5e-9,9007199254740993,9007199254740993.0]",
                "[0,100000000000000000000,1e+21,0.000001,1e-7,-1.5e-9,9007199254740993,9007199254740992]",
            ),
            (
                "[900148578548168.25,5e-324,1.7976931348623157e308,9007199254740991.0]",
                "[900148578548168.2,5e-324,1.7976931348623157e+308,9007199254740991]",
            ),
            (
                r#"{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}"#,
                "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}",
            ),
        ] {
            assert_eq!(read(text.as_bytes(), 8).unwrap().canonical(), canonical);
        }
    }

    #[test]
    fn what_is_refused() {
        for text in
            ["", "[1,]", "\"\\ud800\"", "{\"a\" 1}", "01", "\u{feff}1", "nul", "[\"\\x\"]", "{\"\\ud800\":1}", "-"]
        {
            assert_eq!(read(text.as_bytes(), 8), Err(Refused::Syntax), "{text}");
        }
        for text in ["[[]]", "{\"a\":1,\"\\u0061\":2}", "1e999"] {
            assert_eq!(read(text.as_bytes(), 1), Err(Refused::Limit), "{text}");
        }
    }
}
