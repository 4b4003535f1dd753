"""Every SDK × callers that leave, come back, and come together."""
import threading
import time

import pytest

from sdk import table
from sdk.world import good, plain
from support.origin import Reply
from support.raw import cache_status
from upstreams.llm_script import answer

STREAMS = {"chat": table.chat(mode="events"), "response": table.response(mode="events"), "message": table.message("tools", "events")}
WHOLE = {"chat": table.chat(), "embedding": table.WHOLE["embedding: default encoding"], "message": table.message()}


def slowly(pause):
    """The usual answer, with a pause before each piece."""
    def reply(call):
        usual = answer(call)
        return Reply(200, usual.headers, paced(usual.body if not isinstance(usual.body, bytes) else [usual.body], pause))
    return reply


def paced(pieces, pause):
    for piece in pieces:
        time.sleep(pause)
        yield piece


def until(condition, what):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


@pytest.mark.parametrize("finished", [False, True], ids=["still speaking", "has finished"])
@pytest.mark.parametrize("take", [0, 2])
@pytest.mark.parametrize("name", STREAMS)
def test_left_stream_is_finished_and_answers_the_next(name, take, finished, world):
    ask = STREAMS[name]
    direct = good(world.straight(ask))
    world.origin.plan(world.key, slowly(0.005))
    left = good(world.through(ask, take=take))
    assert left["events"] == direct["events"][:take]
    if finished:
        until(lambda: world.asked and world.asked[0].finished, "the origin was left, too")
    assert good(world.through(ask)) == direct
    assert good(world.through(ask)) == direct
    assert len(world.asked) == 1 and not world.asked[0].broken, "a paid answer was thrown away"
    *_, again, last = world.wire()
    assert again.body == last.body == world.asked[0].sent
    assert cache_status(dict(last.headers)["cache-status"])["hit"] is True


@pytest.mark.parametrize("name", WHOLE)
def test_impatient_caller_is_answered_when_it_comes_back(name, world):
    """The SDK's timeout, an aborted signal, a cancelled task: the paid call goes on."""
    ask = WHOLE[name]
    world.origin.plan(world.key, slowly(0.6))
    left = world.through(ask, leave=0.2)
    assert left["error"]["status"] is None, left
    assert good(world.through(ask)) == good(world.straight(ask))
    assert len(world.asked) == 1 and not world.asked[0].broken


def test_retry_after_a_timeout_joins_the_call_that_is_under_way(world):
    """Its own retries do not make the SDK pay twice."""
    world.origin.plan(world.key, slowly(0.7))
    assert good(world.through(WHOLE["chat"], timeout=0.5, retries=2)) == good(world.straight(WHOLE["chat"]))
    assert len(world.asked) == 1


@pytest.mark.parametrize("name", ["models", "count"])
def test_left_call_that_costs_nothing_is_kept_or_asked_again(name, world):
    ask = table.WHOLE[name]
    world.origin.plan(world.key, slowly(0.5))
    assert "error" in world.through(ask, leave=0.2)
    assert good(world.through(ask)) == good(world.straight(ask))


@pytest.mark.parametrize("name", ["chat", "chat, streamed", "message", "message, streamed", "embedding"])
def test_many_at_once_are_one_call(name, world):
    ask = (STREAMS if "," in name else WHOLE)[name.split(",")[0]]
    world.origin.plan(world.key, slowly(0.02 if "," in name else 0.3))
    answers = [good(one) for one in world.sdk.together([world.where(ask)] * 20)]
    assert answers == [good(world.straight(ask))] * 20
    assert len(world.asked) == 1


def test_some_of_many_leave(world):
    """Those who stay get all of it."""
    ask = STREAMS["chat"]
    world.origin.plan(world.key, slowly(0.02))
    impatient = [world.where(ask)] * 6
    left = []
    thread = threading.Thread(target=lambda: left.extend(world.sdk.together(impatient, take=1)))
    thread.start()
    stayed = world.sdk.together([world.where(ask)] * 6)
    thread.join()
    assert [good(one) for one in stayed] == [good(world.straight(ask))] * 6
    assert len(left) == 6 and all(len(plain(one)["events"]) == 1 for one in left)
    assert len(world.asked) == 1
