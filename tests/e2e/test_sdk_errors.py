"""Every SDK × what goes wrong: the SDK's user sees the same error as without larder, and no error is ever replayed."""
import time

import pytest

from sdk import table
from sdk.world import good, plain
from support.origin import Cut, Reply
from support.raw import cache_status
from upstreams.llm_script import answer, events

ASKS = {"chat": table.chat(), "chat stream": table.chat(mode="events"), "response": table.response(), "embedding": table.WHOLE["embedding: floats"],
        "message": table.message(), "message stream": table.message(mode="events"), "count": table.WHOLE["count"]}
STATUSES = [400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 529]
STREAM = [("content-type", "text/event-stream")]


def trouble(status, **headers):
    """An error as both services write it."""
    body = b'{"type": "error", "error": {"type": "some_error", "code": "c", "param": null, "message": "no \xe2\x80\x94 no"}, "request_id": "req_9"}'
    more = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Reply(status, [("content-type", "application/json"), ("x-request-id", "req_9"), ("request-id", "req_9"), *more], body)


def assert_no_replay(world, ask, calls=2):
    """The origin is asked again, and what it says then is kept."""
    assert good(world.through(ask)) == good(world.through(ask))
    assert len(world.asked) == calls


@pytest.mark.parametrize("status", STATUSES)
def test_statuses(status, world):
    for ask in (ASKS["chat"], ASKS["message stream"]):
        before = len(world.asked)
        world.plan(trouble(status, retry_after="7"))
        direct, through = plain(world.straight(ask)), plain(world.through(ask))
        assert direct == through and through["error"]["status"] == status and through["error"]["headers"]["retry-after"] == "7"
        assert "hit" not in cache_status(dict(world.wire()[-1].headers).get("cache-status"))
        assert_no_replay(world, ask, before + 2)


@pytest.mark.parametrize("name", ASKS)
def test_every_call_fails_and_recovers(name, world):
    ask = ASKS[name]
    world.plan(trouble(500))
    assert plain(world.straight(ask)) == plain(world.through(ask))
    assert_no_replay(world, ask)


@pytest.mark.parametrize("name", ASKS)
def test_the_sdk_retries_and_the_origin_is_asked_again(name, world):
    ask = ASKS[name]
    world.plan(trouble(429, retry_after="0", retry_after_ms="5"), trouble(503, retry_after_ms="5"))
    direct, first = good(world.straight(ask, retries=2)), good(world.through(ask, retries=2))
    assert direct == first == good(world.through(ask, retries=2))
    assert [call.status for call in world.asked] == [429, 503, 200]
    assert [call.header("x-stainless-retry-count") for call in world.asked] == ["0", "1", "2"]


def test_the_sdk_waits_as_long_as_the_origin_asks(world):
    world.plan(trouble(429, retry_after="1"))
    began = time.monotonic()
    good(world.through(ASKS["chat"], retries=1))
    assert time.monotonic() - began >= 0.9, "Retry-After did not reach the SDK"


def test_x_should_retry_reaches_the_sdk(world):
    world.plan(trouble(500, x_should_retry="false"))
    assert world.through(ASKS["chat"], retries=2)["error"]["status"] == 500
    assert len(world.asked) == 1


def cut_after(share):
    """A streamed answer whose connection breaks after a part of its bytes."""
    def reply(call):
        data = b"".join(events(call))
        return Reply(200, STREAM, broken(data[:int(len(data) * share)]))
    return reply


def broken(data):
    for at in range(0, len(data), 100):
        yield data[at:at + 100]
    # What was sent arrives before the connection's end does.
    time.sleep(0.05)
    raise Cut


@pytest.mark.parametrize("share", [0.3, 0.97])
@pytest.mark.parametrize("name", ["chat stream", "message stream"])
def test_connection_dropped_in_the_middle_of_a_stream(name, share, world):
    ask = ASKS[name]
    world.plan(cut_after(share))
    direct, through = plain(world.straight(ask)), plain(world.through(ask))
    assert direct == through and through["events"]
    assert "error" in through, "the SDK took a broken stream for a whole one"
    assert_no_replay(world, ask)


@pytest.mark.parametrize("name", ["chat", "message"])
def test_connection_dropped_in_the_middle_of_a_whole_answer(name, world):
    ask = ASKS[name]
    world.plan(lambda call: half(answer(call)))
    direct, through = plain(world.straight(ask)), plain(world.through(ask))
    assert direct == through and "error" in through
    assert_no_replay(world, ask)


def half(whole):
    return Reply(200, whole.headers, broken(whole.body[:200]))


@pytest.mark.parametrize("name", ["chat", "message stream"])
def test_connection_dropped_before_an_answer(name, world):
    """Without larder a connection error, with it a 502: both are errors that the SDKs retry."""
    def drop(call):
        raise Cut
    ask = ASKS[name]
    world.plan(drop)
    assert world.through(ask)["error"]["status"] == 502
    world.plan(drop)
    good(world.through(ask, retries=1))
    assert_no_replay(world, ask, calls=len(world.asked))


ENDINGS = {
    "chat stream": b'data: {"error": {"message": "overloaded", "type": "server_error", "code": "overloaded"}}\n\n',
    "message stream": b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}\n\n',
}


@pytest.mark.parametrize("name", ENDINGS)
def test_error_event_in_the_middle_of_a_stream(name, world):
    ask = ASKS[name]
    world.plan(lambda call: Reply(200, STREAM, iter([*events(call)[:5], ENDINGS[name]])))
    direct, through = plain(world.straight(ask)), plain(world.through(ask))
    assert direct == through and through["error"] and len(through["events"]) >= 3
    assert_no_replay(world, ask)


@pytest.mark.parametrize("name", ["chat stream", "message stream"])
def test_stream_without_its_last_event(name, world):
    ask = ASKS[name]
    world.plan(lambda call: Reply(200, STREAM, iter(events(call)[:-2])))
    assert plain(world.straight(ask)) == plain(world.through(ask))
    assert_no_replay(world, ask)


@pytest.mark.parametrize("name", ["chat", "message"])
def test_a_page_of_html_is_no_answer(name, world):
    ask = ASKS[name]
    world.plan(lambda call: Reply(200, [("content-type", "text/html")], b"<html>please log in</html>"))
    assert plain(world.straight(ask)) == plain(world.through(ask))
    assert_no_replay(world, ask)
