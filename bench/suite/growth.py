"""What growing numbers of sessions do to cost."""

import statistics

from peers.catalogue import PEERS
from peers.proxies import Headgate, TwoWorkers

from . import pools
from .rotation import say
from .tables import replace_between

GROWTH = (100, 1000, 3000, 9000)
ROUNDS = 3


def run(bench, peers, quick):
    """CPU of a NOOP in a closed loop and of a push at 4,000 a second over all sessions."""
    seconds = "1" if quick else "4"
    raw = {}
    lines = []
    for name, kind in peers.items():
        raw[name] = {}
        for work in ("NOOP", "push"):
            cells = []
            for sessions in GROWTH:
                if sessions > kind.most_sessions:
                    cells.append("–")
                    continue
                results = [one(bench, kind, work, sessions, seconds) for _ in range(1 if quick else ROUNDS)]
                raw[name][f"{work} {sessions}"] = results
                cells.append(cell(results))
                for failure in (failure for result in results for failure in result["failures"]):
                    say(f"growth: {PEERS[name].name}, {work} at {sessions}: {failure}")
            lines.append(f"| {PEERS[name].name}, {work} | " + " | ".join(cells) + " |")
            say("growth: " + lines[-1])
    head = ("| µs CPU | " + " | ".join(f"{sessions:,} sessions" for sessions in GROWTH) + " |\n"
            "| --- |" + " ---: |" * len(GROWTH) + "\n")
    worker_text, raw["workers"] = run_workers(bench, seconds)
    pool_text, raw["pools"] = pools.run(bench, quick)
    replace_between("growth", head + "\n".join(lines) + "\n" + worker_text + pool_text)
    return raw


def one(bench, kind, work, sessions, seconds):
    arguments = ["noop"] if work == "NOOP" else ["idle", "--push-ms", str(max(1, sessions * 1000 // 4000))]
    with kind(bench).running() as peer:
        return bench.load(peer.port, [*arguments, "--sessions", str(sessions), "--seconds", seconds,
                                      "--warm-up", "3" if work == "push" else "1", *peer.meter()])


def cell(results):
    """The median, and from where to where they went."""
    if not all(result["ok"] for result in results):
        return "–"
    figures = sorted(result["proxy_cpu_us_per_unit"] for result in results)
    return f"{statistics.median(figures):.1f} ({figures[0]:.1f}–{figures[-1]:.1f})"


def run_workers(bench, seconds):
    """CPU time for each unit with one worker and with two. Twice the workers do twice the work if a
    unit costs the same; the machine's two cores are too few to show it as a rate."""
    works = {"login, full handshake": ["login", "--sessions", "32"],
             "NOOP, 256 sessions": ["noop", "--sessions", "256"]}
    raw = {work: {kind.name: [] for kind in (Headgate, TwoWorkers)} for work in works}
    for _ in range(ROUNDS):
        for kind in (Headgate, TwoWorkers):
            with kind(bench).running() as peer:
                for work, arguments in works.items():
                    raw[work][kind.name].append(bench.load(peer.port, [
                        *arguments, "--seconds", seconds, "--warm-up", "1", *peer.meter()]))
    lines = ["| µs CPU | 1 worker | 2 workers | 2 workers do × 1 |", "| --- | ---: | ---: | ---: |"]
    for work, results in raw.items():
        one, two = (statistics.median(result["proxy_cpu_us_per_unit"] for result in results[kind.name])
                    for kind in (Headgate, TwoWorkers))
        lines.append(f"| {work} | {one:.1f} | {two:.1f} | {2 * one / two:.2f} |")
        say("growth: " + lines[-1])
    return "\n" + "\n".join(lines) + "\n", raw
