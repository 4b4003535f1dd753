"""A hit of an LLM call through the gateway (2 KiB asked, 2 KiB answered), beside a bare hyper echo and LiteLLM's proxy."""

import contextlib
import json
import os
import tempfile
import time
from pathlib import Path

from load import CREDENTIAL, POST, chat, per_cpu_second, question, rounds, wrk
from place import PEERS
from server import check, free_port, gateway, get, hyper, running
from table import Line

SIZE = 2048
BODY = chat("What is the answer?")


@contextlib.contextmanager
def litellm(place, origin):
    """LiteLLM's proxy with its cache in memory in front of `origin`."""
    with tempfile.TemporaryDirectory(dir=place.root) as folder:
        port, config = free_port(), Path(folder) / "config.yaml"
        config.write_text((PEERS / "litellm.yaml").read_text().replace("ORIGIN", origin))
        command = [place.python().parent / "litellm", "--config", config, "--host", "127.0.0.1", "--port", str(port)]
        # Without the network it would wait for a list of prices.
        env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": CREDENTIAL.removeprefix("Bearer ")}
        url, log = f"http://127.0.0.1:{port}", place.root / "litellm.log"
        with running(command, url, log, "/health/liveliness", cwd=folder, env=env) as server:
            yield server


def content(url):
    """(what the assistant says, headers) of the question that is measured."""
    body, headers = get(url, BODY, POST)
    return json.loads(body)["choices"][0]["message"]["content"], headers


def both_hit(url, theirs, origin, asked):
    """Both answer with what the origin said, and it was not asked again."""
    words, headers = content(url)
    check("larder; hit" in headers["cache-status"], headers["cache-status"])
    check(words == content(theirs)[0] and set(words) == {"w"}, f"other words: {words}")
    check(origin.asked() == asked, f"the origin was asked {origin.asked() - asked} times more")


def latency(place, url, echo):
    """p50 over one connection in µs: (larder, bare hyper)."""
    seconds = 2 if place.quick else 4
    p50 = lambda url: lambda: wrk(place, url, seconds, 1, SIZE, **question(BODY))[1]
    return rounds(place, p50(url), p50(echo))


def measure(place):
    with hyper(place, "chat", SIZE) as origin, hyper(place, "echo") as echo:
        with gateway(place, "--upstream", f"openai={origin.url}") as ours, litellm(place, origin.url) as peer:
            url, theirs = f"{ours.url}/openai/v1/chat/completions", f"{peer.url}/v1/chat/completions"
            content(url), content(theirs)
            time.sleep(1)  # LiteLLM keeps an answer after it has given it.
            asked = origin.asked()
            both_hit(url, theirs, origin, asked)
            larder, least = latency(place, url, echo.url)
            load = lambda server, url: lambda: per_cpu_second(place, server, url, SIZE * 0.9, **question(BODY))
            many, few = rounds(place, load(ours, url), load(peer, theirs))
            both_hit(url, theirs, origin, asked)
    goal, work = "≤ 1.5× hyper", "gateway LLM hit, 2 KiB each way, one connection, p50"
    return [
        Line(work, goal, larder, "µs", {"bare hyper echo": least}, larder <= 1.5 * least),
        Line("the same, 16 connections", "≥ 100× LiteLLM", many, "per server-core-second", {"LiteLLM's proxy": few}, many >= 100 * few),
    ]
