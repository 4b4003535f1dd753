//! Misses, hits, restarts, bursts.

use crate::harness::*;
use larder_testkit::{Gate, Reply, Scripted};

#[tokio::test]
async fn the_second_call_is_answered_from_the_store() {
    let home = Home::new();
    let origin = Scripted::replies([completion("one"), completion("two")]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
    let [miss, hit] = [gateway.send(chat("a")).await, gateway.send(chat("a")).await];
    assert_eq!((miss.status, hit.status, origin.calls()), (200, 200, 1));
    assert_eq!(miss.body, hit.body);
    for name in ["content-type", "x-request-id", "content-length"] {
        assert_eq!((miss.header(name), miss.header(name).is_empty()), (hit.header(name), false), "{name}");
    }
    assert!(miss.header("age").is_empty());
    assert!(hit.header("age").parse::<u64>().unwrap() < 20);
    let key = miss.header("cache-status").rsplit_once("key=").unwrap().1.to_owned();
    assert_eq!(miss.header("cache-status"), format!("larder; fwd=uri-miss; fwd-status=200; stored; key={key}"));
    let status = hit.header("cache-status");
    assert!(status.starts_with("larder; hit; ttl=") && status.contains(&format!("; key={key}; detail=")), "{status}");
    assert!(key.starts_with("\"bafkrei"), "{key}");
}

#[tokio::test]
async fn a_restart_keeps_answers_and_statistics() {
    let home = Home::new();
    let origin = Scripted::replies([completion("one")]);
    let served = origin.serve().await.unwrap();
    let first = home.serve_upstreams(&[("openai", &served.url())], &[]);
    let miss = first.send(chat("a")).await;
    assert_eq!(first.stop().await.code(), Some(0));
    let second = home.serve_upstreams(&[("openai", &served.url())], &[]);
    let hit = second.send(chat("a")).await;
    assert_eq!((hit.how(), &hit.body, origin.calls()), ("hit", &miss.body, 1));
    assert!(hit.header("cache-status").ends_with("detail=disk"), "{}", hit.header("cache-status"));
    let again = second.send(chat("a")).await;
    assert!(again.header("cache-status").ends_with("detail=memory"), "{}", again.header("cache-status"));
    let stats = second.stats().await;
    for (pointer, expected) in [
        ("/total/hits", 2),
        ("/total/misses", 1),
        ("/total/api_calls_made", 1),
        ("/total/api_calls_saved", 2),
        ("/total/cache_size", 1),
        ("/services/openai/operations/chat_completion/hits", 2),
    ] {
        assert_eq!(stats.pointer(pointer).unwrap(), expected, "{pointer}: {stats}");
    }
}

#[tokio::test]
async fn a_burst_of_one_question_is_one_call() {
    let home = Home::new();
    let gate = Gate::new();
    let origin = Scripted::replies([completion("one").headers_after(&gate)]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
    let calls = futures_util::future::join_all((0..50).map(|_| gateway.send(chat("a"))));
    let open = async {
        origin.called(1).await;
        gate.open();
    };
    let (answers, ()) = tokio::join!(calls, open);
    assert_eq!(origin.calls(), 1);
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == answers[0].body));
    assert_eq!(answers.iter().filter(|answer| answer.how() == "miss").count(), 1);
    assert_eq!(gateway.stats().await.pointer("/total/api_calls_saved").unwrap(), 49);
}

#[tokio::test]
async fn other_questions_are_other_answers() {
    let home = Home::new();
    let origin = Scripted::new(|n, _| completion(&n.to_string()));
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
    let bodies = [
        r#"{"model":"m","messages":[]}"#,
        r#"{"model":"m","messages":[],"temperature":0}"#,
        r#"{"model":"m","messages":[],"seed":9007199254740993}"#,
        r#"{"model":"m","messages":[],"seed":9007199254740992}"#,
    ];
    for body in bodies {
        assert_eq!(gateway.send(post("k", "/openai/v1/chat/completions", body)).await.how(), "miss", "{body}");
    }
    let reordered = r#" {"messages" : [], "model":"\u006d"} "#;
    let same = gateway.send(post("k", "/openai/v1/chat/completions", reordered)).await;
    assert_eq!((same.how(), origin.calls()), ("hit", bodies.len()));
}

#[tokio::test]
async fn what_is_not_whole_or_no_success_is_not_kept() {
    for (name, reply) in [
        ("length", Reply::ok(r#"{"choices":[{"index":0,"message":{},"finish_reason":"length"}]}"#)),
        ("429", Reply::status(429).header("retry-after", "1").piece("{}")),
        ("500", Reply::status(500).piece("{}")),
        ("not JSON", Reply::ok("oops")),
    ] {
        let home = Home::new();
        let reply = reply.header("content-type", "application/json");
        let origin = Scripted::replies([reply]);
        let served = origin.serve().await.unwrap();
        let gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
        let first = gateway.send(chat("a")).await;
        landed().await;
        let second = gateway.send(chat("a")).await;
        assert_eq!((origin.calls(), first.how(), second.how()), (2, "miss", "miss"), "{name}");
        assert_eq!(gateway.stats().await.pointer("/total/cache_size").unwrap(), 0, "{name}");
        assert_eq!(first.header("retry-after"), if name == "429" { "1" } else { "" });
        assert!(first.header("x-should-retry").is_empty(), "there are no retries of larder's own");
    }
}

#[tokio::test]
async fn the_clients_cache_control_is_obeyed() {
    let home = Home::new();
    let origin = Scripted::new(|n, _| completion(&n.to_string()));
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
    let told = |control: &'static str| {
        let mut request = chat("a");
        request.headers_mut().insert("cache-control", control.parse().unwrap());
        gateway.send(request)
    };
    let absent = told("only-if-cached").await;
    assert_eq!((absent.status, origin.calls()), (504, 0));
    assert!(absent.text().contains("larder_only_if_cached"), "{}", absent.text());
    assert_eq!(told("no-store").await.how(), "bypass");
    assert_eq!(told("max-age=60").await.how(), "miss", "no-store kept nothing");
    assert_eq!(told("max-age=60").await.how(), "hit");
    assert_eq!(told("only-if-cached").await.how(), "hit");
    assert_eq!(told("no-cache").await.how(), "miss");
    assert_eq!(origin.calls(), 3);
}

#[tokio::test]
async fn malformed_json_is_passed_through_and_never_kept() {
    let home = Home::new();
    let origin = Scripted::replies([Reply::status(400).piece("bad"), completion("fine")]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
    for body in ["{\"model\":", "{\"a\":1,\"a\":2}", "\u{feff}{}", "nonsense"] {
        let answer = gateway.send(post("k", "/openai/v1/chat/completions", body)).await;
        assert_eq!(answer.how(), "bypass", "{body}");
        assert_eq!(origin.seen().last().unwrap().body, body, "as it was sent");
        let again = gateway.send(post("k", "/openai/v1/chat/completions", body)).await;
        assert_eq!(again.how(), "bypass", "{body}");
    }
    assert_eq!(origin.calls(), 8);
}

#[tokio::test]
async fn the_own_endpoints() {
    let home = Home::new();
    let origin = Scripted::replies([completion("one")]);
    let served = origin.serve().await.unwrap();
    let gateway = home.serve_upstreams(&[("openai", &served.url())], &[]);
    gateway.send(chat("a")).await;
    gateway.send(chat("a")).await;
    let health = gateway.send(get("/-/health")).await;
    let document: serde_json::Value = serde_json::from_slice(&health.body).unwrap();
    assert_eq!((health.status, &document["status"], &document["store"]), (200, &"ok".into(), &"open".into()));
    assert_eq!(document["schema"], "larder.health/1");
    assert_eq!(gateway.stats().await["schema"], "larder.stats/1");
    let metrics = gateway.send(get("/-/metrics")).await;
    assert_eq!(metrics.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let line = r#"larder_hits_total{service="openai",operation="chat_completion"} 1"#;
    assert!(metrics.text().lines().any(|found| found == line), "{}", metrics.text());
    assert_eq!(gateway.send(get("/-/nothing")).await.status, 404);
    assert_eq!(gateway.send(post("k", "/-/stats", "")).await.status, 405);
    assert_eq!(origin.calls(), 1);
}
