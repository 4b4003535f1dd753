"""A wire tap: a TCP proxy on loopback that keeps every byte, and reads the exchanges out of them afterwards."""
import contextlib
import dataclasses
import http.client
import io
import socket
import threading
import time


@dataclasses.dataclass
class Exchange:
    """One request and its answer as they were on the wire; `body` is without the framing of the transfer."""

    at: float
    connection: int
    request: str
    asked: list
    sent: bytes
    status: int
    headers: list
    body: bytes
    cut: bool

    def same_answer(self, other, but=()):
        """Why another answer differs, or None. Framing of the transfer and the named headers may differ."""
        skip = {"connection", "transfer-encoding", "content-length", "keep-alive", *but}
        mine, others = ([(n.lower(), v) for n, v in e.headers if n.lower() not in skip] for e in (self, other))
        for name, one, two in (("status", self.status, other.status), ("headers", sorted(mine), sorted(others)), ("body", self.body, other.body)):
            if one != two:
                return f"{name}: {one!r}\nis not {two!r}"
        return None


class Unclosed(io.BytesIO):
    """What `HTTPResponse` takes for a socket; the reading goes on where the last answer ended."""

    def makefile(self, *_):
        return self

    def close(self):
        pass


class Line:
    """Both directions of one connection."""

    def __init__(self, number, client, server):
        self.number, self.up, self.down, self.times = number, bytearray(), bytearray(), []
        self.ways = (client, server, self.up), (server, client, self.down)

    def start(self):
        for source, target, kept in self.ways:
            threading.Thread(target=self.pump, args=(source, target, kept), daemon=True).start()

    def pump(self, source, target, kept):
        with contextlib.suppress(OSError):
            while piece := source.recv(1 << 16):
                if kept is self.up:
                    self.times.append((len(kept), time.monotonic()))
                kept += piece
                target.sendall(piece)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def exchanges(self):
        up, down = Unclosed(self.up), Unclosed(self.down)
        while first := self.read_request(up):
            at, request, asked, sent = first
            if not down.getvalue()[down.tell():]:
                return
            yield Exchange(at, self.number, request, asked, sent, *read_answer(down, request.split()[0]))

    def read_request(self, up):
        start = up.tell()
        line = up.readline()
        if not line:
            return None
        asked = [tuple(part.strip() for part in text.decode("latin-1").split(":", 1)) for text in iter(up.readline, b"\r\n") if text]
        found = {name.lower(): value for name, value in asked}
        sent = chunks(up) if "chunked" in found.get("transfer-encoding", "") else up.read(int(found.get("content-length", 0)))
        return next(t for offset, t in reversed(self.times) if offset <= start), line.decode("latin-1").strip(), asked, sent


def chunks(stream):
    pieces = []
    while size := int(stream.readline().split(b";")[0] or b"0", 16):
        pieces.append(stream.read(size))
        stream.readline()
    stream.readline()
    return b"".join(pieces)


def read_answer(down, method):
    """Status, headers, body, and whether it was cut."""
    answer = http.client.HTTPResponse(down, method=method)
    answer.begin()
    headers = answer.getheaders()
    try:
        return answer.status, headers, answer.read(), False
    except http.client.IncompleteRead as error:
        return answer.status, headers, error.partial, True


class Tap:
    """Listens on `port` and hands every connection on to `target`."""

    def __init__(self, target):
        self.target, self.lines = target, []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self.target))
                except OSError:
                    client.close()
                    continue
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                line = Line(len(self.lines), client, server)
                # It is known before its first byte passes, so that whoever has an answer finds it here.
                self.lines.append(line)
                line.start()

    def exchanges(self, wanted=lambda exchange: True):
        """Those that are wanted, in the order in which they were asked."""
        return sorted((e for line in list(self.lines) for e in line.exchanges() if wanted(e)), key=lambda e: e.at)

    def stop(self):
        # A thread that waits in accept() keeps the socket; this wakes it.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
