"""Rounds of A B C A B C, so that a slow minute of the machine falls on all alike; medians."""

import statistics
import sys
import time

from .works import BY_NAME


def say(text):
    print(text, file=sys.stderr, flush=True)


def measure_works(bench, kind, works, quick):
    """All works at one peer: {work: JSON of the load generator}. What is counted in CPU time shares an
    instance, as it would in use; memory is measured in a fresh one."""
    results = {}
    possible = [work for work in works if work.sessions <= kind.most_sessions]
    with kind(bench).running() as peer:
        for work in possible:
            same = [name for name in results if BY_NAME[name].arguments == work.arguments]
            if same:  # one run gives both figures
                results[work.name] = results[same[0]]
            elif not work.is_memory:
                results[work.name] = bench.load(peer.port, work.command(quick, peer) + peer.meter())
    for work in possible:
        if work.is_memory:
            with kind(bench).running() as peer:
                results[work.name] = bench.load(
                    peer.port, work.command(quick, peer) + peer.meter() + peer.kernel_meter())
    for name, result in results.items():
        for failure in result["failures"]:
            say(f"  {kind.name}, {name}: {failure}")
    return results


def run_rounds(bench, peers, works, rounds, quick):
    """Returns {peer: {work: [JSON of each round]}} and {peer: version}."""
    results = {name: {work.name: [] for work in works} for name in peers}
    versions = {}
    for number in range(1, rounds + 1):
        for name, kind in peers.items():
            begun = time.monotonic()
            versions[name] = kind(bench).version()
            for work, result in measure_works(bench, kind, works, quick).items():
                results[name][work].append(result)
            say(f"round {number} of {rounds}: {kind.name}, {time.monotonic() - begun:.0f} s")
    return results, versions


def figures(results, work):
    """The figures of the rounds that went without failure."""
    return [result[work.figure] * work.scale
            for result in results if result["ok"] and work.figure in result]


def median_and_spread(values):
    """The median and half the range around it, as a share of it."""
    middle = statistics.median(values)
    spread = (max(values) - min(values)) / 2 / middle if middle else 0
    return middle, spread
