"""An HTTP origin on loopback that records every call and answers by a function, or hands the call on to a real server."""
import contextlib
import dataclasses
import http.client
import http.server
import socket
import socketserver
import threading
import time


class Cut(Exception):
    """Raised by a body: the connection is closed in the middle of the answer."""


@dataclasses.dataclass
class Reply:
    """What the origin says. `body` is bytes (with a content-length) or an iterator of pieces (chunked)."""

    status: int = 200
    headers: list = dataclasses.field(default_factory=list)
    body: object = b""


@dataclasses.dataclass
class Call:
    """One request as the origin saw it, and what it was told."""

    method: str
    target: str
    headers: list
    body: bytes
    status: int = 0
    sent: bytes = b""
    finished: bool = False
    broken: bool = False

    def header(self, name):
        """The first value of a header, or None."""
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_any(self):
        owner = self.server.owner
        call = Call(self.command, self.path, list(self.headers.items()), self.read_body())
        with owner.lock:
            owner.calls.append(call)
        owner.gate.wait()
        if owner.delay:
            time.sleep(owner.delay)
        try:
            with contextlib.closing(owner.reply(call)) as reply:
                self.send(call, reply.value)
        except Cut:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            call.broken = True
            self.close_connection = True
        finally:
            call.finished = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_QUERY = handle_any

    def read_body(self):
        if "chunked" in (self.headers.get("transfer-encoding") or "").lower():
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def send(self, call, reply):
        call.status = reply.status
        whole = isinstance(reply.body, bytes)
        names = {name.lower() for name, _ in reply.headers}
        bodiless = call.method == "HEAD" or reply.status in (204, 304)
        self.send_response_only(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        if "date" not in names:
            self.send_header("date", self.date_time_string())
        if whole and "content-length" not in names and reply.status not in (204, 304):
            self.send_header("content-length", str(len(reply.body)))
        if not whole and not bodiless:
            self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        if bodiless:
            return
        if whole:
            call.sent = reply.body
            self.wfile.write(reply.body)
            return
        for piece in reply.body:
            call.sent += piece
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
            if self.server.owner.pace:
                time.sleep(self.server.owner.pace)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", 0

    def process_request(self, request, client_address):
        self.owner.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.owner.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        pass


class UnixServer(Server):
    address_family = socket.AF_UNIX


class Held:
    """A reply and what has to be closed after it."""

    def __init__(self, value, also=None):
        self.value, self.also = value, also

    def close(self):
        if self.also:
            self.also.close()


class Origin:
    """`answer` is a function from Call to Reply; `forward` the port of a real server that gets what `answer` does not take (None)."""

    def __init__(self, answer=None, forward=None, path=None):
        self.answer, self.forward, self.path = answer, forward, path
        self.calls, self.lock, self.open = [], threading.Lock(), set()
        self.delay = self.pace = 0
        self.gate = threading.Event()
        self.gate.set()
        self.port, self.server = 0, None
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        """Listens, on the same port as before if there was one."""
        self.server = UnixServer(self.path, Handler) if self.path else Server(("127.0.0.1", self.port), Handler)
        self.server.owner = self
        self.port = self.path or self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        """From now on connections are refused, and open ones are cut."""
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def reply(self, call):
        found = self.answer(call) if self.answer else None
        return Held(found) if found is not None else self.hand_on(call)

    def hand_on(self, call):
        connection = http.client.HTTPConnection("127.0.0.1", self.forward)
        connection.putrequest(call.method, call.target, skip_host=True, skip_accept_encoding=True)
        for name, value in call.headers:
            if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                connection.putheader(name, value)
        if call.body or call.method in ("POST", "PUT", "PATCH"):
            connection.putheader("content-length", str(len(call.body)))
        connection.endheaders(call.body)
        got = connection.getresponse()
        drop = ("connection", "transfer-encoding", "keep-alive")
        headers = [(n, v) for n, v in got.getheaders() if n.lower() not in drop]
        streamed = got.getheader("content-length") is None
        return Held(Reply(got.status, headers, pieces(got) if streamed else got.read()), connection)

    def targets(self, contains=""):
        """The calls' `METHOD target`, those that contain a text."""
        return [f"{c.method} {c.target}" for c in self.calls if contains in f"{c.method} {c.target}"]


def pieces(response):
    """The body of a chunked answer as it comes."""
    while piece := response.read1(65536):
        yield piece


def json_reply(text, status=200, **headers):
    """A JSON answer; header names with `_` for `-`."""
    extra = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Reply(status, [("content-type", "application/json"), *extra], text.encode() if isinstance(text, str) else text)
