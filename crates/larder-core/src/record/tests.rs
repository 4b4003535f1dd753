//! Encoding, decoding, and what is refused.

use super::*;
use proptest::prelude::*;
use serde_bytes::ByteBuf;

/// An HTTP answer that is fresh for a minute from second 1000 on.
pub(crate) fn record() -> Record {
    Record {
        v: VERSION,
        key: QueryKey::of(b"question"),
        variant: Variant::default(),
        vary: Vec::new(),
        service: "s".to_owned(),
        operation: "o".to_owned(),
        share: "team".to_owned(),
        question: b"question".to_vec(),
        body: BodyCid::of(b"body"),
        body_len: 4,
        head: http(200, &[("content-type", b"text/plain")]),
        created: Timestamp(1_000_000),
        initial_age_ms: 0,
        ttl_ms: 60_000,
        stale_while_revalidate_ms: 0,
        stale_if_error_ms: 0,
        cost: Cost::default(),
        fingerprint: None,
    }
}

fn http(status: u16, headers: &[(&str, &[u8])]) -> Head {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), ByteBuf::from(*value))).collect();
    Head::Http { status, headers }
}

fn tool(frames: &[(u8, u64)]) -> Head {
    let frames = frames.iter().map(|(fd, len)| Frame { fd: *fd, len: *len, at_ms: 0 }).collect();
    Head::Tool { exit_code: 1, frames }
}

/// Encodes without the check, as a careless or hostile writer would, and reads it.
fn forged(record: &Record) -> Result<Record, RecordError> {
    let bytes = serde_ipld_dagcbor::to_vec(record).unwrap();
    Record::decode(&bytes, &RecordCid::of(&bytes))
}

#[test]
fn every_head_comes_back() {
    for head in [
        http(599, &[("x", b""), ("x", b"\xff\t")]),
        tool(&[(1, 3), (2, 1)]),
        Head::Value { content_type: None },
        Head::Value { content_type: Some("text/plain".to_owned()) },
    ] {
        let vary = vec![("accept".to_owned(), None), ("*".to_owned(), Some("x".to_owned()))];
        let record = Record { head, vary, fingerprint: Some("f".to_owned()), ..record() };
        let bytes = record.encode().unwrap();
        assert_eq!(Record::decode(&bytes, &RecordCid::of(&bytes)).unwrap(), record);
    }
}

/// These bytes are in stores: a change of them needs another version.
#[test]
fn the_encoding_is_pinned() {
    let record = Record { vary: vec![("accept".to_owned(), None)], ..record() };
    let bytes = record.encode().unwrap();
    assert_eq!(RecordCid::of(&bytes).to_string(), "bafyreifi7v3sru6hwtqz7hikkr3ew7tyisvirddpddhxl3zzgdeetv6xge");
}

#[test]
fn nonsense_is_refused_when_read_and_when_written() {
    for (head, message) in [
        (http(99, &[]), "not a record: status `99`"),
        (http(600, &[]), "not a record: status `600`"),
        (http(200, &[("Content-Type", b"")]), "not a record: the header `Content-Type` cannot be sent"),
        (http(200, &[("", b"")]), "not a record: the header `` cannot be sent"),
        (http(200, &[("a b", b"")]), "not a record: the header `a b` cannot be sent"),
        (http(200, &[("x", b"a\r\nset-cookie: b")]), "not a record: the header `x` cannot be sent"),
        (tool(&[(1, 3)]), "not a record: the frames do not sum to the body"),
        (tool(&[(1, u64::MAX), (2, 5)]), "not a record: the frames do not sum to the body"),
        (tool(&[(3, 4)]), "not a record: a frame of file descriptor `3`"),
    ] {
        let record = Record { head, ..record() };
        assert_eq!(record.encode().unwrap_err().to_string(), message);
        assert_eq!(forged(&record).unwrap_err().to_string(), message);
    }
    let late = Record { created: Timestamp(i64::MAX), ..record() };
    assert!(matches!(forged(&late), Err(RecordError::Nonsense(_))));
    let vary = Record { vary: vec![("Accept".to_owned(), None)], ..record() };
    assert!(matches!(forged(&vary), Err(RecordError::Nonsense(_))));
}

#[test]
fn damaged_bytes_are_a_mismatch() {
    let bytes = record().encode().unwrap();
    let cid = RecordCid::of(&bytes);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert!(matches!(Record::decode(&damaged, &cid), Err(RecordError::Mismatch { .. })), "byte {at}");
    }
    assert!(matches!(Record::decode(&bytes[1..], &cid), Err(RecordError::Mismatch { .. })));
}

#[test]
fn another_version_is_named() {
    let newer = Record { v: 2, ..record() };
    assert_eq!(forged(&newer).unwrap_err().to_string(), "a record of version `2`, this program knows `1`");
    assert!(matches!(newer.encode(), Err(RecordError::Version(2))));
    // {"v": 256}: of the version alone a later form may be known.
    let strange = b"\xa1\x61\x76\x19\x01\x00";
    let error = Record::decode(strange, &RecordCid::of(strange)).unwrap_err();
    assert!(matches!(error, RecordError::Version(256)), "{error}");
}

#[test]
fn what_follows_a_record_is_refused() {
    let mut bytes = record().encode().unwrap();
    bytes.push(0xf6);
    assert!(matches!(Record::decode(&bytes, &RecordCid::of(&bytes)), Err(RecordError::Form(_))));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>(), at in any::<prop::sample::Index>(), with in any::<[u8; 3]>()) {
        let _ = Record::decode(&bytes, &RecordCid::of(&bytes));
        let mut near = record().encode().unwrap();
        let at = at.index(near.len() - 3);
        near[at..at + 3].copy_from_slice(&with);
        if let Ok(read) = Record::decode(&near, &RecordCid::of(&near)) {
            let again = read.encode().unwrap();
            prop_assert_eq!(Record::decode(&again, &RecordCid::of(&again)).unwrap(), read);
        }
    }
}

#[test]
fn a_member_that_is_missing_is_refused() {
    /// The record without one of its members: they lie in the map's order, the shorter names first.
    fn without(record: &Record, name: &str) -> Vec<u8> {
        let bytes = serde_ipld_dagcbor::to_vec(record).unwrap();
        let member = [&[0x60 | u8::try_from(name.len()).unwrap()], name.as_bytes(), &[0xf6]].concat();
        let at = memchr::memmem::find(&bytes, &member).unwrap();
        // The map's head, one byte, says how many members follow.
        let map = if name == "content_type" { at - 1 } else { 0 };
        let mut fewer = [&bytes[..at], &bytes[at + member.len()..]].concat();
        fewer[map] -= 1;
        fewer
    }
    let value = Record { head: Head::Value { content_type: None }, fingerprint: Some("f".to_owned()), ..record() };
    for bytes in [without(&record(), "fingerprint"), without(&value, "content_type")] {
        let error = Record::decode(&bytes, &RecordCid::of(&bytes)).unwrap_err();
        assert!(matches!(&error, RecordError::Form(what) if what.contains("missing field")), "{error}");
    }
}

#[test]
fn members_that_are_skipped_are_canonical_too() {
    let plain = serde_ipld_dagcbor::to_vec(&record()).unwrap();
    // `zzzzzzzzzzzzzzzzzzzzzzzzzz` comes after all others.
    let with = |value: &[u8]| {
        let mut bytes = [&plain[..], &[0x78, 26], &[b'z'; 26], value].concat();
        bytes[0] += 1;
        Record::decode(&bytes, &RecordCid::of(&bytes))
    };
    assert_eq!(with(b"\x01").unwrap(), record());
    for value in [b"\xc1\x01".as_slice(), b"\x18\x01", b"\x9f\xff", b"\xa1\x01\x02", b"\xf7"] {
        assert!(matches!(with(value), Err(RecordError::Form(_))), "{}", value.escape_ascii());
    }
}
