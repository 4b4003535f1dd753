"""Canaries: a credential goes in by every way, and must be found nowhere but at the origin."""
import json
import subprocess

import pytest

from support.ask import chat
from support.origin import Reply, json_reply
from support.raw import request
from support.tool import Tool

WHOLE = '{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}'
HEADERS = ["authorization", "cookie", "x-api-key", "api-key", "x-goog-api-key", "x-amz-security-token", "x-auth-token"]
QUERY = ["api_key", "key", "token", "access_token", "signature", "X-Amz-Signature", "sig"]


def canary(name):
    """A value that names where it went in, and that no scanner would know by its form."""
    return f"canary-{name.lower()}-9f3b"


def files_with(home, text):
    wanted = text.encode()
    return [p for p in home.folder.rglob("*") if p.is_file() and wanted in p.read_bytes()]


def everything_shown(home, gateway):
    """All that larder prints of itself."""
    shown = [gateway.get(path).body.decode() for path in ("/-/metrics", "/-/stats", "/-/health")]
    shown.append(gateway.said())
    for words in (["stats"], ["ls"], ["config", "show"], ["config", "show", "--origin"], ["env"]):
        done = [home.larder(*words, ok=False), home.larder(*words, "--json", ok=False)]
        shown += [d.stdout + d.stderr for d in done]
    for entry in home.json("ls")["entries"]:
        for words in (["show", entry["key"]], ["show", entry["key"], "--json"], ["show", entry["key"], "--body"]):
            done = home.larder(*words, ok=False)
            shown.append(done.stdout + done.stderr)
    return "\n".join(shown)


@pytest.fixture
def origin(origins):
    return origins(lambda call: json_reply(WHOLE, cache_control="max-age=60"))


@pytest.fixture
def gateway(home, origin):
    return home.serve(openai=origin.url, plain=origin.url, env={"RUST_LOG": "trace", "LARDER_LOG": "trace"})


def assert_nowhere(text, home, gateway, entries=1):
    home.settle(entries)
    assert text not in everything_shown(home, gateway)
    gateway.stop()
    assert not files_with(home, text)


@pytest.mark.parametrize("name", HEADERS)
def test_headers(name, home, gateway, origin):
    for _ in range(2):
        gateway.post("/openai/v1/chat/completions", chat(), headers={name: canary(name)})
        gateway.get("/plain/page", headers={name: canary(name)})
    assert origin.calls[0].header(name) == canary(name)
    assert_nowhere(canary(name), home, gateway)


@pytest.mark.parametrize("name", QUERY)
def test_query(name, home, gateway, origin):
    for _ in range(2):
        gateway.post(f"/openai/v1/chat/completions?{name}={canary(name)}", chat())
        gateway.get(f"/plain/page?a=1&{name}={canary(name)}")
    assert canary(name) in origin.calls[0].target
    assert_nowhere(canary(name), home, gateway)


@pytest.mark.parametrize("name", ["x-api-key", "cookie", "authorization"])
def test_two_values_of_a_header_are_two_callers(name, gateway, origin):
    for value in ("one", "two", "one"):
        gateway.post("/openai/v1/chat/completions", chat(), headers={name: value})
    assert len(origin.calls) == 2


@pytest.mark.parametrize("name", ["api_key", "token", "X-Amz-Signature"])
def test_two_values_in_the_query_are_two_callers(name, gateway, origin):
    for value in ("one", "two", "one"):
        gateway.post(f"/openai/v1/chat/completions?{name}={value}", chat())
    assert len(origin.calls) == 2


def test_body_of_a_refusal(home, origins):
    secret = canary("refused")
    origin = origins(lambda call: json_reply(json.dumps({"error": {"message": f"Incorrect API key provided: {secret}"}}), 401))
    gateway = home.serve(openai=origin.url, env={"RUST_LOG": "trace", "LARDER_LOG": "trace"})
    for _ in range(2):
        assert secret in gateway.post("/openai/v1/chat/completions", chat(), headers={"authorization": f"Bearer {secret}"}).body.decode()
    assert len(origin.calls) == 2
    assert_nowhere(secret, home, gateway, entries=0)


def test_cookie_that_the_origin_sets(home, origins):
    secret = canary("set-cookie")
    origin = origins(lambda call: Reply(200, [("content-type", "application/json"), ("set-cookie", f"s={secret}")], WHOLE.encode()))
    gateway = home.serve(openai=origin.url)
    for _ in range(2):
        gateway.post("/openai/v1/chat/completions", chat())
    assert len(origin.calls) == 1
    assert_nowhere(secret, home, gateway)


def test_upstream_with_a_password(home, origins):
    secret = canary("password")
    origin = origins(lambda call: json_reply(WHOLE))
    gateway = home.serve(wait=False, openai=origin.url.replace("http://", f"http://user:{secret}@"))
    try:
        assert gateway.process.wait(3) == 2, "refused, or else used and never shown"
    except subprocess.TimeoutExpired:
        gateway.ready().post("/openai/v1/chat/completions", chat())
        assert_nowhere(secret, home, gateway)
    assert secret not in gateway.said()


def test_variables_of_a_tool(home):
    secret = canary("env")
    tool = Tool(home.folder, 'printf "%s" "${#API_TOKEN}"')
    for _ in range(2):
        home.larder("run", "--ttl", "1h", "--env", "API_TOKEN", "--", tool.path, env={"API_TOKEN": secret})
    explained = home.larder("explain", "--ttl", "1h", "--", tool.path, env={"API_TOKEN": secret})
    assert secret not in explained.stdout + explained.stderr
    assert tool.runs == 1
    assert not files_with(home, secret)


def test_explain_of_a_request(home):
    secret, body = canary("explain"), home.folder / "body.json"
    body.write_text(json.dumps(chat()))
    flags = ["--header", f"authorization: Bearer {secret}"]
    for more in ([], ["--json"]):
        done = home.larder("explain", "openai", "POST", f"/v1/chat/completions?api_key={secret}", "--body", body, *flags, *more)
        assert secret not in done.stdout + done.stderr and "chat_completion" in done.stdout


def test_files_are_this_users_alone(home, gateway):
    gateway.post("/openai/v1/chat/completions", chat(), headers={"authorization": "Bearer k"})
    mine = [p for folder in (home.store, home.folder / "config") for p in [folder, *folder.rglob("*")]]
    assert len(mine) > 4 and not [p for p in mine if p.stat().st_mode & 0o077]


def test_an_anonymous_caller_gets_nobodys_answer(gateway, origin):
    gateway.post("/openai/v1/chat/completions", chat(), headers={"authorization": "Bearer k"})
    gateway.post("/openai/v1/chat/completions", chat())
    assert len(origin.calls) == 2
    assert gateway.post("/openai/v1/chat/completions", chat()).cache["hit"] is True


class Door:
    """An origin that accepts some keys and counts."""

    def __init__(self, *accepted):
        self.accepted = {f"Bearer {key}" for key in accepted}

    def answer(self, call):
        return json_reply(WHOLE) if call.header("authorization") in self.accepted else json_reply('{"error":{"message":"no"}}', 401)


def test_shared_answers_go_only_to_whom_the_origin_accepted(home, origins):
    origin = origins(Door("one", "two").answer)
    ask = lambda gateway, key, text="q": gateway.post("/openai/v1/chat/completions", chat(text), headers={"authorization": f"Bearer {key}"})  # noqa: E731
    gateway = home.serve("--share", "team", openai=origin.url)
    assert ask(gateway, "one").status == 200 and len(origin.calls) == 1
    assert ask(gateway, "bad").status == 401, "an invalid key gets its 401 from the origin"
    assert len(origin.calls) == 2
    assert ask(gateway, "two").status == 200 and len(origin.calls) == 3, "not known yet"
    assert ask(gateway, "two").cache["hit"] is True and len(origin.calls) == 3
    gateway.stop()
    gateway = home.serve("--share", "team", openai=origin.url)
    assert ask(gateway, "two").cache["hit"] is True and len(origin.calls) == 3, "remembered across a restart"
    assert ask(gateway, "bad").status == 401 and len(origin.calls) == 4
    ask(gateway, "one", "another")
    assert ask(gateway, "two", "another").cache["hit"] is True and len(origin.calls) == 5


def test_default_share_is_the_credential(home, origins):
    origin = origins(Door("one", "two").answer)
    gateway = home.serve(openai=origin.url)
    for key in ("one", "two", "bad", "one", "two", "bad"):
        gateway.post("/openai/v1/chat/completions", chat(), headers={"authorization": f"Bearer {key}"})
    assert len(origin.calls) == 4


def test_private_forbids_anything_wider_than_the_credential(home, origins):
    origin = origins(lambda call: json_reply(WHOLE, cache_control="private"))
    gateway = home.serve("--share", "team", openai=origin.url)
    for key in ("one", "two", "one", "two"):
        gateway.post("/openai/v1/chat/completions", chat(), headers={"authorization": f"Bearer {key}"})
    assert len(origin.calls) >= 2, "no answer of one went to the other before its own call"


def test_another_installation_makes_other_keys(homes, origin):
    keys = set()
    for name in ("alice", "bob"):
        user = homes(name)
        got = user.serve(openai=origin.url).post("/openai/v1/chat/completions", chat(), headers={"authorization": "Bearer k"})
        keys.add(got.cache["key"])
    assert len(keys) == 2, "the digest of a credential is under the installation's secret"


def test_a_web_page_cannot_reach_it(gateway, origin):
    port = gateway.port
    for headers in ({"host": "evil.example"}, {"host": f"evil.example:{port}"}, {"origin": "https://evil.example"}, {"origin": "null"}):
        for path in ("/openai/v1/models", "/-/stats", "/-/metrics", "/-/health"):
            assert request(gateway.url + path, headers=headers).status == 403, (headers, path)
    assert not origin.calls
    for headers in ({"host": f"localhost:{port}"}, {"host": f"127.0.0.1:{port}", "origin": f"http://127.0.0.1:{port}"}):
        assert request(gateway.url + "/-/health", headers=headers).status == 200
