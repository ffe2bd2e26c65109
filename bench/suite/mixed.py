"""Whether bulk transfers of some sessions starve the small exchanges of others."""

import contextlib
import json
import statistics
import subprocess

from peers.catalogue import PEERS

from .priority import load_command, measured_first, served_first
from .rotation import say
from .tables import replace_between

ROUNDS = 3
SESSIONS, RATE = 100, 1000
BULK_SESSIONS = 8
FIGURES = ("noop_p50_us", "noop_p99_us")


def noops(bench, port, tls, seconds):
    return measured_first(bench, port, tls, "rate", "--sessions", str(SESSIONS), "--rate", str(RATE),
                          "--warm-up", "1", "--seconds", str(seconds))


@contextlib.contextmanager
def bulk(bench, port, tls, seconds):
    """While it is fetched; a list that has the result afterwards."""
    found = []
    with subprocess.Popen(load_command(bench, port, tls, "fetch", "--sessions", str(BULK_SESSIONS), "--size-kb",
                                  "8192", "--warm-up", "0", "--seconds", str(seconds)),
                          stdout=subprocess.PIPE, text=True) as process:
        yield found
        found.append(json.loads(process.communicate()[0]))


def one(bench, port, tls, seconds):
    quiet = noops(bench, port, tls, seconds)
    with bulk(bench, port, tls, seconds + 3) as fetched:
        beside = noops(bench, port, tls, seconds)
    failures = [*quiet["failures"], *beside["failures"], *fetched[0]["failures"]]
    if failures:
        raise RuntimeError("; ".join(failures))
    return {"quiet": [quiet[name] for name in FIGURES], "beside": [beside[name] for name in FIGURES],
            "bulk_mb_per_s": fetched[0]["bytes"] / 1e6 / (seconds + 3)}


def run(bench, peers, quick):
    with served_first(bench):
        raw = rounds_of(bench, peers, quick)
    replace_between("mixed", table(raw))
    return raw


def rounds_of(bench, peers, quick):
    seconds, rounds = (1, 1) if quick else (4, ROUNDS)
    raw = {"direct": [], **{name: [] for name in peers}}
    for _ in range(rounds):
        raw["direct"].append(one(bench, bench.backend_port, "none", seconds))
        for name, kind in peers.items():
            with kind(bench).running() as peer:
                try:
                    raw[name].append(one(bench, peer.port, "implicit", seconds))
                except RuntimeError as error:
                    say(f"mixed: {kind.name}: {error}")
            say(f"mixed: {kind.name}: {raw[name][-1:]}")
    return raw


def table(raw):
    lines = [f"| NOOPs of {SESSIONS} sessions, {RATE:,} a second | p50 quiet, µs | p99 quiet | "
             f"p50 beside {BULK_SESSIONS} bulk FETCHes | p99 | ratio of p99 | bulk, MB/s |",
             "| --- |" + " ---: |" * 6]
    for name, rounds in raw.items():
        title = "no proxy, no TLS" if name == "direct" else PEERS[name].name
        if not rounds:
            lines.append(f"| {title} |" + " – |" * 6)
            continue
        quiet, beside = ([statistics.median(found[when][at] for found in rounds) for at in range(2)]
                         for when in ("quiet", "beside"))
        bulk_rate = statistics.median(found["bulk_mb_per_s"] for found in rounds)
        cells = [f"{figure:.0f}" for figure in (*quiet, *beside)]
        lines.append(f"| {title} | " + " | ".join(cells)
                     + f" | {beside[1] / quiet[1]:.1f} | {bulk_rate:.0f} |")
    return "\n".join(lines) + f"\n\nMedians of {len(raw['direct'])} rounds.\n"
