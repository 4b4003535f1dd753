//! The parser: RFC 8259, strictly, and with what larder refuses besides.

use super::{Json, JsonError, MAX_DIGITS, Number, Object};

/// Parses one JSON text whose arrays and objects are nested at most `max_depth` deep.
pub(super) fn parse(bytes: &[u8], max_depth: usize) -> Result<Json, JsonError> {
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        return Err(JsonError { offset: 0, what: "a byte order mark is not JSON" });
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| JsonError { offset: error.valid_up_to(), what: "the text is not UTF-8" })?;
    let mut parser = Parser { text, bytes, at: 0, room: max_depth };
    parser.skip_space();
    let value = parser.value()?;
    parser.skip_space();
    if parser.at < bytes.len() { parser.fail("expected the end of the text") } else { Ok(value) }
}

struct Parser<'a> {
    text: &'a str,
    /// The same as `text`.
    bytes: &'a [u8],
    at: usize,
    /// How many levels may still be opened.
    room: usize,
}

type Parsed<T> = Result<T, JsonError>;

impl<'a> Parser<'a> {
    const fn error(&self, what: &'static str) -> JsonError {
        JsonError { offset: self.at, what }
    }

    const fn fail<T>(&self, what: &'static str) -> Parsed<T> {
        Err(self.error(what))
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Steps over `byte` if it is next.
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self) -> Parsed<Json> {
        match self.peek() {
            Some(b'"') => self.string().map(Json::String),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'-' | b'0'..=b'9') => self.number().map(Json::Number),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => self.fail("expected a value"),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Parsed<Json> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return self.fail("expected a value");
        }
        self.at += word.len();
        Ok(value)
    }

    /// Parses what begins with a bracket, one level deeper.
    fn nested(&mut self, inner: fn(&mut Self) -> Parsed<Json>) -> Parsed<Json> {
        self.room = self.room.checked_sub(1).ok_or_else(|| self.error("nested too deep"))?;
        self.at += 1;
        self.skip_space();
        let value = inner(self)?;
        self.room += 1;
        Ok(value)
    }

    fn array(&mut self) -> Parsed<Json> {
        let mut elements = Vec::new();
        if self.eat(b']') {
            return Ok(Json::Array(elements));
        }
        loop {
            elements.push(self.value()?);
            if !self.another(b']', "expected `,` or `]`")? {
                return Ok(Json::Array(elements));
            }
        }
    }

    fn object(&mut self) -> Parsed<Json> {
        let start = self.at - 1;
        let mut members = Vec::new();
        if self.eat(b'}') {
            return Ok(Json::Object(Object::new()));
        }
        loop {
            members.push(self.member()?);
            if !self.another(b'}', "expected `,` or `}`")? {
                break;
            }
        }
        let refused = |_| JsonError { offset: start, what: "a member of this object occurs twice" };
        Object::from_members(members).map(Json::Object).map_err(refused)
    }

    fn member(&mut self) -> Parsed<(String, Json)> {
        if self.peek() != Some(b'"') {
            return self.fail("expected a member name in quotes");
        }
        let name = self.string()?;
        self.skip_space();
        if !self.eat(b':') {
            return self.fail("expected `:`");
        }
        self.skip_space();
        Ok((name, self.value()?))
    }

    /// After an element: whether another one follows, or `end`.
    fn another(&mut self, end: u8, expected: &'static str) -> Parsed<bool> {
        self.skip_space();
        if self.eat(end) {
            return Ok(false);
        }
        if !self.eat(b',') {
            return self.fail(expected);
        }
        self.skip_space();
        Ok(true)
    }

    fn number(&mut self) -> Parsed<Number> {
        let start = self.at;
        self.eat(b'-');
        let digits_from = self.at;
        if !self.eat(b'0') {
            self.digits()?;
        }
        let digits = self.at - digits_from;
        let integer = !self.fraction()? & !self.exponent()?;
        let literal = self.text.get(start..self.at).unwrap_or_default();
        let refused = |what| JsonError { offset: start, what };
        match integer {
            true if digits > MAX_DIGITS => Err(refused("the integer has more than 4096 digits")),
            true => Ok(Number::from_integer(literal)),
            false => Number::from_decimal(literal).ok_or(refused("the number is beyond a double")),
        }
    }

    /// One digit or more.
    fn digits(&mut self) -> Parsed<()> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == from { self.fail("expected a digit") } else { Ok(()) }
    }

    fn fraction(&mut self) -> Parsed<bool> {
        let present = self.eat(b'.');
        if present {
            self.digits()?;
        }
        Ok(present)
    }

    fn exponent(&mut self) -> Parsed<bool> {
        let present = self.eat(b'e') || self.eat(b'E');
        if present {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(present)
    }

    /// A string, from its opening quote on.
    fn string(&mut self) -> Parsed<String> {
        self.at += 1;
        let first = self.plain()?;
        // Most strings have no escape: one allocation of the right size. Those that have get room for more such pieces.
        let room = if self.peek() == Some(b'\\') { 4 * first.len() + 32 } else { first.len() };
        let mut text = String::with_capacity(room);
        text.push_str(first);
        while self.eat(b'\\') {
            text.push(self.escape()?);
            text.push_str(self.plain()?);
        }
        self.at += 1;
        Ok(text)
    }

    /// The characters up to the next quote or backslash, which is left to be read.
    fn plain(&mut self) -> Parsed<&'a str> {
        let rest = &self.bytes[self.at..];
        let Some(len) = memchr::memchr2(b'"', b'\\', rest) else {
            self.at = self.bytes.len();
            return self.fail("the string has no end");
        };
        if let Some(control) = control(&rest[..len]) {
            self.at += control;
            return self.fail("control characters are escaped in strings");
        }
        let start = self.at;
        self.at += len;
        // Both ends are beside ASCII characters, so that the slice always exists.
        self.text.get(start..self.at).ok_or_else(|| self.error("the text is not UTF-8"))
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Parsed<char> {
        let escape = self.peek();
        self.at += 1;
        Ok(match escape {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => {
                self.at -= 1;
                return self.fail("this escape is not JSON");
            }
        })
    }

    /// `XXXX`, or `XXXX\uXXXX` for a surrogate pair.
    fn unicode(&mut self) -> Parsed<char> {
        let start = self.at;
        let first = self.hex4()?;
        let point = match first {
            0xD800..=0xDBFF if self.bytes[self.at..].starts_with(b"\\u") => {
                self.at += 2;
                match self.hex4()? {
                    second @ 0xDC00..=0xDFFF => 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00),
                    _ => first,
                }
            }
            _ => first,
        };
        char::from_u32(point).ok_or(JsonError { offset: start, what: "a lone surrogate is not a character" })
    }

    fn hex4(&mut self) -> Parsed<u32> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            value = value << 4 | digit.ok_or_else(|| self.error("expected four hex digits"))?;
            self.at += 1;
        }
        Ok(value)
    }
}

/// Where the first control character is. Asks first whether there is any at all, which is quick.
fn control(bytes: &[u8]) -> Option<usize> {
    let any = bytes.iter().fold(false, |any, byte| any | (*byte < 0x20));
    any.then(|| bytes.iter().position(|byte| *byte < 0x20)).flatten()
}
