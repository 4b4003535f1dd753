//! Nobody is given somebody else's answer.

use crate::harness::*;
use larder_testkit::{Reply, Scripted};

/// Says who asked, and refuses the key `sk-bad`.
fn whoami() -> Scripted {
    Scripted::new(|_, seen| match seen.headers["authorization"].to_str().unwrap() {
        "Bearer sk-bad" => Reply::status(401).header("content-type", "application/json").piece(r#"{"error":"key"}"#),
        key => completion(key),
    })
}

#[tokio::test]
async fn two_credentials_are_two_questions() {
    let home = Home::new();
    let origin = whoami();
    let served = origin.serve().await.unwrap();
    for (round, calls) in [(1, 2), (2, 2)] {
        let gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
        for key in ["sk-one", "sk-two"] {
            let answer = gateway.send(chat_as(key, "a")).await;
            assert!(answer.text().contains(key), "round {round}: {}", answer.text());
        }
        assert_eq!(origin.calls(), calls, "round {round}");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn two_origins_under_one_service_are_two_questions() {
    let home = Home::new();
    let [one, two] = ["one", "two"].map(|text| Scripted::replies([completion(text)]));
    let served = [one.serve().await.unwrap(), two.serve().await.unwrap()];
    for round in 1..=2 {
        for (served, text) in served.iter().zip(["one", "two"]) {
            let gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
            let answer = gateway.send(chat("a")).await;
            assert!(answer.text().contains(text), "round {round}: {}", answer.text());
            gateway.stop().await;
        }
        assert_eq!((one.calls(), two.calls()), (1, 1), "round {round}");
    }
}

#[tokio::test]
async fn an_origin_that_has_a_name_is_one_question_wherever_it_is() {
    let home = Home::new();
    let config = home.path().join("config.toml");
    let [one, two] = ["one", "two"].map(|text| Scripted::replies([completion(text)]));
    for (origin, how) in [(&one, "miss"), (&two, "hit")] {
        let served = origin.serve().await.unwrap();
        std::fs::write(&config, format!("[service.openai]\nupstream = \"{}\"\nname = \"prod\"\n", served.url()))
            .unwrap();
        let gateway = home.serve(&["--listen=127.0.0.1:0", "--config", config.to_str().unwrap()]);
        assert_eq!(gateway.send(chat("a")).await.how(), how);
        gateway.stop().await;
    }
    assert_eq!((one.calls(), two.calls()), (1, 0));
}

#[tokio::test]
async fn a_rejected_key_is_rejected_by_the_origin_though_the_team_shares() {
    let home = Home::new();
    let origin = whoami();
    let served = origin.serve().await.unwrap();
    let share = ["--share", "team"];
    let gateway = home.serve_upstreams(&[("openai", &served.url())], &share);
    assert_eq!(gateway.send(chat_as("sk-one", "a")).await.status, 200);
    let refused = gateway.send(chat_as("sk-bad", "a")).await;
    assert_eq!((refused.status, origin.calls()), (401, 2), "{}", refused.text());
    assert_eq!(gateway.send(chat_as("sk-one", "a")).await.how(), "hit");
    gateway.stop().await;

    let gateway = home.serve_upstreams(&[("openai", &served.url())], &share);
    assert_eq!(gateway.send(chat_as("sk-bad", "a")).await.status, 401);
    assert_eq!(origin.calls(), 3, "asked again after a restart");
    assert_eq!(gateway.send(chat_as("sk-one", "a")).await.how(), "hit", "still known after a restart");
    let stranger = gateway.send(chat_as("sk-two", "a")).await;
    assert_eq!((stranger.status, origin.calls()), (200, 4), "not known yet: the origin is asked");
    let member = gateway.send(chat_as("sk-two", "a")).await;
    assert_eq!((member.how(), origin.calls()), ("hit", 4), "accepted: shares the answers");
    assert_eq!(gateway.send(chat_as("sk-bad", "a")).await.status, 401);
}

#[tokio::test]
async fn the_origin_and_only_the_origin_is_sent_the_credential() {
    let home = Home::new();
    let [one, two] = ["one", "two"].map(|text| Scripted::replies([completion(text)]));
    let served = [one.serve().await.unwrap(), two.serve().await.unwrap()];
    let upstreams = [("openai", &*served[0].url()), ("other", &*served[1].url())];
    let gateway = home.serve_upstreams(&upstreams, &[]);
    gateway.send(chat("a")).await;
    gateway.send(post("sk-one", "/openai/../other/v1/x", "{}")).await;
    gateway.send(post("sk-one", "/openai/%2e%2e/other", "{}")).await;
    gateway.send(post("sk-one", &format!("/openai//{}/x", served[1].address), "{}")).await;
    assert_eq!((one.calls(), two.calls()), (4, 0));
    let targets: Vec<_> = one.seen().into_iter().map(|seen| seen.target).collect();
    let authority = format!("//{}/x", served[1].address);
    assert_eq!(targets, ["/v1/chat/completions", "/../other/v1/x", "/%2e%2e/other", &authority]);
    assert_eq!(one.seen()[0].headers["authorization"], "Bearer sk-one");
}

#[tokio::test]
async fn nothing_that_was_secret_is_stored_or_logged() {
    let home = Home::new();
    let origin = whoami();
    let served = origin.serve().await.unwrap();
    let mut gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
    let mut request = chat_as("sk-hunter2", "a");
    *request.uri_mut() = "/openai/v1/chat/completions?api_key=hunter3".parse().unwrap();
    gateway.send(request).await;
    gateway.send(post("sk-hunter2", "/openai/v1/unknown?token=hunter3", "hunter4")).await;
    assert_eq!(origin.seen()[0].target, "/v1/chat/completions?api_key=hunter3", "but the origin is told");
    // There is a line for each request; the last one's may still be on its way.
    gateway.wait_for("outcome=\"pass\"");
    let log = gateway.said().join("\n");
    assert!(log.contains("outcome=\"miss\""), "{log}");
    gateway.stop().await;
    // The answer itself echoes the key: that is the origin's doing, and stays in the one credential's own entry.
    for secret in ["hunter3", "hunter4", "sk-hunter2"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    let found = std::process::Command::new("grep").args(["-rla", "hunter3"]).arg(home.path()).output().unwrap();
    assert!(found.stdout.is_empty(), "{}", String::from_utf8_lossy(&found.stdout));
}
