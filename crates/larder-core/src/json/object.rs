//! Objects: members sorted as RFC 8785 §3.2.3 sorts them, each name once.

use super::Json;
use std::cmp::Ordering;

/// The members of a JSON object: sorted by the UTF-16 code units of their names, unique.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object(Vec<(String, Json)>);

/// Compares two names by their UTF-16 code units without leaving UTF-8.
///
/// The two orders differ in one place: characters beyond the BMP (UTF-8 lead bytes `F0`–`F4`) are surrogates in UTF-16
/// and so come before U+E000–U+FFFF (lead bytes `EE`, `EF`). Lifting those two above `F4` makes bytes compare alike.
pub(super) fn order(a: &str, b: &str) -> Ordering {
    let lift = |byte: u8| if matches!(byte, 0xEE | 0xEF) { byte | 0x10 } else { byte };
    let (a, b) = (a.as_bytes(), b.as_bytes());
    match a.iter().zip(b).find(|(x, y)| x != y) {
        Some((x, y)) => lift(*x).cmp(&lift(*y)),
        None => a.len().cmp(&b.len()),
    }
}

impl Object {
    /// No members.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The object with these members in any order; `Err` with a name that occurs twice. O(n log n).
    pub fn from_members(mut members: Vec<(String, Json)>) -> Result<Self, String> {
        sort(&mut members);
        match members.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(pair[0].0.clone()),
            None => Ok(Self(members)),
        }
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| order(other, name))
    }

    /// The member `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.find(name).ok().and_then(|at| self.0.get(at)).map(|(_, value)| value)
    }

    /// The member `name`, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Json> {
        self.find(name).ok().and_then(|at| self.0.get_mut(at)).map(|(_, value)| value)
    }

    /// Whether there is a member `name`.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    /// Sets member `name`, replacing what it had; keeps the order. For many members [`FromIterator`] is faster.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Json>) {
        let (name, value) = (name.into(), value.into());
        match self.find(&name) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (name, value)),
        }
    }

    /// Takes member `name` out.
    pub fn remove(&mut self, name: &str) -> Option<Json> {
        self.find(name).ok().map(|at| self.0.remove(at).1)
    }

    /// Keeps the members for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &Json) -> bool) {
        self.0.retain(|(name, value)| keep(name, value));
    }

    /// The members in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Appends the canonical form to `out`.
    pub fn write_canonical(&self, out: &mut Vec<u8>) {
        super::canonical::object(self, out);
    }

    /// How many members.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Stable, so that of members with one name the later stays the later.
fn sort(members: &mut [(String, Json)]) {
    members.sort_by(|(a, _), (b, _)| order(a, b));
}

impl IntoIterator for Object {
    type Item = (String, Json);
    type IntoIter = std::vec::IntoIter<(String, Json)>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Of members with one name the last one stays.
impl<N: Into<String>, V: Into<Json>> FromIterator<(N, V)> for Object {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(members: I) -> Self {
        let mut members: Vec<_> = members.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        sort(&mut members);
        members.reverse();
        members.dedup_by(|later, earlier| later.0 == earlier.0);
        members.reverse();
        Self(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn beyond_the_bmp_comes_before_its_end() {
        let mut names = ["\u{ffff}", "\u{10000}", "\u{e000}", "\u{d7ff}", "z", "", "\u{10ffff}", "\u{80}"];
        names.sort_by(|a, b| order(a, b));
        assert_eq!(names, ["", "z", "\u{80}", "\u{d7ff}", "\u{10000}", "\u{10ffff}", "\u{e000}", "\u{ffff}"]);
    }

    proptest! {
        #[test]
        fn order_is_that_of_utf16(a in any::<String>(), b in any::<String>(), c in "[\u{d700}\u{e000}\u{ffff}\u{10000}a]{0,4}", d in "[\u{d700}\u{e000}\u{ffff}\u{10000}a]{0,4}") {
            for (a, b) in [(&a, &b), (&c, &d)] {
                prop_assert_eq!(order(a, b), a.encode_utf16().cmp(b.encode_utf16()));
            }
        }
    }

    #[test]
    fn members_are_found_set_and_taken() {
        let mut object: Object = [("b", 1_i64), ("a", 2), ("b", 3)].into_iter().collect();
        assert_eq!(object.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(object.get("b"), Some(&3_i64.into()), "the last one stays");
        object.insert("aa", true);
        object.insert("a", "x");
        assert_eq!(Json::from(object.clone()).to_string(), r#"{"a":"x","aa":true,"b":3}"#);
        assert_eq!(object.remove("a"), Some("x".into()));
        assert_eq!(object.remove("a"), None);
        assert_eq!(object.len(), 2);
    }

    #[test]
    fn a_name_that_occurs_twice_is_named() {
        let members = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), Json::Null)).collect();
        assert_eq!(Object::from_members(members(&["x", "y", "x"])), Err("x".to_owned()));
        assert_eq!(Object::from_members(members(&["y", "x"])).unwrap().len(), 2);
    }
}
