"""Fixtures: a real LLM server, an origin in front of it that counts, a user with a home, a gateway."""
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))

from support.origin import Origin  # noqa: E402
from support.program import Home, free_port  # noqa: E402
from sdk.node_sdk import Node  # noqa: E402
from sdk.python_sdk import Async, Sync  # noqa: E402
from sdk.world import World  # noqa: E402
from upstreams.llm_script import Script  # noqa: E402

SDKS = {kind.name: kind for kind in (Sync, Async, Node)}


@pytest.fixture(scope="session")
def binary():
    """The program under test: `LARDER_BIN`."""
    found = os.environ.get("LARDER_BIN", "")
    assert os.access(found, os.X_OK), "LARDER_BIN must name the larder binary"
    return os.path.abspath(found)


@pytest.fixture(scope="session")
def llama(tmp_path_factory):
    """The port of llama.cpp's server with a tiny model whose greedy answers vary with the prompt."""
    model = tmp_path_factory.mktemp("model") / "tiny.gguf"
    subprocess.run([sys.executable, HERE / "upstreams/make_tiny_gguf.py", model], check=True, stdout=subprocess.DEVNULL)
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, HERE / "upstreams/llama_server.py", model, str(port), "emb"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )
    assert server.stdout.readline().startswith("listening"), "llama.cpp's server did not start"
    yield port
    server.kill()
    server.wait()


@pytest.fixture
def origins():
    """Makes origins and ends them: `origins(answer=…)`, `origins(forward=port)`."""
    made = []

    def make(*args, **more):
        made.append(Origin(*args, **more))
        return made[-1]

    yield make
    for origin in made:
        origin.stop()


@pytest.fixture
def llm(llama, origins):
    """A counting origin in front of the LLM server."""
    return origins(forward=llama)


@pytest.fixture
def homes(tmp_path, binary):
    """Makes users: `homes("alice")`."""
    made = []

    def make(name):
        made.append(Home(tmp_path / name, binary))
        return made[-1]

    yield make
    for home in made:
        home.close()


@pytest.fixture
def home(homes):
    return homes("home")


@pytest.fixture
def gateway(home, llm):
    """A gateway whose openai and anthropic are the counted LLM server."""
    return home.serve(openai=llm.url, anthropic=llm.url)


@pytest.fixture(scope="session")
def sdks():
    """The official SDKs by name, each started when it is first needed."""
    made = {}

    class Lazily(dict):
        def __missing__(self, name):
            self[name] = made[name] = SDKS[name]()
            return self[name]

        def values(self):
            return [self[name] for name in SDKS]

    yield Lazily()
    for sdk in made.values():
        sdk.close()


@pytest.fixture(params=SDKS)
def sdk(request, sdks):
    """Each of the official SDKs."""
    return sdks[request.param]


@pytest.fixture(scope="session")
def scripted():
    """An origin that repeats itself to the byte."""
    origin = Script()
    yield origin
    origin.stop()


@pytest.fixture(scope="session")
def scripted_gateway(tmp_path_factory, binary, scripted):
    """A gateway before `scripted` for all tests: each has a credential of its own."""
    home = Home(tmp_path_factory.mktemp("scripted") / "home", binary)
    yield home.serve(openai=scripted.url, anthropic=scripted.url)
    home.close()


@pytest.fixture
def world(sdk, scripted_gateway, scripted):
    """An SDK, the gateway and the scripted origin."""
    made = World(sdk, scripted_gateway.port, scripted)
    yield made
    made.close()


@pytest.fixture
def own_world(sdk, home):
    """The same with an origin and a gateway of its own, to be stopped."""
    origin = Script()
    gateway = home.serve(openai=origin.url, anthropic=origin.url)
    made = World(sdk, gateway.port, origin)
    yield made
    made.close()
    origin.stop()
