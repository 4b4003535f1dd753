//! Several processes ask the same question at once; signals meanwhile.
#![allow(clippy::unwrap_used, reason = "a step that fails is a failed test")]

mod run_support;

use run_support::{Desk, seen, wait_until};
use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Runs until the file `$COUNT.go` is there.
const WAIT: &str = "echo x >> $COUNT; while [ ! -e \"$COUNT.go\" ]; do sleep 0.02; done; echo done";

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn ends(child: Child) -> run_support::Seen {
    seen(&child.wait_with_output().unwrap())
}

fn send(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

fn flights(desk: &Desk) -> usize {
    fs::read_dir(desk.store().join("v2/flights")).map_or(0, Iterator::count)
}

#[test]
fn twenty_at_once_are_one_run() {
    let desk = Desk::new();
    let children: Vec<_> =
        (0..20).map(|_| start(desk.sh("echo x >> $COUNT; sleep 0.5; echo out; echo err >&2"))).collect();
    for child in children {
        let seen = ends(child);
        assert_eq!((seen.out.as_str(), seen.err.as_str(), seen.code), ("out\n", "err\n", Some(0)));
    }
    assert_eq!(desk.count(), 1);
    assert_eq!(flights(&desk), 0, "no lock file is left behind");
}

#[test]
fn when_the_leader_is_killed_another_takes_over() {
    let desk = Desk::new();
    let mut leader = start(desk.sh(WAIT));
    desk.wait_for_count(1);
    let followers: Vec<_> = (0..3).map(|_| start(desk.sh(WAIT))).collect();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(desk.count(), 1, "they wait");
    send(&leader, "-KILL");
    leader.wait().unwrap();
    desk.wait_for_count(2);
    fs::write(desk.path("count.go"), "").unwrap();
    followers.into_iter().for_each(|child| assert_eq!(ends(child).out, "done\n"));
    assert_eq!(desk.count(), 2, "one of the three ran it");
    assert_eq!(flights(&desk), 0);
}

#[test]
fn a_leader_whose_run_is_not_kept_releases_all_at_once() {
    let desk = Desk::new();
    let begun = Instant::now();
    let children: Vec<_> = (0..8).map(|_| start(desk.sh("echo x >> $COUNT; sleep 1.5; echo out; exit 3"))).collect();
    for child in children {
        let seen = ends(child);
        assert_eq!((seen.out.as_str(), seen.code), ("out\n", Some(3)));
    }
    assert_eq!(desk.count(), 8);
    assert!(begun.elapsed() < Duration::from_secs(8), "one after the other: {:?}", begun.elapsed());
    assert_eq!(flights(&desk), 0);
}

#[test]
fn a_signal_to_the_runner_reaches_the_tool() {
    let desk = Desk::new();
    for (signal, code) in [("-TERM", 5), ("-INT", 6), ("-HUP", 7)] {
        let runs = desk.count();
        let script = "trap 'echo term; exit 5' TERM; trap 'echo int; exit 6' INT; trap 'echo hup; exit 7' HUP; \
                      echo x >> $COUNT; while :; do sleep 0.02; done";
        let child = start(desk.sh(script));
        desk.wait_for_count(runs + 1);
        send(&child, signal);
        let seen = ends(child);
        assert_eq!(seen.code, Some(code), "{seen:?}");
        assert_eq!(seen.out, format!("{}\n", signal.trim_start_matches('-').to_lowercase()));
    }
}

#[test]
fn a_tool_that_dies_of_the_signal_takes_the_runner_along() {
    let desk = Desk::new();
    let child = start(desk.sh("echo x >> $COUNT; exec sleep 60"));
    desk.wait_for_count(1);
    send(&child, "-TERM");
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.signal(), output.stderr), (Some(15), Vec::new()));
}

/// The tool says that all went well, and has not said all.
#[test]
fn what_a_signal_cut_short_is_not_kept_and_the_next_one_leads() {
    let desk = Desk::new();
    let script =
        "trap 'exit 0' TERM; echo x >> $COUNT; echo one; while [ ! -e \"$COUNT.go\" ]; do sleep 0.02; done; echo two";
    let leader = start(desk.sh(script));
    desk.wait_for_count(1);
    let followers: Vec<_> = (0..3).map(|_| start(desk.sh(script))).collect();
    std::thread::sleep(Duration::from_millis(200));
    send(&leader, "-TERM");
    let seen = ends(leader);
    assert_eq!((seen.out.as_str(), seen.code), ("one\n", Some(0)));
    desk.wait_for_count(2);
    fs::write(desk.path("count.go"), "").unwrap();
    followers.into_iter().for_each(|child| assert_eq!(ends(child).out, "one\ntwo\n"));
    assert_eq!(desk.count(), 2, "one of the three ran it");
    assert_eq!(ends(start(desk.sh(script))).out, "one\ntwo\n");
    assert_eq!((desk.count(), flights(&desk)), (2, 0));
}

/// A script of the tool's name before it on the `PATH` that calls larder.
#[test]
fn a_tool_that_runs_itself_through_the_runner_does_not_wait_for_itself() {
    let desk = Desk::new();
    let larder = env!("CARGO_BIN_EXE_larder");
    desk.tool("itself", &format!("echo x >> $COUNT; exec {larder} run --ttl 1h -- itself"));
    let seen = ends_soon(start(desk.larder(&["--ttl", "1h", "--", "itself"])));
    assert_eq!((seen.code, desk.count()), (Some(125), 8), "{seen:?}");
}

/// As in the session of an agent that was itself started by a runner.
#[test]
fn within_a_runner_that_leads_nobody_one_waits_for_another() {
    let desk = Desk::new();
    let within = || {
        let mut command = desk.sh("echo x >> $COUNT; while [ ! -e \"$COUNT.go\" ]; do sleep 0.02; done; echo done");
        command.env("LARDER_DEPTH", "1");
        start(command)
    };
    let runs: Vec<_> = (0..3).map(|_| within()).collect();
    desk.wait_for_count(1);
    std::thread::sleep(Duration::from_millis(200));
    fs::write(desk.path("count.go"), "").unwrap();
    runs.into_iter().for_each(|child| assert_eq!(ends(child).out, "done\n"));
    assert_eq!(desk.count(), 1);
}

#[test]
fn a_waiting_runner_can_be_ended() {
    let desk = Desk::new();
    let leader = start(desk.sh(WAIT));
    desk.wait_for_count(1);
    let mut follower = start(desk.sh(WAIT));
    std::thread::sleep(Duration::from_millis(200));
    send(&follower, "-TERM");
    assert_eq!(follower.wait().unwrap().signal(), Some(15));
    fs::write(desk.path("count.go"), "").unwrap();
    assert_eq!(ends(leader).out, "done\n");
    assert_eq!(desk.count(), 1);
}

#[test]
fn a_runner_whose_tool_left_somebody_behind_can_be_ended() {
    let desk = Desk::new();
    let mut child = start(desk.sh("sleep 30 & echo $! > $COUNT.pid; echo x >> $COUNT"));
    wait_until("the tool's end", || desk.count() == 1);
    std::thread::sleep(Duration::from_millis(300));
    send(&child, "-TERM");
    assert_eq!(child.wait().unwrap().signal(), Some(15));
    let left = fs::read_to_string(desk.path("count.pid")).unwrap();
    assert!(Command::new("kill").arg(left.trim()).status().unwrap().success());
}

/// Within a time that only a hang exceeds.
fn ends_soon(mut child: Child) -> run_support::Seen {
    let (start, mut hangs) = (Instant::now(), false);
    // What it writes is more than a pipe holds: somebody must read while we wait.
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read = |source: &mut dyn std::io::Read| std::io::read_to_string(source).unwrap();
    std::thread::scope(|scope| {
        let out = scope.spawn(|| read(&mut out));
        let err = scope.spawn(|| read(&mut err));
        while child.try_wait().unwrap().is_none() {
            hangs = start.elapsed() > Duration::from_secs(30);
            if hangs {
                child.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let code = child.wait().unwrap().code();
        assert!(!hangs, "it hangs");
        run_support::Seen { out: out.join().unwrap(), err: err.join().unwrap(), code }
    })
}

/// More than pipes hold, on both outputs.
const MUCH: &str = "echo x >> $COUNT; seq 1 100000; seq 1 50000 >&2; exit 0";

#[test]
fn a_leader_whose_reader_stands_still_keeps_nobody_waiting() {
    let desk = Desk::new();
    let leader = start(desk.sh(MUCH));
    desk.wait_for_count(1);
    let follower = ends_soon(start(desk.sh(MUCH)));
    assert_eq!((follower.out.lines().count(), follower.err.lines().count()), (100_000, 50_000));
    assert_eq!((desk.count(), flights(&desk)), (1, 0), "the leader's run answered it");
    let leader = ends_soon(leader);
    assert_eq!(leader, follower, "and its own reader gets all of it later");
}

#[test]
fn a_leader_that_writes_more_than_is_kept_keeps_nobody_waiting_either() {
    let desk = Desk::new();
    let endless = "echo x >> $COUNT; [ $(wc -l < $COUNT) = 1 ] && exec yes; echo mine";
    let mut leader = start(desk.sh(endless));
    desk.wait_for_count(1);
    let follower = ends_soon(start(desk.sh(endless)));
    assert_eq!((follower.out.as_str(), desk.count()), ("mine\n", 2));
    let memory = fs::read_to_string(format!("/proc/{}/status", leader.id())).unwrap();
    let peak: u64 = memory.lines().find_map(|line| line.strip_prefix("VmHWM:")).map(kilobytes).unwrap();
    assert!(peak < 200 << 10, "{peak} KiB for 64 MiB of output that nobody reads");
    drop(leader.stdout.take());
    assert_eq!(leader.wait().unwrap().signal(), Some(13), "and ends when its reader goes");
}

fn kilobytes(text: &str) -> u64 {
    text.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_leader_that_is_stopped_keeps_nobody_waiting_for_ever() {
    let desk = Desk::new();
    let script = "echo x >> $COUNT; [ $(wc -l < $COUNT) = 1 ] && sleep 1; echo out";
    let leader = start(desk.sh(script));
    desk.wait_for_count(1);
    send(&leader, "-STOP");
    let follower = ends_soon(start(desk.sh(script)));
    send(&leader, "-CONT");
    assert_eq!((follower.out.as_str(), desk.count()), ("out\n", 2));
    assert_eq!(ends_soon(leader).out, "out\n");
}
