//! JSON pointers (RFC 6901), and patterns in which `*` visits every element of an array.

use super::Json;
use std::borrow::Cow;

/// The value at `pointer`.
pub(super) fn find<'a>(root: &'a Json, pointer: &str) -> Option<&'a Json> {
    let mut at = root;
    for segment in segments(pointer)? {
        at = step(at, &segment?)?;
    }
    Some(at)
}

/// Takes the member at `pointer` out.
pub(super) fn remove(root: &mut Json, pointer: &str) -> Option<Json> {
    let mut segments: Vec<_> = segments(pointer)?.collect::<Option<_>>()?;
    let last = segments.pop()?;
    let mut at = root;
    for segment in segments {
        at = match at {
            Json::Object(members) => members.get_mut(&segment)?,
            Json::Array(elements) => elements.get_mut(index(&segment)?)?,
            _ => return None,
        };
    }
    match at {
        Json::Object(members) => members.remove(&last),
        _ => None,
    }
}

/// The values at `pattern`, `None` for each element for which its rest leads nowhere.
pub(super) fn find_all<'a>(root: &'a Json, pattern: &str) -> Vec<Option<&'a Json>> {
    let mut at = vec![Some(root)];
    let Some(segments) = segments(pattern) else { return vec![None] };
    for segment in segments {
        let Some(segment) = segment else { return vec![None] };
        at = at.into_iter().flat_map(|value| visit(value, &segment)).collect();
    }
    at
}

fn visit<'a>(value: Option<&'a Json>, segment: &str) -> Vec<Option<&'a Json>> {
    match value {
        Some(Json::Array(elements)) if segment == "*" => elements.iter().map(Some).collect(),
        value => vec![value.and_then(|value| step(value, segment))],
    }
}

fn step<'a>(value: &'a Json, segment: &str) -> Option<&'a Json> {
    match value {
        Json::Object(members) => members.get(segment),
        Json::Array(elements) => elements.get(index(segment)?),
        _ => None,
    }
}

/// An array index: digits without leading zeros (RFC 6901 §4).
fn index(segment: &str) -> Option<usize> {
    let plain = segment.bytes().all(|byte| byte.is_ascii_digit()) && (segment == "0" || !segment.starts_with('0'));
    plain.then(|| segment.parse().ok()).flatten()
}

/// The unescaped segments; `None` for a text that is not a pointer, `Some(None)` for a segment that is not one.
fn segments(pointer: &str) -> Option<impl Iterator<Item = Option<Cow<'_, str>>>> {
    let rest = if pointer.is_empty() { None } else { Some(pointer.strip_prefix('/')?) };
    Some(rest.into_iter().flat_map(|rest| rest.split('/')).map(unescape))
}

/// `~1` is `/`, `~0` is `~`, any other `~` is an error (RFC 6901 §3).
fn unescape(segment: &str) -> Option<Cow<'_, str>> {
    let Some((head, _)) = segment.split_once('~') else { return Some(Cow::Borrowed(segment)) };
    let mut text = head.to_owned();
    for piece in segment.split('~').skip(1) {
        text.push(match piece.as_bytes().first()? {
            b'0' => '~',
            b'1' => '/',
            _ => return None,
        });
        text.push_str(&piece[1..]);
    }
    Some(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_examples_of_rfc_6901_section_5() {
        let document =
            json(r#"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}"#);
        assert_eq!(document.pointer(""), Some(&document));
        for (pointer, value) in [
            ("/foo", r#"["bar","baz"]"#),
            ("/foo/0", r#""bar""#),
            ("/", "0"),
            ("/a~1b", "1"),
            ("/c%d", "2"),
            ("/e^f", "3"),
            ("/g|h", "4"),
            ("/i\\j", "5"),
            ("/k\"l", "6"),
            ("/ ", "7"),
            ("/m~0n", "8"),
        ] {
            assert_eq!(document.pointer(pointer), Some(&json(value)), "{pointer}");
        }
    }

    #[test]
    fn what_leads_nowhere_is_none() {
        let document = json(r#"{"a":[1,2],"~":3,"b":"text"}"#);
        for pointer in
            ["a", "/x", "/a/2", "/a/01", "/a/-", "/a/+1", "/a/", "/~", "/~2", "/b/0", "/a/99999999999999999999"]
        {
            assert_eq!(document.pointer(pointer), None, "{pointer}");
            assert_eq!(document.pointer_all(pointer), [None], "{pointer}");
        }
        assert_eq!(document.pointer("/~0"), Some(&json("3")));
        assert_eq!(json(r#"{"~1":1}"#).pointer("/~01"), Some(&json("1")), "`~01` is `~1`, not `/`");
    }

    #[test]
    fn a_star_visits_every_element_and_shows_what_is_absent() {
        let document = json(r#"{"choices":[{"end":"stop"},{},{"end":null}],"none":[],"o":{"*":5},"deep":[[1],[2,3]]}"#);
        let found = |pattern: &str| {
            let texts = document.pointer_all(pattern).into_iter().map(|v| v.map_or("-".to_owned(), Json::to_string));
            texts.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(found("/choices/*/end"), r#""stop" - null"#);
        assert_eq!(found("/none/*/end"), "");
        assert_eq!(found("/missing/*/end"), "-");
        assert_eq!(found("/o/*"), "5");
        assert_eq!(found("/deep/*/*"), "1 2 3");
        assert_eq!(found("/choices/0/end"), r#""stop""#);
    }

    #[test]
    fn members_are_taken_out_and_elements_are_not() {
        let mut document = json(r#"{"a":{"b":1,"c":2},"l":[{"x":1},2]}"#);
        assert_eq!(document.remove_pointer("/a/b"), Some(json("1")));
        assert_eq!(document.remove_pointer("/l/0/x"), Some(json("1")));
        assert_eq!(document.remove_pointer("/l/0"), None);
        assert_eq!(document.remove_pointer("/a/b"), None);
        assert_eq!(document.remove_pointer(""), None);
        assert_eq!(document, json(r#"{"a":{"c":2},"l":[{},2]}"#));
    }
}
