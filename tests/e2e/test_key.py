"""Keys as anyone can compute them: the printed bytes, their CID by another implementation, the golden vectors."""
import json
import subprocess
import sys

import pytest
from multiformats import CID, multihash

from support.ask import bearer, chat
from support.origin import json_reply
from upstreams.kubernetes import Cluster

QUESTIONS = [
    ["openai", "model_list"],
    ["openai", "chat_completion", "model=gpt", "temperature:=0"],
    ["openai", "chat_completion", "temperature:=0", "model=gpt"],
    ["openai", "chat_completion", "model=gpt", "temperature:=0.0"],
    ["openai", "chat_completion", "model=gpt", "temperature=0"],
    ["openai", "chat_completion", "model=gpt", "seed:=9007199254740993"],
    ["openai", "chat_completion", "model=gpt", "seed:=9007199254740992"],
    ["openai", "chat_completion", "model=gpt", 'messages:=[{"role":"user","content":"naïve 𝒳 \\u0001"}]'],
    ["openai", "embedding", "model=e", "input=x"],
    ["openai", "embedding", "model=e", 'input:=["x"]'],
    ["anthropic", "message", "model=claude", "max_tokens:=5"],
    ["kubernetes", "pod_status", "namespace=default", "pod_name=web-1"],
    ["kubernetes", "pod_status", "namespace=default", "pod_name=web-1", "--origin", "https://k.example:6443"],
    ["kubernetes", "pod_status", "namespace=default", "pod_name=web-1", "--share", "public"],
    ["kubernetes", "pod_list", "namespace=default", "limit=1"],
    ["kubernetes", "pod_list", "namespace=default", "limit:=1"],
    ["openai", "chat_completion", "model=gpt", "x:=1e21", "y:=-0", "z:=1E-7", "w:=0.1"],
]


def cid_of(data):
    """CIDv1, raw, sha2-256, base32, by a library that has nothing to do with larder."""
    return str(CID("base32", 1, "raw", multihash.digest(data, "sha2-256")))



@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_key_is_the_cid_of_the_printed_bytes(question, home):
    key = home.larder("key", *question).stdout
    canonical = home.larder("key", *question, "--canonical", text=False).stdout
    assert key == cid_of(canonical) + "\n"
    assert not canonical.endswith(b"\n")
    document = json.loads(canonical)
    assert (document["larder"], document["service"], document["operation"]) == (1, question[0], question[1])


def test_different_questions_have_different_keys(home):
    keys = {}
    for question in QUESTIONS:
        keys.setdefault(home.larder("key", *question).stdout, []).append(question)
    same = [q for q in keys.values() if len(q) > 1]
    assert same == [[QUESTIONS[1], QUESTIONS[2], QUESTIONS[3]]]


def test_json_form(home):
    document = home.json("key", *QUESTIONS[0])
    assert document["key"] == home.larder("key", *QUESTIONS[0]).stdout.strip()


def test_golden_vectors_by_an_independent_implementation(request):
    root = request.config.rootpath.parent.parent
    done = subprocess.run([sys.executable, root / "crates/larder-core/tests/vectors/check.py"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = int(done.stdout.split(" passed")[0].split()[-1])
    assert passed >= 50 and "0 failed" in done.stdout


def test_the_gateways_key_is_the_commands_key(home, origins):
    origin = origins(lambda call: json_reply('{"id":"c","choices":[{"finish_reason":"stop"}]}'))
    gateway = home.serve(openai=origin.url)
    body = chat("naïve 𝒳", seed=9007199254740993, top_p=0.5)
    seen = gateway.post("/openai/v1/chat/completions", body, headers=bearer()).cache["key"]
    home.settle()
    entry = next(e for e in home.json("ls")["entries"] if e["key"] == seen)
    share = entry["share"]
    params = [f"{name}:={json.dumps(value)}" for name, value in body.items()]
    printed = home.larder("key", "openai", "chat_completion", *params, "--share", share, "--origin", origin.url).stdout.strip()
    assert printed == seen == entry["key"]


def test_the_same_question_through_any_door(home, origins):
    origin = origins(Cluster().answer)
    gateway = home.serve(kubernetes=origin.url)
    got = gateway.get("/kubernetes/api/v1/namespaces/default/pods/web-1")
    question = ["kubernetes", "pod_status", "namespace=default", "pod_name=web-1", "--share", "anonymous", "--origin", origin.url]
    assert home.larder("key", *question).stdout.strip() == got.cache["key"]
    assert home.larder("get", *question, text=False).stdout.rstrip(b"\n") == got.body.rstrip(b"\n")


def test_documents_of_a_question_read_back(home):
    """What `--canonical` prints is canonical: reading and writing it again changes nothing."""
    for question in QUESTIONS:
        canonical = home.larder("key", *question, "--canonical").stdout
        if not any(number in canonical for number in ("e+21", "e-7")):
            assert json.dumps(json.loads(canonical), sort_keys=True, separators=(",", ":"), ensure_ascii=False) == canonical
