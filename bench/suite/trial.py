"""What a login costs that is tried at one pool after the other: source backend with `then`."""

import contextlib
import statistics
import subprocess

from peers.process import free_port, wait_for_port
from peers.proxies import Headgate

from .machine import ROOT, describe_load
from .priority import measured_first, served_first
from .rotation import say
from .tables import date_and_machine, replace_between

DOCUMENT = ROOT / "docs" / "users" / "backend.md"
ROUNDS = 3
FIGURES = ("login_p50_us", "login_p99_us", "proxy_cpu_us_per_unit")


@contextlib.contextmanager
def refusing(bench):
    """The port of a backend that lets nobody in."""
    port = free_port()
    with subprocess.Popen(["taskset", "-c", str(bench.other_core), str(bench.backend_program), "--refuse",
                           "--port", str(port)], stdout=subprocess.DEVNULL) as process:
        try:
            wait_for_port(port, process)
            yield port
        finally:
            process.terminate()


def trying(others, chain):
    """Headgate with further pools that let nobody in, in the order of `chain`; None is the one that does."""

    class TryingHeadgate(Headgate):
        name = "Headgate, " + chain["title"]

        def users(self):
            then = f", backend: {{then: [{', '.join(chain['then'])}], remember: {chain['remember']}}}"
            return f"  - {{source: backend, pool: {chain['first']}{then if chain['then'] else ''}}}\n"


        def command(self):
            command = super().command()
            config = self.directory / "headgate.yaml"
            more = "".join(f'  {name}: {{backends: [{{address: "127.0.0.1:{port}"}}]}}\n' for name, port in others)
            config.write_text(config.read_text().replace("\nusers:\n", f"\n{more}users:\n", 1))
            return command

    return TryingHeadgate


def chains():
    return [
        {"title": "one pool", "first": "main", "then": [], "remember": "24h"},
        {"title": "two pools, the user is in the first", "first": "main", "then": ["first"], "remember": "24h"},
        {"title": "two pools, the user is in the second and remembered", "first": "first", "then": ["main"],
         "remember": "24h"},
        {"title": "two pools, the user is in the second, by trial", "first": "first", "then": ["main"],
         "remember": "0s"},
        {"title": "three pools, the user is in the third, by trial", "first": "first",
         "then": ["second", "main"], "remember": "0s"},
    ]


def one(bench, others, chain, seconds):
    with trying(others, chain)(bench).running() as peer:
        result = measured_first(bench, peer.port, "implicit", "login", "--sessions", "1", "--warm-up", "1",
                                "--seconds", str(seconds), *peer.meter())
    if result["failures"]:
        raise RuntimeError("; ".join(result["failures"]))
    return [result[name] for name in FIGURES]


def table(raw):
    lines = ["| | login p50, ms | p99, ms | Headgate's CPU, ms |", "| --- | ---: | ---: | ---: |"]
    for title, rounds in raw.items():
        middles = [statistics.median(found[at] for found in rounds) / 1000 for at in range(len(FIGURES))]
        lines.append(f"| {title} | " + " | ".join(f"{value:.2f}" for value in middles) + " |")
    return "\n".join(lines) + "\n"


def run(bench, quick):
    seconds, rounds = (2, 1) if quick else (10, ROUNDS)
    machine, load = date_and_machine(), describe_load()
    raw = {chain["title"]: [] for chain in chains()}
    with refusing(bench) as first, refusing(bench) as second, served_first(bench):
        for _ in range(rounds):
            for chain in chains():
                others = [("first", first), ("second", second)]
                raw[chain["title"]].append(one(bench, others, chain, seconds))
                say(f"trial: {chain['title']} {raw[chain['title']][-1]}")
    replace_between("trial", f"{machine}; {load}\n\n{table(raw)}", DOCUMENT)
    return raw
