"""Questions to the LLM server. A small `max_tokens` ends in `length`, which is not kept: 512 ends by itself."""
import anthropic
import openai

MODEL = "larder-tiny"
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "the river"}], "temperature": 0, "max_tokens": 512}


def chat(text="the river", **more):
    """The body of a chat completion."""
    return {**CHAT, "messages": [{"role": "user", "content": text}], **more}


def openai_client(gateway, key="sk-test-one", kind=openai.OpenAI):
    return kind(base_url=f"{gateway.url}/openai/v1", api_key=key, max_retries=0, timeout=20)


def anthropic_client(gateway, key="sk-ant-one", kind=anthropic.Anthropic):
    return kind(base_url=f"{gateway.url}/anthropic", api_key=key, max_retries=0, timeout=20)


def bearer(key="sk-test-one"):
    return {"authorization": f"Bearer {key}"}


def message(text="the river", **more):
    """The arguments of a message. The SDK has no `temperature` any more; the wire still does."""
    return {"model": MODEL, "max_tokens": 512, "messages": [{"role": "user", "content": text}], "extra_body": {"temperature": 0}, **more}
