//! The demonstration.

use crate::home::Home;
use std::fs;

#[test]
fn it_shows_what_it_says_and_leaves_nothing_behind() {
    let home = Home::new();
    let temporary = home.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let done = home.command(&["demo", "--json"]).env("TMPDIR", &temporary).output().unwrap();
    let document: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let hits: Vec<bool> = document["steps"].as_array().unwrap().iter().map(|step| step["hit"] == true).collect();
    assert_eq!(hits, [false, true, false, true, false, true]);
    assert_eq!((&document["origin_calls"], &document["statistics"]["total"]["hits"]), (&2.into(), &3.into()));
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "nothing in the home but that folder");
    let text = home.command(&["demo"]).env("TMPDIR", &temporary).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("4  the stream, replayed") && text.ends_with("keeps what any command prints\n"), "{text}");
}
