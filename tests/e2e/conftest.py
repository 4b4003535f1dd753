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
