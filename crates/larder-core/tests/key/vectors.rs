//! The golden vectors, `../vectors/key.json`; `../vectors/check.py` checks them with another implementation.

use larder_core::{
    Json, QueryKey, Question,
    params::{body_member, query_members},
    question::VERSION,
};
use serde_json::Value;
use std::collections::BTreeMap;

fn file() -> Value {
    serde_json::from_str(include_str!("../vectors/key.json")).unwrap()
}

fn list<'a>(file: &'a Value, section: &str) -> &'a [Value] {
    file[section].as_array().unwrap()
}

fn text<'a>(entry: &'a Value, member: &str) -> &'a str {
    entry[member].as_str().unwrap_or_else(|| panic!("{entry} has no text `{member}`"))
}

#[test]
fn every_question_has_its_canonical_form_and_key() {
    let file = file();
    assert!(list(&file, "vectors").len() >= 60);
    for vector in list(&file, "vectors") {
        let (name, canonical) = (text(vector, "name"), text(vector, "canonical"));
        let question = Question::parse(text(vector, "question").as_bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(String::from_utf8(question.canonical()).unwrap(), canonical, "{name}");
        assert_eq!(question.document().to_string(), canonical, "{name}");
        assert_eq!(question.key().to_string(), text(vector, "key"), "{name}");
        assert_eq!(QueryKey::of(canonical.as_bytes()), question.key(), "{name}");
    }
}

#[test]
fn what_is_refused_is_refused() {
    for vector in list(&file(), "refused") {
        let bytes = match vector.get("hex") {
            Some(hex) => data_encoding::HEXLOWER.decode(hex.as_str().unwrap().as_bytes()).unwrap(),
            None => text(vector, "question").as_bytes().to_vec(),
        };
        assert!(Question::parse(&bytes).is_err(), "{}", text(vector, "name"));
    }
}

#[test]
fn pairs_are_the_same_or_differ() {
    let file = file();
    let vectors = list(&file, "vectors").iter();
    let keys: BTreeMap<_, _> = vectors.map(|vector| (text(vector, "name"), text(vector, "key"))).collect();
    for (section, same) in [("same", true), ("must_differ", false)] {
        for pair in list(&file, section) {
            let [a, b] = [0, 1].map(|at| pair[at].as_str().unwrap());
            assert_eq!(keys[a] == keys[b], same, "`{a}` and `{b}`");
        }
    }
}

#[test]
fn query_strings_and_bodies_have_their_forms() {
    let file = file();
    for vector in list(&file, "queries") {
        let query = text(vector, "query");
        assert_eq!(Json::Object(query_members(query)).to_string(), text(vector, "members"), "{query}");
    }
    for vector in list(&file, "bodies") {
        let member = body_member(vector["content_type"].as_str(), Some(text(vector, "body").as_bytes()));
        assert_eq!(member.to_string(), text(vector, "member"), "{}", text(vector, "name"));
    }
}

/// A section, how many of its entries are pinned, and the CID of what they say.
type Pin = (&'static str, usize, &'static str);

/// Of each version of the form: how many entries of each section there were, and the CID of what they say. Entries
/// may be added at a section's end (and pinned here by a larger number); one that has changed is another form, and
/// needs another [`VERSION`].
const PINNED: &[(u64, [Pin; 3])] = &[(
    1,
    [
        ("vectors", 110, "bafkreidte5qmuhh2cz4tidkdmb2veajjkkqolnlr2k6ccoaca5ndvughrq"),
        ("queries", 33, "bafkreiepkkyaa3sdsnht3hsiwx4xuejfmzyr44py63vk6rv2cneg6rxgje"),
        ("bodies", 42, "bafkreibyxweilnja2sb2i3e7bpxdprd5nxwqsxvylsznkms7s64wdchpl4"),
    ],
)];

#[test]
fn vectors_change_only_with_the_version() {
    let file = file();
    assert_eq!(file["larder"].as_u64(), Some(VERSION));
    let (_, sections) = PINNED.iter().find(|(version, _)| *version == VERSION).expect("pin the new version's vectors");
    for (section, count, pinned) in sections {
        let entries = list(&file, section).get(..*count).expect("vectors are never taken out");
        let canonical = |entry: &Value| Json::parse(entry.to_string().as_bytes()).unwrap().canonical();
        let now = QueryKey::of(&entries.iter().map(canonical).collect::<Vec<_>>().join(&b'\n')).to_string();
        assert_eq!(
            now, *pinned,
            "`{section}` changed: a changed vector needs another `larder` number (docs/design/key.md)"
        );
    }
}
