"""Load from wrk, and times of single calls."""

import json
import os
import re
import secrets
import socket
import subprocess
import time
from statistics import median

from place import PEERS
from server import check

REPORT = re.compile(r"^report requests=(\d+) bytes=(\d+) bad=(\d+) p50us=(\d+)$", re.MULTILINE)
CREDENTIAL = f"Bearer sk-{secrets.token_hex(32)}"
POST = {"content-type": "application/json", "authorization": CREDENTIAL}


def wrk(place, url, seconds, connections, least, **environment):
    """(requests, p50 in µs) of one run with one thread. An answer that is no 2xx, or fewer than `least` bytes an answer, is an
    error."""
    command = [place.apt("wrk", "wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "-s", PEERS / "load.lua", url]
    env = {**os.environ, **environment}
    out = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True, env=env).stdout
    requests, size, bad, p50 = map(int, REPORT.search(out).groups())
    check(bad == 0 and requests > 0 and size >= requests * least, f"`wrk {url}`: {out}")
    return requests, p50


def question(body, **more):
    """What makes wrk post `body`."""
    return {"BODY": body.decode(), "CREDENTIAL": CREDENTIAL, **more}


def per_cpu_second(place, server, url, least, **environment):
    """Requests per second of processor time of the server, 16 connections."""
    before = server.cpu()
    requests, _ = wrk(place, url, 2 if place.quick else 5, 16, least, **environment)
    return requests / (server.cpu() - before)


def rounds(place, *measures):
    """The median of each measure, taken in turns: A B C A B C…"""
    taken = [[measure() for measure in measures] for _ in range(3 if place.quick else 5)]
    return [median(column) for column in zip(*taken, strict=True)]


class Caller:
    """One kept connection that asks one call after the other. The client's own cost is in every time, and cancels out in a
    difference."""

    def __init__(self, url):
        host, _, path = url.removeprefix("http://").partition("/")
        self.host, self.path = host, f"/{path}"
        name, port = host.split(":")
        self.socket = socket.create_connection((name, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def first_byte(self, body):
        """(seconds until the first bytes of the answer's body are here, the head); reads the answer to its end (chunked)."""
        headers = "".join(f"{name}: {value}\r\n" for name, value in POST.items())
        head = f"POST {self.path} HTTP/1.1\r\nhost: {self.host}\r\n{headers}content-length: {len(body)}\r\n\r\n"
        start = time.perf_counter()
        self.socket.sendall(head.encode() + body)
        got = b""
        while not got.partition(b"\r\n\r\n")[2]:
            got += self._more()
        taken = time.perf_counter() - start
        while not got.endswith(b"\r\n0\r\n\r\n"):
            got += self._more()
        head, _, rest = got.partition(b"\r\n\r\n")
        check(head.startswith(b"HTTP/1.1 200") and b"[DONE]" in rest, got.decode(errors="replace"))
        return taken, head.decode().lower()

    def _more(self):
        some = self.socket.recv(1 << 16)
        check(some, f"{self.host} broke off")
        return some


def chat(words, **members):
    """A chat completion's request of about 2 KiB."""
    turns = [{"role": ["user", "assistant"][n % 2], "content": f"Turn {n}. {'All of it was already said. ' * 7}"} for n in range(8)]
    turns.append({"role": "user", "content": words})
    return json.dumps({"model": "bench", "temperature": 0, "max_tokens": 512, "messages": turns, **members}).encode()
