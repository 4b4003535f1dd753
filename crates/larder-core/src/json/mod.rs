//! JSON as larder needs it: exact integers, duplicate members refused, and the canonical form (docs/design/key.md).
//!
//! Not a general JSON library: no serde, no borrowing, no comments. What it accepts is RFC 8259, strictly, because two
//! readers that disagree about a text would disagree about its key.

mod canonical;
mod convert;
mod number;
mod object;
mod parser;
#[cfg(test)]
mod parser_tests;
mod pointer;

pub use number::Number;
pub use object::Object;

/// How deep arrays and objects may be nested in a text that [`Json::parse`] reads.
pub const MAX_DEPTH: usize = 128;
/// How many digits an integer literal may have.
pub const MAX_DIGITS: usize = 4096;

/// A JSON value. Objects keep their members sorted in RFC 8785 order (UTF-16 code units), without duplicates.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number in its canonical spelling.
    Number(Number),
    /// A string.
    String(String),
    /// A list.
    Array(Vec<Json>),
    /// An object.
    Object(Object),
}

/// Appends the canonical form of a string to `out`.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    canonical::string(text, out);
}

/// Why bytes are not JSON that can be a question: byte offset and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {what}")]
pub struct JsonError {
    /// Where, in bytes from the start.
    pub offset: usize,
    /// What was wrong.
    pub what: &'static str,
}

impl Json {
    /// Parses one JSON text (RFC 8259): UTF-8 without a byte order mark, nothing but white space around it.
    /// Refused, although some readers accept them: duplicate members (after unescaping), numbers beyond a double,
    /// integers of more than [`MAX_DIGITS`] digits, lone surrogates, nesting deeper than [`MAX_DEPTH`].
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        parser::parse(bytes, MAX_DEPTH)
    }

    /// [`Self::parse`] with another limit on nesting: a question's document is deeper than the body inside it.
    pub(crate) fn parse_nested(bytes: &[u8], max_depth: usize) -> Result<Self, JsonError> {
        parser::parse(bytes, max_depth)
    }

    /// The canonical form: RFC 8785 with integers outside ±2^53 exact. No newline at the end.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        self.write_canonical(&mut out);
        out
    }

    /// Appends the canonical form to `out`.
    pub fn write_canonical(&self, out: &mut Vec<u8>) {
        canonical::value(self, out);
    }

    /// The value at a JSON pointer (RFC 6901); `None` where there is none, or where `pointer` is not one.
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<&Json> {
        pointer::find(self, pointer)
    }

    /// Takes the object member at a JSON pointer out; `None` where there is none. Elements of lists are never taken
    /// out, because that would renumber the others.
    pub fn remove_pointer(&mut self, pointer: &str) -> Option<Json> {
        pointer::remove(self, pointer)
    }

    /// The values at a pointer in which the segment `*` stands for every element of an array, in order.
    /// One entry per element: `None` where the rest of the path leads nowhere. A `*` that meets something else than an
    /// array is an ordinary member name there; an empty array yields no entry.
    #[must_use]
    pub fn pointer_all(&self, pattern: &str) -> Vec<Option<&Json>> {
        pointer::find_all(self, pattern)
    }

    /// The string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The boolean, if it is one.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number, if it is one.
    #[must_use]
    pub const fn as_number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The number as a double, if it is a number that fits one ([`Number::as_f64`]).
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        self.as_number().and_then(Number::as_f64)
    }

    /// The number as an unsigned integer, if it is one exactly ([`Number::as_u64`]).
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        self.as_number().and_then(Number::as_u64)
    }

    /// The elements, if it is a list.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Json]> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The members, if it is an object.
    #[must_use]
    pub const fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Whether it is `null`.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}
