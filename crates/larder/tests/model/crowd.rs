//! Many ask at once, some leave.

use crate::{
    check,
    store::{Does, World, question, shared_by},
    sync::any,
};
use shuttle::future::block_on;
use std::{collections::HashSet, sync::atomic::Ordering::SeqCst};

#[test]
fn many_misses_are_one_call() {
    check(400, || {
        block_on(async {
            let world = World::new(Does::Answer, false);
            let asking: Vec<_> = (0..4).map(|_| world.begin(question())).collect();
            for one in asking {
                assert_eq!(one.await.unwrap().unwrap(), Ok((0, 0)));
            }
            world.is_empty_at_the_end().await;
            assert_eq!(world.get(question()).await.unwrap(), Ok((0, 0)), "kept");
            assert_eq!(world.calls.load(SeqCst), 1);
        });
    });
}

/// A store that is slower than an answer's end is held back for: nobody hangs, and what is given is whole.
#[test]
fn a_slow_store_costs_calls_at_most() {
    check(300, || {
        block_on(async {
            let world = World::new(Does::Answer, true);
            let asking: Vec<_> = (0..4).map(|_| world.begin(question())).collect();
            for one in asking {
                one.await.unwrap().unwrap().unwrap();
            }
            world.is_empty_at_the_end().await;
            assert!(world.calls.load(SeqCst) <= 4);
        });
    });
}

/// Whoever stays gets the whole answer, whoever leaves and when; only a flight that everybody has left is made again.
#[test]
fn leaving_harms_nobody() {
    for finish in [false, true] {
        check(400, move || {
            block_on(async {
                let world = World::new(Does::Answer, false);
                let plan = || larder_core::judge::Plan { finish, ..question() };
                let leaving: Vec<_> = (0..3).map(|_| world.begin_and_leave(plan())).collect();
                let staying: Vec<_> = (0..2).map(|_| world.begin(plan())).collect();
                let mut left = 0;
                for one in leaving {
                    match one.await.unwrap() {
                        Some(answer) => drop(answer.unwrap().unwrap()),
                        None => left += 1,
                    }
                }
                for one in staying {
                    one.await.unwrap().unwrap().unwrap();
                }
                world.is_empty_at_the_end().await;
                let most = if finish { 1 } else { 1 + left };
                let calls = world.calls.load(SeqCst);
                assert!((1..=most).contains(&calls), "{calls} calls, {left} have left");
                world.get(question()).await.unwrap().unwrap();
                assert_eq!(world.calls.load(SeqCst), calls, "kept");
            });
        });
    }
}

/// All leave: the flight ends, and who comes then is answered.
#[test]
fn everybody_leaves() {
    check(400, || {
        block_on(async {
            let world = World::new(Does::Answer, any(2) == 0);
            let leaving: Vec<_> = (0..3).map(|_| world.begin_and_leave(question())).collect();
            for one in leaving {
                if let Some(answer) = one.await.unwrap() {
                    answer.unwrap().unwrap();
                }
            }
            world.get(question()).await.unwrap().unwrap();
            world.is_empty_at_the_end().await;
        });
    });
}

/// An answer that may not be kept is its caller's alone.
#[test]
fn what_is_not_kept_is_shared_with_nobody() {
    check(300, || {
        block_on(async {
            let world = World::new(Does::Forbid, false);
            let asking: Vec<_> = (0..3).map(|_| world.begin(question())).collect();
            let mut calls = HashSet::new();
            for one in asking {
                let (call, _) = one.await.unwrap().unwrap().unwrap();
                assert!(calls.insert(call), "one answer for two");
            }
            world.is_empty_at_the_end().await;
            assert_eq!(world.calls.load(SeqCst), 3);
        });
    });
}

/// A credential that the origin refuses is never given what others were.
#[test]
fn a_thief_gets_its_refusal() {
    check(400, || {
        block_on(async {
            let world = World::new(Does::Answer, false);
            let members: Vec<_> = ["one", "two", "one"].map(|caller| world.begin(shared_by(caller))).into();
            let thieves: Vec<_> = (0..2).map(|_| world.begin(shared_by("thief"))).collect();
            for one in members {
                one.await.unwrap().unwrap().unwrap();
            }
            for one in thieves {
                assert!(one.await.unwrap().unwrap().is_err(), "a thief was given an answer");
            }
            world.is_empty_at_the_end().await;
        });
    });
}
