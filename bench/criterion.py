"""Criterion's benches of the crates, and what they estimated."""

import json
import os
import time


def once(place, package, bench, names, env=None):
    """{name: median in µs} of the benches that match the regular expression `names`, measured once."""
    before = time.time()
    took = ["--warm-up-time", "0.5", "--measurement-time", "1" if place.quick else "3", "--noplot"]
    place.cargo("bench", "--locked", "-p", package, "--bench", bench, "--", *took, names, env=env)
    estimates = (place.target / "criterion").glob("*/*/new/estimates.json")
    fresh = [path for path in estimates if os.path.getmtime(path) >= before - 1]
    return {f"{path.parts[-4]}/{path.parts[-3]}": median(path) for path in fresh}


def median(path):
    """The median that an `estimates.json` tells, in µs."""
    return json.loads(path.read_text())["median"]["point_estimate"] / 1000
