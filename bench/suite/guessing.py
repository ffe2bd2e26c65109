"""Whether somebody who guesses passwords is felt by those who know theirs."""

import contextlib
import json
import re
import statistics
import subprocess
import sys

from peers.process import output_of
from peers.proxies import Headgate

from .churn import resident_kb
from .machine import ROOT
from .priority import load_command, measured_first, served_first
from .rotation import say
from .tables import date_and_machine, replace_between

DOCUMENT = ROOT / "docs" / "guessing.md"
RATE, ROUNDS = 200, 3
USERS = 100
FIGURES = ("login_p50_us", "login_p99_us")


class CheckingHeadgate(Headgate):
    """Judges passwords itself, by hashes that are as dear as they should be, and exempts nobody."""

    name = "Headgate, passwd_file"

    def users(self):
        stored = output_of(["openssl", "passwd", "-6", "benchmark"]).strip()
        names = (f"user{number:05}@example.org" for number in range(1, USERS + 1))
        table = self.write("users", "".join(f"{name}:{{CRYPT}}{stored}\n" for name in names))
        return f"  - {{source: passwd_file, path: {table}, pool: main}}\nguessing: {{exempt: []}}\n"


@contextlib.contextmanager
def storm(bench, port, seconds):
    """While it rages; a list that has what became of it afterwards."""
    found = []
    command = ["taskset", "-c", str(bench.other_core), sys.executable, "-m", "suite.guesser",
               str(port), str(RATE), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield found
        found.append(json.loads(process.communicate()[0]))


def logins(bench, port, seconds):
    result = measured_first(bench, port, "implicit", "login", "--sessions", "1", "--warm-up", "1",
                            "--seconds", str(seconds))
    if result["failures"]:
        raise RuntimeError("; ".join(result["failures"]))
    return [result[name] for name in FIGURES]


def one(bench, seconds):
    with CheckingHeadgate(bench).running() as peer:
        quiet = logins(bench, peer.port, seconds)
        with storm(bench, peer.port, seconds + 3) as raged:
            beside = logins(bench, peer.port, seconds)
        refused = metric_of(peer, "headgate_guesses_refused_total")
    return {"quiet": quiet, "beside": beside, "storm": raged[0], "refused_unseen": refused}


def metric_of(peer, name):
    text = output_of(["curl", "--silent", f"http://127.0.0.1:{peer.admin_port}/metrics"])
    return sum(float(value) for value in re.findall(rf"^{name}\S* (\S+)$", text, re.MULTILINE))


def table(raw):
    lines = ["| | login p50, ms | p99, ms |", "| --- | ---: | ---: |"]
    middles = {}
    for when, title in (("quiet", "before"), ("beside", f"beside {RATE} guesses a second")):
        middles[when] = [statistics.median(found[when][at] for found in raw) for at in range(2)]
        lines.append(f"| {title} | " + " | ".join(f"{value / 1000:.2f}" for value in middles[when]) + " |")
    ratios = [beside / quiet for quiet, beside in zip(middles["quiet"], middles["beside"])]
    lines.append("| ratio | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |")
    made = sum(sum(found["storm"]["answers"].values()) + found["storm"]["waiting"] for found in raw)
    refused = sum(found["refused_unseen"] for found in raw)
    lines += ["", f"Medians of {len(raw)} rounds. Of {made:,} guesses {refused:,.0f} were refused unseen."]
    return "\n".join(lines) + "\n"


class OpenHeadgate(CheckingHeadgate):
    """Whom a million strangers ask within minutes: no TLS, no delay, passwords that are judged at once."""

    name = "Headgate, in the clear"
    tls = "none"

    def users(self):
        table = self.write("users", "user@example.org:{PLAIN}benchmark\n")
        return (f"  - {{source: passwd_file, path: {table}, pool: main}}\nguessing: {{exempt: []}}\n"
                "login: {failure_delay: 0s, max_failures: 1}\n")


def crowd(bench, parts, size):
    """[strangers until then, KB PSS, entries of the tables] after each part of the crowd."""
    found = []
    with OpenHeadgate(bench).running() as peer:
        for part in range(parts + 1):
            if part > 0:
                command = ["taskset", "-c", str(bench.other_core), sys.executable, "-m", "suite.crowd",
                           str(peer.port), str((part - 1) * size), str(size)]
                became = json.loads(output_of(command))
                if became != {"refused": size}:
                    raise RuntimeError(f"of {size} strangers: {became}")
            found.append([part * size, resident_kb(peer.process.pid), metric_of(peer, "headgate_guess_entries")])
            say(f"guessing: strangers, KB, entries {found[-1]}")
    return found


def crowd_table(found):
    lines = ["| users and addresses tried | KB PSS | entries of the six tables |", "| ---: | ---: | ---: |"]
    return "\n".join(lines + [f"| {came:,} | {kb:,} | {entries:,.0f} |" for came, kb, entries in found]) + "\n"


def run(bench, quick):
    strangers = crowd(bench, 2, 5_000) if quick else crowd(bench, 10, 100_000)
    replace_between("crowd", date_and_machine() + "\n\n" + crowd_table(strangers), DOCUMENT)
    return {"strangers": strangers, "storm": run_storm(bench, quick)}


def run_storm(bench, quick):
    seconds, rounds = (2, 1) if quick else (10, ROUNDS)
    raw = []
    with served_first(bench):
        for _ in range(rounds):
            raw.append(one(bench, seconds))
            say(f"guessing: {raw[-1]}")
    replace_between("storm", date_and_machine() + "\n\n" + table(raw), DOCUMENT)
    return raw
