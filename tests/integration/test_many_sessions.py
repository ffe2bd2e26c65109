"""Thousands of sessions at once: all log in, all survive a time of IDLE with pushes.

HEADGATE_MANY_SESSIONS (5,000) and HEADGATE_MANY_SECONDS (60) make it shorter or longer.
"""

import concurrent.futures
import os
import random
import re
import resource
import select
import time

from fake_backend import Script
from raw_client import RawClient
import pytest

pytestmark = pytest.mark.minutes

RUN_LAST = True  # see conftest.py

SESSIONS = int(os.environ.get("HEADGATE_MANY_SESSIONS", "5000"))
SECONDS = float(os.environ.get("HEADGATE_MANY_SECONDS", "60"))


def resident(gate):
    with open(f"/proc/{gate.process.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) * 1024


def log_in(address, backend, user):
    client = RawClient(address, tls=True, timeout=60.0)
    client.greeting()
    assert client.login(user, "wonderland").startswith(b"OK")
    connection = backend.take(user, 60.0)
    client.send(b"i IDLE\r\n")
    assert connection.stream.receive() == b"i IDLE\r\n"
    connection.stream.send(b"+ idling\r\n")
    client.expect(rb"\+ idling")
    return client, connection


def push(pairs, number):
    """A line from each backend connection; how long the clients waited for theirs, sorted."""
    line = b"* %d EXISTS\r\n" % number
    waiting, poll = {}, select.epoll()
    try:
        for client, connection in pairs:
            poll.register(client.stream.socket, select.EPOLLIN)
            waiting[client.stream.fileno()] = client, time.monotonic()
            connection.stream.send(line)
        waits, deadline = [], time.monotonic() + 20
        while waiting:
            assert time.monotonic() < deadline, f"{len(waiting)} clients got no push"
            for descriptor, _ in poll.poll(1.0):
                client, since = waiting[descriptor]
                assert client.line() == line[:-2]
                waits.append(time.monotonic() - since)
                poll.unregister(descriptor)
                del waiting[descriptor]
        return sorted(waits)
    finally:
        poll.close()


def test_thousands_of_tls_sessions_log_in_and_survive_idle_with_pushes(proxied):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    assert (
        hard >= 2 * SESSIONS + 500
    ), f"{hard} file descriptors are too few for {SESSIONS} sessions"
    backend = proxied.backend(Script(then="hand_over"))
    gate = proxied.start(
        backend,
        workers=2,
        relay={"idle_timeout": "30m"},
        log={"level": "info", "format": "json"},
    )
    before = resident(gate)
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        address = gate.address("imaps")
        pairs = list(pool.map(lambda n: log_in(address, backend, f"user{n}"), range(SESSIONS)))
    proxied.clients += [client for client, _ in pairs]
    print(f"{SESSIONS} logins in {time.monotonic() - began:.1f} s")
    each = (resident(gate) - before) / SESSIONS
    print(f"{each / 1024:.1f} KiB resident for each session")
    assert each < 64 * 1024
    metrics = gate.metrics()
    assert metrics.value("headgate_sessions", phase="relay") == SESSIONS
    assert metrics.value("headgate_buffers_in_use") == 0

    dice = random.Random(2177)
    until, rounds, waits = time.monotonic() + SECONDS, 0, []
    while time.monotonic() < until:
        rounds += 1
        waits += push(dice.sample(pairs, max(1, SESSIONS // 10)), rounds)
        time.sleep(max(0.0, min(1.0, until - time.monotonic())))
    waits.sort()
    median, late = (waits[len(waits) * part // 100] * 1e3 for part in (50, 99))
    print(f"{len(waits)} pushes, median {median:.2f} ms, p99 {late:.1f} ms")
    push(pairs, rounds + 1)

    for client, connection in pairs:
        client.send(b"DONE\r\n")
        assert connection.stream.receive() == b"DONE\r\n"
        connection.stream.send(b"i OK done\r\n")
        client.expect(rb"i OK done")
    assert gate.metrics().value("headgate_session_ends_total") == 0, "a session was lost"
    for client, connection in pairs:
        client.close()
        connection.stream.close()
    metrics = gate.wait_for_metrics(lambda m: m.value("headgate_sessions") == 0, timeout=60)
    assert metrics.value("headgate_session_ends_total") == SESSIONS
