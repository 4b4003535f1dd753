//! Settings: where they come from, what is refused; the installation's secret; a home that is not there.

use crate::home::Home;
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
};

const KEY: [&str; 5] = ["key", "kubernetes", "pod_status", "namespace=default", "pod_name=web-1"];

#[test]
fn every_value_tells_where_it_came_from() {
    let home = Home::new();
    home.write(
        ".config/larder/config.toml",
        "max-size = \"1GiB\"\nshare = \"team\"\nmax-entries = 5\n[service.openai]\nupstream = \"http://127.0.0.1:9\"\nname = \"prod\"\n",
    );
    let mut command = home.command(&["config", "show", "--origin", "--store", "here"]);
    let done = command.env("LARDER_MAX_ENTRIES", "7").env("LARDER_LISTEN", "127.0.0.1:1, unix:s").output().unwrap();
    // The columns are as wide as the home's path is long.
    let shown = home.steady(&String::from_utf8(done.stdout).unwrap());
    let row =
        |line: &str| line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect::<Vec<_>>().join(" | ");
    insta::assert_snapshot!("config-show", shown.lines().map(row).collect::<Vec<_>>().join("\n"));
    assert_eq!(home.steady(&home.larder(&["config", "path"]).text()), "[HOME]/.config/larder/config.toml\n");
}

#[test]
fn the_documented_file_is_understood_word_for_word() {
    let home = Home::new();
    let reference =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/commands.md")).unwrap();
    let (_, text) = reference.split_once("```toml\n").unwrap();
    home.write("c.toml", text.split_once("```").unwrap().0);
    let shown = home.larder(&["config", "show", "--config", "c.toml", "--json"]).json();
    let settings = shown["settings"].as_array().unwrap();
    assert_eq!(settings.len(), 13);
    for setting in settings {
        assert!(setting["origin"].as_str().unwrap().starts_with("c.toml:"), "{setting}");
    }
}

#[test]
fn a_wrong_file_is_refused_with_its_line() {
    let home = Home::new();
    let said = |text: &str| {
        home.write("c.toml", text);
        format!("{}\n{}\n", text.trim(), home.larder(&["--config", "c.toml", "ls"]).refused(2))
    };
    let table =
        ["\nmax-sise = 1", "share = \"all\"", "[service.x]\nurl = 1", "max-size = \"big\"", "listen = 5", "store"];
    insta::assert_snapshot!("config-wrong", table.map(said).concat());
    home.larder(&["--config", "nowhere.toml", "ls"]).refused(2);
    let done = home.command(&["ls"]).env("LARDER_MAX_SIZE", "big").output().unwrap();
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8(done.stderr).unwrap().contains("`LARDER_MAX_SIZE`: `big` is not a size"));
}

#[test]
fn the_configured_origin_is_part_of_the_key() {
    let home = Home::new();
    let plain = home.larder(&KEY).text();
    home.write(".config/larder/config.toml", "[service.kubernetes]\nupstream = \"https://k8s.example:6443/\"\n");
    let url = home.larder(&KEY).text();
    let said = home.larder(&[&KEY[..], &["--origin", "HTTPS://K8S.example:6443"]].concat()).text();
    assert_eq!(url, said);
    home.write(
        ".config/larder/config.toml",
        "[service.kubernetes]\nupstream = \"https://k8s.example:6443\"\nname = \"prod\"\n",
    );
    let named = home.larder(&KEY).text();
    assert_eq!(named, home.larder(&[&KEY[..], &["--origin", "prod"]].concat()).text());
    assert!(plain != url && url != named && plain != named);
}

#[test]
fn without_a_home_commands_say_what_is_missing() {
    let home = Home::new();
    let done = home.command(&["ls"]).env_remove("HOME").output().unwrap();
    assert_eq!(done.status.code(), Some(1));
    insta::assert_snapshot!("homeless", String::from_utf8(done.stderr).unwrap());
    let done = home.command(&[&KEY[..], &["--store", "s"]].concat()).env_remove("HOME").output().unwrap();
    assert_eq!(done.status.code(), Some(0), "a key needs no folder");
}

#[test]
fn without_a_home_the_gateway_serves_and_keeps_nothing_beyond_its_end() {
    let home = Home::new();
    let mut command = home.command(&["serve", "--listen", "127.0.0.1:0"]);
    let mut child = command.env_remove("HOME").env("TMPDIR", home.path()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let said: Vec<String> = lines.by_ref().take_while(|line| !line.contains("point your clients")).collect();
    assert!(said[0].starts_with("warning: no folder for the store: neither `HOME`"), "{said:?}");
    let address = said.iter().find_map(|line| line.split_once("listens on http://")).unwrap().1;
    // Who answers has begun to listen for signals, too.
    let mut gateway = TcpStream::connect(address).unwrap();
    gateway.write_all(b"GET /-/health HTTP/1.0\r\nhost: 127.0.0.1\r\n\r\n").unwrap();
    assert_ne!(gateway.read(&mut [0; 1]).unwrap(), 0);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
    lines.for_each(drop);
    assert!(child.wait().unwrap().success());
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn the_secret_is_private_and_a_public_one_is_refused() {
    let home = Home::new();
    home.larder(&KEY).text();
    let path = home.path().join(".config/larder/secret");
    let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode, fs::read(&path).unwrap().len()), (0o600, 32));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let done = home.larder(&KEY);
    insta::assert_snapshot!("secret-mode", home.steady(done.refused(1)));
}

#[test]
fn the_lines_to_export() {
    let home = Home::new();
    insta::assert_snapshot!("env", home.larder(&["env"]).text());
    insta::assert_snapshot!(home.larder(&["env", "openai"]).text(), @"export OPENAI_BASE_URL=http://127.0.0.1:7117/openai/v1");
    insta::assert_snapshot!(home.larder(&["env", "openai", "--shell", "fish"]).text(), @"set -gx OPENAI_BASE_URL http://127.0.0.1:7117/openai/v1");
    let listen = |value: &str| home.command(&["env", "openai"]).env("LARDER_LISTEN", value).output().unwrap();
    let root = listen("127.0.0.1:1,127.0.0.1:2=openai");
    assert_eq!(String::from_utf8(root.stdout).unwrap(), "export OPENAI_BASE_URL=http://127.0.0.1:2/v1\n");
    assert_eq!(listen("unix:/s").status.code(), Some(1));
}
