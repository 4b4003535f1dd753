"""The Python SDKs, as their users call them: `Sync` and `Async`."""
import asyncio
import base64
import concurrent.futures
import functools
import ssl
import threading

import anthropic
import openai
import pydantic

KINDS = {
    "openai": ((openai.OpenAI, openai.DefaultHttpxClient), (openai.AsyncOpenAI, openai.DefaultAsyncHttpxClient)),
    "anthropic": ((anthropic.Anthropic, anthropic.DefaultHttpxClient), (anthropic.AsyncAnthropic, anthropic.DefaultAsyncHttpxClient)),
}
# Loading the certificates of the world takes longer than a test; nothing here speaks TLS.
TLS = ssl.create_default_context()


class Weather(pydantic.BaseModel):
    place: str
    degrees: float
    sunny: bool


SCHEMA = {"chat.completions.parse": "response_format", "responses.parse": "text_format", "messages.parse": "output_format"}


def shown(value):
    """An SDK's object as JSON: everything, and what the origin really said."""
    if isinstance(value, pydantic.BaseModel):
        dump = functools.partial(value.model_dump, mode="json", warnings=False)
        return {"kind": type(value).__name__, "all": dump(), "said": dump(exclude_unset=True)}
    return repr(value)


def failure(error):
    """An exception as JSON."""
    answer = getattr(error, "response", None)
    headers = {name: answer.headers[name] for name in ("retry-after", "x-request-id", "request-id") if name in answer.headers} if answer is not None else {}
    return {
        "kind": type(error).__name__, "status": getattr(error, "status_code", None), "body": getattr(error, "body", None),
        "request": getattr(error, "request_id", None), "headers": headers,
    }


def whole(value):
    """A result, and the request's id that the SDK keeps beside it."""
    return {"value": shown(value), "request": getattr(value, "_request_id", None)}


def raw(response, content, value):
    return {"status": response.status_code, "headers": dict(response.headers), "body": base64.b64encode(content).decode(), **whole(value)}


class Sync:
    """Each call on a thread of the caller's; `together` uses one for each."""

    name, which = "python", 0

    def __init__(self):
        self.clients, self.lock = {}, threading.Lock()

    def client(self, ask, base, key, retries=0, timeout=20, headers=None):
        with self.lock:
            wanted = (ask.service, base, key, retries, timeout, repr(headers))
            if wanted not in self.clients:
                kind, pool = KINDS[ask.service][self.which]
                self.clients[wanted] = kind(base_url=base, api_key=key, max_retries=retries, timeout=timeout, default_headers=headers, http_client=pool(verify=TLS))
            return self.clients[wanted]

    def __call__(self, ask, base, key, take=None, leave=None, **options):
        """What the SDK gave its user. `take`: leave a stream after so many events. `leave`: give up after so many seconds."""
        if leave:
            options["timeout"] = leave
        return self.perform(self.client(ask, base, key, **options), ask, take)

    def together(self, asks, **options):
        with concurrent.futures.ThreadPoolExecutor(len(asks)) as pool:
            return list(pool.map(lambda one: self(*one, **options), asks))

    def perform(self, client, ask, take):
        events = []
        try:
            return self.act(client, ask, take, events)
        except Exception as error:
            return {"error": failure(error), "events": events}

    def act(self, client, ask, take, events):
        *path, name = ask.do.split(".")
        owner = functools.reduce(getattr, path, client)
        if ask.mode == "raw":
            got = getattr(owner.with_raw_response, name)(**ask.args)
            return raw(got, got.read() if hasattr(got, "read") else got.content, got.parse())
        if ask.mode == "bytes":
            with getattr(owner.with_streaming_response, name)(**ask.args) as got:
                return {"body": base64.b64encode(b"".join(got.iter_bytes())).decode()}
        if ask.mode == "events":
            with getattr(owner, name)(**ask.args, stream=True) as stream:
                return self.drain(stream, take, events)
        if ask.mode == "helper":
            with getattr(owner, name)(**ask.args) as stream:
                return {**self.drain(stream, take, events), "final": shown(final(stream)())}
        return whole(getattr(owner, name)(**ask.args, **({SCHEMA[ask.do]: Weather} if ask.mode == "parse" else {})))

    def drain(self, stream, take, events):
        if take != 0:
            for event in stream:
                events.append(shown(event))
                if len(events) == take:
                    break
        return {"events": events}

    def close(self):
        for client in self.clients.values():
            client.close()


def final(stream):
    """What the helper has to say at the end."""
    names = ("get_final_completion", "get_final_response", "get_final_message")
    return next(getattr(stream, name) for name in names if hasattr(stream, name))


class Async(Sync):
    """One event loop on a thread of its own."""

    name, which = "python-async", 1

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def __call__(self, ask, base, key, take=None, leave=None, **options):
        return self.run(self.one(ask, base, key, take, leave, **options))

    def together(self, asks, **options):
        async def gathered():
            return await asyncio.gather(*(self.one(*one, **options) for one in asks))
        return self.run(gathered())

    async def one(self, ask, base, key, take=None, leave=None, **options):
        """A caller that leaves is a task that is cancelled."""
        events = []
        try:
            return await asyncio.wait_for(self.act(self.client(ask, base, key, **options), ask, take, events), leave)
        except Exception as error:
            return {"error": failure(error), "events": events}

    async def act(self, client, ask, take, events):
        *path, name = ask.do.split(".")
        owner = functools.reduce(getattr, path, client)
        if ask.mode == "raw":
            got = await getattr(owner.with_raw_response, name)(**ask.args)
            content = await got.read() if hasattr(got, "read") else got.content
            value = got.parse()
            return raw(got, content, await value if asyncio.iscoroutine(value) else value)
        if ask.mode == "bytes":
            async with getattr(owner.with_streaming_response, name)(**ask.args) as got:
                return {"body": base64.b64encode(b"".join([piece async for piece in got.iter_bytes()])).decode()}
        if ask.mode == "events":
            async with await getattr(owner, name)(**ask.args, stream=True) as stream:
                return await self.drain(stream, take, events)
        if ask.mode == "helper":
            async with getattr(owner, name)(**ask.args) as stream:
                return {**await self.drain(stream, take, events), "final": shown(await final(stream)())}
        return whole(await getattr(owner, name)(**ask.args, **({SCHEMA[ask.do]: Weather} if ask.mode == "parse" else {})))

    async def drain(self, stream, take, events):
        if take != 0:
            async for event in stream:
                events.append(shown(event))
                if len(events) == take:
                    break
        return {"events": events}

    def close(self):
        async def all_of_them():
            for client in self.clients.values():
                await client.close()
        self.run(all_of_them())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
