"""A hit of `larder run` as a whole process (static build, no daemon), beside /bin/true and bkt."""

import os
import subprocess
import tempfile
from pathlib import Path

from machine import whole_process
from server import check
from table import Line


def kept(command, env, runs):
    """The command prints what it printed the first time, because it ran once."""
    outs = [subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout for _ in range(2)]
    check(outs[0] == outs[1] and outs[0].startswith(b"kept"), f"{command}: {outs}")
    check(runs.read_text() == "ran\n", f"{command[0]} ran the command again")


def measure(place):
    larder, bkt = place.static_larder(), place.bkt()
    with tempfile.TemporaryDirectory(dir=place.root) as home:
        env = {"PATH": os.environ["PATH"], "HOME": home}
        tool = lambda name: ["/bin/sh", "-c", f"echo ran >> {home}/{name}; echo kept; date +%N"]
        ours = [str(larder), "run", "--ttl", "1h", "--store", f"{home}/store", "--", *tool("ours")]
        theirs = [str(bkt), "--ttl", "1h", "--cache-dir", f"{home}/bkt", "--", *tool("theirs")]
        both = [(ours, env, Path(home) / "ours"), (theirs, env, Path(home) / "theirs")]
        [kept(*one) for one in both]
        hit, peer, least = whole_process(place, 300 if place.quick else 2000, ours, theirs, ["/bin/true"], env=env)
        [kept(*one) for one in both]
    met = hit <= 1.4 * least and hit <= 0.8 * peer
    peers = {"/bin/true": least / 1000, "bkt": peer / 1000}
    return [Line("`larder run` hit, whole process, static build", "≤ 1.4× /bin/true, ≤ 0.8× bkt", hit / 1000, "ms", peers, met)]
