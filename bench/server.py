"""Servers under measurement: started on loopback, watched in /proc, ended by us, also on Ctrl-C."""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running server with its children: what it has used, and how large it is."""

    def __init__(self, process, url):
        self.process, self.url = process, url

    def _pids(self):
        pid = str(self.process.pid)
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", pid], capture_output=True, text=True, check=False).stdout.split()
        return [pid, *children]

    def cpu(self):
        """Seconds of processor time so far, user and system, all threads and children."""
        fields = [Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in self._pids()]
        return sum(int(field[11]) + int(field[12]) for field in fields) / TICK

    def asked(self):
        """How many requests the bare hyper server has had."""
        return int(get(f"{self.url}/asked")[0])

    def memory(self, line="VmRSS"):
        """MB (10⁶ bytes) of resident memory; `VmHWM` for the most since `forget_peak`."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(word.split()[1]) for word in status.splitlines() if word.startswith(f"{line}:")) * 1024 / 1e6

    def forget_peak(self):
        """Begins `VmHWM` anew."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")


def end(process):
    """Ends a server with its children: they are a process group of their own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def running(command, url, log, ready=None, **options):
    """A server from when it listens (or answers at the path `ready`) to the end of the block."""
    command = [str(word) for word in command]
    with open(log, "wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True, **options)
    try:
        _until_it_answers(process, url, ready, log)
        yield Server(process, url)
    finally:
        end(process)


def _until_it_answers(process, url, ready, log):
    port = int(url.rsplit(":", 1)[1])
    until = time.monotonic() + 180
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            if ready is None or get(f"{url}{ready}"):
                return
        time.sleep(0.05)
    raise RuntimeError(f"`{process.args[0]}` does not answer on {port}; see {log}")


@contextlib.contextmanager
def hyper(place, *words):
    """The bare hyper server, which says where it listens."""
    command = [str(place.hyper()), *map(str, words)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        yield Server(process, process.stdout.readline().strip())
    finally:
        end(process)


@contextlib.contextmanager
def gateway(place, *words):
    """`larder serve` on an empty store, with the folders of nobody."""
    with tempfile.TemporaryDirectory(dir=place.root) as home:
        port = free_port()
        env = {"PATH": os.environ["PATH"], "HOME": home, "XDG_CONFIG_HOME": f"{home}/config", "XDG_CACHE_HOME": f"{home}/cache"}
        command = [place.larder(), "serve", "--listen", f"127.0.0.1:{port}", "--store", f"{home}/store", *words]
        with running(command, f"http://127.0.0.1:{port}", place.root / "larder.log", "/-/health", env=env) as server:
            yield server


def get(url, data=None, headers=()):
    """(body, headers) of one call; anything but a 2xx is an error."""
    request = urllib.request.Request(url, data=data, headers=dict(headers))
    with urllib.request.urlopen(request, timeout=60) as response:
        return response.read(), response.headers


def check(holds, what):
    """What has to hold for a figure to mean anything."""
    if not holds:
        raise RuntimeError(f"not what was to be measured: {what}")
