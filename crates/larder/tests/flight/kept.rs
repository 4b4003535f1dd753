//! With the real store: across restarts, through files, against invalidations.

use crate::world::{Changed as _, Got, later, now, piece, question, read};
use futures_util::StreamExt as _;
use larder::{
    Answer, Cache, Options,
    cache::{AnswerBody, How},
    flight::Limits,
    tier::Selection,
};
use larder_core::{Share, judge::Plan};
use larder_testkit::{Gate, Reply, Scripted};
use std::path::Path;

fn open(dir: &Path) -> Cache {
    let options = Options { dir: dir.to_owned(), max_bytes: 0, max_entries: 0, memory_bytes: 1 << 20, durable: false };
    Cache::open(options).unwrap().with_limits(Limits { memory: 100_000, ..Limits::default() })
}

async fn get(cache: &Cache, origin: &Scripted, plan: Plan) -> Got {
    read(cache.answer(plan, origin.call(), now).await.unwrap()).await
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let long = "0123456789".repeat(100_000);
    let stream = long.as_bytes().chunks(30_000).fold(Reply::status(200), |reply, part| reply.piece(part.to_vec()));
    let origin = Scripted::replies([Reply::ok("short").header("x-a", "1"), stream]);
    let cache = open(dir.path());
    let first = [get(&cache, &origin, question("short")).await, get(&cache, &origin, question("long")).await];
    cache.landed().await;
    cache.close();
    drop(cache);
    let cache = open(dir.path());
    for (text, first) in ["short", "long"].into_iter().zip(first) {
        let again = get(&cache, &origin, question(text)).await;
        assert_eq!(again.how, How::Hit { tier: "disk" }, "{text}");
        assert_eq!((again.status, again.error), (200, None), "{text}");
        assert!(again.body == first.body, "{text}");
        assert_eq!(again.headers.get("x-a"), first.headers.get("x-a"), "{text}");
        assert_eq!(again.headers["content-length"], first.body.len().to_string(), "{text}");
    }
    assert_eq!(origin.calls(), 2);
    let statistics = cache.statistics().unwrap();
    let counted = statistics.operations[&("chat".to_owned(), "say".to_owned())];
    assert_eq!((counted.hits, counted.misses), (2, 2));
    assert_eq!((counted.api_calls_made, counted.api_calls_saved), (2, 2));
}

#[tokio::test]
async fn an_invalidation_beats_the_flight_that_began_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Scripted::new(move |n, _| Reply::status(200).piece(format!("answer {n}")).wait(&held));
    let cache = open(dir.path());
    let mut before = cache.answer(question("a"), origin.call(), now).await.unwrap();
    assert_eq!(piece(&mut before).await, "answer 0");
    let what =
        Selection { service: Some("chat".to_owned()), operation: Some("say".to_owned()), ..Selection::default() };
    cache.remove(&what, now()).await.unwrap();
    gate.open();
    assert_eq!(read(before).await.error, None);
    assert_eq!(get(&cache, &origin, question("a")).await.body, "answer 1");
    assert_eq!(origin.calls(), 2);
}

/// Whoever asks after a write has been told that it is done is not given what was asked for before.
#[tokio::test]
async fn who_comes_after_an_invalidation_does_not_follow_a_flight_from_before() {
    let dir = tempfile::tempdir().unwrap();
    let gates = [Gate::new(), Gate::new()];
    let held = gates.clone();
    let origin = Scripted::new(move |n, _| {
        let reply = Reply::status(200);
        match n {
            0 => reply.headers_after(&held[0]).piece("asked before"),
            1 => reply.piece("asked ").wait(&held[1]).piece("after"),
            _ => Reply::status(500),
        }
    });
    let cache = open(dir.path());
    let ask = || {
        let (cache, origin) = (cache.clone(), origin.clone());
        tokio::spawn(async move { get(&cache, &origin, question("a")).await.body })
    };
    let before = ask();
    origin.called(1).await;
    let what = Selection { service: Some("chat".to_owned()), ..Selection::default() };
    cache.remove(&what, now()).await.unwrap();
    let after = [ask(), ask()];
    tokio::time::timeout(std::time::Duration::from_secs(20), origin.called(2)).await.expect("nobody asks anew");
    gates.iter().for_each(Gate::open);
    assert_eq!(before.await.unwrap(), "asked before");
    for after in after {
        assert_eq!(after.await.unwrap(), "asked after");
    }
    cache.landed().await;
    assert_eq!(get(&cache, &origin, question("a")).await.body, "asked after");
    assert_eq!(origin.calls(), 2);
}

#[tokio::test]
async fn accepted_credentials_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Scripted::new(|n, _| Reply::ok(format!("answer {n}")));
    let team = |caller| question("a").share(Share::Team, caller);
    let cache = open(dir.path());
    get(&cache, &origin, team("one")).await;
    cache.close();
    drop(cache);
    let cache = open(dir.path());
    assert_eq!(get(&cache, &origin, team("one")).await.body, "answer 0");
    assert_eq!(get(&cache, &origin, team("two")).await.body, "answer 1");
    assert_eq!(origin.calls(), 2);
}

#[tokio::test]
async fn a_folder_that_is_taken_away_breaks_no_call() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Scripted::new(|n, _| Reply::status(200).piece(format!("{n}{}", "x".repeat(200_000))));
    let cache = open(dir.path());
    std::fs::remove_dir_all(dir.path()).unwrap();
    for _ in 0..3 {
        let got = get(&cache, &origin, question("a")).await;
        assert_eq!((got.body.len(), got.error), (200_001, None));
    }
}

#[tokio::test]
async fn without_a_store_memory_serves() {
    let origin = Scripted::new(|n, _| Reply::ok(format!("answer {n}")));
    let cache = Cache::without_store(1 << 20);
    assert_eq!(get(&cache, &origin, question("a")).await.body, "answer 0");
    let again = get(&cache, &origin, question("a")).await;
    assert_eq!((again.body.as_str(), again.how), ("answer 0", How::Hit { tier: "memory" }));
    assert_eq!(origin.calls(), 1);
}

/// The short way leads where the long one leads, and counts what that counts.
#[tokio::test]
async fn what_is_at_hand_is_what_would_be_answered() {
    let origin = Scripted::new(|n, _| Reply::ok(format!("answer {n}")).header("etag", "\"e\""));
    let cache = Cache::without_store(1 << 20);
    let team = |caller| question("a").share(Share::Team, caller);
    for (passed, plan, expected) in [
        (0, question("a"), false),
        (1, question("a"), true),
        (1, question("a").control("no-cache"), false),
        (1, question("a").control("max-age=0"), false),
        (1, question("a").control("min-fresh=100"), false),
        (1, question("a").control("only-if-cached"), true),
        (1, question("b"), false),
        (0, team("one"), false),
        (1, team("one"), true),
        (0, team("two"), false),
        (1, team("two"), true),
        (100, question("a").control("max-stale"), false),
        (1, question("a"), true),
    ] {
        later(passed);
        let case = format!("{passed} {:?} {:?}", plan.control, plan.question.share);
        let hits = || cache.statistics().unwrap().operations.values().map(|counted| counted.hits).sum::<u64>();
        let before = hits();
        let found = cache.at_hand(&plan, now());
        assert_eq!((found.is_some(), hits() - before), (expected, u64::from(expected)), "{case}");
        let long = cache.answer(plan, origin.call(), now).await.unwrap();
        if let Some(entry) = found {
            let short = Answer::at_hand(entry, now());
            assert_eq!((short.age, short.ttl_s), (long.age, long.ttl_s), "{case}");
            assert_eq!(format!("{:?}", read(short).await), format!("{:?}", read(long).await), "{case}");
        } else {
            assert_eq!(read(long).await.error, None, "{case}");
        }
        cache.landed().await;
    }
}

/// Peak memory of this process, MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[tokio::test]
#[ignore = "long; alone in its process, or others' memory is counted too"]
async fn memory_stays_flat() {
    let dir = tempfile::tempdir().unwrap();
    let cache = open(dir.path());
    let piece = bytes::Bytes::from(vec![7; 1 << 20]);
    let origin = Scripted::replies([(0..512).fold(Reply::status(200), |reply, _| reply.piece(piece.clone()))]);
    for how in [How::Miss { forward: "uri-miss" }, How::Hit { tier: "disk" }] {
        let answer = cache.answer(question("a"), origin.call(), now).await.unwrap();
        assert_eq!(answer.how, how);
        let AnswerBody::Stream(pieces) = answer.body else { panic!("in memory") };
        let len = pieces.fold(0, |sum, piece| async move { sum + piece.unwrap().len() }).await;
        assert_eq!(len, 512 << 20);
        cache.landed().await;
    }
    assert!(peak() < 64, "{} MiB", peak());
}
