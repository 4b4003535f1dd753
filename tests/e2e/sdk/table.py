"""What the SDKs are asked to do: one table for all of them."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Ask:
    """A call of an SDK.

    `do`: the method's path on the client. `mode`: `whole` (its result), `raw` (with the response's headers and bytes),
    `events` (`stream=True`, every event), `helper` (the SDK's own stream helper: every event and the final object), `bytes`
    (the body's bytes as they stream in), `parse` (the result against a schema of the language's own).
    """

    service: str
    do: str
    args: dict
    mode: str = "whole"

    def plus(self, **more):
        return dataclasses.replace(self, args={**self.args, **more})


USER = [{"role": "user", "content": "Grüße, 世界 👩‍👩‍👧"}]
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "…", "parameters": {"type": "object", "properties": {"place": {"type": "string"}}}}}]
CLAUDE_TOOLS = [{"name": "weather", "input_schema": {"type": "object", "properties": {"place": {"type": "string"}}}}]


def chat(model="plain", mode="whole", do="chat.completions.create", **more):
    return Ask("openai", do, {"model": model, "messages": USER, **more}, mode)


def completion(mode="whole"):
    return Ask("openai", "completions.create", {"model": "plain", "prompt": "Grüße"}, mode)


def response(model="plain", mode="whole", do="responses.create", **more):
    return Ask("openai", do, {"model": model, "input": "Grüße", **more}, mode)


def message(model="plain", mode="whole", do="messages.create", **more):
    return Ask("anthropic", do, {"model": model, "max_tokens": 512, "messages": USER, **more}, mode)


def openai(do, **args):
    return Ask("openai", do, args)


def anthropic(do, **args):
    return Ask("anthropic", do, args)


WHOLE = {
    "chat": chat(),
    "chat: tool calls": chat("tools", tools=TOOLS),
    "chat: function call": chat("old-function"),
    "chat: refusal": chat("refusal"),
    "chat: logprobs": chat("plain", logprobs=True, top_logprobs=1),
    "chat: reasoning, unknown members": chat("reasoning"),
    "chat: citations": chat("citations"),
    "chat: two choices": chat("two", n=2),
    "chat: raw": chat(mode="raw"),
    "chat: bytes": chat(mode="bytes"),
    "chat: parsed": chat("json", "parse", "chat.completions.parse"),
    "completion": completion(),
    "response": response(),
    "response: metadata": response(metadata={"who": "alice"}),
    "response: raw": response(mode="raw"),
    "response: parsed": response("json", "parse", "responses.parse"),
    "embedding: default encoding": openai("embeddings.create", model="e", input=["a", "bcd", ""]),
    "embedding: floats": openai("embeddings.create", model="e", input="a", encoding_format="float"),
    "embedding: base64": openai("embeddings.create", model="e", input="a", encoding_format="base64"),
    "moderation": openai("moderations.create", model="m", input="x"),
    "models": openai("models.list"),
    "model": Ask("openai", "models.retrieve", {"model": "plain"}),
    "message": message(),
    "message: thinking": message("thinking", thinking={"type": "enabled", "budget_tokens": 1024}),
    "message: tool use": message("tools", tools=CLAUDE_TOOLS),
    "message: citations": message("citations"),
    "message: stop sequence": message("sequence", stop_sequences=["END"]),
    "message: raw": message(mode="raw"),
    "message: bytes": message(mode="bytes"),
    "message: parsed": message("json", "parse", "messages.parse"),
    "message: beta": message(do="beta.messages.create", betas=["a-beta-2026-01-01"]),
    "count": anthropic("messages.count_tokens", model="plain", messages=USER),
    "claude models": anthropic("models.list"),
    "claude model": Ask("anthropic", "models.retrieve", {"model_id": "plain"}),
}
STREAMS = {
    "chat": chat(mode="events"),
    "chat: usage": chat(mode="events", stream_options={"include_usage": True}),
    "chat: tool calls": chat("tools", "events", tools=TOOLS),
    "chat: function call": chat("old-function", "events"),
    "chat: refusal": chat("refusal", "events"),
    "chat: logprobs": chat("plain", "events", logprobs=True),
    "chat: reasoning": chat("reasoning", "events"),
    "chat: two choices": chat("two", "events", n=2),
    "chat: bytes": chat(mode="bytes", stream=True),
    "chat: helper": chat("plain", "helper", "chat.completions.stream"),
    "completion": completion("events"),
    "response": response(mode="events"),
    "response: bytes": response(mode="bytes", stream=True),
    "response: helper": response("plain", "helper", "responses.stream"),
    "message": message(mode="events"),
    "message: thinking": message("thinking", "events", thinking={"type": "enabled", "budget_tokens": 1024}),
    "message: tool use": message("tools", "events", tools=CLAUDE_TOOLS),
    "message: citations": message("citations", "events"),
    "message: stop sequence": message("sequence", "events"),
    "message: bytes": message(mode="bytes", stream=True),
    "message: helper": message("tools", "helper", "messages.stream"),
}
# Answers that are not finished: passed on as they are, every time.
UNFINISHED = {
    "chat: length": chat("cut-short"),
    "chat: content filter": chat("filtered"),
    "chat: length, streamed": chat("cut-short", "events"),
    "response: incomplete": response("cut-short"),
    "response: incomplete, streamed": response("cut-short", "events"),
    "message: max_tokens": message("cut-short"),
    "message: refusal": message("refusal"),
    "message: paused": message("paused"),
    "message: max_tokens, streamed": message("cut-short", "events"),
}
