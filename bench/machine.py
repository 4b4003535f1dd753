"""What the figures were measured on."""

import os
import platform
import subprocess
import time
from pathlib import Path

from place import CLONE


def whole_process(place, rounds, *commands, env=None):
    """The median time of each command as a whole process, µs, taken in turns."""
    words = [word for command in commands for word in (*command, "+++")][:-1]
    out = subprocess.run(
        [place.compiled("spawn.c"), str(rounds), *map(str, words)],
        env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return [float(line) for line in out.split()]


def _model():
    with Path("/proc/cpuinfo").open() as lines:
        return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


def _commit():
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, cwd=CLONE, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def machine(place):
    """{name: fact}; how busy the machine was belongs to it."""
    quick = " (`--quick`)" if place.quick else ""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()) + quick,
        "larder": _commit(),
        "processor": f"{os.cpu_count()} × {_model()}",
        "kernel": f"{platform.system()} {platform.release()}",
        "`/bin/true` as a whole process": f"{whole_process(place, 300, ['/bin/true'])[0] / 1000:.2f} ms",
        "load average when it began": f"{os.getloadavg()[0]:.1f}",
    }
