//! The leader leaves at every await that there is: before the key is looked up, while the origin is silent, at the
//! headers, between pieces, at the end, while the answer is stored. (`leaving` has the table of what is kept.)

use crate::{
    shelf::MemoryShelf,
    world::{Changed as _, Got, World, question, read, settle},
};
use larder::{cache::How, flight::Limits};
use larder_core::judge::Plan;
use larder_testkit::{Reply, Scripted, cancel::give_up_after};
use std::time::Duration;

const FOLLOWERS: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);
/// Longer than it takes until the answer is stored.
const WHOLE: Duration = Duration::from_secs(30);

fn world(streaming: bool) -> World {
    let reply = if streaming { Reply::status(200) } else { Reply::status(200).header("content-length", "13") };
    let reply = reply.sleep_before(PAUSE).piece("one ").sleep(PAUSE).piece("two ").sleep(PAUSE).piece("three");
    World::with(
        Scripted::replies([reply]),
        MemoryShelf { slow_put: PAUSE, ..MemoryShelf::default() },
        Limits::default(),
    )
}

fn plan(finish: bool) -> Plan {
    if finish { question("a").finish() } else { question("a") }
}

/// A leader who leaves after so many polls; whether he had everything before.
async fn lead(world: &World, finish: bool, polls: usize) -> bool {
    let asking = async {
        let answer = world.ask(plan(finish)).await.unwrap();
        read(answer).await
    };
    give_up_after(polls, asking).await.is_some()
}

fn assert_whole(got: &Got, case: &str) {
    assert_eq!((got.status, got.body.as_str(), got.error.clone()), (200, "one two three", None), "{case}");
}

#[tokio::test(start_paused = true)]
async fn the_followers_have_the_whole_answer_of_one_call() {
    for (streaming, finish) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut stages = 0;
        loop {
            let case = format!("streaming {streaming}, finish {finish}, the leader leaves after {stages} polls");
            let world = world(streaming);
            let leader = tokio::spawn({
                let world = world.clone();
                async move { lead(&world, finish, stages).await }
            });
            settle().await;
            let followers: Vec<_> = (0..FOLLOWERS).map(|_| world.begin(plan(finish))).collect();
            for follower in followers {
                assert_whole(&follower.await.unwrap(), &case);
            }
            world.flights.landed().await;
            assert_eq!((world.origin.calls(), world.shelf.kept()), (1, 1), "{case}");
            stages += 1;
            if leader.await.unwrap() {
                break;
            }
        }
        assert!(stages > 4, "{stages} stages are not all");
    }
}

/// Nobody else is aboard when the leader leaves: the call is cancelled, unless the rule says `finish` or all is there.
#[tokio::test(start_paused = true)]
async fn who_comes_when_the_leader_has_left_is_answered() {
    for (streaming, finish) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut stages = 0;
        loop {
            let case = format!("streaming {streaming}, finish {finish}, the leader leaves after {stages} polls");
            let world = world(streaming);
            let is_through = lead(&world, finish, stages).await;
            let late: Vec<_> = (0..FOLLOWERS).map(|_| world.begin(plan(finish))).collect();
            for late in late {
                assert_whole(&late.await.unwrap(), &case);
            }
            world.flights.landed().await;
            let most = if finish || is_through || stages == 0 { 1 } else { 2 };
            assert!((1..=most).contains(&world.origin.calls()), "{case}: {} calls", world.origin.calls());
            assert_eq!(world.shelf.kept(), 1, "{case}");
            stages += 1;
            if is_through {
                break;
            }
        }
        assert!(stages > 4, "{stages} stages are not all");
    }
}

/// Whoever joins, and when, has every byte from the first on.
#[tokio::test(start_paused = true)]
async fn who_joins_late_begins_at_the_beginning() {
    let world = world(true);
    let mut joined = Vec::new();
    for _ in 0..40 {
        joined.extend((0..25).map(|_| world.begin(question("a"))));
        tokio::time::sleep(PAUSE / 8).await;
    }
    let mut collapsed = 0;
    for one in joined {
        let got = one.await.unwrap();
        assert_whole(&got, "joined late");
        collapsed += usize::from(got.how == How::Collapsed);
    }
    tokio::time::sleep(WHOLE).await;
    assert_eq!((world.origin.calls(), world.shelf.kept()), (1, 1));
    assert!(collapsed > 500, "{collapsed} joined");
}
