//! What a tool prints and how it ends comes out of `larder run` unchanged, from the tool and from the store.
#![allow(clippy::unwrap_used, reason = "a step that fails is a failed test")]

mod run_support;

use run_support::{Desk, Seen};
use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    os::unix::process::ExitStatusExt as _,
    process::Stdio,
};

const COUNT: &str = "echo x >> $COUNT;";

fn text(out: &str, err: &str, code: i32) -> Seen {
    Seen { out: out.to_owned(), err: err.to_owned(), code: Some(code) }
}

#[test]
fn the_second_run_is_answered_from_the_store() {
    let desk = Desk::new();
    let script = format!("{COUNT} echo out; echo err >&2");
    for _ in 0..3 {
        assert_eq!(desk.see(desk.sh(&script)), text("out\n", "err\n", 0));
    }
    assert_eq!(desk.count(), 1);
}

#[test]
fn bytes_are_exact_on_two_outputs() {
    let desk = Desk::new();
    let script = format!(r"{COUNT} printf '\377\000\n\r\200'; printf '\001\376' >&2; printf 'end'");
    for _ in 0..2 {
        let output = desk.sh(&script).output().unwrap();
        assert_eq!(output.stdout, b"\xff\0\n\r\x80end");
        assert_eq!(output.stderr, b"\x01\xfe");
    }
    assert_eq!(desk.count(), 1);
}

#[test]
fn order_is_exact_where_both_outputs_are_one_file() {
    let desk = Desk::new();
    let script = format!("{COUNT} for i in 1 2 3 4 5 6 7 8 9; do echo o$i; echo e$i >&2; done");
    let expected: String = (1..10).map(|i| format!("o{i}\ne{i}\n")).collect();
    for run in 0..3 {
        let path = desk.path(&format!("both{run}"));
        let file = File::create(&path).unwrap();
        let status = desk.sh(&script).stdout(file.try_clone().unwrap()).stderr(file).status().unwrap();
        assert!(status.success());
        assert_eq!(fs::read_to_string(&path).unwrap(), expected, "run {run}");
    }
    assert_eq!(desk.count(), 1);
    // Through two pipes it is another form of the answer: it is asked for anew, once.
    for _ in 0..2 {
        let seen = desk.see(desk.sh(&script));
        assert!(seen.out.starts_with("o1\no2\n") && seen.err.starts_with("e1\ne2\n"), "{seen:?}");
    }
    assert_eq!(desk.count(), 2);
}

#[test]
fn output_is_passed_on_while_the_tool_runs() {
    let desk = Desk::new();
    let script = format!("{COUNT} echo first; read line; echo \"second $line\"");
    // stdin belongs to the key here, so that the tool waits for a file instead.
    let script = script.replace("read line", "while [ ! -e \"$COUNT.go\" ]; do sleep 0.05; done; line=go");
    let mut child = desk.sh(&script).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "first");
    fs::write(desk.path("count.go"), "").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "second go");
    assert!(child.wait().unwrap().success());
}

#[test]
fn large_output_is_kept_and_too_large_output_is_passed_on() {
    let desk = Desk::new();
    for (bytes, runs) in [(3_000_000, 1), (70_000_000, 3)] {
        for _ in 0..2 {
            let output = desk.sh(&format!("{COUNT} head -c {bytes} /dev/zero")).output().unwrap();
            assert_eq!(output.stdout.len(), bytes);
        }
        assert_eq!(desk.count(), runs, "{bytes} bytes");
    }
}

#[test]
fn failures_are_not_kept_unless_told() {
    let desk = Desk::new();
    let script = format!("{COUNT} echo partly; exit 3");
    for _ in 0..2 {
        assert_eq!(desk.see(desk.sh(&script)), text("partly\n", "", 3));
    }
    assert_eq!(desk.count(), 2);
    for _ in 0..2 {
        let told = desk.larder(&["--ttl", "1h", "--keep-exit", "3", "--", "sh", "-c", &script]);
        assert_eq!(desk.see(told), text("partly\n", "", 3));
    }
    assert_eq!(desk.count(), 3);
}

#[test]
fn a_kept_failure_is_for_those_who_keep_it_too() {
    let desk = Desk::new();
    let script = format!("{COUNT} echo $(wc -l < $COUNT); exit ${{RC:-0}}");
    let run = |keeps: &[&str], code: &str| {
        let mut command = desk.larder(&[&["--ttl", "1h"], keeps, &["--", "sh", "-c", &script]].concat());
        command.env("RC", code);
        let seen = desk.see(command);
        (seen.out.trim().to_owned(), seen.code)
    };
    let saw = |out: &str, code| (out.to_owned(), Some(code));
    assert_eq!(run(&["--keep-exit", "4"], "4"), saw("1", 4));
    assert_eq!(run(&["--keep-exit", "4"], "4"), saw("1", 4), "it is kept");
    assert_eq!(run(&["--keep-exit", "5"], "4"), saw("2", 4), "another code");
    assert_eq!(run(&[], "0"), saw("3", 0), "nobody told");
    // A success is everybody's.
    assert_eq!(run(&[], "0"), saw("3", 0));
    assert_eq!(run(&["--keep-exit", "4"], "0"), saw("3", 0));
}

#[test]
fn a_tool_that_a_signal_ends_stores_nothing_and_the_runner_dies_of_the_same() {
    let desk = Desk::new();
    for (run, signal) in [(1, 15), (2, 9), (3, 15), (4, 6), (5, 11)] {
        let output = desk.sh(&format!("{COUNT} echo out; kill -{signal} $$")).output().unwrap();
        assert_eq!((output.status.signal(), output.status.core_dumped()), (Some(signal), false));
        assert_eq!((output.stdout, output.stderr), (b"out\n".to_vec(), Vec::new()));
        assert_eq!(desk.count(), run);
    }
}

#[test]
fn commands_that_cannot_be_run() {
    let desk = Desk::new();
    for ttl in [&["--"][..], &["--ttl", "1h", "--"]] {
        let run = |name: &str| desk.see(desk.larder(&[ttl, &[name]].concat()));
        assert_eq!(run("no-such-tool"), text("", "larder: `no-such-tool`: command not found\n", 127));
        assert_eq!(run("./missing").code, Some(127));
        fs::write(desk.path("work/plain"), "text").unwrap();
        assert_eq!(run("./plain"), text("", "larder: `./plain`: permission denied\n", 126));
        assert_eq!(run("."), text("", "larder: `.`: command not found\n", 127));
        assert_eq!(run("./"), text("", "larder: `./`: is a folder\n", 126));
    }
}

#[test]
fn a_script_whose_interpreter_is_missing_is_not_found() {
    let desk = Desk::new();
    fs::remove_file(desk.tool("broken", "")).unwrap();
    let path = desk.tool("broken", "");
    let script = "cat > \"$0\" <<'X'\n#!/no/such/interpreter\nX";
    assert!(std::process::Command::new("sh").args(["-c", script]).arg(path).status().unwrap().success());
    assert_eq!(desk.see(desk.larder(&["--ttl", "1h", "broken"])).code, Some(127));
}

#[test]
fn a_reader_that_leaves_ends_the_tool_as_without_larder() {
    let desk = Desk::new();
    let script = format!("{COUNT} exec yes");
    for run in 1..3 {
        let mut child = desk.sh(&script).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((first.as_str(), output.status.signal(), output.stderr), ("y\n", Some(13), Vec::new()));
        assert_eq!(desk.count(), run, "nothing was kept");
    }
}

#[test]
fn a_reader_that_leaves_ends_a_hit_quietly() {
    let desk = Desk::new();
    let script = format!("{COUNT} yes | head -c 2000000");
    assert_eq!(desk.see(desk.sh(&script)).out.len(), 2_000_000);
    let mut child = desk.sh(&script).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.signal(), output.stderr), (Some(13), Vec::new()));
    assert_eq!(desk.count(), 1);
}

#[test]
fn output_that_cannot_be_written_is_no_success() {
    let desk = Desk::new();
    // The tool has ended before anything can be told to it; one that goes on writing is told by a closed pipe.
    for script in ["echo out", "exec yes"] {
        for _ in 0..2 {
            let full = File::options().write(true).open("/dev/full").unwrap();
            let output = desk.sh(script).stdout(full).stderr(Stdio::piped()).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{script}");
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(said.starts_with("larder: the output cannot be written: "), "{said}");
        }
    }
    // What it said of itself stays.
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = desk.sh("echo out; exit 7").stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    // Tools don't look whether their complaints arrive.
    for _ in 0..2 {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output =
            desk.sh("echo err >&2 2>/dev/null; echo out").stdout(Stdio::piped()).stderr(full).output().unwrap();
        assert_eq!((output.status.code(), output.stdout), (Some(0), b"out\n".to_vec()));
    }
}

#[test]
fn a_reader_that_has_gone_before_the_first_word_is_no_success_either() {
    let desk = Desk::new();
    for _ in 0..2 {
        // It has gone before larder starts: a hit has written everything within the time that it takes to go.
        let (reader, stdout) = std::io::pipe().unwrap();
        drop(reader);
        let output = desk.sh("sleep 0.3; echo out").stdout(stdout).stderr(Stdio::piped()).output().unwrap();
        assert_eq!((output.status.signal(), output.stderr), (Some(13), Vec::new()));
    }
}

#[test]
fn whoever_the_tool_leaves_behind_is_heard_to_the_end() {
    let desk = Desk::new();
    let script = format!("{COUNT} (sleep 0.3; echo later) & echo now");
    for _ in 0..2 {
        assert_eq!(desk.see(desk.sh(&script)), text("now\nlater\n", "", 0));
    }
    assert_eq!(desk.count(), 1);
}

#[test]
fn without_a_ttl_and_an_adapter_the_tool_runs_untouched() {
    let desk = Desk::new();
    for _ in 0..2 {
        let run = desk.larder(&["--", "sh", "-c", &format!("{COUNT} echo out; exit 4")]);
        assert_eq!(desk.see(run), text("out\n", "", 4));
    }
    assert_eq!(desk.count(), 2);
    assert!(!desk.store().exists());
}

#[test]
fn wrong_usage_runs_nothing() {
    let desk = Desk::new();
    for words in [&["--nonsense", "--", "true"][..], &["--ttl", "soon", "true"], &["--"], &[]] {
        let seen = desk.see(desk.larder(words));
        assert_eq!(seen.code, Some(2), "{words:?}");
        assert!(seen.err.starts_with("larder: "), "{seen:?}");
    }
}

#[test]
fn larder_says_what_it_did_only_when_asked() {
    let desk = Desk::new();
    let run = || desk.see(desk.larder(&["-v", "--ttl", "1h", "--", "echo", "x"]));
    assert!(run().err.starts_with("larder: miss; kept; key=bafkrei"));
    assert!(run().err.starts_with("larder: hit; age="));
    assert_eq!(desk.see(desk.larder(&["--ttl", "1h", "--", "echo", "x"])), text("x\n", "", 0));
}

#[test]
fn wrong_files_named_by_hand_are_refused_and_wrong_ones_of_the_house_are_not() {
    let desk = Desk::new();
    let (wrong, fine) = (desk.path("wrong.toml"), desk.path("fine.toml"));
    fs::write(&wrong, "share = \"team\"\nshare-with = 1\n").unwrap();
    fs::write(&fine, "").unwrap();
    let run = |flag: &str, path: &std::path::Path| {
        desk.see(desk.larder(&[flag, path.to_str().unwrap(), "--ttl", "1h", "--", "echo", "x"]))
    };
    for (flag, path, expected) in [
        ("--config", wrong.clone(), format!("larder: {}:2", wrong.display())),
        ("--config", desk.path("none.toml"), "larder: the configuration file `".to_owned()),
    ] {
        let seen = run(flag, &path);
        assert_eq!((seen.out.as_str(), seen.code), ("", Some(2)), "{seen:?}");
        assert!(seen.err.starts_with(&expected), "{seen:?}");
    }
    assert_eq!(run("--config", &fine), text("x\n", "", 0));
    for store in [wrong.clone(), wrong.join("below")] {
        assert_eq!(run("--store", &store), text("x\n", "", 0), "a store that cannot be used costs its answers alone");
    }
    for (name, value) in [("LARDER_CONFIG", wrong.to_str().unwrap()), ("LARDER_SHARE", "all")] {
        let mut command = desk.larder(&["--ttl", "1h", "--", "echo", "x"]);
        command.env(name, value);
        assert_eq!(desk.see(command), text("x\n", "", 0));
    }
}

#[test]
fn the_log_says_what_was_done_where_it_is_asked_for() {
    let desk = Desk::new();
    let run = |log: &str, share: &str| {
        let mut command = desk.larder(&["--ttl", "1h", "--", "echo", "x"]);
        command.env("LARDER_LOG", log).env("LARDER_SHARE", share);
        desk.see(command)
    };
    for (share, expected) in [("all", "untouched: "), ("team", "miss; kept"), ("team", "hit; age=")] {
        let seen = run("info", share);
        assert_eq!((seen.out.as_str(), seen.code), ("x\n", Some(0)));
        assert!(seen.err.contains(expected), "{seen:?}");
    }
    for log in ["", "=nonsense=", "error"] {
        assert_eq!(run(log, "team"), text("x\n", "", 0), "{log}");
    }
}

/// `execvp`'s way with a file that the system cannot execute, and so every shell's, `env`'s and `timeout`'s.
#[test]
fn a_script_without_an_interpreter_line_is_run_by_the_shell() {
    let desk = Desk::new();
    let path = desk.tool("bare", "");
    let script = "cat > \"$0\" <<'X'\necho x >> $COUNT; echo \"$# $2\"; cat\nX";
    assert!(std::process::Command::new("sh").args(["-c", script]).arg(&path).status().unwrap().success());
    for ttl in [&["--ttl", "1h"][..], &[]] {
        for _ in 0..2 {
            let command = desk.larder(&[ttl, &["--", "bare", "a", "b c"]].concat());
            assert_eq!(run_support::with_stdin(command, b"in"), text("2 b c\nin", "", 0), "{ttl:?}");
        }
    }
    assert_eq!(desk.count(), 3, "one kept, two untouched");
}

#[test]
fn a_closed_stdout_gets_nothing_of_the_store() {
    let desk = Desk::new();
    let script = format!("{COUNT} echo out");
    desk.see(desk.sh(&script));
    let run = desk.sh(&script);
    // The file that is opened first would be its stdout, and the output would go into the store.
    let mut closed = std::process::Command::new("sh");
    closed.args(["-c", "exec \"$@\" 1>&-", "sh"]).arg(run.get_program()).args(run.get_args());
    closed.env_clear().envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    closed.current_dir(desk.path("work")).stdin(Stdio::null());
    let sidecar = desk.store().join("v2/sidecar");
    let head = |bytes: Vec<u8>| bytes[..16].to_vec();
    let before = head(fs::read(&sidecar).unwrap());
    assert_eq!(desk.see(closed), text("", "", 0));
    assert_eq!(head(fs::read(&sidecar).unwrap()), before);
    assert_eq!(desk.see(desk.sh(&script)), text("out\n", "", 0));
    assert_eq!(desk.count(), 1);
}

#[test]
fn a_refusal_is_a_document_where_one_was_asked_for() {
    let desk = Desk::new();
    for words in [&["--json", "--", "true"][..], &["--json", "--colour", "--", "true"]] {
        let seen = desk.see(desk.larder(words));
        assert_eq!((seen.out.as_str(), seen.code), ("", Some(2)));
        let document: serde_json::Value = serde_json::from_str(&seen.err).unwrap();
        assert_eq!((&document["schema"], &document["kind"]), (&"larder.error/1".into(), &"usage".into()));
    }
}
