//! What the runner keeps.

use larder_core::{
    BodyCid, Head, QueryKey, Record, RecordCid, Timestamp, Variant,
    record::{
        Cost, Frame, Want,
        run::{HEADER, RunFile, add_frame, header, stretches},
    },
};

/// When the made-up runs end, and how long they are fresh, in milliseconds.
const CREATED: i64 = 1_800_000_000_000;
const TTL: u64 = 60_000;

/// The input is lines, an empty one, and a body. `frame FD LENGTH MILLISECONDS` adds a stretch of the body; `change AT BITS`
/// changes a byte of the file, `cut AT` ends it there, `add` prolongs it; other lines say nothing.
///
/// A run that was written is read back byte for byte, stream for stream, and is an answer until its time is over and to
/// nobody else. A file with any change in it is no answer. Any bytes are read without harm.
pub fn run(input: &[u8]) {
    let _ = RunFile::parse(input);
    let (lines, body) = halves(input);
    let lines: Vec<Vec<&str>> = lines.lines().map(|line| line.split(' ').collect()).collect();
    let (frames, body) = framed(&lines, body);
    let record = record(frames.clone(), body);
    let file = written(&record, body);
    read_back(&file, &record, body);
    streams(&frames, body);
    for line in &lines {
        if let Some(damaged) = damage(&file, line) {
            assert_ne!(damaged, file);
            assert!(!is_answer(&damaged, &want(&record), CREATED), "damaged by {line:?}, and an answer");
        }
    }
    impossible(&lines, body);
}

fn halves(input: &[u8]) -> (&str, &[u8]) {
    let at = input.windows(2).position(|pair| pair == b"\n\n").unwrap_or(input.len());
    (std::str::from_utf8(&input[..at]).unwrap_or_default(), input.get(at + 2..).unwrap_or_default())
}

fn frame(line: &[&str]) -> Option<Frame> {
    match line {
        ["frame", fd, len, at_ms] => {
            Some(Frame { fd: fd.parse().ok()?, len: len.parse().ok()?, at_ms: at_ms.parse().ok()? })
        }
        _ => None,
    }
}

/// Stretches as the runner adds them, cut to the body; what is left over went to stdout.
fn framed<'a>(lines: &[Vec<&str>], body: &'a [u8]) -> (Vec<Frame>, &'a [u8]) {
    let (mut frames, mut left) = (Vec::new(), body.len() as u64);
    for frame in lines.iter().filter_map(|line| frame(line)) {
        let len = frame.len.min(left);
        left -= len;
        add_frame(&mut frames, Frame { fd: 1 + frame.fd % 2, len, ..frame });
    }
    add_frame(&mut frames, Frame { fd: 1, len: left, at_ms: u64::MAX });
    (frames, body)
}

fn record(frames: Vec<Frame>, body: &[u8]) -> Record {
    let question = b"{}".to_vec();
    Record {
        v: larder_core::record::VERSION,
        key: QueryKey::of(&question),
        variant: Variant::default(),
        vary: Vec::new(),
        service: "tool".to_owned(),
        operation: "run".to_owned(),
        share: "anonymous".to_owned(),
        question,
        body: BodyCid::of(body),
        body_len: body.len() as u64,
        head: Head::Tool { exit_code: 3, frames },
        created: Timestamp(CREATED),
        initial_age_ms: 0,
        ttl_ms: TTL,
        stale_while_revalidate_ms: 0,
        stale_if_error_ms: 0,
        cost: Cost::default(),
        fingerprint: None,
    }
}

fn written(record: &Record, body: &[u8]) -> Vec<u8> {
    let encoded = record.encode().expect("frames that sum to the body");
    [header(&encoded, &RecordCid::of(&encoded), 9), encoded, body.to_vec()].concat()
}

fn want(record: &Record) -> Want {
    Want::plain(record.key)
}

fn is_answer(file: &[u8], want: &Want, now: i64) -> bool {
    RunFile::parse(file).is_some_and(|run| run.answers(&file[run.body_at..], want, Timestamp(now)))
}

fn read_back(file: &[u8], record: &Record, body: &[u8]) {
    let run = RunFile::parse(file).expect("what was written");
    assert_eq!((&run.record, run.generation), (record, 9));
    assert_eq!(&file[run.body_at..], body);
    let over = CREATED + i64::try_from(TTL).unwrap_or_default();
    assert!(is_answer(file, &want(record), over - 1) && !is_answer(file, &want(record), over));
    let other = Want { variant: Variant("one-output".to_owned()), ..want(record) };
    assert!(!is_answer(file, &other, CREATED) && !is_answer(file, &Want::plain(QueryKey::of(b"another")), CREATED));
    let unasked = Record { key: QueryKey::of(b"another"), ..record.clone() };
    assert!(!is_answer(&written(&unasked, body), &want(&unasked), CREATED), "not the digest of its question");
}

/// The stretches are the body, and those of a stream are what a slow reader finds.
fn streams(frames: &[Frame], body: &[u8]) {
    let mut expected = [Vec::new(), Vec::new()];
    let mut numbers = frames.iter().flat_map(|frame| (0..frame.len).map(|_| usize::from(frame.fd)));
    for byte in body {
        expected[numbers.next().expect("a frame for every byte") - 1].push(*byte);
    }
    assert_eq!(numbers.next(), None);
    for (number, expected) in (1..).zip(expected) {
        let of = stretches(frames, body).filter(|(fd, _)| *fd == number).flat_map(|(_, bytes)| bytes.to_vec());
        assert_eq!(of.collect::<Vec<_>>(), expected);
    }
    assert_eq!(stretches(frames, body).flat_map(|(_, bytes)| bytes.to_vec()).collect::<Vec<_>>(), body);
}

fn damage(file: &[u8], line: &[&str]) -> Option<Vec<u8>> {
    let mut file = file.to_vec();
    match line {
        ["change", at, bits] => {
            let (at, bits): (usize, u8) = (at.parse().ok()?, bits.parse().ok()?);
            let length = file.len();
            file[at % length] ^= bits.max(1);
        }
        ["cut", at] => file.truncate(at.parse::<usize>().ok()? % file.len()),
        ["add"] => file.push(0),
        // A length that says something else, with a digest that agrees.
        ["length", length] => {
            let length: u64 = length.parse().ok()?;
            let changed = [&file[..16], &length.to_le_bytes(), &file[24..HEADER - 8]].concat();
            if changed[..] == file[..HEADER - 8] {
                return None;
            }
            let check = larder_core::cid::sha256(&changed);
            file = [&changed, &check[..8], &file[HEADER..]].concat();
        }
        _ => return None,
    }
    Some(file)
}

/// Frames as they were said: refused unless they are the body's, and never read beyond it.
fn impossible(lines: &[Vec<&str>], body: &[u8]) {
    let frames: Vec<Frame> = lines.iter().filter_map(|line| frame(line)).collect();
    let sum: u128 = frames.iter().map(|frame| u128::from(frame.len)).sum();
    let right = sum == body.len() as u128 && frames.iter().all(|frame| matches!(frame.fd, 1 | 2));
    assert_eq!(record(frames.clone(), body).encode().is_ok(), right);
    let shown: Vec<u8> = stretches(&frames, body).flat_map(|(_, bytes)| bytes.to_vec()).collect();
    assert!(body.starts_with(&shown));
}
