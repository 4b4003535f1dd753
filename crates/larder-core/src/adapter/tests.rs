//! Every word of the format, misused, and the exact complaint; and what only whole files show.

use super::*;

const HEAD: &str = "format = 1\nname = \"a\"\nsummary = \"A\"\n[http]\nbase-url = \"http://a\"\n";

/// The complaints about an adapter that ends in `http` words (from line 6) and then `operation` words.
fn complaints(http: &str, operation: &str) -> Vec<String> {
    let text = format!("{HEAD}{http}\n[[operation]]\n{operation}\n");
    Adapter::parse(&text, "a.toml").err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

fn of_http(words: &str) -> Vec<String> {
    complaints(words, "name = \"o\"\nwhen = \"GET /o\"\nttl = \"1m\"")
}

/// Operation words stand from line 8.
fn of_operation(words: &str) -> Vec<String> {
    complaints("", words)
}

fn of_file(text: &str) -> Vec<String> {
    Adapter::parse(text, "a.toml").err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

const GET: &str = "name = \"o\"\nwhen = \"GET /o/{id}\"\n";
const POST: &str = "name = \"o\"\nttl = \"1m\"\nwhen = \"POST /o\"\n";

#[test]
fn sound() {
    assert!(of_http("").is_empty());
    assert!(of_operation(&format!("{GET}ttl = \"1m\"")).is_empty());
    assert!(of_operation(POST).is_empty());
}

#[test]
fn words_at_the_top() {
    let cases = [
        (
            "format = 1",
            "format = 2",
            "a.toml:1: this version of the format is not known\nhint: write `format = 1`, or take a newer larder",
        ),
        ("format = 1", "format = \"1\"", "a.toml:1: `format` is a text, expected whole numbers from 1 to 65535"),
        ("format = 1", "", "a.toml:1: `format` is missing in the file's top\nhint: write `format = …` (`1`)"),
        (
            "name = \"a\"",
            "name = \"A b\"",
            "a.toml:2: `name` is `A b`, expected a plain name\nhint: write lower-case letters, digits, `_` and `-`",
        ),
        ("name = \"a\"", "", "a.toml:1: `name` is missing in the file's top\nhint: write `name = …` (text)"),
        ("summary = \"A\"", "summary = 1", "a.toml:3: `summary` is a number, expected a text"),
        (
            "[http]",
            "[htp]",
            "a.toml:4: unknown word `htp` in `the file's top`\nhint: its words are `format`, `name`, `summary`, `http`, `tool`, `operation`",
        ),
        (
            "summary = \"A\"",
            "ttl = \"1m\"",
            "a.toml:3: `ttl` does not belong into `the file's top`\nhint: `ttl` is a word of `[[operation]]` and `ttl = [{ … }]`",
        ),
        ("[http]", "[http", "a.toml:4: not TOML: unclosed table, expected `]`"),
    ];
    for (good, bad, expected) in cases {
        let found = of_file(&HEAD.replacen(good, bad, 1));
        assert!(found.iter().any(|problem| problem == expected), "{expected}\n{found:#?}");
    }
    let alone = "format = 1\nname = \"a\"\nsummary = \"A\"\n";
    let neither =
        "a.toml:2: neither `[http]` nor `[tool]` is there\nhint: say how the service is reached or which command it is";
    assert_eq!(of_file(alone), [neither]);
    assert_eq!(of_file(&format!("http = 1\n{alone}")), ["a.toml:1: `http` is a number, expected a table ([http])"]);
    assert_eq!(of_file(&format!("tool = 1\n{alone}")), ["a.toml:1: `tool` is a number, expected a table ([tool])"]);
    assert_eq!(
        of_file(&format!("operation = 1\n{HEAD}")),
        ["a.toml:1: `operation` is a number, expected a table ([[operation]])"]
    );
}

#[test]
fn words_of_http() {
    let url_hint = "hint: write `http://` or `https://`, a host, and a path without `/` at its end";
    for url in ["a", "ftp://a", "http://a/", "http://a?b=c", "http://u:p@a"] {
        let text = HEAD.replace("http://a", url);
        assert_eq!(of_file(&text), [format!("a.toml:5: `{url}` is not an origin's URL\n{url_hint}")]);
    }
    let missing = "a.toml:4: `base-url` is missing in [http]\nhint: write `base-url = …` (text)";
    assert_eq!(of_file(&HEAD.replace("base-url = \"http://a\"", "")), [missing]);
    let cases = [
        ("env = [\"A\"]", "`env` is a list, expected a table of texts"),
        ("env = { A = \"v1/\" }", "`v1/` does not continue a URL\nhint: write a path such as `/v1`, or nothing"),
        ("credentials = 1", "`credentials` is a number, expected a list of texts"),
        ("account = [\"X-Org\"]", "`X-Org` is not a header's name in lower case"),
        ("credentials = [\"x y\"]", "`x y` is not the name of a header or a query parameter"),
        ("plain = [1]", "`plain` is a number, expected a list of texts"),
        ("headers = [\"x y\"]", "`x y` is not a header's name in lower case"),
        (
            "headers = [\"cookie\"]",
            "`cookie` is a credential: it never enters a key\nhint: it is in the credential's digest anyway",
        ),
        ("vary = [\"Accept\"]", "`Accept` is not a header's name in lower case"),
        ("default-type = \"json\"", "`json` is not a media type\nhint: write `application/json`"),
        (
            "when = \"GET /\"",
            "`when` does not belong into `[http]`\nhint: `when` is a word of `[[operation]]` and `ttl = [{ … }]`",
        ),
    ];
    for (words, expected) in cases {
        assert_eq!(of_http(words), [format!("a.toml:6: {expected}")], "{words}");
    }
}

#[test]
fn words_of_an_operation() {
    let length = "hint: write a whole number and one of `s`, `m`, `h`, `d`, such as `30s`, `5m`, `1h`, `7d`";
    let cases = [
        ("when = \"GET /o\"\nttl = \"1m\"".to_owned(), "7: `name` is missing in [[operation]]\nhint: write `name = …` (text)".to_owned()),
        ("name = \"O\"\nwhen = \"GET /o\"\nttl = \"1m\"".to_owned(), "8: `name` is `O`, expected a plain name\nhint: write lower-case letters, digits, `_` and `-`".to_owned()),
        (format!("{GET}ttl = \"1\""), format!("10: `ttl` is `1`, expected a length of time\n{length}")),
        (format!("{GET}ttl = 30"), "10: `ttl` is a number, expected a text".to_owned()),
        (GET.to_owned(), "7: `ttl` is missing in [[operation]]\nhint: write `ttl = …` (length of time, or list of `{ when = …, ttl = … }`)".to_owned()),
        ("name = \"o\"\nttl = \"1m\"".to_owned(), "7: `when` is missing in [[operation]]\nhint: write `when = …` (text or list of text)".to_owned()),
        (format!("{GET}ttl = \"1m\"\nwrite = 1"), "11: `write` is a number, expected `true` or `false`".to_owned()),
        (format!("{GET}ttl = \"1m\"\nwrite = true"), "10: `ttl` speaks of an answer that is kept, and this operation writes".to_owned()),
        (format!("{GET}write = true\nfinish = true"), "11: `finish` speaks of an answer that is kept, and this operation writes".to_owned()),
        (format!("{GET}ttl = \"1m\"\ninvalidates = [\"o\"]"), "11: `invalidates` stands in an operation that does not write\nhint: add `write = true`".to_owned()),
        (format!("{GET}write = true\ninvalidates = [\"x\"]"), "11: `invalidates` names `x`, which is no operation here whose answers are kept".to_owned()),
        (format!("{GET}ttl = \"1m\"\nstale-while-revalidate = \"x\""), format!("11: `stale-while-revalidate` is `x`, expected a length of time\n{length}")),
        (format!("{GET}ttl = \"1m\"\nstale-if-error = \"-1s\""), format!("11: `stale-if-error` is `-1s`, expected a length of time\n{length}")),
        (format!("{GET}ttl = \"1m\"\nfreshness = \"ttl\""), "11: `freshness` is `ttl`, expected `rule` or `origin`".to_owned()),
        (format!("{GET}ttl = \"1m\"\nshare = \"public\""), "11: `share` is `public`, expected `credential` or `team`".to_owned()),
        (format!("{GET}ttl = \"1m\"\nfinish = \"yes\""), "11: `finish` is a text, expected `true` or `false`".to_owned()),
        (format!("{POST}headers = [\"A\"]"), "11: `A` is not a header's name in lower case".to_owned()),
        (format!("{POST}ignore = [\"a\"]"), "11: `a` is not a place in a request\nhint: write `/member` or `?name`".to_owned()),
        (format!("{POST}ignore = [\"accept:\"]"), "11: `accept:` is neither a member of the body nor a query parameter\nhint: write `/member` or `?name`".to_owned()),
        (format!("{POST}ignore = [\"/a//b\"]"), "11: `/a//b` is not a JSON pointer: a name in it is empty\nhint: write `/member` or `?name`".to_owned()),
        (format!("{POST}variant = [\"/a/b\"]"), "11: body `/a/b` cannot choose a variant: only a top-level member of letters, digits, `_` and `-` can\nhint: write `/member` or `?name`".to_owned()),
        (format!("{GET}ttl = \"1m\"\nvariant = [\"/a\"]"), "11: `/a` is a member of a body, and requests of this method have none\nhint: write `?name` for a query parameter".to_owned()),
        (format!("{POST}keep-status = [99]"), "11: `keep-status` is a number, expected whole numbers from 200 to 599".to_owned()),
        (format!("{POST}fingerprint = [\"a\"]"), "11: `a` is not a JSON pointer: it does not begin with `/`".to_owned()),
        (format!("{POST}ttl-from = \"a\""), "11: `a` is not a JSON pointer: it does not begin with `/`".to_owned()),
        (format!("{POST}base-url = \"b\""), "11: `base-url` does not belong into `[[operation]]`\nhint: `base-url` is a word of `[http]`".to_owned()),
        (format!("{POST}words = \"a\""), "8: an operation with a tool's words, and no `[tool]`\nhint: write a `[tool]` table".to_owned()),
    ];
    for (words, expected) in cases {
        let found = of_operation(&words);
        assert!(found.contains(&format!("a.toml:{expected}")), "{words}\n{found:#?}");
    }
}

#[test]
fn when() {
    let hint = "hint: write a method and a path such as `GET /v1/models/{model}`; `{name:2}` spans two segments, `{name...}` all that follow";
    let found = of_operation("name = \"o\"\nttl = \"1m\"\nwhen = [\"GET /a\", \"GET b\"]");
    assert_eq!(found, [format!("a.toml:10: the path of `GET b` does not begin with `/`\n{hint}")]);
    let found = of_operation("name = \"o\"\nttl = \"1m\"\nwhen = []");
    assert_eq!(found, ["a.toml:7: `when` is missing in [[operation]]\nhint: write `when = …` (text or list of text)"]);
    let found = of_operation("name = \"o\"\nttl = \"1m\"\nwhen = [\"GET /a\", \"POST /a\"]");
    let mixed =
        "some methods of `when` have their parameters in the body, others in the query\nhint: write two operations";
    assert_eq!(found, [format!("a.toml:10: {mixed}")]);
}

/// Through the gateway it would stand in the key for all to read; a call by name would leave it out.
#[test]
fn a_placeholder_is_no_credential() {
    let hint =
        "hint: another name does not make a secret in a path safe; where it is none, list its name under `plain`";
    let expected =
        |name: &str| format!("a.toml:9: `{{{name}}}` is a credential by its name: it would stand in the key\n{hint}");
    let read = |path: &str| format!("name = \"o\"\nwhen = \"GET {path}\"\nttl = \"1m\"");
    assert_eq!(of_operation(&read("/bot/{token}")), [expected("token")]);
    assert_eq!(of_operation(&read("/bot/{api_key...}")), [expected("api_key")]);
    assert_eq!(of_operation("name = \"o\"\nwhen = \"PUT /bot/{token}\"\nwrite = true"), [""; 0]);
    let with = |words: &str, path: &str| of_file(&format!("{HEAD}{words}\n[[operation]]\n{}", read(path)));
    assert_eq!(with("plain = [\"token\"]", "/bot/{token}"), [""; 0]);
    assert_eq!(with("credentials = [\"who\"]", "/of/{who}"), [expected("who")]);
}

#[test]
fn conditions() {
    let one = "expected one\nhint: write one of `present`, `is`, `not`, `begins`, `hex`";
    let places = "hint: write `/member` for the JSON body, `?name` for the query, `name:` for a header, `{name}` for a placeholder";
    let cases = [
        ("{ at = \"/a\" }", format!("a condition has 0 tests, {one}")),
        ("{ at = \"/a\", is = 1, not = 2 }", format!("a condition has 2 tests, {one}")),
        ("{ is = 1 }", "`at` is missing in { at = … }\nhint: write `at = …` (place)".to_owned()),
        ("{ at = \"a\", is = 1 }", format!("`a` is not a place in a request\n{places}")),
        ("{ at = \"/\", is = 1 }", format!("`/` is not a JSON pointer: a name in it is empty\n{places}")),
        (
            "{ at = \"?api_key\", is = 1 }",
            format!("`api_key` is a credential: its value cannot be looked at\n{places}"),
        ),
        ("{ at = \"cookie:\", is = 1 }", format!("`cookie` is a credential: its value cannot be looked at\n{places}")),
        ("{ at = \"{x}\", is = 1 }", "`{x}` is not a placeholder of `when`".to_owned()),
        ("{ at = \"/a\", present = 1 }", "`present` is a number, expected `true` or `false`".to_owned()),
        ("{ at = \"/a\", is = [[1]] }", "`is` holds something else than texts, numbers, `true` and `false`".to_owned()),
        ("{ at = \"/a\", not = [] }", "`not` holds something else than texts, numbers, `true` and `false`".to_owned()),
        ("{ at = \"/a\", begins = [\"a\", \"\"] }", "`begins` holds an empty text, or none".to_owned()),
        ("{ at = \"/a\", hex = 0 }", "`hex` is a number, expected whole numbers from 1 to 128".to_owned()),
        (
            "{ at = \"/a\", iss = 0, is = 1 }",
            "unknown word `iss` in `{ at = … }`\nhint: its words are `at`, `present`, `is`, `not`, `begins`, `hex`"
                .to_owned(),
        ),
        ("1", "`{word}` is a number, expected a table ({ at = … })".to_owned()),
    ];
    for (condition, expected) in cases {
        for word in ["match", "pass-when"] {
            let found = of_operation(&format!("{POST}{word} = [{condition}]"));
            assert_eq!(found, [format!("a.toml:11: {}", expected.replace("{word}", word))], "{word} = {condition}");
        }
    }
}

#[test]
fn ttl_by_condition() {
    let last = "the last case of `ttl`, and no other, is without `when`\nhint: end the list with `{ ttl = \"30m\" }`";
    let case = "{ when = { at = \"{id}\", is = \"a\" }, ttl = \"1h\" }";
    let cases = [
        (format!("[{case}]"), last.to_owned()),
        ("[]".to_owned(), last.to_owned()),
        (format!("[{{ ttl = \"1m\" }}, {case}, {{ ttl = \"1m\" }}]"), last.to_owned()),
        (
            format!("[{}, {{ ttl = \"1m\" }}]", case.replace("{id}", "{no}")),
            "`{no}` is not a placeholder of `when`".to_owned(),
        ),
        (
            format!("[{}, {{ ttl = \"1m\" }}]", case.replace(", ttl = \"1h\"", "")),
            "`ttl` is missing in ttl = [{ … }]\nhint: write `ttl = …` (length of time)".to_owned(),
        ),
        (
            format!("[{}, {{ ttl = \"1m\" }}]", case.replace("when", "if")),
            "unknown word `if` in `ttl = [{ … }]`\nhint: its words are `when`, `ttl`".to_owned(),
        ),
    ];
    for (ttl, expected) in cases {
        let found = of_operation(&format!("{GET}ttl = {ttl}"));
        assert!(found.contains(&format!("a.toml:10: {expected}")), "{ttl}\n{found:#?}");
    }
    assert!(of_operation(&format!("{GET}ttl = [{case}, {{ ttl = \"1m\" }}]")).is_empty());
}

#[test]
fn words_of_an_answer() {
    let stream = |words: &str| format!("{POST}[operation.stream]\n{words}");
    let cases = [
        (
            format!("{POST}finished = [{{ is = [\"a\"] }}]"),
            "11: `at` is missing in finished = [{ … }]\nhint: write `at = …` (pointer)",
        ),
        (
            format!("{POST}finished = [{{ at = \"/a\" }}]"),
            "11: `is` is missing in finished = [{ … }]\nhint: write `is = …` (list of text)",
        ),
        (
            format!("{POST}finished = [{{ at = \"a\", is = [\"a\"] }}]"),
            "11: `a` is not a JSON pointer: it does not begin with `/`",
        ),
        (format!("{POST}finished = [{{ at = \"/a\", is = 1 }}]"), "11: `is` is a number, expected a list of texts"),
        (
            format!("{POST}finished = [{{ at = \"/a\", is = \"a\", required = 1 }}]"),
            "11: `required` is a number, expected `true` or `false`",
        ),
        (
            format!("{POST}usage = [{{ output = \"/a\" }}]"),
            "11: `input` is missing in usage = [{ … }]\nhint: write `input = …` (pointer)",
        ),
        (
            format!("{POST}usage = [{{ input = \"/a\", output = \"b\" }}]"),
            "11: `b` is not a JSON pointer: it does not begin with `/`",
        ),
        (format!("{POST}stream = true"), "11: `stream` is `true` or `false`, expected a table ([operation.stream])"),
        (
            stream("last = [{ data = \"x\" }]"),
            "11: `codec` is missing in [operation.stream]\nhint: write `codec = …` (`sse`)",
        ),
        (stream("codec = \"xml\"\nlast = [{ data = \"x\" }]"), "12: `xml` is not a codec\nhint: the codecs are `sse`"),
        (
            stream("codec = \"sse\""),
            "11: `last` is missing in [operation.stream]\nhint: write `last = …` (list of `{ data = … }` or `{ event = … }`)",
        ),
        (
            stream("codec = \"sse\"\nlast = [{ data = \"a\", event = \"b\" }]"),
            "13: a last event is told by `data` or by `event`, expected one of them",
        ),
        (stream("codec = \"sse\"\nlast = [{ data = 1 }]"), "13: `data` is a number, expected a text"),
        (stream("codec = \"sse\"\nlast = [{ event = 1 }]"), "13: `event` is a number, expected a text"),
        (
            stream("codec = \"sse\"\nlast = { data = \"x\" }\nfailed = 1"),
            "14: `failed` is a number, expected a list of texts",
        ),
        (
            stream("codec = \"sse\"\nlast = { data = \"x\" }\nttl = \"1m\""),
            "14: `ttl` does not belong into `[operation.stream]`\nhint: `ttl` is a word of `[[operation]]` and `ttl = [{ … }]`",
        ),
    ];
    for (words, expected) in cases {
        let found = of_operation(&words);
        assert!(found.contains(&format!("a.toml:{expected}")), "{words}\n{found:#?}");
    }
}

/// Two operations with these paths and further words; the complaints.
fn two(one: &str, two: &str) -> Vec<String> {
    of_operation(&format!("name = \"o\"\nttl = \"1m\"\n{one}\n[[operation]]\nname = \"p\"\nttl = \"1m\"\n{two}"))
}

#[test]
fn ambiguous_rules() {
    let hint = "hint: make one of the paths more specific, or tell them apart with `match`";
    let cases = [
        ("when = \"GET /a/{x}\"", "when = \"GET /a/{y}\"", Some("`p` (`GET /a/{y}`) and `o` (`GET /a/{x}`)")),
        // The leftmost difference decides.
        ("when = \"GET /a/{x}/c\"", "when = \"GET /a/b/{y}\"", None),
        (
            "when = \"GET /a/{x...}\"",
            "when = \"GET /a/{y...}\"",
            Some("`p` (`GET /a/{y...}`) and `o` (`GET /a/{x...}`)"),
        ),
        ("when = \"GET /a/{x}\"", "when = \"GET /a/b\"", None),
        ("when = \"GET /a/{x}\"", "when = \"HEAD /a/{x}\"", None),
        ("when = \"GET /a\"", "when = \"GET /a\"\nmatch = { at = \"?b\", is = \"1\" }", None),
        (
            "when = \"GET /a\"\nmatch = { at = \"?b\", is = \"2\" }",
            // A repeated parameter may be both.
            "when = \"GET /a\"\nmatch = { at = \"?b\", is = \"1\" }",
            Some("`p` (`GET /a`) and `o` (`GET /a`)"),
        ),
        (
            "when = \"POST /a\"\nmatch = { at = \"/b\", is = \"2\" }",
            "when = \"POST /a\"\nmatch = { at = \"/b\", is = \"1\" }",
            None,
        ),
        (
            "when = \"POST /a\"\nmatch = { at = \"/b\", present = true }",
            "when = \"POST /a\"\nmatch = { at = \"/b\", present = false }",
            None,
        ),
        (
            "when = \"POST /a\"\nmatch = { at = \"/b\", is = [1, 2] }",
            "when = \"POST /a\"\nmatch = { at = \"/b\", is = [2, 3] }",
            Some("`p` (`POST /a`) and `o` (`POST /a`)"),
        ),
    ];
    for (first, second, expected) in cases {
        let line = 8 + 2 + first.lines().count() + 1 + 2;
        let expected = expected.map(|what| format!("a.toml:{line}: {what} match the same requests\n{hint}"));
        assert_eq!(two(first, second), Vec::from_iter(expected), "{first} / {second}");
    }
}

#[test]
fn names_twice() {
    let found = of_operation(
        "name = \"o\"\nttl = \"1m\"\nwhen = \"GET /a\"\n[[operation]]\nname = \"o\"\nttl = \"1m\"\nwhen = \"GET /b\"",
    );
    assert_eq!(found, ["a.toml:12: a second operation is named `o`"]);
}

#[test]
fn several_at_once() {
    let found = of_http("plain = 1\ndefault-type = \"x\"");
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn a_file_cut_anywhere_is_refused_or_read() {
    for builtin in crate::registry::Builtin::all() {
        for end in (0..builtin.adapter.len()).step_by(23).filter(|end| builtin.adapter.is_char_boundary(*end)) {
            let text = &builtin.adapter[..end];
            let Err(problems) = Adapter::parse(text, "cut.toml") else { continue };
            assert!(!problems.is_empty(), "{} cut at {end} is refused for no reason", builtin.name);
            let lines = text.lines().count() + 1;
            assert!(problems.iter().all(|problem| (1..=lines).contains(&problem.line)), "{problems:?}");
        }
    }
}
