"""Which backend: policies, pins, shares, and one place for all sessions of a user."""

import json
import subprocess
import time

import pytest

from headgate_process import binary
from raw_client import GAVE_WAY, MOVED
from unreachable import Refusing

QUICK = {"connect_timeout": "500ms", "login_timeout": "5s"}


def users_of(*backends):
    return [[connection.user.decode() for connection in one.connections] for one in backends]


def explain(gate, user, *options):
    result = subprocess.run([binary(), "explain", "--json", "--config", gate.config_file, *options, user],
                            capture_output=True, text=True, check=True)
    return json.loads(result.stdout)


@pytest.mark.parametrize("policy", ["user_hash", "least_sessions", "power_of_two", "round_robin",
                                    "random", "first", "source_hash"])
def test_all_sessions_of_a_user_go_to_one_backend(proxied, policy):
    backends = [proxied.backend() for _ in range(3)]
    proxied.start(*backends, pool={**QUICK, "policy": policy})
    for user in ("alice", "bob", "carol", "dave"):
        for name in (user, user.upper(), user):
            proxied.logged_in(name)
    for user in ("alice", "bob", "carol", "dave"):
        homes = [one for one in users_of(*backends) if user in map(str.lower, one)]
        assert len(homes) == 1, policy
        assert list(map(str.lower, homes[0])).count(user) == 3
    assert proxied.gate.metrics().value("headgate_users") == 4
    assert f"policy {policy}" in explain(proxied.gate, "alice")["backend_reason"]


def test_sessions_go_round_in_turns(proxied):
    backends = [proxied.backend() for _ in range(3)]
    proxied.start(*backends, pool={**QUICK, "policy": "round_robin"})
    for number in range(9):
        proxied.logged_in(f"user{number}")
    assert [len(one) for one in users_of(*backends)] == [3, 3, 3]


def test_a_user_without_sessions_is_forgotten(proxied):
    proxied.start(proxied.backend())
    client = proxied.logged_in("alice")
    assert proxied.gate.metrics().value("headgate_users") == 1
    client.close()
    end = time.monotonic() + 5
    while proxied.gate.metrics().value("headgate_users") != 0:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_pins_and_shares_decide_before_the_policy(proxied):
    first, pinned, canary = (proxied.backend() for _ in range(3))
    pins = [{"user": "Alice@example.org", "backend": pinned.address},
            {"domain": "example.net", "backend": pinned.address}]
    proxied.start({"address": first.address}, {"address": pinned.address, "weight": 0},
                  {"address": canary.address, "share": "50%"}, pool={**QUICK, "pins": pins})
    for user in ("alice@EXAMPLE.org", "bob@example.net"):
        proxied.logged_in(user)
        assert explain(proxied.gate, user)["candidates"] == [pinned.address]
    assert explain(proxied.gate, "alice@example.org")["backend_reason"] == (
        "pools.main.pins[0]: user Alice@example.org; there is no other choice")
    for number in range(20):
        proxied.logged_in(f"user{number}@example.org")
    counts = [len(one) for one in users_of(first, pinned, canary)]
    assert counts[1] == 2 and counts[0] + counts[2] == 20
    assert 2 < counts[2] < 18
    inside = users_of(canary)[0][0]
    assert "50.00 % of the pool's users" in explain(proxied.gate, inside)["backend_reason"]


def test_a_backup_serves_only_while_no_other_backend_is_up(proxied):
    dead, backup = proxied.keep(Refusing()), proxied.backend()
    proxied.start({"address": dead.address}, {"address": backup.address, "backup": True}, pool=QUICK)
    proxied.logged_in("alice")
    assert users_of(backup) == [["alice"]]
    assert explain(proxied.gate, "alice")["candidates"] == [dead.address, backup.address]


def test_when_a_backend_hangs_all_sessions_of_a_user_end_up_at_the_same_other_one(proxied):
    """The old sessions are ended: a user is never at two backends at once."""
    first, second, third = (proxied.backend() for _ in range(3))
    proxied.start({"address": first.address, "weight": 10_000},
                  {"address": second.address, "weight": 1},
                  {"address": third.address, "weight": 1}, pool=QUICK)
    old = proxied.logged_in("alice")
    assert users_of(first) == [["alice"]]
    first.stop_listening()
    fresh = [proxied.logged_in("alice") for _ in range(3)]
    homes = [one for one in users_of(second, third) if one]
    assert homes == [["alice"] * 3]
    assert old.rest() == MOVED, "the session at the backend that failed has ended"
    for client in fresh:
        assert client.command("NOOP")[1] == b"OK done"
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_users_away") == 1
    assert metrics.value("headgate_sessions_left_behind") == 0
    assert metrics.value("headgate_session_ends_total", reason="moved") == 1


def refusal(proxied, user, **options):
    client = proxied.enter(**options)
    return client.login(user)


def limit_figures(proxied, **labels):
    metrics = proxied.gate.metrics()
    return [metrics.value(f"headgate_session_limit{name}", **labels) for name in ("", "_most", "_near")]


def test_a_user_above_the_limit_is_told_so_and_wrong_passwords_take_no_place(proxied):
    proxied.start(proxied.backend(), limits={"sessions_per_user": 2})
    first = proxied.logged_in("alice")
    for _ in range(3):
        assert proxied.enter().login("alice", "guess").startswith(b"NO [AUTHENTICATIONFAILED]")
    proxied.logged_in("ALICE")
    assert limit_figures(proxied, scope="user") == [2, 2, 1]
    assert refusal(proxied, "alice") == b"NO [LIMIT] Too many sessions of this user."
    assert proxied.gate.metrics().value("headgate_logins_total", result="user_limit") == 1
    proxied.logged_in("bob")
    first.close()
    end = time.monotonic() + 5
    while not refusal(proxied, "alice").startswith(b"OK"):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_limits_by_network_count_the_real_client_and_spare_exempt_networks(proxied):
    backend = proxied.backend()
    proxied.start(backend, limits={"sessions_per_user_and_network": 1, "sessions_per_network": 2})
    proxied.logged_in("alice")
    assert refusal(proxied, "alice") == (
        b"NO [LIMIT] Too many sessions of this user from this network.")
    proxied.logged_in("bob")
    assert limit_figures(proxied, scope="network") == [2, 2, 1]
    assert refusal(proxied, "carol") == b"NO [LIMIT] Too many sessions from this network."
    proxied.start(backend, limits={"sessions_per_network": 1, "exempt": ["127.0.0.0/8"]})
    for user in ("alice", "bob", "carol"):
        proxied.logged_in(user)


def test_a_full_pool_and_full_backends_refuse_further_sessions(proxied):
    first, second = proxied.backend(), proxied.backend()
    proxied.start({"address": first.address, "max_sessions": 1},
                  {"address": second.address, "max_sessions": 1})
    for user in ("alice", "bob"):
        proxied.logged_in(user)
    assert sorted(len(one) for one in users_of(first, second)) == [1, 1]
    for user in ("alice", "carol"):  # the one has sessions, the other has none
        assert refusal(proxied, user).startswith(b"NO [LIMIT] Too many sessions on this server")
    assert limit_figures(proxied, scope="backend", of=f"main/{first.address}") == [1, 1, 1]
    proxied.start(first, pool={"max_sessions": 1})
    proxied.logged_in("alice")
    assert refusal(proxied, "bob").startswith(b"NO [LIMIT] Too many sessions on this server")


GIVING_WAY = {"sessions_per_user": 2, "over_user_limit": "end_oldest_idle", "idle_for": "1s"}


@pytest.mark.parametrize("workers", [1, 2])
def test_the_oldest_idle_session_of_a_user_gives_way_to_a_new_one(proxied, workers):
    proxied.start(limits=GIVING_WAY, workers=workers)
    idle, busy = proxied.logged_in("alice"), proxied.logged_in("alice")
    stranger = proxied.logged_in("bob")
    newcomer = proxied.enter()
    assert newcomer.login("alice").startswith(b"NO [LIMIT]"), "nobody has been idle for long"
    end = time.monotonic() + 1.2
    while time.monotonic() < end:
        assert busy.command("NOOP")[1].startswith(b"OK")
        time.sleep(0.1)
    assert newcomer.login("alice").startswith(b"OK")
    assert newcomer.command("NOOP")[1].startswith(b"OK")
    assert idle.rest_until_gone() == GAVE_WAY
    assert proxied.end("gave_way")["user"] == "alice"
    for client in (busy, stranger):
        assert client.command("NOOP")[1].startswith(b"OK")
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_session_ends_total", reason="gave_way") == 1
    assert metrics.value("headgate_session_limit_most", scope="user") == 2


def test_who_only_knows_the_name_ends_no_session(proxied):
    proxied.start(limits=GIVING_WAY)
    clients = [proxied.logged_in("alice") for _ in range(2)]
    time.sleep(1.2)  # both are idle by then
    assert proxied.enter().login("alice", "guess").startswith(b"NO [AUTHENTICATIONFAILED]")
    for client in clients:
        assert client.command("NOOP")[1].startswith(b"OK")


def test_a_client_that_leaves_while_room_is_made_for_it_does_no_harm(proxied):
    proxied.start(limits=GIVING_WAY, workers=2)
    clients = [proxied.logged_in("alice") for _ in range(2)]
    time.sleep(1.2)
    for _ in range(10):
        hasty = proxied.enter("plain")
        hasty.send(b"a LOGIN alice wonderland\r\n")
        hasty.reset()
    assert proxied.logged_in("bob").command("NOOP")[1].startswith(b"OK")
    del clients
