"""Connections to backends that wait for a user behind the greeting (`ready_connections`)."""

import time

import pytest

from fake_backend import PASSWORD, End, FakeBackend, Pause, Script
from unreachable import Unanswering

READY = "headgate_ready_connections"


def total(proxied, result):
    return proxied.gate.metrics().value(f"{READY}_total", result=result)


def wait_for(proxied, count):
    """Until so many wait for a user."""
    proxied.gate.wait_for_metrics(lambda metrics: metrics.value(READY) == count)


def wait_for_total(proxied, result, count=1):
    proxied.gate.wait_for_metrics(
        lambda metrics: metrics.value(f"{READY}_total", result=result) >= count
    )


def start(proxied, *backends, ready=2, **pool):
    proxied.start(*backends, pool={"ready_connections": ready, **pool}, workers=1)


@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
def test_a_login_takes_one_that_is_ready_and_it_is_replaced(proxied, tls):
    backend = proxied.backend(Script(tls=tls))
    start(proxied, backend, tls=tls, verify=False)
    wait_for(proxied, 2)
    assert len(backend.connections) == 2
    client = proxied.logged_in("alice")
    assert client.command("NOOP")[1] == b"OK done"
    assert total(proxied, "used") == 1
    wait_for(proxied, 2)
    assert len(backend.connections) == 3, "one replaced, none more"
    assert backend.connections[0].user == b"alice", "the one that waited longest"
    assert backend.connections[0].id["x-originating-ip"] == b"127.0.0.1"


def test_a_login_that_finds_none_connects_itself(proxied):
    backend = proxied.backend(Script(greeting=[Pause(3600)]), Script())
    start(proxied, backend, ready=1, connect_timeout="60s")
    backend.wait_for_connections(1)
    proxied.logged_in("alice")
    assert total(proxied, "missed") == 1
    assert proxied.gate.metrics().value("headgate_backend_up", backend=backend.address) == 1


def test_one_that_no_user_came_for_is_made_anew(proxied):
    backend = proxied.backend()
    start(proxied, backend, ready=1, ready_for="1s")
    backend.wait_for_connections(3)
    assert total(proxied, "expired") >= 2
    backend.wait_for(lambda all: sum(not one.ended for one in all.connections) <= 1)
    proxied.logged_in("alice")


@pytest.mark.parametrize("end", [End.CLOSE, End.RESET])
def test_the_backend_may_close_what_waits_for_no_user(proxied, end):
    greeting = b"* OK [CAPABILITY IMAP4rev1 ID] Fake ready\r\n"
    backend = proxied.backend(Script(greeting=[greeting, Pause(0.3), b"* BYE idle\r\n", end]))
    start(proxied, backend, ready=1)
    wait_for_total(proxied, "closed")
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_backend_up", backend=backend.address) == 1
    assert metrics.value("headgate_backend_failures_total", backend=backend.address) == 0


@pytest.mark.parametrize("acts", [[End.CLOSE], [End.RESET], [b"* BYE too long\r\n", End.CLOSE]])
def test_a_login_on_one_that_had_gone_stale_begins_again_at_the_same_backend(proxied, acts):
    # What closes when the login is on its way looks to Headgate as if it had been closed before.
    backend = proxied.backend(Script(id=acts), Script())
    start(proxied, backend, ready=1)
    wait_for(proxied, 1)
    client = proxied.logged_in("alice")
    assert client.command("NOOP")[1] == b"OK done"
    assert total(proxied, "stale") == 1
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_backend_failures_total", backend=backend.address) == 0
    assert metrics.value("headgate_logins_total", result="ok") == 1


def test_a_wrong_password_on_one_is_judged_once(proxied):
    backend = proxied.backend()
    start(proxied, backend, ready=1)
    wait_for(proxied, 1)
    client = proxied.enter()
    assert client.login("alice", "guess").startswith(b"NO [AUTHENTICATIONFAILED]")
    assert client.login("alice", PASSWORD.decode()).startswith(b"OK")
    assert [password for _, password in backend.logins()].count(b"guess") == 1


def test_a_backend_that_goes_is_found_out_and_gets_none_until_it_is_back(proxied):
    backend, other = proxied.backend(), proxied.backend()
    start(
        proxied,
        {"address": backend.address, "weight": 10_000},
        {"address": other.address, "weight": 1},
        ready=1,
        retry_after="300ms",
    )
    wait_for(proxied, 2)
    backend.close()
    wait_for_total(proxied, "failed")
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_backend_up", backend=backend.address) == 0
    proxied.logged_in("user1")
    assert [bytes(user) for user, _ in other.logins()] == [b"user1"], "and no login paid for it"
    back = proxied.keep(FakeBackend(host=backend.host, port=backend.port))
    back.wait_for_connections(1)


def test_a_backend_that_hangs_before_its_greeting_counts_as_failed(proxied):
    silent, other = proxied.keep(Unanswering()), proxied.backend()
    start(
        proxied,
        {"address": silent.address, "weight": 10_000},
        {"address": other.address, "weight": 1},
        ready=1,
        connect_timeout="300ms",
        retry_after="30s",
    )
    wait_for_total(proxied, "failed")
    began = time.monotonic()
    proxied.logged_in("user1")
    assert time.monotonic() - began < 0.3
    assert proxied.gate.log.text().count("no ready connection") == 1


def test_a_backend_without_new_users_gets_none(proxied):
    without, backend = proxied.backend(unreachable=True), proxied.backend()
    start(proxied, {"address": without.address, "weight": 0}, {"address": backend.address})
    wait_for(proxied, 2)
    assert not without.connections


def test_stopping_ends_those_that_wait(proxied):
    backend = proxied.backend()
    start(proxied, backend, ready=3)
    wait_for(proxied, 3)
    proxied.gate.stop()
    backend.wait_for(lambda all: all.connections and all.connections[0].ended)
