//! What the bytes do on their way.

use crate::{
    shelf::MemoryShelf,
    world::{Changed as _, Got, World, now, piece, question, read, settle, streamed},
};
use larder::{
    OriginError,
    cache::How,
    flight::{Limits, answer},
    stats::Event,
};
use larder_core::judge::Plan;
use larder_testkit::{Gate, Reply, Scripted};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_late_joiner_gets_the_beginning_and_then_lives_along() {
    let gate = Gate::new();
    let world =
        World::new(Scripted::replies([Reply::status(200).piece("one ").piece("two ").wait(&gate).piece("three")]));
    let mut leader = world.ask(question("a")).await.unwrap();
    assert_eq!(piece(&mut leader).await, "one ");
    assert_eq!(piece(&mut leader).await, "two ");
    let mut late = world.ask(question("a")).await.unwrap();
    assert_eq!(late.how, How::Collapsed);
    assert_eq!(piece(&mut late).await, "one ");
    assert_eq!(piece(&mut late).await, "two ", "before the end");
    gate.open();
    assert_eq!(piece(&mut late).await, "three");
    assert_eq!(piece(&mut leader).await, "three");
    assert_eq!(read(late).await.error, None);
    assert_eq!(world.origin.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_comes_at_the_commit_is_answered_by_the_store() {
    let store = Gate::new();
    let shelf = MemoryShelf { gate: Some(store.clone()), ..MemoryShelf::default() };
    let world = World::with(Scripted::replies([Reply::ok("one")]), shelf, Limits::default());
    let leader = world.begin(question("a"));
    world.shelf.putting.passed().await;
    let late = world.begin(question("a"));
    settle().await;
    store.open();
    assert_eq!(leader.await.unwrap().body, "one");
    let late = late.await.unwrap();
    assert_eq!((late.body.as_str(), late.how), ("one", How::Hit { tier: "memory" }));
    assert_eq!(world.origin.calls(), 1);
}

/// A world whose store is about to get the answer to the first question, and the one who asked it.
async fn at_the_commit(replies: [Reply; 2], plan: Plan) -> (World, Gate, tokio::task::JoinHandle<Got>) {
    let store = Gate::new();
    let shelf = MemoryShelf { gate: Some(store.clone()), ..MemoryShelf::default() };
    let world = World::with(Scripted::replies(replies), shelf, Limits::default());
    let leader = world.begin(plan);
    world.shelf.putting.passed().await;
    (world, store, leader)
}

#[tokio::test(start_paused = true)]
async fn who_wants_only_what_is_kept_waits_for_the_commit() {
    let (world, store, leader) = at_the_commit([Reply::ok("one"), Reply::ok("two")], question("a")).await;
    let late = world.begin(question("a").control("only-if-cached"));
    settle().await;
    store.open();
    assert_eq!(leader.await.unwrap().body, "one");
    assert_eq!(late.await.unwrap().how, How::Hit { tier: "memory" });
    assert_eq!(world.origin.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_comes_at_the_commit_of_what_is_never_fresh_asks_the_origin() {
    let never_fresh = || question("a").lifetime(|lifetime| lifetime.ttl = Duration::ZERO);
    let confirmed = Reply::status(304).header("etag", "\"1\"");
    let (world, store, leader) =
        at_the_commit([Reply::ok("one").header("etag", "\"1\""), confirmed], never_fresh()).await;
    let late = world.begin(never_fresh());
    settle().await;
    store.open();
    assert_eq!(leader.await.unwrap().body, "one");
    let late = late.await.unwrap();
    assert_eq!((late.body.as_str(), late.how), ("one", How::Revalidated));
    assert_eq!(world.origin.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_cut_short_is_an_error_and_not_kept() {
    let table = [
        Reply::status(200).piece("one").cut(),
        Reply::status(200).header("content-length", "9").piece("one"),
        Reply::status(200).header("content-length", "2").piece("one"),
    ];
    for reply in table {
        let world = World::new(Scripted::replies([reply.clone()]));
        let (leader, follower) = (world.begin(question("a")), world.begin(question("a")));
        for got in [leader.await.unwrap(), follower.await.unwrap()] {
            assert_eq!(got.body, "one", "{reply:?}");
            assert!(matches!(got.error, Some(OriginError::Truncated(_))), "{reply:?}: {got:?}");
        }
        assert_eq!((world.shelf.kept(), world.shelf.counted(Event::NotKept)), (0, 1), "{reply:?}");
    }
}

/// A stream of events.
fn events() -> Reply {
    Reply::status(200).header("content-type", "text/event-stream")
}

/// Whoever has read that a stream failed asks again, and is given the origin's next answer, not the failure once more.
#[tokio::test(start_paused = true)]
async fn who_has_seen_a_stream_fail_asks_anew() {
    for failure in ["event: error\ndata: 1\n\n", "data: {\"error\": \"overloaded\"}\n\n"] {
        let gate = Gate::new();
        let failed = events().piece("data: 1\n\n").piece(failure).wait(&gate).piece("data: [DONE]\n\n");
        let world = World::new(Scripted::replies([failed, events().piece("data: 2\n\ndata: [DONE]\n\n")]));
        let mut first = world.ask(streamed("a")).await.unwrap();
        assert_eq!(piece(&mut first).await, "data: 1\n\n");
        assert_eq!(piece(&mut first).await, failure);
        let again = world.get(streamed("a")).await;
        assert_eq!(
            (again.body.as_str(), again.how),
            ("data: 2\n\ndata: [DONE]\n\n", How::Miss { forward: "uri-miss" })
        );
        gate.open();
        assert_eq!(piece(&mut first).await, "data: [DONE]\n\n", "the first one goes on");
        assert_eq!(read(first).await.error, None);
        assert_eq!((world.origin.calls(), world.shelf.kept()), (2, 1), "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_incomplete_answer_is_delivered_and_not_kept() {
    let world = World::new(Scripted::replies([events().piece("data: 1\n\n")]));
    let got = world.get(question("a")).await;
    assert_eq!((got.body.as_str(), got.error), ("data: 1\n\n", None), "this operation has no stream rule");
    assert_eq!((world.shelf.kept(), world.shelf.counted(Event::NotKept)), (0, 1));
}

#[tokio::test]
async fn a_long_answer_goes_through_a_file() {
    let folder = std::env::temp_dir().join(format!("larder-spool-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let gate = Gate::new();
    let mut reply = Reply::status(200);
    for number in 0..300 {
        reply = reply.piece(format!("{number:4000}"));
    }
    let whole: String = (0..300).map(|number| format!("{number:4000}")).collect();
    let shelf = MemoryShelf { folder: Some(folder.clone()), ..MemoryShelf::default() };
    let limits = Limits { memory: 10_000, ..Limits::default() };
    let world = World::with(Scripted::replies([reply.wait(&gate).piece("end")]), shelf, limits);
    let leader = world.begin(question("a"));
    world.origin.called(1).await;
    let late = world.begin(question("a"));
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "spooled in the store's folder");
    gate.open();
    for got in [leader.await.unwrap(), late.await.unwrap(), world.get(question("a")).await] {
        assert_eq!(got.error, None);
        assert!(got.body == format!("{whole}end"));
    }
    world.flights.landed().await;
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "nothing is left behind");
    assert_eq!((world.origin.calls(), world.shelf.kept()), (1, 1));
    std::fs::remove_dir_all(&folder).unwrap();
}

/// No folder can be written to: the answer is delivered at its readers' pace, memory stays bounded, nothing is kept.
#[tokio::test]
async fn a_long_answer_without_any_file() {
    let script = Reply::status(200);
    let reply = (0..24).fold(script, |reply, _| reply.piece(vec![b'x'; 1 << 20]));
    let shelf = MemoryShelf { folder: Some("/dev/null/nowhere".into()), ..MemoryShelf::default() };
    let limits = Limits { memory: 10_000, temporary: false, ..Limits::default() };
    let world = World::with(Scripted::replies([reply]), shelf, limits);
    let mut leader = world.ask(question("a")).await.unwrap();
    assert_eq!(piece(&mut leader).await.len(), 1 << 20);
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(world.origin.dropped(), 0);
    assert!(world.origin.left() > 10, "the origin waits for the reader: {} pieces are left", world.origin.left());
    let late = world.begin(question("a"));
    let got = read(leader).await;
    assert_eq!((got.body.len(), got.error), (23 << 20, None));
    let late = late.await.unwrap();
    assert_eq!((late.body.len(), late.error), (24 << 20, None));
    assert_eq!((world.origin.calls(), world.shelf.kept()), (2, 0), "who comes too late for the beginning asks");
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_passes_through() {
    let limits = Limits { max_body: 5, ..Limits::default() };
    let script = [Reply::ok("one two"), Reply::status(200).piece("one ").piece("two")];
    let world = World::with(Scripted::replies(script), MemoryShelf::default(), limits);
    for _ in 0..2 {
        let got = world.get(question("a")).await;
        assert_eq!((got.body.as_str(), got.error, got.stored), ("one two", None, false));
    }
    assert_eq!(world.shelf.kept(), 0);
}

#[tokio::test(start_paused = true)]
async fn cookies_are_for_the_one_who_asked() {
    let gate = Gate::new();
    let reply = Reply::ok("one").header("set-cookie", "id=leader").header("connection", "x-hop").header("x-hop", "1");
    let world = World::new(Scripted::replies([reply.headers_after(&gate)]));
    let leader = world.begin(question("a"));
    world.origin.called(1).await;
    let follower = world.begin(question("a"));
    settle().await;
    gate.open();
    let (leader, follower) = (leader.await.unwrap(), follower.await.unwrap());
    let hit = world.get(question("a")).await;
    assert!(leader.headers.contains_key("set-cookie"));
    for got in [&follower, &hit] {
        assert!(!got.headers.contains_key("set-cookie"), "{got:?}");
    }
    for got in [&leader, &follower, &hit] {
        assert!(!got.headers.contains_key("x-hop") && !got.headers.contains_key("connection"), "{got:?}");
        assert_eq!((got.status, &got.headers["content-length"]), (200, &http::HeaderValue::from_static("3")));
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_not_marked_is_an_end_and_not_kept() {
    let table = [Reply::status(200).piece("one").unmarked(), Reply::status(404).piece("one").unmarked()];
    for reply in table {
        let world = World::new(Scripted::replies([reply.clone()]));
        let got = world.get(question("a")).await;
        assert_eq!((got.body.as_str(), got.error), ("one", None), "{reply:?}");
        assert_eq!(world.shelf.kept(), 0, "{reply:?}");
    }
}

#[tokio::test]
async fn which_ends_are_marked() {
    use futures_util::StreamExt as _;
    use http::{HeaderMap, HeaderValue, StatusCode, Version, header};
    let with = |name| HeaderMap::from_iter([(name, HeaderValue::from_static("3"))]);
    for (version, status, headers, marked) in [
        (Version::HTTP_11, StatusCode::OK, HeaderMap::new(), false),
        (Version::HTTP_10, StatusCode::OK, with(header::CONTENT_TYPE), false),
        (Version::HTTP_11, StatusCode::OK, with(header::CONTENT_LENGTH), true),
        (Version::HTTP_11, StatusCode::OK, with(header::TRANSFER_ENCODING), true),
        (Version::HTTP_11, StatusCode::NO_CONTENT, HeaderMap::new(), true),
        (Version::HTTP_2, StatusCode::OK, HeaderMap::new(), true),
    ] {
        let body = futures_util::stream::iter([Ok("one".into())]).boxed();
        let items: Vec<_> = larder::origin::marked(version, status, &headers, body).collect().await;
        assert_eq!(items.last() != Some(&Err(OriginError::Unmarked)), marked, "{version:?} {status} {headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_is_kept_without_a_body_and_given_to_no_get() {
    let world = World::new(Scripted::replies([Reply::ok("one two")]));
    let head = || answer(world.shelf.clone(), &world.flights, question("a"), world.origin.call_head(), now);
    for how in [How::Miss { forward: "uri-miss" }, How::Hit { tier: "memory" }] {
        let got = read(head().await.unwrap()).await;
        assert_eq!((got.how, got.body.as_str(), got.error), (how, "", None));
        assert_eq!(got.headers["content-length"], "7", "the length that a GET would have");
    }
    assert_eq!(world.get(question("a")).await.body, "one two");
    assert_eq!(read(head().await.unwrap()).await.body, "");
    assert_eq!((world.origin.calls(), world.shelf.kept()), (2, 2));
}

/// At once, too: whoever wants the body does not follow who does not, nor the other way round.
#[tokio::test(start_paused = true)]
async fn a_head_and_a_get_are_two_flights() {
    let gate = Gate::new();
    let world = World::new(Scripted::replies([Reply::ok("one two").headers_after(&gate)]));
    let ask = |is_head: bool| {
        let world = world.clone();
        tokio::spawn(async move {
            let call = if is_head { world.origin.call_head() } else { world.origin.call() };
            read(answer(world.shelf.clone(), &world.flights, question("a"), call, now).await.unwrap()).await
        })
    };
    let asking: Vec<_> = [true, false, true, false].map(|is_head| (is_head, ask(is_head))).into();
    settle().await;
    gate.open();
    for (is_head, one) in asking {
        let got = one.await.unwrap();
        assert_eq!((got.body.as_str(), got.error), (if is_head { "" } else { "one two" }, None));
    }
    assert_eq!((world.origin.calls(), world.shelf.kept()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn stored_is_said_of_what_is_known_to_be_whole() {
    let never = Gate::new();
    let json = |reply: Reply| reply.header("content-type", "application/json");
    let slow = Reply::status(200).header("content-length", "7").piece("one ").wait(&never).piece("two");
    for (reply, stored) in [
        (Reply::ok("one two"), true),
        (json(Reply::status(200)).piece("[1,").piece("2]"), true),
        (Reply::status(200).header("content-length", "9").piece("one two"), false),
        (json(Reply::status(200)).piece("[1,").cut(), false),
        (slow, false),
    ] {
        let world = World::new(Scripted::replies([reply.clone()]));
        let answer = world.ask(question("a")).await.unwrap();
        assert_eq!(answer.stored, stored, "{reply:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_store_could_not_keep_is_not_called_stored() {
    for reply in [Reply::ok("one two"), Reply::status(200).header("content-type", "application/json").piece("[1]")] {
        // In place, and by another task.
        for (broken, slow) in [(false, 0), (true, 0), (false, 5), (true, 5)] {
            let shelf = MemoryShelf { broken, slow_put: Duration::from_millis(slow), ..MemoryShelf::default() };
            let world = World::with(Scripted::replies([reply.clone()]), shelf, Limits::default());
            let got = world.get(question("a")).await;
            assert_eq!((got.error, got.stored), (None, !broken), "{reply:?} {slow}");
        }
    }
}
