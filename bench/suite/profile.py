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
LIBCRYPTO, ARITHMETIC = "libcrypto, ipsec-mb", "of it arithmetic"
LIBRARIES = {
    LIBCRYPTO: re.compile(r"libcrypto\.so|libIPSec_MB\.so"),
    "libssl": re.compile(r"libssl\.so"),
    "libc, jemalloc": re.compile(r"libc\.so|libjemalloc|ld-linux|\[vdso\]"),
    "Headgate": re.compile(r"^headgate$"),
}
COLUMNS = [KERNEL, COPIES, LIBCRYPTO, ARITHMETIC, *list(LIBRARIES)[1:], "other"]
# What moves the bytes of recv and send between kernel and process.
COPYING = re.compile(r"copy_user|copy_to_iter|copy_from_iter|rep_movs|copy_to_user|copy_from_user")
# What a session cannot do without, whoever does it: all of this library, which has nothing else to do, and
CIPHERS = re.compile(r"libIPSec_MB\.so")
# these arguments of `openssl speed`.
ALGORITHMS = (["ecdhx25519"], ["ecdsap256"], ["-evp", "aes-128-gcm"], ["-evp", "sha256"])
LEAST_SHARE = 0.05  # per cent of an algorithm's time that make a piece of code its own


def entries(report):
    """(per cent, library, symbol) of each of `perf report`'s lines "percent;library;symbol"."""
    for line in report.splitlines():
        fields = line.split(";", 2)
        if not line.startswith("#") and len(fields) == 3:
            yield float(fields[0].strip().rstrip("%")), fields[1].strip(), fields[2].strip()


def piece_of(symbol):
    """Of code that no symbol names, as OpenSSL's assembly, its piece of 64 bytes; None: it has a name."""
    address = re.search(r"0x([0-9a-f]+)$", symbol)
    return int(address.group(1), 16) // 64 if address else None


def pieces_of_arithmetic(bench):
    """Where in libcrypto `openssl speed` spends its time."""
    found = set()
    data = bench.directory / "perf-speed.data"
    for arguments in ALGORITHMS:
        subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-F", "4000", "-o", str(data), "--",
                        "openssl", "speed", "-seconds", "1", *arguments],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shares_of_pieces = {}
        for percent, library, symbol in entries(report_of(data)):
            piece = piece_of(symbol)
            if piece is not None and LIBRARIES[LIBCRYPTO].search(library):
                shares_of_pieces[piece] = shares_of_pieces.get(piece, 0) + percent
        data.unlink()
        found |= {piece for piece, share in shares_of_pieces.items() if share >= LEAST_SHARE}
    return found


def shares(report, arithmetic):
    """Per cent by column; `arithmetic`: pieces of libcrypto."""
    found = dict.fromkeys(COLUMNS, 0.0)
    for percent, library, symbol in entries(report):
        if library.startswith("[kernel") or "[k]" in symbol:
            found[KERNEL] += percent
            found[COPIES] += percent if COPYING.search(symbol) else 0
            continue
        column = next((name for name, known in LIBRARIES.items() if known.search(library)), "other")
        found[column] += percent
        if CIPHERS.search(library) or (column == LIBCRYPTO and piece_of(symbol) in arithmetic):
            found[ARITHMETIC] += percent
    return found


def report_of(data):
    return subprocess.run(
        ["perf", "report", "-i", str(data), "--no-children", "--stdio", "-t", ";", "--sort", "dso,sym"],
        check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


def profile(bench, work, arithmetic, quick):
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
    report = report_of(data)
    data.unlink()
    return shares(report, arithmetic)


def run(bench, quick):
    if shutil.which("perf") is None:
        raise SystemExit("bench: perf is not installed (Debian package linux-perf)")
    lines = ["| share of the CPU time, % | " + " | ".join(COLUMNS) + " |",
             "| --- |" + " ---: |" * len(COLUMNS)]
    raw = {}
    arithmetic = pieces_of_arithmetic(bench)
    for name in WORK_NAMES:
        work = BY_NAME[name]
        raw[name] = profile(bench, work, arithmetic, quick)
        title = work.title.split(", µs")[0].split(", s CPU")[0]
        lines.append(f"| {title} | " + " | ".join(f"{raw[name][column]:.0f}" for column in COLUMNS)
                     + " |")
        say("profile: " + lines[-1])
    replace_between("profile", "\n".join(lines) + "\n")
    return raw
