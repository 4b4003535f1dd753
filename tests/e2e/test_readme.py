"""What README promises of a fresh clone, with the program that was built there."""
import re
import subprocess
import time

from support.program import free_port


def test_demo(home):
    start = time.time()
    done = home.larder("demo", timeout=30)
    assert time.time() - start < 20
    text = done.stdout.lower()
    for word in ("miss", "hit", "stream"):
        assert word in text, done.stdout
    assert not home.store.exists() or not home.json("ls")["entries"], "it leaves nothing behind"


def test_serve_tells_what_to_do_next(home):
    """`serve` without an upstream: it starts, creates the store, and says which lines to export."""
    port = free_port()
    process = home.start("serve", "--listen", f"127.0.0.1:{port}", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        deadline, text = time.time() + 10, ""
        while not all(name in text for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL")) and time.time() < deadline:
            text += process.stdout.readline()
        assert f"OPENAI_BASE_URL=http://127.0.0.1:{port}/openai/v1" in text, text
        assert re.search(rf"export ANTHROPIC_BASE_URL=http://127.0.0.1:{port}/anthropic$", text, re.M), text
    finally:
        process.terminate()
        assert process.wait(10) == 0


def test_version_path_twice_is_a_hint_at_start(home):
    gateway = home.serve(openai="http://127.0.0.1:9/v1")
    assert "hint" in gateway.said() and "/v1" in gateway.said()


def test_a_start_costs_milliseconds(home):
    times = []
    for _ in range(10):
        start = time.time()
        home.larder("run", "--", "true")
        times.append(time.time() - start)
    assert min(times) < 0.25
