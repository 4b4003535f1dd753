//! Parameters on the command line.

use crate::json::{Json, Object};

/// Command-line words to parameters: `name=value` is a string, `name:=JSON` any value. The first `=` separates.
/// Errors are sentences, with a line `hint: …` where there is something to do about it.
pub fn words(words: &[String]) -> Result<Object, String> {
    let members = words.iter().map(|word| parameter(word)).collect::<Result<Vec<_>, _>>()?;
    Object::from_members(members).map_err(|name| {
        format!("the parameter `{name}` is given twice\nhint: a list is written `{name}:=[\"one\",\"two\"]`")
    })
}

fn parameter(word: &str) -> Result<(String, Json), String> {
    let Some((name, value)) = word.split_once('=') else {
        return Err(format!("`{word}` is not a parameter\nhint: write `name=value`, or `name:=JSON`"));
    };
    let (name, value) = match name.strip_suffix(':') {
        Some(name) => (name, json(name, value)?),
        None => (name, Json::from(value)),
    };
    if name.is_empty() {
        return Err(format!("the parameter `{word}` has no name\nhint: write `name=value`, or `name:=JSON`"));
    }
    Ok((name.to_owned(), value))
}

fn json(name: &str, value: &str) -> Result<Json, String> {
    Json::parse(value.as_bytes()).map_err(|error| {
        format!(
            "the value of `{name}` is not JSON: {error}\nhint: `{name}={value}` is a string; JSON strings are in quotes"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &[&str]) -> Result<String, String> {
        let list: Vec<_> = text.iter().map(|word| (*word).to_owned()).collect();
        words(&list).map(|members| Json::Object(members).to_string())
    }

    #[test]
    fn strings_and_json() {
        for (text, canonical) in [
            (&[][..], "{}"),
            (&["b=1", "a:=1"], r#"{"a":1,"b":"1"}"#),
            (&["a=x=y", "b:=[1, null]", "c:={\"x\":1.0}"], r#"{"a":"x=y","b":[1,null],"c":{"x":1}}"#),
            (&["a=", "b=b:=1"], r#"{"a":"","b":"b:=1"}"#),
        ] {
            assert_eq!(parse(text).unwrap(), canonical);
        }
    }

    #[test]
    fn errors_say_what_to_do() {
        for (text, message) in [
            (&["model"][..], "`model` is not a parameter\nhint: write `name=value`, or `name:=JSON`"),
            (&["=x"], "the parameter `=x` has no name\nhint: write `name=value`, or `name:=JSON`"),
            (&[":=1"], "the parameter `:=1` has no name\nhint: write `name=value`, or `name:=JSON`"),
            (&["a=1", "a:=2"], "the parameter `a` is given twice\nhint: a list is written `a:=[\"one\",\"two\"]`"),
            (
                &["a:=x"],
                "the value of `a` is not JSON: at byte 0: expected a value\nhint: `a=x` is a string; JSON strings are in quotes",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), message);
        }
    }

    proptest! {
        #[test]
        fn never_panics(list in proptest::collection::vec("[a:={}\\[\"1é]{0,6}", 0..4)) {
            let _ = words(&list);
        }
    }
}
