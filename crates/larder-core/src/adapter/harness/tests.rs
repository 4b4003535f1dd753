use super::*;
use crate::registry::Builtin;

fn texts(report: &Report) -> Vec<String> {
    report.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn every_built_in_adapter_passes_its_tests() {
    let mut wrong = Vec::new();
    for builtin in Builtin::all() {
        let (adapter, tests) = (format!("{}.toml", builtin.name), format!("{}.test.toml", builtin.name));
        let report = run(builtin.adapter, builtin.tests, Files { adapter: &adapter, tests: &tests });
        assert!(!report.problems.is_empty() || report.cases > 0, "{}", builtin.name);
        wrong.extend(texts(&report));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

const ADAPTER: &str = r#"
format = 1
name = "a"
summary = "A"
[http]
base-url = "http://a"
[[operation]]
name = "thing"
when = "GET /thing/{id}"
ttl = "1m"
[[operation]]
name = "make"
when = "POST /thing"
write = true
invalidates = ["thing"]
"#;

fn report(tests: &str) -> Vec<String> {
    texts(&run(ADAPTER, tests, Files { adapter: "a.toml", tests: "a.test.toml" }))
}

const GOOD: &str = r#"format = 1
[[case]]
request = "GET /thing/1"
operation = "thing"
ttl = "1m"
share = "anonymous"
same = [{ headers = { user-agent = "x" } }, { call = ["id=1"] }]
different = [{ request = "GET /thing/2" }, { headers = { authorization = "b" } }]
[[case]]
request = "POST /thing"
operation = "make"
pass = "writes"
invalidates = ["thing"]
"#;

#[test]
fn good() {
    let report = run(ADAPTER, GOOD, Files { adapter: "a.toml", tests: "a.test.toml" });
    assert_eq!(report, Report { cases: 6, problems: Vec::new() });
}

#[test]
fn what_is_wrong_is_said() {
    let cases = [
        ("operation = \"thing\"", "operation = \"other\"", "a.test.toml:4: it is `thing`, expected `other`"),
        ("ttl = \"1m\"", "ttl = \"2m\"", "a.test.toml:5: its ttl is 60 s, expected 120 s"),
        ("\"anonymous\"", "\"team\"", "a.test.toml:6: its share is `anonymous`, expected `team`"),
        ("share = \"anonymous\"", "", "a.test.toml:2: `share` is missing in [[case]]"),
        ("user-agent", "authorization", "a.test.toml:7: the key differs, expected the same"),
        ("GET /thing/2", "GET /thing/%31", "a.test.toml:8: the key is the same, expected another"),
        ("GET /thing/2", "GET /thing", "a.test.toml:8: it is passed through: no operation matches"),
        ("\"writes\"", "\"no\"", "a.test.toml:12: it is passed through because: the operation writes; expected `no`"),
        ("pass = \"writes\"", "", "a.test.toml:9: it is passed through: the operation writes"),
        ("[\"thing\"]", "[]", "a.test.toml:13: it makes stale [\"thing\"], expected []"),
        ("POST /thing", "GET /thing", "a.test.toml:2: no case comes out as operation `make`"),
        ("request = \"POST /thing\"", "", "a.test.toml:9: a case has one of `request`, `call` and `command`"),
        ("format = 1", "", "a.test.toml:1: `format` is missing in the test file's top"),
        ("ttl = \"1m\"", "tll = \"1m\"", "a.test.toml:5: unknown word `tll` in `[[case]]`"),
    ];
    for (good, bad, expected) in cases {
        let found = report(&GOOD.replacen(good, bad, 1));
        assert!(found.iter().any(|problem| problem.lines().next() == Some(expected)), "{expected}\n{found:#?}");
    }
    let found = report(GOOD.split("[[case]]\nrequest = \"POST").next().unwrap());
    assert!(found.iter().any(|problem| problem.contains("no case is passed through")), "{found:?}");
}
