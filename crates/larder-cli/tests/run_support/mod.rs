//! A desk of one's own: a home, a store, tools that count how often they run.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a desk that cannot be set up is a failed test")]

use std::{
    fs,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

pub struct Desk {
    dir: TempDir,
}

/// What came out of a run, as text.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    pub out: String,
    pub err: String,
    pub code: Option<i32>,
}

impl Desk {
    pub fn new() -> Self {
        let desk = Self { dir: tempfile::tempdir().unwrap() };
        for folder in ["bin", "home", "work"] {
            fs::create_dir(desk.path(folder)).unwrap();
        }
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// `larder run` with nothing in its environment but what is said here.
    pub fn larder(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_larder"));
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.path("bin").display());
        command
            .arg("run")
            .args(words)
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.path("home"))
            .env("LARDER_STORE", self.store())
            .env("COUNT", self.path("count"))
            .current_dir(self.path("work"))
            .stdin(Stdio::null());
        command
    }

    /// `larder run --ttl 1h -- sh -c SCRIPT`
    pub fn sh(&self, script: &str) -> Command {
        self.larder(&["--ttl", "1h", "--", "sh", "-c", script])
    }

    /// Runs it to its end.
    pub fn see(&self, mut command: Command) -> Seen {
        seen(&command.output().unwrap())
    }

    /// A tool of this name. Another process writes the file: one of ours that is being written to could not be run.
    pub fn tool(&self, name: &str, script: &str) -> PathBuf {
        let path = self.path("bin").join(name);
        let mut writer = Command::new("sh")
            .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        writer.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{script}\n").as_bytes()).unwrap();
        assert!(writer.wait().unwrap().success());
        path
    }

    /// How often tools have run: each writes a line to `$COUNT`.
    pub fn count(&self) -> usize {
        fs::read_to_string(self.path("count")).map_or(0, |text| text.lines().count())
    }

    /// Waits until tools have run so often.
    pub fn wait_for_count(&self, expected: usize) {
        wait_until(&format!("{expected} runs"), || self.count() >= expected);
    }

    /// Whether any file of the desk's home and store holds these bytes.
    pub fn holds(&self, needle: &str) -> bool {
        [self.store(), self.path("home")].iter().any(|folder| holds(folder, needle.as_bytes()))
    }
}

pub fn seen(output: &Output) -> Seen {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Seen { out: text(&output.stdout), err: text(&output.stderr), code: output.status.code() }
}

pub fn with_stdin(mut command: Command, bytes: &[u8]) -> Seen {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdin, bytes) = (child.stdin.take().unwrap(), bytes.to_vec());
    let writer = thread::spawn(move || {
        let _ = stdin.write_all(&bytes);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    seen(&output)
}

pub fn wait_until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn holds(path: &Path, needle: &[u8]) -> bool {
    if path.is_dir() {
        return fs::read_dir(path).unwrap().any(|entry| holds(&entry.unwrap().path(), needle));
    }
    let mut bytes = Vec::new();
    fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).is_ok()
        && bytes.windows(needle.len()).any(|window| window == needle)
}
