"""What the gateway says of itself under `/-/`, and the statistics behind it."""
import re
import time

from support.ask import bearer, chat
from support.origin import json_reply

WHOLE = '{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}'
PATH = "/openai/v1/chat/completions"
TOTAL = {"hits", "misses", "hit_rate", "api_calls_saved", "api_calls_made", "expirations", "evictions", "ipfs_fallback_hits", "ipfs_fallback_misses",
         "cache_size", "max_cache_size", "cache_bytes", "max_cache_bytes"}


def used(home, origins):
    gateway = home.serve(openai=origins(lambda call: json_reply(WHOLE)).url)
    for text in ("a", "b", "a", "a"):
        gateway.post(PATH, chat(text), headers=bearer())
    # An answer's length is known, so its last byte may be here before the store has it.
    until = time.monotonic() + 10
    while home.json("stats")["total"]["cache_size"] < 2 and time.monotonic() < until:
        time.sleep(0.01)
    return gateway


def test_statistics_of_the_gateway_and_of_the_command_agree(home, origins):
    gateway = used(home, origins)
    got = gateway.get("/-/stats")
    assert got.status == 200 and got.header("content-type").startswith("application/json")
    told, printed = got.json(), home.json("stats")
    for document in (told, printed):
        assert document["schema"] == "larder.stats/1"
        assert TOTAL <= set(document["total"]), TOTAL - set(document["total"])
        total = document["total"]
        assert (total["hits"], total["misses"], total["api_calls_made"], total["api_calls_saved"]) == (2, 2, 2, 2)
        assert total["hit_rate"] == 0.5 and total["cache_size"] == 2 and total["cache_bytes"] > 0
        assert (total["expirations"], total["evictions"], total["ipfs_fallback_hits"], total["ipfs_fallback_misses"]) == (0, 0, 0, 0)
        operation = document["services"]["openai"]["operations"]["chat_completion"]
        assert (operation["hits"], operation["misses"]) == (2, 2)
        assert "index" in document


def test_statistics_survive_restarts(home, origins):
    assert used(home, origins).stop() == 0
    total = home.json("stats")["total"]
    assert (total["hits"], total["misses"]) == (2, 2)
    home.serve()
    assert home.json("stats")["total"]["hits"] == 2


def test_statistics_for_people(home, origins):
    used(home, origins)
    text = home.larder("stats").stdout
    assert "openai" in text and "chat_completion" in text and "50" in text


def test_metrics_are_prometheus(home, origins):
    gateway = used(home, origins)
    got = gateway.get("/-/metrics")
    assert got.status == 200 and got.header("content-type").startswith("text/plain")
    text = got.body.decode()
    sample = re.compile(r'[a-z_]+(\{([a-z_]+="[^"]*",?)*\})? -?[0-9.e+-]+')
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines and all(sample.fullmatch(line) for line in lines), text
    assert text.endswith("\n") and "# TYPE" in text and "# HELP" in text
    hits = [line for line in lines if "hits" in line and "chat_completion" in line]
    assert hits and hits[0].endswith(" 2"), text


def test_health(gateway):
    assert gateway.get("/-/health").status == 200
    assert gateway.get("/-/nothing").status == 404


def test_methods_of_its_own_endpoints(gateway):
    assert gateway.post("/-/stats", b"x", headers={"content-type": "text/plain"}).status == 405
