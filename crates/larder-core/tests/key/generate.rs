//! Values and texts to try.

use larder_core::{
    Json,
    json::{Number, Object},
};
use proptest::{collection::vec, prelude::*};

/// Text of this form, read once: a `&str` as a strategy is read again for every value.
fn regex(pattern: &str) -> impl Strategy<Value = String> + use<> {
    proptest::string::string_regex(pattern).unwrap()
}

/// Text of all of Unicode, and often of what sorts or escapes oddly.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), regex("[a-c\u{e000}\u{ffff}\u{10000}\"\\\\\n]{0,3}")]
}

/// Any value.
pub(crate) fn json() -> impl Strategy<Value = Json> {
    let digits = |digits: String| Json::parse(digits.as_bytes()).unwrap();
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_filter_map("JSON cannot say it", Number::from_f64).prop_map(Json::from),
        regex("-?[1-9][0-9]{15,40}").prop_map(digits),
        text().prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Json::Array),
            vec((text(), inner), 0..5).prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

/// Any members.
pub(crate) fn object() -> impl Strategy<Value = Object> {
    vec((text(), json()), 0..5).prop_map(|members| members.into_iter().collect())
}

/// The same value in another spelling: members in reverse, every character escaped, white space.
pub(crate) fn respelled(value: &Json) -> String {
    let list = |parts: Vec<String>| parts.join(" ,\n");
    match value {
        Json::String(text) => escaped(text),
        Json::Array(elements) => format!("[ {} ]", list(elements.iter().map(respelled).collect())),
        Json::Object(members) => {
            let member = |(name, value)| format!("{} : {}", escaped(name), respelled(value));
            let mut parts: Vec<_> = members.iter().map(member).collect();
            parts.reverse();
            format!("{{ {} }}", list(parts))
        }
        other => other.to_string(),
    }
}

fn escaped(text: &str) -> String {
    let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
    format!("\"{units}\"")
}

fn space() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just(""), 1 => Just(" "), 1 => Just("\n\t"), 1 => Just("\r\n")]
}

/// A string literal in some spelling; now and then one that is refused.
fn string_literal() -> impl Strategy<Value = String> {
    let plain = any::<char>().prop_map(|c| match c {
        '"' | '\\' | '\0'..='\u{1f}' => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    });
    let unit = any::<char>().prop_map(|c| escaped(&c.to_string()).trim_matches('"').to_owned());
    let short = regex("\\\\[\"\\\\/bfnrt]");
    let odd = prop_oneof![regex("\\\\u[dD][89a-fA-F][0-9a-f]{2}"), regex("\\\\[a-z]")];
    let piece = prop_oneof![800 => regex("[a-e ]{0,4}"), 400 => plain, 400 => unit, 400 => short, 1 => odd];
    vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

/// A member's name: seldom the same as another's.
fn name_literal() -> impl Strategy<Value = String> {
    let odd = string_literal().prop_map(|name| name.trim_matches('"').to_owned());
    (regex("[a-z]{0,1}[0-9]{2}"), odd, any::<bool>())
        .prop_map(|(own, odd, first)| if first { format!("\"{own}{odd}\"") } else { format!("\"{odd}{own}\"") })
}

/// A number in some spelling; now and then one that is refused.
fn number_literal() -> impl Strategy<Value = String> {
    prop_oneof![
        100 => any::<i64>().prop_map(|value| value.to_string()),
        200 => any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(|value| format!("{value:e}")),
        100 => any::<f32>().prop_filter("finite", |value| value.is_finite()).prop_map(|value| format!("{value:E}")),
        100 => (-1e9..1e9_f64).prop_map(|value| format!("{value:?}")),
        200 => regex("-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?"),
        2 => regex("-?[1-9][0-9]{0,4}[eE][+-]?[0-9]{3}"),
        1 => regex("-?[0-9]{1,4}\\.?[0-9]{0,3}"),
    ]
}

/// A JSON text in some spelling.
fn literal() -> impl Strategy<Value = String> {
    let word = prop_oneof![Just("null"), Just("true"), Just("false")].prop_map(str::to_owned);
    let leaf = prop_oneof![1 => word, 4 => number_literal(), 3 => string_literal()];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let element = (space(), inner.clone()).prop_map(|(space, value)| format!("{space}{value}{space}"));
        let member = (name_literal(), space(), inner);
        let member = member.prop_map(|(name, space, value)| format!("{space}{name}{space}:{space}{value}"));
        prop_oneof![
            vec(element, 0..4).prop_map(|parts| format!("[{}]", parts.join(","))),
            vec(member, 0..4).prop_map(|parts| format!("{{{}}}", parts.join(","))),
        ]
    })
}

fn object_literal() -> impl Strategy<Value = String> {
    let member = (name_literal(), literal()).prop_map(|(name, value)| format!("{name}:{value}"));
    vec(member, 0..4).prop_map(|parts| format!("{{{}}}", parts.join(",")))
}

/// The text of a question's document, in some spelling and order; one in eight has a wrong character somewhere.
pub(crate) fn document() -> impl Strategy<Value = String> {
    let maybe =
        |name: &'static str| proptest::option::of(object_literal().prop_map(move |o| format!("\"{name}\":{o}")));
    let share = prop_oneof![
        Just("public".to_owned()),
        Just("team".to_owned()),
        Just("anonymous".to_owned()),
        regex("[a-z2-7]{51}[aq]").prop_map(|digest| format!("credential:{digest}")),
    ];
    let head = (string_literal(), string_literal(), share, object_literal()).prop_map(
        |(service, operation, share, params)| {
            vec![
                "\"larder\":1".to_owned(),
                format!("\"service\":{service}"),
                format!("\"operation\":{operation}"),
                format!("\"share\":\"{share}\""),
                format!("\"params\":{params}"),
            ]
        },
    );
    let body = proptest::option::of(literal().prop_map(|value| format!("\"body\":{value}")));
    let origin = proptest::option::of(string_literal().prop_map(|name| format!("\"origin\":{name}")));
    let members = (head, maybe("path"), maybe("query"), maybe("headers"), body, origin).prop_map(
        |(mut members, path, query, headers, body, origin)| {
            members.extend([path, query, headers, body, origin].into_iter().flatten());
            members
        },
    );
    let text = members.prop_shuffle().prop_map(|members| format!("{{{}}}", members.join(",")));
    (text, proptest::option::weighted(0.125, (any::<prop::sample::Index>(), regex("[\\[\\]{}:,\"\\\\0-9eE.+ntf\t-]?"))))
        .prop_map(|(text, damage)| damage.map_or(text.clone(), |(at, with)| damaged(&text, at, &with)))
}

/// One character taken out, and another in its place.
fn damaged(text: &str, at: prop::sample::Index, with: &str) -> String {
    let at = at.index(text.chars().count());
    let (before, after) = (text.chars().take(at), text.chars().skip(at + 1));
    before.chain(with.chars()).chain(after).collect()
}
