"""What the SDKs and other HTTP clients rely on below the calls: connections, encodings, long and strange questions."""
import contextlib
import gzip
import http.client
import json
import socket
import subprocess

import pytest

from sdk import table
from sdk.world import good, plain
from support.ask import bearer
from support.origin import Reply
from support.raw import Raw
from upstreams.llm_script import answer

CHAT = "/openai/v1/chat/completions"
BODY = {"model": "plain", "messages": [{"role": "user", "content": "over HTTP"}]}
STRANGE = {
    "joined emoji": "👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿", "beyond the plane": "𝒳𐍈", "combining": "e\u0301", "composed": "\u00e9", "right to left": "\u202eשלום\u202c", "control": "\u0000\u0001\u001f\u007f\u0085",
    "line ends": "a\r\nb\rc\nd\u2028e\u2029", "quotes": "\"\\/\b\f", "blank": "", "no break": "\u00a0\ufeff", "no character": "\ufffe\uffff\ufffd", "looks like JSON": '{"a": 1}', "tab": "\t \t",
}


def asked_for(text, mode="whole"):
    return table.chat(mode=mode, messages=[{"role": "user", "content": text}])


def test_strange_questions_are_told_apart_and_arrive_as_they_are(world):
    asks = {name: asked_for(text) for name, text in STRANGE.items()}
    for _ in range(2):
        for ask in asks.values():
            good(world.through(ask))
    sent = [json.loads(call.body)["messages"][0]["content"] for call in world.asked]
    assert sent == list(STRANGE.values())


@pytest.mark.parametrize("size", [1 << 20, 7 << 20])
def test_long_questions(size, world):
    ask, other = (asked_for("ü" * (size // 2) + end, "events") for end in ("a", "b"))
    assert good(world.through(ask)) == good(world.straight(ask)) == good(world.through(ask))
    good(world.through(other))
    assert len(world.asked) == 2
    assert world.asked[0].body == world.wire()[0].sent and len(world.asked[0].body) > size


def test_connections_are_kept(world):
    """A miss, a hit, an error, a long question, a stream: all on one connection, as without larder."""
    world.plan(Reply(404, [("content-type", "application/json")], b'{"error": {"message": "no"}}'))
    for ask in (world.straight, world.through):
        assert ask(table.chat())["error"]["status"] == 404
        for _ in range(2):
            good(ask(table.chat()))
            good(ask(asked_for("x" * (1 << 20))))
            good(ask(table.STREAMS["chat: bytes"]))
    assert {e.connection for e in world.wire("straight")} == {0}
    assert {e.connection for e in world.wire()} == {0}


def test_a_crowd_gets_each_his_own(world):
    """Many connections at once, twice: no answer crosses over."""
    asks = [world.where(table.openai("embeddings.create", model="e", input="x" * number)) for number in range(1, 25)]
    wanted = [good(world.sdk(*world.where(one[0], direct=True))) for one in asks]
    assert len({json.dumps(one) for one in wanted}) == 24
    for _ in range(2):
        assert [good(one) for one in world.sdk.together(asks)] == wanted
    assert len(world.asked) == 24


def test_encodings_are_not_asked_for(world):
    """Until encodings are variants: the SDK offers gzip, the origin is asked for none."""
    good(world.through(table.chat()))
    offered = {name.lower(): value for name, value in world.wire()[0].asked}
    assert "gzip" in offered["accept-encoding"]
    assert world.asked[0].header("accept-encoding") in (None, "identity")


@pytest.mark.parametrize("name", ["chat", "message"])
def test_an_origin_that_insists_on_gzip(name, world):
    def squeezed(call):
        usual = answer(call)
        return Reply(200, [*usual.headers, ("content-encoding", "gzip")], gzip.compress(usual.body, mtime=0))
    ask = table.WHOLE[name]
    world.plan(squeezed)
    direct, through = good(world.straight(ask)), good(world.through(ask))
    assert direct == through == good(world.through(ask))
    assert len(world.asked) == 2, "an encoded answer was kept"


def test_names_of_this_machine(world):
    """`localhost` in a base URL is the gateway, too."""
    ask, base, key = world.where(table.chat())
    named = good(world.sdk(ask, base.replace("127.0.0.1", "localhost"), key))
    assert named == good(world.through(table.chat()))
    assert len(world.asked) == 1


def test_headers_of_the_user_reach_the_origin(world):
    headers = {"x-team": "blue", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    good(world.through(table.chat(), headers=headers))
    assert {name: world.asked[0].header(name) for name in headers} == headers
    good(world.through(table.chat(), headers={"x-team": "green"}))
    assert len(world.asked) == 1


def read(connection):
    got = connection.getresponse()
    return Raw(got.status, got.getheaders(), got.read())


@contextlib.contextmanager
def connected(gateway):
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    yield connection
    connection.close()


def test_chunked_and_measured_are_one_question(scripted_gateway):
    data = json.dumps({**BODY, "user": "chunks"}).encode()
    headers = {**bearer("sk-chunks"), "content-type": "application/json"}
    with connected(scripted_gateway) as connection:
        connection.request("POST", CHAT, iter([data[:1], data[1:40], data[40:]]), headers, encode_chunked=True)
        first = read(connection)
        connection.request("POST", CHAT, data, headers)
        second = read(connection)
    assert first.status == 200 and second.cache["hit"] is True and second.same_as(first)


@pytest.mark.parametrize("chunked", [False, True])
def test_expect_100_continue(chunked, scripted_gateway):
    """The body is asked for before it is sent, on a miss and on a hit, and the connection goes on."""
    data = json.dumps(BODY).encode()
    framing = "transfer-encoding: chunked" if chunked else f"content-length: {len(data)}"
    head = f"POST {CHAT} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer sk-expect-{chunked}\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n{framing}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", scripted_gateway.port), 10) as line:
        stream = line.makefile("rb")
        for wanted in ("fwd=uri-miss", "larder; hit"):
            line.sendall(head.encode())
            assert stream.readline().startswith(b"HTTP/1.1 100") and stream.readline() == b"\r\n"
            line.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data) if chunked else data)
            status, headers = stream.readline(), http.client.parse_headers(stream)
            assert status.startswith(b"HTTP/1.1 200") and wanted in headers["cache-status"]
            assert json.loads(stream.read(int(headers["content-length"])))["object"] == "chat.completion"


def test_curl_sends_a_long_body_after_asking(scripted_gateway, tmp_path):
    file = tmp_path / "body.json"
    file.write_text(json.dumps({**BODY, "messages": [{"role": "user", "content": "x" * (2 << 20)}]}))
    command = ["curl", "-sS", "-v", "-m", "20", scripted_gateway.url + CHAT, "-H", "expect: 100-continue", "-H", "content-type: application/json",
               "-H", "authorization: Bearer sk-curl", "--data-binary", f"@{file}"]
    for wanted in ("fwd=uri-miss", "larder; hit"):
        done = subprocess.run(command, capture_output=True, timeout=30, check=True)
        assert wanted in done.stderr.decode().lower() and json.loads(done.stdout)["object"] == "chat.completion"


def test_half_characters_are_told_apart(scripted_gateway, scripted):
    """JavaScript writes half of a character as `\\ud83d`; it is not the replacement character, and no other half."""
    for _ in range(2):
        for half in (b"\\ud83d", b"\\ud83e", b"\\udc00", b"\\ufffd"):
            body = b'{"model": "plain", "messages": [{"role": "user", "content": "' + half + b'"}]}'
            got = scripted_gateway.post(CHAT, body, headers={**bearer("sk-halves"), "content-type": "application/json"})
            assert got.status == 200, got.body
    bodies = [call.body for call in scripted.calls if call.header("authorization") == "Bearer sk-halves"]
    assert len(set(bodies)) == 4
    # A question that cannot be told for certain may be asked each time; it must not be another's.
    assert len(bodies) in range(4, 9)


def test_escaped_and_plain_are_one_question(scripted_gateway):
    bodies = [json.dumps({**BODY, "messages": [{"role": "user", "content": "Grüße 👩"}]}, ensure_ascii=ascii, indent=indent).encode() for ascii in (True, False) for indent in (None, 2)]
    got = [scripted_gateway.post(CHAT, body, headers={**bearer("sk-escaped"), "content-type": "application/json"}) for body in bodies]
    assert ["hit" in one.cache for one in got] == [False, True, True, True]
