"""A backend that breaks under its sessions: who waits for an answer has it at once, and the others end one after the
other."""

import datetime
import signal

import pytest

from admin_api import OPERATOR, READER, Api, admin_section
from dovecot import Dovecot
from fake_backend import Script
from raw_client import BACKEND_DOWN, KICKED, SHUTDOWN

DOORS = {"TLS": "imaps", "plain": "plain"}
WAYS = {"closed": ("close", "backend_closed"), "reset": ("reset", "backend_reset")}


def lost(gate, count):
    gate.wait_for_metrics(lambda metrics: metrics.value("headgate_lost_sessions") == count)


@pytest.fixture
def sessions(proxied, tmp_path):
    """sessions(count, rate, …) → (clients, the backend's ends of their connections)"""

    def run(count, rate, door="plain", **more):
        proxied.secrets += [OPERATOR, READER]
        backend = proxied.backend(Script(then="hand_over"))
        proxied.start(backend, pool={"lost_sessions_rate": rate}, admin=admin_section(tmp_path), **more)
        pairs = [proxied.pair(backend, user=f"user{number}", door=door) for number in range(count)]
        return [client for client, _ in pairs], [connection for _, connection in pairs]

    return run


def break_all(connections, how="reset"):
    for connection in connections:
        getattr(connection.stream, how)()


def moments(ends):
    return sorted(datetime.datetime.fromisoformat(end["time"].replace("Z", "+00:00")) for end in ends)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("way", WAYS)
def test_sessions_of_a_backend_that_breaks_end_one_after_the_other(proxied, sessions, way, door):
    how, reason = WAYS[way]
    clients, connections = sessions(20, rate=10, door=DOORS[door])
    break_all(connections, how)
    ends = proxied.gate.session_ends(20, reason=reason)
    first, last = moments(ends)[0], moments(ends)[-1]
    assert (last - first).total_seconds() >= 1.5
    for client in clients:
        assert client.rest() == BACKEND_DOWN
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_lost_sessions") == 0
    assert metrics.value("headgate_farewells_total", result="said") == 20
    assert metrics.value("headgate_backend_sessions") == 0
    assert metrics.value("headgate_sessions") == 0


def test_who_sends_something_is_answered_at_once(proxied, sessions):
    # At this rate the last one would have its turn after half a minute.
    clients, connections = sessions(30, rate=1)
    connections[0].stream.send(b"* 7 EXISTS\r\n")
    assert clients[0].line() == b"* 7 EXISTS"
    break_all(connections)
    lost(proxied.gate, 29)
    assert proxied.gate.metrics().value("headgate_sessions", phase="relay") == 29
    for client in clients[:15]:
        client.send(b"a NOOP\r\n")
    for client in clients[15:]:
        client.send(b"DONE\r\n")
    for client in clients:
        assert client.rest_until_gone() == BACKEND_DOWN
    proxied.gate.session_ends(30, reason="backend_reset", farewell="said")


def test_who_was_in_the_middle_of_a_response_loses_the_connection_at_once(proxied, sessions):
    clients, connections = sessions(30, rate=1)
    for client, connection in zip(clients[1:], connections[1:]):
        client.send(b"a FETCH 1 BODY[]\r\n")
        assert connection.stream.receive() == b"a FETCH 1 BODY[]\r\n"
        connection.stream.send(b"* 1 FETCH (BODY[] {1000}\r\nDear Bob,\r\n")
        client.expect(rb"\* 1 FETCH .*")
        client.expect(rb"Dear Bob,")
    break_all(connections)
    for client in clients[1:]:
        assert client.rest_until_gone() == b""
    proxied.gate.session_ends(30)
    assert len(proxied.gate.session_ends(29, farewell="")) == 29


@pytest.mark.parametrize("said", [b"* BYE idle for too long\r\n", b"* BYE logging out\r\na OK bye\r\n"])
def test_an_end_that_the_backend_announces_is_passed_on(proxied, sessions, said):
    clients, connections = sessions(30, rate=1)
    for client, connection in zip(clients, connections):
        client.send(b"a LOGOUT\r\n" if b"OK" in said else b"i IDLE\r\n")
        connection.stream.receive()
        connection.stream.send(said)
        connection.stream.close()
    for client in clients:
        assert client.rest() == said
        client.close()
    proxied.gate.session_ends(30, reason="backend_closed", farewell="")


def test_with_rate_0_the_end_is_passed_on_as_it_comes(proxied, sessions):
    clients, connections = sessions(3, rate=0)
    break_all(connections)
    for client in clients:
        assert client.rest_until_gone() == b""
    proxied.gate.session_ends(3, reason="backend_reset", farewell="")


def test_clients_that_leave_meanwhile_are_noticed(proxied, sessions):
    clients, connections = sessions(30, rate=1)
    break_all(connections)
    lost(proxied.gate, 29)
    for client in clients:
        client.close()
    assert len(proxied.gate.session_ends(29, reason="client_closed")) >= 29
    lost(proxied.gate, 0)


def test_operators_end_them_and_the_end_of_the_process_does(proxied, sessions):
    clients, connections = sessions(30, rate=1)
    break_all(connections)
    lost(proxied.gate, 29)
    waiting = {one["client"].rpartition(":")[2] for one in Api(proxied.gate).get("sessions")["sessions"]}
    one, *others = [client for client in clients if str(client.stream.local[1]) in waiting]
    name = next(session["user"] for session in Api(proxied.gate).get("sessions")["sessions"]
                if session["client"].endswith(f":{one.stream.local[1]}"))
    assert Api(proxied.gate).post("kick", {"user": name}) == {"kicked": 1}
    assert one.rest() == KICKED
    proxied.gate.process.send_signal(signal.SIGTERM)
    assert {client.rest() for client in others} <= {SHUTDOWN, BACKEND_DOWN}
    assert len(proxied.gate.session_ends(20, reason="shutdown", farewell="said")) >= 20


@pytest.mark.servers
def test_a_real_server_that_is_killed(proxied, tmp_path):
    users = {f"user{number}": "wonderland" for number in range(20)}
    with Dovecot(users) as dovecot:
        proxied.start({"address": f"127.0.0.1:{dovecot.port}"}, pool={"lost_sessions_rate": 10})
        clients = [proxied.logged_in(user) for user in users]
        for client in clients[:10]:
            client.command("SELECT INBOX")
            client.send(b"i IDLE\r\n")
            client.expect(rb"\+ .*")
        dovecot.kill()
        ends = proxied.gate.session_ends(20)
        assert {end["reason"] for end in ends} <= {"backend_closed", "backend_reset"}
        assert (moments(ends)[-1] - moments(ends)[0]).total_seconds() >= 1.5
        for client in clients:
            assert client.rest() == BACKEND_DOWN
