"""Doors × places: a secret comes in by every door, and is looked for in every place, in every form it could have there."""
import base64
import dataclasses
import json
import resource
import signal
import subprocess
import urllib.parse

import pytest

from support.ask import chat
from support.origin import Reply, json_reply
from support.tool import Tool

WHOLE = json.dumps({"id": "c", "object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]})
MULTIPART = "multipart/form-data; boundary=xXx"


def forms(secret):
    """The secret as it could be written: plain, percent-encoded, JSON, hex, base64 at each of its three alignments."""
    raw = secret.encode()
    found = {raw, urllib.parse.quote(secret, safe="").encode(), urllib.parse.quote_plus(secret).encode(), json.dumps(secret)[1:-1].encode()}
    found |= {raw.hex().encode(), raw.hex().upper().encode()}
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + raw)
        # Characters that also hold bits of what stands around it say nothing.
        sure = whole[(before * 8 + 5) // 6:(before + len(raw)) * 8 // 6]
        found |= {sure, sure.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def test_forms_are_found():
    secret = "Cn+ary/7x9Q=qZ"
    for text in (secret, urllib.parse.quote(secret, safe=""), secret.encode().hex(), *(base64.b64encode(p + secret.encode() + b"zz").decode() for p in (b"", b"u", b"uv", b"uvw"))):
        assert any(form in text.encode() for form in forms(secret)), text
    assert not any(form in b"nothing of it" for form in forms(secret))


@dataclasses.dataclass
class Case:
    """What a door has: a user, a gateway, what the origin answers, and the secret; it collects what larder said."""

    home: object
    origin: object
    gateway: object
    secret: str
    said: list = dataclasses.field(default_factory=list)

    @property
    def quoted(self):
        return urllib.parse.quote(self.secret, safe="")

    def ask(self, path="/page", service="plain", method="GET", body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if method == "POST":
            return self.gateway.post(f"/{service}{path}", body, headers=headers)
        return self.gateway.get(f"/{service}{path}", headers=headers)

    def chat(self, path="/v1/chat/completions", **headers):
        return self.ask(path, "openai", "POST", chat(), **headers)

    def run(self, script, *args, before=(), env=None, **more):
        """Twice by the runner, and what `explain` says of it; all but the tool's own output is larder's."""
        tool = Tool(self.home.folder, script)
        env = {"LARDER_LOG": "trace", **(env or {})}
        for _ in range(2):
            self.home.larder("run", "--ttl", "1h", *before, "--", tool.path, *args, ok=False, env={**env, "LARDER_LOG": ""}, **more)
        quiet = Tool(self.home.folder, "echo quiet", "quiet")
        for words in (["run", "-v"], ["explain"], ["explain", "--json"]):
            done = self.home.larder(*words, "--ttl", "1h", *before, "--", quiet.path, *args, ok=False, env=env, **more)
            self.said.append(done.stdout + done.stderr)
        return tool


def header(name):
    return lambda case: [case.chat(**{name: case.secret}), case.ask(**{name: case.secret})]


def query(name):
    return lambda case: [case.chat(f"/v1/chat/completions?{name}={case.quoted}"), case.ask(f"/page?a=1&{name}={case.quoted}")]


def nested(address):
    """A parameter whose value is an address that holds the secret."""
    return lambda case: query("url")(dataclasses.replace(case, secret=address.format(case.quoted)))


def varied(case):
    case.origin.answer = lambda call: json_reply(WHOLE, cache_control="max-age=60", vary="Referer")
    referer = f"https://host.test/?access_token={case.quoted}"
    for _ in range(2):
        case.chat(referer=referer), case.ask(referer=referer)


def answer(reply):
    """The origin says it, in what `reply` makes of the secret."""

    def go(case):
        case.origin.answer = lambda call: reply(case.secret)
        for _ in range(2):
            case.chat(), case.ask()

    return go


def multipart(case):
    body = f'--xXx\r\nContent-Disposition: form-data; name="api_key"\r\n\r\n{case.secret}\r\n--xXx--\r\n'.encode()
    case.gateway.post("/openai/v1/audio/transcriptions", body, headers={"content-type": MULTIPART})
    case.gateway.post("/plain/form", body, headers={"content-type": MULTIPART})


def argument(*words):
    return lambda case: case.run("echo out", *[word.format(case.secret) for word in words])


UPSTREAMS = {
    "userinfo": "http://user:{}@127.0.0.1:9",
    "userinfo with a slash": "http://user:pa/{}@h",
    "userinfo with a question mark": "http://user:pa?{}@h",
    "userinfo with a hash": "http://user:pa#{}@h",
    "userinfo without a scheme": "user:{}@127.0.0.1:9",
    "userinfo without http": "//user:{}@h",
    "path parameter": "http://127.0.0.1:9/a;token={}",
    "query": "http://127.0.0.1:9/a?token={}",
    "query without a path": "http://127.0.0.1:9?api_key={}",
    "fragment": "http://127.0.0.1:9/#token={}",
}
SECTION = '[service.plain]\nupstream = "{}"\n'


def configured(address, text=SECTION):
    """An upstream in the configuration file, as it is and percent-encoded; whatever reads the file may speak of it."""

    def go(case):
        folder = case.home.folder / "config" / "larder"
        folder.mkdir(parents=True, exist_ok=True)
        for secret in (case.secret, case.quoted):
            (folder / "config.toml").write_text(text.format(address.format(secret)))
            told = [case.home.larder(*words, ok=False, timeout=5) for words in CONFIGURED]
            assert text != SECTION or "service.plain.upstream" in told[0].stdout, "the file is not read"
            case.said += [done.stdout + done.stderr for done in told]
        (folder / "config.toml").unlink()

    return go


CONFIGURED = [["config", "show"], ["config", "show", "--origin"], ["config", "show", "--json"], ["ls"], ["stats"],
              ["explain", "plain", "GET", "/a"], ["serve", "--listen", "127.0.0.1:0"]]


def flagged(address):
    """An upstream, or an origin, on the command line: with a name, without one, and twice."""

    def go(case):
        for secret in (case.secret, case.quoted):
            url = address.format(secret)
            for words in (["--upstream", f"plain={url}"], ["--upstream", url], ["--upstream", f"{url}1", "--upstream", f"{url}2"]):
                done = case.home.larder("serve", "--listen", "127.0.0.1:0", *words, ok=False, timeout=5)
                case.said.append(done.stdout + done.stderr)
            done = case.home.larder("explain", "plain", "GET", "/a", "--origin", url, ok=False)
            case.said.append(done.stdout + done.stderr)

    return go


def userinfo(case):
    url = case.origin.url.replace("http://", f"http://user:{case.quoted}@")
    refused = case.home.serve(wait=False, plain=url, env={"LARDER_LOG": "trace"})
    try:
        refused.process.wait(3)
    except subprocess.TimeoutExpired:
        refused.ready().get("/plain/page")
        refused.stop()
    case.said.append(refused.said())


def unreachable(case):
    """An error of larder's own about an address."""
    case.origin.stop()
    case.said += [case.ask(f"/page?token={case.quoted}").body.decode(), case.chat(authorization=case.secret).body.decode()]


def text(status, **headers):
    extra = {"cache_control": "max-age=60", **headers}
    return lambda secret: json_reply(json.dumps({"error": secret}), status, **extra)


def told(**headers):
    return lambda secret: json_reply(WHOLE, cache_control="max-age=60", **{name: value.format(secret) for name, value in headers.items()})


DOORS = {
    **{f"header {name}": header(name) for name in ("authorization", "proxy-authorization", "cookie", "x-api-key", "x-goog-api-key", "x-amz-security-token", "private-token", "x-acme-secret", "passphrase", "x-bearer", "authorization-2", "x-tokens", "x-auth-code", "x-session")},
    **{f"query {name}": query(name) for name in ("api_key", "key", "token", "access_token", "sig", "X-Amz-Signature", "client_secret", "password", "user_sig", "auth_code", "SAMLResponse", "oauth_verifier", "pwd_hash", "token1")},
    "path parameter": lambda case: [case.ask(f"/page;token={case.quoted}"), case.chat(f"/v1/chat/completions;token={case.quoted}")],
    "address in a query": nested("https://host.test/?access_token={}"),
    "userinfo in a query": nested("https://user:{}@host.test/"),
    "referer that the answer varies with": varied,
    "cookie that is set": answer(told(set_cookie="session={}")),
    "answer's own token header": answer(told(x_subject_token="{}")),
    "body of a 401": answer(text(401)),
    "body of a 403": answer(text(403)),
    "body of a 500": answer(text(500)),
    "redirect": answer(lambda secret: Reply(301, [("location", f"/next?access_token={urllib.parse.quote(secret, safe='')}"), ("cache-control", "max-age=60")])),
    "multipart": multipart,
    "userinfo of an upstream": userinfo,
    **{f"config file, {name}": configured(address) for name, address in UPSTREAMS.items()},
    "config file, an upstream for a table": configured(UPSTREAMS["userinfo"], '[service]\nplain = "{}"\n'),
    "config file, an upstream for a name": configured(UPSTREAMS["query"], '[service.plain]\nname = "{}"\n'),
    **{f"--upstream, {name}": flagged(address) for name, address in UPSTREAMS.items()},
    "origin that is not there": unreachable,
    "variable": lambda case: case.run('printf %s "${#API_TOKEN}"', before=("--env", "API_TOKEN"), env={"API_TOKEN": case.secret}),
    "variable that the tool prints": lambda case: case.run('echo "$API_TOKEN" >&2', env={"API_TOKEN": case.secret}),
    "variable that the tool prints, named": lambda case: case.run('echo "$API_TOKEN" >&2', before=("--env", "API_TOKEN"), env={"API_TOKEN": case.secret}),
    "argument --token=": argument("--token={}"),
    "argument --password": argument("--password", "{}"),
    "argument in a URL": argument("https://user:{}@host.test/"),
    "argument NAME=": argument("API_TOKEN={}"),
    "argument with a header": argument("-H", "Authorization: Bearer {}"),
    "argument --env=NAME=": argument("--env=DB_PASSWORD={}"),
    "argument --set=": argument("--set=auth.token={}"),
    "argument in JSON": argument("-d", '{{"api_key":"{}"}}'),
    "argument --json=": argument('--json={{"token": "{}"}}'),
    "argument --oauth2-bearer": argument("--oauth2-bearer", "{}"),
    "argument --proxy-user": argument("--proxy-user", "user:{}"),
    "argument --passphrase": argument("--passphrase", "{}"),
    "standard input": lambda case: case.run("wc -c", input=case.secret),
}

SHOWN = [["ls"], ["stats"], ["env"], ["config", "show"], ["config", "show", "--origin"], ["adapters"]]


def places(case):
    """Everything that larder shows or leaves behind: (place, bytes)."""
    home, gateway = case.home, case.gateway
    for path in ("/-/metrics", "/-/stats", "/-/health"):
        yield path, gateway.get(path).body
    for words in SHOWN + [["show", entry["key"]] for entry in home.json("ls")["entries"]]:
        for more in ([], ["--json"]):
            done = home.larder(*words, *more, ok=False, env={"LARDER_LOG": "trace"})
            yield " ".join(map(str, words + more)), (done.stdout + done.stderr).encode()
    for number, said in enumerate(case.said):
        yield f"larder's word {number}", said.encode()
    yield from files(case, "while it serves")
    gateway.process.send_signal(signal.SIGABRT)
    gateway.process.wait(15)
    yield from files(case, "after the crash")
    home.larder("ls")
    yield from files(case, "after the next opening")


def files(case, when):
    """Raw bytes: bodies, database, its log and freed pages, spools, logs. The tools' own scripts are not larder's."""
    folders = [case.home.store, case.home.folder / "config", case.home.folder / "state", case.home.folder / "cache", case.home.folder / "data"]
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()] + [case.gateway.log]
    for path in found:
        yield f"{path.name} {when}", path.read_bytes()


@pytest.fixture
def case(home, origins):
    origin = origins(lambda call: json_reply(WHOLE, cache_control="max-age=60"))
    no_core = lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # noqa: E731
    gateway = home.serve(openai=origin.url, plain=origin.url, env={"RUST_LOG": "trace", "LARDER_LOG": "trace", "RUST_BACKTRACE": "full"})
    no_core()
    return Case(home, origin, gateway, "Cn+ary/7x9Q=qZ4v")


@pytest.mark.parametrize("door", DOORS)
def test_what_comes_in_is_nowhere(door, case):
    DOORS[door](case)
    wanted = forms(case.secret)
    found = sorted({place for place, content in places(case) if any(form in content for form in wanted)})
    assert not found


def test_a_secret_in_an_answer_is_the_answers_alone(case):
    """An answer's body is kept as it is, under the share of whoever got it; nothing but `--body` shows it."""
    case.origin.answer = lambda call: json_reply(json.dumps({**json.loads(WHOLE), "note": case.secret}))
    assert case.secret in case.chat(authorization="Bearer k").body.decode()
    case.home.settle(1)
    assert case.chat(authorization="Bearer k").cache["hit"] is True
    assert case.chat(authorization="Bearer other").cache.get("hit") is None and len(case.origin.calls) == 2
    wanted = forms(case.secret)
    found = sorted({place for place, content in places(case) if any(form in content for form in wanted)})
    assert found and all(place.startswith(("index.db", "bodies")) for place in found), found
