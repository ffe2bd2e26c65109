"""Rounds of A B C A B C, so that a slow minute of the machine falls on all alike; medians."""

import statistics
import sys
import time

from .works import BY_NAME


def say(text):
    print(text, file=sys.stderr, flush=True)


def measure_one(bench, peer, works, quick):
    """All works at one started peer: {work: JSON of the load generator}."""
    results = {}
    for work in works:
        if work.sessions > peer.most_sessions:
            continue
        same = [name for name in results if BY_NAME[name].arguments == work.arguments]
        if same:  # one run gives both figures
            results[work.name] = results[same[0]]
            continue
        arguments = work.command(quick) + peer.meter()
        if work.figure == "pss_kb_per_session":
            arguments += peer.kernel_meter()
            peer.stop()  # memory is measured in a fresh process
            peer.start()
            arguments[arguments.index("--meter"):] = peer.meter() + peer.kernel_meter()
        results[work.name] = bench.load(peer.port, arguments)
        if work.figure == "pss_kb_per_session":
            peer.stop()
            peer.start()
        for failure in results[work.name]["failures"]:
            say(f"  {peer.name}, {work.name}: {failure}")
    return results


def run_rounds(bench, peers, works, rounds, quick):
    """Returns {peer: {work: [JSON of each round]}} and {peer: version}."""
    results = {name: {work.name: [] for work in works} for name in peers}
    versions = {}
    for number in range(1, rounds + 1):
        for name, kind in peers.items():
            begun = time.monotonic()
            peer = kind(bench)
            versions[name] = peer.version()
            peer.start()
            try:
                measured = measure_one(bench, peer, works, quick)
            finally:
                peer.stop()
            for work, result in measured.items():
                results[name][work].append(result)
            say(f"round {number} of {rounds}: {peer.name}, {time.monotonic() - begun:.0f} s")
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
