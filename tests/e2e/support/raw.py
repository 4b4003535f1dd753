"""HTTP without a client's opinions: what exactly came back."""
import dataclasses
import http.client
import json
import re

HOP = ("connection", "keep-alive", "transfer-encoding", "content-length", "te", "trailer", "upgrade")
OWN = ("age", "cache-status")


@dataclasses.dataclass
class Raw:
    """Status, headers in order, body."""

    status: int
    headers: list
    body: bytes

    def header(self, name):
        """The first value of a header, or None."""
        return next((v for n, v in self.headers if n.lower() == name), None)

    def json(self):
        return json.loads(self.body)

    @property
    def cache(self):
        """larder's `Cache-Status` (RFC 9211) as a dict; flags are True."""
        return cache_status(self.header("cache-status"))

    def same_as(self, other):
        """Whether status, body and all headers of the origin are equal."""
        return (self.status, self.body, self.kept()) == (other.status, other.body, other.kept())

    def kept(self):
        return sorted((n.lower(), v) for n, v in self.headers if n.lower() not in HOP + OWN)


def cache_status(text):
    """Parses one `Cache-Status` member: `larder; hit; ttl=3; key="…"`."""
    if text is None:
        return {}
    name, *rest = [part.strip() for part in text.split(";")]
    assert name == "larder", text
    out = {}
    for part in rest:
        key, _, value = part.partition("=")
        out[key] = value.strip('"') if value else True
    for number in ("ttl", "fwd-status"):
        if number in out:
            assert re.fullmatch(r"-?\d+", out[number]), text
            out[number] = int(out[number])
    return out


def request(url, method="GET", body=None, headers=None, timeout=20):
    """One request on a connection of its own. `body` may be bytes or something that becomes JSON."""
    with opened(url, method, body, headers, timeout) as (_, got):
        return Raw(got.status, got.getheaders(), got.read())


class opened:
    """A request whose answer is read by the caller: `with opened(…) as (connection, response)`."""

    def __init__(self, url, method="GET", body=None, headers=None, timeout=20):
        host, _, path = url.removeprefix("http://").partition("/")
        self.connection = http.client.HTTPConnection(host, timeout=timeout)
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("content-type", "application/json")
        self.arguments = (method, "/" + path, body, headers)

    def __enter__(self):
        self.connection.request(*self.arguments)
        return self.connection, self.connection.getresponse()

    def __exit__(self, *_):
        self.connection.close()
