"""diskcache's get of 1 KiB, warm, over 20,000 entries in an order that says nothing: the median in µs."""

import os
import sys
import time
from statistics import median

import diskcache

ENTRIES = 20_000

with diskcache.Cache(sys.argv[1]) as cache:
    for n in range(ENTRIES):
        cache.set(f"q{n}", os.urandom(1024), expire=3600)
    order = [f"q{n * 7919 % ENTRIES}" for n in range(ENTRIES)]
    taken = []
    for question in order:
        start = time.perf_counter_ns()
        answer = cache.get(question)
        taken.append(time.perf_counter_ns() - start)
        assert len(answer) == 1024, question
    print(median(taken) / 1000)
