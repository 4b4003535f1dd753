//! What everybody reads: help, errors, tags.

use crate::home::Home;

#[test]
fn help_of_every_command() {
    let home = Home::new();
    let all = [
        "",
        "serve",
        "run",
        "env",
        "get",
        "put",
        "key",
        "ls",
        "show",
        "rm",
        "stats",
        "explain",
        "adapters",
        "adapters list",
        "adapters show",
        "adapters check",
        "adapters test",
        "config",
        "config show",
        "config path",
        "demo",
    ];
    let text: String = all
        .iter()
        .map(|command| {
            let words: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
            format!("$ larder {}\n{}\n", words.join(" "), home.larder(&words).text())
        })
        .collect();
    insta::assert_snapshot!("help", text);
    assert_eq!(home.larder(&["help"]).text(), home.larder(&["--help"]).text());
}

#[test]
fn wrong_words_are_exit_2() {
    let home = Home::new();
    assert!(home.larder(&[]).refused(2).starts_with("Keeps the answers"));
    let table: &[&[&str]] = &[
        &["nonsense"],
        &["ls", "--nonsense"],
        &["get"],
        &["get", "nobody", "pod_status"],
        &["get", "kubernetes", "nothing"],
        &["key", "kubernetes", "pod_status", "namespace"],
        &["key", "kubernetes", "pod_status", "namespace:={"],
        &["key", "kubernetes", "pod_status", "namespace=a", "pod_name=b", "--share", "everybody"],
        &["key", "kubernetes", "pod_status", "namespace=a", "pod_name=b", "--origin", "k8s:6443"],
        &["key", "kubernetes", "pod_status", "namespace=a", "pod_name=b", "--origin", "http://user:hidden@h"],
        &["put", "kubernetes", "pod_status", "namespace=a", "pod_name=b", "--ttl", "soon"],
        &["put", "kubernetes", "pod_status", "namespace=a", "pod_name=b", "--ttl", "0s"],
        &["rm"],
        &["show", "x"],
        &["ls", "bafkrei!"],
        &["explain", "openai", "GET", "v1/models"],
        &["explain", "openai"],
        &["env", "nobody"],
        &["serve", "--listen", "0.0.0.0:80"],
        &["serve", "--upstream", "x"],
        &["serve", "--max-size", "big"],
    ];
    let said = |words: &&[&str]| {
        let done = home.larder(words);
        format!("$ larder {}\n{}\n", words.join(" "), done.refused(2))
    };
    insta::assert_snapshot!("wrong-words", table.iter().map(said).collect::<String>());
}

#[test]
fn errors_are_documents_too() {
    let home = Home::new();
    let miss = home.larder(&["get", "kubernetes", "pod_status", "namespace=a", "pod_name=b", "--json"]);
    let document: serde_json::Value = serde_json::from_str(miss.refused(3)).unwrap();
    assert_eq!((&document["schema"], &document["kind"]), (&"larder.error/1".into(), &"miss".into()));
}

#[test]
fn what_the_grammar_refuses_is_a_document_too() {
    let home = Home::new();
    let table: &[&[&str]] = &[
        &["ls", "--json", "--bogus"],
        &["get", "--json"],
        &["--json", "run", "x"],
        &["put", "a", "b", "--ttl", "x", "--json"],
    ];
    for words in table {
        let done = home.larder(words);
        let document: serde_json::Value = serde_json::from_str(done.refused(2)).unwrap();
        assert_eq!((&document["schema"], &document["kind"]), (&"larder.error/1".into(), &"usage".into()), "{words:?}");
        let message = document["message"].as_str().unwrap();
        assert!(!message.is_empty() && !message.starts_with("error:"), "{message}");
    }
    let bogus = home.larder(&["ls", "--json", "--bogus"]);
    let document: serde_json::Value = serde_json::from_str(&bogus.err).unwrap();
    assert_eq!(document["message"], "unexpected argument '--bogus' found");
    assert!(home.larder(&["ls", "--json", "--help"]).text().starts_with("List stored"));
    let nothing = home.larder(&["--store", "s"]);
    assert_eq!(nothing.refused(2), "error: no command was given\nhint: `larder --help` lists them\n");
    assert!(home.larder(&["--json"]).refused(2).contains("\"no command was given\""));
    let tools = home.larder(&["explain", "--bogus", "--", "tool", "--json"]);
    assert!(tools.refused(2).starts_with("error: "), "a tool's `--json` is not larder's: {}", tools.err);
}

#[test]
fn every_document_has_its_tag() {
    let home = Home::new();
    home.put("web-1", b"x");
    let table: &[(&str, &str)] = &[
        ("key kubernetes pod_status namespace=default pod_name=web-1", "larder.key/1"),
        ("get kubernetes pod_status namespace=default pod_name=web-1", "larder.get/1"),
        ("put kubernetes pod_status namespace=default pod_name=web-2 --ttl 1m", "larder.put/1"),
        ("ls", "larder.ls/1"),
        ("show bafk", "larder.show/1"),
        ("rm --service nobody", "larder.rm/1"),
        ("rm --service kubernetes --dry-run", "larder.rm/1"),
        ("stats", "larder.stats/1"),
        ("env", "larder.env/1"),
        ("adapters", "larder.adapters/1"),
        ("adapters show openai", "larder.adapter/1"),
        ("config show", "larder.config/1"),
        ("config path", "larder.config-path/1"),
        ("explain openai GET /v1/models", "larder.explain/1"),
        ("explain openai GET /nothing", "larder.explain/1"),
    ];
    for (words, schema) in table {
        if *schema == "larder.show/1" {
            home.larder(&["rm", "--service", "kubernetes"]).text();
            home.put("web-1", b"x");
        }
        let words: Vec<&str> = ["--json"].into_iter().chain(words.split(' ')).collect();
        assert_eq!(home.larder(&words).json()["schema"], *schema, "{words:?}");
    }
}

#[test]
fn colours_only_where_a_person_looks() {
    let home = Home::new();
    let escape = |done: crate::home::Done| done.out.contains(&0x1b) || done.err.contains('\x1b');
    assert!(!escape(home.larder(&["stats"])), "a pipe is nobody");
    assert!(!escape(home.larder(&["rm"])));
}
