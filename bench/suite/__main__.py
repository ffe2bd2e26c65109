"""The command line of scripts/bench."""

import argparse
import json
import pathlib
import sys

from peers.catalogue import PEERS

from . import (churn, growth, guessing, latency, micro_check, mixed, profile, reliability, simulation, syscalls,
               tables, trial)
from .machine import ROOT, Bench, describe_machine
from .rotation import run_rounds, say
from .works import BY_NAME, WORKS


def chosen(text, known, what):
    names = text.split(",")
    for name in names:
        if name not in known:
            raise SystemExit(f"bench: no {what} '{name}'; there are {', '.join(known)}")
    return names


def parse():
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measures Headgate and its peers; writes the tables of "
        "docs/performance.md and raw JSON into build/bench/.")
    parser.add_argument("what", nargs="?", default="table",
                        choices=["table", "latency", "mixed", "growth", "syscalls", "profile",
                                 "simulation", "all", "churn", "reliability", "guessing", "trial",
                                 "micro-check"])
    parser.add_argument("--minutes", type=float, default=60, help="of churn")
    parser.add_argument("--quick", action="store_true", help="short runs: whether, not how much")
    parser.add_argument("--only", metavar="WORK,…", help=f"{', '.join(BY_NAME)}; of reliability: "
                        f"{', '.join(reliability.NAMES)}")
    parser.add_argument("--peers", metavar="A,B,…", help=", ".join(PEERS))
    parser.add_argument("--rounds", type=int, help="default 5, with --quick 1")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "build" / "bench",
                        help="for raw JSON and the peers' private files")
    parser.add_argument("--dry", action="store_true", help="leave docs/performance.md as it is")
    parser.add_argument("--record", action="store_true",
                        help="micro-check: what is counted now is right from now on")
    return parser.parse_args()


def choose_peers(arguments):
    names = chosen(arguments.peers, PEERS, "peer") if arguments.peers else list(PEERS)
    peers = {}
    for name in names:
        missing = PEERS[name].missing()
        if missing:
            say(f"bench: {PEERS[name].name} is left out: {missing}")
        else:
            peers[name] = PEERS[name]
    return peers


def save(directory, name, raw):
    path = directory / f"{name}.json"
    path.write_text(json.dumps({"machine": describe_machine(), "results": raw}, indent=1) + "\n")
    say(f"bench: raw figures in {path}")


def run_table(bench, peers, arguments):
    works = WORKS
    if arguments.only:
        works = [BY_NAME[name] for name in chosen(arguments.only, BY_NAME, "work")]
    rounds = arguments.rounds or (1 if arguments.quick else 5)
    results, versions = run_rounds(bench, peers, works, rounds, arguments.quick)
    save(bench.directory, "table", {"results": results, "versions": versions})
    print(tables.main_table(results))
    print(tables.ratio_table(results))
    tables.write_main(results, versions, rounds)


def main():
    arguments = parse()
    if arguments.what == "micro-check":
        return micro_check.run(arguments.build.resolve(), arguments.record)
    if arguments.dry:
        tables.replace_between = lambda name, text, *_: print(f"{name}:\n{text}")
        for module in (latency, mixed, growth, syscalls, profile, churn, simulation, reliability,
                       guessing, trial):
            module.replace_between = tables.replace_between
    if arguments.what in ("simulation", "all"):
        arguments.output.mkdir(parents=True, exist_ok=True)
        save(arguments.output, "simulation", simulation.run(arguments.build.resolve(), arguments.quick))
        if arguments.what == "simulation":
            return 0
    if arguments.what == "guessing":
        with Bench(arguments.build.resolve(), arguments.output.resolve()) as bench:
            save(bench.directory, "guessing", guessing.run(bench, arguments.quick))
        return 0
    if arguments.what == "trial":
        with Bench(arguments.build.resolve(), arguments.output.resolve()) as bench:
            save(bench.directory, "trial", trial.run(bench, arguments.quick))
        return 0
    if arguments.what == "reliability":  # minutes that `all` does not take
        only = chosen(arguments.only, reliability.NAMES, "failure") if arguments.only else []
        with Bench(arguments.build.resolve(), arguments.output.resolve()) as bench:
            save(bench.directory, "reliability", reliability.run(bench, only, arguments.quick))
        return 0
    peers = choose_peers(arguments)
    with Bench(arguments.build.resolve(), arguments.output.resolve()) as bench:
        if arguments.what in ("table", "all"):
            run_table(bench, peers, arguments)
        if arguments.what == "churn":  # an hour that `all` does not take
            save(bench.directory, "churn", churn.run(bench, arguments.minutes))
        imap_peers = {name: kind for name, kind in peers.items() if kind.speaks_imap}
        if arguments.what in ("latency", "all"):
            save(bench.directory, "latency", latency.run(bench, peers))
        if arguments.what in ("syscalls", "all"):
            save(bench.directory, "syscalls", syscalls.run(bench, peers))
        if arguments.what in ("profile", "all"):
            save(bench.directory, "profile", profile.run(bench, arguments.quick))
        if arguments.what in ("mixed", "all"):
            save(bench.directory, "mixed", mixed.run(bench, peers, arguments.quick))
        if arguments.what in ("growth", "all"):
            # Without --peers only those that speak IMAP: with the references it takes an hour.
            growing = peers if arguments.peers else imap_peers
            save(bench.directory, "growth", growth.run(bench, growing, arguments.quick))
    return 0


if __name__ == "__main__":
    sys.exit(main())
