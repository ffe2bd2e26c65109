"""Where Headgate's processor time goes, by perf in runs of their own: what is ours, and what is the kernel's and
OpenSSL's."""

import os
import re
import shutil
import subprocess

from peers.proxies import Headgate

from .rotation import say
from .tables import replace_between
from .works import BY_NAME

WORK_NAMES = ["login", "resumed", "fetch", "fetch16k", "append", "noop64", "noop1000", "push"]

KERNEL, COPIES = "kernel", "of it copying"
LIBRARIES = {
    "libcrypto": re.compile(r"libcrypto\.so"),
    "libssl": re.compile(r"libssl\.so"),
    "libc, jemalloc": re.compile(r"libc\.so|libjemalloc|ld-linux|\[vdso\]"),
    "Headgate": re.compile(r"^headgate$"),
}
COLUMNS = [KERNEL, COPIES, *LIBRARIES, "other"]
# What moves the bytes of recv and send between kernel and process.
COPYING = re.compile(r"copy_user|copy_to_iter|copy_from_iter|rep_movs|copy_to_user|copy_from_user")


def shares(report):
    """Per cent by column of `perf report`'s lines "percent;library;symbol"."""
    found = dict.fromkeys(COLUMNS, 0.0)
    for line in report.splitlines():
        fields = line.split(";", 2)
        if line.startswith("#") or len(fields) < 3:
            continue
        percent, library, symbol = float(fields[0].strip().rstrip("%")), fields[1].strip(), fields[2]
        if library.startswith("[kernel") or "[k]" in symbol:
            found[KERNEL] += percent
            found[COPIES] += percent if COPYING.search(symbol) else 0
            continue
        column = next((name for name, known in LIBRARIES.items() if known.search(library)), "other")
        found[column] += percent
    return found


def profile(bench, work, quick):
    """Of what counts alone: a thousand logins before it would weigh as much as all of their NOOPs."""
    data = bench.directory / f"perf-{work.name}.data"
    fifo = bench.directory / "perf-control"
    fifo.unlink(missing_ok=True)
    os.mkfifo(fifo)
    with Headgate(bench).running() as peer:
        with subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", "2000", "-D", "-1",
                               "--control", f"fifo:{fifo}", "-p", str(peer.process.pid), "-o", str(data)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as perf:
            result = bench.load(peer.port, work.command(quick, peer) + ["--profiler", str(fifo)])
            perf.terminate()
    fifo.unlink()
    if not result["ok"]:
        raise RuntimeError("; ".join(result["failures"]))
    report = subprocess.run(
        ["perf", "report", "-i", str(data), "--no-children", "--stdio", "-t", ";", "--sort", "dso,sym"],
        check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    data.unlink()
    return shares(report.stdout)


def run(bench, quick):
    if shutil.which("perf") is None:
        raise SystemExit("bench: perf is not installed (Debian package linux-perf)")
    lines = ["| share of the CPU time, % | " + " | ".join(COLUMNS) + " |",
             "| --- |" + " ---: |" * len(COLUMNS)]
    raw = {}
    for name in WORK_NAMES:
        work = BY_NAME[name]
        raw[name] = profile(bench, work, quick)
        title = work.title.split(", µs")[0].split(", s CPU")[0]
        lines.append(f"| {title} | " + " | ".join(f"{raw[name][column]:.0f}" for column in COLUMNS)
                     + " |")
        say("profile: " + lines[-1])
    replace_between("profile", "\n".join(lines) + "\n")
    return raw
