//! Flights that come to no good end: everybody is told, nobody waits for ever.

use crate::{
    check,
    store::{Does, World, question},
};
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
