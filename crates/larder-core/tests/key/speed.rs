//! What a key costs: `cargo test --release -p larder-core --test key -- --ignored --nocapture speed`.

use larder_core::{Json, QueryKey, Question, Share, json::Object};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// A chat of about 2 KiB, as an SDK sends it.
fn chat() -> Vec<u8> {
    let turn = |n: usize| {
        let role = ["user", "assistant"][n % 2];
        let words = "It was the third time this week that the build had failed, and \\\"nobody\\\" knew why.\\n";
        format!("{{\"role\": \"{role}\", \"content\": \"Turn {n}: {}\"}}", words.repeat(2))
    };
    let turns: Vec<_> = (0..9).map(turn).collect();
    format!(
        "{{\"model\": \"m-large-2026\", \"temperature\": 0.7, \"max_tokens\": 512, \"messages\": [{}]}}",
        turns.join(", ")
    )
    .into_bytes()
}

fn key_of(body: &[u8]) -> String {
    let Ok(Json::Object(params)) = Json::parse(body) else { panic!("not an object") };
    question(params).key().to_string()
}

fn question(params: Object) -> Question {
    Question {
        service: "openai".to_owned(),
        operation: "chat_completion".to_owned(),
        share: Share::Anonymous,
        params,
        origin: None,
        path: None,
        query: None,
        headers: None,
        body: None,
    }
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    let body = chat();
    let Ok(Json::Object(params)) = Json::parse(&body) else { panic!("not an object") };
    let canonical = question(params.clone()).canonical();
    println!("{} bytes", body.len());
    println!("whole:     {:?}", best(|| key_of(black_box(&body))));
    println!("parse:     {:?}", best(|| Json::parse(black_box(&body))));
    let question = question(params);
    println!("canonical: {:?}", best(|| black_box(&question).canonical()));
    println!("sha-256:   {:?}", best(|| QueryKey::of(black_box(&canonical))));
    println!("CID:       {:?}", best(|| black_box(QueryKey::from_digest([7; 32])).to_string()));
}

/// The least of many times: what else the machine does makes it longer, never shorter.
fn best<T>(work: impl Fn() -> T) -> Duration {
    let once = || {
        let started = Instant::now();
        black_box(work());
        started.elapsed()
    };
    (0..3000).map(|_| once()).min().unwrap_or_default()
}
