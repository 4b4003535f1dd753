"""What the gateway keeps in memory: idle, after a million hits, while 2 GiB stream through."""

import urllib.request

from load import wrk
from server import check, gateway, get, hyper
from table import Line

GIB = 1 << 30
SIZE = 1024
BODIES = {"stream": "not to be kept, of unknown length", "sized": "not to be kept", "kept": "kept"}


def hits(place, ours, most):
    """MB of resident memory after at least `most` hits."""
    done = 0
    while done < most:
        done += wrk(place, f"{ours.url}/plain/x", 1, 16, SIZE)[0]
    return ours.memory()


def flat(place):
    """Lines of an idle gateway and of one that has answered for long."""
    with hyper(place, "constant", SIZE) as origin, gateway(place, "--upstream", f"plain={origin.url}") as ours:
        get(f"{ours.url}/-/health")
        idle = ours.memory()
        get(f"{ours.url}/plain/x")
        early = hits(place, ours, 100_000)
        late = hits(place, ours, 300_000 if place.quick else 900_000)
        check(origin.asked() == 1, f"the origin was asked {origin.asked()} times")
    # A page more here or there says nothing; a byte kept for each of 900,000 hits would be 0.9 MB.
    goal, work = "flat (≤ +0.5 MB)", f"gateway, resident after {'400 k' if place.quick else '1 M'} hits"
    return [
        Line("gateway, resident, idle", "≤ 15 MB", idle, "MB", {}, idle <= 15),
        Line(work, goal, late, "MB", {"larder after 100 k hits": early}, late <= early + 0.5),
    ]


def streamed(place, mode, size):
    """MB by which the gateway's peak grew while `size` bytes passed."""
    with hyper(place, mode, size) as origin, gateway(place, "--upstream", f"plain={origin.url}") as ours:
        get(f"{ours.url}/-/health")
        ours.forget_peak()
        before, passed = ours.memory("VmHWM"), 0
        with urllib.request.urlopen(f"{ours.url}/plain/x", timeout=600) as response:
            while piece := response.read(1 << 20):
                passed += len(piece)
            check(passed == size and "fwd=" in response.headers["cache-status"], f"{passed} of {size} bytes")
        return ours.memory("VmHWM") - before


def measure(place):
    size = GIB // 8 if place.quick else 2 * GIB
    lines = flat(place)
    for mode, how in BODIES.items():
        grown = streamed(place, mode, size)
        lines.append(Line(f"gateway, a body of {size / GIB:g} GiB, {how}: peak grows by", "≤ 32 MB", grown, "MB", {}, grown <= 32))
    return lines
