"""What the gateway adds where it has to ask: calls that it answers and keeps, and the first bytes of a stream."""

import itertools
from statistics import median

from load import POST, Caller, chat, question, rounds, wrk
from server import check, gateway, get, hyper
from table import Line

PATH = "/v1/chat/completions"
SIZE = 2048


def added(place, origin, *through):
    """p50 of a miss in µs, every question another one: through each server, and direct."""
    number, seconds = itertools.count(), 1 if place.quick else 2

    def p50(url):
        before, distinct = origin.asked(), f"{next(number)}-"
        requests, taken = wrk(place, url, seconds, 1, SIZE, **question(chat("DISTINCT"), DISTINCT=distinct))
        check(origin.asked() - before >= requests, f"{url}: the origin was asked {origin.asked() - before} of {requests} times")
        return taken

    return rounds(place, *(lambda url=url: p50(url) for url in [*through, f"{origin.url}{PATH}"]))


def first_bytes(place, origin, ours):
    """p50 until a stream's first bytes in µs: (larder, direct)."""
    callers = [Caller(f"{ours.url}/openai{PATH}"), Caller(f"{origin.url}{PATH}")]
    taken, number = [], 20 if place.quick else 100
    for n in range(number):
        (ours_took, head), (took, _) = (caller.first_byte(chat(f"stream {n}", stream=True)) for caller in callers)
        check("fwd=uri-miss" in head, head)
        taken.append((ours_took, took))
    check(origin.asked() == 2 * number, f"the origin was asked {origin.asked()} times")
    return [median(column) * 1e6 for column in zip(*taken, strict=True)]


def measure(place):
    with (
        hyper(place, "chat", SIZE) as origin,
        hyper(place, "proxy", origin.url.removeprefix("http://")) as proxy,
        gateway(place, "--upstream", f"openai={origin.url}") as ours,
    ):
        larder, passed_on, direct = added(place, origin, f"{ours.url}/openai{PATH}", f"{proxy.url}{PATH}")
        _, headers = get(f"{ours.url}/openai{PATH}", chat("asked last"), POST)
        check("fwd=uri-miss" in headers["cache-status"] and "stored" in headers["cache-status"], headers["cache-status"])
    with hyper(place, "sse", 100) as origin, gateway(place, "--upstream", f"openai={origin.url}") as ours:
        first, alone = first_bytes(place, origin, ours)
    return [
        line("miss, 2 KiB each way, p50, added", "≤ 0.1 ms", larder, direct, 0.1, **{"bare hyper proxy, added": passed_on - direct}),
        line("miss, a stream's first byte, p50, added", "≤ 1 ms", first, alone, 1),
    ]


def line(work, goal, ours, direct, most, **beside):
    """A line from times in µs."""
    taken = {"through larder": ours, "direct": direct, **beside}
    peers = {name: figure / 1000 for name, figure in taken.items()}
    return Line(work, goal, (ours - direct) / 1000, "ms", peers, ours - direct <= most * 1000, delta=True)
