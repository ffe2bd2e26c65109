"""From SYN to logged in, in round trips: with wires of a known length on either side the time is a sum of
round trips, and the multiples can be read off it."""

import asyncio

from peers.catalogue import PEERS

from .delay_relay import DelayRelay
from .rotation import say
from .tables import replace_between

ONE_WAY = 0.025  # s; far above what the programs and the relay themselves take
LOGINS = 5


async def login_time(bench, port, arguments=()):
    """Median seconds from connect to the tagged OK."""
    result = await asyncio.to_thread(
        bench.load, port, ["login", "--sessions", "1", "--count", str(LOGINS), *arguments])
    if not result["ok"]:
        raise RuntimeError("; ".join(result["failures"]))
    return result["login_p50_us"] / 1e6


async def round_trips(bench, kind):
    """(client round trips, backend round trips) of one login; the client's own SYN counts."""
    real_port = bench.backend_port
    async with DelayRelay(real_port, ONE_WAY) as far_backend:
        peer = kind(bench)
        peer.start()
        try:
            near = await login_time(bench, peer.port)
            async with DelayRelay(peer.port, ONE_WAY) as far_proxy:
                client = await login_time(bench, far_proxy.port) - near
        finally:
            peer.stop()
        bench.backend_port = far_backend.port
        try:
            peer = kind(bench)
            peer.start()
            try:
                backend = await login_time(bench, peer.port) - near
            finally:
                peer.stop()
        finally:
            bench.backend_port = real_port
    return client / (2 * ONE_WAY), backend / (2 * ONE_WAY)


def run(bench, peers):
    """Round trips of a full-handshake login, and what a NOOP takes longer than without a proxy."""
    lines = ["| | client round trips, SYN to logged in | backend round trips |",
             "| --- | ---: | ---: |"]
    raw = {}
    for name, kind in peers.items():
        client, backend = asyncio.run(round_trips(bench, kind))
        raw[name] = {"client_round_trips": client, "backend_round_trips": backend}
        lines.append(f"| {PEERS[name].name} | {client:.1f} | {backend:.1f} |")
        say(f"latency: {PEERS[name].name}: {client:.2f} client, {backend:.2f} backend round trips")
    text = (f"Round trips of a login with a full TLS 1.3 handshake, with {ONE_WAY * 1000:.0f} ms each way put in by a "
            "relay; a connect counts as one. Delays that are no round trips (delayed ACKs, timers) "
            "show as parts of one.\n\n" + "\n".join(lines) + "\n\n")
    noops, noop_raw = noop_latency(bench, peers)
    replace_between("latency", text + noops)
    return {"round_trips": raw, "noop": noop_raw}


def noop_latency(bench, peers):
    """NOOP at a fixed rate the proxies bear easily, through them and directly."""
    arguments = {sessions: ["rate", "--sessions", str(sessions), "--rate", "1000",
                            "--seconds", "3", "--warm-up", "0.5"] for sessions in (1, 1000)}
    raw = {"direct": {s: bench.load(bench.backend_port, a, tls="none")
                      for s, a in arguments.items()}}
    for name, kind in peers.items():
        peer = kind(bench)
        peer.start()
        try:
            raw[name] = {s: bench.load(peer.port, a) for s, a in arguments.items()}
        finally:
            peer.stop()
    lines = ["| NOOP, 1,000 a second, µs | 1 session p50 | p99 | 1,000 sessions p50 | p99 |",
             "| --- | ---: | ---: | ---: | ---: |"]
    for name, results in raw.items():
        title = "directly, without TLS" if name == "direct" else PEERS[name].name
        cells = [f"{results[sessions][f'noop_{share}_us']:.0f}"
                 for sessions in (1, 1000) for share in ("p50", "p99")]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
        say("latency: " + lines[-1])
    return "\n".join(lines) + "\n", raw
