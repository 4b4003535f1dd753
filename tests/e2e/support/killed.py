"""Processes that are killed while they write: what they acknowledged, and what must be there afterwards."""
import contextlib
import hashlib
import http.client
import json
import os
import signal
import subprocess
import threading
import time

from .ask import bearer, chat
from .origin import json_reply

PATH = "/openai/v1/chat/completions"


def text_of(name, size):
    """`size` bytes or a little more that tell to which question they are the answer, in every line, and their digest."""
    line = f"{name} {hashlib.sha256(name.encode()).hexdigest()}\n"
    return line * (1 + size // len(line))


def answer(call):
    """What the origin says: its `text` follows from the question."""
    name = json.loads(call.body)["messages"][0]["content"]
    text = json.dumps(text_of(name, size_of(name)))
    return json_reply('{"id":"%s","choices":[{"finish_reason":"stop"}],"text":%s}' % (name, text))


def size_of(name):
    """Small ones, ones that are files of their own, and a few that are hashed in pieces."""
    number = int(hashlib.sha256(name.encode()).hexdigest()[:4], 16)
    return 1_300_000 if number % 40 == 0 else 90_000 if number % 5 == 0 else number % 3000


class Group:
    """A process group: killed as a whole, or one by one."""

    def __init__(self, home):
        self.home, self.kills = home, 0
        self.leader = subprocess.Popen(["sleep", "600"], process_group=0)

    def start(self, *args, **more):
        return self.home.start(*args, process_group=self.leader.pid, **more)

    def kill(self, process):
        """Whether it was still running."""
        alive = process.poll() is None
        process.kill()
        process.wait()
        self.kills += alive
        return alive

    def kill_all(self, processes):
        self.kills += sum(process.poll() is None for process in processes)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.leader.pid, signal.SIGKILL)
        for process in [self.leader, *processes]:
            process.wait()


class Work:
    """Writers of one round. `acked` is what some process said was kept."""

    def __init__(self, home, group, tool, random, mark):
        self.home, self.group, self.tool, self.random, self.mark = home, group, tool, random, mark
        self.acked, self.running, self.stop = {"put": set(), "run": set(), "ask": set()}, set(), threading.Event()
        self.wrong, self.gateway = [], None
        # How long a command takes, s: kills fall within.
        self.usual = 0.06

    def finish(self, process, given=None):
        """Ends by itself or is killed at some moment; its output if it ended by itself."""
        self.running.add(process)
        began = time.perf_counter()
        killer = threading.Timer(self.random.random() * self.usual, self.group.kill, [process]) if self.random.random() < 0.4 else None
        if killer:
            killer.start()
        try:
            out, err = process.communicate(given, timeout=30)
        finally:
            if killer:
                killer.cancel()
                killer.join()
            self.running.discard(process)
        if process.returncode:
            return None
        self.usual = min(0.06, 1.5 * (time.perf_counter() - began))
        return out, err

    def pipe(self, *args):
        return self.group.start(*args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def put(self, name):
        done = self.finish(self.pipe("put", "openai", "embedding", f"input={name}", "model=m"), text_of(name, size_of(name)).encode())
        if done:
            self.acked["put"].add(name)

    def run(self, name):
        done = self.finish(self.pipe("run", "-v", "--ttl", "1h", "--", self.tool.path, name), b"")
        if done and b"miss; kept" in done[1]:
            self.acked["run"].add(name)
            if done[0].decode() != self.tool.says(name):
                self.wrong.append(f"run {name}")

    def ask(self, name):
        try:
            got = self.gateway.post(PATH, chat(name), headers=bearer(), timeout=20)
            self.check(name, got)
            if got.cache.get("stored"):
                self.acked["ask"].add(name)
        except (OSError, AssertionError, http.client.HTTPException):
            time.sleep(0.005)

    def check(self, name, got):
        if got.status == 200 and got.json() != json.loads(answer(Asked(name)).body):
            self.wrong.append(f"ask {name}")

    def loop(self, what, who):
        n = 0
        while not self.stop.is_set():
            n += 1
            try:
                getattr(self, what)(f"{self.mark}-{what}-{who}-{n}")
            except (OSError, subprocess.SubprocessError):
                # Nothing joins a group that was killed.
                return


class Asked:
    """A call with one question in it."""

    def __init__(self, name):
        self.body = json.dumps(chat(name)).encode()


class Printer:
    """A tool whose output follows from its argument."""

    def __init__(self, folder):
        self.path = folder / "printer"
        self.path.write_text('#!/bin/sh\nfor n in 1 2 3 4 5 6 7 8 9 10 11 12; do printf "%s %s\\n" "$1" $n; done\n'
                             'case "$1" in *[05]) head -c 90000 /dev/zero | tr "\\0" "${1%${1#?}}";; esac\n')
        self.path.chmod(0o755)

    def says(self, name):
        lines = "".join(f"{name} {n}\n" for n in range(1, 13))
        return lines + (name[0] * 90_000 if name[-1] in "05" else "")


def leftovers(store):
    """Files of unfinished work, and indexes that were moved aside."""
    names = (".new-", ".tmp", "index.new-", "index.broken")
    found = [p for p in (store / "v2").rglob("*") if p.is_file()]
    return [str(p) for p in found if p.name.startswith(names) or p.parent.name in ("flights", "spool")]


def age(store, seconds):
    """Makes every file of a store older, except the index and what belongs to it."""
    then = time.time() - seconds
    for path in (store / "v2").rglob("*"):
        if path.is_file() and not path.name.startswith("index.db"):
            os.utime(path, (then, then))
