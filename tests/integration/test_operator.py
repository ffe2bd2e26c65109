"""What operators do to a running Headgate: look, take backends out and in, end sessions."""

import contextlib
import http.client
import itertools
import json
import socket
import sqlite3
import subprocess
import threading
import time

import pytest

from admin_api import OPERATOR, READER, Api, admin_section
from fake_backend import PASSWORD
from headgate_process import Headgate, binary, configuration
from proxied import Proxied
from raw_client import KICKED, MOVED
from threads import stopped

QUICK = {"connect_timeout": "500ms", "login_timeout": "5s"}


@pytest.fixture
def start(proxied: Proxied, tmp_path):
    """start(*backends, **more) → an Api of a Headgate with tokens."""

    def run(*backends, admin=None, **more):
        proxied.secrets += [OPERATOR, READER]
        gate = proxied.start(*backends, admin=admin_section(tmp_path, **(admin or {})),
                             pool={**QUICK, **more.pop("pool", {})}, **more)
        return Api(gate)

    return run


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def users_at(backend):
    return [connection.user.decode() for connection in backend.connections
            if connection.user and not connection.done.is_set()]


def wait_until(condition, why, seconds=15):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, why
        time.sleep(0.02)


def homes(proxied, api, users, **options):
    """Logs the users in; their clients by backend address."""
    clients = {}
    for user in users:
        client = proxied.logged_in(user, **options)
        at = api.get("who", user=user)["sessions"][-1]["backend"]
        clients.setdefault(at, {})[user] = client
    return clients


def test_every_answer_is_as_the_description_says(proxied, start):
    first, second = proxied.backend(), proxied.backend()
    api = start(first, second)
    proxied.logged_in("alice")
    proxied.enter()
    one = f"backends/main/{first.address}"
    for path in ("status", "pools", "pools?pool=main", "backends", "backends?pool=main", "sessions", "who?user=ALICE",
                 "explain?user=alice", "explain?user=bob&client=192.0.2.1",
                 "sessions?limit=1&phase=relay&client=127.0.0.0/8&listener=imaps&pool=main"):
        assert api.raw("GET", path)[0] == 200
        assert api.raw("GET", path, token="nobody-has-this-token")[0] == 401
    for path in ("pools?pol=main", "backends?pol=main", "sessions?limit=0", "sessions?usr=alice", "who",
                 "explain", "explain?user=a&client=x", "explain?user=a&usr=b", "sessions?user=%00"):
        assert api.raw("GET", path)[0] == 400
    for change, body in (("drain", {}), ("drain", {"move": True, "rate": 5}), ("disable", {"rate": 5}),
                         ("weight", {"weight": 7}), ("weight", {"weight": None}), ("enable", None)):
        assert api.raw("POST", f"{one}/{change}", body)[0] == 200
        assert api.raw("POST", f"{one}/{change}", {"xyzzy": 1})[0] == 400
        assert api.raw("POST", f"{one}/{change}", body, token="")[0] == 401
        assert api.raw("POST", f"{one}/{change}", body, token=READER)[0] == 403
        assert api.raw("POST", f"backends/main/nowhere:1/{change}", body)[0] == 404
        assert api.raw("POST", f"backends/nopool/{first.address}/{change}", body)[0] == 404
    proxied.logged_in("bob")
    assert api.post("kick", {"user": "bob"}) == {"kicked": 1}
    for body in ({}, {"users": "alice"}, b"{", {"session": "1"}, {"client": "x"}):
        assert api.raw("POST", "kick", body)[0] == 400
    assert api.raw("POST", "kick", {"user": "alice"}, token=READER)[0] == 403
    pin = {"user": "carol", "pool": "main", "backend": first.address}
    for path, body in (("pin", pin), ("move", pin), ("unpin", {"user": "carol"})):
        assert api.raw("POST", path, body)[0] == 200
        assert api.raw("POST", path, {})[0] == 400
        assert api.raw("POST", path, body, token="")[0] == 401
        assert api.raw("POST", path, body, token=READER)[0] == 403
    assert api.raw("POST", "pin", {**pin, "backend": "nowhere:1"})[0] == 404
    assert api.get("pins")["pins"] == []
    moves = {"pool": "main", "to": second.address, "users": ["dora", "erik"]}
    number = api.post("moves", moves)["move"]
    words = [f"moves/{number}/{word}" for word in ("stop", "continue", "done", "undo")] + ["move/done", "move/undo"]
    for path in ("moves", *words):
        assert api.raw("POST", path, {"xyzzy": 1})[0] == 400
        assert api.raw("POST", path, moves, token="")[0] == 401
        assert api.raw("POST", path, moves, token=READER)[0] == 403
    assert api.raw("POST", "moves", {**moves, "to": "nowhere:1"})[0] == 404
    assert api.raw("POST", "moves", {**moves, "from": second.address})[0] == 400
    for path in ("moves", "moves?limit=1", f"moves/{number}", f"moves/{number}?state=done&limit=1"):
        assert api.raw("GET", path)[0] == 200
        assert api.raw("GET", path, token="nobody-has-this-token")[0] == 401
    for path in ("moves?limit=0", "moves/x", f"moves/{number}?state=asleep"):
        assert api.raw("GET", path)[0] == 400
    assert api.raw("GET", "moves/99")[0] == 404
    for word in ("stop", "continue"):
        assert api.raw("POST", f"moves/{number}/{word}")[0] == 200
        assert api.raw("POST", f"moves/99/{word}")[0] == 404
    assert api.raw("POST", f"moves/{number}/done")[0] == 409
    assert api.raw("POST", f"moves/{number}/undo")[0] == 200
    assert api.raw("POST", "move/done", {"user": "nobody"})[0] == 404
    assert api.post("move", {**pin, "hold_s": 0})["state"] in ("ending", "held")
    assert api.raw("POST", "move", pin)[0] == 409
    assert api.raw("POST", "move/undo", {"user": "carol"})[0] == 200
    assert api.post("reload", {}) == {"changes": []}
    assert api.raw("POST", "reload", {}, token="")[0] == 401
    assert api.raw("POST", "reload", {}, token=READER)[0] == 403
    proxied.gate.config_file.write_text("pools: 7")
    assert api.raw("POST", "reload", {})[0] == 422
    described = {(path, method.upper()) for path, methods in api.document["paths"].items() for method in methods}
    assert {(path, method) for path, method, _ in api.asked} == described


def test_the_states_of_sessions_are_those_described(proxied, start):
    api = start(proxied.backend())
    proxied.logged_in("alice")
    names = api.document["components"]["schemas"]["SessionState"]["enum"]
    found = {name: len(api.get("sessions", state=name)["sessions"]) for name in names}
    assert found == {name: int(name == "open/open") for name in names}
    for status, answer in (api.raw("GET", "sessions?state=open/eoff"), api.raw("POST", "kick", {"state": "asleep"})):
        assert status == 400
        assert answer["error"] == f"state: expected one of {', '.join(names)}"
    assert api.post("kick", {"state": "eof/open"}) == {"kicked": 0}
    assert api.post("kick", {"state": "open/open"}) == {"kicked": 1}


def test_status_and_backends_say_how_it_is(proxied, start):
    first, second = proxied.backend(), proxied.backend()
    api = start(first, {"address": second.address, "weight": 0, "max_sessions": 9})
    proxied.logged_in("alice")
    proxied.enter()
    # The greeting leaves with the handshake, so the client may have it a moment before.
    wait_until(lambda: api.get("status")["sessions"]["client_login"] == 1, "the session is not there")
    status = api.get("status")
    assert status["ready"] and status["users"] == 1 and not status["state_is_kept"]
    assert status["sessions"]["relay"] == 1 and status["sessions"]["client_login"] == 1
    assert status["pools"] == [{"name": "main", "policy": "user_hash", "backends": 2, "up": 2,
                                "down": 0, "drained": 0, "sessions": 1, "max_sessions": 0, "waiting": 0, "held": 0,
                                 "load_spread": None, "weight_away": 0, "srv": None}]
    backends = api.backends()
    assert backends[first.address]["sessions"] == 1 and backends[first.address]["order"] is None
    assert backends[second.address]["weight"] == 0 and backends[second.address]["max_sessions"] == 9
    (session,) = api.get("who", user="Alice")["sessions"]
    assert session["backend"] == first.address and session["phase"] == "relay"
    assert session["tls"] == "TLSv1.3" and session["client"].startswith("127.0.0.1:")
    assert api.get("sessions", session=session["session"])["sessions"][0]["user"] == "alice"


def test_pools_say_how_their_load_is_shared(proxied, start):
    first, second, third = (proxied.backend() for _ in range(3))
    third.stop_listening()
    quick = {"interval": "200ms", "timeout": "500ms", "fall": 1, "panic_below": "0%"}
    api = start(first, second, third, pool={"policy": "least_sessions", "max_sessions": 100, "health": quick})
    (pool,) = api.get("pools")["pools"]
    assert (pool["name"], pool["policy"], pool["backends"]) == ("main", "least_sessions", 3)
    assert (pool["max_sessions"], pool["waiting"], pool["held"], pool["weight_away"]) == (100, 0, 0, 0)
    assert pool["load_spread"] is None and pool["srv"] is None
    wait_until(lambda: api.get("pools")["pools"][0]["down"] == 1, "the third one is not found out")
    for number in range(4):
        proxied.logged_in(f"user{number}")
    api.post("move", {"user": "moved", "pool": "main", "backend": first.address, "hold_s": 60})
    held = proxied.enter()
    held.send(b"a LOGIN moved wonderland\r\n")
    wait_until(lambda: api.get("pools", pool="main")["pools"][0]["held"] == 1, "nobody is held")
    (pool,) = api.get("pools", pool="main")["pools"]
    assert (pool["up"], pool["down"], pool["drained"], pool["sessions"]) == (2, 1, 0, 4)
    assert 1 <= pool["load_spread"] < 2
    api.backend(second.address, "drain")
    (pool,) = api.get("pools", pool="main")["pools"]
    assert (pool["up"], pool["down"], pool["drained"]) == (1, 1, 1)
    assert pool["load_spread"] is None, "there is one backend left to take users"
    assert api.get("pools", pool="other") == {"pools": []}
    assert api.get("status")["pools"] == [pool]


def test_without_tokens_it_can_be_looked_at_and_not_changed(proxied):
    backend = proxied.backend()
    api = Api(proxied.start(backend), token="")
    client = proxied.logged_in("alice")
    assert len(api.get("sessions")["sessions"]) == 1
    for path, body in (("kick", {"pattern": "*"}), (f"backends/main/{backend.address}/disable", {})):
        status, answer = api.raw("POST", path, body)
        assert status == 403 and "admin.tokens" in answer["error"]
    assert client.command("NOOP")[1] == b"OK done"
    assert proxied.gate.metrics().value("headgate_backend_draining") == 0
    assert len(proxied.gate.log.wait_for("operator refused", count=2)) == 2


def test_every_change_stands_in_the_log_with_who_made_it(proxied, start):
    first, second = proxied.backend(), proxied.backend()
    api = start(first, second)
    api.backend(first.address, "weight", {"weight": 5})
    api.post("kick", {"pattern": "nobody*"})
    weight, kick = proxied.gate.log.wait_for("operator", 2)
    assert (weight["token"], weight["client"]) == ("alice", "127.0.0.1")
    assert (weight["action"], weight["backend"], weight["weight"]) == ("weight", first.address, 5)
    assert (kick["action"], kick["kicked"], kick["filter"]) == ("kick", 0, '{"pattern": "nobody*"}')


def test_a_drain_under_logins_loses_no_login_and_no_session(proxied, start):
    """New users go elsewhere, users with sessions stay, with further sessions too."""
    first, second = proxied.backend(), proxied.backend()
    api = start(first, second, workers=2)
    there = homes(proxied, api, [f"user{n}" for n in range(20)], door="plain")
    assert set(there) == {first.address, second.address}
    failed, done, numbers = [], threading.Event(), itertools.count()

    def log_in():
        while not done.is_set():
            try:
                with proxied.connect("plain") as client:
                    reply = client.log_in(f"new{next(numbers)}", "wonderland")
                    if not reply.startswith(b"OK") or client.command("NOOP")[1] != b"OK done":
                        failed.append(reply)
            except OSError as error:
                failed.append(error)

    threads = [threading.Thread(target=log_in) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(first.connections) > 30, "no logins")
    drained = api.backend(first.address, "drain")
    assert drained["service"] == "draining" and drained["order"]["by"] == "alice"
    wait_until(lambda: api.backends()[first.address]["sessions"] == len(there[first.address]), "new users stay")
    before = len(first.connections)
    at_second = len(second.connections)
    wait_until(lambda: len(second.connections) > at_second + 50, "no logins")
    done.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(first.connections) == before, "a new user came to the drained backend"
    user, client = next(iter(there[first.address].items()))
    proxied.logged_in(user)
    assert {one["backend"] for one in api.get("who", user=user)["sessions"]} == {first.address}
    for clients in there.values():
        for client in clients.values():
            assert client.command("NOOP")[1] == b"OK done"
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_backend_draining", backend=first.address) == 1
    assert metrics.value("headgate_session_ends_total", reason="kicked") == 0
    api.backend(first.address, "enable")
    assert "new-one" not in users_at(first)
    homes(proxied, api, [f"later{n}" for n in range(12)], door="plain")
    assert any(user.startswith("later") for user in users_at(first))


def test_a_drain_that_moves_ends_sessions_at_its_rate_and_users_go_elsewhere(proxied, start):
    first, second = proxied.backend(), proxied.backend()
    api = start({"address": first.address, "weight": 10_000}, {"address": second.address, "weight": 1})
    clients = homes(proxied, api, [f"user{n}" for n in range(12)], door="plain")[first.address]
    pair = [proxied.logged_in("user0", door="plain") for _ in range(2)]
    count = len(clients) + len(pair)
    began = time.monotonic()
    moving = api.backend(first.address, "drain", {"move": True, "rate": 10})
    assert moving["service"] == "moving" and moving["order"]["rate"] == 10
    assert moving["order"]["left_s"] in (1, 2)
    # A login of a user who has sessions there takes them along, all of them, whatever the rate is.
    again = proxied.logged_in("user0", door="plain")
    assert [one["backend"] for one in api.get("who", user="user0")["sessions"]][-1] == second.address
    wait_until(lambda: api.backends()[first.address]["sessions"] == 0, "sessions stay")
    assert (count - 3) / 10 - 0.5 < time.monotonic() - began < 8
    for client in [*clients.values(), *pair]:
        assert client.rest_until_gone() == MOVED
    assert again.command("NOOP")[1] == b"OK done"
    assert proxied.gate.metrics().value("headgate_session_ends_total", reason="moved") == count
    assert users_at(second) == ["user0"]


def test_an_order_says_when_a_worker_does_not_go_by_it_yet(proxied, start):
    first, second = proxied.backend(), proxied.backend()
    api = start(first, second, workers=2)
    with stopped(proxied.gate.process.pid, "worker 1"):
        late = api.backend(first.address, "drain")
        assert late["service"] == "draining"
        assert late["warning"].endswith("; a worker has not answered for 10 s and goes by what was before")
    assert proxied.gate.log.wait_for("a worker goes by what was before")
    assert "worker" not in api.backend(first.address, "enable")["warning"]


def test_a_disabled_backend_is_used_by_nobody_until_it_is_enabled(proxied, start):
    first, second = proxied.backend(), proxied.backend()
    pins = [{"user": "pinned", "backend": first.address}]
    api = start(first, second, pool={"pins": pins})
    pinned = proxied.logged_in("pinned")
    answer = api.backend(first.address, "disable", {"rate": 1000})
    assert answer["service"] == "disabled" and not answer["up"] and answer["addresses"] == []
    assert "admin.state_file is not set" in answer["warning"]
    assert pinned.rest_until_gone() == MOVED
    assert proxied.enter().login("pinned").startswith(b"NO [UNAVAILABLE]")
    seen = len(first.connections)
    homes(proxied, api, [f"user{n}" for n in range(10)], door="plain")
    assert len(first.connections) == seen
    assert proxied.gate.metrics().value("headgate_backend_disabled", backend=first.address) == 1
    assert "takes new users" in api.backend(second.address, "drain")["warning"]
    assert proxied.enter().login("somebody").startswith(b"NO [UNAVAILABLE]")
    assert "takes new users" not in api.backend(first.address, "enable")["warning"]
    proxied.logged_in("somebody")
    proxied.logged_in("pinned")


def test_a_weight_holds_over_the_configuration_until_it_is_taken_back(proxied, start):
    first, second = proxied.backend(), proxied.backend()
    api = start(first, second)
    changed = api.backend(first.address, "weight", {"weight": 0})
    assert (changed["weight"], changed["configured_weight"]) == (0, 100)
    homes(proxied, api, [f"user{n}" for n in range(10)], door="plain")
    assert users_at(first) == []
    assert proxied.gate.metrics().value("headgate_backend_weight", backend=first.address) == 0
    assert api.backend(first.address, "weight", {"weight": None})["weight"] == 100
    assert api.backends()[first.address]["order"] is None


def test_who_logs_in_right_after_the_answer_goes_by_the_order(proxied, start):
    backends = proxied.backend(), proxied.backend()
    api = start(*backends, workers=16)
    asks = http.client.HTTPConnection(*api.gate.admin)
    head = {"Authorization": f"Bearer {OPERATOR}", "Content-Type": "application/json"}
    for turn in range(60):
        home = backends[turn % 2]
        user = f"user{turn // 2}"
        client = proxied.enter("plain")
        pin = {"user": user, "pool": "main", "backend": home.address}
        asks.request("POST", "/api/v1/pin", json.dumps(pin), head)
        answer = asks.getresponse()
        assert client.login(user, PASSWORD.decode()).startswith(b"OK")
        assert (answer.status, json.load(answer)["user"]) == (200, user)
        assert users_at(home) == [user], f"turn {turn}"
        client.close()
        wait_until(lambda: users_at(home) == [], "the session stays")


def test_a_user_who_is_moved_lives_at_the_new_backend_from_then_on(proxied, start, tmp_path):
    first, second = proxied.backend(), proxied.backend()
    keep = {"state_file": str(tmp_path / "state.json")}
    api = start(first, {"address": second.address, "weight": 0}, admin=keep)
    old = [proxied.logged_in(name) for name in ("alice", "ALICE")]
    other = proxied.logged_in("bob")
    pin = {"user": "Alice", "pool": "main", "backend": second.address}
    moved = api.post("move", pin)
    assert (moved["user"], moved["moved"], moved["by"], moved["warning"]) == ("alice", 2, "alice", "")
    for client in old:
        assert client.rest_until_gone() == MOVED
    assert other.command("NOOP")[1] == b"OK done"
    assert proxied.logged_in("alice").command("NOOP")[1] == b"OK done"
    assert users_at(second) == ["alice"]
    assert api.post("move", pin)["moved"] == 0
    proxied.gate.stop()
    api = start(first, {"address": second.address, "weight": 0}, admin=keep)
    assert [one["user"] for one in api.get("pins")["pins"]] == ["alice"]
    client = proxied.logged_in("alice")
    assert users_at(second) == ["alice"]
    assert api.post("unpin", {"user": "ALICE"}) == {"unpinned": 1, "warning": ""}
    client.close()
    wait_until(lambda: api.get("status")["users"] == 0, "the session stays")
    proxied.logged_in("alice")
    assert users_at(first)[-1] == "alice"


def test_what_was_ordered_survives_a_restart(proxied, start, tmp_path):
    first, second, third = (proxied.backend() for _ in range(3))
    keep = {"state_file": str(tmp_path / "state.json")}
    api = start(first, second, third, admin=keep)
    assert api.get("status")["state_is_kept"]
    assert api.backend(first.address, "drain")["warning"] == ""
    api.backend(second.address, "weight", {"weight": 7})
    api.backend(second.address, "disable")
    api.backend(third.address, "weight", {"weight": 9})
    proxied.gate.stop()
    api = start(first, second, third, admin=keep)
    after = api.backends()
    assert [after[one.address]["service"] for one in (first, second, third)] == ["draining", "disabled", "in_service"]
    assert [after[one.address]["weight"] for one in (first, second, third)] == [100, 7, 9]
    assert after[first.address]["order"]["by"] == "alice"
    homes(proxied, api, [f"user{n}" for n in range(10)], door="plain")
    assert len(users_at(third)) == 10
    for one in (first, second):
        api.backend(one.address, "enable")
    api.backend(third.address, "weight", {"weight": None})
    assert json.loads((tmp_path / "state.json").read_text())["backends"][0]["weight"] == 7
    proxied.gate.stop()
    (tmp_path / "state.json").write_text('{"version": 1}')
    broken = Headgate(tmp_path / "broken", proxied.gate.config)
    with pytest.raises(AssertionError, match="admin.state_file: .*state.json: expected"):
        broken.start()


def test_a_state_that_cannot_be_written_is_said_and_the_change_holds(proxied, start, tmp_path):
    first, second = proxied.backend(), proxied.backend()
    (tmp_path / "state.json.new").mkdir()
    api = start(first, second, admin={"state_file": str(tmp_path / "state.json")})
    changed = api.backend(first.address, "drain")
    assert changed["service"] == "draining" and "state.json.new" in changed["warning"]
    assert proxied.gate.log.wait_for("state file not written")


def test_a_kick_ends_what_its_filter_says_and_nothing_else(proxied, start):
    backend = proxied.backend()
    api = start(backend, workers=2)
    names = ["alice", "bob@example.org", "BOB@example.net", "carol@example.org"]
    clients = {name: proxied.logged_in(name) for name in names}
    waiting = proxied.enter()
    assert api.post("kick", {"user": "ALICE", "listener": "imap"}) == {"kicked": 0}
    assert api.post("kick", {"pattern": "bob@*", "backend": backend.address}) == {"kicked": 2}
    for name in names[1:3]:
        assert clients[name].rest_until_gone() == KICKED
    for name in (names[0], names[3]):
        assert clients[name].command("NOOP")[1] == b"OK done"
    session = api.get("who", user="alice")["sessions"][0]["session"]
    assert api.post("kick", {"session": session}) == {"kicked": 1}
    assert api.post("kick", {"client": "127.0.0.1"}) == {"kicked": 2}
    assert waiting.rest_until_gone() == b"* BYE Disconnected by the administrator.\r\n"
    ends = proxied.gate.session_ends(5, reason="kicked")
    assert {end["detail"] for end in ends} == {"by alice"}


# -- commands -------------------------------------------------------------------------------------


def headgate(*arguments):
    return subprocess.run([binary(), *map(str, arguments)], capture_output=True, text=True,
                          timeout=60, check=False)


def test_explain_says_where_a_user_would_log_in_now(proxied, start):
    first, second = proxied.backend(), proxied.backend()
    api = start(first, second)
    before = api.get("explain", user="alice")
    assert before["sessions"] == 0 and "policy user_hash" in before["backend_reason"]
    assert sorted(before["candidates"]) == sorted([first.address, second.address])
    here, there = before["candidates"]
    api.post(f"backends/main/{here}/drain", {})
    drained = api.get("explain", user="alice")
    assert drained["backend"] == there
    client = proxied.logged_in("alice")
    assert api.get("who", user="alice")["sessions"][0]["backend"] == there
    api.post(f"backends/main/{here}/enable", {})
    stays = api.get("explain", user="alice")
    assert (stays["backend"], stays["sessions"]) == (there, 1)
    assert stays["backend_reason"] == "the user's other sessions are there"
    assert api.get("explain", user="bob")["sessions"] == 0
    client.close()
    api.gate.wait_for_metrics(lambda m: m.value("headgate_users") == 0)
    assert api.get("explain", user="alice")["backend"] == here
    api.post("pin", {"user": "alice", "pool": "main", "backend": there})
    assert api.get("explain", user="alice")["backend"] == there
    for backend in (first, second):
        api.post(f"backends/main/{backend.address}/disable", {})
    status, answer = api.raw("GET", "explain?user=bob")
    assert status == 404 and "no backend of pool main takes this user now" in answer["error"]


def test_explain_asks_the_sources_of_the_running_server(proxied, start, tmp_path):
    """Beside the logins that use the same connections to the database."""
    database = tmp_path / "users.sqlite"
    with contextlib.closing(sqlite3.connect(database)) as made:
        made.execute("CREATE TABLE users (name TEXT, password TEXT)")
        made.execute("INSERT INTO users VALUES ('alice', '{PLAIN}sesame')")
        made.commit()
    proxied.secrets.append("sesame")
    query = "SELECT password FROM users WHERE name = :user"
    api = start(proxied.backend(), users=[{"source": "sql", "pool": "main", "sql": {
        "driver": "sqlite", "path": str(database), "query": query, "connections": 1}}])
    assert api.get("explain", user="alice")["source"] == "users[0], source sql"
    assert proxied.enter().login("alice", "wrong").startswith(b"NO [AUTHENTICATIONFAILED]")
    status, answer = api.raw("GET", "explain?user=nobody")
    assert status == 404 and "no login" in answer["error"]


def test_the_commands_do_what_the_api_does(proxied, start, tmp_path):
    first, second = proxied.backend(), proxied.backend()
    api = start(first, second)
    place = ["--admin", "http://%s:%d" % api.gate.admin, "--token-file", tmp_path / "alice.token"]
    proxied.logged_in("alice")

    def run(*arguments):
        done = headgate(*arguments, *place)
        assert done.returncode == 0, done.stderr
        return done.stdout

    status = run("status")
    assert "ready" in status and "sessions 1: relay 1" in status and first.address in status
    assert json.loads(run("status", "--json"))["users"] == 1
    assert run("pools").startswith("POOL ") and "user_hash" in run("pools")
    assert json.loads(run("pools", "--json"))["pools"][0]["sessions"] == 1
    assert "alice" in run("sessions", "--user", "alice", "--limit", "5")
    assert json.loads(run("sessions", "--json", "--pattern", "b*"))["sessions"] == []
    assert "relay" in run("who", "alice")
    assert "draining" in run("drain", first.address)
    assert "moving" in run("drain", f"main/{first.address}", "--move", "--rate", "100")
    assert "disabled" in run("disable", first.address, "--rate", "100")
    assert " up " in run("enable", first.address)
    assert "7 (100)" in run("weight", first.address, "7")
    assert json.loads(run("weight", first.address, "default", "--json"))["weight"] == 100
    assert run("pins") == "no pins\n"
    assert run("pin", "carol", first.address).startswith(f"carol is pinned to {first.address}\n")
    assert "carol" in run("pins")
    assert json.loads(run("move", "carol", f"main/{second.address}", "--json"))["moved"] == 0
    assert run("unpin", "carol").startswith("unpinned\n")
    proxied.logged_in("bob")
    assert run("kick", "--user", "bob") == "1 session ended\n"
    assert run("kick", "--user", "bob") == "0 sessions ended\n"
    assert run("reload") == "reloaded; nothing has changed\n"
    proxied.gate.config["limits"] = {"sessions_per_user": 7}
    proxied.gate.write_config()
    assert "limits.sessions_per_user: 0 -> 7" in run("reload")


def test_the_commands_say_what_is_wrong(proxied, start, tmp_path):
    backend = proxied.backend()
    api = start(backend)
    url = "http://%s:%d" % api.gate.admin

    def fails(code, *arguments):
        done = headgate(*arguments)
        assert done.returncode == code and done.stdout == ""
        assert OPERATOR not in done.stderr and READER not in done.stderr
        return done.stderr

    assert "token" in fails(1, "status", "--admin", url)
    reader = ["--admin", url, "--token-file", tmp_path / "bob.token"]
    assert "role operator" in fails(1, "kick", "--user", "alice", *reader)
    assert "no pool has" in fails(1, "drain", "nowhere:1", *reader)
    assert "expected user, pattern" in fails(1, "kick", "--admin", url, "--token-file", tmp_path / "alice.token")
    assert "connect to server" in fails(1, "status", "--admin", "http://127.0.0.1:1")
    assert "--config FILE or --admin URL" in fails(2, "status")
    fails(2, "drain", *reader)
    fails(2, "weight", backend.address, *reader)
    imap = "http://%s:%d" % api.gate.address("plain")
    assert imap in fails(1, "status", "--admin", imap)


def test_the_commands_find_address_and_token_in_the_configuration(proxied, certificate, tmp_path, free_port):
    backend = proxied.backend()
    config = configuration(certificate, [backend.address],
                           admin=admin_section(tmp_path, f"127.0.0.1:{free_port}"))
    gate = proxied.start_config(config)
    done = headgate("drain", "--config", gate.config_file, backend.address)
    assert done.returncode == 0, done.stderr
    assert "draining" in done.stdout and "takes new users" in done.stdout
    assert headgate("explain", "--config", gate.config_file, "alice").returncode == 0
    running = headgate("explain", "--running", "--config", gate.config_file, "alice")
    assert running.returncode == 1
    assert "no backend of pool main takes this user now" in running.stderr
    headgate("enable", "--config", gate.config_file, backend.address)
    proxied.logged_in("alice")
    running = headgate("explain", "--running", "--config", gate.config_file, "alice")
    assert running.returncode == 0, running.stderr
    assert f"backend {backend.address} " in running.stdout and "sessions now: 1\n" in running.stdout


def test_pins_come_in_pages(proxied, start):
    backend, other = proxied.backend(), proxied.backend()
    api = start(backend, other)
    users = [f"user{number}@example.org" for number in range(5)]
    for user in users:
        api.post("pin", {"user": user, "pool": "main", "backend": other.address})
    seen, cursor = [], {}
    while True:
        page = api.get("pins", limit=2, **cursor)
        assert len(page["pins"]) <= 2
        seen += [pin["user"] for pin in page["pins"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == users
    assert api.raw("GET", "pins?cursor=nothing")[0] == 400


def test_who_goes_on_behind_a_cursor(proxied, start):
    api = start(proxied.backend())
    for _ in range(3):
        proxied.logged_in("alice")
    first, second, third = [session["session"] for session in api.get("who", user="alice")["sessions"]]
    assert [one["session"] for one in api.get("who", user="alice", cursor=first)["sessions"]] == [second, third]
    assert api.get("who", user="alice", cursor=third)["sessions"] == []


def test_a_phase_that_there_is_none_of_is_refused(proxied, start):
    api = start(proxied.backend())
    status, answer = api.raw("GET", "sessions?phase=relaying")
    assert status == 400 and "relay" in answer["error"]


def test_a_change_that_is_refused_is_in_the_log(proxied, start):
    api = start(proxied.backend())
    assert api.raw("POST", "backends/main/10.9.9.9:143/drain")[0] == 404
    (line,) = proxied.gate.log.wait_for("operator", action="drain")
    assert line["token"] == "alice" and "10.9.9.9:143" in line["result"]


def test_a_backend_that_was_moved_is_reported_once(proxied, start):
    first, second, third = (proxied.backend() for _ in range(3))
    api = start(first, second, third, login={"timeout": "1s"})
    api.backend(first.address, "drain", {"move": True})
    proxied.gate.log.wait_for("backend moved")
    api.backend(second.address, "drain", {"move": True})
    proxied.gate.log.wait_for("backend moved", backend=second.address)
    assert len(proxied.gate.log.find("backend moved", backend=first.address)) == 1
