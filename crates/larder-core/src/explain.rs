//! How two questions differ, and which stored question is nearest to one that was asked.
//!
//! For `larder explain`: most misses are one member that changes with every call, and nobody finds it by looking.

use crate::json::{Json, Object};
use std::collections::BTreeSet;

/// One place in which two documents differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where: a JSON pointer (RFC 6901) into the question's document.
    pub at: String,
    /// What the asked question has there; `None`: nothing.
    pub asked: Option<Json>,
    /// What the stored question has there; `None`: nothing.
    pub stored: Option<Json>,
}

/// Every place in which `asked` and `stored` differ, as deep as both have the same kind of value, in canonical order.
#[must_use]
pub fn diff(asked: &Json, stored: &Json) -> Vec<Difference> {
    let mut found = Vec::new();
    walk(String::new(), Some(asked), Some(stored), &mut found);
    found
}

/// The document of `stored` that differs least from `asked`: its place in `stored`, and how it differs. A missing or
/// changed value weighs as much as it has leaves; of equals the first one is taken (callers list the newest first).
/// `None`: nothing is stored.
#[must_use]
pub fn nearest(asked: &Json, stored: &[Json]) -> Option<(usize, Vec<Difference>)> {
    let differences = stored.iter().map(|stored| diff(asked, stored)).enumerate();
    differences.min_by_key(|(_, differences)| differences.iter().map(weight).sum::<usize>())
}

fn weight(difference: &Difference) -> usize {
    let side = |value: &Option<Json>| value.as_ref().map_or(0, leaves);
    side(&difference.asked).max(side(&difference.stored)).max(1)
}

fn leaves(value: &Json) -> usize {
    match value {
        Json::Array(elements) => elements.iter().map(leaves).sum::<usize>().max(1),
        Json::Object(members) => members.iter().map(|(_, value)| leaves(value)).sum::<usize>().max(1),
        _ => 1,
    }
}

fn walk(at: String, asked: Option<&Json>, stored: Option<&Json>, found: &mut Vec<Difference>) {
    match (asked, stored) {
        (Some(asked), Some(stored)) if asked == stored => {}
        (Some(Json::Object(asked)), Some(Json::Object(stored))) => members(&at, asked, stored, found),
        (Some(Json::Array(asked)), Some(Json::Array(stored))) => {
            for place in 0..asked.len().max(stored.len()) {
                walk(format!("{at}/{place}"), asked.get(place), stored.get(place), found);
            }
        }
        _ => found.push(Difference { at, asked: asked.cloned(), stored: stored.cloned() }),
    }
}

fn members(at: &str, asked: &Object, stored: &Object, found: &mut Vec<Difference>) {
    let names: BTreeSet<&str> = asked.iter().chain(stored.iter()).map(|(name, _)| name).collect();
    for name in names {
        // RFC 6901 §3: `~` and `/` are escaped, in this order.
        let token = name.replace('~', "~0").replace('/', "~1");
        walk(format!("{at}/{token}"), asked.get(name), stored.get(name), found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes()).unwrap()
    }

    fn shown(asked: &str, stored: &str) -> Vec<String> {
        let side = |value: Option<Json>| value.map_or("-".to_owned(), |value| value.to_string());
        let show = |found: Difference| format!("{} {} {}", found.at, side(found.asked), side(found.stored));
        diff(&json(asked), &json(stored)).into_iter().map(show).collect()
    }

    #[test]
    fn differences_have_their_pointer() {
        let table: &[(&str, &str, &[&str])] = &[
            (r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#, &[]),
            (r#"{"a":{"b":1}}"#, r#"{"a":{"b":2}}"#, &["/a/b 1 2"]),
            (r#"{"a":1}"#, r#"{"b":1}"#, &["/a 1 -", "/b - 1"]),
            (r#"{"a":[1,2]}"#, r#"{"a":[1,3,4]}"#, &["/a/1 2 3", "/a/2 - 4"]),
            (r#"{"a":[1]}"#, r#"{"a":{"0":1}}"#, &[r#"/a [1] {"0":1}"#]),
            (r#"{"x/y~":1}"#, r#"{"x/y~":null}"#, &["/x~1y~0 1 null"]),
            (r#"{"a":9007199254740993}"#, r#"{"a":9007199254740992}"#, &["/a 9007199254740993 9007199254740992"]),
            ("1", "2", &[" 1 2"]),
        ];
        for (asked, stored, expected) in table {
            assert_eq!(shown(asked, stored), *expected, "{asked} {stored}");
        }
    }

    #[test]
    fn the_nearest_differs_in_the_fewest_leaves_and_the_first_of_equals_wins() {
        let asked = json(r#"{"model":"m","messages":["a","b"]}"#);
        let stored = [
            json(r#"{"model":"m"}"#),
            json(r#"{"model":"n","messages":["a","b"]}"#),
            json(r#"{"model":"o","messages":["a","b"]}"#),
        ];
        let (place, differences) = nearest(&asked, &stored).unwrap();
        assert_eq!((place, differences.len()), (1, 1));
        assert_eq!(differences[0].at, "/model");
        assert_eq!(nearest(&asked, &[]), None);
        assert_eq!(nearest(&asked, std::slice::from_ref(&asked)), Some((0, Vec::new())));
    }
}
