//! adapters: list, show, check, test; the user's own.

use crate::home::Home;

const ADAPTER: &str = "\
format  = 1
name    = \"shop\"
summary = \"A shop\"

[http]
base-url = \"https://shop.example\"

[[operation]]
name = \"price\"
when = \"GET /v1/prices/{item}\"
ttl  = \"5m\"
";

#[test]
fn the_built_in_ones() {
    let home = Home::new();
    insta::assert_snapshot!("adapters", home.larder(&["adapters"]).text());
    assert_eq!(home.larder(&["adapters"]).text(), home.larder(&["adapters", "list"]).text());
    insta::assert_snapshot!("adapters-show", home.larder(&["adapters", "show", "anthropic"]).text());
}

#[test]
fn the_users_own_are_added() {
    let home = Home::new();
    home.write(".config/larder/adapters/shop.toml", ADAPTER);
    home.larder_with(&["put", "shop", "price", "item=tea"], b"3").text();
    assert_eq!(home.larder(&["get", "shop", "price", "item=tea"]).text(), "3");
    let ttl = home.larder(&["ls", "--json"]).json()["entries"][0]["ttl_s"].as_i64().unwrap();
    assert!((240..=300).contains(&ttl), "{ttl}");
}

#[test]
fn where_an_adapter_comes_from_is_told() {
    let home = Home::new();
    let own = home.write(".config/larder/adapters/oa.toml", &ADAPTER.replace("\"shop\"", "\"openai\""));
    let own = own.to_str().unwrap();
    let listed = home.larder(&["adapters", "--json"]).json();
    let file = |name: &str| {
        let all = listed["adapters"].as_array().unwrap();
        all.iter().find(|adapter| adapter["name"] == name).unwrap()["file"].clone()
    };
    assert_eq!((file("openai"), file("anthropic")), (own.into(), serde_json::Value::Null));
    assert!(home.larder(&["adapters"]).text().lines().any(|line| line.starts_with("openai ") && line.contains(own)));
    assert!(home.larder(&["adapters", "show", "openai"]).text().contains(&format!("from: {own}")));
    assert_eq!(home.larder(&["adapters", "show", "openai", "--json"]).json()["file"], own);
    // The address is taken last: a wrong one ends the gateway after what it has to say.
    let serve = home.larder(&["serve", "--listen", "127.0.0.1:0=nobody"]);
    let said = format!("warning: `{own}` stands in place of the built-in adapter `openai`");
    assert!(serve.refused(2).contains(&said), "{}", serve.err);
}

#[test]
fn a_broken_one_is_left_out_with_a_warning_but_the_gateway_refuses_to_start() {
    let home = Home::new();
    home.write(".config/larder/adapters/shop.toml", &ADAPTER.replace("ttl ", "tll "));
    let listed = home.larder(&["adapters"]);
    assert!(
        listed.err.contains("warning: an adapter is left out: ") && listed.err.contains("shop.toml:8"),
        "{}",
        listed.err
    );
    assert!(listed.text().contains("openai"));
    let serve = home.larder(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(serve.refused(2).contains("shop.toml:"), "{}", serve.err);
}

#[test]
fn check_and_test() {
    let home = Home::new();
    home.write("shop.toml", ADAPTER);
    assert_eq!(home.larder(&["adapters", "check", "shop.toml"]).text(), "shop.toml: ok, `shop`, 1 operation\n");
    home.write("wrong.toml", &ADAPTER.replace("ttl ", "tll "));
    insta::assert_snapshot!("adapters-check", home.larder(&["adapters", "check", "wrong.toml"]).refused(2));
    let both = home.larder(&["adapters", "check", "shop.toml", "wrong.toml", "--json"]);
    assert_eq!(both.code, 2);
    let document: serde_json::Value = serde_json::from_slice(&both.out).unwrap();
    assert_eq!((&document["ok"], &document["files"][0]["problems"]), (&false.into(), &serde_json::json!([])));
    home.larder(&["adapters", "test", "shop.toml"]).refused(2);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../larder-core/adapters/");
    for name in ["openai.toml", "openai.test.toml"] {
        let done = home.larder(&["adapters", "test", &format!("{folder}{name}")]);
        assert!(done.text().contains(": ok, "), "{}", done.err);
    }
}
