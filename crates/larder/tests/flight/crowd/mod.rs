//! Fifty credentials, a few questions, and everything that can happen at once: nobody is given what is not for him.

mod dice;
mod judge;
mod town;

use crate::world::{Changed as _, Got, credential, question, read};
use dice::Dice;
use judge::{Seen, judge};
use larder::{Cache, Options, cache::AnswerError, flight::Limits, tier::Selection};
use larder_core::{Share, Timestamp, judge::Plan};
use larder_testkit::{cancel::give_up_after, is_long};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tempfile::TempDir;
use town::{Asked, CALLERS, Call, OPERATIONS, THIEVES, Town};

const QUESTIONS: usize = 6;
/// Who asks at once.
const TASKS: usize = 48;

/// The town's clock, milliseconds: moved by whoever asks, read by every thread.
static NOW: AtomicI64 = AtomicI64::new(1_800_000_000_000);

fn now() -> Timestamp {
    Timestamp(NOW.load(SeqCst))
}

struct Crowd {
    cache: Cache,
    town: Arc<Town>,
    seen: Seen,
    writing: [tokio::sync::Mutex<()>; OPERATIONS],
    left: AtomicUsize,
    _folder: TempDir,
}

impl Crowd {
    fn new(requests: usize) -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_owned();
        let options = Options { dir, max_bytes: 0, max_entries: 0, memory_bytes: 2 << 20, durable: false };
        let limits = Limits { memory: 100_000, ..Limits::default() };
        let cache = Cache::open(options).unwrap().with_limits(limits);
        let (town, seen, writing) = (Arc::default(), Seen::default(), Default::default());
        Arc::new(Self { cache, town, seen, writing, left: AtomicUsize::new(requests), _folder: folder })
    }

    async fn ask(&self, asked: Asked, plan: Plan) -> Result<Got, AnswerError> {
        let call = Call { town: Arc::clone(&self.town), asked };
        Ok(read(self.cache.answer(plan, Box::new(call), now).await?).await)
    }

    /// One request like any other.
    async fn request(&self, dice: &mut Dice) {
        let asked =
            Asked { caller: dice.below(CALLERS), operation: dice.below(OPERATIONS), question: dice.below(QUESTIONS) };
        let (of_team, plan) = plan(asked, dice);
        let of_caller = &self.town.callers[asked.caller];
        let _inside = of_caller.door.read().await;
        let floor = self.town.floors[asked.operation].load(SeqCst);
        let got = if dice.one_in(8) {
            let Some(got) = give_up_after(dice.below(8), self.ask(asked, plan)).await else {
                self.seen.left.fetch_add(1, SeqCst);
                return;
            };
            got
        } else {
            self.ask(asked, plan).await
        };
        judge(&self.town, &self.seen, asked, of_team, floor, got.unwrap());
    }

    /// Something is written: what was answered before is no answer any more.
    async fn write(&self, operation: usize) {
        let _one_by_one = self.writing[operation].lock().await;
        let version = self.town.versions[operation].fetch_add(1, SeqCst) + 1;
        let what = Selection { operation: Some(format!("op{operation}")), ..Selection::default() };
        self.cache.remove(&what, now()).await.unwrap();
        self.town.floors[operation].store(version, SeqCst);
        self.seen.writes.fetch_add(1, SeqCst);
    }

    /// A credential is revoked: from its first 401 on it is given nothing, until it is accepted anew.
    async fn revoke(&self, caller: usize, dice: &mut Dice) {
        let of_caller = &self.town.callers[caller];
        let _nobody_inside = of_caller.door.write().await;
        of_caller.is_revoked.store(true, SeqCst);
        // Whoever has left may have a call in the air that was answered before.
        while of_caller.open.load(SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for operation in 0..OPERATIONS {
            let asked = Asked { caller, operation, question: dice.below(QUESTIONS) };
            let refused = self.ask(asked, team(asked).control("no-cache")).await.unwrap();
            assert_eq!((refused.status, refused.body), (401, town::refusal(caller)));
            of_caller.accepted[operation].store(false, SeqCst);
            for question in 0..QUESTIONS {
                let asked = Asked { question, ..asked };
                let got = self.ask(asked, team(asked)).await.unwrap();
                assert_eq!((got.status, got.body), (401, town::refusal(caller)), "revoked: {asked:?}");
            }
        }
        of_caller.is_revoked.store(false, SeqCst);
        self.seen.revoked.fetch_add(1, SeqCst);
    }

    async fn take_part(self: Arc<Self>, seed: u64) {
        let mut dice = Dice::new(seed);
        while self.left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
            match dice.below(1000) {
                0..3 => self.write(dice.below(OPERATIONS)).await,
                3 => self.revoke(dice.below(CALLERS - THIEVES), &mut dice).await,
                4..8 => drop(NOW.fetch_add(20_000, SeqCst)),
                _ => {}
            }
            self.request(&mut dice).await;
        }
    }
}

/// Its own answers, or a team's; each operation has another way of growing old.
fn plan(asked: Asked, dice: &mut Dice) -> (bool, Plan) {
    let of_team = dice.one_in(2);
    let plan = if of_team { team(asked) } else { own(asked) };
    let plan = if dice.one_in(40) { plan.control("no-cache") } else { plan };
    (of_team, if asked.question.is_multiple_of(2) { plan.finish() } else { plan })
}

fn of_operation(asked: Asked) -> Plan {
    let mut plan = question(&format!("question {}", asked.question));
    plan.question.operation = format!("op{}", asked.operation);
    plan.lifetime(|lifetime| match asked.operation {
        0 => lifetime.stale_while_revalidate = Duration::from_secs(60),
        1 => lifetime.stale_if_error = Duration::from_secs(600),
        _ => {}
    })
}

fn own(asked: Asked) -> Plan {
    let caller = asked.caller.to_string();
    of_operation(asked).share(Share::Credential(credential(&caller)), &caller)
}

fn team(asked: Asked) -> Plan {
    of_operation(asked).share(Share::Team, &asked.caller.to_string())
}

#[test]
fn nobody_is_given_what_is_not_for_him() {
    let requests = if is_long() { 1_000_000 } else { 100_000 };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let crowd = Crowd::new(requests);
    runtime.block_on(async {
        let taking_part: Vec<_> =
            (0..TASKS).map(|seed| tokio::spawn(Arc::clone(&crowd).take_part(seed as u64))).collect();
        for one in taking_part {
            one.await.unwrap();
        }
        crowd.cache.landed().await;
    });
    println!("{requests} requests: {:?}", crowd.seen);
    crowd.seen.is_everything();
}
