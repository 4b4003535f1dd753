//! Numbers in their canonical spelling (docs/design/key.md, "Numbers").

use std::fmt;

/// A JSON number in its canonical spelling: equal spellings are equal numbers.
///
/// An integer literal keeps its digits; everything else is spelled as ECMAScript spells the nearest double
/// (RFC 8785 §3.2.2.3). So `1.0`, `1e0` and `1` are one number, and 9007199254740993 is not 9007199254740992.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Number(String);

impl Number {
    /// The number that `value` is; `None` for NaN and the infinities, which JSON cannot say.
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Self> {
        value.is_finite().then(|| Self(ryu_js::Buffer::new().format_finite(value).to_owned()))
    }

    /// The number that an integer literal says (`-`? digits, as RFC 8259 writes it).
    pub(super) fn from_integer(literal: &str) -> Self {
        // Minus zero is zero: RFC 8785 spells it so, and no reader of integers tells them apart.
        Self(if literal == "-0" { "0" } else { literal }.to_owned())
    }

    /// The number that a literal with a fraction or an exponent says; `None` when it is beyond a double.
    pub(super) fn from_decimal(literal: &str) -> Option<Self> {
        literal.parse().ok().and_then(Self::from_f64)
    }

    /// The canonical spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The nearest double; `None` for an integer beyond all doubles.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        self.0.parse().ok().filter(|value: &f64| value.is_finite())
    }

    /// The value, if it is an integer from 0 to 2^64 − 1.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    /// The value, if it is an integer from −2^63 to 2^63 − 1.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self(value.to_string())
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self(value.to_string())
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Json;

    fn spelled(literal: &str) -> String {
        Json::parse(literal.as_bytes()).unwrap().to_string()
    }

    #[test]
    fn literals_are_spelled_canonically() {
        for (literal, canonical) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("0e5", "0"),
            ("1.0", "1"),
            ("1e2", "100"),
            ("1E+2", "100"),
            ("100e-2", "1"),
            ("0.1", "0.1"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1e-7"),
            ("1e20", "100000000000000000000"),
            ("1e21", "1e+21"),
            ("1e-400", "0"),
            ("5e-324", "5e-324"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("9007199254740991", "9007199254740991"),
            ("9007199254740992", "9007199254740992"),
            ("9007199254740993", "9007199254740993"),
            ("-9007199254740993", "-9007199254740993"),
            ("9007199254740993.0", "9007199254740992"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
        ] {
            assert_eq!(spelled(literal), canonical, "{literal}");
            assert_eq!(spelled(canonical), canonical, "{literal}: not stable");
        }
    }

    #[test]
    fn doubles_become_numbers_unless_json_cannot_say_them() {
        assert_eq!(Number::from_f64(-0.0).unwrap().as_str(), "0");
        assert_eq!(Number::from_f64(2.5).unwrap().as_str(), "2.5");
        assert_eq!(Number::from_f64(f64::NAN), None);
        assert_eq!(Number::from_f64(f64::NEG_INFINITY), None);
    }

    #[test]
    fn accessors_give_what_fits() {
        let number = |text: &str| Json::parse(text.as_bytes()).unwrap().as_number().unwrap().clone();
        assert_eq!(number("18446744073709551615").as_u64(), Some(u64::MAX));
        assert_eq!(number("18446744073709551616").as_u64(), None);
        assert_eq!(number("-9223372036854775808").as_i64(), Some(i64::MIN));
        assert_eq!(number("-1").as_u64(), None);
        assert_eq!(number("1e3").as_u64(), Some(1000));
        assert_eq!(number("0.5").as_u64(), None);
        assert_eq!(number("0.5").as_f64(), Some(0.5));
        assert_eq!(number(&"9".repeat(400)).as_f64(), None);
    }
}
