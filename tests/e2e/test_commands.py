"""The store's commands as a person and a script use them."""
import json
import subprocess
import time

import pytest

from support.ask import bearer, chat
from support.origin import json_reply

QUESTION = ["openai", "model_list"]
OTHER = ["openai", "chat_completion", "model=m", 'messages:=[{"role":"user","content":"hi"}]']


def put(home, question, value, *more):
    return home.larder("put", *question, *more, input=value)


def test_put_get(home):
    assert home.larder("get", *QUESTION, ok=False).returncode == 3
    put(home, QUESTION, '{"data": [1]}')
    done = home.larder("get", *QUESTION)
    assert json.loads(done.stdout) == {"data": [1]} and done.stderr == ""
    assert home.larder("get", *OTHER, ok=False).returncode == 3


def test_any_bytes(home):
    value = bytes(range(256)) * 5000
    home.larder("put", *QUESTION, input=value, text=False)
    assert home.larder("get", *QUESTION, text=False).stdout == value, "a pipe gets the bytes and nothing else"


def test_ttl_of_put(home):
    put(home, QUESTION, "x", "--ttl", "2s")
    assert home.larder("get", *QUESTION).stdout.strip() == "x"
    time.sleep(2.1)
    assert home.larder("get", *QUESTION, ok=False).returncode == 3


def test_put_replaces(home):
    for value in ("one", "two"):
        put(home, QUESTION, value)
    assert home.larder("get", *QUESTION).stdout.strip() == "two"
    assert len(home.json("ls")["entries"]) == 1


def test_list_show_remove(home):
    put(home, QUESTION, "one")
    put(home, OTHER, "two")
    key = home.larder("key", *QUESTION).stdout.strip()
    entries = home.json("ls")["entries"]
    assert [e["operation"] for e in entries] == ["chat_completion", "model_list"], "the newest first"
    assert [e["key"] for e in home.json("ls", key[:20])["entries"]] == [key]
    assert [e["key"] for e in home.json("ls", "--operation", "model_list")["entries"]] == [key]
    assert home.json("ls", "--service", "anthropic")["entries"] == []
    assert key in home.larder("ls").stdout
    (shown,) = home.json("show", key)["entries"]
    assert shown["key"] == key and (shown["service"], shown["operation"]) == tuple(QUESTION)
    assert home.larder("show", key, "--body").stdout.strip() == "one"
    assert home.larder("rm", key, "--dry-run").returncode == 0
    assert len(home.json("ls")["entries"]) == 2, "a dry run removes nothing"
    home.larder("rm", key)
    assert [e["operation"] for e in home.json("ls")["entries"]] == ["chat_completion"]
    assert home.larder("show", key, ok=False).returncode == 3


@pytest.mark.parametrize("words", [["--service", "openai"], ["--operation", "model_list"], ["--service", "openai", "--operation", "model_list"]], ids=" ".join)
def test_remove_by_name(words, home):
    put(home, QUESTION, "one")
    put(home, ["kubernetes", "namespace_list"], "two")
    home.larder("rm", *words)
    assert [e["service"] for e in home.json("ls")["entries"]] == ["kubernetes"]


def test_remove_without_saying_what(home):
    put(home, QUESTION, "one")
    assert home.larder("rm", ok=False).returncode == 2
    assert len(home.json("ls")["entries"]) == 1


def test_a_running_gateway_sees_what_a_command_removed(home, origins):
    origin = origins(lambda call: json_reply('{"choices":[{"finish_reason":"stop"}]}'))
    gateway = home.serve(openai=origin.url)
    for _ in range(2):
        gateway.post("/openai/v1/chat/completions", chat(), headers=bearer())
    home.larder("rm", "--service", "openai")
    got = gateway.post("/openai/v1/chat/completions", chat(), headers=bearer())
    assert "hit" not in got.cache and len(origin.calls) == 2


def test_a_running_gateway_serves_what_a_command_put(home, origins):
    origin = origins(lambda call: json_reply("{}"))
    gateway = home.serve(openai=origin.url)
    put(home, [*QUESTION, "--share", "anonymous", "--origin", origin.url], '{"data":[7]}')
    got = gateway.get("/openai/v1/models")
    assert got.status == 200 and got.json() == {"data": [7]} and not origin.calls


def test_store_before_and_after_the_command(home):
    elsewhere = home.folder / "elsewhere"
    home.larder("--store", elsewhere, "put", *QUESTION, input="x")
    assert home.larder("get", *QUESTION, "--store", elsewhere).stdout.strip() == "x"
    assert home.larder("get", *QUESTION, env={"LARDER_STORE": str(elsewhere)}).stdout.strip() == "x"
    assert home.larder("get", *QUESTION, ok=False).returncode == 3


def test_env_prints_lines_for_a_shell(home):
    text = home.larder("env").stdout
    done = subprocess.run(["sh", "-ec", f"{text}\nenv"], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 0, done.stderr
    assert "OPENAI_BASE_URL=http://127.0.0.1:7117/openai/v1\n" in done.stdout
    assert "ANTHROPIC_BASE_URL=http://127.0.0.1:7117/anthropic\n" in done.stdout


def test_adapters(home, request):
    text = home.larder("adapters").stdout
    for name in ("openai", "anthropic", "gh", "kubernetes", "huggingface"):
        assert name in text
    folder = request.config.rootpath.parent.parent / "crates/larder-core/adapters"
    for file in sorted(folder.glob("*.toml")):
        words = ["test" if file.name.endswith(".test.toml") else "check", file]
        assert home.larder("adapters", *words).returncode == 0, file


def test_an_adapter_of_the_users_own(home, origins):
    folder = home.folder / "config" / "larder" / "adapters"
    folder.mkdir(parents=True)
    folder.joinpath("weather.toml").write_text("""\
format  = 1
name    = "weather"
summary = "Tomorrow's weather"

[http]
base-url = "https://weather.example"

[[operation]]
name = "forecast"
when = "GET /v2/forecast/{city}"
ttl  = "10m"
""")
    assert "weather" in home.larder("adapters").stdout
    origin = origins(lambda call: json_reply('{"rain": false}'))
    gateway = home.serve(weather=origin.url)
    for _ in range(2):
        assert gateway.get("/weather/v2/forecast/bern?days=2").json() == {"rain": False}
    assert len(origin.calls) == 1
    assert home.json("stats")["services"]["weather"]["operations"]["forecast"]["hits"] == 1


def test_configuration_and_where_it_came_from(home):
    folder = home.folder / "config" / "larder"
    folder.mkdir(parents=True)
    folder.joinpath("config.toml").write_text('max-size = "1GiB"\n')
    text = home.larder("config", "show", "--origin").stdout
    line = next(line for line in text.splitlines() if "max-size" in line)
    assert "config.toml:1" in line
    assert "LARDER_STORE" in next(line for line in text.splitlines() if line.strip().startswith("store"))


def test_a_name_for_an_origin_is_in_the_key_in_its_place(home, origins):
    one, two = (origins(lambda call: json_reply('{"choices":[{"finish_reason":"stop"}]}')) for _ in range(2))
    folder = home.folder / "config" / "larder"
    folder.mkdir(parents=True)
    for origin in (one, two):
        folder.joinpath("config.toml").write_text(f'[service.openai]\nupstream = "{origin.url}"\nname = "prod"\n')
        gateway = home.serve()
        assert gateway.post("/openai/v1/chat/completions", chat(), headers=bearer()).status == 200
        gateway.stop()
    assert len(one.calls) == 1 and not two.calls


def test_explain_a_request(home, origins):
    body = home.folder / "b.json"
    body.write_text(json.dumps(chat(user="alice")))
    text = home.larder("explain", "openai", "POST", "/v1/chat/completions", "--body", body).stdout
    for word in ("chat_completion", "temperature", "user", "bafkrei"):
        assert word in text, word
    assert home.json("explain", "openai", "POST", "/v1/chat/completions", "--body", body)["key"].startswith("bafkrei")


def test_explain_a_miss_names_the_nearest_question(home):
    put(home, ["openai", "chat_completion", "model=m", "temperature:=0", "top_p:=1"], "x")
    body = home.folder / "b.json"
    body.write_text('{"model":"m","temperature":0.7,"top_p":1}')
    text = home.larder("explain", "openai", "POST", "/v1/chat/completions", "--body", body).stdout
    assert "temperature" in text and "0.7" in text


def test_explain_what_passes_through(home):
    assert "pass" in home.larder("explain", "openai", "GET", "/v1/files").stdout.lower()


def test_explain_a_command(home):
    text = home.larder("explain", "--", "gh", "repo", "list", "acme").stdout
    assert "repo_list" in text and "bafkrei" in text
    assert "bafkrei" not in home.larder("explain", "--", "gh", "auth", "token").stdout


def test_size_limit_evicts(home, origins):
    origin = origins(lambda call: json_reply('{"choices":[{"finish_reason":"stop"}],"pad":"%s"}' % ("z" * 200_000)))
    folder = home.folder / "config" / "larder"
    folder.mkdir(parents=True)
    folder.joinpath("config.toml").write_text('max-size = "2MiB"\n')
    gateway = home.serve(openai=origin.url)
    for n in range(30):
        gateway.post("/openai/v1/chat/completions", chat(str(n)), headers=bearer())
    gateway.stop()
    total = home.json("stats")["total"]
    assert total["evictions"] > 0 and total["max_cache_bytes"] == 2 << 20
    assert total["cache_bytes"] <= 2 << 20
    assert sum(p.stat().st_size for p in home.store.rglob("*") if p.is_file()) < 8 << 20
    assert home.json("ls")["entries"], "something is left"
