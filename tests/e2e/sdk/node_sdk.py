"""The npm SDKs, in one Node process for the whole run: JSON lines in and out."""
import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import threading

PROGRAM = pathlib.Path(__file__).with_name("node_sdk.mjs")


def modules():
    """The folder that holds `node_modules`: `LARDER_NODE` (`.ci/run` sets it), or where `.ci/run` puts it."""
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    found = pathlib.Path(os.environ.get("LARDER_NODE") or pathlib.Path(os.environ.get("LARDER_CI_DIR") or pathlib.Path(cache) / "larder-ci") / "node")
    assert shutil.which("node") and (found / "node_modules/openai").is_dir(), f"no npm clients in {found}: `.ci/run e2e` installs them"
    return found


class Node:
    """Calls run at the same time; each answer carries the number of its question."""

    name = "node"

    def __init__(self):
        self.process = subprocess.Popen(["node", PROGRAM, modules()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.waiting, self.lock, self.number = {}, threading.Lock(), 0
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            answer = json.loads(line)
            self.waiting.pop(answer.pop("number")).set_result(answer)
        for left in list(self.waiting.values()):
            left.set_exception(RuntimeError(f"node ended: {self.process.wait()}"))

    def begin(self, ask, base, key, **options):
        answer = concurrent.futures.Future()
        with self.lock:
            self.number += 1
            self.waiting[self.number] = answer
            question = {"number": self.number, "service": ask.service, "do": ask.do, "args": ask.args, "mode": ask.mode, "base": base, "key": key, **options}
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
        return answer

    def __call__(self, ask, base, key, **options):
        return self.begin(ask, base, key, **options).result(60)

    def together(self, asks, **options):
        return [answer.result(60) for answer in [self.begin(*one, **options) for one in asks]]

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
