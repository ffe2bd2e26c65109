"""What more backends cost a login and a scrape, and what scrapes and lists cost the sessions."""

import contextlib
import json
import os
import re
import statistics
import subprocess
import threading
import time
import urllib.parse
import urllib.request

from peers.process import wait_for_port
from peers.proxies import Headgate

from .rotation import say

BACKENDS = (3, 30, 300)
ROUNDS = 3
SCRAPES = 100  # one after the other, for the time that one takes
SESSIONS = 9000
CROWDS = (100, 1000, SESSIONS)
TIMES_A_SECOND = 5


class BigPool(Headgate):
    """All its backends are one program that listens on every loopback address."""

    count = 3

    def backends(self):
        return [f"127.1.{at // 250}.{at % 250 + 1}:{self.bench.backend_port}"
                for at in range(self.count)]


@contextlib.contextmanager
def backend_everywhere(bench):
    """Replaces the bench's backend by one on all addresses, on the same port."""
    process = subprocess.Popen(  # pylint: disable=consider-using-with
        ["taskset", "-c", str(bench.other_core), str(bench.backend_program),
         "--address", "0.0.0.0", "--port", "0"], stdout=subprocess.PIPE, text=True)
    before = bench.backend_port
    try:
        bench.backend_port = int(re.search(r":(\d+)\s*$", process.stdout.readline()).group(1))
        wait_for_port(bench.backend_port, process)
        yield
    finally:
        bench.backend_port = before
        process.terminate()
        process.wait()


def scrape(peer):
    """The page of metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{peer.admin_port}/metrics", timeout=10) as reply:
        return reply.read().decode()


def value(page, name):
    found = [float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith((name + " ", name + "{"))]
    if not found:
        raise RuntimeError(f"no {name} among the metrics")
    return sum(found)


def slow_turns(page):
    """Turns of the loops that took longer than 1 ms."""
    within = value("\n".join(line for line in page.splitlines() if 'le="0.001"' in line),
                   "headgate_loop_lag_seconds_bucket")
    return value(page, "headgate_loop_lag_seconds_count") - within


def spent_by_scrapes(peer):
    """Scrapes again and again; the pages, and what one has cost in ms of CPU."""
    pages = [scrape(peer) for _ in range(SCRAPES + 1)]
    before, after = (value(page, "headgate_process_cpu_seconds_total") for page in (pages[0], pages[-1]))
    return pages, 1000 * (after - before) / SCRAPES


def run_sizes(bench, seconds):
    raw = {count: {"login": [], "collecting_ms": [], "scrape_ms": [], "page_kb": []} for count in BACKENDS}
    with backend_everywhere(bench):
        for _ in range(ROUNDS):
            for count in BACKENDS:
                kind = type("BigPool", (BigPool,), {"count": count})
                with kind(bench).running() as peer:
                    result = bench.load(peer.port, ["login", "--sessions", "16", "--seconds", seconds,
                                                    "--warm-up", "0.5", *peer.meter()])
                    raw[count]["login"].append(result["proxy_cpu_us_per_unit"])
                    pages, cost = spent_by_scrapes(peer)
                    raw[count]["scrape_ms"].append(cost)
                    raw[count]["collecting_ms"] += [
                        1000 * value(page, "headgate_metrics_scrape_duration_seconds") for page in pages]
                    raw[count]["page_kb"].append(len(pages[-1]) / 1000)
    lines = ["| backends | login, µs CPU | a scrape, ms CPU | of it collecting | its page, KB |",
             "| ---: |" + " ---: |" * 4]
    for count, figures in raw.items():
        middle = {name: statistics.median(values) for name, values in figures.items()}
        lines.append(f"| {count} | {middle['login']:.0f} | {middle['scrape_ms']:.2f} | "
                     f"{middle['collecting_ms']:.2f} | {middle['page_kb']:.0f} |")
        say("growth: " + lines[-1])
    return "\n".join(lines) + "\n", raw


def run_crowds(bench):
    """What a scrape costs by the number of sessions, which do next to nothing meanwhile."""
    raw = {count: [] for count in CROWDS}
    for _ in range(ROUNDS):
        for count in CROWDS:
            with Headgate(bench).running() as peer:
                load = threading.Thread(target=bench.load, args=(peer.port, [
                    "rate", "--sessions", str(count), "--rate", "10", "--seconds", "8", "--warm-up", "1"]))
                load.start()
                while load.is_alive() and value(scrape(peer), "headgate_sessions") < count:
                    time.sleep(0.1)
                time.sleep(1)
                pages, cost = spent_by_scrapes(peer)
                if value(pages[-1], "headgate_sessions") != count:
                    raise RuntimeError(f"not all of {count} sessions were there while scraping")
                raw[count].append(cost)
                load.join()
    lines = ["| sessions | a scrape, ms CPU |", "| ---: | ---: |"]
    for count, costs in raw.items():
        lines.append(f"| {count:,} | {statistics.median(costs):.2f} |")
        say("growth: " + lines[-1])
    return "\n".join(lines) + "\n", raw


def list_sessions(peer):
    """All of them, page by page; how many."""
    listed, cursor = 0, None
    while listed == 0 or cursor:
        query = urllib.parse.urlencode({"limit": 1000, **({"cursor": cursor} if cursor else {})})
        with urllib.request.urlopen(f"http://127.0.0.1:{peer.admin_port}/api/v1/sessions?{query}", timeout=10) as reply:
            page = json.load(reply)
        listed += len(page["sessions"])
        cursor = page["next"]
    return listed


class Watcher(threading.Thread):
    """Counts slow turns for some time from when all sessions are logged in, and does something meanwhile."""

    def __init__(self, peer, core, seconds, action):
        super().__init__()
        self.peer, self.core, self.seconds, self.action = peer, core, seconds, action
        self.slow = self.times = 0

    def run(self):
        os.sched_setaffinity(0, {self.core})  # reading a page takes milliseconds, and not the proxy's
        while value(scrape(self.peer), "headgate_sessions") < SESSIONS:
            time.sleep(0.1)
        end = time.monotonic() + self.seconds
        before = slow_turns(scrape(self.peer))
        while time.monotonic() < end:
            if self.action:
                self.action(self.peer)
            self.times += 1
            time.sleep(1 / TIMES_A_SECOND)
        self.slow = slow_turns(scrape(self.peer)) - before


def run_watched(bench, seconds):
    """NOOPs at a fixed rate over many sessions: quiet, while somebody scrapes, while somebody lists all sessions."""
    raw = {}
    lines = [f"| NOOPs of {SESSIONS:,} sessions, 2,000 a second | p50, µs | p99 | turns above 1 ms | in s |",
             "| --- |" + " ---: |" * 4]
    actions = {"quiet": None, "scraped again and again": scrape, "all sessions listed again and again": list_sessions}
    with Headgate(bench).running() as peer:
        for title, action in actions.items():
            watcher = Watcher(peer, bench.other_core, float(seconds), action)
            watcher.start()
            result = bench.load(peer.port, ["rate", "--sessions", str(SESSIONS), "--rate", "2000",
                                            "--seconds", seconds, "--warm-up", "2"])
            watcher.join()
            if not result["ok"]:
                raise RuntimeError("; ".join(result["failures"]))
            raw[title] = {**result, "slow_turns": watcher.slow, "times": watcher.times}
            times = f", {watcher.times} times" if action else ""
            lines.append(f"| {title}{times} | {result['noop_p50_us']:.0f} | {result['noop_p99_us']:.0f} | "
                         f"{watcher.slow:.0f} | {seconds} |")
            say("growth: " + lines[-1])
    return "\n".join(lines) + "\n", raw


def run(bench, quick):
    seconds = "1" if quick else "4"
    sizes, raw_sizes = run_sizes(bench, seconds)
    crowds, raw_crowds = run_crowds(bench)
    watched, raw_watched = run_watched(bench, seconds)
    return ("\n" + sizes + "\n" + crowds + "\n" + watched,
            {"backends": raw_sizes, "sessions": raw_crowds, "watched": raw_watched})
