//! Where the members of a record are in its encoding: in the one order that DAG-CBOR allows, the shorter names first, and among equally long
//! ones by their bytes (docs/design/record.md).
//!
//! Serde knows the form, too (`#[derive(Serialize, Deserialize)]`), and says what is wrong with one that is not read here; it takes
//! six times as long to write it, since it sorts the members of every map anew, and three times to read it.

use super::{
    Cost, Frame, Head, Record, Variant,
    cbor::{Reader, Writer},
};
use crate::{BodyCid, QueryKey, Timestamp};
use serde_bytes::ByteBuf;

/// What the names and numbers of a record take, bytes, at most and in round figures.
const NAMES: usize = 512;

/// The encoding of `record`.
pub(super) fn write(record: &Record) -> Vec<u8> {
    let mut to = Writer::with_capacity(NAMES + record.question.len());
    to.map(18);
    to.text("v");
    to.number(record.v.into());
    to.text("key");
    to.bytes(record.key.digest());
    to.text("body");
    to.bytes(record.body.digest());
    to.text("cost");
    write_cost(&mut to, &record.cost);
    to.text("head");
    write_head(&mut to, &record.head);
    to.text("vary");
    to.list(record.vary.len());
    for (name, value) in &record.vary {
        to.list(2);
        to.text(name);
        to.text_or_null(value.as_deref());
    }
    to.text("share");
    to.text(&record.share);
    to.text("ttl_ms");
    to.number(record.ttl_ms);
    to.text("created");
    to.signed(record.created.0);
    to.text("service");
    to.text(&record.service);
    to.text("variant");
    to.text(&record.variant.0);
    to.text("body_len");
    to.number(record.body_len);
    to.text("question");
    to.bytes(&record.question);
    to.text("operation");
    to.text(&record.operation);
    to.text("fingerprint");
    to.text_or_null(record.fingerprint.as_deref());
    to.text("initial_age_ms");
    to.number(record.initial_age_ms);
    to.text("stale_if_error_ms");
    to.number(record.stale_if_error_ms);
    to.text("stale_while_revalidate_ms");
    to.number(record.stale_while_revalidate_ms);
    to.done()
}

fn write_cost(to: &mut Writer, cost: &Cost) {
    to.map(3);
    to.text("elapsed_ms");
    to.number(cost.elapsed_ms);
    to.text("input_tokens");
    to.number(cost.input_tokens);
    to.text("output_tokens");
    to.number(cost.output_tokens);
}

fn write_head(to: &mut Writer, head: &Head) {
    to.map(1);
    match head {
        Head::Http { status, headers } => {
            to.text("http");
            to.map(2);
            to.text("status");
            to.number((*status).into());
            to.text("headers");
            to.list(headers.len());
            for (name, value) in headers {
                to.list(2);
                to.text(name);
                to.bytes(value);
            }
        }
        Head::Tool { exit_code, frames } => {
            to.text("tool");
            to.map(2);
            to.text("frames");
            to.list(frames.len());
            frames.iter().for_each(|frame| write_frame(to, frame));
            to.text("exit_code");
            to.number((*exit_code).into());
        }
        Head::Value { content_type } => {
            to.text("value");
            to.map(1);
            to.text("content_type");
            to.text_or_null(content_type.as_deref());
        }
    }
}

fn write_frame(to: &mut Writer, frame: &Frame) {
    to.map(3);
    to.text("fd");
    to.number(frame.fd.into());
    to.text("len");
    to.number(frame.len);
    to.text("at_ms");
    to.number(frame.at_ms);
}

/// The record that [`write()`] wrote; `None` for anything else.
pub(super) fn read(bytes: &[u8]) -> Option<Record> {
    let mut from = Reader(bytes);
    from.begin_map(18)?;
    // In the order in which they are written here, which is that of the encoding.
    let record = Record {
        v: named(&mut from, "v", Reader::number)?,
        key: QueryKey::from_digest(named(&mut from, "key", digest)?),
        body: BodyCid::from_digest(named(&mut from, "body", digest)?),
        cost: named(&mut from, "cost", read_cost)?,
        head: named(&mut from, "head", read_head)?,
        vary: named(&mut from, "vary", |from| from.list(read_varying))?,
        share: named(&mut from, "share", Reader::text)?.to_owned(),
        ttl_ms: named(&mut from, "ttl_ms", Reader::number)?,
        created: Timestamp(named(&mut from, "created", Reader::signed)?),
        service: named(&mut from, "service", Reader::text)?.to_owned(),
        variant: Variant(named(&mut from, "variant", Reader::text)?.to_owned()),
        body_len: named(&mut from, "body_len", Reader::number)?,
        question: named(&mut from, "question", Reader::bytes)?.to_vec(),
        operation: named(&mut from, "operation", Reader::text)?.to_owned(),
        fingerprint: named(&mut from, "fingerprint", Reader::text_or_null)?.map(str::to_owned),
        initial_age_ms: named(&mut from, "initial_age_ms", Reader::number)?,
        stale_if_error_ms: named(&mut from, "stale_if_error_ms", Reader::number)?,
        stale_while_revalidate_ms: named(&mut from, "stale_while_revalidate_ms", Reader::number)?,
    };
    from.is_at_end().then_some(record)
}

fn named<'a, T>(from: &mut Reader<'a>, name: &str, value: impl FnOnce(&mut Reader<'a>) -> Option<T>) -> Option<T> {
    from.name(name)?;
    value(from)
}

fn digest(from: &mut Reader<'_>) -> Option<[u8; 32]> {
    from.bytes()?.try_into().ok()
}

fn read_cost(from: &mut Reader<'_>) -> Option<Cost> {
    from.begin_map(3)?;
    Some(Cost {
        elapsed_ms: named(from, "elapsed_ms", Reader::number)?,
        input_tokens: named(from, "input_tokens", Reader::number)?,
        output_tokens: named(from, "output_tokens", Reader::number)?,
    })
}

fn read_varying(from: &mut Reader<'_>) -> Option<(String, Option<String>)> {
    from.begin_list(2)?;
    Some((from.text()?.to_owned(), from.text_or_null()?.map(str::to_owned)))
}

fn read_head(from: &mut Reader<'_>) -> Option<Head> {
    from.begin_map(1)?;
    match from.text()? {
        "http" => {
            from.begin_map(2)?;
            let status = named(from, "status", Reader::number)?;
            Some(Head::Http { status, headers: named(from, "headers", |from| from.list(read_header))? })
        }
        "tool" => {
            from.begin_map(2)?;
            let frames = named(from, "frames", |from| from.list(read_frame))?;
            Some(Head::Tool { frames, exit_code: named(from, "exit_code", Reader::number)? })
        }
        "value" => {
            from.begin_map(1)?;
            let content_type = named(from, "content_type", Reader::text_or_null)?.map(str::to_owned);
            Some(Head::Value { content_type })
        }
        _ => None,
    }
}

fn read_header(from: &mut Reader<'_>) -> Option<(String, ByteBuf)> {
    from.begin_list(2)?;
    Some((from.text()?.to_owned(), ByteBuf::from(from.bytes()?)))
}

fn read_frame(from: &mut Reader<'_>) -> Option<Frame> {
    from.begin_map(3)?;
    Some(Frame {
        fd: named(from, "fd", Reader::number)?,
        len: named(from, "len", Reader::number)?,
        at_ms: named(from, "at_ms", Reader::number)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn heads() -> impl Strategy<Value = Head> {
        let header = (any::<String>(), any::<Vec<u8>>()).prop_map(|(name, value)| (name, ByteBuf::from(value)));
        let frame = (any::<u8>(), any::<u64>(), any::<u64>()).prop_map(|(fd, len, at_ms)| Frame { fd, len, at_ms });
        prop_oneof![
            (any::<u16>(), prop::collection::vec(header, 0..30))
                .prop_map(|(status, headers)| Head::Http { status, headers }),
            (any::<u8>(), prop::collection::vec(frame, 0..30))
                .prop_map(|(exit_code, frames)| Head::Tool { exit_code, frames }),
            any::<Option<String>>().prop_map(|content_type| Head::Value { content_type }),
        ]
    }

    /// Numbers of every length.
    fn numbers() -> impl Strategy<Value = u64> {
        (any::<u64>(), 0..64_u32).prop_map(|(number, shift)| number >> shift)
    }

    fn records() -> impl Strategy<Value = Record> {
        let cost = (numbers(), numbers(), numbers()).prop_map(|(elapsed_ms, input_tokens, output_tokens)| Cost {
            elapsed_ms,
            input_tokens,
            output_tokens,
        });
        let numbers = (any::<u8>(), [numbers(), numbers(), numbers(), numbers(), numbers()], numbers(), any::<bool>());
        let texts = (any::<[String; 4]>(), any::<Option<String>>(), any::<Vec<(String, Option<String>)>>());
        (numbers, texts, heads(), cost, any::<[[u8; 32]; 2]>(), any::<Vec<u8>>()).prop_map(
            |((v, [a, b, c, d, e], created, is_before), (texts, fingerprint, vary), head, cost, digests, question)| {
                let [service, operation, share, variant] = texts;
                let created = (created >> 1).cast_signed();
                Record {
                    v,
                    key: QueryKey::from_digest(digests[0]),
                    variant: Variant(variant),
                    vary,
                    service,
                    operation,
                    share,
                    question,
                    body: BodyCid::from_digest(digests[1]),
                    body_len: a,
                    head,
                    created: Timestamp(if is_before { !created } else { created }),
                    initial_age_ms: b,
                    ttl_ms: c,
                    stale_while_revalidate_ms: d,
                    stale_if_error_ms: e,
                    cost,
                    fingerprint,
                }
            },
        )
    }

    /// What serde makes of bytes, if they are canonical.
    fn by_serde(bytes: &[u8]) -> Option<Record> {
        serde_ipld_dagcbor::from_slice(bytes).ok().filter(|_| super::super::strict::is_canonical(bytes))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn it_is_what_serde_writes_and_reads(record in records()) {
            let bytes = write(&record);
            prop_assert_eq!(&bytes, &serde_ipld_dagcbor::to_vec(&record).unwrap());
            prop_assert_eq!(read(&bytes), Some(record));
        }

        #[test]
        fn nothing_is_read_that_serde_does_not_read(
            record in records(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
        ) {
            let mut bytes = write(&record);
            for (at, byte, how) in changes {
                let at = at.index(bytes.len());
                match how {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => drop(bytes.remove(at)),
                }
            }
            if let Some(read) = read(&bytes) {
                prop_assert_eq!(by_serde(&bytes), Some(read));
            }
        }
    }
}
