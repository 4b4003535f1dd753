//! Where it listens, and what it says at its start.

use crate::harness::*;
use larder_testkit::Scripted;

fn refused(home: &Home, words: &[&str]) -> (i32, String) {
    let output = home.command(words).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn other_addresses_are_refused_with_a_hint() {
    let home = Home::new();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80", "example.com:80", "nonsense", "unix:"] {
        let (code, said) = refused(&home, &["serve", "--listen", address]);
        assert_eq!(code, 2, "{address}: {said}");
        assert!(said.contains("hint:") && said.contains(address), "{address}: {said}");
    }
}

#[test]
fn wrong_services_and_upstreams_are_refused() {
    let home = Home::new();
    for (words, text) in [
        ("--listen=127.0.0.1:0=nobody", "`nobody`"),
        ("--upstream=files", "`files`"),
        ("--upstream=files=ftp://h", "`ftp://h`"),
        ("--upstream=-=http://h", "`-`"),
    ] {
        let (code, said) = refused(&home, &["serve", words]);
        assert_eq!(code, 2, "{words}: {said}");
        assert!(said.contains("hint:") && said.contains(text), "{words}: {said}");
    }
    let (code, said) = refused(&home, &["serve", "--upstream", "files=http://user:hunter2@h"]);
    assert_eq!(code, 2);
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_taken_address_is_told() {
    let home = Home::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, said) = refused(&home, &["serve", "--listen", &address]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&address) && said.contains("hint:"), "{said}");
    let (code, said) =
        refused(&home, &["serve", "--listen", "127.0.0.1:7993", "--upstream", "a=http://localhost:7993/a"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("this gateway itself"), "{said}");
}

#[tokio::test]
async fn the_start_tells_what_to_export() {
    let home = Home::new();
    let upstream = "openai=http://127.0.0.1:1/v1";
    let mut gateway =
        home.serve(&["--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0=anthropic", "--upstream", upstream]);
    let export = gateway.wait_for("export OPENAI_BASE_URL=");
    assert_eq!(export.trim(), format!("export OPENAI_BASE_URL=http://{}/openai/v1", gateway.address()));
    let export = gateway.wait_for("export ANTHROPIC_BASE_URL=");
    assert_eq!(export.trim(), format!("export ANTHROPIC_BASE_URL=http://{}", gateway.address_of(1)));
    let hint = gateway.wait_for("hint:");
    assert!(hint.contains("`openai`") && hint.contains("`/v1`"), "{hint}");
}

#[tokio::test]
async fn a_listener_of_one_service_serves_it_at_the_root() {
    let home = Home::new();
    let origin = Scripted::replies([completion("one")]);
    let served = origin.serve().await.unwrap();
    let upstream = format!("openai={}/base", served.url());
    let gateway = home.serve(&["--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0=openai", "--upstream", &upstream]);
    let shared = gateway.send(chat("a")).await;
    let mut request = chat("a");
    *request.uri_mut() = "/v1/chat/completions".parse().unwrap();
    let body = http_body_util::Full::new(request.body().clone());
    let request = request
        .map(|_| http_body_util::BodyExt::boxed_unsync(http_body_util::BodyExt::map_err(body, |never| match never {})));
    let root = whole(exchange(gateway.address_of(1), request).await).await;
    assert_eq!((shared.how(), root.how(), origin.calls()), ("miss", "hit", 1), "one service, one cache");
    assert_eq!(origin.seen()[0].target, "/base/v1/chat/completions");
}
