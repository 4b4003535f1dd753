//! explain: requests and commands.

use crate::home::Home;

const BODY: &str = r#"{"model":"m","temperature":0,"messages":[{"role":"user","content":"hi"}],"user":"me"}"#;
const CHAT: [&str; 6] = ["explain", "openai", "POST", "/v1/chat/completions", "--body", "body.json"];

#[test]
fn a_request_field_by_field() {
    let home = Home::new();
    home.write("body.json", BODY);
    insta::assert_snapshot!("explain-miss", home.larder(&CHAT).text());
    insta::assert_snapshot!("explain-pass", home.larder(&["explain", "openai", "DELETE", "/v1/models/m"]).text());
}

#[test]
fn a_slip_in_the_body_is_told_as_one() {
    let home = Home::new();
    home.write("body.json", r#"{"model":"x",}"#);
    let document = home.larder(&[&CHAT[..], &["--json"]].concat()).json();
    let reason = document["reason"].as_str().unwrap();
    assert!(reason.starts_with("the body is not JSON: at byte 13"), "{reason}");
}

#[test]
fn the_key_is_the_one_that_commands_use_and_the_nearest_question_is_told() {
    let home = Home::new();
    home.write("body.json", BODY);
    let put = |temperature: &str| {
        let temperature = format!("temperature:={temperature}");
        let messages = r#"messages:=[{"role":"user","content":"hi"}]"#;
        let words = ["put", "openai", "chat_completion", "model=m", &temperature, messages, "--ttl", "1h"];
        home.larder_with(&words, b"{}").text().trim().to_owned()
    };
    let other = put("0.5");
    insta::assert_snapshot!("explain-nearest", home.larder(&CHAT).text());
    let document = home.larder(&[&CHAT[..], &["--json"]].concat()).json();
    assert_eq!(document["nearest"]["key"], other);
    assert_eq!(
        document["nearest"]["differences"][0],
        serde_json::json!({"at": "/params/temperature", "asked": 0, "stored": 0.5})
    );
    let same = put("0");
    let document = home.larder(&[&CHAT[..], &["--json"]].concat()).json();
    assert_eq!((&document["key"], &document["stored"]["key"]), (&same.clone().into(), &same.into()));
    assert_eq!(document["nearest"], serde_json::Value::Null);
}

#[test]
fn credentials_are_hashed_and_never_shown() {
    let home = Home::new();
    home.write("body.json", BODY);
    for header in ["Authorization: Bearer sk-hidden-1234", "x-api-key: sk-hidden-1234", "bad header: sk-hidden-1234"] {
        let done = home.larder(&[&CHAT[..], &["--header", header]].concat());
        let said = format!("{}{}", String::from_utf8(done.out).unwrap(), done.err);
        assert!(!said.contains("hidden"), "{said}");
        assert!(said.contains("share               \"credential:") || done.code == 2, "{said}");
    }
}

#[test]
fn a_command() {
    let home = Home::new();
    let unknown = home.larder(&["explain", "--", "true"]).text();
    insta::assert_snapshot!(unknown, @"verdict  passed through: no adapter knows this tool and no `--ttl` was given");
    let kept = home.larder(&["explain", "--ttl", "1h", "--json", "--", "true"]).json();
    assert_eq!((&kept["verdict"], &kept["question"]["service"]), (&"keep".into(), &"true".into()));
    assert!(home.larder(&["explain", "--", "no-such-command"]).refused(1).contains("`no-such-command`"));
}
