//! What is a different question, and what never reaches the disk.
#![allow(clippy::unwrap_used, reason = "a step that fails is a failed test")]

mod run_support;

use run_support::{Desk, with_stdin};
use std::{
    ffi::OsStr,
    fs,
    io::{Read as _, Write as _},
    os::unix::ffi::OsStrExt as _,
    process::Stdio,
};

/// Prints a number that only another run changes.
const NUMBER: &str = "echo x >> $COUNT; wc -l < $COUNT";

#[test]
fn arguments_are_a_list() {
    let desk = Desk::new();
    desk.tool("args", "echo x >> $COUNT; for a in \"$@\"; do echo \"[$a]\"; done");
    let run = |args: &[&str]| desk.see(desk.larder(&[&["--ttl", "1h", "--", "args"], args].concat())).out;
    assert_eq!(run(&["a b"]), "[a b]\n");
    assert_eq!(run(&["a", "b"]), "[a]\n[b]\n");
    assert_eq!(run(&["a b"]), "[a b]\n");
    assert_eq!(run(&[]), "");
    assert_eq!(run(&[""]), "[]\n");
    assert_eq!(desk.count(), 4);
}

#[test]
fn arguments_that_are_not_text_run_untouched() {
    let desk = Desk::new();
    for _ in 0..2 {
        let mut command = desk.larder(&["--ttl", "1h", "--", "sh", "-c", "echo x >> $COUNT; printf %s \"$1\"", "sh"]);
        assert_eq!(command.arg(OsStr::from_bytes(b"\xff\xfe")).output().unwrap().stdout, b"\xff\xfe");
    }
    assert_eq!(desk.count(), 2);
}

#[test]
fn stdin_is_in_the_key_and_reaches_the_tool() {
    let desk = Desk::new();
    let script = "echo x >> $COUNT; cat";
    for (input, runs) in [("one", 1), ("two", 2), ("one", 2), ("", 3), ("", 3)] {
        assert_eq!(with_stdin(desk.sh(script), input.as_bytes()).out, input);
        assert_eq!(desk.count(), runs, "{input}");
    }
    assert_eq!(desk.see(desk.sh(script)).out, "", "/dev/null is as good as empty");
    assert_eq!(desk.count(), 3);
    let large = vec![b'z'; 3_000_000];
    for _ in 0..2 {
        assert_eq!(with_stdin(desk.sh(script), &large).out.len(), large.len());
    }
    assert_eq!(desk.count(), 4);
}

#[test]
fn devices_and_folders_on_stdin_run_untouched() {
    let desk = Desk::new();
    let script = "echo x >> $COUNT; head -c 2 2>&1";
    let run = |path: &str| {
        let mut command = desk.sh(script);
        command.stdin(fs::File::open(path).unwrap());
        desk.see(command).out
    };
    assert_eq!((run("/dev/null"), run("/dev/null")), (String::new(), String::new()));
    assert_eq!(desk.count(), 1);
    assert_eq!(run("/dev/zero"), "\0\0");
    assert!(run("/").contains("head"), "a folder cannot be read");
    assert_eq!((run("/dev/zero").as_str(), desk.count()), ("\0\0", 4));
}

#[test]
fn a_program_replaced_in_place_is_another_though_its_time_and_size_are_the_same() {
    let desk = Desk::new();
    for word in ["AAAA", "BBBB"] {
        let path = desk.tool("same", &format!("echo {word}"));
        let touched = std::process::Command::new("touch").args(["-d", "2020-01-01"]).arg(path).status().unwrap();
        assert!(touched.success());
        assert_eq!(desk.see(desk.larder(&["--ttl", "1h", "--", "same"])).out, format!("{word}\n"));
    }
}

#[test]
fn an_explanation_does_not_wait_for_the_end_of_an_open_stdin() {
    let desk = Desk::new();
    let explain = |input: &[u8]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_larder"));
        command.args(["explain", "--ttl", "1h", "--", "cat"]).env_clear().env("HOME", desk.path("home"));
        command.env("PATH", "/usr/bin:/bin").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input).unwrap();
        let open = input.is_empty().then_some(stdin);
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        drop(open);
        assert!(child.wait().unwrap().success());
        said
    };
    let said = explain(b"");
    assert!(said.contains("stdin cannot be read: it is open and has no end"), "{said}");
    assert!(!explain(b"some").contains("stdin cannot be read"));
}

#[test]
fn stdin_beyond_the_bound_is_passed_on_whole() {
    let desk = Desk::new();
    for run in 1..3 {
        let mut command = desk.sh("echo x >> $COUNT; cat | wc -c");
        command.env("LARDER_MAX_QUESTION", "1MiB");
        assert_eq!(with_stdin(command, &vec![b'z'; 3_000_000]).out.trim(), "3000000");
        assert_eq!(desk.count(), run);
    }
}

#[test]
fn the_working_directory_is_in_the_key() {
    let desk = Desk::new();
    for (folder, expected) in [("work", "1"), ("home", "2"), ("work", "1"), ("home", "2")] {
        let mut command = desk.sh(NUMBER);
        assert_eq!(
            desk.see({
                command.current_dir(desk.path(folder));
                command
            })
            .out
            .trim(),
            expected
        );
    }
}

#[test]
fn named_variables_are_in_the_key_and_others_are_not() {
    let desk = Desk::new();
    let run = |name: &str, value: Option<&str>| {
        let mut command = desk.larder(&["--ttl", "1h", "--env", "MODE", "--", "sh", "-c", NUMBER]);
        value.map(|value| command.env(name, value));
        desk.see(command).out.trim().to_owned()
    };
    assert_eq!(run("MODE", Some("a")), "1");
    assert_eq!(run("MODE", Some("b")), "2");
    assert_eq!(run("MODE", Some("")), "3");
    assert_eq!(run("MODE", None), "4");
    assert_eq!(run("OTHER", Some("a")), "4");
    assert_eq!(run("MODE", Some("a")), "1");
}

#[test]
fn another_version_of_the_program_is_another_question() {
    let desk = Desk::new();
    let run = || desk.see(desk.larder(&["--ttl", "1h", "--", "tool"])).out;
    desk.tool("tool", "echo one");
    assert_eq!((run(), run()), ("one\n".to_owned(), "one\n".to_owned()));
    desk.tool("tool", "echo three");
    assert_eq!(run(), "three\n");
}

#[test]
fn answers_end_with_their_ttl_and_with_a_shorter_one() {
    let desk = Desk::new();
    let run = |ttl: &str| desk.see(desk.larder(&["--ttl", ttl, "--", "sh", "-c", NUMBER])).out.trim().to_owned();
    assert_eq!(run("1h"), "1");
    assert_eq!(run("0s"), "2", "never older than was asked for");
    let short = |script: &str| desk.see(desk.larder(&["--ttl", "1s", "--", "sh", "-c", script])).out;
    let before = short(&format!("{NUMBER}; :"));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_ne!(short(&format!("{NUMBER}; :")), before);
}

#[test]
fn secrets_never_reach_the_disk() {
    let desk = Desk::new();
    let run = |value: &str| {
        let words = ["--ttl", "1h", "--env", "MY_TOKEN", "--env", "PLAIN", "--", "sh", "-c", NUMBER, "sh"];
        let mut command = desk.larder(&words);
        command.args(["--password", "canary-argument", "--url=https://me:canary-url@host/", "ghp_canary0123456789abc"]);
        desk.see({
            command.env("MY_TOKEN", value).env("PLAIN", "readable-value");
            command
        })
        .out
        .trim()
        .to_owned()
    };
    assert_eq!((run("canary-variable"), run("canary-variable")), ("1".to_owned(), "1".to_owned()));
    assert_eq!(run("canary-other"), "2", "another credential is another question");
    assert!(desk.holds("readable-value"), "the question is on disk");
    assert!(!desk.holds("canary"));
    // A password on standard input: who has its bare digest tries words.
    let command = desk.larder(&["--ttl", "1h", "--", "sh", "-c", "cat > /dev/null; echo digested"]);
    assert_eq!(run_support::with_stdin(command, b"canary-stdin").out, "digested\n");
    assert!(desk.holds("digested"), "it is kept");
    assert!(!desk.holds("a285a385fa5148f1b7bd5042cf9e87a2ab26ae8378c65f4976af83287e4f340b"));
}

#[test]
fn output_with_a_token_is_passed_on_and_not_kept() {
    let desk = Desk::new();
    for run in 1..3 {
        let script = format!("{NUMBER}; echo gho_'canary0123456789abcdef'; echo gho_'canary0123456789abcdef' >&2");
        let seen = desk.see(desk.sh(&script));
        assert_eq!(
            (seen.out, seen.err),
            (format!("{run}\ngho_canary0123456789abcdef\n"), "gho_canary0123456789abcdef\n".to_owned())
        );
    }
    assert!(!desk.holds("gho_canary"));
}

#[test]
fn a_store_that_cannot_be_used_is_no_failure() {
    let desk = Desk::new();
    fs::write(desk.path("file"), "not a folder").unwrap();
    for store in ["/proc/nowhere", &desk.path("file").display().to_string()] {
        let before = desk.count();
        for _ in 0..2 {
            let mut command = desk.sh("echo x >> $COUNT; echo out; exit 0");
            let seen = desk.see({
                command.env("LARDER_STORE", store);
                command
            });
            assert_eq!((seen.out.as_str(), seen.err.as_str(), seen.code), ("out\n", "", Some(0)), "{store}");
        }
        assert_eq!(desk.count(), before + 2);
    }
}

#[test]
fn no_home_is_no_failure() {
    let desk = Desk::new();
    let mut command = desk.sh("echo out");
    let seen = desk.see({
        command.env_remove("HOME").env_remove("LARDER_STORE");
        command
    });
    assert_eq!((seen.out.as_str(), seen.err.as_str()), ("out\n", ""));
}

#[test]
fn switched_off_and_too_deep() {
    let desk = Desk::new();
    for run in 1..3 {
        let mut command = desk.sh("echo x >> $COUNT; echo $LARDER_DEPTH");
        assert_eq!(
            desk.see({
                command.env("LARDER_OFF", "1");
                command
            })
            .out,
            "1\n"
        );
        assert_eq!(desk.count(), run);
    }
    let mut command = desk.sh("echo x >> $COUNT");
    let seen = desk.see({
        command.env("LARDER_DEPTH", "8");
        command
    });
    assert_eq!((seen.code, desk.count()), (Some(125), 2));
    assert!(seen.err.contains("8 runners"), "{seen:?}");
}

#[test]
fn output_that_holds_a_secret_variables_value_is_not_kept() {
    let desk = Desk::new();
    for (name, runs) in [("MY_TOKEN", 2), ("MODE", 3)] {
        for _ in 0..2 {
            let script = format!("echo x >> $COUNT; echo \"<${{{name}}}>\"");
            let mut command = desk.larder(&["--ttl", "1h", "--env", name, "--", "sh", "-c", &script]);
            command.env(name, "canary-value");
            assert_eq!(desk.see(command).out, "<canary-value>\n");
        }
        assert_eq!((desk.count(), desk.holds("canary-value")), (runs, name == "MODE"));
    }
}
