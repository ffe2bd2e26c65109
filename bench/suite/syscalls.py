"""System calls by unit of work, counted by strace in runs of their own: under it everything is slow, so these
runs give no times."""

import re
import subprocess
import time

from peers.catalogue import PEERS

from .rotation import say
from .tables import replace_between

# Without warm-up and with few sessions, so that what is counted beside the units is next to nothing.
WORKS = {
    "login": (["login", "--sessions", "4"], lambda result: result["units"]),
    "NOOP": (["noop", "--sessions", "4"], lambda result: result["units"]),
    "MB fetched": (["fetch", "--sessions", "2", "--size-kb", "4096"],
                   lambda result: result["bytes"] / 1e6),
    "MB appended": (["append", "--sessions", "2", "--size-kb", "4096"],
                    lambda result: result["bytes"] / 1e6),
}


def count(bench, peer, arguments):
    """(calls of all processes of the peer, JSON of the load generator)."""
    summary = bench.directory / "strace.txt"
    bench.load(peer.port, ["login", "--sessions", "1", "--count", "4"])  # every process is up
    processes = peer.group.members() or [peer.process.pid]
    attach = [word for pid in processes for word in ("-p", str(pid))]
    with subprocess.Popen(["strace", "-f", "-c", "-o", str(summary), *attach],
                          stderr=subprocess.PIPE, text=True) as strace:
        attached = 0
        while attached < len(processes):
            line = strace.stderr.readline()
            if not line:
                raise RuntimeError("strace could not attach")
            attached += "attached" in line
        result = bench.load(peer.port, [*arguments, "--seconds", "2", "--warm-up", "0"])
        time.sleep(0.2)  # the proxy's last goodbyes; few, and counted or not makes no difference
        strace.terminate()
        strace.stderr.read()
    total = re.search(r"^100\.00\s+\S+\s+(?:\S+\s+)?(\d+)(?:\s+\d+)? total$", summary.read_text(),
                      re.MULTILINE)
    if not total:
        raise RuntimeError("strace counted nothing:\n" + summary.read_text())
    return int(total.group(1)), result


def run(bench, peers):
    lines = ["| system calls by | " + " | ".join(WORKS) + " |", "| --- |" + " ---: |" * len(WORKS)]
    raw = {}
    for name, kind in peers.items():
        raw[name] = {}
        cells = []
        for work, (arguments, units) in WORKS.items():
            with kind(bench).running() as peer:
                calls, result = count(bench, peer, arguments)
            if result["ok"]:
                raw[name][work] = calls / units(result)
                cells.append(f"{raw[name][work]:.3g}" if raw[name][work] < 100
                             else f"{raw[name][work]:.0f}")
            else:
                say(f"syscalls: {kind.name}, {work}: {'; '.join(result['failures'])}")
                cells.append("–")
        lines.append(f"| {PEERS[name].name} | " + " | ".join(cells) + " |")
        say("syscalls: " + lines[-1])
    replace_between("syscalls", "\n".join(lines) + "\n")
    return raw
