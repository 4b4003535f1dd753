//! One question through several doors: what the gateway stored is what commands find and `explain` explains.

use crate::home::Home;
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::Child,
};

const ANSWER: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";

/// An origin that answers `{}` to everything; its URL.
fn origin() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let _ = socket.read(&mut [0; 4096]);
            let _ = socket.write_all(ANSWER.as_bytes());
        }
    });
    url
}

struct Gateway {
    child: Child,
    address: String,
}

impl Gateway {
    fn start(home: &Home, upstream: &str) -> Self {
        let upstream = format!("openai={upstream}");
        let mut child = home.command(&["serve", "--listen", "127.0.0.1:0", "--upstream", &upstream]).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let address = lines.find_map(|line| Some(line.split_once("listens on http://")?.1.to_owned())).unwrap();
        // Nobody reads on otherwise, and the gateway's words would fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    /// The whole answer as text.
    fn ask(&self, head: &str) -> String {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        socket.write_all(format!("{head}\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address).as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn explain_finds_what_the_gateway_stored() {
    let home = Home::new();
    let origin = origin();
    let gateway = Gateway::start(&home, &origin);
    let ask = || gateway.ask("GET /openai/v1/models HTTP/1.1\r\nauthorization: Bearer sk-hidden-1");
    let answer = ask();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("stored"), "{answer}");
    assert!(ask().contains("cache-status: larder; hit;"));
    let explain = ["explain", "openai", "GET", "/v1/models", "--json", "--origin", &origin, "--header"];
    let explained = |header| home.larder(&[&explain[..], &[header]].concat()).json();
    let mine = explained("Authorization: Bearer sk-hidden-1");
    assert!(answer.contains(&format!("key=\"{}\"", mine["key"].as_str().unwrap())), "{answer} {mine}");
    assert_eq!(mine["stored"]["status"], 200);
    let other = explained("Authorization: Bearer sk-hidden-2");
    assert_eq!((&other["stored"], &other["nearest"]["key"]), (&serde_json::Value::Null, &mine["key"]));
    assert_eq!(other["nearest"]["differences"][0]["at"], "/share");

    let share = mine["share"].as_str().unwrap();
    let get = home.larder(&["get", "openai", "model_list", "--share", share, "--origin", &origin]);
    assert_eq!(get.text(), "{}");
    let shown = home.larder(&["show", mine["key"].as_str().unwrap()]).text();
    let status = shown.lines().any(|line| line.split_whitespace().eq(["status", "200"]));
    assert!(status && shown.contains("\n  content-type: application/json"), "{shown}");
    assert!(!shown.contains("hidden"), "{shown}");
}

#[test]
fn a_script_reads_where_the_gateway_listens() {
    let home = Home::new();
    let words = ["serve", "--json", "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0=openai"];
    let mut child = home.command(&words).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let gateway = Gateway { child, address: String::new() };
    let document: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(document["schema"], "larder.serve/1");
    let url = document["listeners"][0]["url"].as_str().unwrap();
    TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    let own = document["listeners"][1]["url"].as_str().unwrap();
    let service = |place: usize| document["listeners"][place]["service"].as_str();
    assert_eq!((service(0), service(1)), (None, Some("openai")));
    assert_eq!(document["variables"]["OPENAI_BASE_URL"], format!("{own}/v1"));
    assert_eq!(document["variables"]["ANTHROPIC_BASE_URL"], format!("{url}/anthropic"));
    assert!(document["store"].as_str().unwrap().contains("larder"), "{document}");
    drop(gateway);
}

#[test]
fn show_prints_what_a_tool_wrote() {
    let home = Home::new();
    let run = ["run", "--ttl", "1h", "--", "sh", "-c", "echo out; echo err >&2"];
    home.larder(&run).text();
    let listed = home.larder(&["ls", "--json"]).json();
    let key = listed["entries"][0]["key"].as_str().unwrap();
    assert_eq!((&listed["entries"][0]["kind"], &listed["entries"][0]["exit_code"]), (&"tool".into(), &0.into()));
    let body = home.larder(&["show", key, "--body"]);
    assert_eq!((body.text().as_str(), body.err.as_str()), ("out\n", "err\n"));
}
