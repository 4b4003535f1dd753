//! What the parser accepts and what it refuses. What holds of every text is in tests/key/properties.rs.

use crate::json::{Json, JsonError, MAX_DEPTH, MAX_DIGITS, Object};

fn refused(text: impl AsRef<[u8]>) -> JsonError {
    Json::parse(text.as_ref()).expect_err(&String::from_utf8_lossy(text.as_ref()))
}

#[test]
fn canonical_forms() {
    for (text, canonical) in [
        (" null ", "null"),
        ("\t[true,\r\nfalse ]\n", "[true,false]"),
        ("[]", "[]"),
        ("{ }", "{}"),
        (r#"{"b":[{}],"a":{"d":1,"c":""}}"#, r#"{"a":{"c":"","d":1},"b":[{}]}"#),
        (r#""\u0041\/\"\\\b\f\n\r\t\u000b""#, r#""A/\"\\\b\f\n\r\t\u000b""#),
        (r#""\ud83d\uDE00\u00e9\u2028\u007f""#, "\"😀é\u{2028}\u{7f}\""),
        (r#"{"\u0062":1,"a":2}"#, r#"{"a":2,"b":1}"#),
        // The example of RFC 8785 §3.2.3.
        (
            r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#,
            "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}",
        ),
    ] {
        assert_eq!(Json::parse(text.as_bytes()).unwrap().to_string(), canonical);
    }
}

#[test]
fn refusals_say_where_and_why() {
    for (text, offset, what) in [
        (&b""[..], 0, "expected a value"),
        (b"  ", 2, "expected a value"),
        (b"\xEF\xBB\xBF{}", 0, "a byte order mark is not JSON"),
        (b"\"a\xFF\"", 2, "the text is not UTF-8"),
        (b"\"\xED\xA0\x80\"", 1, "the text is not UTF-8"),
        (b"\"\xC0\x80\"", 1, "the text is not UTF-8"),
        (b"{} {}", 3, "expected the end of the text"),
        (b"[1,]", 3, "expected a value"),
        (b"[1 2]", 3, "expected `,` or `]`"),
        (b"[1", 2, "expected `,` or `]`"),
        (b"{\"a\":1,}", 7, "expected a member name in quotes"),
        (b"{a:1}", 1, "expected a member name in quotes"),
        (b"{\"a\" 1}", 5, "expected `:`"),
        (b"{\"a\":1", 6, "expected `,` or `}`"),
        (b" {\"a\":1,\"\\u0061\":1}", 1, "a member of this object occurs twice"),
        (b"[{\"b\":1,\"a\":{},\"b\":1}]", 1, "a member of this object occurs twice"),
        (b"\"abc", 4, "the string has no end"),
        (b"\"abc\\\"", 6, "the string has no end"),
        (b"\"a\nb\"", 2, "control characters are escaped in strings"),
        (b"\"ab\\x\"", 4, "this escape is not JSON"),
        (b"\"\\", 2, "this escape is not JSON"),
        (b"\"\\u12g4\"", 5, "expected four hex digits"),
        (b"\"\\u12\"", 5, "expected four hex digits"),
        (b"\"\\ud800\"", 3, "a lone surrogate is not a character"),
        (b"\"\\ud800\\u0041\"", 3, "a lone surrogate is not a character"),
        (b"\"\\udc00\\ud800\"", 3, "a lone surrogate is not a character"),
        (b"nul", 0, "expected a value"),
        (b"NaN", 0, "expected a value"),
        (b"'a'", 0, "expected a value"),
        (b"// c\n1", 0, "expected a value"),
        (b"01", 1, "expected the end of the text"),
        (b"+1", 0, "expected a value"),
        (b".5", 0, "expected a value"),
        (b"-", 1, "expected a digit"),
        (b"1.", 2, "expected a digit"),
        (b"1e+", 3, "expected a digit"),
        (b"[1e309]", 1, "the number is beyond a double"),
        (b"-1e309", 0, "the number is beyond a double"),
    ] {
        assert_eq!(refused(text), JsonError { offset, what }, "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn limits_are_where_they_are_said_to_be() {
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Json::parse(nested(MAX_DEPTH).as_bytes()).is_ok());
    assert_eq!(refused(nested(MAX_DEPTH + 1)).what, "nested too deep");
    assert_eq!(refused("[{\"a\":".repeat(50_000)).what, "nested too deep");
    // Depth is that of nesting, not the number of brackets.
    assert!(Json::parse(format!("[{}[]]", "[],".repeat(1000)).as_bytes()).is_ok());
    let digits = |count| format!("-1{}", "0".repeat(count - 1));
    assert_eq!(Json::parse(digits(MAX_DIGITS).as_bytes()).unwrap().to_string(), digits(MAX_DIGITS));
    assert_eq!(refused(digits(MAX_DIGITS + 1)).what, "the integer has more than 4096 digits");
}

/// Quadratic work would take minutes here.
#[test]
fn many_members_take_no_time() {
    let members: Vec<_> = (0..200_000_u32).map(|n| format!("\"{}\":{n}", n.wrapping_mul(2_654_435_761))).collect();
    let text = format!("{{{}}}", members.join(","));
    let started = std::time::Instant::now();
    let parsed = Json::parse(text.as_bytes()).unwrap();
    assert_eq!(parsed.as_object().map(Object::len), Some(200_000));
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}
