"""Thousands of clients of a killed backend come back, all at once or as their sessions end one after the other: how long
it takes until all are in, and what it does to the sessions on other backends.

The backends are bench/backend's: the same number of Dovecot sessions would need the memory and the processor time
of a machine of their own. Headgate has one core, with one worker, the others share the other one; of these the meter
goes first, so that what it shows is not its own waiting for the processor."""

import contextlib
import json
import statistics
import subprocess
import time
import urllib.request

from peers.process import free_port, wait_for_port
from peers.proxies import Headgate

from .priority import MEASURING, SERVING
from .rotation import say

SESSIONS = 5000
CALM_SESSIONS, CALM_RATE = 200, 1000
QUIET_SECONDS, WARM_UP = 4, 1
ROUNDS = 4  # the first one says how long the storm takes
ENDS = {"all at once (`lost_sessions_rate: 0`)": 0, "200 a second (the default)": 200}
PATIENCE = 60
METER = ("chrt", "--fifo", MEASURING)
STORM, CALM = "storm.example.org", "calm.example.org"


class ThreeBackends(Headgate):
    """The users of the storm live at the first backend, the calm ones at the second."""

    name = "Headgate before three backends"

    def __init__(self, bench, ports, ends):
        super().__init__(bench)
        self.ports = ports
        self.ends = ends

    def backends(self):
        return [f"127.0.0.1:{port}" for port in self.ports]

    def pool(self):
        first, second, _ = self.backends()
        return ("    health: {level: greeting}\n"
                f"    lost_sessions_rate: {self.ends}\n"
                "    pins:\n"
                f'      - {{domain: {STORM}, backend: "{first}", fallback: true}}\n'
                f'      - {{domain: {CALM}, backend: "{second}"}}\n')

    def sessions(self, number):
        """At the backend of this number, as the admin API has it."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/api/v1/backends") as reply:
            return json.load(reply)["backends"][number]["sessions"]

    def wait_for_sessions(self, number, count):
        deadline = time.monotonic() + PATIENCE
        while self.sessions(number) < count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.sessions(number)} of {count} sessions were logged in")
            time.sleep(0.02)


@contextlib.contextmanager
def backend(bench):
    """(port, process) of a backend that may be killed meanwhile."""
    port = free_port()
    process = subprocess.Popen(  # pylint: disable=consider-using-with
        ["chrt", "--fifo", SERVING, "taskset", "-c", str(bench.other_core), str(bench.backend_program),
         "--port", str(port)],
        stdout=subprocess.DEVNULL)
    try:
        wait_for_port(port, process)
        yield port, process
    finally:
        process.kill()
        process.wait()


def behind_all(process):
    """Its end closes thousands of sockets, which is not to keep the meter waiting."""
    subprocess.run(["chrt", "--other", "--pid", "0", str(process.pid)], check=True)


@contextlib.contextmanager
def load(bench, port, *arguments, first=()):
    """A load generator that runs beside others; killed if it still runs at the end. `first`: what it is run by."""
    process = subprocess.Popen(  # pylint: disable=consider-using-with
        [*first, "taskset", "-c", str(bench.other_core), str(bench.load_program), *arguments,
         "--port", str(port), "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def result_of(process):
    output, errors = process.communicate(timeout=2 * PATIENCE)
    if process.returncode not in (0, 1):
        raise RuntimeError(errors)
    result = json.loads(output)
    if not result["ok"]:
        raise RuntimeError("; ".join(result["failures"][:3]))
    return result


def calm(seconds):
    return ["rate", "--domain", CALM, "--sessions", str(CALM_SESSIONS), "--rate", str(CALM_RATE),
            "--warm-up", str(WARM_UP), "--seconds", f"{seconds:.1f}"]


def one_storm(bench, ends, sessions, seconds):
    """`ends` a second, 0: all at once. NOOPs are measured for `seconds` from the kill on; figures in milliseconds."""
    with contextlib.ExitStack() as stack:
        backends = [stack.enter_context(backend(bench)) for _ in range(3)]
        peer = stack.enter_context(ThreeBackends(bench, [port for port, _ in backends], ends).running())
        storm = stack.enter_context(load(
            bench, peer.port, "storm", "--await-end", "--domain", STORM, "--sessions", str(sessions),
            "--timeout", str(PATIENCE)))
        peer.wait_for_sessions(0, sessions)
        with load(bench, peer.port, *calm(QUIET_SECONDS), first=METER) as meter:
            quiet = result_of(meter)
        with load(bench, peer.port, *calm(seconds), first=METER) as meter:
            peer.wait_for_sessions(1, CALM_SESSIONS)
            time.sleep(WARM_UP)
            behind_all(backends[0][1])
            backends[0][1].kill()
            beside = result_of(meter)
        back = result_of(storm)
    return {
        "sessions": sessions,
        "median_back_ms": back["back_p50_us"] / 1000,
        "all_back_ms": back["back_max_us"] / 1000,
        "quiet_p50_ms": quiet["noop_p50_us"] / 1000,
        "quiet_p99_ms": quiet["noop_p99_us"] / 1000,
        "beside_p50_ms": beside["noop_p50_us"] / 1000,
        "beside_p99_ms": beside["noop_p99_us"] / 1000,
    }


def run(bench, quick):
    """(text for the document, raw figures)"""
    sessions, rounds, first = (SESSIONS // 5, 2, 1) if quick else (SESSIONS, ROUNDS, 4)
    found, rows = {}, []
    for name, ends in ENDS.items():
        seconds = first
        found[name] = []
        for _ in range(rounds):
            found[name].append(one_storm(bench, ends, sessions, seconds))
            say(f"storm, {name}: {found[name][-1]}")
            seconds = max(1.0, found[name][-1]["all_back_ms"] / 1000)
        rows.append(row(name, found[name][1:]))
    return table(rows, rounds - 1), found


def row(name, storms):
    middle = {key: statistics.median(one[key] for one in storms) for key in storms[0]}
    ratio = statistics.median(one["beside_p99_ms"] / one["quiet_p99_ms"] for one in storms)
    return (f"| {middle['sessions']:,} | {name} | {middle['median_back_ms'] / 1000:.1f} | "
            f"{middle['all_back_ms'] / 1000:.1f} | {middle['quiet_p50_ms']:.2f} | "
            f"{middle['beside_p50_ms']:.2f} | {middle['quiet_p99_ms']:.1f} | "
            f"{middle['beside_p99_ms']:.1f} | {ratio:.1f} |")


def table(rows, rounds):
    lines = ["| clients | their sessions end | half of them back after, s | all back after, s | NOOP p50 on another backend, "
             "ms, quiet | during the storm | p99, quiet | during the storm | ratio of p99 |",
             "| ---: | --- |" + " ---: |" * 7, *rows]
    return "\n".join(lines) + f"\n\nMedians of {rounds}, that of the ratios too; each on a fresh Headgate.\n"
