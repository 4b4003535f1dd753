"""kill -9 at any moment: what was acknowledged is there, what is served is whole, the next process works at once.

`LARDER_LONG=1` kills more than a thousand processes; `LARDER_SEED` repeats a run's choices (the moments are the machine's).
"""
import os
import random
import sqlite3
import threading
import time

import pytest

from support.ask import bearer, chat
from support.killed import PATH, Asked, Group, Printer, Work, age, answer, leftovers, size_of, text_of
from support.program import Gateway

LONG = os.environ.get("LARDER_LONG") == "1"
SEED = int(os.environ.get("LARDER_SEED", time.time() if LONG else 7))


class Grouped:
    """A home whose gateway belongs to a process group."""

    def __init__(self, home, group):
        self.home, self.group = home, group
        self.folder, self.gateways, self.start = home.folder, home.gateways, group.start

    def serve(self, origin):
        gateway = Gateway(self, ["--memory", "0"], None, self.home.store, {"openai": origin.url})
        self.home.gateways.append(gateway)
        return gateway.ready()


def one_round(home, origin, tool, mark, choices):
    """Four kinds of writers at once; some are killed alone, in the end all that run are. What was acknowledged, and kills."""
    group = Group(home)
    work = Work(home, group, tool, random.Random(choices.random()), mark)
    work.gateway = Grouped(home, group).serve(origin)
    threads = [threading.Thread(target=work.loop, args=(what, who)) for what in ("put", "run", "ask") for who in (1, 2)]
    for thread in threads:
        thread.start()
    time.sleep(0.3 + choices.random() * 0.5)
    group.kill_all([work.gateway.process, *work.running])
    work.stop.set()
    for thread in threads:
        thread.join()
    assert not work.wrong, work.wrong
    return work.acked, group.kills


def next_open(home):
    """How long the next process takes, all of it."""
    began = time.perf_counter()
    home.larder("get", "openai", "embedding", "input=never", "model=m", ok=False)
    return time.perf_counter() - began


def all_is_there(home, origin, tool, acked):
    for name in acked["put"]:
        got = home.larder("get", "openai", "embedding", f"input={name}", "model=m").stdout
        assert got == text_of(name, size_of(name)), f"{name} is torn"
    for name in acked["run"]:
        done = home.larder("run", "-v", "--ttl", "1h", "--", tool.path, name)
        assert "hit;" in done.stderr and done.stdout == tool.says(name), f"{name}: {done.stderr}"
    gateway = home.serve(openai=origin.url)
    for name in acked["ask"]:
        got = gateway.post(PATH, chat(name), headers=bearer())
        assert got.cache.get("hit") and got.body == answer(Asked(name)).body, f"{name}: {got.cache}"
    assert gateway.stop() == 0


def store_is_sound(home):
    """Commands work, the index is whole, and maintenance leaves nothing of what was killed."""
    listed = home.json("ls", "--limit", 100_000)["entries"]
    assert home.json("stats")["total"]["cache_size"] == len(listed)
    age(home.store, 7200)
    for n in range(2):
        home.larder("put", "openai", "embedding", f"input=last{n}", "model=m", input="x")
    assert leftovers(home.store) == []
    with sqlite3.connect(f"file:{home.store}/v2/index.db?mode=ro", uri=True) as index:
        assert index.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def opens_soon(opens):
    """Seconds of each first process after the kills. One of them may have waited for the machine."""
    assert sorted(opens)[-2] <= 0.05 and max(opens) < 5, opens


@pytest.mark.timeout(3600 if LONG else 60)
def test_what_was_acknowledged_outlives_kills(home, origins):
    print(f"seed {SEED}")
    choices, origin, tool = random.Random(SEED), origins(answer), Printer(home.folder)
    everything, kills, opens = {"put": set(), "run": set(), "ask": set()}, 0, []
    while kills < (1000 if LONG else 20) or len(opens) < 3:
        acked, killed = one_round(home, origin, tool, f"r{len(opens)}", choices)
        kills += killed
        opens.append(next_open(home))
        all_is_there(home, origin, tool, acked)
        for kind, names in acked.items():
            everything[kind] |= names
        print(f"{kills} kills, {sum(map(len, everything.values()))} acknowledged", flush=True)
    counts = {kind: len(names) for kind, names in everything.items()}
    print(f"{kills} kills in {len(opens)} rounds; acknowledged {counts}; lost 0; next process "
          f"{sorted(opens)[len(opens) // 2] * 1e3:.1f} ms, at most {max(opens) * 1e3:.1f} ms")
    assert all(counts.values()), f"nothing was tried: {counts}"
    opens_soon(opens)
    if LONG:
        all_is_there(home, origin, tool, everything)
    store_is_sound(home)


@pytest.mark.timeout(1800 if LONG else 60)
def test_a_kill_while_the_store_is_made_or_folded_leaves_a_store_that_works(homes):
    """Alone at the store, every put makes it or folds the log into the index when it ends."""
    choices, kills, opens = random.Random(SEED), 0, []
    for n in range(300 if LONG else 12):
        home = homes(f"home{n}")
        acked = []
        for step in range(3):
            group = Group(home)
            work = Work(home, group, None, choices, "x")
            for name in (f"{n}-{step}-{part}" for part in range(2)):
                work.put(name)
            acked += work.acked["put"]
            group.kill_all([])
            kills += group.kills
        opens.append(next_open(home))
        for name in acked:
            assert home.larder("get", "openai", "embedding", f"input={name}", "model=m").stdout == text_of(name, size_of(name))
        store_is_sound(home)
        print(f"{kills} kills, {n + 1} stores", flush=True)
    print(f"{kills} kills at {len(opens)} new stores; next process at most {max(opens) * 1e3:.1f} ms")
    assert kills > len(opens) // 2
    opens_soon(opens)
