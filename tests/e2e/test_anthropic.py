"""The official Anthropic client against a real LLM server through the gateway."""
import anthropic
import pytest

from support.ask import MODEL, anthropic_client, message
from support.origin import Reply
from support.raw import cache_status, request

TURN = [{"role": "user", "content": "the river"}]
OPERATIONS = {
    "message": lambda c: c.messages.with_raw_response.create(**message()),
    "count": lambda c: c.messages.with_raw_response.count_tokens(model=MODEL, messages=TURN),
    "models": lambda c: c.models.with_raw_response.list(),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_second_call_is_answered_from_the_store(name, gateway, llm):
    client = anthropic_client(gateway)
    first, second = (OPERATIONS[name](client) for _ in range(2))
    assert cache_status(first.headers["cache-status"])["fwd"] == "uri-miss"
    assert cache_status(second.headers["cache-status"])["hit"] is True and "age" in second.headers
    assert len(llm.calls) == 1
    assert llm.calls[0].sent == first.http_response.content == second.http_response.content
    assert first.parse().model_dump() == second.parse().model_dump()


def test_stream_is_replayed_event_by_event(gateway, llm):
    client = anthropic_client(gateway)
    first, second = ([e.model_dump() for e in client.messages.create(**message(), stream=True)] for _ in range(2))
    assert len(llm.calls) == 1
    assert first[-1]["type"] == "message_stop" and len(first) > 10 and first == second


async def test_async_client(gateway, llm):
    async with anthropic_client(gateway, kind=anthropic.AsyncAnthropic) as client:
        whole = [(await client.messages.create(**message())).model_dump() for _ in range(2)]
        streams = []
        for _ in range(2):
            async with client.messages.stream(**message()) as stream:
                streams.append(await stream.get_final_text())
    assert whole[0] == whole[1] and streams[0] == streams[1] and streams[0]
    assert len(llm.calls) == 2


def test_truncated_by_max_tokens_is_not_kept(gateway, llm):
    client = anthropic_client(gateway)
    for _ in range(2):
        assert client.messages.create(**message(max_tokens=3)).stop_reason == "max_tokens"
    for _ in range(2):
        events = list(client.messages.create(**message(max_tokens=3), stream=True))
        assert any(e.type == "message_delta" and e.delta.stop_reason == "max_tokens" for e in events)
    assert len(llm.calls) == 4


def test_error_is_passed_on_and_not_kept(gateway, llm):
    client = anthropic_client(gateway)
    for _ in range(2):
        with pytest.raises(anthropic.BadRequestError):
            client.messages.create(**message(messages=[5]))
    assert len(llm.calls) == 2


def test_version_and_beta_headers_are_in_the_key(gateway, llm):
    client = anthropic_client(gateway)
    for headers in ({}, {"anthropic-version": "2023-06-01"}, {"anthropic-beta": "context-1m"}, {}):
        client.with_options(default_headers=headers).messages.create(**message())
    assert len(llm.calls) == 3


def test_system_prompt_and_thinking_are_in_the_key(gateway, llm):
    client = anthropic_client(gateway)
    for more in ({}, {"system": "be brief"}, {"thinking": {"type": "disabled"}}, {}):
        client.messages.create(**message(**more))
    assert len(llm.calls) == 3


def test_either_way_to_say_the_key_is_a_credential(gateway, llm):
    body = {"model": MODEL, "max_tokens": 512, "temperature": 0, "messages": TURN}
    for headers in ({"x-api-key": "one"}, {"x-api-key": "two"}, {"authorization": "Bearer one"}, {"x-api-key": "one"}):
        request(f"{gateway.url}/anthropic/v1/messages", "POST", body, {**headers, "anthropic-version": "2023-06-01"})
    assert len(llm.calls) == 3


EVENTS = [
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","content":[],"model":"m","usage":{"input_tokens":1,"output_tokens":1}}}\n\n',
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n',
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"}}\n\n',
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n',
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}\n\n',
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
]
ERROR = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
STREAMS = {
    "whole": (EVENTS, 1),
    "error in the middle, after a 200": ([*EVENTS[:3], ERROR], 2),
    "no message_stop": (EVENTS[:5], 2),
    "refusal": ([e.replace(b"end_turn", b"refusal") for e in EVENTS], 2),
    "paused turn": ([e.replace(b"end_turn", b"pause_turn") for e in EVENTS], 2),
    "tool use": ([e.replace(b"end_turn", b"tool_use") for e in EVENTS], 1),
    "cut in the middle of an event": ([b"".join(EVENTS)[:300]], 2),
    "in pieces of seven bytes": ([b"".join(EVENTS)[i:i + 7] for i in range(0, len(b"".join(EVENTS)), 7)], 1),
}


@pytest.mark.parametrize("name", STREAMS)
def test_only_whole_streams_are_kept(name, home, origins):
    pieces, calls = STREAMS[name]
    origin = origins(lambda call: Reply(200, [("content-type", "text/event-stream")], iter(pieces)))
    gateway = home.serve(anthropic=origin.url)
    body = {"model": "m", "max_tokens": 512, "stream": True, "messages": TURN}
    got = [request(f"{gateway.url}/anthropic/v1/messages", "POST", body, {"x-api-key": "k"}) for _ in range(2)]
    assert [g.body for g in got] == [b"".join(pieces)] * 2
    assert len(origin.calls) == calls
