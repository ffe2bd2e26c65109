"""Backends whose names have several addresses: one that is dead says nothing about the backend."""

import contextlib
import socket

import pytest

from admin_api import Api, admin_section
from dns_server import A, srv
from fake_backend import FakeBackend
from headgate_process import configuration
from test_health import QUICK
from unreachable import Refusing, Unanswering

NAME = "_imap._tcp.cluster.example"
HOST = "mail1.cluster.example"
READY = "headgate_ready_connections"


@pytest.fixture
def start(proxied, dns, tmp_path):
    """start(port, *addresses, …) → a Headgate with one backend that has these addresses."""

    def run(port, *addresses, **pool):
        point(dns, port, *addresses)
        section = {"name": NAME, "servers": [dns.address], "refresh_least": "1s"}
        config = configuration(proxied.certificate, [], admin=admin_section(tmp_path), workers=1,
                               pool={"srv": section, "connect_timeout": "1s", **pool})
        del config["pools"]["main"]["backends"]
        return proxied.start_config(config)

    return run


def point(dns, port, *addresses, weight=100):
    dns.records[(HOST, A)] = [(0, socket.inet_aton(one)) for one in addresses]
    dns.srv(NAME, srv(HOST, port, weight=weight))


def dead_and_good(proxied, kind):
    """The dead one has the lower address, and so is the first."""
    for _ in range(20):  # until the port is free at both
        dead = proxied.keep(kind("127.0.0.2"))
        port = int(dead.address.rpartition(":")[2])
        with contextlib.suppress(OSError):
            return proxied.keep(FakeBackend(host="127.0.0.3", port=port)), port
    raise AssertionError("no port was free")


@pytest.mark.parametrize("kind", [Refusing, Unanswering])
def test_a_login_that_finds_a_dead_address_goes_on_at_the_next_one(proxied, start, kind):
    backend, port = dead_and_good(proxied, kind)
    gate = start(port, "127.0.0.2", "127.0.0.3")
    for number in range(4):
        proxied.logged_in(f"user{number}")
    assert len(backend.connections) == 4
    metrics = gate.metrics()
    assert metrics.value("headgate_backend_up") == 1
    assert metrics.value("headgate_backend_failures_total") == 0
    # The first has found out; the others begin with the address that works.
    assert len(gate.log.find("backend attempt failed")) == 1


def test_a_backend_has_failed_when_all_its_addresses_have(proxied, start):
    backend, port = dead_and_good(proxied, Refusing)
    gate = start(port, "127.0.0.2", "127.0.0.3", retry_after="30s", login_timeout="10s")
    backend.close()
    client = proxied.enter()
    assert client.login("alice", "wonderland").startswith(b"NO [UNAVAILABLE]")
    metrics = gate.metrics()
    assert metrics.value("headgate_backend_up") == 0
    attempts = len(gate.log.find("backend attempt failed"))
    assert metrics.value("headgate_backend_failures_total") * 2 == attempts > 0


@pytest.mark.parametrize("kind", [Refusing, Unanswering])
def test_a_check_comes_to_the_address_that_works(proxied, start, kind):
    backend, port = dead_and_good(proxied, kind)
    gate = start(port, "127.0.0.2", "127.0.0.3", health={**QUICK, "timeout": "2s"})
    gate.wait_for_metrics(
        lambda m: m.value("headgate_backend_checks_total", result="passed") >= 2)
    assert gate.metrics().value("headgate_backend_checks_total", result="failed") == 0
    assert gate.log.find("backend state") == []
    proxied.logged_in("alice")
    # The checks have found the address that works, and logins begin with it.
    assert gate.log.find("backend attempt failed") == []


def test_ready_connections_are_made_to_the_address_that_works(proxied, start):
    backend, port = dead_and_good(proxied, Refusing)
    gate = start(port, "127.0.0.2", "127.0.0.3", ready_connections=2)
    gate.wait_for_metrics(lambda m: m.value(READY) == 2)
    proxied.logged_in("alice")
    metrics = gate.metrics()
    assert metrics.value(f"{READY}_total", result="used") == 1
    assert metrics.value("headgate_backend_failures_total") == 0
    assert metrics.value("headgate_backend_up") == 1
    assert len(gate.log.find("no ready connection")) == 1


def test_ready_connections_to_an_address_that_is_gone_are_not_counted_on(proxied, dns, start):
    first = proxied.backend(host="127.0.0.2")
    port = first.port
    second = proxied.keep(FakeBackend(host="127.0.0.3", port=port))
    gate = start(port, "127.0.0.2", ready_connections=3)
    gate.wait_for_metrics(lambda m: m.value(READY) == 3)
    point(dns, port, "127.0.0.3", weight=7)
    second.wait_for_connections(3)
    gate.wait_for_metrics(lambda m: m.value(READY) == 3)
    first.wait_for(lambda one: all(connection.ended for connection in one.connections))
    proxied.logged_in("alice")
    assert second.connections[0].user == b"alice"
    assert Api(gate).get("backends")["backends"][0]["addresses"] == [f"127.0.0.3:{port}"]


def test_addresses_dealt_out_anew_are_none_that_have_changed(proxied, dns, start):
    backend = proxied.backend(host="127.0.0.2")
    gate = start(backend.port, "127.0.0.4", "127.0.0.2", "127.0.0.3")
    addresses = [f"127.0.0.{last}:{backend.port}" for last in (2, 3, 4)]
    assert Api(gate).get("backends")["backends"][0]["addresses"] == addresses
    point(dns, backend.port, "127.0.0.3", "127.0.0.4", "127.0.0.2", weight=7)
    gate.wait_for_metrics(lambda m: m.value("headgate_backend_weight") == 7)
    assert Api(gate).get("backends")["backends"][0]["addresses"] == addresses
