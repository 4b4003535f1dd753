"""An origin that speaks OpenAI's and Anthropic's protocols with the same bytes for the same question, and misbehaves on demand.

What a caller is told first is planned for each credential: `plan(key, reply, …)`; when the plan is used up, the answers of
`llm_openai` and `llm_anthropic` follow.
"""
import json
import threading
import urllib.parse

from support.origin import Origin, Reply

from . import llm_anthropic, llm_openai


def key_of(headers):
    """The credential in a list of headers, however the client says it."""
    found = {name.lower(): value for name, value in headers}
    return found.get("x-api-key") or found.get("authorization", "").removeprefix("Bearer ")


def frame(name, data):
    """One server-sent event."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()


def uneven(data):
    """Pieces that cut events, lines and characters anywhere."""
    at, size = 0, 1
    while at < len(data):
        yield data[at:at + size]
        at, size = at + size, size * 5 % 251


def of(call):
    """The service's module and the path below `/v1/`."""
    path = urllib.parse.urlsplit(call.target).path.removeprefix("/v1/")
    return (llm_anthropic if call.header("anthropic-version") else llm_openai), path


def events(call):
    """The framed events that a streamed call is answered with."""
    service, path = of(call)
    return [frame(*event) for event in service.STREAMED[path](json.loads(call.body))]


def answer(call):
    service, path = of(call)
    if call.method == "GET":
        return document(service, service.READ[path])
    body = json.loads(call.body)
    if body.get("stream"):
        return Reply(200, [("content-type", "text/event-stream; charset=utf-8"), *service.HEADERS], uneven(b"".join(events(call))))
    return document(service, service.WHOLE[path](body))


def document(service, value, status=200, *headers):
    # Indented as one of the two services does it; non-ASCII both raw and escaped.
    text = json.dumps(value, indent=2, ensure_ascii=service is llm_openai)
    return Reply(status, [("content-type", "application/json"), *service.HEADERS, *headers], text.encode())


class Script(Origin):
    """The origin. `plan` says what a credential is told before the usual answers: replies, or functions from a call to one."""

    def __init__(self):
        self.plans, self.planning = {}, threading.Lock()
        super().__init__(answer=self.next)

    def plan(self, key, *replies):
        with self.planning:
            self.plans.setdefault(key, []).extend(replies)

    def next(self, call):
        with self.planning:
            waiting = self.plans.get(key_of(call.headers))
            found = waiting.pop(0) if waiting else answer
        return found(call) if callable(found) else found
