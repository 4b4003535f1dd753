//! Answers that have grown old.

use crate::world::{Changed as _, World, later, question, settle};
use http::StatusCode;
use larder::{cache::How, stats::Event};
use larder_core::judge::Plan;
use larder_testkit::{Gate, Reply, Scripted};
use std::time::Duration;

fn tolerant() -> Plan {
    question("a").lifetime(|lifetime| {
        lifetime.stale_while_revalidate = Duration::from_secs(60);
        lifetime.stale_if_error = Duration::from_secs(600);
    })
}

#[tokio::test(start_paused = true)]
async fn fresh_then_gone() {
    let world = World::new(Scripted::new(|n, _| Reply::ok(format!("answer {n}"))));
    assert_eq!(world.get(question("a")).await.body, "answer 0");
    later(59);
    let answer = world.ask(question("a")).await.unwrap();
    assert_eq!((answer.age, answer.ttl_s), (Some(Duration::from_secs(59)), Some(1)));
    later(1);
    assert_eq!(world.get(question("a")).await.body, "answer 1");
}

#[tokio::test(start_paused = true)]
async fn stale_while_it_is_asked_again() {
    let gate = Gate::new();
    let held = gate.clone();
    let world = World::new(Scripted::new(move |n, _| {
        let reply = Reply::ok(format!("answer {n}"));
        if n == 0 { reply } else { reply.headers_after(&held) }
    }));
    world.get(tolerant()).await;
    later(61);
    for _ in 0..5 {
        let got = world.get(tolerant()).await;
        assert_eq!((got.body.as_str(), got.how), ("answer 0", How::Stale { tier: "memory" }));
    }
    world.origin.called(2).await;
    gate.open();
    world.flights.landed().await;
    assert_eq!(world.get(tolerant()).await.body, "answer 1");
    assert_eq!((world.origin.calls(), world.shelf.counted(Event::Stale)), (2, 5));
}

#[tokio::test(start_paused = true)]
async fn stale_when_the_origin_fails() {
    let cases = [
        (Reply::unreachable(), None),
        (Reply::status(503), Some(StatusCode::SERVICE_UNAVAILABLE)),
        (Reply::status(500).piece("broken"), Some(StatusCode::INTERNAL_SERVER_ERROR)),
    ];
    for (failure, status) in cases {
        let world = World::new(Scripted::replies([Reply::ok("good"), failure.clone()]));
        world.get(tolerant()).await;
        later(200);
        let got = world.get(tolerant()).await;
        assert_eq!((got.body.as_str(), got.how), ("good", How::StaleOnError { tier: "memory", status }), "{failure:?}");
        let unwilling = world.ask(tolerant().control("no-cache")).await.map(|answer| answer.status.as_u16());
        assert!(!matches!(unwilling, Ok(200)), "{failure:?}: the client wants no stored answer");
        later(600);
        let gone = world.ask(tolerant()).await.map(|answer| answer.status.as_u16());
        assert!(!matches!(gone, Ok(200)), "{failure:?}: too old even for that");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_error_is_no_failure_of_the_origin() {
    let world = World::new(Scripted::replies([Reply::ok("good"), Reply::status(404).piece("no")]));
    world.get(tolerant()).await;
    later(200);
    assert_eq!(world.get(tolerant()).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn confirmed_by_the_origin() {
    let gate = Gate::new();
    let held = gate.clone();
    let world = World::new(Scripted::new(move |_, seen| {
        if seen.headers.get("if-none-match").is_some_and(|etag| etag == "\"v1\"") {
            Reply::status(304).header("etag", "\"v1\"").header("x-news", "yes").headers_after(&held)
        } else {
            Reply::ok("body").header("etag", "\"v1\"").header("x-news", "no")
        }
    }));
    world.get(question("a")).await;
    later(3600);
    let leader = world.begin(question("a"));
    world.origin.called(2).await;
    let follower = world.begin(question("a"));
    settle().await;
    gate.open();
    for (got, how) in [(leader.await.unwrap(), How::Revalidated), (follower.await.unwrap(), How::Collapsed)] {
        assert_eq!((got.body.as_str(), got.status, got.how), ("body", 200, how));
        assert_eq!(got.headers["x-news"], "yes");
    }
    later(59);
    assert_eq!(world.get(question("a")).await.how, How::Hit { tier: "memory" });
    assert_eq!(world.origin.calls(), 2);
    let counted = |event| world.shelf.counted(event);
    assert_eq!((counted(Event::Hit), counted(Event::Miss), counted(Event::ApiCall)), (3, 1, 2));
}

/// The 304 itself says that nothing is to be kept, that it depends on more than was compared, or that it speaks of another answer:
/// what is stored goes, and nobody but the one who asked is given it.
#[tokio::test(start_paused = true)]
async fn confirmed_and_no_longer_to_be_kept() {
    for (name, word) in [
        ("cache-control", "no-store"),
        ("cache-control", "private"),
        ("vary", "x-lang"),
        ("etag", "\"v2\""),
        ("etag", "W/\"v2\""),
    ] {
        let gate = Gate::new();
        let held = gate.clone();
        let world = World::new(Scripted::new(move |_, seen| {
            if seen.headers.contains_key("if-none-match") {
                Reply::status(304).header(name, word).headers_after(&held)
            } else {
                Reply::ok("body").header("etag", "\"v1\"")
            }
        }));
        let team = || question("a").share(larder_core::Share::Team, "one");
        world.get(team()).await;
        later(3600);
        let leader = world.begin(team());
        world.origin.called(2).await;
        let follower = world.begin(team());
        settle().await;
        gate.open();
        for got in [leader.await.unwrap(), follower.await.unwrap()] {
            assert_eq!((got.body.as_str(), got.status, got.how), ("body", 200, How::Revalidated), "{word}");
        }
        assert_eq!((world.origin.calls(), world.shelf.kept()), (3, 0), "{word}: each has asked for himself");
        world.get(team()).await;
        assert!(!world.origin.seen()[3].headers.contains_key("if-none-match"), "{word}: nothing is left to confirm");
    }
}

#[tokio::test(start_paused = true)]
async fn the_clients_own_limits() {
    let world = World::new(Scripted::new(|n, _| Reply::ok(format!("answer {n}"))));
    world.get(question("a")).await;
    later(30);
    assert_eq!(world.get(question("a").control("max-age=30")).await.body, "answer 0");
    assert_eq!(world.get(question("a").control("min-fresh=30")).await.body, "answer 0");
    assert_eq!(world.get(question("a").control("max-age=29")).await.body, "answer 1");
    later(40);
    assert_eq!(world.get(question("a").control("min-fresh=30")).await.body, "answer 2");
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_that_the_client_accepts() {
    let world = World::new(Scripted::new(|n, _| Reply::ok(format!("answer {n}"))));
    let plan = || tolerant().lifetime(|lifetime| lifetime.stale_while_revalidate = Duration::ZERO);
    world.get(plan()).await;
    later(100);
    assert_eq!(world.get(plan().control("max-stale=50")).await.body, "answer 0");
    assert_eq!(world.get(plan().control("max-stale=30")).await.body, "answer 1");
}
