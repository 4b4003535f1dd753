"""Every SDK × every call: a direct call, a miss and a hit give the same object and the same bytes."""
import pytest

from sdk import table
from sdk.world import OWN, good
from support.raw import cache_status


def replayed(world, ask):
    """Asks three ways; returns what the SDK said and what was on the wire."""
    direct = good(world.straight(ask))
    first, second = (good(world.through(ask)) for _ in range(2))
    assert direct == first, "through the gateway the SDK's user got something else"
    assert first == second, "the replay gave the SDK's user something else"
    assert len(world.asked) == 1
    return direct, world.wire("straight"), world.wire()


def assert_same_wire(straight, through):
    (direct,), (miss, hit) = straight, through
    assert miss.same_answer(direct, but=OWN) is None
    assert hit.same_answer(miss, but=OWN) is None
    assert cache_status(dict(miss.headers)["cache-status"])["fwd"] == "uri-miss"
    assert cache_status(dict(hit.headers)["cache-status"])["hit"] is True
    assert miss.body


@pytest.mark.parametrize("name", table.WHOLE)
def test_whole(name, world):
    _, straight, through = replayed(world, table.WHOLE[name])
    assert_same_wire(straight, through)
    assert not any(exchange.cut for exchange in through)


@pytest.mark.parametrize("name", table.STREAMS)
def test_stream(name, world):
    ask = table.STREAMS[name]
    said, straight, through = replayed(world, ask)
    assert "body" in said or len(said["events"]) > 1
    assert dict(through[1].headers)["content-type"].startswith("text/event-stream")
    assert_same_wire(straight, through)
    # Elsewhere the SDK hangs up at the last event, without waiting for the end of the body.
    assert ask.mode != "bytes" or not any(exchange.cut for exchange in through)


@pytest.mark.parametrize("name", table.UNFINISHED)
def test_unfinished_answers_are_passed_on_and_not_kept(name, world):
    ask = table.UNFINISHED[name]
    direct, *rest = good(world.straight(ask)), good(world.through(ask)), good(world.through(ask))
    assert rest == [direct, direct]
    assert len(world.asked) == 2
    assert all("hit" not in cache_status(dict(e.headers)["cache-status"]) for e in world.wire())


SOME = {"chat": table.WHOLE["chat"], "chat stream": table.STREAMS["chat: usage"], "embedding": table.WHOLE["embedding: default encoding"],
        "response stream": table.STREAMS["response"], "models": table.WHOLE["models"],
        "message": table.WHOLE["message: thinking"], "message stream": table.STREAMS["message: tool use"], "count": table.WHOLE["count"]}


def test_hits_while_the_origin_is_down_and_after_a_restart(own_world, home):
    first = {name: good(own_world.through(ask)) for name, ask in SOME.items()}
    home.settle(len(SOME))
    own_world.origin.stop()
    assert {name: good(own_world.through(ask)) for name, ask in SOME.items()} == first
    assert home.gateways[0].stop() == 0
    own_world.turn_to(home.serve(openai=own_world.origin.url, anthropic=own_world.origin.url))
    assert {name: good(own_world.through(ask)) for name, ask in SOME.items()} == first
    assert len(own_world.asked) == len(SOME)
    unknown = own_world.through(table.chat("reasoning"))
    assert unknown["error"]["status"] == 502, unknown


def test_two_sdks_and_two_keys(world, sdks):
    """One credential's answer serves each of its clients, another credential asks for itself."""
    ask = table.WHOLE["chat: tool calls"]
    for sdk in sdks.values():
        good(sdk(*world.where(ask)))
    assert len(world.asked) == 1
    other = world.where(ask)[:2] + (world.key + "-other",)
    assert good(world.sdk(*other)) == good(world.sdk(*world.where(ask)))
    assert len(world.asked_with(world.key + "-other")) == 1
