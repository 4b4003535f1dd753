"""A hit of 1 KiB through the gateway, 16 connections, beside nginx's cache and a bare hyper server."""

import contextlib
import grp
import os
import pwd
import tempfile
from pathlib import Path

from load import per_cpu_second, rounds
from place import PEERS
from server import check, free_port, gateway, get, hyper, running
from table import Line

SIZE = 1024


@contextlib.contextmanager
def nginx(place, origin):
    """nginx with its cache in front of `origin`."""
    with tempfile.TemporaryDirectory(dir=place.root) as folder:
        port, config = free_port(), Path(folder) / "nginx.conf"
        text = (PEERS / "nginx.conf").read_text()
        user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
        for name, value in {"USER": user, "GROUP": group, "FOLDER": folder, "PORT": str(port), "ORIGIN": origin}.items():
            text = text.replace(name, value)
        config.write_text(text)
        command = [place.apt("nginx", "nginx-light"), "-c", config]
        with running(command, f"http://127.0.0.1:{port}", place.root / "nginx.log") as server:
            yield server


def is_hit(url, header, word):
    """The cache says that it answers, with the origin's bytes."""
    body, headers = get(url)
    check(body == b"x" * SIZE and word in headers[header], f"{url}: {header}: {headers[header]}")


def measure(place):
    with hyper(place, "constant", SIZE) as origin, hyper(place, "constant", SIZE) as bare:
        with nginx(place, origin.url) as peer, gateway(place, "--upstream", f"plain={origin.url}") as ours:
            url, theirs = f"{ours.url}/plain/x", f"{peer.url}/x"
            get(url), get(theirs)

            def are_hits():
                is_hit(url, "cache-status", "larder; hit")
                is_hit(theirs, "x-cache", "HIT")
                check(origin.asked() == 2, f"the origin was asked {origin.asked()} times")

            are_hits()
            load = lambda server, url: lambda: per_cpu_second(place, server, url, SIZE)
            larder, cache, least = rounds(place, load(ours, url), load(peer, theirs), load(bare, f"{bare.url}/x"))
            are_hits()
    place.facts["nginx, hits per core-second"] = f"{cache:,.0f}"
    peers = {"nginx proxy_cache": cache, "bare hyper": least}
    met = larder >= 1.2 * cache and larder >= 0.65 * least
    return [Line("gateway hit, 1 KiB, 16 connections", "≥ 1.2× nginx, ≥ 0.65× hyper", larder, "per server-core-second", peers, met)]
