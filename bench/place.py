"""Where things are: the clone, what is built from it, and the peers, installed where they are missing."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

CLONE = Path(__file__).resolve().parent.parent
PEERS = CLONE / "bench" / "peers"
STATIC = ["-C", "target-feature=+crt-static", "-C", "relocation-model=static"]
BKT_VERSION = "0.8.2"


def show(*command, **options):
    """Runs a command that has to succeed; its output is talk."""
    print("+", *command, file=sys.stderr, flush=True)
    words = [str(word) for word in command]
    return subprocess.run(words, check=True, stdout=sys.stderr, stdin=subprocess.DEVNULL, **options)


def found(program):
    """The path of an installed program, also of one for administrators."""
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")


class Place:
    """Paths; each is built or installed when it is first asked for."""

    def __init__(self, quick):
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        self.root = Path(os.environ.get("LARDER_BENCH_DIR") or Path(cache) / "larder-bench").absolute()
        self.target = Path(os.environ.get("LARDER_TARGET_DIR") or self.root / "target").absolute()
        self.quick = quick
        self.began = time.time()
        self.facts = {}
        self._have = {}
        self.root.mkdir(parents=True, exist_ok=True)

    def _once(self, name, make):
        if name not in self._have:
            self._have[name] = make()
        return self._have[name]

    def cargo(self, *words, env=None):
        """Runs cargo on the clone, with the target folder outside of it."""
        show("cargo", *words, cwd=CLONE, env={**os.environ, "CARGO_TARGET_DIR": str(self.target), **(env or {})})

    def _built(self, name, made, *words):
        """Runs cargo once and keeps a copy: the release and the static binary have one name in the target folder."""

        def build():
            self.cargo(*words)
            return self._copied(name, self.target / "release" / made)

        return self._once(name, build)

    def _copied(self, name, binary):
        """A fresh copy: how a file came to lie in the system's cache changes a start by a tenth of a millisecond."""
        copy = self.root / name
        copy.unlink(missing_ok=True)
        shutil.copy2(binary, copy)
        return copy

    def larder(self):
        """The release binary."""
        return self._built("larder", "larder", "build", "--locked", "--release", "-p", "larder-cli", "--bin", "larder")

    def static_larder(self):
        """The binary that is given away: static, as `just dist` builds it."""
        words = ["rustc", "--locked", "--release", "-p", "larder-cli", "--bin", "larder", "--", *STATIC]
        return self._built("larder-static", "larder", *words)

    def hyper(self):
        """A bare hyper server, which is also the origin."""
        words = ["build", "--locked", "--release", "-p", "larder-testkit", "--example", "bare_hyper"]
        return self._built("bare_hyper", "examples/bare_hyper", *words)

    def bkt(self):
        """bkt, from its crate."""
        binary = self.root / "tools" / "bin" / "bkt"
        if not binary.exists():
            show("cargo", "install", "--quiet", "--locked", "--root", self.root / "tools", f"bkt@{BKT_VERSION}", cwd=self.root)
        return self._copied("bkt", binary)

    def apt(self, program, package):
        """A program of the system's packages."""
        if not found(program):
            show("apt-get", "update", "-qq")
            show("apt-get", "install", "-y", "-qq", "--no-install-recommends", package)
        return found(program)

    def python(self):
        """A Python that has the peers of PyPI."""
        return self._once("python", self._python)

    def _python(self):
        wanted, stamp = (PEERS / "requirements.txt").read_text(), self.root / "venv" / "installed"
        python = self.root / "venv" / "bin" / "python"
        if not stamp.exists() or stamp.read_text() != wanted:
            show(sys.executable, "-m", "venv", self.root / "venv")
            show(python, "-m", "pip", "install", "--quiet", "-r", PEERS / "requirements.txt")
            stamp.write_text(wanted)
        return python

    def compiled(self, source):
        """A small C program of ours."""

        def build():
            binary = self.root / source.removesuffix(".c")
            show("cc", "-O2", "-Wall", "-o", binary, PEERS / source)
            return binary

        return self._once(source, build)
