//! What a key costs, beside the same key by way of `serde_json`, `serde_jcs`, `sha2` and `cid`:
//! `cargo bench -p larder-core --bench key`.

#![allow(missing_docs, clippy::expect_used, clippy::panic)]

use criterion::{Criterion, criterion_group, criterion_main};
use larder_core::{Json, Question, Share};
use sha2::{Digest as _, Sha256};
use std::hint::black_box;

/// A chat of 2 KiB, as an SDK sends it.
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

fn ours(body: &[u8]) -> String {
    let Ok(Json::Object(params)) = Json::parse(body) else { panic!("not an object") };
    let question = Question {
        service: "openai".to_owned(),
        operation: "chat_completion".to_owned(),
        share: Share::Anonymous,
        params,
        origin: None,
        path: None,
        query: None,
        headers: None,
        body: None,
    };
    question.key().to_string()
}

fn theirs(body: &[u8]) -> String {
    let params: serde_json::Value = serde_json::from_slice(body).expect("JSON");
    let mut document = serde_json::Map::new();
    document.insert("larder".to_owned(), 1.into());
    document.insert("operation".to_owned(), "chat_completion".into());
    document.insert("params".to_owned(), params);
    document.insert("service".to_owned(), "openai".into());
    document.insert("share".to_owned(), "anonymous".into());
    let canonical = serde_jcs::to_vec(&document).expect("canonical");
    let digest = cid::multihash::Multihash::<64>::wrap(0x12, &Sha256::digest(&canonical)).expect("a digest");
    cid::Cid::new_v1(0x55, digest).to_string()
}

fn key(criterion: &mut Criterion) {
    let body = chat();
    assert_eq!(ours(&body), theirs(&body), "both ways lead to one key");
    let mut group = criterion.benchmark_group("key");
    group.bench_function("larder", |bencher| bencher.iter(|| ours(black_box(&body))));
    group.bench_function("serde_jcs", |bencher| bencher.iter(|| theirs(black_box(&body))));
    group.finish();
}

criterion_group!(benches, key);
criterion_main!(benches);
