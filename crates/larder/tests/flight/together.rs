//! Many at once.

use crate::{
    shelf::MemoryShelf,
    told::told,
    world::{Changed as _, World, now, question, read, settle},
};
use larder::{
    OriginError,
    cache::{AnswerError, How},
    flight::{Limits, answer},
    stats::Event,
};
use larder_testkit::{Gate, Reply, Scripted};
use std::time::Duration;

async fn a_thousand(reply: Reply) -> World {
    let gate = Gate::new();
    let world = World::new(Scripted::replies([reply.headers_after(&gate), Reply::ok("too many calls")]));
    let asking: Vec<_> = (0..1000).map(|_| world.begin(question("a"))).collect();
    settle().await;
    gate.open();
    for one in asking {
        let got = one.await.unwrap();
        assert_eq!((got.body.as_str(), got.error), ("one two", None));
    }
    assert_eq!((world.origin.calls(), world.shelf.kept()), (1, 1));
    let counted = |event| world.shelf.counted(event);
    assert_eq!(counted(Event::ApiCall), 1);
    assert_eq!(counted(Event::Hit) + counted(Event::Miss), 1000);
    assert_eq!(counted(Event::ApiCallSaved), 999);
    world
}

#[tokio::test(start_paused = true)]
async fn a_thousand_misses_are_one_call() {
    let world = a_thousand(Reply::ok("one two")).await;
    let again = world.get(question("a")).await;
    assert_eq!((again.how, again.body.as_str()), (How::Hit { tier: "memory" }, "one two"));
    assert_eq!(world.origin.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_streams_are_one_call() {
    a_thousand(Reply::status(200).piece("one ").sleep(Duration::from_secs(1)).piece("two")).await;
}

#[tokio::test]
async fn callers_of_many_threads_are_one_call() {
    let world = World::new(Scripted::new(|n, _| Reply::ok(format!("answer {n}"))));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    for round in 0..50 {
        let asking: Vec<_> = (0..20)
            .map(|_| {
                let (world, plan) = (world.clone(), question(&round.to_string()));
                runtime.spawn(async move { world.get(plan).await.body })
            })
            .collect();
        for one in asking {
            assert_eq!(one.await.unwrap(), format!("answer {round}"));
        }
    }
    assert_eq!((world.origin.calls(), world.shelf.kept()), (50, 50));
    runtime.shutdown_background();
}

#[tokio::test(start_paused = true)]
async fn what_is_not_kept_releases_the_followers() {
    let gate = Gate::new();
    let refused = |body: &'static str| Reply::ok(body).header("cache-control", "no-store");
    let hang = refused("leader's").headers_after(&gate);
    let world = World::new(Scripted::new(move |n, _| if n == 0 { hang.clone() } else { refused("own") }));
    let leader = world.begin(question("a"));
    world.origin.called(1).await;
    let followers: Vec<_> = (0..3).map(|_| world.begin(question("a"))).collect();
    settle().await;
    assert_eq!(world.origin.calls(), 1, "they wait for the headers");
    gate.open();
    assert_eq!(leader.await.unwrap().body, "leader's");
    for follower in followers {
        let got = follower.await.unwrap();
        assert_eq!((got.body.as_str(), got.stored), ("own", false));
    }
    assert_eq!((world.origin.calls(), world.shelf.kept()), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_fails_fails_everybody_once() {
    let gate = Gate::new();
    let world = World::new(Scripted::replies([Reply::unreachable().headers_after(&gate), Reply::ok("stampede")]));
    let ask = |world: &World| {
        let world = world.clone();
        tokio::spawn(async move { world.ask(question("a")).await.map(drop) })
    };
    let asking: Vec<_> = (0..5).map(|_| ask(&world)).collect();
    settle().await;
    gate.open();
    for one in asking {
        assert!(matches!(one.await.unwrap(), Err(AnswerError::Origin(OriginError::Unreachable(_)))));
    }
    assert_eq!(world.origin.calls(), 1);
    assert_eq!(world.get(question("a")).await.body, "stampede", "the next call asks again");
}

#[tokio::test(start_paused = true)]
async fn a_silent_origin_meets_the_deadline() {
    let limits = Limits { headers: Duration::from_secs(7), idle: Duration::from_secs(3), ..Limits::default() };
    let script = [Reply::ok("").silent(), Reply::status(200).piece("one").hang()];
    let world = World::with(Scripted::replies(script), MemoryShelf::default(), limits);
    let begun = tokio::time::Instant::now();
    let failed = world.ask(question("a")).await.map(drop);
    assert!(matches!(failed, Err(AnswerError::Origin(OriginError::TimedOut))));
    assert_eq!(begun.elapsed().as_secs(), 7);
    let got = world.get(question("a")).await;
    assert_eq!((got.body.as_str(), got.error), ("one", Some(OriginError::TimedOut)));
    assert_eq!(begun.elapsed().as_secs(), 10);
    assert_eq!(world.shelf.kept(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_broken_store_breaks_no_call() {
    let shelf = MemoryShelf { broken: true, folder: Some("/dev/null/nowhere".into()), ..MemoryShelf::default() };
    let limits = Limits { memory: 4, ..Limits::default() };
    let world = World::with(Scripted::replies([Reply::ok("one two")]), shelf, limits);
    for calls in 1..=2 {
        let got = world.get(question("a")).await;
        assert_eq!((got.body.as_str(), got.error), ("one two", None));
        assert_eq!(world.origin.calls(), calls);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_delays_the_end_by_a_second_at_most() {
    let shelf = MemoryShelf { gate: Some(Gate::new()), ..MemoryShelf::default() };
    let world = World::with(Scripted::replies([Reply::status(200).piece("one")]), shelf, Limits::default());
    let begun = tokio::time::Instant::now();
    assert_eq!(world.get(question("a")).await.body, "one");
    assert!(begun.elapsed() <= Duration::from_secs(1));
}

#[test]
fn a_store_that_is_slow_for_many_is_called_slow_once() {
    let calls = async {
        let shelf = MemoryShelf { gate: Some(Gate::new()), ..MemoryShelf::default() };
        let world = World::with(Scripted::replies([Reply::status(200).piece("one")]), shelf, Limits::default());
        let asking: Vec<_> = (0..40).map(|n| world.begin(question(&format!("q{n}")))).collect();
        for asked in asking {
            assert_eq!(asked.await.unwrap().body, "one");
        }
        // A stream's end was not held back at all: the store is still waited for.
        tokio::time::sleep(Duration::from_secs(5)).await;
        world.origin.calls()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let (calls, said) = told(|| runtime.block_on(calls));
    assert_eq!(calls, 40);
    assert!(said.len() == 1 && said[0].contains("the store is slow"), "{said:#?}");
}

/// A disk that is full stays full.
#[test]
fn answers_that_find_no_room_for_a_file_are_one_warning() {
    let calls = async {
        let shelf = MemoryShelf { folder: Some("/dev/null/nowhere".into()), ..MemoryShelf::default() };
        let limits = Limits { memory: 4, temporary: false, ..Limits::default() };
        let world = World::with(Scripted::replies([Reply::status(200).piece("one two")]), shelf, limits);
        for n in 0..5 {
            assert_eq!(world.get(question(&format!("q{n}"))).await.body, "one two");
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ((), said) = told(|| runtime.block_on(calls));
    // It may have been said in another test.
    assert!(said.len() <= 1, "{said:#?}");
}

/// The answer's end is not held back for a slow store; a graceful end waits until the store has it.
#[tokio::test(start_paused = true)]
async fn what_a_slow_store_is_still_getting_is_in_the_air() {
    let store = Gate::new();
    let shelf = MemoryShelf { gate: Some(store.clone()), ..MemoryShelf::default() };
    let world = World::with(Scripted::replies([Reply::ok("one")]), shelf, Limits::default());
    assert_eq!(world.get(question("a")).await.body, "one");
    tokio::time::sleep(Duration::from_secs(5)).await;
    let landed = tokio::spawn({
        let world = world.clone();
        async move { world.flights.landed().await }
    });
    settle().await;
    assert!(!landed.is_finished(), "the store has nothing yet");
    store.open();
    landed.await.unwrap();
    assert_eq!(world.shelf.kept(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_panics_hangs_nobody() {
    struct Panics;
    impl larder::Origin for Panics {
        fn call(
            self: Box<Self>,
            _: http::HeaderMap,
        ) -> futures_util::future::BoxFuture<'static, Result<larder::OriginAnswer, OriginError>> {
            Box::pin(async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                panic!("the test says so")
            })
        }
    }
    let world = World::new(Scripted::replies([Reply::ok("own")]));
    let leader = tokio::spawn({
        let world = world.clone();
        async move { answer(world.shelf.clone(), &world.flights, question("a"), Box::new(Panics), now).await.map(drop) }
    });
    settle().await;
    let follower = world.begin(question("a"));
    assert!(leader.await.unwrap().is_err());
    assert_eq!(follower.await.unwrap().body, "own");
    world.flights.landed().await;
}

#[tokio::test(start_paused = true)]
async fn other_forms_leave_the_flight() {
    let gate = Gate::new();
    let held = gate.clone();
    let world = World::new(Scripted::new(move |n, _| {
        let reply = Reply::ok(format!("answer {n}")).header("vary", "Accept-Language");
        if n == 0 { reply.headers_after(&held) } else { reply }
    }));
    let german = || question("a").header("accept-language", "de");
    let french = || question("a").header("accept-language", "fr");
    let leader = world.begin(german());
    world.origin.called(1).await;
    let (same, other) = (world.begin(german()), world.begin(french()));
    settle().await;
    gate.open();
    assert_eq!(leader.await.unwrap().body, "answer 0");
    assert_eq!(same.await.unwrap().body, "answer 0");
    let other = other.await.unwrap();
    assert_eq!((other.body.as_str(), other.how), ("answer 1", How::Miss { forward: "vary-miss" }));
    assert_eq!(world.get(french()).await.body, "answer 1");
    assert_eq!(world.get(german()).await.body, "answer 0");
    assert_eq!(world.origin.calls(), 2);
}

/// Who has learned what answers vary with does not wait for one form after the other.
#[tokio::test(start_paused = true)]
async fn many_forms_are_asked_for_at_once() {
    let slow = |n, _: &_| {
        Reply::ok(format!("answer {n}")).header("vary", "accept-language").sleep_before(Duration::from_secs(1))
    };
    let world = World::new(Scripted::new(slow));
    let begun = tokio::time::Instant::now();
    let languages = ["de", "en", "es", "fr", "it", "ja", "nl", "pl", "pt", "sv"];
    let form = |n: usize| question("a").header("accept-language", languages[n % 10]);
    let asking: Vec<_> = (0..30).map(|n| world.begin(form(n))).collect();
    let mut bodies = Vec::new();
    for asked in asking {
        bodies.push(asked.await.unwrap().body);
    }
    assert_eq!(begun.elapsed().as_secs(), 2);
    assert_eq!(world.origin.calls(), 10);
    assert!(bodies.iter().enumerate().all(|(n, body)| *body == bodies[n % 10]), "{bodies:?}");
}

/// … and waits for one of its own form, whoever leads it and whatever he knows.
#[tokio::test(start_paused = true)]
async fn a_flight_of_the_own_form_is_followed() {
    let gates = [Gate::new(), Gate::new()];
    let held = gates.clone();
    let world = World::new(Scripted::new(move |n, _| {
        let reply = Reply::ok(format!("answer {n}")).header("vary", "accept-language");
        if let Some(gate) = held.get(n) { reply.headers_after(gate) } else { reply }
    }));
    let german = world.begin(question("a").header("accept-language", "de"));
    world.origin.called(1).await;
    let french = || question("a").header("accept-language", "fr");
    let follower = world.begin(french());
    settle().await;
    let other = world.begin(french().control("no-cache"));
    world.origin.called(2).await;
    gates[0].open();
    assert_eq!(german.await.unwrap().body, "answer 0");
    settle().await;
    gates[1].open();
    assert_eq!((other.await.unwrap().body, follower.await.unwrap().body), ("answer 1".into(), "answer 1".into()));
    assert_eq!(world.origin.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn no_cache_asks_and_keeps_the_new_answer() {
    let world = World::new(Scripted::new(|n, _| Reply::ok(format!("answer {n}"))));
    assert_eq!(world.get(question("a")).await.body, "answer 0");
    let got = world.get(question("a").control("no-cache")).await;
    assert_eq!((got.body.as_str(), got.how), ("answer 1", How::Miss { forward: "request" }));
    assert_eq!(world.get(question("a")).await.body, "answer 1");
    let none = world.ask(question("b").control("only-if-cached")).await.map(drop);
    assert!(matches!(none, Err(AnswerError::OnlyIfCached)));
    let stored = world.ask(question("a").control("only-if-cached")).await.unwrap();
    assert_eq!(read(stored).await.body, "answer 1");
    assert_eq!(world.origin.calls(), 2);
}

/// Nothing in the store, then no flight in the air: because it has landed in between.
#[tokio::test(start_paused = true)]
async fn a_flight_that_lands_between_two_looks_is_not_missed() {
    let gate = Gate::new();
    let shelf = MemoryShelf { slow_get: Some(gate.clone()).into(), ..MemoryShelf::default() };
    let world = World::with(Scripted::replies([Reply::ok("one"), Reply::ok("two")]), shelf, Limits::default());
    let slow = world.begin(question("a"));
    settle().await;
    assert_eq!(world.get(question("a")).await.body, "one");
    world.flights.landed().await;
    gate.open();
    let slow = slow.await.unwrap();
    assert_eq!((slow.body.as_str(), slow.how), ("one", How::Hit { tier: "memory" }));
    assert_eq!(world.origin.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_cache_follows_nobody() {
    let gate = Gate::new();
    let held = gate.clone();
    let world = World::new(Scripted::new(move |n, _| Reply::ok(format!("answer {n}")).headers_after(&held)));
    let first = world.begin(question("a"));
    world.origin.called(1).await;
    let fresh = world.begin(question("a").control("no-cache"));
    settle().await;
    gate.open();
    assert_eq!((first.await.unwrap().body.as_str(), fresh.await.unwrap().body.as_str()), ("answer 0", "answer 1"));
}
