//! Multipart bodies (RFC 2046 §5.1, RFC 7578): what they carry, without the boundary, which is random.
//!
//! Read strictly. Whatever two readers could understand in two ways is not taken apart at all: then the digest of
//! the bytes is the key, which at worst is a miss.

use super::media::{Media, is_token};
use crate::{
    cid::sha256,
    json::{Json, Object},
};
use data_encoding::HEXLOWER;
use memchr::memmem;

/// The `body` member of a multipart body: `{"type": …, "parts": […]}`; `None` where it is not one.
pub(super) fn member(content_type: &str, body: &[u8]) -> Option<Json> {
    let media = Media::parse(content_type)?;
    let boundary = media.parameter("boundary").filter(|boundary| is_boundary(boundary))?;
    if !media.essence.starts_with("multipart/") {
        return None;
    }
    let parts = parts(boundary, body)?.into_iter().map(part).collect::<Option<Vec<_>>>()?;
    let members: Object =
        [("type", Json::from(type_text(&media))), ("parts", Json::Array(parts))].into_iter().collect();
    Some(Json::Object(members))
}

/// RFC 2046 §5.1.1: up to 70 characters. Quotes and backslashes are not among them.
fn is_boundary(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    (1..=70).contains(&text.len()) && text.bytes().all(allowed) && !text.ends_with(' ')
}

/// The type without its boundary.
fn type_text(media: &Media) -> String {
    let others = media.parameters.iter().filter(|(name, _)| name != "boundary");
    others.fold(media.essence.clone(), |text, (name, value)| format!("{text};{name}=\"{value}\""))
}

/// The bytes between the delimiters; `None` unless the body is delimiters and parts and nothing else.
fn parts<'a>(boundary: &str, body: &'a [u8]) -> Option<Vec<&'a [u8]>> {
    let delimiter = format!("\r\n--{boundary}");
    let finder = memmem::Finder::new(delimiter.as_bytes());
    // The first delimiter has no line before it.
    let mut rest = body.strip_prefix(&delimiter.as_bytes()[2..])?;
    let mut parts = Vec::new();
    loop {
        if let Some(end) = rest.strip_prefix(b"--") {
            return matches!(end, b"" | b"\r\n").then_some(parts);
        }
        let inside = rest.strip_prefix(b"\r\n")?;
        // A part without headers and content may end right where its first line would.
        let end = finder.find(inside)?;
        parts.push(&inside[..end]);
        rest = &inside[end + delimiter.len()..];
    }
}

/// `{"name", "filename", "filename*", "type", "headers", "sha256"}`, each where there is one.
fn part(bytes: &[u8]) -> Option<Json> {
    let (head, content) = match bytes.strip_prefix(b"\r\n") {
        Some(content) => (&b""[..], content),
        None => bytes.split_at_checked(memmem::find(bytes, b"\r\n\r\n")?).map(|(head, rest)| (head, &rest[4..]))?,
    };
    let mut members = vec![("sha256".to_owned(), Json::from(HEXLOWER.encode(&sha256(content))))];
    let mut others = Vec::new();
    for (name, value) in headers(std::str::from_utf8(head).ok()?)? {
        match name.as_str() {
            "content-disposition" => members.extend(disposition(value)?),
            "content-type" => members.push(("type".to_owned(), value.into())),
            _ => others.push((name, value.into())),
        }
    }
    if !others.is_empty() {
        members.push(("headers".to_owned(), Json::Object(Object::from_members(others).ok()?)));
    }
    Object::from_members(members).ok().map(Json::Object)
}

/// Lower-case names and trimmed values; `None` for anything that is not `name: value` line by line.
fn headers(head: &str) -> Option<Vec<(String, &str)>> {
    let line = |line: &str| !line.contains(['\r', '\n', '\0']);
    let lines = head.split("\r\n").filter(|_| !head.is_empty());
    lines
        .map(|text| {
            let (name, value) = text.split_once(':').filter(|_| line(text))?;
            let plain = !name.is_empty() && name.bytes().all(is_token);
            plain.then(|| (name.to_ascii_lowercase(), value.trim_matches([' ', '\t'])))
        })
        .collect()
}

/// The parameters of `form-data; name="…"; filename="…"`; `None` for any other disposition or parameter.
fn disposition(value: &str) -> Option<Vec<(String, Json)>> {
    let media = Media::parse(value)?;
    let known = media.parameters.iter().all(|(name, _)| ["name", "filename", "filename*"].contains(&name.as_str()));
    (media.essence == "form-data" && known)
        .then(|| media.parameters.into_iter().map(|(name, value)| (name, value.into())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::body_member;
    use proptest::prelude::*;

    fn form(boundary: &str, parts: &[&str]) -> (String, String) {
        let body: String = parts.iter().map(|part| format!("--{boundary}\r\n{part}\r\n")).collect();
        (format!("multipart/form-data; boundary={boundary}"), format!("{body}--{boundary}--\r\n"))
    }

    fn show(content_type: &str, body: &str) -> String {
        body_member(Some(content_type), Some(body.as_bytes())).to_string()
    }

    const TEXT: &str = "Content-Disposition: form-data; name=\"model\"\r\n\r\nabc";
    const FILE: &str =
        "content-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\nabc";

    #[test]
    fn parts_by_name_type_and_digest_whatever_the_boundary() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let expected = format!(
            r#"{{"parts":[{{"name":"model","sha256":"{abc}"}},{{"filename":"a.wav","name":"file","sha256":"{abc}","type":"audio/wav"}}],"type":"multipart/form-data"}}"#
        );
        for boundary in ["x", "----WebKitFormBoundary7MA4YWxkTrZu0gW"] {
            let (kind, body) = form(boundary, &[TEXT, FILE]);
            assert_eq!(show(&kind, &body), expected);
        }
        let (kind, body) = form("x", &[FILE, TEXT]);
        assert_ne!(show(&kind, &body), expected, "the order of parts is part of the question");
    }

    #[test]
    fn whatever_else_a_part_says_stays_in_the_key() {
        let plain = "Content-Disposition: form-data; name=a\r\n\r\nabc";
        let (kind, body) = form("x", &[plain]);
        let first = show(&kind, &body);
        for other in [
            "Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\nabc",
            "Content-Disposition: form-data; name=a; filename*=UTF-8''b\r\n\r\nabc",
            "Content-Disposition: form-data; name=\"\"\r\n\r\nabc",
            "Content-Disposition: form-data; name=a\r\nContent-Type: text/plain\r\n\r\nabc",
            "Content-Disposition: form-data\r\n\r\nabc",
            "\r\nabc",
        ] {
            let (kind, body) = form("x", &[other]);
            assert!(show(&kind, &body).contains("parts"), "{other}");
            assert_ne!(show(&kind, &body), first, "{other}");
        }
        assert_ne!(show("multipart/mixed; boundary=x", &body), first);
        assert_ne!(show("multipart/form-data; boundary=x; start=y", &body), first);
    }

    #[test]
    fn what_is_not_clearly_multipart_is_its_digest() {
        let (kind, good) = form("x", &[TEXT]);
        assert!(show(&kind, &good).contains("parts"));
        let bodies = [
            format!("preamble\r\n{good}"),
            format!("{good}epilogue"),
            good.replace("--x--\r\n", ""),
            good.replace("--x--", "--x --"),
            good.replace("\r\n", "\n"),
            good.replace("form-data", "attachment"),
            good.replace("; name", "; size=3; name"),
            good.replace("name=\"model\"", "name=\"model\"; name=b"),
            good.replace("name=\"model\"", "name=\"model"),
            good.replace("\r\n\r\nabc", "\r\n folded\r\n\r\nabc"),
            good.replace("\r\n\r\nabc", "\r\nContent-Type: a\r\nContent-Type: b\r\n\r\nabc"),
            good.replace("\r\n\r\nabc", "\r\nX: a\r\nX: b\r\n\r\nabc"),
            good.replace("abc", "a\r\n--xyz\r\nbc"),
        ];
        for body in bodies {
            assert!(!show(&kind, &body).contains("parts"), "{body}");
        }
        for kind in ["multipart/form-data", "multipart/form-data; boundary=\"\"", "text/plain; boundary=x"] {
            assert!(!show(kind, &good).contains("parts"), "{kind}");
        }
        let (kind, body) = form("x", &[]);
        assert!(show(&kind, &body).contains(r#""parts":[]"#), "no part is still multipart");
    }

    proptest! {
        #[test]
        fn never_panics(body in "(--x|--|\r\n|:|;|\"|a|content-disposition: form-data|name=){0,20}") {
            let _ = member("multipart/form-data; boundary=x", body.as_bytes());
        }
    }
}
