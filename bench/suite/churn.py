"""An hour of coming and going: what is left in memory when everybody is gone."""

import pathlib
import re
import time

from peers.proxies import Headgate

from .rotation import say
from .tables import replace_between

REPORTS = 6
# Short-lived sessions of every kind, in turn; the shares are of time.
TURN = (["login", "--sessions", "64", "--seconds", "6"],
        ["login", "--sessions", "64", "--resume", "--seconds", "4"],
        ["fetch", "--sessions", "200", "--size-kb", "1024", "--seconds", "3"],
        ["append", "--sessions", "100", "--size-kb", "256", "--seconds", "3"],
        ["noop", "--sessions", "1000", "--seconds", "2"])


def resident_kb(pid):
    """Proportional set size of an idle process."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE).group(1))


def run(bench, minutes):
    """Memory with no session there, after a first turn and then after each sixth of the time."""
    rows, raw, sessions = [], [], 0
    with Headgate(bench).running() as peer:
        begun = time.monotonic()
        for report in range(REPORTS + 1):
            until = begun + report * minutes * 60 / REPORTS
            while True:
                for arguments in TURN:
                    result = bench.load(peer.port, [*arguments, "--warm-up", "0.2"])
                    if not result["ok"]:
                        raise RuntimeError("; ".join(result["failures"]))
                    is_login = arguments[0] == "login"
                    sessions += result["units"] if is_login else int(arguments[2])
                if time.monotonic() >= until:
                    break
            time.sleep(2)  # the last farewells
            elapsed = (time.monotonic() - begun) / 60
            resident = resident_kb(peer.process.pid)
            raw.append({"minutes": elapsed, "sessions": sessions, "pss_kb": resident})
            rows.append(f"| {elapsed:.0f} | {sessions:,} | {resident:,} |")
            say("churn: " + rows[-1])
    head = "| minutes | sessions until then | KB PSS with no session |\n| ---: | ---: | ---: |\n"
    replace_between("churn", head + "\n".join(rows) + "\n")
    return raw
