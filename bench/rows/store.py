"""The store from inside a program: memory, disk, put, opening; beside Python's diskcache."""

import subprocess
import tempfile

import criterion
from load import rounds
from place import PEERS
from table import Line

FEW = "^store/(memory_hit_1k|disk_hit_1k|put_1k)$"
SIZES = "^store/(open|hit_at)_(10k|1m)$"


def diskcache(place):
    """The median of diskcache's warm get, µs."""
    with tempfile.TemporaryDirectory(dir=place.root) as folder:
        command = [place.python(), PEERS / "python_diskcache.py", folder]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def few(place):
    """Hits and puts in a store of thousands."""
    found = []

    def ours():
        found.append(criterion.once(place, "larder", "store", FEW))
        return found[-1]["store/disk_hit_1k"]

    disk, peer = rounds(place, ours, lambda: diskcache(place))
    memory, put = (sorted(one[f"store/{name}"] for one in found)[len(found) // 2] for name in ("memory_hit_1k", "put_1k"))
    return [
        Line("memory hit, 1 KiB", "≤ 0.5 µs", memory, "µs", {}, memory <= 0.5),
        Line("disk hit, 1 KiB, verified", "≤ 10 µs, ≤ 1×", disk, "µs", {"diskcache get": peer}, disk <= 10 and disk <= peer),
        Line("put, 1 KiB", "≤ 40 µs", put, "µs", {}, put <= 40),
    ]


def sizes(place):
    """How a store of a million entries differs from one of ten thousand. `--quick` has no million."""
    found = criterion.once(place, "larder", "store", SIZES, env={"LARDER_LONG": "0" if place.quick else "1"})
    lines = [opened(found, "10k", "10 k")]
    if place.quick:
        return lines
    small, large = found["store/hit_at_10k"], found["store/hit_at_1m"]
    hit = Line("disk hit at 1 M entries", "≤ 1.3× at 10 k", large, "µs", {"larder at 10 k": small}, large <= 1.3 * small)
    return [*lines, opened(found, "1m", "1 M"), hit]


def opened(found, name, entries):
    taken = found[f"store/open_{name}"] / 1000
    return Line(f"opening a store of {entries} entries", "≤ 2 ms", taken, "ms", {}, taken <= 2)


def measure(place):
    return few(place) + sizes(place)
