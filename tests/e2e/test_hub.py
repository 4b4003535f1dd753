"""The real huggingface_hub through the gateway, against a stand-in for the Hub."""
import time

import huggingface_hub
import pytest

from support.raw import request
from upstreams.hub import COMMIT, Hub


@pytest.fixture
def hub():
    return Hub()


@pytest.fixture
def origin(origins, hub):
    made = origins(hub.answer)
    hub.port = made.port
    return made


@pytest.fixture
def url(home, origin):
    return home.serve(huggingface=origin.url).url + "/huggingface"


@pytest.fixture
def api(url):
    return huggingface_hub.HfApi(endpoint=url, token="hf_one")


def test_information_is_answered_from_the_store(api, origin):
    first, second = api.model_info("acme/tiny"), api.model_info("acme/tiny")
    assert first == second and first.sha == COMMIT
    assert len(origin.targets("/api/models/acme/tiny")) == 1


def test_search_and_files(api, origin):
    for _ in range(2):
        assert [m.id for m in api.list_models(search="tiny", limit=2)] == ["acme/tiny"]
        assert len(list(api.list_repo_tree("acme/tiny"))) == 3
    assert len(origin.targets("search=tiny")) == 1 and len(origin.targets("/tree/")) == 1


def test_missing_repository_is_not_kept(api, origin):
    for _ in range(2):
        with pytest.raises(huggingface_hub.errors.RepositoryNotFoundError):
            api.model_info("acme/none")
    assert len(origin.targets("acme/none")) == 2


def test_a_file_of_a_commit_is_asked_for_once(url, origin):
    path = f"{url}/acme/tiny/resolve/{COMMIT}/config.json"
    first, second = (request(path, headers={"authorization": "Bearer hf_one"}) for _ in range(2))
    assert first.same_as(second) and second.cache["hit"] is True
    assert len(origin.calls) == 1


def test_a_file_of_a_branch_is_revalidated(url, home, origin, hub):
    ask = lambda: request(f"{url}/acme/tiny/resolve/main/config.json", headers={"authorization": "Bearer hf_one"})  # noqa: E731
    first = ask()
    home.settle()
    second = ask()
    assert first.body == second.body == hub.files["config.json"]
    assert len(origin.calls) == 2 and origin.calls[1].status == 304
    hub.files["config.json"] = b'{"model_type": "other"}'
    time.sleep(0.3)
    assert ask().body == b'{"model_type": "other"}'


def download(url, folder, name, **more):
    return huggingface_hub.hf_hub_download("acme/tiny", name, endpoint=url, token="hf_one", cache_dir=folder, **more)


def test_downloads_by_two_machines(url, origin, hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    for machine in ("one", "two"):
        for name in hub.files:
            path = download(url, tmp_path / machine, name, revision=COMMIT)
            assert open(path, "rb").read() == hub.files[name]
    bodies = [c for c in origin.calls if c.method == "GET" and "config.json" in c.target]
    assert len(bodies) == 1


def test_a_signed_location_is_not_kept(url, home, origin):
    for _ in range(2):
        got = request(f"{url}/acme/tiny/resolve/main/model.safetensors", headers={"authorization": "Bearer hf_one"})
        assert got.status == 302 and "Signature" in got.header("location")
    assert len(origin.calls) == 2
    assert not any(b"canary-signature" in p.read_bytes() for p in home.store.rglob("*") if p.is_file())


def test_two_tokens_share_nothing(url, origin):
    for token in ("hf_one", "hf_two", "hf_one"):
        huggingface_hub.HfApi(endpoint=url, token=token).model_info("acme/tiny")
    assert len(origin.targets("/api/models/acme/tiny")) == 2


def test_ranges_are_exact(url, hub):
    path = f"{url}/acme/tiny/resolve/{COMMIT}/README.md"
    for _ in range(2):
        whole = request(path, headers={"authorization": "Bearer hf_one"})
        part = request(path, headers={"authorization": "Bearer hf_one", "range": "bytes=2-5"})
        assert whole.status == 200 and whole.body == hub.files["README.md"]
        assert (part.status, part.body) in [(206, hub.files["README.md"][2:6]), (200, hub.files["README.md"])]
