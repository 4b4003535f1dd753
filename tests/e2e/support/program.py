"""The program under test, in a home of its own."""
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

from .raw import request


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Home:
    """A user: home folder, store, environment. Nothing of the machine's own user is seen or touched."""

    def __init__(self, folder, binary):
        self.folder, self.binary = pathlib.Path(folder), binary
        self.store = self.folder / "store"
        self.work = self.folder / "work"
        self.work.mkdir(parents=True)
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "LARDER_STORE": str(self.store),
            **{f"XDG_{name}_HOME": str(self.folder / name.lower()) for name in ("CONFIG", "CACHE", "DATA", "STATE")},
            "XDG_RUNTIME_DIR": str(self.folder),
        }
        self.gateways = []

    def larder(self, *args, ok=True, input=None, env=None, cwd=None, timeout=30, text=True):
        """Runs a command; with `ok` it must exit 0."""
        given = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
        done = subprocess.run(
            [self.binary, *map(str, args)],
            capture_output=True, text=text, timeout=timeout,
            env={**self.env, **(env or {})}, cwd=cwd or self.work, **given,
        )
        assert not ok or done.returncode == 0, f"larder {args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *args, **more):
        """A command with `--json`; its document must carry a schema."""
        document = json.loads(self.larder(*args, "--json", **more).stdout)
        assert document["schema"].startswith("larder."), document
        return document

    def settle(self, entries=1, store=None):
        """Waits until so many entries are on the disk: an answer may go out a moment before it is there."""
        deadline = time.time() + 10
        while (found := len(self.json("ls", "--store", store or self.store)["entries"])) < entries:
            assert time.time() < deadline, f"{found} of {entries} entries are on the disk"

    def start(self, *args, env=None, **more):
        """A command in the background."""
        return subprocess.Popen([self.binary, *map(str, args)], env={**self.env, **(env or {})}, cwd=self.work, **more)

    def serve(self, *args, listen=None, store=None, wait=True, env=None, **upstreams):
        """A gateway; `openai=URL` becomes `--upstream openai=URL`."""
        gateway = Gateway(self, args, listen, store or self.store, upstreams, env)
        self.gateways.append(gateway)
        return gateway.ready() if wait else gateway

    def close(self):
        for gateway in self.gateways:
            gateway.kill()


class Gateway:
    def __init__(self, home, args, listen, store, upstreams, env=None):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = home.folder / f"gateway-{len(home.gateways)}.log"
        listens = [f"127.0.0.1:{self.port}", *(listen or [])]
        command = ["serve", "--store", store, *args]
        command += [word for address in listens for word in ("--listen", address)]
        command += [word for name, url in upstreams.items() for word in ("--upstream", f"{name}={url}")]
        with open(self.log, "wb") as log:
            self.process = home.start(*command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def ready(self):
        deadline = time.time() + 15
        while time.time() < deadline:
            assert self.process.poll() is None, f"the gateway ended: {self.said()}"
            with contextlib.suppress(OSError):
                if self.get("/-/health").status == 200:
                    return self
            time.sleep(0.02)
        raise AssertionError(f"the gateway did not get ready: {self.said()}")

    def said(self):
        return self.log.read_text(errors="replace")

    def get(self, path, **more):
        return request(self.url + path, **more)

    def post(self, path, body, **more):
        return request(self.url + path, "POST", body, **more)

    def stop(self, timeout=15):
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def kill(self):
        self.process.kill()
        self.process.wait()
