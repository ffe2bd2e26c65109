"""What growing numbers of sessions do to cost."""

import statistics

from peers.catalogue import PEERS
from peers.proxies import Headgate, TwoWorkers

from . import pools
from .rotation import say
from .tables import replace_between

GROWTH = (100, 1000, 3000, 9000)
ROUNDS = 3
# A second over all sessions: more sessions, the same work. At this rate a session is quiet for longer than TCP delays
# an acknowledgement (40 ms) even where there are but 100, as sessions of users are, so that all work is of one kind.
RATE = 2000
NOOP, PUSH, CLOSED = f"NOOP, {RATE:,} a second", f"push, {RATE:,} a second", "NOOP, as fast as they go"
MEMORY = "KB PSS of an idle session"
ARGUMENTS = {
    NOOP: lambda sessions: ["rate", "--rate", str(RATE), "--warm-up", "1"],
    PUSH: lambda sessions: ["idle", "--push-ms", str(max(1, sessions * 1000 // RATE)), "--warm-up", "3"],
    CLOSED: lambda sessions: ["noop", "--warm-up", "1"],
    MEMORY: lambda sessions: ["hold"],
}
CPU = "proxy_cpu_us_per_unit"
FIGURES = {NOOP: CPU, PUSH: CPU, CLOSED: CPU, MEMORY: "pss_kb_per_session"}


def run(bench, peers, quick):
    """CPU of a NOOP and of a push at one rate over all sessions, and of a NOOP in a closed loop, where more sessions
    are more work at once."""
    seconds = "1" if quick else "4"
    raw = {}
    lines = []
    for name, kind in peers.items():
        raw[name] = {}
        for work in ARGUMENTS:
            results = [[one(bench, kind, work, sessions, seconds) for _ in range(1 if quick else ROUNDS)]
                       for sessions in GROWTH if sessions <= kind.most_sessions]
            raw[name][work] = results
            for failure in (failure for found in results for result in found for failure in result["failures"]):
                say(f"growth: {PEERS[name].name}, {work}: {failure}")
            title = f"{PEERS[name].name}, {work}"
            lines.append(line_of(title, [cell(found, FIGURES[work]) for found in results]))
            say("growth: " + lines[-1])
            if work == CLOSED and name == "headgate":
                lines.append(line_of("TCP segments of one", [cell(found, "tcp_segments_per_unit") for found in results]))
                say("growth: " + lines[-1])
    head = ("| µs CPU, but where another unit is said | " + " | ".join(f"{sessions:,} sessions" for sessions in GROWTH) + " |\n"
            "| --- |" + " ---: |" * len(GROWTH) + "\n")
    worker_text, raw["workers"] = run_workers(bench, seconds)
    pool_text, raw["pools"] = pools.run(bench, quick)
    replace_between("growth", head + "\n".join(lines) + "\n" + worker_text + pool_text)
    return raw


def line_of(title, cells):
    return f"| {title} | " + " | ".join([*cells, *["–"] * (len(GROWTH) - len(cells))]) + " |"


def one(bench, kind, work, sessions, seconds):
    with kind(bench).running() as peer:
        return bench.load(peer.port, [*ARGUMENTS[work](sessions), "--sessions", str(sessions),
                                      "--seconds", seconds, *peer.meter()])


def cell(results, key):
    """The median, and from where to where they went."""
    if not all(result["ok"] for result in results):
        return "–"
    figures = sorted(result[key] for result in results)
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
