"""Disks that fail, fill up or cannot be written, homes that are missing, clocks that jump: calls go on."""
import contextlib
import os
import sqlite3
import subprocess
import time

import pytest

from support.ask import bearer, chat
from support.faults import Clock, read_only, strace, tmpfs, warnings
from support.killed import PATH, Asked, answer
from support.origin import Reply
from support.program import Gateway
from support.raw import request
from support.tool import Tool

LONG = os.environ.get("LARDER_LONG") == "1"
FAULTS = [("fsync,fdatasync", "EIO"), ("pwrite64", "EIO"), ("pwrite64", "ENOSPC"), ("pread64", "EIO"), ("openat", "EMFILE"), ("openat", "EACCES"),
          ("ftruncate", "EIO"), ("mmap", "ENOMEM"), ("rename,renameat,renameat2", "EIO"), ("unlink,unlinkat", "EIO"), ("flock", "ENOLCK"), ("mkdir,mkdirat", "ENOSPC")]
# Without POSIX locks SQLite tries for ten seconds before it gives up: every call goes on, slowly.
FAULTS += [("fcntl", "ENOLCK")] if LONG else []
SOME = FAULTS if LONG else [("pwrite64", "EIO"), ("pwrite64", "ENOSPC"), ("pread64", "EIO"), ("openat", "EMFILE"), ("fsync,fdatasync", "EIO")]


def put(home, name, ok=True, **more):
    return home.larder("put", "openai", "embedding", f"input={name}", "model=m", input=f"value of {name}", ok=ok, **more)


def get(home, name):
    done = home.larder("get", "openai", "embedding", f"input={name}", "model=m", ok=False)
    assert done.returncode in (0, 1, 3) and done.stdout in ("", f"value of {name}"), done
    return done.stdout


@contextlib.contextmanager
def under(home, words):
    """Commands run behind `words`."""
    real = home.binary
    wrapper = home.folder / "wrapper"
    wrapper.write_text("#!/bin/sh\nexec " + " ".join(f"'{word}'" for word in [*words, real]) + ' "$@"\n')
    wrapper.chmod(0o755)
    home.binary = str(wrapper)
    try:
        yield
    finally:
        home.binary = real


def tool_goes_on(home, tool, **more):
    """Two runs: exit code, output and errors are the tool's own."""
    for _ in range(2):
        done = home.larder("run", "--ttl", "1h", "--", tool.path, ok=False, **more)
        assert (done.returncode, done.stdout, done.stderr) == (0, "out\n", "err\n"), done


def own_words(done):
    """A command of larder's own worked, or says once why not."""
    assert done.returncode in (0, 1, 3), done
    told = warnings(done.stderr)
    errors = [line for line in told if line.startswith("error:")]
    assert "panicked" not in done.stderr and len(errors) <= 1 and len(told) - len(errors) <= 1, done.stderr


@pytest.mark.parametrize("calls, error", FAULTS, ids=lambda value: value)
def test_commands_go_on_while_calls_fail(calls, error, home):
    put(home, "old")
    tool = Tool(home.folder, "echo out; echo err >&2")
    with under(home, strace(home.store, calls, error)):
        tool_goes_on(home, tool)
        own_words(put(home, "new", ok=False))
        get(home, "old")
        own_words(home.larder("stats", ok=False))
    assert get(home, "old") == "value of old", "a failing disk is no reason to begin anew"
    assert put(home, "later").returncode == 0 and get(home, "later")
    assert not list(home.store.glob("v2/index.broken*"))


def test_a_durable_answer_is_on_the_disk_before_its_row_names_it(home):
    strace(home.store, "fsync", "EIO")  # skips where nothing can be traced
    put(home, "makes the store")

    def calls(durable, size):
        log = home.folder / f"calls {durable}"
        with under(home, ["strace", "-f", "-qq", "-y", "-o", log, "-e", "trace=fsync,fdatasync,rename,renameat,renameat2"]):
            home.larder("put", "openai", "embedding", f"input={size}", "model=m", input="x" * size, env={"LARDER_DURABLE": durable})
        return log.read_text().splitlines()

    told = calls("true", 100_000)
    [body] = home.store.glob("v2/bodies/*/bafk*")
    lines = iter(told)
    for words in ("sync(", f"<{body.parent.parent}>"), ("sync(", f"<{body.parent}/.new-"), ("rename", f'"{body}"'), ("sync(", f"<{body.parent}>"), ("sync(", "/v2/index.db-wal>"):
        assert any(all(word in line for word in words) for line in lines), f"{words} is not there, or too early: {told}"
    # The log is synced when it is begun and when it is folded in; a commit that is to outlive a power loss, too.
    of_log = lambda lines: sum("sync(" in line and "/v2/index.db-wal>" in line for line in lines)  # noqa: E731
    assert of_log(told) > of_log(calls("false", 100_001))


@pytest.mark.parametrize("durable", ["false", "true"], ids=["usual", "durable"])
@pytest.mark.parametrize("at", ["3+2", "5+3", "8+4"])
def test_a_disk_that_fails_to_read_now_and_then_keeps_its_answers(at, durable, home):
    home.env = {**home.env, "LARDER_DURABLE": durable}
    names = [f"now and then {n}" for n in range(20)]
    for name in names:
        put(home, name)
    with under(home, strace(home.store, "pread64", "EIO", at=at)):
        for name in names:
            get(home, name)
    assert [get(home, name) for name in names] == [f"value of {name}" for name in names]
    assert not list(home.store.glob("v2/index.broken*"))


@pytest.mark.parametrize("calls, error", [("openat", "EMFILE"), ("openat", "EIO"), ("openat", "EACCES"), ("read", "EIO")], ids=lambda value: value)
def test_a_large_answer_that_cannot_be_read_is_kept(calls, error, home, origins):
    """What is wrong is not the answer."""
    origin = origins(lambda call: Reply(200, [("content-type", "application/octet-stream"), ("cache-control", "max-age=600")], call.target.encode() * 20_000))
    def ask(gateway):
        got = [gateway.get(f"/plain/large/{n}") for n in range(3)]
        assert [(one.status, one.body) for one in got] == [(200, f"/large/{n}".encode() * 20_000) for n in range(3)]
        return [one.cache.get("hit") for one in got]
    gateway = home.serve("--memory", "0", plain=origin.url)
    ask(gateway)
    home.settle(3)
    assert ask(gateway) == [True] * 3 and gateway.stop() == 0
    with under(home, strace(home.store, calls, error, bodies_only=True)):
        gateway = home.serve("--memory", "0", plain=origin.url)
        assert ask(gateway) == [None] * 3
        told_exactly(gateway, "a tier failed")
    home.close()
    assert ask(home.serve("--memory", "0", plain=origin.url)) == [True] * 3


@pytest.mark.parametrize("calls, error", FAULTS, ids=lambda value: value)
def test_a_store_cannot_be_made_and_calls_go_on(calls, error, home):
    with under(home, strace(home.store, calls, error)):
        tool_goes_on(home, Tool(home.folder, "echo out; echo err >&2"))
        own_words(put(home, "new", ok=False))
    assert put(home, "later").returncode == 0 and get(home, "later")


def ask_all(gateway, names):
    """Every answer is the origin's; how many were hits."""
    hits = 0
    for name in names:
        got = gateway.post(PATH, chat(name), headers=bearer())
        assert got.status == 200 and got.body == answer(Asked(name)).body, f"{name}: {got.status} {got.body[:200]}"
        hits += got.cache.get("hit") is True
    return hits


def told_little(gateway, at_most=1):
    """One thing that is wrong is one warning."""
    told = warnings(gateway.said())
    assert len(told) <= at_most and "panicked" not in gateway.said(), "\n".join(told)
    return told


def told_exactly(gateway, *words):
    """What is due is said, once each, and nothing else."""
    told = told_little(gateway, at_most=len(words))
    assert all(sum(word in line for line in told) == 1 for word in words), "\n".join(told)


@pytest.mark.parametrize("calls, error", SOME, ids=lambda value: value)
def test_a_gateway_goes_on_while_calls_fail(calls, error, home, origins):
    # Calls are counted by thread: a write fails for certain only where each thread has many.
    names = [f"fault {n}" for n in range(80 if calls == "pwrite64" else 25)]
    origin = origins(answer)
    with under(home, strace(home.store, calls, error, at="12+")):
        gateway = home.serve(openai=origin.url)
        ask_all(gateway, names)
        ask_all(gateway, names)
        told_exactly(gateway, "a tier failed") if calls == "pwrite64" else told_little(gateway)
    home.close()
    gateway = home.serve(openai=origin.url)
    ask_all(gateway, names)
    assert ask_all(gateway, names) == len(names)


def test_a_gateway_keeps_what_a_disk_fails_to_read_now_and_then(home, origins):
    names = [f"now and then {n}" for n in range(20)]
    origin = origins(answer)
    gateway = home.serve(openai=origin.url)
    ask_all(gateway, names)
    home.settle(20)
    assert gateway.stop() == 0
    with under(home, strace(home.store, "pread64", "EIO", at="20+20")):
        gateway = home.serve("--memory", "0", openai=origin.url)
    for n in range(30):
        # What another process writes has the gateway read the index again.
        put(home, f"of another process {n}")
        ask_all(gateway, names)
    told_little(gateway)
    home.close()
    assert not list(home.store.glob("v2/index.broken*"))
    assert ask_all(home.serve(openai=origin.url), names) == 20


def test_a_disk_that_fills_up(home, origins):
    names = [f"small disk {n}" for n in range(60)]
    with tmpfs(home.store, "1m"):
        gateway = home.serve("--memory", "0", openai=origins(answer).url)
        ask_all(gateway, names)
        ask_all(gateway, names)
        for n in range(4):
            name = f"large question {n} " + "x" * 2_500_000
            assert gateway.post(PATH, chat(name), headers=bearer()).status == 200
        # Of the store, and of a question that is too large for memory.
        told_exactly(gateway, "a tier failed", "a large body could not be spooled")
        tool_goes_on(home, Tool(home.folder, "echo out; echo err >&2"))
        loud = Tool(home.folder, "head -c 3000000 /dev/zero", "loud")
        for _ in range(2):
            assert home.larder("run", "--ttl", "1h", "--", loud.path).stdout == "\0" * 3_000_000
        for n in range(3):
            own_words(home.larder("put", "openai", "embedding", f"input=big{n}", "model=m", input="x" * 400_000, ok=False))
        assert gateway.stop() == 0


def test_a_folder_that_becomes_read_only(home, origins):
    origin, names = origins(answer), [f"read only {n}" for n in range(20)]
    tool = Tool(home.folder, "echo out; echo err >&2")
    with tmpfs(home.store, "64m"):
        gateway = home.serve(openai=origin.url)
        ask_all(gateway, names)
        put(home, "old")
        home.settle(21)
        tool_goes_on(home, tool)
        gateway.stop()
        read_only(home.store)
        calls = len(origin.calls)
        gateway = home.serve(openai=origin.url)
        assert ask_all(gateway, names) == 20 and len(origin.calls) == calls, "what is there is served"
        ask_all(gateway, [f"new {name}" for name in names])
        told_exactly(gateway, "can only be read")
        assert get(home, "old") == "value of old"
        refused = put(home, "new", ok=False)
        assert refused.returncode == 1 and "hint:" in refused.stderr
        tool_goes_on(home, tool)
        gateway.kill()


@pytest.mark.parametrize("fault", ["read-only", "EIO", "ENOSPC"])
def test_writes_while_nothing_can_be_removed(fault, home, origins):
    versions, pages = {}, [f"/site/{n}" for n in range(20)]

    def versioned(call):
        if call.method == "PUT":
            versions[call.target] = versions.get(call.target, 0) + 1
        return Reply(200, [("cache-control", "max-age=600")], b"%d" % versions.get(call.target, 0))

    origin = origins(versioned)
    with contextlib.ExitStack() as faults:
        if fault == "read-only":
            faults.enter_context(tmpfs(home.store, "64m"))
        gateway = home.serve(site=origin.url)
        assert [gateway.get(page).body for page in pages] == [b"0"] * 20
        home.settle(20)
        assert gateway.stop() == 0
        if fault == "read-only":
            read_only(home.store)
        else:
            faults.enter_context(under(home, strace(home.store, "pwrite64", fault)))
        gateway = home.serve("--memory", "0", site=origin.url)
        for version in (b"1", b"2"):
            for page in pages:
                assert request(gateway.url + page, "PUT", b"new").status == 200
                assert gateway.get(page).body == version, "what was written is told all the same"
        told_exactly(gateway, "new answers are not kept", "answers that a write made stale could not be removed")
        gateway.kill()


HOMES = {"none": {}, "nowhere": {"HOME": "/dev/null/nowhere"}, "unwritable": {"HOME": "/proc"}, "empty": {"HOME": ""}, "a file": {"HOME": "/etc/hostname"}}


@pytest.mark.parametrize("temporary", [True, False], ids=["temporary", "nowhere"])
@pytest.mark.parametrize("kind", HOMES)
def test_a_missing_home(kind, temporary, home, origins):
    origin = origins(answer)
    temporary = str(home.folder) if temporary else "/proc"
    home.env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TMPDIR": temporary, **HOMES[kind]}
    tool_goes_on(home, Tool(home.folder, "echo out; echo err >&2"))
    own_words(put(home, "a", ok=False))
    own_words(home.larder("get", "openai", "embedding", "input=a", "model=m", ok=False))
    gateway = Gateway(Storeless(home), [], None, None, {"openai": origin.url})
    home.gateways.append(gateway)
    gateway.ready()
    names = [f"homeless {n}" for n in range(20)]
    ask_all(gateway, names)
    assert ask_all(gateway, names) == 20, "kept while it runs"
    in_memory = HOMES[kind].get("HOME") or temporary == "/proc"
    told_exactly(gateway, "kept in memory only" if in_memory else "no folder for the store")
    assert gateway.stop() == 0


class Storeless:
    """A home whose gateways are not told of a store."""

    def __init__(self, home):
        self.home, self.folder, self.gateways = home, home.folder, home.gateways

    def start(self, serve, _store, _none, *words, **more):
        return self.home.start(serve, *words, **more)


@pytest.mark.parametrize("years", [10, -10])
def test_a_clock_that_jumps(years, home, origins):
    origin, clock = origins(answer), Clock(home.folder)
    names = [f"clock {n}" for n in range(6)]
    gateway = home.serve(openai=origin.url, env=clock.env)
    ask_all(gateway, names)
    assert ask_all(gateway, names) == 6
    clock.set(years)
    assert ask_all(gateway, names) == 0, "ten years are longer than any ttl; what is from the future is not believed"
    assert ask_all(gateway, names) == 6
    clock.set(0)
    if years > 0:
        assert ask_all(gateway, names) == 0, "kept by a clock that was ahead"
        assert ask_all(gateway, names) == 6
    told_little(gateway)
    assert gateway.stop() == 0


def test_what_a_clock_that_was_ahead_kept_is_gone_for_everybody(home):
    clock, tool = Clock(home.folder), Tool(home.folder, "echo out; echo err >&2")
    clock.set(10)
    put(home, "a", env=clock.env)
    tool_goes_on(home, tool, env=clock.env)
    assert tool.runs == 1
    assert get(home, "a") == "" and home.json("ls")["entries"] == []
    tool_goes_on(home, tool)
    assert tool.runs == 2, "run again, and kept by today's clock"
    put(home, "a")
    assert get(home, "a") == "value of a"


def test_somebody_elses_lock_does_not_hold_up_a_run(home):
    tool = Tool(home.folder, "echo out; echo err >&2")
    put(home, "a")
    with contextlib.closing(sqlite3.connect(home.store / "v2/index.db", isolation_level=None)) as session:
        session.execute("BEGIN EXCLUSIVE")
        began = time.time()
        tool_goes_on(home, tool)
        assert time.time() - began < 4 and tool.runs == 2
        assert get(home, "a") == "value of a"
    tool_goes_on(home, tool)
    assert tool.runs == 3


def test_a_fifo_in_place_of_any_file_holds_nobody_up(home):
    tool = Tool(home.folder, "echo out; echo err >&2")
    large = "x" * 100_000
    home.larder("put", "openai", "embedding", "input=large", "model=m", input=large)
    key = home.larder("run", "-v", "--ttl", "1h", "--", tool.path).stderr.rpartition("key=")[2].split()[0]
    files = [path for path in home.store.rglob("*") if path.is_file()]
    assert any(path.parent.parent.name == "bodies" for path in files) and any(path.parent.parent.name == "runs" for path in files)
    for path in [*files, home.store / "v2/index.db-wal", home.store / f"v2/flights/{key}.plain"]:
        held = path.read_bytes() if path.exists() else None
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
        try:
            done = home.larder("run", "--ttl", "1h", "--", tool.path, timeout=10)
            assert (done.stdout, done.stderr) == ("out\n", "err\n"), path
            own_words(home.larder("get", "openai", "embedding", "input=large", "model=m", ok=False, timeout=10))
            own_words(home.larder("put", "openai", "embedding", "input=large", "model=m", input=large, ok=False, timeout=10))
        finally:
            path.unlink(missing_ok=True)
            if held is not None:
                path.write_bytes(held)
                path.chmod(0o600)
