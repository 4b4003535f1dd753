"""What an Anthropic-like origin says, in the full shape of the wire. The model's name chooses; the same question gives the same bytes."""
from .llm_openai import TEXT, WEATHER, in_pieces

USAGE = {
    "input_tokens": 25, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 2000, "cache_creation": {"ephemeral_5m_input_tokens": 90, "ephemeral_1h_input_tokens": 10},
    "output_tokens": 15, "service_tier": "standard", "inference_geo": "not_available",
}
SIGNATURE = "EqQBCgIYAhIkMGY5+/aZ8d==" * 8
CITED = {"type": "char_location", "cited_text": "The grass is green.", "document_index": 0, "document_title": "Grass — a title", "start_char_index": 0, "end_char_index": 19, "file_id": None}
TEXT_BLOCK = {"type": "text", "text": TEXT, "citations": None}
THINKING = {"type": "thinking", "thinking": "Let me see: 世界 …", "signature": SIGNATURE}
REDACTED = {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix/LafPsn4a"}
TOOL = {"type": "tool_use", "id": "toolu_01", "name": "weather", "input": {"place": "Zürich", "days": 3, "exact": 0.1, "none": None}}

# A model's name, its content and stop reason.
MESSAGES = {
    "plain": ([TEXT_BLOCK], "end_turn"),
    "thinking": ([THINKING, REDACTED, TEXT_BLOCK], "end_turn"),
    "tools": ([THINKING, TEXT_BLOCK, TOOL, {**TOOL, "id": "toolu_02"}], "tool_use"),
    "citations": ([{"type": "text", "text": "According to it, ", "citations": None}, {"type": "text", "text": "the grass is green", "citations": [CITED]}], "end_turn"),
    "sequence": ([TEXT_BLOCK], "stop_sequence"),
    "json": ([{"type": "text", "text": WEATHER}], "end_turn"),
    "cut-short": ([TEXT_BLOCK], "max_tokens"),
    "refusal": ([TEXT_BLOCK], "refusal"),
    "paused": ([TEXT_BLOCK], "pause_turn"),
}


def message(body):
    content, stop = MESSAGES[body["model"]]
    return {
        "id": "msg_01", "type": "message", "role": "assistant", "model": body["model"], "content": content, "stop_reason": stop,
        "stop_sequence": "END" if stop == "stop_sequence" else None, "usage": USAGE, "container": None, "x_new_member": [1.0, 1e2, 12345678901234567890],
    }


def opened(block):
    """A block as `content_block_start` shows it."""
    empty = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}, "tool_use": {"input": {}}}.get(block["type"], {})
    start = {**block, **empty}
    return {**start, "citations": []} if block.get("citations") else start


def deltas(block):
    if block["type"] == "thinking":
        yield from ({"type": "thinking_delta", "thinking": piece} for piece in in_pieces(block["thinking"]))
        yield {"type": "signature_delta", "signature": block["signature"]}
    if block["type"] == "text":
        yield from ({"type": "citations_delta", "citation": cited} for cited in block.get("citations") or [])
        yield from ({"type": "text_delta", "text": piece} for piece in in_pieces(block["text"]))
    if block["type"] == "tool_use":
        pieces = ["", '{"place": "Zür', 'ich", "days": 3, "ex', 'act": 0.1, "none": null}']
        yield from ({"type": "input_json_delta", "partial_json": piece} for piece in pieces)


def message_events(body):
    whole = message(body)
    start = {**whole, "content": [], "stop_reason": None, "stop_sequence": None, "usage": {**USAGE, "output_tokens": 1}}
    yield "message_start", {"message": start}
    yield "ping", {}
    for at, block in enumerate(whole["content"]):
        yield "content_block_start", {"index": at, "content_block": opened(block)}
        yield "ping", {}
        for delta in deltas(block):
            yield "content_block_delta", {"index": at, "delta": delta}
        yield "content_block_stop", {"index": at}
    yield "message_delta", {"delta": {"stop_reason": whole["stop_reason"], "stop_sequence": whole["stop_sequence"]}, "usage": {"output_tokens": 15}}
    yield "message_stop", {}


def message_stream(body):
    return ((name, {"type": name, **more}) for name, more in message_events(body))


def count(body):
    return {"input_tokens": 2095, "x_new_member": {"a": 1}}


MODEL = {"type": "model", "id": "plain", "display_name": "Plain", "created_at": "2026-02-19T00:00:00Z"}
WHOLE = {"messages": message, "messages/count_tokens": count}
STREAMED = {"messages": message_stream}
READ = {"models": {"data": [MODEL], "has_more": False, "first_id": "plain", "last_id": "plain"}, "models/plain": MODEL}
HEADERS = [
    ("date", "Mon, 23 Nov 2026 10:00:00 GMT"), ("server", "origin"), ("request-id", "req_0123"), ("anthropic-organization-id", "org-x"),
    ("anthropic-ratelimit-requests-limit", "1000"), ("anthropic-ratelimit-requests-remaining", "999"), ("anthropic-ratelimit-requests-reset", "2026-11-23T10:00:01Z"),
    ("anthropic-ratelimit-input-tokens-remaining", "100000"), ("via", "1.1 google"), ("x-robots-tag", "none"), ("cache-control", "no-cache"),
]
