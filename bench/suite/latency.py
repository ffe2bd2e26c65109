"""From SYN to logged in, in round trips: with wires of a known length on either side the time is a sum of
round trips and of what does not depend on the wire; two lengths tell them apart."""

import asyncio
import statistics

from peers.catalogue import PEERS
from peers.proxies import ReadyHeadgate

from .delay_relay import DelayRelay
from .priority import measured_first, proxied_first, served_first
from .rotation import say
from .tables import replace_between

# Seconds one way. The shorter is above every delayed ACK (40 ms), so that none hides in a round trip.
SHORT, LONG = 0.05, 0.10
LOGINS = 3
NOOP_SESSIONS = (1, 1000)
NOOP_ROUNDS, NOOP_RUNS = 5, 3


async def login_time(bench, port):
    """Median seconds from connect to the tagged OK."""
    result = await asyncio.to_thread(
        bench.load, port, ["login", "--sessions", "1", "--count", str(LOGINS)])
    if not result["ok"]:
        raise RuntimeError("; ".join(result["failures"]))
    return result["login_p50_us"] / 1e6


async def behind_a_wire(bench, kind, one_way):
    """Seconds of a login with the wire before the proxy, and with it before the backend."""
    real_port = bench.backend_port
    async with DelayRelay(real_port, one_way) as far_backend:
        with kind(bench).running() as peer:
            async with DelayRelay(peer.port, one_way) as far_proxy:
                client = await login_time(bench, far_proxy.port)
        bench.backend_port = far_backend.port
        try:
            with kind(bench).running() as peer:
                return client, await login_time(bench, peer.port)
        finally:
            bench.backend_port = real_port


async def round_trips(bench, kind):
    """(client round trips, backend round trips) of one login; a connect counts as one."""
    short = await behind_a_wire(bench, kind, SHORT)
    long = await behind_a_wire(bench, kind, LONG)
    return [(far - near) / (2 * (LONG - SHORT)) for near, far in zip(short, long)]


def run(bench, peers):
    """Round trips of a full-handshake login, and what a NOOP takes longer than without a proxy."""
    lines = ["| | client round trips, SYN to logged in | backend round trips |",
             "| --- | ---: | ---: |"]
    raw = {}
    ready = {"ready": ReadyHeadgate} if "headgate" in peers else {}
    for name, kind in {**peers, **ready}.items():
        client, backend = asyncio.run(round_trips(bench, kind))
        raw[name] = {"client_round_trips": client, "backend_round_trips": backend}
        lines.append(f"| {kind.name} | {client:.1f} | {backend:.1f} |")
        say(f"latency: {kind.name}: {client:.2f} client, {backend:.2f} backend round trips")
    text = ("Round trips of a login with a full TLS 1.3 handshake: what it takes longer when a relay makes "
            f"the wire {LONG * 1000:.0f} instead of {SHORT * 1000:.0f} ms long, on one side at a time. "
            "A connect counts as one.\n\n" + "\n".join(lines) + "\n\n")
    noops, noop_raw = noop_latency(bench, peers)
    replace_between("latency", text + noops)
    return {"round_trips": raw, "noop": noop_raw}


def noop_latency(bench, peers):
    """NOOP at a fixed rate the proxies bear easily, through them and directly. A p99 is what the machine's worst
    moments make it, which come in bursts: of many short runs most have none."""
    raw = {name: {sessions: [] for sessions in NOOP_SESSIONS} for name in ("direct", *peers)}
    with served_first(bench):
        for _ in range(NOOP_ROUNDS):
            for sessions in NOOP_SESSIONS:
                raw["direct"][sessions] += noops(bench, bench.backend_port, "none", sessions)
            for name, kind in peers.items():
                with kind(bench).running() as peer:
                    proxied_first(peer)
                    for sessions in NOOP_SESSIONS:
                        raw[name][sessions] += noops(bench, peer.port, "implicit", sessions)
    lines = ["| NOOP, 1,000 a second, µs | 1 session p50 | p99 | 1,000 sessions p50 | p99 |",
             "| --- | ---: | ---: | ---: | ---: |"]
    for name, results in raw.items():
        title = "directly, without TLS" if name == "direct" else PEERS[name].name
        cells = [cell for sessions in NOOP_SESSIONS for cell in noop_cells(results[sessions])]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
        say("latency: " + lines[-1])
    return "\n".join(lines) + (f"\n\nMedians of {NOOP_ROUNDS * NOOP_RUNS} runs of a second, {NOOP_RUNS} in each of"
                               f" {NOOP_ROUNDS} rounds; of p99 the middle half of them, too.\n"), raw


def noop_cells(found):
    p50 = statistics.median(run["noop_p50_us"] for run in found)
    low, middle, high = statistics.quantiles([run["noop_p99_us"] for run in found], n=4)
    return f"{p50:.0f}", f"{middle:.0f} ({low:.0f}–{high:.0f})"


def noops(bench, port, tls, sessions):
    return [measured_first(bench, port, tls, "rate", "--sessions", str(sessions), "--rate", "1000",
                           "--seconds", "1", "--warm-up", "0.2") for _ in range(NOOP_RUNS)]
