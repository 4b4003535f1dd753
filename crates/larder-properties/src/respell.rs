//! The same value in other words.

use crate::reader::Document;

/// Another spelling: members in reverse, every character of every string escaped, white space everywhere.
#[must_use]
pub fn respelled(document: &Document) -> String {
    let list = |parts: Vec<String>| parts.join("\t,\r\n ");
    match document {
        Document::Text(text) => escaped(text),
        Document::List(elements) => format!("[ {}\n]", list(elements.iter().map(respelled).collect())),
        Document::Members(members) => {
            let member = |(name, value): &(String, Document)| format!("{}\t: {}", escaped(name), respelled(value));
            format!("{{\n{} }}", list(members.iter().rev().map(member).collect()))
        }
        // Any spelling that is no integer's and rounds to this double.
        Document::Double(double) => format!("{double:e}").replace('e', "E"),
        other => other.canonical(),
    }
}

fn escaped(text: &str) -> String {
    let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
    format!("\"{units}\"")
}
