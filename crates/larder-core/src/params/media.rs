//! Media types with their parameters (RFC 9110 §8.3.1), read strictly.

/// More parameters than this nobody sends; the limit keeps the search for repeated names short.
const MAX_PARAMETERS: usize = 16;

/// A `Content-Type` (or another field of that shape), taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Media {
    /// What stands before the first `;`, lower-case.
    pub essence: String,
    /// Parameters in order: lower-case name and value. Quotes are taken off; what is inside them stays as it is.
    pub parameters: Vec<(String, String)>,
}

impl Media {
    /// `None` where the text has not this shape, has more than [`MAX_PARAMETERS`], or one of them twice.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (essence, mut rest) = text.split_at(text.find(';').unwrap_or(text.len()));
        let mut parameters: Vec<(String, String)> = Vec::new();
        while let Some(parameter) = rest.trim_start().strip_prefix(';') {
            if parameter.trim().is_empty() {
                rest = "";
                break;
            }
            let (name, value, after) = read_parameter(parameter.trim_start())?;
            if parameters.len() == MAX_PARAMETERS || parameters.iter().any(|(other, _)| *other == name) {
                return None;
            }
            parameters.push((name, value));
            rest = after;
        }
        rest.trim().is_empty().then(|| Self { essence: essence.trim().to_ascii_lowercase(), parameters })
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// `name=token` or `name="quoted"` at the start of `text`; and what follows.
fn read_parameter(text: &str) -> Option<(String, String, &str)> {
    let (name, after) = text.split_once('=')?;
    let (value, rest) = match after.strip_prefix('"') {
        Some(quoted) => {
            let end = end_of_quoted(quoted)?;
            (&quoted[..end], &quoted[end + 1..])
        }
        None => after.split_at(after.find([';', ' ', '\t']).unwrap_or(after.len())),
    };
    let token = |text: &str| !text.is_empty() && text.bytes().all(is_token);
    let plain = after.starts_with('"') || token(value);
    (token(name) && plain).then(|| (name.to_ascii_lowercase(), value.to_owned(), rest))
}

/// Where the closing quote is; a backslash hides the character after it.
fn end_of_quoted(text: &str) -> Option<usize> {
    let mut hidden = false;
    text.bytes().position(|byte| {
        let end = byte == b'"' && !hidden;
        hidden = byte == b'\\' && !hidden;
        end
    })
}

/// RFC 9110 §5.6.2.
pub(super) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

/// Whether a body of this type is JSON: `application/json` or a type that ends in `+json` (RFC 6839 §3.1), in UTF-8.
#[must_use]
pub fn is_json(content_type: Option<&str>) -> bool {
    let Some(media) = content_type.and_then(Media::parse) else { return false };
    let utf8 = media.parameter("charset").is_none_or(is_utf8);
    let suffixed = media.essence.contains('/') && media.essence.ends_with("+json");
    utf8 && (media.essence == "application/json" || suffixed)
}

fn is_utf8(charset: &str) -> bool {
    charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_known_by_its_type() {
        for yes in
            ["application/json", "Application/JSON ; charset=\"UTF-8\"", "application/ld+json", "application/json;"]
        {
            assert!(is_json(Some(yes)), "{yes}");
        }
        for no in
            ["", "text/json", "application/json; charset=latin1", "application/jsonp", "x+json", "application/json x"]
        {
            assert!(!is_json(Some(no)), "{no}");
        }
        assert!(!is_json(None));
    }

    #[test]
    fn sixteen_parameters_are_enough() {
        let many = |count| (0..count).fold("a/b".to_owned(), |text, n| format!("{text};p{n}=1"));
        assert!(Media::parse(&many(16)).is_some());
        assert_eq!(Media::parse(&many(17)), None);
    }

    #[test]
    fn parameters_are_read_strictly() {
        let media = Media::parse(r#"Multipart/Form-Data; Boundary="a;\"b" ; x=y"#).unwrap();
        assert_eq!(media.essence, "multipart/form-data");
        assert_eq!(media.parameter("boundary"), Some(r#"a;\"b"#));
        assert_eq!(media.parameter("x"), Some("y"));
        for bad in ["a/b; x", "a/b; x=", "a/b; x=\"y", "a/b; x=y z=1", "a/b; x=1; X=2", "a/b; x=\"y\"z", "a/b; =1"] {
            assert_eq!(Media::parse(bad), None, "{bad}");
        }
    }
}
