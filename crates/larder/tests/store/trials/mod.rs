//! Thousands of harmed stores: never a wrong byte, never a panic or a signal, and the store mends itself.
//!
//! Trials run in child processes, so that one that dies is known by its number. `LARDER_LONG=1` runs 12,000 of them,
//! `LARDER_SEED=n` repeats a run, `LARDER_TRIAL=n` one trial of it.

mod harm;
mod judge;
mod random;
pub(crate) mod told;
mod world;

use judge::Outcome;
use random::Random;
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::{Duration, Instant},
};
use world::{STATES, Worlds};

/// Trials in one process.
const BATCH: u64 = 250;
/// No trial takes longer, unless something hangs.
const HANGS: Duration = Duration::from_secs(60);

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

fn is_long() -> bool {
    std::env::var("LARDER_LONG").is_ok_and(|long| long == "1")
}

fn seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    number("LARDER_SEED").unwrap_or(if is_long() { now.as_secs() } else { 4 })
}

/// In another process: trials `from..to` of `seed`, each with a line before and one after it.
pub(crate) fn run(words: &str) {
    let words: Vec<u64> = words.split(' ').map(|word| word.parse().unwrap()).collect();
    let [seed, from, to] = words[..] else { panic!("three numbers") };
    let worlds = Worlds::make();
    for trial in from..to {
        println!("> begin {trial}");
        let began = Instant::now();
        let hangs = std::thread::spawn(move || {
            std::thread::park_timeout(HANGS);
            if began.elapsed() >= HANGS {
                println!("> fail {trial} it hangs");
                std::process::abort();
            }
        });
        let mut what = String::new();
        let done = catch_unwind(AssertUnwindSafe(|| judge::trial(&worlds, &mut Random::of(seed, trial), &mut what)));
        hangs.thread().unpark();
        match done {
            Ok(outcome) => println!("> done {trial} {outcome}"),
            Err(why) => {
                let why = why
                    .downcast_ref::<String>()
                    .cloned()
                    .or_else(|| why.downcast_ref::<&str>().map(ToString::to_string));
                println!("> fail {trial} {what}: {}", why.unwrap_or_default().replace('\n', " "));
            }
        }
    }
}

/// What became of all trials.
#[derive(Default)]
struct Tally {
    done: u64,
    failed: Vec<String>,
    outcomes: BTreeMap<String, Outcome>,
}

impl Tally {
    /// Runs `from..to` in processes of their own; one that dies costs the trial that it died in.
    fn batch(&mut self, seed: u64, mut from: u64, to: u64) {
        while from < to {
            let mut child = crate::processes::start(&format!("trials {seed} {from} {to}"), Path::new("/"));
            let mut text = String::new();
            std::io::Read::read_to_string(child.stdout.as_mut().unwrap(), &mut text).unwrap();
            let ended = child.wait().unwrap();
            let lines: Vec<&str> =
                text.lines().filter_map(|line| line.split_once("> ")).map(|(_, said)| said).collect();
            let mut last = from;
            for line in &lines {
                if line.starts_with("told") {
                    if number("LARDER_TRIAL").is_some() {
                        println!("{line}");
                    }
                    continue;
                }
                let (word, rest) = line.split_once(' ').unwrap();
                last = rest.split(' ').next().unwrap().parse().unwrap();
                match word {
                    "done" => self.outcome(rest),
                    "fail" => {
                        println!("{rest}");
                        self.failed.push((*rest).to_owned());
                    }
                    _ => {}
                }
            }
            if !ended.success()
                && lines.iter().rfind(|line| !line.starts_with("told")).is_some_and(|line| line.starts_with("begin"))
            {
                self.failed.push(format!("{last} the process ended with {ended}"));
            }
            from = last + 1;
        }
    }

    fn outcome(&mut self, line: &str) {
        let (_, line) = line.split_once(' ').unwrap();
        let (name, outcome) = Outcome::parse(line);
        self.done += 1;
        *self.outcomes.entry(name).or_default() += outcome;
    }
}

#[test]
fn harm_to_any_file_gives_no_wrong_byte_and_mends_itself() {
    let seed = seed();
    let (from, to) = match number("LARDER_TRIAL") {
        Some(trial) => (trial, trial + 1),
        None => (0, if is_long() { 12_000 } else { 200 }),
    };
    println!("seed {seed}: LARDER_SEED={seed} LARDER_TRIAL=n repeats trial n");
    let mut tally = Tally::default();
    for batch in (from..to).step_by(usize::try_from(BATCH).unwrap()) {
        tally.batch(seed, batch, to.min(batch + BATCH));
        println!("{} done, {} failed", tally.done, tally.failed.len());
    }
    for (name, outcome) in &tally.outcomes {
        println!("{name:>40} {outcome:?}");
    }
    println!("{} trials, {} failed", tally.done + tally.failed.len() as u64, tally.failed.len());
    assert!(tally.failed.is_empty(), "seed {seed}:\n{}", tally.failed.join("\n"));
    assert_eq!(tally.done, to - from);
    let all = tally.outcomes.values().fold(Outcome::default(), |sum, one| sum + *one);
    // Harm in one place costs little, and is noticed.
    assert!(to - from < 200 || (all.served > 15 * all.trials && all.told > 0 && all.lost > 0), "{all:?}");
}

/// Which state, and whether the store is open while it is harmed.
fn setting(random: &mut Random) -> (&'static str, bool) {
    (STATES[random.below(STATES.len())], random.below(4) == 0)
}
