"""What is wrong, broken or missing: nothing of it may break a call, and every refusal says what to do."""
import json
import os
import shutil
import subprocess

import pytest

from support.ask import bearer, chat
from support.origin import json_reply
from support.program import free_port

WHOLE = '{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}'
PATH = "/openai/v1/chat/completions"
BODIES = {
    "not JSON": b"{not json",
    "cut short": b'{"model":"m"',
    "two documents": b'{"model":"m"}{}',
    "a member twice": b'{"model":"m","model":"n","messages":[]}',
    "lone surrogate": b'{"model":"\\ud800","messages":[]}',
    "not UTF-8": b'{"model":"\xff","messages":[]}',
    "deep": b'{"model":"m","messages":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "a huge exponent": b'{"model":"m","temperature":1e999,"messages":[]}',
}


@pytest.mark.parametrize("name", BODIES)
def test_body_that_cannot_be_read_passes_through_uncached(name, home, origins):
    origin = origins(lambda call: json_reply(WHOLE))
    gateway = home.serve(openai=origin.url)
    for _ in range(2):
        got = gateway.post(PATH, BODIES[name], headers={**bearer(), "content-type": "application/json"})
        assert got.status == 200 and got.body == WHOLE.encode()
    assert [c.body for c in origin.calls] == [BODIES[name]] * 2


def test_upstream_down(home):
    gateway = home.serve(openai=f"http://127.0.0.1:{free_port()}")
    got = gateway.post(PATH, chat(), headers=bearer())
    assert got.status == 502
    assert "openai" in got.body.decode() and "hint" in got.body.decode().lower()
    assert "hit" not in got.cache


@pytest.mark.parametrize("words", [["--no-such-flag"], ["no-such-command"], [], ["serve", "--listen", "nonsense"], ["serve", "--upstream", "no-url"],
                                   ["serve", "--upstream", "x=ftp://h"], ["get", "openai"], ["key", "openai", "chat_completion", "model"],
                                   ["key", "openai", "chat_completion", "n:=not json"], ["put", "openai", "model_list", "--ttl", "soon"], ["run"],
                                   ["run", "--ttl", "soon", "--", "true"], ["run", "--nonsense", "--", "true"], ["key", "nobody", "nothing"],
                                   ["key", "openai", "no_such_operation"]], ids=" ".join)
def test_wrong_words_are_exit_2_with_usage_or_a_hint(words, home):
    done = home.larder(*words, ok=False)
    assert done.returncode == 2, done
    assert done.stdout == "" and any(word in done.stderr for word in ("hint:", "Usage:", "expected")), done.stderr


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:80", "example.com:80"])
def test_only_loopback(address, home):
    done = home.larder("serve", "--listen", address, ok=False)
    assert done.returncode == 2 and address in done.stderr and "hint:" in done.stderr and "loopback" in done.stderr


def test_occupied_port(home, gateway):
    done = home.larder("serve", "--listen", f"127.0.0.1:{gateway.port}", ok=False)
    assert done.returncode not in (0, 101) and str(gateway.port) in done.stderr


CONFIGS = {
    'store = "s"\nlissten = "127.0.0.1:1"\n': (2, "lissten"),
    'max-size = "much"\n': (1, "much"),
    "\n\nstore = [\n": (3, ""),
    '[service.openai]\nupstream = "http://127.0.0.1:1"\nnonsense = 1\n': (3, "nonsense"),
    'share = "world"\n': (1, "world"),
}


@pytest.mark.parametrize("text", CONFIGS)
def test_wrong_configuration_names_file_and_line(text, home):
    line, word = CONFIGS[text]
    file = home.folder / "my.toml"
    file.write_text(text)
    for words in (["stats"], ["serve"], ["ls"], ["config", "show"]):
        done = home.larder(*words, "--config", file, ok=False)
        assert done.returncode == 2, done
        assert f"{file}:{line}" in done.stderr and word in done.stderr, done.stderr


def test_missing_configuration_that_was_named(home):
    done = home.larder("stats", "--config", home.folder / "none.toml", ok=False)
    assert done.returncode == 2 and "none.toml" in done.stderr


@pytest.mark.parametrize("kind", ["a file", "no such parent", "not writable", "damaged"])
def test_unusable_store_costs_only_the_cache(kind, home, origins):
    store = home.folder / "bad"
    if kind == "a file":
        store.write_text("x")
    elif kind == "no such parent":
        store = home.folder / "plain" / "deep"
        store.parent.write_text("x")
    elif kind == "not writable":
        if os.geteuid() == 0:
            store = __import__("pathlib").Path("/proc/larder")
        else:
            store.mkdir(mode=0o500)
    else:
        home.larder("ls", "--store", store)
        for path in [p for p in store.rglob("*") if p.is_file()]:
            path.write_bytes(b"not a store" * 1000)
    origin = origins(lambda call: json_reply(WHOLE))
    gateway = home.serve(openai=origin.url, store=store)
    for _ in range(3):
        got = gateway.post(PATH, chat(), headers=bearer())
        assert got.status == 200 and got.body == WHOLE.encode()
    said = gateway.said()
    assert len([line for line in said.splitlines() if "store" in line and ("warn" in line.lower() or "hint" in line)]) <= 2
    if kind != "damaged":
        assert str(store) in said, "one warning that names it"


def test_store_that_vanishes_while_it_serves(home, origins):
    origin = origins(lambda call: json_reply(WHOLE))
    gateway = home.serve(openai=origin.url)
    gateway.post(PATH, chat(), headers=bearer())
    shutil.rmtree(home.store)
    for text in ("the river", "b", "b"):
        assert gateway.post(PATH, chat(text), headers=bearer()).status == 200
    assert gateway.stop() == 0


def damage(home, change):
    """Changes stored bodies on disk; how many."""
    files = [p for p in home.store.rglob("*") if p.is_file() and b"yyyyyyyy" in p.read_bytes()]
    for path in files:
        path.write_bytes(change(path.read_bytes()))
    return len(files)


@pytest.mark.parametrize("size", [2_000, 300_000, 5_000_000])
def test_a_changed_body_is_never_an_answer(size, home, origins):
    big = WHOLE.replace("hi", "y" * size)
    origin = origins(lambda call: json_reply(big))
    gateway = home.serve(openai=origin.url)
    gateway.post(PATH, chat(), headers=bearer())
    assert gateway.stop() == 0
    assert damage(home, lambda data: data.replace(b"yyyyyyyy", b"yyyyzyyy", 1)) >= 1
    gateway = home.serve(openai=origin.url)
    got = gateway.post(PATH, chat(), headers=bearer())
    assert got.status == 200 and got.body == big.encode()
    assert len(origin.calls) == 2


def test_wrong_adapter_names_file_and_line(home):
    file = home.folder / "bad.toml"
    file.write_text('format = 1\nname = "bad"\nsummary = "x"\nnonsense = true\n')
    done = home.larder("adapters", "check", file, ok=False)
    assert done.returncode == 2 and f"{file}:4" in done.stdout + done.stderr and "nonsense" in done.stdout + done.stderr


def test_pipe_that_closes_early(home, gateway, llm):
    from support.ask import openai_client
    for n in range(5):
        openai_client(gateway).chat.completions.create(**chat(f"question {n}"))
    process = subprocess.Popen(["sh", "-c", f"'{home.binary}' ls | head -1"], env=home.env, cwd=home.work, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = process.communicate(timeout=10)
    assert out and "panicked" not in err


def test_request_smuggling_shapes_are_refused(home, origins):
    import socket
    origin = origins(lambda call: json_reply(WHOLE))
    gateway = home.serve(openai=origin.url)
    shapes = [
        b"POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /openai/v1/models HTTP/1.1\r\nHost: %s\r\n\r\n",
        b"POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n{}{}\r\nX: %s\r\n",
        b"GET %s HTTP/1.1\r\nHost: %s\r\nBad Name: x\r\n\r\n%s",
    ]
    host = f"127.0.0.1:{gateway.port}".encode()
    for shape in shapes:
        with socket.create_connection(("127.0.0.1", gateway.port), 5) as connection:
            connection.sendall(shape % (PATH.encode(), host, host))
            connection.settimeout(1)
            try:
                connection.recv(65536)
            except TimeoutError:
                pass
    assert not [c for c in origin.calls if c.method == "GET"], "a request that hid in another's body reached the origin"
    assert gateway.get("/-/health").status == 200


def test_help_and_version(home):
    for words in (["--help"], ["--version"], ["serve", "--help"], ["run", "--help"], ["stats", "-h"]):
        done = home.larder(*words)
        assert done.stdout and not done.stderr


def test_json_everywhere(home):
    body = home.folder / "b.json"
    body.write_text(json.dumps(chat()))
    for words in (["stats"], ["ls"], ["adapters"], ["adapters", "list"], ["config", "show"], ["env"], ["key", "openai", "model_list"],
                  ["explain", "openai", "POST", "/v1/chat/completions", "--body", body], ["rm", "--service", "openai", "--dry-run"]):
        assert home.json(*words)["schema"]
