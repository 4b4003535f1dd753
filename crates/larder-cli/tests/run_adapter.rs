//! A tool that an adapter knows, against a stand-in that counts.
#![allow(clippy::unwrap_used, reason = "a step that fails is a failed test")]

mod run_support;

use run_support::{Desk, with_stdin};
use std::{
    fs,
    process::{Command, Stdio},
};

fn desk() -> Desk {
    let desk = Desk::new();
    desk.tool("gh", "echo x >> $COUNT; [ -z \"$SLOW\" ] || while [ ! -e \"$COUNT.go\" ]; do sleep 0.02; done; echo \"run $(wc -l < $COUNT): $*\"");
    desk
}

fn gh(desk: &Desk, line: &str) -> Command {
    let words: Vec<_> = ["--", "gh"].into_iter().chain(line.split(' ')).collect();
    desk.larder(&words)
}

fn run(desk: &Desk, line: &str) -> String {
    desk.see(gh(desk, line)).out
}

#[test]
fn reads_are_kept_and_unknown_lines_run_untouched() {
    let desk = desk();
    assert_eq!(run(&desk, "repo list"), "run 1: repo list\n");
    assert_eq!(run(&desk, "repo list"), "run 1: repo list\n");
    assert_eq!(run(&desk, "repo list -L 5"), "run 2: repo list -L 5\n");
    assert_eq!(run(&desk, "auth token"), "run 3: auth token\n");
    assert_eq!(run(&desk, "auth token"), "run 4: auth token\n");
    assert_eq!(run(&desk, "repo list --web"), "run 5: repo list --web\n");
}

#[test]
fn credentials_and_their_files_are_told_apart() {
    let desk = desk();
    let with = |token: &str| {
        let mut command = gh(&desk, "repo list");
        desk.see({
            command.env("GH_TOKEN", token);
            command
        })
        .out
    };
    assert_eq!(
        (with("canary-a"), with("canary-b"), with("canary-a")),
        ("run 1: repo list\n".into(), "run 2: repo list\n".into(), "run 1: repo list\n".into())
    );
    let hosts = desk.path("home/.config/gh");
    fs::create_dir_all(&hosts).unwrap();
    fs::write(hosts.join("hosts.yml"), "github.com: { user: one }").unwrap();
    assert_eq!(
        (run(&desk, "repo list"), run(&desk, "repo list")),
        ("run 3: repo list\n".into(), "run 3: repo list\n".into())
    );
    fs::write(hosts.join("hosts.yml"), "github.com: { user: two }").unwrap();
    assert_eq!(run(&desk, "repo list"), "run 4: repo list\n");
    assert!(!holds_in_store(&desk, "canary"));
}

fn holds_in_store(desk: &Desk, needle: &str) -> bool {
    assert!(desk.holds("repo_list"), "the store is where it is looked for");
    desk.holds(needle)
}

#[test]
fn a_write_makes_stale_what_its_rule_names() {
    let desk = desk();
    assert_eq!(run(&desk, "pr list"), "run 1: pr list\n");
    assert_eq!(run(&desk, "workflow list"), "run 2: workflow list\n");
    assert_eq!(run(&desk, "issue create --fill"), "run 3: issue create --fill\n");
    assert_eq!(run(&desk, "workflow list"), "run 2: workflow list\n");
    assert_eq!(run(&desk, "pr list"), "run 4: pr list\n");
    assert_eq!(run(&desk, "pr list"), "run 4: pr list\n");
    assert_eq!(run(&desk, "frobnicate"), "run 5: frobnicate\n");
    assert_eq!(run(&desk, "workflow list"), "run 6: workflow list\n");
}

#[test]
fn a_fill_that_began_before_a_write_is_not_kept() {
    let desk = desk();
    let mut slow = gh(&desk, "pr list");
    let child = slow.env("SLOW", "1").stdout(Stdio::piped()).spawn().unwrap();
    desk.wait_for_count(1);
    assert_eq!(run(&desk, "pr merge 5"), "run 2: pr merge 5\n");
    fs::write(desk.path("count.go"), "").unwrap();
    child.wait_with_output().unwrap();
    assert_eq!(run(&desk, "pr list"), "run 3: pr list\n");
}

#[test]
fn a_write_keeps_exit_code_and_stdin() {
    let desk = Desk::new();
    desk.tool("gh", "cat; exit 4");
    assert_eq!(run(&desk, "pr list"), "");
    let seen = with_stdin(gh(&desk, "pr create --body-file -"), b"text");
    assert_eq!((seen.out.as_str(), seen.code), ("text", Some(4)));
}

#[test]
fn data_on_stdin_that_the_rule_does_not_read_runs_untouched() {
    let desk = desk();
    fs::write(desk.path("input"), "data").unwrap();
    for run in 1..3 {
        let mut command = gh(&desk, "repo list");
        let seen = desk.see({
            command.stdin(fs::File::open(desk.path("input")).unwrap());
            command
        });
        assert_eq!(seen.out, format!("run {run}: repo list\n"));
    }
    // An open pipe with nothing in it: agents leave those behind.
    let mut open = gh(&desk, "repo list").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (stdin, first) = (open.stdin.take(), open.wait_with_output().unwrap());
    drop(stdin);
    assert_eq!(first.stdout, b"run 3: repo list\n");
    assert_eq!(run(&desk, "repo list"), "run 3: repo list\n");
}

#[test]
fn git_remotes_instead_of_the_path() {
    let desk = desk();
    let repository = |name: &str, url: &str| {
        let git = desk.path(name).join(".git");
        fs::create_dir_all(&git).unwrap();
        fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        fs::write(git.join("config"), format!("[remote \"origin\"]\n\turl = {url}\n")).unwrap();
    };
    repository("one", "https://h/a/b");
    repository("two", "https://h/a/b");
    repository("three", "https://h/a/c");
    let run = |folder: &str, line: &str| {
        let mut command = gh(&desk, line);
        desk.see({
            command.current_dir(desk.path(folder));
            command
        })
        .out
    };
    assert_eq!(run("one", "pr list"), "run 1: pr list\n");
    assert_eq!(run("two", "pr list"), "run 1: pr list\n");
    assert_eq!(run("three", "pr list"), "run 2: pr list\n");
    assert_eq!(run("work", "repo list"), "run 3: repo list\n");
    assert_eq!(run("one", "repo list"), "run 3: repo list\n");
}

#[test]
fn what_a_named_git_configuration_says_counts() {
    let desk = desk();
    let git = desk.path("work/.git");
    fs::create_dir_all(&git).unwrap();
    fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    let (global, own) = (desk.path("global"), desk.path("own"));
    let run = || {
        let mut command = gh(&desk, "pr list");
        command.env("GIT_CONFIG_GLOBAL", &global).env("GIT_COMMON_DIR", &own);
        desk.see(command).out
    };
    fs::create_dir(&own).unwrap();
    assert_eq!([run(), run()], ["run 1: pr list\n", "run 1: pr list\n"]);
    fs::write(&global, "[url \"https://h/other/\"]\n\tinsteadOf = https://h/\n").unwrap();
    assert_eq!([run(), run()], ["run 2: pr list\n", "run 2: pr list\n"]);
    fs::write(own.join("config"), "[remote \"origin\"]\n\turl = https://h/a/b\n").unwrap();
    assert_eq!([run(), run()], ["run 3: pr list\n", "run 3: pr list\n"]);
}

#[test]
fn a_users_own_adapter_comes_first_and_a_wrong_one_is_no_failure() {
    let desk = desk();
    let folder = desk.path("home/.config/larder/adapters");
    fs::create_dir_all(&folder).unwrap();
    let adapter = "format = 1\nname = \"gh\"\nsummary = \"mine\"\n[tool]\ncommand = \"gh\"\n[[operation]]\nname = \"own\"\nwords = \"own\"\nttl = \"1h\"\n";
    fs::write(folder.join("gh.toml"), adapter).unwrap();
    assert_eq!((run(&desk, "own"), run(&desk, "own")), ("run 1: own\n".into(), "run 1: own\n".into()));
    fs::write(folder.join("gh.toml"), "nonsense = 1").unwrap();
    assert_eq!(run(&desk, "own"), "run 2: own\n");
}

#[test]
fn a_stale_answer_is_served_at_once_and_asked_again_once() {
    let desk = Desk::new();
    desk.tool("slow", "echo x >> $COUNT; n=$(wc -l < $COUNT); [ $n = 1 ] || while [ ! -e \"$COUNT.go\" ]; do sleep 0.02; done; echo \"run $n\"");
    let folder = desk.path("home/.config/larder/adapters");
    fs::create_dir_all(&folder).unwrap();
    let adapter = "format = 1\nname = \"slow\"\nsummary = \"s\"\n[tool]\ncommand = \"slow\"\n[[operation]]\nname = \"o\"\nwords = \"o\"\nttl = \"1s\"\nstale-while-revalidate = \"1h\"\n";
    fs::write(folder.join("slow.toml"), adapter).unwrap();
    let run = || desk.see(desk.larder(&["--", "slow", "o"])).out;
    assert_eq!(run(), "run 1\n");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!([run(), run(), run()], ["run 1\n", "run 1\n", "run 1\n"]);
    desk.wait_for_count(2);
    assert_eq!([run(), run()], ["run 1\n", "run 1\n"], "while somebody asks");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(desk.count(), 2, "five stale answers, one refresh");
    fs::write(desk.path("count.go"), "").unwrap();
    run_support::wait_until("the new answer", || run() == "run 2\n");
}
