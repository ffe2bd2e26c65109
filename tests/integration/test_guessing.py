"""Guessing protection: who fails too often waits and is refused, and nobody else is."""

import time

import pytest

from fake_backend import PASSWORD, Pause, Script

RIGHT = PASSWORD.decode()
PATIENT = {"max_failures": 1000, "failure_delay": "1ms"}


def guessing(**more):
    """Small numbers, and nothing that is not asked for comes into play."""
    return {
        "exempt": [],
        "max_delay": "40ms",
        "address": {"free": 1000, "limit": 0},
        "user": {"free": 1000, "limit": 0},
        "pair": {"free": 1000, "limit": 0},
        **more,
    }


def fail(client, user="alice", times=1, word="guess"):
    for i in range(times):
        reply = client.login(user, f"{word}-{i}")
        assert reply.startswith(b"NO [AUTHENTICATIONFAILED]"), (i, reply)


def start(proxied, *backends, **settings):
    proxied.start(*backends, login=PATIENT, guessing=guessing(**settings))


def test_who_guesses_one_users_password_is_refused_and_nobody_else(proxied):
    backend = proxied.backend()
    start(proxied, backend, pair={"free": 1, "limit": 4})
    client = proxied.enter()
    fail(client, times=4)
    asked = len(backend.connections)
    refusal = client.login("alice", RIGHT)
    assert refusal == b"NO [LIMIT] Too many failed logins, please try again later."
    assert len(backend.connections) == asked, "a refused login was looked at"
    assert client.login("bob", RIGHT).startswith(b"OK")
    entry = proxied.gate.log.wait_for("login failed", failure="guessing")[0]
    assert entry["detail"] == "too many failed logins, by pair"
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_guesses_refused_total", by="pair") == 1
    assert metrics.value("headgate_logins_total", result="guessing") == 1
    assert metrics.value("headgate_guess_failures_total", repeated="no") == 4
    assert metrics.value("headgate_guess_delay_seconds_count") == 3
    assert metrics.value("headgate_guess_entries", table="pair") == 1


def test_a_login_behind_failures_waits_before_it_is_looked_at(proxied):
    backend = proxied.backend()
    start(proxied, backend, pair={"free": 1, "limit": 2}, max_delay="1s")
    client = proxied.enter()
    fail(client)
    asked = len(backend.connections)
    before = time.monotonic()
    client.send(f'w LOGIN "alice" "{RIGHT}"\r\n'.encode())
    assert client.silent_for(0.3)
    assert len(backend.connections) == asked
    client.expect(rb"w OK .*")
    assert time.monotonic() - before > 0.5


def test_a_client_that_leaves_while_it_waits_is_let_go(proxied):
    start(proxied, pair={"free": 1, "limit": 2}, max_delay="60s", parallel=1)
    client = proxied.enter()
    fail(client)
    client.send(f'w LOGIN "alice" "{RIGHT}"\r\n'.encode())
    proxied.gate.wait_for_metrics(
        lambda metrics: metrics.value("headgate_sessions", phase="look_up") == 1
    )
    client.reset()
    proxied.gate.session_ends(1)
    assert proxied.enter().login("bob", RIGHT).startswith(b"OK")


def test_a_phone_with_an_old_password_locks_nobody_out(proxied):
    start(proxied, pair={"free": 1, "limit": 3})
    client = proxied.enter()
    for _ in range(20):
        assert client.login("alice", "the-old-one").startswith(b"NO [AUTHENTICATIONFAILED]")
    assert client.login("alice", RIGHT).startswith(b"OK")
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_guess_failures_total", repeated="yes") == 19
    assert metrics.value("headgate_guess_failures_total", repeated="no") == 1


def test_users_known_at_an_address_do_not_pay_for_a_stranger_there(proxied):
    start(proxied, address={"free": 2, "limit": 5})
    assert proxied.enter().login("alice", RIGHT).startswith(b"OK")
    stranger = proxied.enter()
    for i in range(5):
        fail(stranger, f"user{i}")
    for name in ("user9", "nobody-at-all"):
        assert stranger.login(name, RIGHT).startswith(b"NO [LIMIT] Too many failed logins")
    assert proxied.enter().login("alice", RIGHT).startswith(b"OK")
    assert proxied.gate.metrics().value("headgate_guesses_refused_total", by="address") == 2


def test_guesses_from_many_addresses_at_one_user_are_seen_together(proxied):
    start(proxied, user={"free": 2, "limit": 5})
    assert proxied.enter().login("alice", RIGHT).startswith(b"OK")
    for i in range(5):
        fail(proxied.enter(source=f"127.0.0.{10 + i}"), word=f"from-{i}")
    elsewhere = proxied.enter(source="127.0.0.20")
    assert elsewhere.login("alice", RIGHT).startswith(b"NO [UNAVAILABLE]")
    assert elsewhere.login("bob", RIGHT).startswith(b"OK")
    assert proxied.enter().login("alice", RIGHT).startswith(b"OK"), "where the user is known"


def test_only_so_many_logins_of_an_address_are_under_way_at_a_time(proxied):
    slow = Script(login=[Pause(1.0), b"{tag} NO [AUTHENTICATIONFAILED] no\r\n"])
    backend = proxied.backend(slow)
    start(proxied, backend, parallel=2)
    waiting = [proxied.enter() for _ in range(2)]
    for i, client in enumerate(waiting):
        client.send(f'w LOGIN "user{i}" "{RIGHT}"\r\n'.encode())
    backend.wait_for(lambda fake: sum(c.user is not None for c in fake.connections) == 2)
    third = proxied.enter()
    assert third.login("alice", RIGHT).startswith(b"NO [LIMIT]")
    other = proxied.enter(source="127.0.0.9")
    assert other.login("alice", RIGHT).startswith(b"NO [AUTHENTICATIONFAILED]")
    for client in waiting:
        client.expect(rb"w NO \[AUTHENTICATIONFAILED\] .*")
    assert third.login("alice", RIGHT).startswith(b"NO [AUTHENTICATIONFAILED]")


@pytest.mark.parametrize("users", ["backend", "passwd_file"])
def test_a_refusal_says_nothing_about_whether_there_is_such_a_user(proxied, tmp_path, users):
    sources = [{"source": "backend", "pool": "main"}]
    if users == "passwd_file":
        (tmp_path / "users").write_text("alice:{PLAIN}sesame\n")
        sources = [{"source": "passwd_file", "path": str(tmp_path / "users"), "pool": "main"}]
    settings = guessing(pair={"free": 1, "limit": 3})
    proxied.start(login=PATIENT, guessing=settings, users=sources)
    replies = []
    for name in ("alice", "there-is-no-such-user"):
        client = proxied.enter()
        replies.append([client.login(name, f"guess-{i}") for i in range(5)])
    assert replies[0] == replies[1]
    assert replies[0][4].startswith(b"NO [LIMIT]")


def test_by_default_nothing_counts_on_this_machine_and_all_of_it_elsewhere(proxied):
    proxied.start(login=PATIENT)
    client = proxied.enter()
    fail(client, times=25)
    assert client.login("alice", RIGHT).startswith(b"OK")
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_guess_entries", table="pair") == 0
