//! JSON pointers (RFC 6901) in which a token `*` stands for every element of a list or every member of an object.

use crate::{Json, json::Object};

/// A checked pointer pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    text: String,
    tokens: Vec<String>,
}

impl Pointer {
    /// Reads a pattern. Errors are what is wrong with it, as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix('/').ok_or("it does not begin with `/`")?;
        let tokens = rest.split('/').map(unescape).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { text: text.to_owned(), tokens })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first token: the parameter that the pattern looks into.
    #[must_use]
    pub fn first(&self) -> &str {
        self.tokens.first().map_or("", String::as_str)
    }

    /// The name, if the pattern is one top-level member.
    #[must_use]
    pub fn top_level(&self) -> Option<&str> {
        match self.tokens.as_slice() {
            [name] if name != "*" => Some(name),
            _ => None,
        }
    }

    /// Every value that the pattern meets.
    #[must_use]
    pub fn values<'j>(&self, members: &'j Object) -> Vec<&'j Json> {
        let Some((first, rest)) = self.tokens.split_first() else { return Vec::new() };
        let met = match first.as_str() {
            "*" => members.iter().map(|(_, value)| value).collect(),
            name => members.get(name).into_iter().collect(),
        };
        rest.iter().fold(met, |met: Vec<_>, token| met.into_iter().flat_map(|value| step(value, token)).collect())
    }

    /// Takes out of `members` what the pattern meets; whether there was anything.
    pub fn remove(&self, members: &mut Object) -> bool {
        remove_member(members, &self.tokens)
    }
}

fn unescape(token: &str) -> Result<String, &'static str> {
    let tildes = token.matches('~').count();
    if tildes != token.matches("~0").count() + token.matches("~1").count() {
        return Err("a `~` is written `~0`, and a `/` inside a name `~1`");
    }
    match token {
        "" => Err("a name in it is empty"),
        _ => Ok(token.replace("~1", "/").replace("~0", "~")),
    }
}

fn step<'j>(value: &'j Json, token: &str) -> Vec<&'j Json> {
    match (value, token) {
        (Json::Array(items), "*") => items.iter().collect(),
        (Json::Object(members), "*") => members.iter().map(|(_, value)| value).collect(),
        (Json::Array(items), index) => {
            index.parse::<usize>().ok().and_then(|index| items.get(index)).into_iter().collect()
        }
        (Json::Object(members), name) => members.get(name).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn remove(value: &mut Json, tokens: &[String]) -> bool {
    match (value, tokens) {
        (Json::Array(items), [token, rest @ ..]) if !rest.is_empty() => {
            let chosen = items.iter_mut().enumerate().filter(|(index, _)| token == "*" || *token == index.to_string());
            chosen.fold(false, |removed, (_, item)| remove(item, rest) | removed)
        }
        (Json::Object(members), tokens) => remove_member(members, tokens),
        _ => false,
    }
}

fn remove_member(members: &mut Object, tokens: &[String]) -> bool {
    let Some((token, rest)) = tokens.split_first() else { return false };
    let names: Vec<String> = match token.as_str() {
        "*" => members.iter().map(|(name, _)| name.to_owned()).collect(),
        name => vec![name.to_owned()],
    };
    names.into_iter().fold(false, |removed, name| remove_one(members, name, rest) | removed)
}

fn remove_one(members: &mut Object, name: String, rest: &[String]) -> bool {
    let Some(mut value) = members.remove(&name) else { return false };
    if rest.is_empty() {
        return true;
    }
    let removed = remove(&mut value, rest);
    members.insert(name, value);
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn values_met() {
        let cases = [
            ("/a", r#"{"a":1}"#, "1"),
            ("/a/*/b", r#"{"a":[{"b":1},{"c":2},{"b":3}]}"#, "1 3"),
            ("/a/1", r#"{"a":[5,6]}"#, "6"),
            ("/*", r#"{"a":5,"b":6}"#, "5 6"),
            ("/a~1b/~0", r#"{"a/b":{"~":7}}"#, "7"),
            ("/a/b", r#"{"a":"text"}"#, ""),
        ];
        for (pointer, text, expected) in cases {
            let Json::Object(document) = json(text) else { panic!("{text}") };
            let met: Vec<_> =
                Pointer::parse(pointer).unwrap().values(&document).into_iter().map(Json::canonical).collect();
            assert_eq!(met.join(&b' '), expected.as_bytes(), "{pointer}");
        }
    }

    #[test]
    fn removal() {
        let cases = [
            ("/a", r#"{"a":1,"b":2}"#, r#"{"b":2}"#, true),
            ("/a/x", r#"{"a":{"x":1,"y":2}}"#, r#"{"a":{"y":2}}"#, true),
            ("/a/*/x", r#"{"a":[{"x":1},{"y":2}]}"#, r#"{"a":[{},{"y":2}]}"#, true),
            ("/a/0", r#"{"a":[1]}"#, r#"{"a":[1]}"#, false),
            ("/z", r#"{"a":1}"#, r#"{"a":1}"#, false),
        ];
        for (pointer, before, after, removed) in cases {
            let Json::Object(mut members) = json(before) else { panic!("{before}") };
            assert_eq!(Pointer::parse(pointer).unwrap().remove(&mut members), removed, "{pointer}");
            assert_eq!(Json::Object(members).canonical(), after.as_bytes(), "{pointer}");
        }
    }

    #[test]
    fn refused() {
        for text in ["", "a", "/", "/a//b", "/a~", "/a~2"] {
            assert!(Pointer::parse(text).is_err(), "{text}");
        }
    }
}
