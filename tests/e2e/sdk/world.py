"""An SDK, the gateway, the origin, and a wire tap on either way: straight to the origin, and through the gateway."""
import itertools
import json

from support.tap import Tap
from upstreams.llm_script import key_of

THROUGH = {"openai": "/openai/v1", "anthropic": "/anthropic"}
STRAIGHT = {"openai": "/v1", "anthropic": ""}
OWN = ("age", "cache-status")
NUMBERS = itertools.count(1)


class World:
    """One test's view: a credential of its own, which is a share of its own in the gateway."""

    def __init__(self, sdk, gateway_port, origin):
        self.sdk, self.origin, self.key = sdk, origin, f"sk-{next(NUMBERS):05}"
        self.taps = {"through": Tap(gateway_port), "straight": Tap(origin.port)}

    @property
    def direct_key(self):
        return self.key + "-direct"

    def turn_to(self, gateway):
        """From now on another gateway answers."""
        self.taps["through"].target = gateway.port

    def where(self, ask, direct=False):
        """The arguments that an SDK needs beside the question."""
        way, paths = ("straight", STRAIGHT) if direct else ("through", THROUGH)
        return ask, self.taps[way].url + paths[ask.service], self.direct_key if direct else self.key

    def through(self, ask, **options):
        """Asks through the gateway."""
        return self.sdk(*self.where(ask), **options)

    def straight(self, ask, **options):
        """Asks the origin itself, under another credential."""
        return self.sdk(*self.where(ask, direct=True), **options)

    def plan(self, *replies):
        """What the origin says first, to either."""
        for key in (self.key, self.direct_key):
            self.origin.plan(key, *replies)

    @property
    def asked(self):
        """The calls that the gateway made for this test."""
        return self.asked_with(self.key)

    def asked_with(self, key):
        """The calls that came to the origin with a credential."""
        return [call for call in self.origin.calls if key_of(call.headers) == key]

    def wire(self, way="through"):
        return self.taps[way].exchanges(lambda e: key_of(e.asked).startswith(self.key))

    def close(self):
        for tap in self.taps.values():
            tap.stop()


def plain(outcome):
    """An outcome that compares: the headers that larder adds and the framing of the transfer are documented, the rest is not."""
    skip = {*OWN, "content-length", "transfer-encoding", "connection", "keep-alive"}
    found = dict(outcome)
    if "headers" in found:
        found["headers"] = {n.lower(): v for n, v in found["headers"].items() if n.lower() not in skip}
    return json.loads(json.dumps(found))


def good(outcome):
    """The outcome, if the SDK gave its user no error."""
    assert "error" not in outcome, outcome["error"]
    return plain(outcome)
