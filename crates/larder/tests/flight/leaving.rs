//! The leader leaves before the headers, in mid-stream, at the commit × followers or none × finished or not.

use crate::{
    shelf::MemoryShelf,
    world::{Changed as _, Got, World, piece, question, read, settle},
};
use larder::{cache::How, flight::Limits};
use larder_testkit::{Gate, Reply, Scripted};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Leaves {
    BeforeHeaders,
    MidStream,
    AtCommit,
}

struct Outcome {
    calls: usize,
    dropped: usize,
    kept: usize,
    followers: Vec<Got>,
}

async fn play(leaves: Leaves, followers: usize, finish: bool) -> Outcome {
    let (headers, middle, store) = (Gate::new(), Gate::new(), Gate::new());
    let reply = Reply::status(200).headers_after(&headers).piece("one ").wait(&middle).piece("two");
    let shelf = MemoryShelf { gate: Some(store.clone()), ..MemoryShelf::default() };
    let world = World::with(Scripted::replies([reply]), shelf, Limits::default());
    let plan = || if finish { question("a").finish() } else { question("a") };

    let leader = tokio::spawn({
        let (world, plan) = (world.clone(), plan());
        async move {
            let mut answer = world.ask(plan).await.unwrap();
            assert_eq!(piece(&mut answer).await, "one ");
            if leaves == Leaves::AtCommit {
                assert_eq!(piece(&mut answer).await, "two");
            }
            std::future::pending::<()>().await;
            drop(answer);
        }
    });
    world.origin.called(1).await;
    let following: Vec<_> = (0..followers).map(|_| world.begin(plan())).collect();
    settle().await;
    if leaves != Leaves::BeforeHeaders {
        headers.open();
        settle().await;
    }
    if leaves == Leaves::AtCommit {
        middle.open();
        world.shelf.putting.passed().await;
        settle().await;
    }
    leader.abort();
    settle().await;
    headers.open();
    middle.open();
    store.open();
    let mut got = Vec::new();
    for follower in following {
        got.push(follower.await.unwrap());
    }
    world.flights.landed().await;
    Outcome { calls: world.origin.calls(), dropped: world.origin.dropped(), kept: world.shelf.kept(), followers: got }
}

#[tokio::test(start_paused = true)]
async fn the_table() {
    use Leaves::{AtCommit, BeforeHeaders, MidStream};
    for (leaves, followers, finish, kept) in [
        (BeforeHeaders, 0, false, 0),
        (BeforeHeaders, 0, true, 1),
        (BeforeHeaders, 3, false, 1),
        (BeforeHeaders, 3, true, 1),
        (MidStream, 0, false, 0),
        (MidStream, 0, true, 1),
        (MidStream, 3, false, 1),
        (MidStream, 3, true, 1),
        (AtCommit, 0, false, 1),
        (AtCommit, 0, true, 1),
        (AtCommit, 3, false, 1),
        (AtCommit, 3, true, 1),
    ] {
        let case = format!("leaves {leaves:?}, {followers} followers, finish {finish}");
        let outcome = play(leaves, followers, finish).await;
        assert_eq!(outcome.calls, 1, "{case}");
        assert_eq!(outcome.kept, kept, "{case}");
        assert_eq!(outcome.dropped, usize::from(leaves == MidStream && kept == 0), "{case}");
        assert_eq!(outcome.followers.len(), followers, "{case}");
        for got in outcome.followers {
            assert_eq!((got.body.as_str(), got.error), ("one two", None), "{case}");
            assert_eq!(got.how, How::Collapsed, "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_leave_and_a_newcomer_begins_again() {
    let gate = Gate::new();
    let slow = Reply::status(200).headers_after(&gate).piece("x");
    let world = World::new(Scripted::replies([slow, Reply::ok("second")]));
    let first = world.begin(question("a"));
    let second = world.begin(question("a"));
    world.origin.called(1).await;
    first.abort();
    settle().await;
    second.abort();
    settle().await;
    let got = world.get(question("a")).await;
    assert_eq!((got.body.as_str(), got.how), ("second", How::Miss { forward: "uri-miss" }));
    assert_eq!(world.origin.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_leaves_disturbs_nobody() {
    let gate = Gate::new();
    let world = World::new(Scripted::replies([Reply::status(200).piece("one ").wait(&gate).piece("two")]));
    let leader = world.ask(question("a")).await.unwrap();
    let mut follower = world.ask(question("a")).await.unwrap();
    assert_eq!(piece(&mut follower).await, "one ");
    drop(follower);
    gate.open();
    let got = read(leader).await;
    assert_eq!((got.body.as_str(), got.error), ("one two", None));
    assert_eq!((world.origin.calls(), world.shelf.kept()), (1, 1));
}
