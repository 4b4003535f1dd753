use super::*;
use crate::{Registry, share::ShareChoice};
use std::{collections::BTreeMap, time::Duration};

const SECRET: [u8; 32] = [7; 32];

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn gh() -> Arc<Adapter> {
    Registry::builtin_one("gh").unwrap().unwrap()
}

/// `keep NAME`, `pass NAME: why`, with the number of operations that become stale.
fn verdict(line: &str) -> String {
    match judge_tool(Some(&gh()), "gh", &words(line), &RunOptions::default()) {
        ToolVerdict::Match(matched) => format!("keep {}", matched.operation_name()),
        ToolVerdict::Pass(pass) => {
            let name = pass.operation.as_deref().unwrap_or("-");
            let stale = if pass.invalidates.is_empty() { "" } else { ", stale" };
            format!("pass {name}: {}{stale}", pass.reason)
        }
    }
}

#[test]
fn command_lines() {
    for (line, expected) in [
        ("repo list", "keep repo_list"),
        ("repo ls", "keep repo_list"),
        ("repo list acme -L5 --json name,url --jq .[].name", "keep repo_list"),
        ("repo list --limit=5 --fork=true", "keep repo_list"),
        ("repo list acme other", "pass repo_list: the rule passes it through: 2 arguments, at most 1 are known, stale"),
        (
            "repo list --new-flag",
            "pass repo_list: the rule passes it through: the flag `--new-flag` is not known, stale",
        ),
        ("repo list --lim 5", "pass repo_list: the rule passes it through: the flag `--lim` is not known, stale"),
        ("repo view -w", "pass repo_view: the rule passes it through: the flag `-w`"),
        ("repo view --web=true", "pass repo_view: the rule passes it through: the flag `--web`"),
        ("repo view --help", "pass repo_view: the rule passes it through: the flag `--help`"),
        ("repo view -- -w", "keep repo_view"),
        ("-R a/b pr list", "keep pr_list"),
        ("pr -R a/b list", "keep pr_list"),
        ("pr list -Ra/b", "keep pr_list"),
        ("pr list -dw", "pass pr_list: the rule passes it through: the flag `-w`"),
        ("pr list -dL5", "keep pr_list"),
        ("pr list -l -w", "keep pr_list"),
        ("pr view -c 5", "keep pr_view"),
        ("run list -w ci.yml", "keep run_list"),
        ("run view 5 --log", "keep run_view"),
        ("run watch 5", "pass run_watch: the operation writes, stale"),
        ("api repos/a/b", "keep api_get"),
        ("api repos/a/b -X POST", "pass api_get: the rule passes it through: the flag `-X` is not known, stale"),
        (
            "api --verbose repos/a/b -X POST",
            "pass api_get: the rule passes it through: the flag `-X` is not known, stale",
        ),
        ("api --verbose repos/a/b", "pass api_get: the rule passes it through: the flag `--verbose`"),
        ("api --cache 1h repos/a/b", "keep api_get"),
        ("api graphql -f query=x", "pass api_get: the rule passes it through: the flag `-f` is not known, stale"),
        ("pr create --fill", "pass pr_write: the operation writes, stale"),
        ("auth token", "pass read: the rule passes it through: `read`"),
        ("pr diff 5", "pass read: the rule passes it through: `read`"),
        ("pr", "pass -: no operation matches, stale"),
        ("pr frobnicate", "pass -: no operation matches, stale"),
        ("my-extension --help", "pass -: no operation matches, stale"),
        ("", "pass -: no operation matches, stale"),
        ("--version", "pass -: the rule passes it through: the flag `--version`"),
        ("-R --help pr create", "pass pr_write: the operation writes, stale"),
    ] {
        assert_eq!(verdict(line), expected, "gh {line}");
    }
}

#[test]
fn a_write_makes_stale_what_its_rule_names_and_an_unknown_one_everything() {
    let stale = |line| match judge_tool(Some(&gh()), "gh", &words(line), &RunOptions::default()) {
        ToolVerdict::Pass(pass) => pass.invalidates,
        ToolVerdict::Match(_) => Vec::new(),
    };
    let everything = stale("nobody knows");
    assert_eq!(everything.len(), 10, "{everything:?}");
    assert!(stale("run cancel 5").contains(&"run_view".to_owned()));
    assert!(!stale("run cancel 5").contains(&"repo_list".to_owned()));
}

#[test]
fn without_an_adapter_only_with_a_ttl() {
    let judge = |options: &RunOptions| judge_tool(None, "date", &[], options);
    let ToolVerdict::Pass(pass) = judge(&RunOptions::default()) else { panic!("kept") };
    assert_eq!(pass.reason, PassReason::UnknownTool);
    assert!(pass.invalidates.is_empty());
    let options = RunOptions { ttl: Some(Duration::from_secs(5)), env: vec!["A".into()], keep_exit: vec![3] };
    let ToolVerdict::Match(matched) = judge(&options) else { panic!("passed") };
    assert_eq!((matched.service.as_str(), matched.operation_name(), matched.cwd), ("date", "run", Cwd::Path));
    assert_eq!((matched.stdin, matched.terminal, matched.keep_exit), (true, true, vec![0, 3]));
    assert_eq!((matched.lifetime.ttl, matched.env), (Duration::from_secs(5), vec!["A".to_owned()]));
}

fn matched(line: &str) -> ToolMatch {
    match judge_tool(Some(&gh()), "gh", &words(line), &RunOptions::default()) {
        ToolVerdict::Match(matched) => matched,
        ToolVerdict::Pass(pass) => panic!("{line}: {}", pass.reason),
    }
}

fn facts() -> Facts {
    Facts {
        env: BTreeMap::from([("GH_HOST".to_owned(), "h".to_owned())]),
        credentials: vec![("variable GH_TOKEN".to_owned(), Secret::new("canary-one"))],
        files: BTreeMap::from([("~/.gitconfig".to_owned(), None)]),
        cwd: Some("git:x".to_owned()),
        stdin: None,
        program: Some("/usr/bin/gh inode 1".to_owned()),
        uid: 1000,
        one_output: false,
    }
}

fn plan(line: &str, facts: Facts) -> Plan {
    let secret = Secret::new(SECRET);
    let context = Context { secret: &secret, share: ShareChoice::default(), origin: None };
    plan_tool(&matched(line), &words(line), facts, &context)
}

#[test]
fn the_question() {
    let plan = plan("pr list -L 5", facts());
    let text = String::from_utf8(plan.question.canonical()).unwrap();
    let (before, after) = text.split_once("\"share\":\"credential:").unwrap();
    assert_eq!(
        before,
        "{\"larder\":1,\"operation\":\"pr_list\",\"params\":{\"argv\":[\"pr\",\"list\",\"-L\",\"5\"],\"cwd\":\"git:x\",\
         \"env\":{\"GH_HOST\":\"h\"},\"files\":{\"~/.gitconfig\":null},\"program\":\"/usr/bin/gh inode 1\"},\"service\":\"gh\","
    );
    assert!(after.ends_with("\"}") && after.len() == 54, "{after}");
    assert!(!text.contains("canary"));
    assert_eq!((plan.key, plan.lifetime.ttl), (plan.question.key(), Duration::from_secs(60)));
}

#[test]
fn whatever_may_change_the_answer_changes_the_key() {
    let key = |line, facts| plan(line, facts).key;
    let base = key("pr list", facts());
    assert_eq!(key("pr list", facts()), base);
    let changed = |change: fn(&mut Facts)| {
        let mut facts = facts();
        change(&mut facts);
        key("pr list", facts)
    };
    let changes: [fn(&mut Facts); 8] = [
        |facts| facts.env = BTreeMap::new(),
        |facts| facts.env = BTreeMap::from([("GH_HOST".to_owned(), String::new())]),
        |facts| facts.credentials = vec![("variable GH_TOKEN".to_owned(), Secret::new("canary-two"))],
        |facts| facts.credentials = vec![("variable GITHUB_TOKEN".to_owned(), Secret::new("canary-one"))],
        |facts| facts.files = BTreeMap::from([("~/.gitconfig".to_owned(), Some("ab".to_owned()))]),
        |facts| facts.cwd = Some("git:y".to_owned()),
        |facts| facts.program = Some("/usr/bin/gh inode 2".to_owned()),
        |facts| facts.uid = 1001,
    ];
    let mut keys: Vec<_> = changes.into_iter().map(changed).collect();
    keys.extend([base, key("pr ls", facts())]);
    let all = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), all, "every change is another question");
}

#[test]
fn facts_that_the_rule_does_not_ask_for_do_not_count() {
    let stdin = Facts { stdin: Some("ab".to_owned()), ..facts() };
    assert_eq!(plan("pr list", stdin.clone()).key, plan("pr list", facts()).key);
    let elsewhere = Facts { cwd: Some("git:y".to_owned()), ..facts() };
    assert_eq!(plan("repo list", elsewhere).key, plan("repo list", facts()).key);
    let reading = ToolMatch { stdin: true, ..matched("pr list") };
    let secret = Secret::new(SECRET);
    let context = Context { secret: &secret, share: ShareChoice::default(), origin: None };
    let key = |facts| plan_tool(&reading, &words("pr list"), facts, &context).key;
    assert_ne!(key(stdin), key(facts()));
}

#[test]
fn a_variable_that_is_listed_as_a_credential_is_nothing_else() {
    let text = "format = 1\nname = \"t\"\nsummary = \"s\"\n[tool]\ncommand = \"t\"\nenv = [\"WHO\"]\ncredential-env = [\"WHO\"]\n\n[[operation]]\nname = \"list\"\nwords = [\"list\"]\nttl = \"1m\"\n";
    let adapter = Adapter::parse(text, "t.toml").unwrap();
    let options = RunOptions { env: vec!["WHO".to_owned()], ..RunOptions::default() };
    let ToolVerdict::Match(matched) = judge_tool(Some(&adapter), "t", &words("list"), &options) else { panic!() };
    assert_eq!((matched.env.as_slice(), matched.credential_env.as_slice()), (&[][..], &["WHO".to_owned()][..]));
}

#[test]
fn one_output_is_a_variant_and_not_another_key() {
    let (two, one) = (plan("pr list", facts()), plan("pr list", Facts { one_output: true, ..facts() }));
    assert_eq!(two.key, one.key);
    assert_ne!(two.want.variant, one.want.variant);
}

#[test]
fn arguments_are_not_joined() {
    let secret = Secret::new(SECRET);
    let context = Context { secret: &secret, share: ShareChoice::default(), origin: None };
    let of = |args: &[&str]| {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        plan_tool(&matched("pr list"), &args, facts(), &context).key
    };
    assert_ne!(of(&["pr", "list", "-S", "a b"]), of(&["pr", "list", "-S", "a", "b"]));
}

#[test]
fn surroundings_forbid() {
    let line = matched("repo list");
    let refusal = |terminal, data_on_stdin, set: &'static str| {
        let around = Surroundings { terminal, data_on_stdin, is_set: &|name| name == set };
        line.refusal(&around).map(|reason| reason.to_string())
    };
    assert_eq!(refusal(false, false, "GH_HOST"), None);
    assert!(refusal(true, false, "").unwrap().contains("terminal"));
    assert!(refusal(false, true, "").unwrap().contains("stdin"));
    assert!(refusal(false, false, "GH_DEBUG").unwrap().contains("`GH_DEBUG`"));
}

#[test]
fn finished_runs() {
    let failing = ToolMatch { fail_when: vec!["\"error\": true".to_owned()], ..matched("repo list") };
    let kept = |code, out: &str, err: &str| judge_run(&failing, code, out.as_bytes(), err.as_bytes()).err();
    assert_eq!(kept(0, "acme/hello", "warning"), None);
    assert_eq!(kept(1, "", "").unwrap(), "exit code 1 is not kept");
    assert!(kept(0, "", "{\"error\": true}").unwrap().contains("failed"));
    assert!(kept(0, "token: gho_0123456789abcdef", "").unwrap().contains("secret"));
    assert!(kept(0, "", "ghp_0123456789abcdef").unwrap().contains("secret"));
    let told = ToolMatch { keep_exit: vec![0, 1], ..matched("repo list") };
    assert_eq!(judge_run(&told, 1, b"", b""), Ok(()));
    assert!(told.keeps_exit(1) && !failing.keeps_exit(1) && failing.keeps_exit(0));
}
