"""Instruction counts of the hot paths under callgrind, against those recorded: a count does not depend on the
machine's mood, so a regression of a few per cent is found on any shared runner."""

import json
import os
import re
import subprocess
import tempfile

from .machine import ROOT, output_of

RECORD = ROOT / "bench" / "micro" / "instructions.json"
TOLERANCE = 0.05

# libc and OpenSSL choose code by processor; these leave every x86-64 the same choice.
SAME_PROCESSOR = {
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX,-ERMS,-FSRM",
    "OPENSSL_ia32cap": "~0x1000000000000000:~0x200d01e9",
}


def compiler_of(build):
    cache = (build / "CMakeCache.txt").read_text()
    path = re.search(r"CMAKE_CXX_COMPILER:\w+=(.*)", cache).group(1)
    # Without the name it was called by: c++ and g++ are the same.
    return output_of([path, "--version"]).splitlines()[0].split(" ", 1)[1]


def count(program, path):
    """(instructions, work units) of one hot path."""
    with tempfile.NamedTemporaryFile() as out:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}",
             f"--toggle-collect=hot_path_{path}", str(program), path],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
            env={**os.environ, **SAME_PROCESSOR})
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found or int(found.group(1)) == 0:
        raise RuntimeError(f"{path}: callgrind counted nothing:\n{done.stderr[-2000:]}")
    return int(found.group(1)), int(done.stdout.strip())


def measure(program):
    names = subprocess.run([str(program), "--list"], stdout=subprocess.PIPE, text=True,
                           check=True).stdout.split()
    result = {}
    for name in names:
        instructions, units = count(program, name)
        result[name] = round(instructions / units, 1)
    return result


def run(build, record):
    """Exit code: 0 when nothing grew by more than the tolerance."""
    now = measure(build / "bench" / "headgate-hot-paths")
    compiler = compiler_of(build)
    known = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    if record:
        known[compiler] = now
        RECORD.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")
    before = known.get(compiler)
    if before is None:
        print(f"micro-check: nothing is recorded for '{compiler}'; "
              "`scripts/bench micro-check --record` does")
        return 1
    worse = 0
    for name in sorted(now.keys() | before.keys()):
        if name not in now or name not in before:
            print(f"FAILED {name}: is {'not recorded' if name in now else 'recorded but gone'}")
            worse += 1
            continue
        change = now[name] / before[name] - 1
        failed = change > TOLERANCE
        worse += failed
        print(f"{'FAILED' if failed else 'ok    '} {name}: {now[name]} instructions, "
              f"recorded {before[name]}, {change * 100:+.1f} %")
    return 1 if worse else 0
