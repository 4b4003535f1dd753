//! A call that is given up at any of its awaits leaves the tier as it was or as it was to be, and nobody waiting.

use super::{Subject, probe::get};
use crate::{
    cancel::give_up_after,
    clock::START,
    entry::{bytes_of, entry, key, noise, want},
};
use larder::{Entry, tier::Selection};
use larder_core::Record;
use std::{future::Future, pin::pin, time::Duration};
use tokio::runtime::{Builder, Runtime};

/// No call has more awaits than this.
const MOST: usize = 200;
/// No call takes longer, however busy the machine is.
const SOON: Duration = Duration::from_secs(60);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap_or_else(|error| panic!("no runtime: {error}"))
}

/// Within a runtime, where a tier gives work to other threads and can be dropped while they are at it.
fn within<T>(call: impl Future<Output = T>) -> T {
    let runtime = runtime();
    let call = pin!(call);
    runtime.block_on(async { tokio::time::timeout(SOON, call).await }).unwrap_or_else(|_| panic!("a call hangs"))
}

#[derive(Clone, Copy, Debug)]
enum Call {
    PutSmall,
    PutLarge,
    Get,
    Remove,
    Invalidate,
    List,
}

const CALLS: [Call; 6] = [Call::PutSmall, Call::PutLarge, Call::Get, Call::Remove, Call::Invalidate, Call::List];

/// Each call, given up after 0, 1, 2, … polls until it comes to its end.
pub(super) fn tears_nothing(subject: &Subject) {
    for call in CALLS {
        let is_through = (0..MOST).any(|polls| is_through_after(subject, call, polls));
        assert!(is_through, "{call:?} does not come to its end");
    }
}

fn is_through_after(subject: &Subject, call: Call, polls: usize) -> bool {
    let case = format!("{call:?} given up after {polls} polls");
    let (old, new) = (noise(100), noise(if matches!(call, Call::PutLarge) { 200 << 10 } else { 101 }));
    // An operation of its own: what is invalidated is not another case's.
    let of_case = |body: &[u8]| {
        let mut entry = entry(&case, body, START);
        let record = Record { operation: case.clone(), ..(*entry.record).clone() };
        entry.generation = subject.generation(&record.service, &case);
        Entry { record: record.into(), ..entry }
    };
    subject.put(of_case(&old), START);
    let by_key = Selection { key: Some(key(&case)), ..Selection::default() };
    let by_operation = Selection { operation: Some(case.clone()), ..Selection::default() };
    let tier = &subject.tier;
    let is_through = within(async {
        match call {
            Call::PutSmall | Call::PutLarge => give_up_after(polls, tier.put(of_case(&new), START)).await.is_some(),
            Call::Get => give_up_after(polls, tier.get(&want(&case), START)).await.is_some(),
            Call::Remove => give_up_after(polls, tier.remove(&by_key, START)).await.is_some(),
            Call::Invalidate => give_up_after(polls, tier.remove(&by_operation, START)).await.is_some(),
            Call::List => give_up_after(polls, tier.list(&by_operation, 5, START)).await.is_some(),
        }
    });
    // The runtime is gone, and with it whatever was still under way.
    let found = get(tier, &want(&case), START).map(|found| bytes_of(&found));
    let expected = match (call, &found) {
        (Call::PutSmall | Call::PutLarge, Some(found)) => *found == new || *found == old && !is_through,
        (Call::Remove | Call::Invalidate, None) => true,
        (Call::Remove | Call::Invalidate, Some(found)) => *found == old && !is_through,
        (_, Some(found)) => *found == old,
        (_, None) => subject.forgets,
    };
    assert!(
        expected || subject.forgets && found.is_none(),
        "{case}: left with {:?} bytes",
        found.map(|found| found.len())
    );
    // Everything still works.
    within(async {
        let put = tier.put(of_case(b"after"), START).await;
        assert!(subject.errs || put.is_ok(), "{case}: {put:?}");
        let listed = tier.list(&by_operation, 5, START).await;
        assert!(subject.forgets || listed.is_ok_and(|listed| listed.len() == 1), "{case}: not listed once");
    });
    subject.expect(&want(&case), START, Some(b"after"));
    is_through
}

/// Many calls that are given up while they are under way together; then each key has one of its answers, whole.
pub(super) fn keeps_no_lock(subject: &Subject) {
    let tier = &subject.tier;
    let body = noise(200 << 10);
    let question = |n: usize| format!("given up {n}");
    within(async {
        for n in 0..30 {
            let polls = n % 4;
            drop(tier.put(entry(&question(n), &body, START), START));
            let _put = give_up_after(polls, tier.put(entry(&question(n), &body, START), START)).await;
            let _got = give_up_after(polls, tier.get(&want(&question(n)), START)).await;
            let _listed = give_up_after(polls, tier.list(&Selection::default(), 5, START)).await;
            let nobodys = Selection { key: Some(key("nobody's")), ..Selection::default() };
            let _removed = give_up_after(polls, tier.remove(&nobodys, START)).await;
            let put = tier.put(entry(&question(n), b"after", START), START).await;
            assert!(subject.errs || put.is_ok(), "{put:?}");
        }
    });
    for n in 0..30 {
        let found = get(tier, &want(&question(n)), START).map(|found| bytes_of(&found));
        let is_whole = found.as_ref().is_some_and(|found| *found == body || found == b"after");
        assert!(is_whole || found.is_none() && subject.forgets, "torn or lost: {n}");
    }
}
