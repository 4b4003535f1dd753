"""Every SDK against a real LLM server: miss, hit, stream, error, cancel. Its answers repeat in what they say, not in ids and times."""
import pytest

from sdk.table import Ask
from sdk.world import OWN, World, good, plain
from support.ask import MODEL, chat, message
from support.raw import cache_status

RESPONSE = {"model": MODEL, "input": "the river", "temperature": 0, "max_output_tokens": 512}
COMPLETION = {"model": MODEL, "prompt": "the river", "temperature": 0, "max_tokens": 512}
USER = message()["messages"]
ASKS = {
    "chat": Ask("openai", "chat.completions.create", chat()),
    "chat stream": Ask("openai", "chat.completions.create", chat(stream_options={"include_usage": True}), "events"),
    "chat helper": Ask("openai", "chat.completions.stream", chat(), "helper"),
    "completion": Ask("openai", "completions.create", COMPLETION),
    "completion stream": Ask("openai", "completions.create", COMPLETION, "events"),
    "response": Ask("openai", "responses.create", RESPONSE),
    "response stream": Ask("openai", "responses.create", RESPONSE, "events"),
    "embedding": Ask("openai", "embeddings.create", {"model": MODEL, "input": ["the river", "the stone"]}),
    "models": Ask("openai", "models.list", {}),
    "message": Ask("anthropic", "messages.create", message()),
    "message stream": Ask("anthropic", "messages.create", message(), "events"),
    "message helper": Ask("anthropic", "messages.stream", message(), "helper"),
    "count": Ask("anthropic", "messages.count_tokens", {"model": MODEL, "messages": USER}),
}
STREAMS = [name for name in ASKS if "stream" in name]
WRONG = {
    "chat": Ask("openai", "chat.completions.create", {"model": MODEL, "messages": "no list"}),
    "chat stream": Ask("openai", "chat.completions.create", {"model": MODEL, "messages": "no list"}, "events"),
    "message": Ask("anthropic", "messages.create", {"model": MODEL, "max_tokens": 5, "messages": [5]}),
}
# Names, clocks and what the server remembers of earlier prompts.
PASSING = {"id", "item_id", "created", "created_at", "completed_at", "timings", "usage", "request", "response_id", "system_fingerprint", "sequence_number", "prompt_progress"}


def steady(value):
    """What a server says again when it is asked again."""
    if isinstance(value, dict):
        return {name: steady(one) for name, one in value.items() if name not in PASSING}
    return [steady(one) for one in value] if isinstance(value, list) else value


@pytest.fixture
def llama_world(sdk, gateway, llm):
    made = World(sdk, gateway.port, llm)
    yield made
    made.close()


@pytest.mark.parametrize("name", ASKS)
def test_miss_and_hit(name, llama_world):
    world, ask = llama_world, ASKS[name]
    direct, first, second = good(world.straight(ask)), good(world.through(ask)), good(world.through(ask))
    assert first == second
    assert steady(first) == steady(direct)
    miss, hit = world.wire()
    assert hit.same_answer(miss, but=OWN) is None
    assert miss.body == world.asked[0].sent and len(world.asked) == 1
    assert cache_status(dict(hit.headers)["cache-status"])["hit"] is True


@pytest.mark.parametrize("name", STREAMS)
def test_left_in_the_middle(name, llama_world):
    world, ask = llama_world, ASKS[name]
    world.origin.pace = 0.005
    good(world.through(ask, take=2))
    again, last = good(world.through(ask)), good(world.through(ask))
    assert again == last and steady(again) == steady(good(world.straight(ask)))
    assert len(world.asked) == 1 and not world.asked[0].broken


@pytest.mark.parametrize("name", WRONG)
def test_errors_come_from_the_server_each_time(name, llama_world):
    world, ask = llama_world, WRONG[name]
    direct, first, second = (plain(ask_it(ask)) for ask_it in (world.straight, world.through, world.through))
    assert direct == first == second and first["error"]["status"] >= 400
    assert len(world.asked) == 2
