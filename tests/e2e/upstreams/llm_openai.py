"""What an OpenAI-like origin says, in the full shape of the wire. The model's name chooses; the same question gives the same bytes."""
import base64
import struct

USAGE = {
    "prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 7, "audio_tokens": 0, "cache_write_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
}
TEXT = "Grüße, 世界 — 👩‍👩‍👧 \u2028 \u0000 e\u0301 end"
LOGPROBS = {"content": [{"token": "世", "logprob": -0.00001234, "bytes": [228, 184, 150], "top_logprobs": [{"token": "世", "logprob": -1.5e-05, "bytes": None}]}], "refusal": None}
CITATION = {"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 5, "title": "A page", "url": "https://example.invalid/?a=1&b=ü"}}
CALLS = [
    {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"place": "Zürich",\n "days": 3}'}},
    {"id": "call_2", "type": "custom", "custom": {"name": "sql", "input": "select 1; -- \"quoted\""}},
]
WEATHER = '{"place": "Zürich", "degrees": -3.5, "sunny": false}'


def said(text=TEXT, **more):
    return {"role": "assistant", "content": text, "refusal": None, "annotations": [], **more}


# A model's name, the choices' messages and finish reasons.
MESSAGES = {
    "plain": [(said(), "stop")],
    "tools": [(said(None, tool_calls=CALLS), "tool_calls")],
    "old-function": [(said(None, function_call={"name": "weather", "arguments": "{}"}), "function_call")],
    "refusal": [({"role": "assistant", "content": None, "refusal": "I can’t help with that."}, "stop")],
    "reasoning": [(said(reasoning_content="First, … then.", reasoning_details=[{"type": "reasoning.encrypted", "data": "AAE="}]), "stop")],
    "citations": [(said(annotations=[CITATION]), "stop")],
    "two": [(said("one"), "stop"), (said("two"), "stop")],
    "json": [(said(WEATHER), "stop")],
    "cut-short": [(said("and then"), "length")],
    "filtered": [(said(""), "content_filter")],
}


def head(kind, model):
    return {"id": "chatcmpl-0001", "object": kind, "created": 1790000000, "model": model, "service_tier": "default", "system_fingerprint": "fp_1"}


def chat(body):
    choices = [
        {"index": at, "message": message, "logprobs": LOGPROBS if body.get("logprobs") else None, "finish_reason": finish}
        for at, (message, finish) in enumerate(MESSAGES[body["model"]])
    ]
    return {**head("chat.completion", body["model"]), "choices": choices, "usage": USAGE, "x_vendor": {"queue_time": 0.000123, "big": 12345678901234567890}}


def in_pieces(text, size=4):
    return [text[at:at + size] for at in range(0, len(text), size)]


def deltas(message):
    """The pieces of one message, the role first."""
    yield {"role": "assistant", "content": "" if message.get("content") else None}
    for name in ("reasoning_content", "content", "refusal"):
        for piece in in_pieces(message.get(name) or ""):
            yield {name: piece}
    if call := message.get("function_call"):
        yield {"function_call": {"name": call["name"], "arguments": ""}}
        yield {"function_call": {"arguments": call["arguments"]}}
    for at, call in enumerate(c for c in message.get("tool_calls", []) if c["type"] == "function"):
        yield {"tool_calls": [{"index": at, "id": call["id"], "type": "function", "function": {"name": call["function"]["name"], "arguments": ""}}]}
        for piece in in_pieces(call["function"]["arguments"], 7):
            yield {"tool_calls": [{"index": at, "function": {"arguments": piece}}]}


def chat_stream(body):
    """Events of a chat completion: choices take turns, each chunk is padded, usage comes last with no choices."""
    base = head("chat.completion.chunk", body["model"])
    usage = (body.get("stream_options") or {}).get("include_usage")
    more = {"usage": None} if usage else {}
    for at, (message, finish) in enumerate(MESSAGES[body["model"]]):
        for number, delta in enumerate(deltas(message)):
            choice = {"index": at, "delta": delta, "logprobs": LOGPROBS if body.get("logprobs") and "content" in delta else None, "finish_reason": None}
            yield None, {**base, "choices": [choice], **more, "obfuscation": "x" * (number % 7)}
        yield None, {**base, "choices": [{"index": at, "delta": {}, "logprobs": None, "finish_reason": finish}], **more}
    if usage:
        yield None, {**base, "choices": [], "usage": USAGE}
    yield None, "[DONE]"


def completion(body):
    choice = {"index": 0, "text": TEXT, "logprobs": {"tokens": ["a"], "token_logprobs": [-0.5], "top_logprobs": [{"a": -0.5}], "text_offset": [0]}, "finish_reason": "stop"}
    return {**head("text_completion", body["model"]), "choices": [choice], "usage": USAGE}


def completion_stream(body):
    base = head("text_completion", body["model"])
    for piece in in_pieces(TEXT):
        yield None, {**base, "choices": [{"index": 0, "text": piece, "logprobs": None, "finish_reason": None}]}
    yield None, {**base, "choices": [{"index": 0, "text": "", "logprobs": None, "finish_reason": "stop"}]}
    yield None, "[DONE]"


RESPONSE_USAGE = {"input_tokens": 12, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0}, "output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 5}, "total_tokens": 21}
REASONING = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Thought."}], "encrypted_content": "gAAAAAB+/=="}
FUNCTION = {"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "call_1", "name": "weather", "arguments": '{"place":"Zürich"}'}


def text_part(text):
    return {"type": "output_text", "text": text, "annotations": [{"type": "url_citation", "start_index": 0, "end_index": 3, "title": "t", "url": "https://example.invalid/"}], "logprobs": []}


def spoken(text, status="completed"):
    return {"id": "msg_1", "type": "message", "status": status, "role": "assistant", "content": [text_part(text)] if text else []}


def response(body, status="completed", output=None, usage=RESPONSE_USAGE):
    text = WEATHER if body["model"] == "json" else TEXT
    status = "incomplete" if body["model"] == "cut-short" and status == "completed" else status
    return {
        "id": "resp_1", "object": "response", "created_at": 1790000000, "status": status, "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": None, "metadata": body.get("metadata", {}), "model": body["model"], "parallel_tool_calls": True, "temperature": 1.0,
        "tool_choice": "auto", "tools": body.get("tools", []), "top_p": 1.0, "text": body.get("text", {"format": {"type": "text"}}), "store": True,
        "output": [REASONING, spoken(text), FUNCTION] if output is None else output, "usage": usage,
    }


def response_stream(body):
    """The typed events of a response; their `sequence_number` counts."""
    for number, (name, more) in enumerate(response_events(body)):
        yield name, {"type": name, "sequence_number": number, **more}


def response_events(body):
    text = WEATHER if body["model"] == "json" else TEXT
    part = {"item_id": "msg_1", "output_index": 1, "content_index": 0}
    call = {"item_id": "fc_1", "output_index": 2}
    for name in ("created", "in_progress"):
        yield f"response.{name}", {"response": response(body, "in_progress", [], None)}
    yield "response.output_item.added", {"output_index": 0, "item": {**REASONING, "summary": []}}
    yield "response.output_item.done", {"output_index": 0, "item": REASONING}
    yield "response.output_item.added", {"output_index": 1, "item": spoken("", "in_progress")}
    yield "response.content_part.added", {**part, "part": {"type": "output_text", "text": "", "annotations": [], "logprobs": []}}
    for piece in in_pieces(text):
        yield "response.output_text.delta", {**part, "delta": piece, "logprobs": [], "obfuscation": "zz"}
    yield "response.output_text.done", {**part, "text": text, "logprobs": []}
    yield "response.content_part.done", {**part, "part": text_part(text)}
    yield "response.output_item.done", {"output_index": 1, "item": spoken(text)}
    yield "response.output_item.added", {"output_index": 2, "item": {**FUNCTION, "status": "in_progress", "arguments": ""}}
    for piece in in_pieces(FUNCTION["arguments"]):
        yield "response.function_call_arguments.delta", {**call, "delta": piece}
    yield "response.function_call_arguments.done", {**call, "name": FUNCTION["name"], "arguments": FUNCTION["arguments"]}
    yield "response.output_item.done", {"output_index": 2, "item": FUNCTION}
    last = response(body)
    yield f"response.{last['status']}", {"response": last}


def vector(seed):
    return [(seed * 37 % 101) / 101, -0.0, 1e-30, seed / 3]


def embedding(body):
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    made = [vector(len(text)) for text in texts]
    if body.get("encoding_format") == "base64":
        made = [base64.b64encode(struct.pack("<4f", *v)).decode() for v in made]
    data = [{"object": "embedding", "index": at, "embedding": v} for at, v in enumerate(made)]
    return {"object": "list", "data": data, "model": body["model"], "usage": {"prompt_tokens": 5, "total_tokens": 5}}


def moderation(body):
    names = ["hate", "hate/threatening", "self-harm", "violence"]
    result = {"flagged": True, "categories": {n: n == "hate" for n in names}, "category_scores": {n: 1.2345678901234567e-07 for n in names}, "category_applied_input_types": {n: ["text"] for n in names}}
    return {"id": "modr-1", "model": body["model"], "results": [result]}


MODEL = {"id": "plain", "object": "model", "created": 1790000000, "owned_by": "nobody"}
WHOLE = {"chat/completions": chat, "completions": completion, "responses": response, "embeddings": embedding, "moderations": moderation}
STREAMED = {"chat/completions": chat_stream, "completions": completion_stream, "responses": response_stream}
READ = {"models": {"object": "list", "data": [MODEL, {**MODEL, "id": "ft:plain:org::1"}]}, "models/plain": MODEL}
HEADERS = [
    ("date", "Mon, 23 Nov 2026 10:00:00 GMT"), ("server", "origin"), ("x-request-id", "req_0123"), ("openai-processing-ms", "321"), ("openai-version", "2020-10-01"),
    ("openai-organization", "org-x"), ("x-ratelimit-limit-requests", "10000"), ("x-ratelimit-remaining-requests", "9999"), ("x-ratelimit-reset-requests", "12ms"),
    ("strict-transport-security", "max-age=31536000"), ("x-content-type-options", "nosniff"), ("alt-svc", 'h3=":443"; ma=86400'), ("cache-control", "no-cache"),
]
