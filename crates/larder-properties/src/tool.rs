//! From a command line to its key.

use crate::asked::{CANARY, Judge, REGISTRY, sound};
use larder_core::{
    adapter::Adapter,
    judge::{Cwd, Facts, Plan, RunOptions, ToolMatch, ToolVerdict, judge_run, judge_tool, plan_tool},
    secret::Secret,
};
use std::{collections::BTreeMap, time::Duration};

/// What the edge would find out.
type Variables = BTreeMap<String, String>;

/// A command line, and lines `NAME=value`.
pub(crate) fn command(line: &str, rest: &[u8]) {
    let command = line.split(' ').next().unwrap_or_default();
    let adapter = REGISTRY.iter().find(|adapter| adapter.tool.as_ref().is_some_and(|tool| tool.command == command));
    run(adapter.map(|adapter| &**adapter), line, rest);
}

/// What holds of every command line and every adapter.
pub(crate) fn run(adapter: Option<&Adapter>, line: &str, rest: &[u8]) {
    let mut words = line.split(' ').map(str::to_owned);
    let (command, args) = (words.next().unwrap_or_default(), words.collect::<Vec<_>>());
    let variables = String::from_utf8_lossy(rest);
    let variables: Variables = variables
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let asked = Line { adapter, command: &command, variables: &variables };
    let Some((matched, plan)) = asked.plan(&args, 1) else { return };
    sound(&plan);
    assert_eq!(asked.plan(&args, 1).map(|(_, plan)| plan.key), Some(plan.key));
    assert_ne!(asked.plan(&args, 2).map(|(_, plan)| plan.key), Some(plan.key), "another user");
    arguments(&asked, &args, &plan);
    environment(&asked, &args, &matched, &plan);
    concealed(&asked, &args);
    let _ = judge_run(&matched, 0, rest, b"");
}

struct Line<'a> {
    adapter: Option<&'a Adapter>,
    command: &'a str,
    variables: &'a Variables,
}

impl Line<'_> {
    fn plan(&self, args: &[String], uid: u32) -> Option<(ToolMatch, Plan)> {
        let options =
            RunOptions { ttl: self.adapter.is_none().then_some(Duration::from_secs(1)), ..RunOptions::default() };
        match judge_tool(self.adapter, self.command, args, &options) {
            ToolVerdict::Match(matched) => {
                let plan = plan_tool(&matched, args, facts(&matched, self.variables, uid), &Judge::new(None).context());
                Some((matched, plan))
            }
            ToolVerdict::Pass(pass) => {
                assert!(!pass.reason.to_string().is_empty());
                None
            }
        }
    }
}

fn facts(matched: &ToolMatch, variables: &Variables, uid: u32) -> Facts {
    let credential = |name: &String| Some((name.clone(), Secret::new(variables.get(name)?.clone())));
    Facts {
        env: variables.clone(),
        credentials: matched.credential_env.iter().filter_map(credential).collect(),
        files: matched.files.iter().map(|name| (name.clone(), variables.get(name).cloned())).collect(),
        cwd: variables.get("cwd").cloned(),
        stdin: variables.get("stdin").cloned(),
        program: variables.get("program").cloned(),
        uid,
        one_output: false,
    }
}

/// Each argument counts, and one more is another question.
fn arguments(line: &Line<'_>, args: &[String], plan: &Plan) {
    let differs = |args: &[String]| {
        if let Some((_, other)) = line.plan(args, 1) {
            assert_ne!(other.key, plan.key, "{args:?}");
        }
    };
    for at in 0..args.len().min(12) {
        let mut changed = args.to_vec();
        changed[at].push('x');
        differs(&changed);
        changed.remove(at);
        differs(&changed);
    }
    differs(&[args, &["x".to_owned()]].concat());
}

/// Each variable that was asked for counts, and no other.
fn environment(line: &Line<'_>, args: &[String], matched: &ToolMatch, plan: &Plan) {
    let with = |name: &str, value: &str| {
        let mut variables = line.variables.clone();
        variables.insert(name.to_owned(), value.to_owned());
        let plan = Line { variables: &variables, ..*line }.plan(args, 1);
        plan.map(|(_, plan)| plan.key)
    };
    for name in matched.env.iter().chain(&matched.credential_env).chain(&matched.files) {
        assert!(with(name, "1") != with(name, "2") && with(name, "1") != with(name, ""), "{name}");
    }
    let asked =
        |name: &str| matched.env.iter().chain(&matched.credential_env).chain(&matched.files).any(|known| known == name);
    for (name, counts) in [("cwd", matched.cwd != Cwd::None), ("stdin", matched.stdin), ("NOBODY_ASKS", false)] {
        let is_same = with(name, "/elsewhere/1") == Some(plan.key);
        assert!(is_same != counts || asked(name) || line.variables.contains_key(name), "{name}");
    }
}

/// Credentials are nowhere to be seen, whether they are arguments or variables.
fn concealed(line: &Line<'_>, args: &[String]) {
    let hidden = |(matched, plan): (ToolMatch, Plan)| {
        let shown = format!("{plan:?}{}", String::from_utf8_lossy(&plan.question.canonical()));
        assert!(!shown.contains(CANARY), "{shown}");
        matched
    };
    for more in [
        format!("--api-token={CANARY}"),
        format!("https://me:{CANARY}@host/"),
        format!("x?a=1&api_key={CANARY}"),
        format!("Bearer {CANARY}"),
    ] {
        line.plan(&[args, &[more]].concat(), 1).map(hidden);
    }
    line.plan(&[args, &["--password".to_owned(), CANARY.to_owned()]].concat(), 1).map(hidden);
    let Some((matched, _)) = line.plan(args, 1) else { return };
    let mut variables = line.variables.clone();
    variables.extend(matched.credential_env.iter().map(|name| (name.clone(), CANARY.to_owned())));
    Line { variables: &variables, ..*line }.plan(args, 1).map(hidden);
    let value = |_: &str| Some(CANARY.as_bytes().to_vec());
    let told = |names: &[String]| matched.told_secret(&[CANARY.as_bytes()], names, value).is_some();
    assert!(told(&["MY_TOKEN".to_owned()]) && told(&[]) != matched.credential_env.is_empty());
}
