//! Flights from which the others get nothing: nobody waits in a queue, and nobody for ever.

use crate::{
    shelf::MemoryShelf,
    world::{World, now, question, read, settle},
};
use futures_util::{StreamExt as _, future::BoxFuture, stream};
use http::{HeaderMap, StatusCode};
use larder::{
    Origin, OriginAnswer, OriginError,
    cache::AnswerError,
    flight::{Limits, answer},
};
use larder_core::judge::Plan;
use larder_testkit::{Gate, Reply, Scripted};
use std::time::Duration;

const CALLERS: usize = 1000;

/// A request that no operation matches: RFC 9111 alone decides.
fn plain() -> Plan {
    Plan { operation: None, ..question("a") }
}

/// All of them are released by the first answer's head and ask at once: every call is open before any is answered.
#[tokio::test(start_paused = true)]
async fn what_may_not_be_kept_releases_everybody_at_once() {
    let replies = || {
        [
            ("no-store", question("a"), Reply::status(200).header("cache-control", "no-store")),
            ("500", question("a"), Reply::status(500)),
            ("429", question("a"), Reply::status(429).header("retry-after", "1")),
            (
                "set-cookie",
                plain(),
                Reply::status(200).header("cache-control", "max-age=60").header("set-cookie", "a=b"),
            ),
            ("a lifetime of nothing", plain(), Reply::status(200)),
            ("a stream without a rule", question("a"), Reply::status(200).header("content-type", "text/event-stream")),
        ]
    };
    for (name, plan, reply) in replies() {
        let (first, rest) = (Gate::new(), Gate::new());
        let gates = [first.clone(), rest.clone()];
        let origin = Scripted::new(move |n, _| {
            let reply = reply.clone().piece(format!("answer {n}"));
            reply.headers_after(if n == 0 { &gates[0] } else { &gates[1] })
        });
        let world = World::new(origin);
        let asking: Vec<_> = (0..CALLERS).map(|_| world.begin(plan.clone())).collect();
        world.origin.called(1).await;
        settle().await;
        assert_eq!(world.origin.calls(), 1, "{name}: the others wait for the head");
        first.open();
        let in_a_queue = tokio::time::timeout(Duration::from_secs(60), world.origin.called(CALLERS)).await;
        assert!(in_a_queue.is_ok(), "{name}: {} of {CALLERS} have asked", world.origin.calls());
        rest.open();
        let mut bodies = std::collections::HashSet::new();
        for one in asking {
            let got = one.await.unwrap();
            assert!(bodies.insert(got.body.clone()), "{name}: `{}` was given to two", got.body);
        }
        assert_eq!((world.origin.calls(), world.shelf.kept()), (CALLERS, 0), "{name}");
    }
}

/// What turns out at its end to be incomplete has been given to everybody by then; the next one asks anew.
#[tokio::test(start_paused = true)]
async fn what_is_incomplete_holds_nobody_up() {
    let half = Reply::status(200).header("content-type", "application/json").piece("{\"half\":");
    let world = World::new(Scripted::replies([half, Reply::ok("{}")]));
    let asking: Vec<_> = (0..CALLERS).map(|_| world.begin(question("a"))).collect();
    for one in asking {
        assert_eq!(one.await.unwrap().body, "{\"half\":");
    }
    assert_eq!((world.origin.calls(), world.shelf.kept()), (1, 0));
    assert_eq!(world.get(question("a")).await.body, "{}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_origin_meets_the_deadline_for_everybody() {
    let limits = Limits { headers: Duration::from_secs(7), idle: Duration::from_secs(3), ..Limits::default() };
    for (reply, body, seconds) in
        [(Reply::ok("").silent(), None, 7), (Reply::status(200).piece("one").hang(), Some("one"), 3)]
    {
        let world = World::with(Scripted::replies([reply]), MemoryShelf::default(), limits);
        let begun = tokio::time::Instant::now();
        let ask = |world: &World| {
            let world = world.clone();
            tokio::spawn(async move {
                let answer = world.ask(question("a")).await?;
                Ok::<_, AnswerError>(read(answer).await)
            })
        };
        let asking: Vec<_> = (0..CALLERS).map(|_| ask(&world)).collect();
        for one in asking {
            match (one.await.unwrap(), body) {
                (Err(AnswerError::Origin(error)), None) => assert_eq!(error, OriginError::TimedOut),
                (Ok(got), Some(body)) => {
                    assert_eq!((got.body.as_str(), got.error), (body, Some(OriginError::TimedOut)))
                }
                (other, _) => panic!("{other:?}"),
            }
        }
        assert_eq!((begun.elapsed().as_secs(), world.origin.calls(), world.shelf.kept()), (seconds, 1, 0));
    }
}

/// A bug in the code that asks the origin.
#[derive(Clone, Copy)]
enum Bug {
    BeforeTheHead,
    InTheBody,
}

impl Origin for Bug {
    fn call(self: Box<Self>, _: HeaderMap) -> BoxFuture<'static, Result<OriginAnswer, OriginError>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if matches!(*self, Self::BeforeTheHead) {
                panic!("the test says so");
            }
            let body = stream::iter(0..2).then(|n| async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if n == 1 {
                    panic!("the test says so");
                }
                Ok("one ".into())
            });
            Ok(OriginAnswer { status: StatusCode::OK, headers: HeaderMap::new(), body: body.boxed() })
        })
    }
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_panics_is_an_error_for_everybody() {
    for bug in [Bug::BeforeTheHead, Bug::InTheBody] {
        let world = World::new(Scripted::replies([]));
        let ask = |world: &World| {
            let world = world.clone();
            tokio::spawn(async move {
                let call = answer(world.shelf.clone(), &world.flights, question("a"), Box::new(bug), now);
                Ok::<_, AnswerError>(read(call.await?).await)
            })
        };
        let asking: Vec<_> = (0..20).map(|_| ask(&world)).collect();
        for one in asking {
            let got = tokio::time::timeout(Duration::from_secs(600), one).await.expect("nobody hangs").unwrap();
            assert!(got.is_err() || got.is_ok_and(|got| got.error.is_some()));
        }
        world.flights.landed().await;
        assert_eq!(world.shelf.kept(), 0);
    }
}
