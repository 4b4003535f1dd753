//! Writes between reads.

use crate::{
    check,
    store::{Does, World, question},
    sync::spawn,
};
use shuttle::future::block_on;

/// Who asks after a write is over is given what it wrote, whatever is in the air, in the store or on its way there.
#[test]
fn who_comes_after_a_write_reads_it() {
    check(600, || {
        block_on(async {
            let world = World::new(Does::Answer, false);
            let before: Vec<_> = (0..2).map(|_| world.begin(question())).collect();
            let leaving = world.begin_and_leave(question());
            let writer = spawn({
                let world = world.clone();
                async move {
                    for by_key in [false, true] {
                        let oldest = if by_key { world.write_and_remove().await } else { world.write().await };
                        let (_, version) = world.get(question()).await.unwrap().unwrap();
                        assert!(version >= oldest, "version {version} after the write of {oldest}");
                    }
                }
            });
            let beside = world.begin(question());
            for one in before {
                one.await.unwrap().unwrap().unwrap();
            }
            drop(leaving.await.unwrap());
            beside.await.unwrap().unwrap().unwrap();
            writer.await.unwrap();
            world.is_empty_at_the_end().await;
            let (_, version) = world.get(question()).await.unwrap().unwrap();
            assert_eq!(version, 2, "what was asked for before the last write is kept");
        });
    });
}
