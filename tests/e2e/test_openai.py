"""The official OpenAI client, sync, async and streaming, against a real LLM server through the gateway."""
import asyncio

import openai
import pytest

from support.ask import CHAT, MODEL, bearer, chat, openai_client
from support.origin import Reply, json_reply
from support.raw import cache_status, request

OPERATIONS = {
    "chat": lambda c: c.chat.completions.with_raw_response.create(**CHAT),
    "completion": lambda c: c.completions.with_raw_response.create(model=MODEL, prompt="the river", temperature=0, max_tokens=512),
    "response": lambda c: c.responses.with_raw_response.create(model=MODEL, input="the river", temperature=0, max_output_tokens=512),
    "embedding": lambda c: c.embeddings.with_raw_response.create(model=MODEL, input="the river", encoding_format="float"),
    "models": lambda c: c.models.with_raw_response.list(),
}
STREAMS = {
    "chat": lambda c: c.chat.completions.create(**CHAT, stream=True),
    "chat with usage": lambda c: c.chat.completions.create(**CHAT, stream=True, stream_options={"include_usage": True}),
    "completion": lambda c: c.completions.create(model=MODEL, prompt="the river", temperature=0, max_tokens=512, stream=True),
    "response": lambda c: c.responses.create(model=MODEL, input="the river", temperature=0, max_output_tokens=512, stream=True),
}


def assert_hit(raw):
    status = cache_status(raw.headers["cache-status"])
    assert status.get("hit") is True and "fwd" not in status, status
    assert status["ttl"] > 0 and status["key"].startswith("bafkrei"), status
    assert int(raw.headers["age"]) >= 0


def assert_miss(raw):
    status = cache_status(raw.headers["cache-status"])
    assert status.get("fwd") == "uri-miss" and "hit" not in status, status
    assert "age" not in raw.headers


@pytest.mark.parametrize("name", OPERATIONS)
def test_second_call_is_answered_from_the_store(name, gateway, llm):
    client = openai_client(gateway)
    first, second = (OPERATIONS[name](client) for _ in range(2))
    assert_miss(first)
    assert_hit(second)
    assert len(llm.calls) == 1
    assert llm.calls[0].sent == first.content == second.content
    assert first.parse().model_dump() == second.parse().model_dump()


@pytest.mark.parametrize("name", OPERATIONS)
async def test_second_call_of_the_async_client(name, gateway, llm):
    async with openai_client(gateway, kind=openai.AsyncOpenAI) as client:
        if name == "models":
            first, second = [await client.models.with_raw_response.list() for _ in range(2)]
        else:
            first, second = [await OPERATIONS[name](client) for _ in range(2)]
    assert_hit(second)
    assert len(llm.calls) == 1 and first.content == second.content


@pytest.mark.parametrize("name", STREAMS)
def test_stream_is_replayed_event_by_event(name, gateway, llm):
    client = openai_client(gateway)
    first, second = ([event.model_dump() for event in STREAMS[name](client)] for _ in range(2))
    assert len(llm.calls) == 1
    assert len(first) > 10 and first == second


async def test_async_stream_is_replayed(gateway, llm):
    async with openai_client(gateway, kind=openai.AsyncOpenAI) as client:
        runs = []
        for _ in range(2):
            stream = await client.chat.completions.create(**CHAT, stream=True)
            runs.append([event.model_dump() async for event in stream])
    assert len(llm.calls) == 1 and len(runs[0]) > 10 and runs[0] == runs[1]


def test_stream_passes_through_while_the_origin_still_speaks(gateway, llm):
    llm.pace = 0.03
    with openai_client(gateway).chat.completions.create(**CHAT, stream=True) as stream:
        next(iter(stream))
        assert not llm.calls[0].finished
        rest = list(stream)
    assert len(rest) > 10


def test_stream_and_whole_answer_do_not_stand_for_each_other(gateway, llm):
    client = openai_client(gateway)
    whole = client.chat.completions.create(**CHAT)
    streamed = "".join(e.choices[0].delta.content or "" for e in client.chat.completions.create(**CHAT, stream=True) if e.choices)
    assert whole.choices[0].message.content == streamed
    assert len(llm.calls) == 2
    client.chat.completions.create(**CHAT)
    list(client.chat.completions.create(**CHAT, stream=True))
    assert len(llm.calls) == 2


def test_truncated_by_max_tokens_is_not_kept(gateway, llm):
    client = openai_client(gateway)
    for _ in range(2):
        answer = client.chat.completions.create(**chat(max_tokens=3))
        assert answer.choices[0].finish_reason == "length"
    assert len(llm.calls) == 2
    for _ in range(2):
        last = list(client.chat.completions.create(**chat(max_tokens=3), stream=True))[-1]
        assert last.choices[0].finish_reason == "length"
    assert len(llm.calls) == 4


UNFINISHED = '{"id":"resp_1","object":"response","status":"%s","model":"m","output":[],"incomplete_details":{"reason":"max_output_tokens"}}'


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status,kept", [("completed", True), ("incomplete", False), ("failed", False), ("cancelled", False), ("queued", False)])
def test_only_completed_responses_are_kept(status, kept, stream, home, origins):
    document = UNFINISHED % status
    events = [f'event: response.created\ndata: {{"type":"response.created","response":{UNFINISHED % "in_progress"}}}\n\n'.encode(),
              f'event: response.{status}\ndata: {{"type":"response.{status}","response":{document}}}\n\n'.encode()]
    origin = origins(lambda call: Reply(200, [("content-type", "text/event-stream")], iter(events)) if stream else json_reply(document))
    gateway = home.serve(openai=origin.url)
    body = {"model": "m", "input": "x", "stream": stream}
    got = [gateway.post("/openai/v1/responses", body, headers=bearer()).body for _ in range(2)]
    assert got == [b"".join(events) if stream else document.encode()] * 2
    assert len(origin.calls) == (1 if kept else 2)


def test_errors_are_passed_on_and_not_kept(gateway, llm):
    client = openai_client(gateway)
    for _ in range(2):
        with pytest.raises(openai.BadRequestError, match="messages"):
            client.chat.completions.create(model=MODEL, messages="not a list")
    assert len(llm.calls) == 2
    for _ in range(2):
        with pytest.raises(openai.NotFoundError):
            client.get("/nowhere", cast_to=object)
    assert len(llm.calls) == 4


def test_burst_of_equal_questions_is_one_call(gateway, llm):
    llm.delay = 0.3

    async def burst():
        async with openai_client(gateway, kind=openai.AsyncOpenAI) as client:
            return await asyncio.gather(*(client.chat.completions.create(**CHAT) for _ in range(20)))

    answers = asyncio.run(burst())
    assert len(llm.calls) == 1
    assert len({answer.model_dump_json() for answer in answers}) == 1


def test_late_joiners_of_a_stream_get_it_from_its_start_and_then_live(gateway, llm):
    llm.pace = 0.03

    async def one(client, after):
        await asyncio.sleep(after)
        stream = await client.chat.completions.create(**CHAT, stream=True)
        events = [await anext(stream)]
        live = not llm.calls[0].finished
        return live, [e.model_dump() for e in events] + [e.model_dump() async for e in stream]

    async def all_of_them():
        async with openai_client(gateway, kind=openai.AsyncOpenAI) as client:
            return await asyncio.gather(*(one(client, 0.1 * n) for n in range(5)))

    found = asyncio.run(all_of_them())
    assert len(llm.calls) == 1
    assert all(live for live, _ in found), "a joiner waited for the end"
    assert all(events == found[0][1] for _, events in found)


def test_two_keys_are_two_questions_also_after_a_restart(home, llm):
    gateway = home.serve(openai=llm.url)
    for key in ("sk-one", "sk-two", "sk-one", "sk-two"):
        openai_client(gateway, key).chat.completions.create(**CHAT)
    assert [c.header("authorization") for c in llm.calls] == ["Bearer sk-one", "Bearer sk-two"]
    assert gateway.stop() == 0
    gateway = home.serve(openai=llm.url)
    for key in ("sk-one", "sk-two"):
        openai_client(gateway, key).chat.completions.create(**CHAT)
    assert len(llm.calls) == 2
    openai_client(gateway, "sk-three").chat.completions.create(**CHAT)
    assert len(llm.calls) == 3


def test_organization_is_part_of_who_asks(gateway, llm):
    client = openai_client(gateway)
    for organization in ("org-a", "org-b", "org-a"):
        client.with_options(default_headers={"OpenAI-Organization": organization}).chat.completions.create(**CHAT)
    assert len(llm.calls) == 2


def test_restart_keeps_answers(home, llm):
    gateway = home.serve(openai=llm.url)
    first = openai_client(gateway).chat.completions.with_raw_response.create(**CHAT)
    events = [e.model_dump() for e in openai_client(gateway).chat.completions.create(**CHAT, stream=True)]
    assert gateway.stop() == 0
    gateway = home.serve(openai=llm.url)
    second = openai_client(gateway).chat.completions.with_raw_response.create(**CHAT)
    assert_hit(second)
    assert first.content == second.content
    assert events == [e.model_dump() for e in openai_client(gateway).chat.completions.create(**CHAT, stream=True)]
    assert len(llm.calls) == 2


def test_hit_while_the_origin_is_down(gateway, llm):
    client = openai_client(gateway)
    first = client.chat.completions.create(**CHAT)
    llm.stop()
    assert client.chat.completions.create(**CHAT).model_dump() == first.model_dump()
    with pytest.raises(openai.APIStatusError) as error:
        client.chat.completions.create(**chat("another question"))
    assert error.value.status_code == 502
    llm.start()
    client.chat.completions.create(**chat("another question"))


@pytest.mark.parametrize("events", [0, 2])
def test_client_leaves_mid_stream_and_asks_again(events, gateway, llm):
    llm.pace = 0.02
    client = openai_client(gateway)
    with client.chat.completions.create(**CHAT, stream=True) as stream:
        for _ in range(events):
            next(iter(stream))
    again = [e.model_dump() for e in client.chat.completions.create(**CHAT, stream=True)]
    assert again[-1]["choices"][0]["finish_reason"] == "stop"
    assert len(llm.calls) == 1, "a paid answer was thrown away"
    assert [e.model_dump() for e in client.chat.completions.create(**CHAT, stream=True)] == again
    assert len(llm.calls) == 1


CHANGES = {
    "temperature": {"temperature": 0.5},
    "seed": {"seed": 7},
    "top_p": {"top_p": 0.5},
    "stop": {"stop": ["stone"]},
    "n": {"n": 2},
    "case": {"messages": [{"role": "user", "content": "The river"}]},
    "trailing blank": {"messages": [{"role": "user", "content": "the river "}]},
    "system prompt": {"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "the river"}]},
    "role": {"messages": [{"role": "system", "content": "the river"}]},
    "unknown member": {"chat_template_kwargs": {"enable_thinking": False}},
    "null is not absent": {"stop": None},
    "tools": {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}], "tool_choice": "none"},
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_the_answer_is_in_the_key(name, gateway, llm):
    client = openai_client(gateway)
    client.chat.completions.create(**CHAT)
    changed = {**CHAT, **CHANGES[name]}
    post = lambda body: client.post("/chat/completions", body=body, cast_to=object)  # noqa: E731
    post(changed)
    assert len(llm.calls) == 2
    post(dict(CHAT))
    assert len(llm.calls) == 2


def test_member_order_and_client_headers_are_not_in_the_key(gateway, llm):
    client = openai_client(gateway)
    client.post("/chat/completions", body=dict(CHAT), cast_to=object)
    client.post("/chat/completions", body=dict(reversed(CHAT.items())), cast_to=object)
    headers = {"user-agent": "another", "x-stainless-retry-count": "1", "idempotency-key": "k", "traceparent": "00-1"}
    client.with_options(default_headers=headers).post("/chat/completions", body=dict(CHAT), cast_to=object)
    assert len(llm.calls) == 1


def test_what_responses_echo_is_in_the_key(gateway, llm):
    client = openai_client(gateway)
    ask = lambda **more: client.responses.create(model=MODEL, input="the river", temperature=0, max_output_tokens=512, **more)  # noqa: E731
    for member in ({"metadata": {"who": "alice"}}, {"metadata": {"who": "bob"}}, {"user": "alice"}, {"user": "bob"}):
        ask(**member)
    assert len(llm.calls) == 4


@pytest.mark.parametrize("more", [{"previous_response_id": "resp_1"}, {"background": True}, {"tools": [{"type": "web_search"}]}])
def test_responses_with_server_state_pass_through(more, gateway, origins, home):
    origin = origins(lambda call: json_reply('{"id":"resp_1","object":"response","status":"completed","output":[]}'))
    gateway = home.serve(openai=origin.url)
    for _ in range(2):
        request(f"{gateway.url}/openai/v1/responses", "POST", {"model": "m", "input": "x", **more}, {"authorization": "Bearer k"})
    assert len(origin.calls) == 2
