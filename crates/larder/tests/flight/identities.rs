//! Who may be given an answer.

use crate::world::{Changed as _, World, credential, question, settle};
use larder_core::{Share, judge::Plan};
use larder_testkit::{Gate, Reply, Scripted};

fn own(caller: &str) -> Plan {
    question("a").share(Share::Credential(credential(caller)), caller)
}

fn team(caller: &str) -> Plan {
    question("a").share(Share::Team, caller)
}

#[tokio::test(start_paused = true)]
async fn an_accounts_name_and_allowance_are_for_the_one_who_asked() {
    const OWN: [&str; 2] = ["openai-organization", "x-ratelimit-remaining-requests"];
    for (share, is_told) in [(Share::Team, false), (Share::Credential(credential("one")), true)] {
        let gate = Gate::new();
        let reply = Reply::ok("body").header(OWN[0], "one").header(OWN[1], "0").headers_after(&gate);
        let world = World::new(Scripted::replies([reply]));
        let asked = || question("a").share(share.clone(), "one");
        let leader = world.begin(asked());
        world.origin.called(1).await;
        let follower = world.begin(asked());
        settle().await;
        gate.open();
        let (leader, follower) = (leader.await.unwrap(), follower.await.unwrap());
        let hit = world.get(asked()).await;
        assert_eq!(world.origin.calls(), 1);
        for name in OWN {
            let told = [&leader, &follower, &hit].map(|got| got.headers.contains_key(name));
            assert_eq!(told, [true, is_told, is_told], "{name} {share:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_credentials_never_share() {
    let gate = Gate::new();
    let held = gate.clone();
    let world = World::new(Scripted::new(move |n, _| Reply::ok(format!("answer {n}")).headers_after(&held)));
    let (one, two) = (world.begin(own("one")), world.begin(own("two")));
    settle().await;
    gate.open();
    let (one, two) = (one.await.unwrap().body, two.await.unwrap().body);
    assert_ne!(one, two, "not in flight");
    assert_eq!(world.get(own("one")).await.body, one, "not from the store");
    assert_eq!(world.get(own("two")).await.body, two);
    assert_eq!(world.origin.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_team_shares_after_the_origin_accepted_the_credential() {
    let world = World::new(Scripted::new(|n, _| Reply::ok(format!("answer {n}"))));
    assert_eq!(world.get(team("one")).await.body, "answer 0");
    assert_eq!(world.get(team("one")).await.body, "answer 0");
    assert_eq!(world.get(team("two")).await.body, "answer 1", "not known yet: asks");
    assert_eq!(world.get(team("two")).await.body, "answer 1");
    assert_eq!(world.get(team("one")).await.body, "answer 1");
    assert_eq!(world.origin.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_credential_gets_its_rejection() {
    let world = World::new(Scripted::replies([Reply::ok("secret"), Reply::status(401).piece("no")]));
    world.get(team("one")).await;
    for calls in 2..=3 {
        let got = world.get(team("thief")).await;
        assert_eq!((got.status, got.body.as_str()), (401, "no"));
        assert_eq!(world.origin.calls(), calls);
    }
    assert_eq!(world.get(team("one")).await.body, "secret", "the rejection is not kept");
}

/// The same caller's call of an operation that asks for no credential.
fn public_list(caller: &str) -> Plan {
    let mut plan = team(caller);
    plan.question.operation = "list".to_owned();
    plan.key = plan.question.key();
    plan.want.key = plan.key;
    plan
}

#[tokio::test(start_paused = true)]
async fn a_2xx_of_another_operation_vouches_for_nothing() {
    let replies = [Reply::ok("secret"), Reply::ok("the list"), Reply::status(401).piece("no")];
    let world = World::new(Scripted::replies(replies));
    world.get(team("one")).await;
    assert_eq!(world.get(public_list("thief")).await.body, "the list");
    assert_eq!(world.get(team("thief")).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_is_refused_later_is_known_no_more() {
    let replies = [Reply::ok("secret"), Reply::status(401).piece("no"), Reply::status(401).piece("no")];
    let world = World::new(Scripted::replies(replies));
    world.get(team("one")).await;
    let other = team("one").control("no-cache");
    assert_eq!(world.get(other).await.status, 401);
    assert_eq!(world.get(team("one")).await.status, 401, "revoked");
    assert_eq!(world.origin.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_credential_comes_aboard_of_its_own_flights_only() {
    let gate = Gate::new();
    let held = gate.clone();
    let world = World::new(Scripted::new(move |n, _| {
        let reply = if n == 0 { Reply::ok("secret") } else { Reply::status(401).piece("no") };
        reply.headers_after(&held)
    }));
    let leader = world.begin(team("one"));
    world.origin.called(1).await;
    let (same, thief) = (world.begin(team("one")), world.begin(team("thief")));
    settle().await;
    gate.open();
    assert_eq!(leader.await.unwrap().body, "secret");
    assert_eq!(same.await.unwrap().body, "secret");
    assert_eq!(thief.await.unwrap().status, 401);
    assert_eq!(world.origin.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_origins_private_is_not_for_a_team() {
    let private = Reply::ok("mine").header("cache-control", "private");
    let world = World::new(Scripted::replies([private]));
    world.get(team("one")).await;
    assert_eq!(world.shelf.kept(), 0);
    world.get(own("one")).await;
    assert_eq!(world.shelf.kept(), 1);
}

/// A kept 404 does not show that the origin accepts the credential.
#[tokio::test(start_paused = true)]
async fn only_a_success_accepts() {
    let gate = Gate::new();
    let held = gate.clone();
    let world = World::new(Scripted::new(move |n, _| Reply::status(404).piece(format!("{n}")).headers_after(&held)));
    let (one, same) = (world.begin(team("one")), world.begin(team("one")));
    settle().await;
    gate.open();
    assert_eq!((one.await.unwrap().body.as_str(), same.await.unwrap().body.as_str()), ("0", "1"));
    assert_eq!(world.get(team("one")).await.body, "2");
}
