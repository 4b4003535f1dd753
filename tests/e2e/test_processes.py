"""Several processes at one store, and some of them killed."""
import concurrent.futures
import itertools
import random
import signal
import subprocess
import threading
import time

import pytest

from support.ask import bearer, chat
from support.origin import Reply, json_reply
from support.raw import request
from support.tool import Tool

WHOLE = '{"id":"%s","choices":[{"finish_reason":"stop"}]}'
PATH = "/openai/v1/chat/completions"


def test_gateway_runners_and_puts_at_once_count_exactly(home, origins):
    origin = origins(lambda call: json_reply(WHOLE % "x"))
    gateway = home.serve(openai=origin.url)
    tools = [Tool(home.folder, f"echo {n}", f"tool{n}") for n in range(4)]
    runs, posts, puts = 48, 120, 16

    def job(n):
        if n < runs:
            tool = n % 4
            assert home.larder("run", "--ttl", "1h", "--", tools[tool].path).stdout == f"{tool}\n"
        elif n < runs + posts:
            assert gateway.post(PATH, chat(str(n % 10)), headers=bearer()).status == 200
        else:
            home.larder("put", "openai", "embedding", f"input={n}", "model=m", input=f"value {n}")

    jobs = list(range(runs + posts + puts))
    random.Random(1).shuffle(jobs)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(job, jobs))
    assert [t.runs for t in tools] == [1] * 4 and len(origin.calls) == 10
    for stats in (home.json("stats"), gateway.get("/-/stats").json()):
        total = stats["total"]
        assert total["hits"] + total["misses"] + 0 <= runs + posts
        assert total["api_calls_made"] == 14
        assert total["api_calls_made"] + total["api_calls_saved"] == runs + posts
        assert total["cache_size"] == 14 + puts
    assert gateway.stop() == 0
    assert home.json("stats")["total"] == {**total, "cache_bytes": home.json("stats")["total"]["cache_bytes"]}
    for n in range(runs + posts, runs + posts + puts):
        assert home.larder("get", "openai", "embedding", f"input={n}", "model=m").stdout.strip() == f"value {n}"


def test_two_gateways_at_one_store(home, origins):
    origin = origins(lambda call: json_reply(WHOLE % "x"))
    one, two = home.serve(openai=origin.url), home.serve(openai=origin.url)
    one.post(PATH, chat(), headers=bearer())
    home.settle()
    assert two.post(PATH, chat(), headers=bearer()).cache["hit"] is True
    assert len(origin.calls) == 1


def test_a_write_through_one_gateway_beats_a_read_that_is_under_way_through_another(home, origins):
    version, reading, may_end = [b"old"], threading.Event(), threading.Event()

    def answer(call):
        if call.method == "POST":
            version[0] = b"new"
            return Reply(200, [], b"written")
        body = version[0]
        if body == b"old":
            reading.set()
            assert may_end.wait(20)
        return Reply(200, [("cache-control", "max-age=60")], body)

    origin = origins(answer)
    one, two = home.serve(site=origin.url), home.serve(site=origin.url)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        early = pool.submit(two.get, "/site/a")
        assert reading.wait(20)
        assert one.post("/site/a", b"new").body == b"written"
        assert two.get("/site/a").body == b"new", "a flight from before the write is not for who comes after it"
        may_end.set()
        assert early.result().body == b"old"
    assert [gateway.get("/site/a").body for gateway in (one, two, one, two)] == [b"new"] * 4
    assert len(origin.calls) == 3, "what was asked after the write is kept, whatever lands after it"


@pytest.mark.parametrize("seed", range(3))
def test_kill_9_in_the_middle_of_writing(seed, home, origins):
    """Whatever was killed: the next start serves whole answers, of the right question, or asks again."""
    size = 300_000

    def answer(call):
        import json
        text = json.loads(call.body)["messages"][0]["content"]
        return json_reply('{"choices":[{"finish_reason":"stop"}],"text":"%s"}' % (text * (size // len(text))))

    origin = origins(answer)
    gateway, chance = home.serve(openai=origin.url), random.Random(seed)

    def flood(n):
        try:
            request(gateway.url + PATH, "POST", chat(f"q{n:03}"), bearer(), timeout=5)
        except OSError:
            pass
        except Exception as error:
            assert "IncompleteRead" in type(error).__name__ or "Disconnected" in type(error).__name__ or "BadStatus" in type(error).__name__

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(flood, n) for n in range(60)]
        time.sleep(0.1 + chance.random() * 0.3)
        gateway.process.send_signal(signal.SIGKILL)
        gateway.process.wait()
        for job in jobs:
            job.result()
    before = len(origin.calls)
    gateway = home.serve(openai=origin.url)
    hits = 0
    for n in range(60):
        got = gateway.post(PATH, chat(f"q{n:03}"), headers=bearer())
        assert got.status == 200
        assert got.json()["text"] == f"q{n:03}" * (size // 4)
        hits += got.cache.get("hit") is True
    assert len(origin.calls) - before == 60 - hits
    assert home.json("ls")["schema"] and gateway.stop() == 0


def test_what_was_answered_before_a_kill_is_kept(home, origins):
    origin = origins(lambda call: json_reply(WHOLE % "x"))
    gateway = home.serve(openai=origin.url)
    for n in range(20):
        gateway.post(PATH, chat(str(n)), headers=bearer())
    home.settle(20)
    gateway.kill()
    gateway = home.serve(openai=origin.url)
    for n in range(20):
        assert gateway.post(PATH, chat(str(n)), headers=bearer()).cache.get("hit") is True
    assert len(origin.calls) == 20


def test_a_killed_gateway_keeps_no_half_stream(home, origins):
    def events():
        for n in range(40):
            yield b'data: {"choices":[{"index":0,"delta":{"content":"%d"},"finish_reason":null}]}\n\n' % n
        yield b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'

    origin = origins(lambda call: Reply(200, [("content-type", "text/event-stream")], events()))
    origin.pace = 0.02
    gateway = home.serve(openai=origin.url)
    client = subprocess.Popen(["curl", "-sN", gateway.url + PATH, "-H", "content-type: application/json", "-H", "authorization: Bearer sk-test-one",
                               "--data-binary", __import__("json").dumps(chat(stream=True))], stdout=subprocess.PIPE)
    client.stdout.read(200)
    gateway.kill()
    client.communicate()
    origin.pace = 0
    gateway = home.serve(openai=origin.url)
    got = gateway.post(PATH, chat(stream=True), headers=bearer())
    assert got.body == b"".join(events()) and len(origin.calls) == 2


def test_nothing_of_unfinished_work_stays_for_ever(home, origins):
    letters = iter("xyz")  # equal bodies would be one file
    origin = origins(lambda call: json_reply(WHOLE % (next(letters) * 3_000_000)))
    gateway = home.serve(openai=origin.url)
    for n in range(3):
        gateway.post(PATH, chat(str(n)), headers=bearer())
    gateway.stop()
    home.larder("rm", "--service", "openai")
    home.serve(openai=origin.url).stop()
    left = sum(p.stat().st_size for p in home.store.rglob("*") if p.is_file())
    assert left < 6_000_000, f"{left} bytes of removed answers are still on disk"


def test_the_limit_bounds_what_is_on_the_disk_and_a_removal_leaves_no_body(home, origins):
    numbers = itertools.count()
    origin = origins(lambda call: json_reply(WHOLE % (f"{next(numbers):08}" * 125_000)))
    gateway = home.serve(openai=origin.url, env={"LARDER_MAX_SIZE": "8MiB"})
    for n in range(40):
        assert gateway.post(PATH, chat(str(n)), headers=bearer()).status == 200
    gateway.stop()
    bodies = [p.stat().st_size for p in home.store.glob("v2/bodies/*/*")]
    assert 1_000_000 <= sum(bodies) < 12_000_000, bodies
    home.larder("rm", "--service", "openai")
    assert not list(home.store.glob("v2/bodies/*/*"))
