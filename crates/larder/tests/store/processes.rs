//! Several processes on one store: this test binary starts itself again.

use crate::{body, disk_only, open, put};
use larder::{Cache, Options, stats::Event, tier::Selection};
use larder_testkit::{
    clock::START,
    entry::{OPERATION, SERVICE, noise},
};
use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

/// Runs `role` on the store in `dir` in another process.
pub(crate) fn spawn(mut command: Command, role: &str, dir: &Path) -> Child {
    command
        .args(["--exact", "processes::child", "--ignored", "--nocapture", "--test-threads=1"])
        .env("LARDER_TEST_ROLE", role)
        .env("LARDER_TEST_STORE", dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

pub(crate) fn start(role: &str, dir: &Path) -> Child {
    spawn(Command::new(std::env::current_exe().unwrap()), role, dir)
}

/// What the child said, each line after its `> `.
pub(crate) fn said(mut child: Child) -> Vec<String> {
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success(), "{text}");
    text.lines().filter_map(|line| line.split_once("> ")).map(|(_, said)| said.to_owned()).collect()
}

#[test]
#[ignore = "not a test: what the other processes of the tests here do"]
fn child() {
    let (Ok(role), Ok(dir)) = (std::env::var("LARDER_TEST_ROLE"), std::env::var("LARDER_TEST_STORE")) else { return };
    let dir = Path::new(&dir);
    let (role, name) = role.split_once(' ').unwrap_or((&role, ""));
    match role {
        "work" => work(dir, name),
        "write" => write(dir, name),
        "count" => count(dir),
        "once" => once(dir, name),
        "trials" => crate::trials::run(name),
        "fill" => crate::trouble::fill(dir),
        "read-only" => crate::trouble::read_only(dir),
        other => panic!("unknown role {other}"),
    }
}

fn work(dir: &Path, name: &str) {
    let cache = Cache::open(Options { max_entries: 400, ..crate::options(dir) }).unwrap();
    let mut found_again = 0;
    for n in 0..150 {
        put(&cache, &format!("{name}:{n}"), &noise(n * 31), START).unwrap();
        // While this process stood still the others may have put so much that its entry had to go.
        let found = body(&cache, &format!("{name}:{n}"), START).map(|found| found.0);
        assert!(found.as_ref().is_none_or(|found| *found == noise(n * 31)), "{name}:{n} is another's");
        found_again += u32::from(found.is_some());
        let other = format!("{}:{n}", (name.parse::<u32>().unwrap() + 1) % 4);
        if let Some((found, _)) = body(&cache, &other, START) {
            assert_eq!(found, noise(n * 31));
        }
        cache.count("s", "o", Event::Hit);
        if n % 50 == 49 {
            cache.close();
        }
    }
    assert!(found_again >= 130, "only {found_again} of 150 were there when they were asked for at once");
}

#[test]
fn several_processes_write_read_count_and_evict() {
    let folder = TempDir::new().unwrap();
    let children: Vec<Child> = (0..4).map(|n| start(&format!("work {n}"), folder.path())).collect();
    for child in children {
        said(child);
    }
    let cache = open(folder.path());
    assert_eq!(cache.statistics().unwrap().operations[&("s".to_owned(), "o".to_owned())].hits, 600);
    let left = (0..4).flat_map(|name| (0..150).map(move |n| (name, n)));
    let left = left.filter(|(name, n)| {
        let found = body(&cache, &format!("{name}:{n}"), START);
        found.is_some_and(|found| found.0 == noise(n * 31))
    });
    let (left, usage) = (left.count() as u64, cache.usage());
    assert_eq!(left, usage.entries);
    assert!((300..=400).contains(&left), "{left} of at most 400");
    let evicted = cache.statistics().unwrap().operations[&(SERVICE.to_owned(), OPERATION.to_owned())].evictions;
    assert_eq!(evicted, 600 - left);
}

fn once(dir: &Path, name: &str) {
    let cache = Cache::open(disk_only(dir)).unwrap();
    put(&cache, name, name.as_bytes(), START).unwrap();
    println!("> {:?}", body(&cache, name, START).is_some());
}

#[test]
fn a_dozen_processes_create_one_store_at_once() {
    let folder = TempDir::new().unwrap();
    let dir = folder.path().join("new");
    let children: Vec<Child> = (0..12).map(|n| start(&format!("once {n}"), &dir)).collect();
    for child in children {
        assert_eq!(said(child), ["true"]);
    }
    let cache = open(&dir);
    for n in 0..12 {
        assert_eq!(body(&cache, &n.to_string(), START).map(|found| found.0), Some(n.to_string().into_bytes()));
    }
    let files = crate::damage::files(&dir);
    assert!(!files.iter().any(|file| file.to_string_lossy().contains("broken")), "{files:?}");
}

fn write(dir: &Path, name: &str) {
    let cache = Cache::open(disk_only(dir)).unwrap();
    for n in 0..1_000_000 {
        let len = if n % 10 == 0 { 100_000 } else { 1_000 } + n;
        put(&cache, &format!("{name}:{n}"), &noise(len), START).unwrap();
        println!("> {n} {len}.");
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let folder = TempDir::new().unwrap();
    let mut acknowledged = 0;
    for round in 0..8 {
        let mut writers: Vec<Child> =
            (0..2).map(|writer| start(&format!("write {round}/{writer}"), folder.path())).collect();
        std::thread::sleep(Duration::from_millis(150 + 37 * round));
        for writer in &mut writers {
            writer.kill().unwrap();
        }
        let cache = Cache::open(disk_only(folder.path())).unwrap();
        for (number, mut writer) in writers.into_iter().enumerate() {
            writer.wait().unwrap();
            // A line that was cut by the kill was not said whole.
            let lines = BufReader::new(writer.stdout.take().unwrap()).lines().map_while(Result::ok);
            for line in lines.filter_map(|line| line.split_once("> ").map(|(_, said)| said.to_owned())) {
                let Some((n, len)) = line.split_once(' ').and_then(|(n, len)| Some((n, len.strip_suffix('.')?))) else {
                    continue;
                };
                let len = len.parse().unwrap();
                let found = body(&cache, &format!("{round}/{number}:{n}"), START).map(|found| found.0);
                assert!(found == Some(noise(len)), "{round}/{number}:{n} was acknowledged and is lost or torn");
                acknowledged += 1;
            }
        }
    }
    assert!(acknowledged > 50, "only {acknowledged} were acknowledged: nothing was tried");
}

fn count(dir: &Path) {
    let cache = Cache::open(disk_only(dir)).unwrap();
    for n in 1.. {
        cache.count("s", "o", Event::Hit);
        println!("> {n}");
        if n % 7 == 0 {
            cache.close();
        }
    }
}

#[test]
fn a_kill_while_counters_are_folded_loses_and_doubles_nothing() {
    let folder = TempDir::new().unwrap();
    let (mut least, mut most) = (0, 0);
    for round in 0..8 {
        let mut counter = start("count", folder.path());
        std::thread::sleep(Duration::from_millis(100 + 13 * round));
        counter.kill().unwrap();
        counter.wait().unwrap();
        let lines = BufReader::new(counter.stdout.take().unwrap()).lines().map_while(Result::ok);
        let counted = lines.filter(|line| line.contains("> ")).count() as u64;
        (least, most) = (least + counted, most + counted + 1);
        let total = open(folder.path()).statistics().unwrap();
        let hits = total.operations.get(&("s".to_owned(), "o".to_owned())).map_or(0, |counters| counters.hits);
        // A line may be cut by the kill, and a count may not have been said.
        assert!((least.saturating_sub(round)..=most).contains(&hits), "{hits} is not in {least}..={most}");
    }
    assert!(least > 50, "only {least} were counted: nothing was tried");
}

#[test]
fn an_invalidation_in_another_process_is_seen_at_once() {
    let folder = TempDir::new().unwrap();
    let cache = open(folder.path());
    let child = start("once a", folder.path());
    said(child);
    assert_eq!(body(&cache, "a", START).map(|found| found.1), Some("disk"));
    assert_eq!(body(&cache, "a", START).map(|found| found.1), Some("memory"));
    let other = open(folder.path());
    let what = Selection { service: Some(SERVICE.to_owned()), ..Selection::default() };
    assert_eq!(pollster::block_on(other.remove(&what, START)).unwrap(), 1);
    assert_eq!(body(&cache, "a", START), None);
}
