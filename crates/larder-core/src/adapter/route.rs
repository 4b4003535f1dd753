//! `when = "GET /api/{name}/{rest...}"`: methods and path templates.
//!
//! A path is matched as it was sent, segment by segment. Only what fills a placeholder is percent-decoded, so that `%2F`
//! never becomes a separator. A path that servers read in different ways (dot segments, empty segments, `;` parameters,
//! control characters, broken escapes) matches no template: the request is passed through.

use crate::{Json, json::Object};
use http::Method;
use std::{cmp::Ordering, fmt};

/// What a template looks like, for error messages.
pub(crate) const HINT: &str = "write a method and a path such as `GET /v1/models/{model}`; `{name:2}` spans two segments, `{name...}` all that follow";

/// A method and a path template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    text: String,
    method: Method,
    slots: Vec<Slot>,
    tail: Option<String>,
}

/// One segment of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Slot {
    /// Exactly this, as it is sent.
    Literal(String),
    /// A placeholder between two fixed texts.
    Hole {
        prefix: String,
        name: String,
        suffix: String,
        /// One of several segments that the placeholder spans.
        spans: bool,
        /// An encoded `/` in it would make it pose as something else.
        no_slash: bool,
    },
}

/// RFC 9110 §9.3, PATCH (RFC 5789), QUERY (the IETF's safe method with content). Another word is a slip, and a rule that
/// never matches would be told to nobody.
const METHODS: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "QUERY", "OPTIONS", "TRACE", "CONNECT"];

impl Route {
    /// Reads `METHOD /path`. Errors are sentences.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (method, path) = text.split_once(' ').ok_or_else(|| format!("`{text}` is not a method and a path"))?;
        let known = method.bytes().all(|byte| byte.is_ascii_uppercase());
        let method = Method::from_bytes(method.as_bytes()).ok().filter(|_| known);
        let method = method.ok_or_else(|| format!("`{text}` does not begin with a method in capitals"))?;
        if !METHODS.contains(&method.as_str()) {
            return Err(format!("`{text}`: `{method}` is no method: expected one of {}", METHODS.join(", ")));
        }
        let path = path.strip_prefix('/').ok_or_else(|| format!("the path of `{text}` does not begin with `/`"))?;
        let mut route = Self { text: text.to_owned(), method, slots: Vec::new(), tail: None };
        let segments: Vec<_> = path.split('/').collect();
        for (index, segment) in segments.iter().enumerate() {
            route.segment(segment, index + 1 == segments.len()).map_err(|why| format!("`{text}`: {why}"))?;
        }
        route.distinct_names()?;
        Ok(route)
    }

    fn segment(&mut self, segment: &str, last: bool) -> Result<(), String> {
        let Some((prefix, rest)) = segment.split_once('{') else { return self.literal(segment, last) };
        let (inside, suffix) = rest.split_once('}').ok_or_else(|| format!("`{segment}` has no closing brace"))?;
        if prefix.contains('}') || suffix.contains(['{', '}']) {
            return Err(format!("`{segment}` has more than one placeholder"));
        }
        let bare = prefix.is_empty() && suffix.is_empty();
        if let Some(name) = inside.strip_suffix("...") {
            if !bare || !last {
                return Err(format!("`{segment}` is not a whole segment at the path's end"));
            }
            self.tail = Some(placeholder(name)?);
            return Ok(());
        }
        let (name, count) = spans(inside)?;
        if count > 1 && !bare {
            return Err(format!("`{segment}` spans several segments and is not a whole one"));
        }
        let hole = || {
            Ok::<_, String>(Slot::Hole {
                prefix: prefix.to_owned(),
                name: placeholder(name)?,
                suffix: suffix.to_owned(),
                spans: count > 1,
                no_slash: count > 1,
            })
        };
        (0..count).try_for_each(|_| hole().map(|slot| self.slots.push(slot)))
    }

    fn literal(&mut self, segment: &str, last: bool) -> Result<(), String> {
        let plain = segment.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#;}\\".contains(&byte));
        if !plain || [".", ".."].contains(&segment) || (segment.is_empty() && !last) {
            return Err(format!("`{segment}` cannot be a segment of a path"));
        }
        self.slots.push(Slot::Literal(segment.to_owned()));
        Ok(())
    }

    fn distinct_names(&self) -> Result<(), String> {
        let mut names: Vec<_> = self.placeholders().collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        if names.len() == count { Ok(()) } else { Err(format!("`{}` names a placeholder twice", self.text)) }
    }

    /// The placeholders' names.
    pub fn placeholders(&self) -> impl Iterator<Item = &str> {
        let mut spanned = None;
        let holes = self.slots.iter().filter_map(move |slot| match slot {
            Slot::Hole { name, spans: true, .. } if spanned == Some(name.as_str()) => None,
            Slot::Hole { name, spans, .. } => {
                spanned = spans.then_some(name.as_str());
                Some(name.as_str())
            }
            Slot::Literal(_) => None,
        });
        holes.chain(self.tail.as_deref())
    }

    /// The placeholders that fill several segments.
    pub(crate) fn spanning(&self) -> impl Iterator<Item = &str> {
        let holes = self.slots.iter().filter_map(|slot| match slot {
            Slot::Hole { name, spans: true, .. } => Some(name.as_str()),
            _ => None,
        });
        holes.chain(self.tail.as_deref())
    }

    /// Refuses an encoded `/` in the placeholders of these names: another route of the same operation fills them with
    /// several segments, and `a%2Fb` must not pose as `a/b`.
    pub(crate) fn refuse_slashes(&mut self, names: &[String]) {
        for slot in &mut self.slots {
            if let Slot::Hole { name, no_slash, .. } = slot {
                *no_slash |= names.contains(name);
            }
        }
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether an operation of this method has its parameters in the body (docs/design/key.md).
    #[must_use]
    pub fn has_body(&self) -> bool {
        ["POST", "PUT", "PATCH", "QUERY"].contains(&self.method.as_str())
    }

    /// Matches a request; the placeholders' values, decoded.
    #[must_use]
    pub fn matches(&self, method: &Method, path: &str) -> Option<Object> {
        if *method != self.method || path.contains(';') {
            return None;
        }
        let segments: Vec<_> = path.strip_prefix('/')?.split('/').collect();
        let (fixed, tail) = segments.split_at_checked(self.slots.len())?;
        if tail.is_empty() == self.tail.is_some() {
            return None;
        }
        let mut found = Object::default();
        for (slot, segment) in self.slots.iter().zip(fixed) {
            slot.matches(segment, &mut found)?;
        }
        if let Some(name) = &self.tail {
            let parts = tail.iter().map(|segment| decode(segment).filter(|part| !part.contains('/')));
            let parts: Vec<_> = parts.collect::<Option<_>>()?;
            found.insert(name.clone(), Json::String(parts.join("/")));
        }
        Some(found)
    }

    /// Whether some request matches both.
    #[must_use]
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let lengths = match (self.tail.is_some(), other.tail.is_some()) {
            (false, false) => self.slots.len() == other.slots.len(),
            (true, false) => self.slots.len() < other.slots.len(),
            (false, true) => self.slots.len() > other.slots.len(),
            (true, true) => true,
        };
        lengths
            && self.method == other.method
            && self.slots.iter().zip(&other.slots).all(|(one, two)| one.overlaps(two))
    }

    /// Which of two overlapping routes says more about the path, `Greater` being this one: segment by segment from the
    /// left, the first difference decides (a fixed text before a placeholder, a placeholder before a tail).
    #[must_use]
    pub(crate) fn specificity(&self, other: &Self) -> Ordering {
        let length = self.slots.len().max(other.slots.len());
        (0..length).map(|at| self.rank(at).cmp(&other.rank(at))).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }

    fn rank(&self, at: usize) -> usize {
        match self.slots.get(at) {
            None => 0,
            Some(Slot::Hole { prefix, suffix, .. }) => 1 + prefix.len() + suffix.len(),
            Some(Slot::Literal(_)) => usize::MAX,
        }
    }
}

impl Slot {
    fn matches(&self, segment: &str, found: &mut Object) -> Option<()> {
        match self {
            Self::Literal(text) => (segment == text).then_some(()),
            Self::Hole { prefix, name, suffix, no_slash, .. } => {
                let value = decode(segment.strip_prefix(prefix.as_str())?.strip_suffix(suffix.as_str())?)?;
                if *no_slash && value.contains('/') {
                    return None;
                }
                let so_far = found.get(name).and_then(Json::as_str);
                let value = so_far.map_or_else(|| value.clone(), |before| format!("{before}/{value}"));
                found.insert(name.clone(), Json::String(value));
                Some(())
            }
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(one), Self::Literal(two)) => one == two,
            (Self::Literal(text), Self::Hole { prefix, suffix, .. })
            | (Self::Hole { prefix, suffix, .. }, Self::Literal(text)) => {
                text.len() > prefix.len() + suffix.len()
                    && text.starts_with(prefix.as_str())
                    && text.ends_with(suffix.as_str())
            }
            (Self::Hole { prefix: p1, suffix: s1, .. }, Self::Hole { prefix: p2, suffix: s2, .. }) => {
                (p1.starts_with(p2.as_str()) || p2.starts_with(p1.as_str()))
                    && (s1.ends_with(s2.as_str()) || s2.ends_with(s1.as_str()))
            }
        }
    }
}

fn placeholder(name: &str) -> Result<String, String> {
    let valid = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if name.is_empty() || !valid {
        return Err(format!("`{{{name}}}` is not a placeholder: its name is lower-case letters, digits and `_`"));
    }
    Ok(name.to_owned())
}

fn spans(inside: &str) -> Result<(&str, usize), String> {
    let Some((name, count)) = inside.split_once(':') else { return Ok((inside, 1)) };
    let count = count.parse().ok().filter(|count| (2..=9).contains(count));
    count.map(|count| (name, count)).ok_or_else(|| format!("`{{{inside}}}` does not span two to nine segments"))
}

/// Percent-decodes what fills a placeholder (RFC 3986 §2.1). `None`: empty, broken, not UTF-8, or with something in it that
/// servers read in different ways.
fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match (first, after) {
            (b'%', [high, low, after @ ..]) => (hex(*high)? << 4 | hex(*low)?, after),
            (b'%', _) => return None,
            (byte, after) => (*byte, after),
        };
        bytes.push(byte);
        rest = after;
    }
    let text = String::from_utf8(bytes).ok()?;
    let odd = text.is_empty() || text.contains('\\') || text.chars().any(char::is_control);
    let dots = text.split('/').any(|part| part.is_empty() || part == "." || part == "..");
    (!odd && !dots).then_some(text)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(template: &str, path: &str) -> Option<String> {
        let values = Route::parse(template).unwrap().matches(&Method::GET, path)?;
        Some(String::from_utf8(Json::Object(values).canonical()).unwrap())
    }

    #[test]
    fn paths() {
        let cases = [
            ("GET /v1/models", "/v1/models", Some("{}")),
            ("GET /v1/models", "/v1/models/", None),
            ("GET /v1/models/", "/v1/models/", Some("{}")),
            ("GET /v1/models", "/v1//models", None),
            ("GET /v1/models", "/v1/./models", None),
            ("GET /v1/models", "/v1/%6Dodels", None),
            ("GET /v1/models", "v1/models", None),
            ("POST /v1/models", "/v1/models", None),
            ("GET /m/{id}", "/m/a", Some(r#"{"id":"a"}"#)),
            ("GET /m/{id}", "/m/%61%20b", Some(r#"{"id":"a b"}"#)),
            ("GET /m/{id}", "/m/a%2Fb", Some(r#"{"id":"a/b"}"#)),
            ("GET /m/{id}", "/m/a/b", None),
            ("GET /m/{id}", "/m/", None),
            ("GET /m/{id}", "/m/..", None),
            ("GET /m/{id}", "/m/%2e%2e", None),
            ("GET /m/{id}", "/m/a%2F..%2Fb", None),
            ("GET /m/{id}", "/m/a%00", None),
            ("GET /m/{id}", "/m/a%5Cb", None),
            ("GET /m/{id}", "/m/a;v=1", None),
            ("GET /m/{id}", "/m/%ff", None),
            ("GET /m/{id}", "/m/%zz", None),
            ("GET /m/{id}", "/m/a%2", None),
            ("GET /m/{id}", "/m/%+1", None),
            ("GET /m/{id:2}", "/m/a/b", Some(r#"{"id":"a/b"}"#)),
            ("GET /m/{id:2}", "/m/a%2Fb/c", None),
            ("GET /m/{id:2}", "/m/a", None),
            ("GET /m/{id}:go", "/m/a:go", Some(r#"{"id":"a"}"#)),
            ("GET /m/{id}:go", "/m/:go", None),
            ("GET /f/{path...}", "/f/a/b%20c", Some(r#"{"path":"a/b c"}"#)),
            ("GET /f/{path...}", "/f/a%2Fb", None),
            ("GET /f/{path...}", "/f/a/../b", None),
            ("GET /f/{path...}", "/f/a//b", None),
            ("GET /f/{path...}", "/f", None),
        ];
        for (template, path, expected) in cases {
            assert_eq!(found(template, path).as_deref(), expected, "{template} {path}");
        }
    }

    #[test]
    fn every_method_is_known() {
        for method in METHODS {
            assert_eq!(Route::parse(&format!("{method} /a")).unwrap().method(), method);
        }
    }

    #[test]
    fn head_is_not_get() {
        assert!(Route::parse("GET /a").unwrap().matches(&Method::HEAD, "/a").is_none());
    }

    #[test]
    fn refused() {
        let cases = [
            ("/v1", "`/v1` is not a method and a path"),
            ("get /v1", "`get /v1` does not begin with a method in capitals"),
            (
                "FETCH /v1",
                "`FETCH /v1`: `FETCH` is no method: expected one of GET, HEAD, POST, PUT, PATCH, DELETE, QUERY, OPTIONS, TRACE, CONNECT",
            ),
            ("GET v1", "the path of `GET v1` does not begin with `/`"),
            ("GET /a//b", "`GET /a//b`: `` cannot be a segment of a path"),
            ("GET /a/../b", "`GET /a/../b`: `..` cannot be a segment of a path"),
            ("GET /a?b", "`GET /a?b`: `a?b` cannot be a segment of a path"),
            ("GET /{a", "`GET /{a`: `{a` has no closing brace"),
            ("GET /{}", "`GET /{}`: `{}` is not a placeholder: its name is lower-case letters, digits and `_`"),
            ("GET /{a}{b}", "`GET /{a}{b}`: `{a}{b}` has more than one placeholder"),
            ("GET /{a...}/b", "`GET /{a...}/b`: `{a...}` is not a whole segment at the path's end"),
            ("GET /{a:1}", "`GET /{a:1}`: `{a:1}` does not span two to nine segments"),
            ("GET /x{a:2}", "`GET /x{a:2}`: `x{a:2}` spans several segments and is not a whole one"),
            ("GET /{a}/{a}", "`GET /{a}/{a}` names a placeholder twice"),
            ("GET /{a:2}/{a}", "`GET /{a:2}/{a}` names a placeholder twice"),
        ];
        for (text, message) in cases {
            assert_eq!(Route::parse(text).unwrap_err(), message);
        }
    }

    #[test]
    fn which_says_more() {
        let cases = [
            ("GET /a/b", "GET /a/{x}", Some(Ordering::Greater)),
            ("GET /a/{x}", "GET /a/{x...}", Some(Ordering::Greater)),
            ("GET /a/{x}/b", "GET /a/{x...}", Some(Ordering::Greater)),
            ("GET /a/{x...}", "GET /{y...}", Some(Ordering::Greater)),
            ("GET /a/{x}:go", "GET /a/{x}", Some(Ordering::Greater)),
            ("GET /a/{x}", "GET /a/{y}", Some(Ordering::Equal)),
            ("GET /a/{x}/c", "GET /a/b/{y}", Some(Ordering::Less)),
            ("GET /a/{x:2}", "GET /a/{y}/b", Some(Ordering::Less)),
            ("GET /a/{x}:go", "GET /a/{x}:stop", None),
            ("GET /a", "POST /a", None),
            ("GET /a", "GET /a/{x...}", None),
        ];
        for (one, two, expected) in cases {
            let (one, two) = (Route::parse(one).unwrap(), Route::parse(two).unwrap());
            assert_eq!(one.overlaps(&two).then(|| one.specificity(&two)), expected, "{one} {two}");
            let turned = expected.map(Ordering::reverse);
            assert_eq!(two.overlaps(&one).then(|| two.specificity(&one)), turned, "{two} {one}");
        }
    }
}

#[cfg(test)]
mod properties {
    use super::*;
    use proptest::prelude::*;

    fn encode(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02X}")).collect()
    }

    proptest! {
        /// However a value is spelled, it fills the placeholder as itself; and what it fills is told apart from its neighbour.
        #[test]
        fn values_come_through(one in "[a-z0-9 ä:@+=&%?#]{1,8}", two in "[a-z0-9 ä:@+=&%?#]{1,8}") {
            let route = Route::parse("GET /a/{one}/{two}").unwrap();
            let found = route.matches(&Method::GET, &format!("/a/{}/{}", encode(&one), encode(&two))).unwrap();
            prop_assert_eq!(found.get("one").and_then(Json::as_str), Some(one.as_str()));
            prop_assert_eq!(found.get("two").and_then(Json::as_str), Some(two.as_str()));
        }

        #[test]
        fn no_path_breaks_it(path in "\\PC{0,40}") {
            let _ = Route::parse("GET /{rest...}").unwrap().matches(&Method::GET, &path);
        }

        #[test]
        fn no_template_breaks_it(template in "GET /[a{}:.0-9/]{0,16}") {
            let _ = Route::parse(&template);
        }
    }
}
