"""Bytes, statuses and headers as they are on the wire, without a client library's help."""
import hashlib
import json
import socket
import subprocess
import threading
import time

import pytest

from support.ask import bearer, chat
from support.origin import Cut, Reply, json_reply
from support.raw import opened, request

DONE = '{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}'
PATH = "/openai/v1/chat/completions"


def sse(*events):
    return [f"data: {event}\n\n".encode() for event in events]


CHUNK = '{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}'
STOP = '{"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'


def curl(url, body, *more):
    command = ["curl", "-sSi", "--no-progress-meter", "-N", "-X", "POST", url, "-H", "content-type: application/json",
               "-H", "authorization: Bearer sk", "--data-binary", body, *more]
    done = subprocess.run(command, capture_output=True, timeout=20, check=True)
    head, _, rest = done.stdout.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    own = ("age:", "cache-status:", "transfer-encoding:", "content-length:", "connection:")
    return status, sorted(line for line in lines if not line.lower().startswith(own)), rest


@pytest.mark.parametrize("stream", [False, True])
def test_curl_sees_the_same_bytes_and_headers_twice(stream, gateway, llm):
    body = json.dumps(chat(stream=stream))
    first, second = (curl(gateway.url + PATH, body) for _ in range(2))
    assert first == second and first[0].startswith("HTTP/1.1 200") and len(first[2]) > 100
    assert len(llm.calls) == 1 and llm.calls[0].sent == first[2]


def test_headers_of_the_origin_come_back_and_cookies_stay_out(home, origins):
    origin = origins(lambda call: json_reply(DONE, x_request_id="req-1", Set_Cookie="session=abc", x_Ratelimit_Remaining_Requests="9",
                                             Date="Mon, 23 Nov 2026 10:00:00 GMT", Server="origin"))
    gateway = home.serve(openai=origin.url)
    first, second = (gateway.post(PATH, chat(), headers=bearer()) for _ in range(2))
    assert first.header("set-cookie") == "session=abc", "a call that is passed on loses nothing"
    assert second.header("set-cookie") is None
    for name in ("x-request-id", "x-ratelimit-remaining-requests", "server", "date", "content-type"):
        assert second.header(name) == first.header(name) is not None, name
    assert first.body == second.body == DONE.encode()


def test_the_origin_gets_what_the_client_sent(home, origins):
    origin = origins(lambda call: json_reply(DONE))
    gateway = home.serve(openai=origin.url)
    sent = {**bearer("sk-live"), "x-stainless-lang": "python", "x-custom": "kept", "accept-encoding": "gzip, br", "user-agent": "mine/1"}
    raw = b'{"model": "m",  "messages": [ ], "temperature": 1.0}'
    gateway.post(PATH + "?api-version=3", raw, headers={**sent, "content-type": "application/json"})
    call = origin.calls[0]
    assert (call.method, call.target, call.body) == ("POST", "/v1/chat/completions?api-version=3", raw)
    assert call.header("authorization") == "Bearer sk-live" and call.header("x-custom") == "kept" and call.header("user-agent") == "mine/1"
    assert call.header("host") == origin.url.removeprefix("http://")
    assert call.header("accept-encoding") in (None, "identity"), "encodings are not variants yet"
    assert call.header("connection") != "close"


ERRORS = [400, 401, 403, 404, 409, 422]


@pytest.mark.parametrize("status", ERRORS)
def test_no_error_is_replayed(status, home, origins):
    answers = iter([json_reply('{"error":{"message":"no"}}', status, x_request_id="r"), json_reply(DONE)])
    origin = origins(lambda call: next(answers))
    gateway = home.serve(openai=origin.url)
    first = gateway.post(PATH, chat(), headers=bearer())
    assert (first.status, first.body, first.header("x-request-id")) == (status, b'{"error":{"message":"no"}}', "r")
    second = gateway.post(PATH, chat(), headers=bearer())
    assert second.status == 200 and "hit" not in second.cache
    assert gateway.post(PATH, chat(), headers=bearer()).cache["hit"] is True


@pytest.mark.parametrize("status", [429, 500, 503, 529])
def test_no_passing_trouble_is_replayed(status, home, origins):
    trouble = [True]
    origin = origins(lambda call: json_reply('{"error":{}}', status, retry_after="0") if trouble[0] else json_reply(DONE))
    gateway = home.serve(openai=origin.url)
    assert gateway.post(PATH, chat(), headers=bearer()).status == status
    trouble[0] = False
    second = gateway.post(PATH, chat(), headers=bearer())
    assert second.status == 200 and "hit" not in second.cache


def cut_after(*events):
    yield from sse(*events)
    time.sleep(0.05)
    raise Cut


STREAMS = {
    "whole": (lambda: iter(sse(CHUNK, STOP, "[DONE]")), True),
    "no [DONE]": (lambda: iter(sse(CHUNK, STOP)), False),
    "no finish reason": (lambda: iter(sse(CHUNK, "[DONE]")), False),
    "length": (lambda: iter(sse(CHUNK, STOP.replace('"stop"', '"length"'), "[DONE]")), False),
    "content filter": (lambda: iter(sse(CHUNK, STOP.replace('"stop"', '"content_filter"'), "[DONE]")), False),
    "tool calls": (lambda: iter(sse(CHUNK, STOP.replace('"stop"', '"tool_calls"'), "[DONE]")), True),
    "error event": (lambda: iter(sse(CHUNK, '{"error":{"message":"overloaded"}}', "[DONE]")), False),
    "line ends of two bytes": (lambda: iter([e.replace(b"\n", b"\r\n") for e in sse(CHUNK, STOP, "[DONE]")]), True),
    "one byte at a time": (lambda: (bytes([b]) for b in b"".join(sse(CHUNK, STOP, "[DONE]"))), True),
    "all in one piece": (lambda: iter([b"".join(sse(CHUNK, STOP, "[DONE]"))]), True),
}


@pytest.mark.parametrize("name", STREAMS)
def test_which_streams_are_kept(name, home, origins):
    make, kept = STREAMS[name]
    origin = origins(lambda call: Reply(200, [("content-type", "text/event-stream")], make()))
    gateway = home.serve(openai=origin.url)
    got = [gateway.post(PATH, chat(stream=True), headers=bearer()) for _ in range(2)]
    assert [g.body for g in got] == [b"".join(make())] * 2
    assert len(origin.calls) == (1 if kept else 2)


def test_cut_stream_is_cut_for_the_client_and_not_kept(home, origins):
    import http.client
    whole = [False]
    origin = origins(lambda call: Reply(200, [("content-type", "text/event-stream")],
                                        iter(sse(CHUNK, STOP, "[DONE]")) if whole[0] else cut_after(CHUNK, STOP)))
    gateway = home.serve(openai=origin.url)
    with opened(gateway.url + PATH, "POST", chat(stream=True), bearer()) as (_, got):
        with pytest.raises(http.client.IncompleteRead):
            got.read()
    whole[0] = True
    assert gateway.post(PATH, chat(stream=True), headers=bearer()).body == b"".join(sse(CHUNK, STOP, "[DONE]"))
    assert len(origin.calls) == 2


def test_whole_answer_cut_short_is_not_kept(home, origins):
    def short(call):
        def body():
            yield DONE.encode()[:40]
            time.sleep(0.05)
            raise Cut
        return Reply(200, [("content-type", "application/json")], body())

    import http.client
    answers = iter([short, lambda call: json_reply(DONE)])
    origin = origins(lambda call: next(answers)(call))
    gateway = home.serve(openai=origin.url)
    with opened(gateway.url + PATH, "POST", chat(), bearer()) as (_, got):
        try:
            assert got.read() != DONE.encode()
        except http.client.IncompleteRead:
            pass
    assert gateway.post(PATH, chat(), headers=bearer()).body == DONE.encode()


BREAKS = [(500, 0), (500, 100), (60_000, 50_000)]


class Breaking:
    """An origin that promises more than it sends, and closes `pause` seconds after it."""

    def __init__(self, promised, sent, pause):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {promised}\r\n\r\n"
        self.sent, self.pause = sent, pause
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(self.head.encode() + b"x" * self.sent)
                time.sleep(self.pause)


@pytest.mark.parametrize("pause", [0, 0.01, 0.015, 0.04])
@pytest.mark.parametrize("promised,sent", BREAKS)
def test_answer_that_breaks_off_at_once_is_no_empty_reply(promised, sent, pause, home):
    origin = Breaking(promised, sent, pause)
    gateway = home.serve(openai=origin.url, plain=origin.url)
    asks = ["-X", "POST", gateway.url + PATH, "-H", "content-type: application/json", "--data-binary", json.dumps(chat())]
    for ask in (asks, [gateway.url + "/plain/a"]):
        got = subprocess.run(["curl", "-sSi", "-N", *ask], capture_output=True, timeout=20)
        assert got.returncode == 18, got.stderr
        head, _, body = got.stdout.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK") and f"content-length: {promised}".encode() in head
        assert body == b"x" * sent
    origin.listener.close()


@pytest.mark.parametrize("directive,second_call", [("no-store", True), ("no-cache", True), ("max-age=0", True), ("max-age=1000", False)])
def test_clients_cache_control(directive, second_call, home, origins):
    origin = origins(lambda call: json_reply(DONE))
    gateway = home.serve(openai=origin.url)
    gateway.post(PATH, chat(), headers=bearer())
    gateway.post(PATH, chat(), headers={**bearer(), "cache-control": directive})
    assert len(origin.calls) == (2 if second_call else 1)


def test_clients_no_store_stores_nothing(home, origins):
    origin = origins(lambda call: json_reply(DONE))
    gateway = home.serve(openai=origin.url)
    for _ in range(2):
        gateway.post(PATH, chat(), headers={**bearer(), "cache-control": "no-store"})
    gateway.post(PATH, chat(), headers=bearer())
    assert len(origin.calls) == 3


def test_only_if_cached(home, origins):
    origin = origins(lambda call: json_reply(DONE))
    gateway = home.serve(openai=origin.url)
    only = {**bearer(), "cache-control": "only-if-cached"}
    assert gateway.post(PATH, chat(), headers=only).status == 504
    assert not origin.calls
    gateway.post(PATH, chat(), headers=bearer())
    home.settle()
    assert gateway.post(PATH, chat(), headers=only).cache["hit"] is True
    assert len(origin.calls) == 1


def test_origins_no_store_is_obeyed(home, origins):
    origin = origins(lambda call: json_reply(DONE, cache_control="no-store"))
    gateway = home.serve(openai=origin.url)
    for _ in range(2):
        gateway.post(PATH, chat(), headers=bearer())
    assert len(origin.calls) == 2


def test_large_questions_that_differ_in_the_last_byte(home, origins):
    origin = origins(lambda call: json_reply(DONE.replace("hi", hashlib.sha256(call.body).hexdigest())))
    gateway = home.serve(openai=origin.url)
    texts = ["x" * 3_000_000 + end for end in "ab"]
    got = [gateway.post(PATH, chat(text), headers=bearer()).body for text in [*texts, *texts]]
    assert len(origin.calls) == 2
    assert got[0] == got[2] != got[1] == got[3]


def test_question_beyond_the_limit_streams_through(home, origins):
    origin = origins(lambda call: json_reply(DONE))
    gateway = home.serve("--max-question", "1MiB", openai=origin.url)
    body = chat("x" * 2_000_000)
    for _ in range(2):
        assert gateway.post(PATH, body, headers=bearer()).body == DONE.encode()
    assert len(origin.calls) == 2 and len(origin.calls[0].body) > 2_000_000


def test_large_answer_is_replayed_whole(home, origins):
    big = DONE.replace("hi", "y" * 5_000_000)
    origin = origins(lambda call: json_reply(big))
    gateway = home.serve(openai=origin.url)
    first, second = (gateway.post(PATH, chat(), headers=bearer()) for _ in range(2))
    assert second.cache["hit"] is True and first.body == second.body == big.encode()
    assert second.header("content-length") == str(len(big))


def test_many_requests_on_one_connection(home, origins):
    origin = origins(lambda call: json_reply(DONE))
    gateway = home.serve(openai=origin.url)
    import http.client
    import json
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    for n in range(50):
        body = json.dumps(chat(str(n % 5)))
        connection.request("POST", PATH, body, {**bearer(), "content-type": "application/json"})
        assert connection.getresponse().read() == DONE.encode()
    assert len(origin.calls) == 5


def test_a_burst_of_different_questions_mixes_nothing_up(home, origins):
    import concurrent.futures
    import json
    origin = origins(lambda call: json_reply(DONE.replace("hi", json.loads(call.body)["messages"][0]["content"])))
    gateway = home.serve(openai=origin.url)

    def ask(n):
        got = gateway.post(PATH, chat(f"question-{n % 20}"), headers=bearer())
        return got.json()["choices"][0]["message"]["content"] == f"question-{n % 20}"

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert all(pool.map(ask, range(200)))
    assert len(origin.calls) == 20


def test_request_without_a_service_or_for_an_unknown_one(gateway, llm):
    for path in ("/nobody/v1/x", "/"):
        got = gateway.get(path)
        assert got.status == 404
    body = gateway.get("/nobody/v1/x").body.decode()
    assert "nobody" in body and "openai" in body and "anthropic" in body
    assert not llm.calls


def test_one_service_at_the_root_of_a_listener(home, origins):
    from support.program import free_port
    origin = origins(lambda call: json_reply(DONE))
    port = free_port()
    gateway = home.serve(openai=origin.url, listen=[f"127.0.0.1:{port}=openai"])
    for _ in range(2):
        assert request(f"http://127.0.0.1:{port}/v1/chat/completions", "POST", chat(), bearer()).status == 200
    assert gateway.post(PATH, chat(), headers=bearer()).cache["hit"] is True, "the same question through any door"
    assert len(origin.calls) == 1


def test_unix_listener(home, origins):
    origin = origins(lambda call: json_reply(DONE))
    path = home.folder / "s"
    home.serve(openai=origin.url, listen=[f"unix:{path}=openai"])
    command = ["curl", "-sS", "--unix-socket", str(path), "http://api.openai.com/v1/chat/completions", "-H", "authorization: Bearer k",
               "--json", '{"model":"m","messages":[]}']
    for _ in range(2):
        assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout == DONE
    assert len(origin.calls) == 1
    assert path.stat().st_mode & 0o077 == 0, "nobody else may use this user's credentials and answers"


def test_two_origins_under_one_service(home, origins):
    one, two = (origins(lambda call, name=name: json_reply(DONE.replace("hi", name))) for name in ("one", "two"))
    for origin in (one, two, one, two):
        gateway = home.serve(openai=origin.url)
        expected = b"one" if origin is one else b"two"
        assert expected in gateway.post(PATH, chat(), headers=bearer()).body
        assert gateway.stop() == 0
    assert len(one.calls) == len(two.calls) == 1


def test_a_websocket_is_refused_so_that_clients_fall_back_at_once(gateway, llm):
    upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    assert gateway.get("/openai/v1/responses", headers={**bearer(), **upgrade}).status == 426
    assert not llm.calls


def test_a_stream_in_flight_survives_sigterm(home, origins):
    import signal
    events = sse(*[CHUNK] * 10, STOP, "[DONE]")
    origin = origins(lambda call: Reply(200, [("content-type", "text/event-stream")], iter(events)))
    origin.pace = 0.05
    gateway = home.serve(openai=origin.url)
    with opened(gateway.url + PATH, "POST", chat(stream=True), bearer()) as (_, got):
        head = got.read1(10)
        gateway.process.send_signal(signal.SIGTERM)
        assert head + got.read() == b"".join(events)
    assert gateway.process.wait(10) == 0
    gateway = home.serve(openai=origin.url)
    assert gateway.post(PATH, chat(stream=True), headers=bearer()).cache["hit"] is True
