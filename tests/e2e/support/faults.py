"""Ways to make a machine fail: system calls that err, file systems that are small or read-only, clocks that jump."""
import contextlib
import os
import pathlib
import shutil
import subprocess

import pytest

FILES = ("", "/v2", "/v2/index.db", "/v2/index.db-wal", "/v2/index.db-shm", "/v2/sidecar", "/v2/lock", "/v2/maintenance.lock", "/v2/bodies", "/v2/runs", "/v2/flights")


def strace(store, calls, error, at="1+", bodies_only=False):
    """The words before a command under which `calls` on the store's files fail, or on those of its large bodies alone; skips where nothing
    can be traced."""
    if not shutil.which("strace") or subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True).returncode:
        pytest.skip("strace is not installed or may not trace here")
    large = [*pathlib.Path(store).glob("v2/bodies/*/*"), *([] if bodies_only else pathlib.Path(store).glob("v2/runs/*/*"))]
    files = [str(file) for file in large] + ([] if bodies_only else [f"{store}{name}" for name in FILES])
    paths = [word for file in files for word in ("-P", file)]
    return ["strace", "-D", "-f", "-qq", "-o", "/dev/null", *paths, "-e", f"trace={calls}", "-e", f"inject={calls}:error={error}:when={at}"]


@contextlib.contextmanager
def tmpfs(folder, size):
    """A small file system in memory."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a tmpfs")
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "none", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def read_only(folder):
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)


class Clock:
    """A clock for the processes that get `env`: the real one plus `ahead` years."""

    def __init__(self, folder):
        found = sorted(pathlib.Path("/usr/lib").glob("**/faketime/libfaketime.so.1"))
        if not found:
            pytest.skip("faketime is not installed")
        self.file = folder / "clock"
        self.env = {"LD_PRELOAD": str(found[0]), "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_RESET": "1"}
        self.set(0)

    def set(self, years):
        self.file.write_text(f"{years * 365 * 86400:+d}\n")


def warnings(text):
    """Lines that warn or err."""
    return [line for line in text.splitlines() if " WARN " in line or " ERROR " in line or line.startswith(("warning:", "error:"))]
