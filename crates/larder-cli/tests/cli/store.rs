//! put, get, ls, show, rm, stats.

use crate::home::Home;
use std::{
    io::Read as _,
    process::Stdio,
    thread::sleep,
    time::{Duration, Instant},
};

const GET: [&str; 4] = ["get", "kubernetes", "pod_status", "namespace=default"];

fn get(pod: &str) -> Vec<&str> {
    GET.into_iter().chain([pod]).collect()
}

#[test]
fn a_key_is_the_cid_of_its_canonical_bytes() {
    let home = Home::new();
    let words = ["key", "kubernetes", "pod_status", "namespace=default", "pod_name=web-1"];
    let canonical = home.larder(&[&words[..], &["--canonical"]].concat()).out;
    insta::assert_snapshot!(
        String::from_utf8(canonical.clone()).unwrap(),
        @r#"{"larder":1,"operation":"pod_status","params":{"namespace":"default","pod_name":"web-1"},"service":"kubernetes","share":"anonymous"}"#
    );
    let key = home.larder(&words).text();
    assert_eq!(key, format!("{}\n", larder_core::QueryKey::of(&canonical)));
    insta::assert_snapshot!(key.trim(), @"bafkreibln2af5uobcwe57rmcyixpmbxbdhd6vpgqfv5ga3mmigzxsegwiq");
    let other = |more: &[&str]| home.larder(&[&words[..], more].concat()).text();
    assert_ne!(other(&["--origin", "prod"]), key);
    assert_ne!(other(&["--share", "public"]), key);
    assert_ne!(other(&["--origin", "prod"]), other(&["--origin", "http://127.0.0.1:1"]));
    assert_eq!(other(&["--share", "anonymous"]), key);
}

#[test]
fn words_are_strings_and_colon_words_are_json() {
    let home = Home::new();
    let canonical =
        |words: &[&str]| home.larder(&[&["key", "openai", "embedding", "--canonical"], words].concat()).text();
    let shown = canonical(&["model=m", "input:=[\"a\",1,true,null]", "dimensions:=9007199254740993"]);
    assert!(
        shown.contains(r#""params":{"dimensions":9007199254740993,"input":["a",1,true,null],"model":"m"}"#),
        "{shown}"
    );
    let document = home.larder(&["key", "openai", "embedding", "dimensions:=9007199254740993", "--json"]).text();
    assert!(document.contains(r#""dimensions":9007199254740993"#), "{document}");
}

#[test]
fn what_was_put_is_got_byte_for_byte_by_another_process() {
    let home = Home::new();
    let bytes: Vec<u8> = (0..=255).cycle().take(3000).collect();
    home.put("web-1", &bytes);
    let done = home.larder(&get("pod_name=web-1"));
    assert_eq!((done.code, done.out, done.err.as_str()), (0, bytes.clone(), ""));
    let document = home.larder(&[&get("pod_name=web-1")[..], &["--json"]].concat()).json();
    assert_eq!((&document["size"], document["value"].is_null()), (&3000.into(), true));
    assert!(document["value_base64"].as_str().unwrap().starts_with("AAECAwQF"));
    home.put("web-1", b"");
    assert_eq!(home.larder(&get("pod_name=web-1")).text(), "");
}

#[test]
fn a_store_can_be_named_before_and_after_the_command_and_by_variable() {
    let home = Home::new();
    let put = ["put", "kubernetes", "pod_status", "namespace=default", "pod_name=a", "--ttl", "1h"];
    home.larder_with(&[&["--store", "s"], &put[..]].concat(), b"x").text();
    assert_eq!(home.larder(&[&get("pod_name=a")[..], &["--store", "s"]].concat()).text(), "x");
    assert_eq!(home.command(&get("pod_name=a")).env("LARDER_STORE", "s").output().unwrap().stdout, b"x");
    assert_eq!(home.larder(&get("pod_name=a")).code, 3, "the default store is another");
}

#[test]
fn forms_of_one_answer_lie_under_one_key() {
    let home = Home::new();
    let chat = |command: &str, stream: &str| {
        let stream = format!("stream:={stream}");
        let words = [command, "openai", "chat_completion", "model=m", &stream];
        home.larder_with(&words, format!("streamed: {stream}").as_bytes()).text()
    };
    let key = chat("put", "true");
    assert_eq!(chat("put", "false"), key);
    assert_eq!(
        (chat("get", "true").as_str(), chat("get", "false").as_str()),
        ("streamed: stream:=true", "streamed: stream:=false")
    );
    let key = key.trim();
    let both = home.larder(&["show", key, "--json"]).json();
    assert_eq!(both["entries"].as_array().unwrap().len(), 2);
    let body = home.larder(&["show", key, "--body", "--variant", "stream"]);
    assert_eq!((body.text().as_str(), body.err.as_str()), ("streamed: stream:=true", ""));
    let newest = home.larder(&["show", key, "--body"]);
    assert_eq!((newest.text().as_str(), newest.err.lines().count()), ("streamed: stream:=false", 1));
    home.larder(&["show", key, "--variant", "other"]).refused(3);
}

#[test]
fn a_miss_is_exit_3_and_says_nothing_on_stdout() {
    let home = Home::new();
    let done = home.larder(&get("pod_name=web-1"));
    insta::assert_snapshot!("miss", done.refused(3));
}

#[test]
fn an_answer_expires() {
    let home = Home::new();
    let put = ["put", "kubernetes", "pod_status", "namespace=default", "pod_name=a", "--ttl", "1s"];
    let begun = Instant::now();
    home.larder_with(&put, b"x").text();
    let got = home.larder(&get("pod_name=a"));
    assert!(got.out == b"x" || begun.elapsed() >= Duration::from_secs(1), "{}", got.err);
    sleep(Duration::from_millis(1100));
    home.larder(&get("pod_name=a")).refused(3);
}

#[test]
fn sixty_four_mebibytes() {
    let home = Home::new();
    let bytes: Vec<u8> = (0..64_u32 << 20).map(|place| (place.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let key = home.put("big", &bytes);
    let got = home.larder(&get("pod_name=big"));
    assert!(got.code == 0 && got.out == bytes);
    let shown = home.larder(&["show", &key, "--body"]);
    assert!(shown.code == 0 && shown.out == bytes);
    // Whoever reads on sees the beginning and leaves.
    let mut child = home.command(&get("pod_name=big")).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 16];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let done = child.wait_with_output().unwrap();
    assert_eq!((done.status.code(), String::from_utf8(done.stderr).unwrap()), (Some(0), String::new()));
}

#[test]
fn ls_lists_the_newest_first_and_filters() {
    let home = Home::new();
    let first = home.put("web-1", b"one");
    sleep(Duration::from_millis(20));
    let second = home.put("web-2", b"two!");
    home.larder_with(&["put", "openai", "model_list", "--ttl", "1h"], b"{}").text();
    let keys = |words: &[&str]| -> Vec<String> {
        let listed = home.larder(&[&["ls", "--json"], words].concat()).json();
        listed["entries"].as_array().unwrap().iter().map(|entry| entry["key"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(keys(&["--service", "kubernetes"]), [second.clone(), first.clone()]);
    assert_eq!(keys(&["--operation", "pod_status", "--limit", "1"]), [second.as_str()]);
    assert_eq!(keys(&[&first]), [first.as_str()]);
    assert_eq!(keys(&[&first[..20]]), [first]);
    assert_eq!(keys(&[]).len(), 3);
    assert_eq!(keys(&["--service", "nobody"]), [""; 0]);
    let table = home.larder(&["ls", "--service", "kubernetes"]).text();
    insta::assert_snapshot!("ls", steady_ages(&table));
    assert_eq!(keys(&["--limit", "0"]).len(), 3);
    let limited = home.larder(&["ls", "--limit", "2"]);
    assert_eq!(limited.err, "there are more than 2; `--limit 0` lists all\n");
}

/// Ages are 0 s here, or some on a slow machine.
fn steady_ages(table: &str) -> String {
    (1..10).fold(table.to_owned(), |table, age| table.replace(&format!("{age} s  59 min"), "0 s  59 min"))
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let home = Home::new();
    for pod in 0..4 {
        home.put(&format!("web-{pod}"), b"x");
    }
    let mut child = home.command(&["ls"]).spawn().unwrap();
    drop(child.stdout.take());
    let done = child.wait_with_output().unwrap();
    assert_eq!((done.status.code(), String::from_utf8(done.stderr).unwrap()), (Some(0), String::new()));
}

#[test]
fn show_tells_everything_and_a_beginning_must_be_one_keys() {
    let home = Home::new();
    let first = home.put("web-1", b"one");
    insta::assert_snapshot!("show", home.steady(&home.larder(&["show", &first]).text()));
    assert_eq!(home.larder(&["show", "bafk", "--body"]).text(), "one");
    let second = home.put("web-2", b"two");
    let ambiguous = home.larder(&["show", "bafkrei"]);
    let err = ambiguous.refused(2);
    assert!(err.contains("`bafkrei` begins 2 keys") && err.contains(&first) && err.contains(&second), "{err}");
    home.larder(&["show", "bafkreiaaaaaaaa"]).refused(3);
}

#[test]
fn rm_removes_what_is_named_and_nothing_else() {
    let home = Home::new();
    let first = home.put("web-1", b"one");
    home.put("web-2", b"two");
    home.larder_with(&["put", "openai", "model_list", "--ttl", "1h"], b"{}").text();
    let left = || home.larder(&["ls", "--json"]).json()["entries"].as_array().unwrap().len();
    let dry = home.larder(&["rm", "--service", "kubernetes", "--dry-run"]);
    assert_eq!((dry.text().lines().count(), dry.err.as_str(), left()), (3, "2 entries would be removed\n", 3));
    assert_eq!(home.larder(&["rm", &first]).text(), "1 entry removed\n");
    home.larder(&["rm", &first]).refused(3);
    assert_eq!(home.larder(&["rm", "--operation", "pod_status"]).text(), "1 entry removed\n");
    assert_eq!((home.larder(&get("pod_name=web-2")).code, left()), (3, 1));
    let last = home.larder(&["ls", "--json"]).json()["entries"][0]["key"].as_str().unwrap().to_owned();
    assert_eq!(home.larder(&["rm", &last[..20]]).text(), "1 entry removed\n");
    assert_eq!(left(), 0);
}

#[test]
fn rm_refuses_a_beginning_that_every_key_has() {
    let home = Home::new();
    let key = home.put("web-1", b"one");
    for beginning in ["b", "bafk", "bafkrei"] {
        for more in [&[][..], &["--dry-run"], &["--service", "kubernetes"]] {
            let done = home.larder(&[&["rm", beginning][..], more].concat());
            assert!(done.refused(2).contains(&format!("every key begins with `{beginning}`")), "{}", done.err);
        }
    }
    assert_eq!(home.larder(&get("pod_name=web-1")).text(), "one");
    assert_eq!(home.larder(&["rm", &key[..8]]).text(), "1 entry removed\n");
}

#[test]
fn statistics_survive_the_processes_that_counted() {
    let home = Home::new();
    home.put("web-1", b"one");
    let children: Vec<_> = (0..8).map(|_| home.command(&get("pod_name=web-1")).spawn().unwrap()).collect();
    for child in children {
        assert_eq!(child.wait_with_output().unwrap().stdout, b"one");
    }
    home.larder(&get("pod_name=web-2")).refused(3);
    let statistics = home.larder(&["stats", "--json"]).json();
    let total = &statistics["total"];
    assert_eq!((&total["hits"], &total["misses"], &total["api_calls_saved"]), (&8.into(), &1.into(), &8.into()));
    assert_eq!(statistics["services"]["kubernetes"]["operations"]["pod_status"]["cache_size"], 1);
    let text = home.larder(&["stats"]).text();
    insta::assert_snapshot!("stats", text.lines().take(3).collect::<Vec<_>>().join("\n"));
}

#[test]
fn statistics_of_one_service_are_its_own() {
    let home = Home::new();
    home.put("web-1", b"one");
    home.larder(&get("pod_name=web-1")).text();
    home.larder(&["get", "openai", "model_list"]).refused(3);
    let of = |service| home.larder(&["stats", service, "--json"]).json()["total"].clone();
    let (pods, models) = (of("kubernetes"), of("openai"));
    assert_eq!((&pods["hits"], &pods["misses"], &pods["cache_size"]), (&1.into(), &0.into(), &1.into()));
    assert_eq!((&models["hits"], &models["misses"], &models["cache_size"]), (&0.into(), &1.into(), &0.into()));
    assert!(home.larder(&["stats", "kubernetes"]).text().ends_with("\n1 entry; 0 evicted\n"));
    home.larder(&["stats", "anthropic"]).text();
    assert!(home.larder(&["stats", "nope"]).refused(2).contains("nothing was counted for `nope`"));
}

#[test]
fn many_processes_put_at_once() {
    let home = Home::new();
    std::thread::scope(|scope| {
        for pod in 0..8 {
            let home = &home;
            scope.spawn(move || home.put(&format!("web-{pod}"), format!("answer {pod}").as_bytes()));
        }
    });
    for pod in 0..8 {
        assert_eq!(home.larder(&get(&format!("pod_name=web-{pod}"))).text(), format!("answer {pod}"));
    }
}

#[test]
fn damage_is_told_by_every_command() {
    let home = Home::new();
    let put = ["put", "kubernetes", "pod_status", "namespace=default", "pod_name=a", "--ttl", "1h", "--store", "s"];
    home.larder_with(&put, b"x").text();
    assert_eq!(home.larder(&["ls", "--store", "s", "--json"]).err, "", "a sound store is nothing to speak of");
    home.write("s/v2/index.db", &"garbage ".repeat(2048));
    let listed = home.larder(&["ls", "--store", "s", "--json"]);
    assert_eq!(listed.json()["entries"], serde_json::json!([]));
    assert!(listed.err.contains("WARN the store's index is broken"), "{}", listed.err);
}

#[test]
fn put_refuses_what_cannot_be_right() {
    let home = Home::new();
    let pod = ["put", "kubernetes", "pod_status", "namespace=default", "pod_name=a", "--ttl", "1h", "--content-type"];
    for wrong in ["text/plain\r\nX-Evil: 1", "text", "", "text/pl\u{e4}in"] {
        let done = home.larder_with(&[&pod[..], &[wrong]].concat(), b"x");
        assert!(done.refused(2).contains("is not a content type"), "{}", done.err);
    }
    let gh = ["put", "gh", "repo_list", r#"argv:=["gh","repo","list"]"#, "--ttl", "5m"];
    for share in [&[][..], &["--share", "anonymous"]] {
        let done = home.larder_with(&[&gh[..], share].concat(), b"x");
        assert!(done.refused(2).contains("never anonymous"), "{}", done.err);
    }
    home.larder_with(&[&gh[..], &["--share", "team"]].concat(), b"x").text();
    let writes = home.larder_with(&["put", "openai", "response_delete", "--ttl", "1h"], b"x");
    assert!(writes.refused(2).contains("`response_delete` writes"), "{}", writes.err);
    let past = home.larder_with(&["put", "openai", "model_list", "--ttl", "-1s"], b"x");
    assert!(past.refused(2).contains("`-1s` is not a length of time"), "{}", past.err);
    let long = home.larder_with(&["put", "openai", "model_list", "--ttl", "99999d"], b"x");
    assert!(long.refused(2).contains("at most `3650d`"), "{}", long.err);
    assert_eq!(home.larder(&["ls", "--json"]).json()["entries"].as_array().unwrap().len(), 1);
}

#[test]
fn a_store_that_cannot_be_used_is_told_with_a_hint() {
    let home = Home::new();
    home.write("file", "");
    let done = home.larder(&["ls", "--store", "file"]);
    let err = home.steady(done.refused(1));
    assert!(
        err.contains("file") && err.contains("hint: a file stands where") && err.contains("`--store DIR`"),
        "{err}"
    );
}
