use super::*;
use crate::{
    Registry,
    judge::{Verdict, judge_http, judge_plain},
    secret::Secret,
};

const BASE: &str = "/base";

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn map(pairs: Pairs<'_>) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
}

fn with<T>(line: &str, headers: Pairs<'_>, act: impl FnOnce(&HttpRequest<'_>, &Context<'_>) -> T) -> T {
    let (method, target) = line.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let (method, headers, secret) = (method.parse().unwrap(), map(headers), Secret::new([7; 32]));
    let context = Context { secret: &secret, share: crate::ShareChoice::Credential, origin: Some("http://h/base") };
    act(&HttpRequest { method: &method, path, query, headers: &headers, body: BodyView::None }, &context)
}

fn stale(line: &str, headers: Pairs<'_>) -> Vec<QueryKey> {
    with(line, headers, |request, context| stale_keys("files", request, BASE, context)).unwrap()
}

fn key(line: &str, headers: Pairs<'_>) -> QueryKey {
    with(line, headers, |request, context| match judge_plain("files", request, context) {
        Verdict::Keep(plan) => plan.key,
        Verdict::Pass(pass) => panic!("{pass:?}"),
    })
}

const COOKIE: (&str, &str) = ("cookie", "sid=1");
const BEARER: (&str, &str) = ("authorization", "Bearer t");
const CSRF: (&str, &str) = ("x-csrf-token", "abc");
const CUSTOM: (&str, &str) = ("x-custom-token", "t");

#[test]
fn a_write_makes_stale_what_its_writer_may_have_read() {
    let reads: [(Pairs<'_>, Pairs<'_>); 16] = [
        (&[], &[]),
        (&[], &[BEARER]),
        (&[], &[COOKIE, CSRF]),
        (&[COOKIE], &[COOKIE]),
        (&[COOKIE], &[COOKIE, CSRF]),
        (&[BEARER], &[BEARER, COOKIE]),
        (&[COOKIE], &[BEARER, COOKIE, CSRF]),
        (&[BEARER, COOKIE], &[BEARER, COOKIE, CSRF]),
        (&[BEARER, CSRF], &[BEARER, CSRF]),
        (&[CUSTOM], &[CUSTOM, CSRF]),
        (&[("apikey", "anon")], &[("apikey", "anon"), BEARER]),
        (&[("x-tenant-id", "7")], &[("x-tenant-id", "7"), COOKIE]),
        (&[CUSTOM], &[CUSTOM, CSRF, ("x-xsrf-token", "abc")]),
        (&[BEARER, CUSTOM], &[BEARER, CUSTOM, COOKIE]),
        (&[], &[("range", "bytes=0-1"), ("cache-control", "no-store"), ("expect", "100-continue")]),
        (&[], &[("upgrade", "h2c"), ("connection", "x"), ("if-match", "\"a\"")]),
    ];
    for (read, write) in reads {
        for method in ["PUT", "POST", "DELETE", "PATCH", "PROPPATCH"] {
            let stale = stale(&format!("{method} /a?q=1&token=t"), write);
            for line in ["GET /a?q=1&token=t", "HEAD /a?q=1&token=t"] {
                assert!(stale.contains(&key(line, read)), "{method} {write:?}: {line} {read:?}");
            }
            assert!(!stale.contains(&key("GET /a", read)) && !stale.contains(&key("GET /b?q=1&token=t", read)));
        }
    }
    assert!(!stale("PUT /a", &[BEARER]).contains(&key("GET /a", &[("authorization", "Bearer other")])));
}

#[test]
fn a_target_that_is_spelled_otherwise_is_the_target() {
    for (write, read) in [
        ("/a%7Eb", "/a~b"),
        ("/%78?q", "/x?q"),
        ("/a%2fb", "/a%2Fb"),
        ("/me%40h/a%3Ab%2Cc", "/me@h/a:b,c"),
        ("/a%zz%4", "/a%zz%4"),
        ("//a///b", "/a/b"),
        ("/a/b/?q", "/a/b?q"),
        ("/a//b//", "/a/b/"),
        ("/x/./%2E%2e/a;v=1/b", "/a/b"),
        ("/../a", "/a"),
        ("/a%2fb/..%2Fc", "/a/c"),
        ("//", "/"),
    ] {
        let key = key(&format!("GET {read}"), &[]);
        assert!(stale(&format!("PUT {write}"), &[]).contains(&key), "{write}");
        let path = write.split('?').next().unwrap();
        let named = stale(&format!("PUT /elsewhere{}", &write[path.len()..]), &[("x-original-url", path)]);
        // No header names an authority.
        assert!(path.starts_with("//") || named.contains(&key), "{write}");
    }
}

#[test]
fn many_credentials_are_few_keys() {
    let many: Vec<_> = (0..40).map(|n| format!("x-token-{n}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "t")).collect();
    let stale = stale("PUT /a", &many);
    assert!(stale.len() <= 2 * 83, "{}", stale.len());
    for read in [&many[..], &many[1..], &many[..1], &[]] {
        assert!(stale.contains(&key("GET /a", read)));
    }
}

#[test]
fn too_much_to_name_is_all_of_it() {
    let lines: Vec<_> = (0..80).map(|n| format!("/{n}")).collect();
    let steered: Vec<_> = lines.iter().map(|line| ("x-original-url", line.as_str())).chain([COOKIE, CSRF]).collect();
    let stale = |headers: Pairs<'_>| with("PUT /a", headers, |request, of| stale_keys("files", request, BASE, of));
    assert!(stale(&steered[..30]).is_some());
    assert_eq!(stale(&steered), None);
}

#[test]
fn each_key_is_named_once() {
    for (write, callers) in [
        (&[][..], 1),
        (&[BEARER], 2),
        (&[BEARER, CSRF], 4),
        (&[BEARER, COOKIE], 4),
        (&[BEARER, COOKIE, CSRF], 8),
        (&[("x-original-url", "/base/a")], 2),
    ] {
        let stale = stale("PUT /a", write);
        assert_eq!(stale.len(), 2 * callers, "{write:?}");
        assert_eq!(distinct(stale.clone()), stale);
    }
}

#[test]
fn what_only_reads_makes_nothing_stale() {
    for line in ["GET /a", "HEAD /a", "OPTIONS /a"] {
        assert_eq!(stale(line, &[BEARER]), []);
        assert_eq!(stale(line, &[("x-original-url", "/b"), ("x-http-method-override", "GET")]), []);
    }
}

#[test]
fn what_headers_name_is_stale_and_so_is_the_target() {
    let steered: [(&str, Pairs<'_>, &[&str]); 9] = [
        ("POST /a", &[("x-http-method-override", "DELETE")], &["GET /a"]),
        ("POST /a", &[("x-http-method", "GET")], &["GET /a"]),
        ("GET /a", &[("x-method-override", " delete")], &["GET /a"]),
        ("POST /a", &[("x-original-url", "/b")], &["GET /a", "GET /b"]),
        ("POST /a?q", &[("x-rewrite-url", "/b")], &["GET /a?q", "GET /b", "GET /b?q"]),
        ("POST /a?q", &[("x-rewrite-url", "/b?r")], &["GET /a?q", "GET /b?r"]),
        ("POST /a", &[("x-original-url", "/base/b")], &["GET /a", "GET /b"]),
        ("POST /a", &[("x-original-url", "/base")], &["GET /a", "GET /"]),
        ("POST /a", &[("x-original-url", "http://h/base/b"), ("x-rewrite-url", "/c")], &["GET /b", "GET /c"]),
    ];
    for (write, headers, reads) in steered {
        for read in reads {
            assert!(stale(write, headers).contains(&key(read, &[])), "{write} {headers:?}: {read}");
            let with_cookie = [headers, &[COOKIE, CSRF]].concat();
            assert!(stale(write, &with_cookie).contains(&key(read, &[COOKIE])), "{write} {with_cookie:?}: {read}");
        }
    }
}

#[test]
fn operations_are_found_without_a_body() {
    let registry = |service| Registry::builtin_one(service).unwrap().unwrap();
    let stale = |service, line: &str, headers: Pairs<'_>| {
        with(line, headers, |request, _| stale_operations(&registry(service), request, ""))
    };
    let pods = [
        "pod_status",
        "pod_list",
        "pod_logs",
        "service_endpoints",
        "resource_quota",
        "deployment_status",
        "deployment_list",
        "statefulset_status",
        "daemonset_status",
    ];
    assert_eq!(stale("kubernetes", "POST /api/v1/namespaces/d/pods", &[]), pods);
    for path in ["//api/v1/namespaces/d/pods", "/api/v1/namespaces/d/pods/", "/api/v1/x/../namespaces/d/%70ods;a=b"] {
        assert_eq!(stale("kubernetes", &format!("POST {path}"), &[]), pods, "{path}");
    }
    // As `huggingface_hub` spells a branch `feat/x` and a pull request's `refs/pr/1`.
    for path in ["commit/feat%2Fx", "branch/feat%2Fx", "tag/refs%2fpr%2f1"] {
        let stale = stale("huggingface", &format!("POST /api/models/a/b/{path}"), &[]);
        assert!(stale.contains(&"model_info".to_owned()), "{path}: {stale:?}");
    }
    assert_eq!(stale("openai", "POST /v1/chat/completions", &[]), [""; 0]);
    assert_eq!(stale("openai", "POST /v1/nothing", &[]), [""; 0]);
    let delete = ("x-http-method-override", "DELETE");
    for line in ["POST /v1/models/m", "GET /v1/models/m"] {
        assert_eq!(stale("openai", line, &[delete]), ["model_list", "model_info"], "{line}");
    }
    let elsewhere = ("x-original-url", "/v1/responses/r");
    assert_eq!(stale("openai", "DELETE /v1/models/m", &[elsewhere]), ["model_list", "model_info", "response"]);
}

/// `drop` is known by its body, `archive` by a header, `any` by its path alone.
const BY_BODY: &str = r#"
format = 1
name = "notes"
summary = "Notes"

[http]
base-url = "https://notes.example"

[[operation]]
name = "list"
when = "GET /v1/notes"
ttl = "1h"

[[operation]]
name = "note"
when = "GET /v1/notes/{id}"
ttl = "1h"

[[operation]]
name = "search"
when = "POST /v1/notes"
ttl = "1h"

[[operation]]
name = "drop"
when = "POST /v1/notes"
match = [{ at = "/action", is = ["drop"] }]
write = true
invalidates = ["note", "list"]

[[operation]]
name = "archive"
when = "POST /v1/{collection}"
match = [{ at = "x-action:", is = ["archive"] }]
write = true
invalidates = ["list"]
"#;

#[test]
fn what_only_a_body_tells_that_nobody_reads_is_any_of_them() {
    let adapter = Adapter::parse(BY_BODY, "notes.toml").unwrap();
    let json = ("content-type", "application/json");
    let gzip = ("content-encoding", "gzip");
    let archive = ("x-action", "archive");
    let closed = BodyView::Digest { sha256: &[0; 32], len: 9 << 20 };
    let cases: [(Pairs<'_>, BodyView<'_>, Option<&[&str]>); 7] = [
        (&[json], BodyView::Bytes(br#"{"action":"find"}"#), None),
        (&[json], BodyView::Bytes(br#"{"action":"drop"}"#), Some(&["note", "list"])),
        (&[json, archive], closed, Some(&["note", "list"])),
        (&[json], closed, Some(&["note", "list"])),
        (&[json], BodyView::Bytes(b"{"), Some(&["note", "list"])),
        (&[json, gzip], BodyView::Bytes(br#"{"action":"find"}"#), Some(&["note", "list"])),
        (&[json], BodyView::None, Some(&["note", "list"])),
    ];
    for (headers, body, expected) in cases {
        with("POST /v1/notes", headers, |request, context| {
            let request = HttpRequest { body, ..*request };
            match (judge_http(&adapter, &request, context), expected) {
                (Verdict::Keep(plan), None) => assert_eq!(plan.question.operation, "search"),
                (Verdict::Pass(pass), Some(expected)) => assert_eq!(pass.invalidates, expected, "{headers:?} {body:?}"),
                (verdict, _) => panic!("{headers:?} {body:?}: {verdict:?}"),
            }
        });
    }
    let stale = |line, headers| with(line, headers, |request, _| stale_operations(&adapter, request, ""));
    assert_eq!(stale("POST /v1/notes", &[]), ["note", "list"]);
    assert_eq!(stale("POST /v1/other", &[]), [""; 0]);
    assert_eq!(stale("POST /v1/other", &[archive]), ["list"]);
}
