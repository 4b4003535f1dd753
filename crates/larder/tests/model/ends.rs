//! Flights that come to no good end: everybody is told, nobody waits for ever.

use crate::{
    check,
    store::{Does, World, question},
};
use larder_core::judge::Plan;
use shuttle::future::block_on;
use std::sync::atomic::Ordering::SeqCst;

#[test]
fn an_origin_that_fails_fails_everybody() {
    check(300, || {
        block_on(async {
            let world = World::new(Does::Fail, false);
            let asking: Vec<_> = (0..4).map(|_| world.begin(question())).collect();
            for one in asking {
                assert!(one.await.unwrap().is_err());
            }
            world.is_empty_at_the_end().await;
            assert!((1..=4).contains(&world.calls.load(SeqCst)));
        });
    });
}

/// Who asks again after a failure is given another one, not the same once more.
#[test]
fn what_has_failed_is_asked_anew() {
    for does in [Does::Cut, Does::Fail] {
        check(300, move || {
            block_on(async {
                let world = World::new(does, false);
                for call in 1..=3 {
                    let got = world.get(Plan { finish: true, ..question() }).await;
                    assert!(got.is_err() || got.is_ok_and(|got| got.is_err()), "{does:?}: call {call} is good");
                    assert_eq!(world.calls.load(SeqCst), call, "{does:?}");
                }
                world.is_empty_at_the_end().await;
            });
        });
    }
}

#[test]
fn what_breaks_off_is_an_error_for_all() {
    check(300, || {
        block_on(async {
            let world = World::new(Does::Cut, false);
            let leaving: Vec<_> = (0..2).map(|_| world.begin_and_leave(question())).collect();
            let asking: Vec<_> = (0..3).map(|_| world.begin(question())).collect();
            for one in asking {
                assert!(one.await.unwrap().unwrap().is_err(), "half an answer");
            }
            for one in leaving {
                drop(one.await.unwrap());
            }
            world.is_empty_at_the_end().await;
        });
    });
}
