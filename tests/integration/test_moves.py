"""Users who are moved to another backend: held meanwhile, one or many, with a hook, and back."""

import json
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from admin_api import OPERATOR, READER, Api, admin_section
from fake_backend import End, Script
from headgate_process import binary
from raw_client import MOVED

QUICK = {"connect_timeout": "500ms", "login_timeout": "5s"}


@pytest.fixture
def start(proxied, tmp_path):
    """start(*backends, moves={…}, **more) → an Api of a Headgate; by itself the second backend gets nobody."""

    def run(*backends, moves=None, keep=False, **more):
        proxied.secrets += [OPERATOR, READER]
        admin = {"moves": {"settle": "0s", **(moves or {})}}
        if keep:
            admin["state_file"] = str(tmp_path / "state.json")
        entries = [{"address": one.address, "weight": 0 if at else 100} for at, one in enumerate(backends)]
        gate = proxied.start(*entries, admin=admin_section(tmp_path, **admin),
                             pool={**QUICK, **more.pop("pool", {})}, **more)
        return Api(gate)

    return run


def users_at(backend):
    return sorted(connection.user.decode() for connection in backend.connections
                  if connection.user and not connection.done.is_set())


def wait_until(condition, why, seconds=15):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, why
        time.sleep(0.02)


def ask(proxied, user):
    """A client whose login is on its way."""
    client = proxied.enter("plain")
    client.send(f"a LOGIN {user} wonderland\r\n".encode())
    return client


def held(proxied, count):
    proxied.gate.wait_for_metrics(lambda m: m.value("headgate_held_logins") == count)


def one(api, number):
    (user,) = api.get(f"moves/{number}")["moved"]
    return user


def over(api, number):
    wait_until(lambda: api.get(f"moves/{number}")["state"] == "over", f"move {number} is not over")
    return api.get(f"moves/{number}")


def recording_hook(tmp_path, then="exit 0"):
    """A hook's program that notes what it was told."""
    program = tmp_path / "hook"
    program.write_text('#!/bin/sh\necho "$HEADGATE_USER $HEADGATE_POOL $HEADGATE_FROM $HEADGATE_TO $*" '
                       f'>>{tmp_path}/told\n{then}\n')
    program.chmod(0o755)
    return {"command": [str(program), "--user={user}", "{to}"]}


def test_logins_of_a_user_who_is_held_wait_until_it_is_done(proxied, start):
    first, second = proxied.backend(), proxied.backend()
    api = start(first, second, workers=2)
    old = [proxied.logged_in(name) for name in ("alice", "ALICE", "alice")]
    other = proxied.logged_in("bob")
    moved = api.post("move", {"user": "Alice", "pool": "main", "backend": second.address, "hold_s": 60})
    assert (moved["state"], moved["moved"], moved["from"]) == ("held", 3, first.address)
    assert moved["until"] > time.time() + 30
    for client in old:
        assert client.rest_until_gone() == MOVED
    wait_until(lambda: users_at(first) == ["bob"], "a session of the user is open")
    assert api.get("pins")["pins"] == []
    waiting = [ask(proxied, "alice") for _ in range(5)]
    held(proxied, 5)
    assert api.get("sessions", user="alice", phase="queue")["sessions"]
    assert proxied.logged_in("carol").command("NOOP")[1] == b"OK done"
    assert other.command("NOOP")[1] == b"OK done"
    assert users_at(second) == []
    assert api.post("move/done", {"user": "ALICE"}) == {"move": moved["move"], "users": 1,
                                                        "warning": "this ends with the process: admin.state_file is not set"}
    for client in waiting:
        client.expect(rb"a OK .*")
    assert users_at(second) == ["alice"] * 5
    assert [pin["user"] for pin in api.get("pins")["pins"]] == ["alice"]
    assert one(api, moved["move"])["state"] == "done"
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_held_logins") == 0
    assert metrics.value("headgate_hold_wait_seconds_count") == 5
    assert metrics.value("headgate_moved_users_total", result="done") == 1
    assert metrics.value("headgate_moving_users") == 0
    (line,) = proxied.gate.log.wait_for("user moved")
    assert (line["user"], line["from"], line["to"], line["ended"], line["token"]) == (
        "alice", first.address, second.address, 3, "alice")
    assert api.raw("POST", "move/done", {"user": "alice"})[0] == 409


@pytest.mark.parametrize(("when_failed", "state", "place"), [("undo", "failed", 0), ("complete", "done", 1)])
def test_a_hold_that_lasts_too_long_ends_as_configured(proxied, start, when_failed, state, place):
    backends = proxied.backend(), proxied.backend()
    api = start(*backends, moves={"when_failed": when_failed})
    moved = api.post("move", {"user": "alice", "pool": "main", "backend": backends[1].address, "hold_s": 1})
    waiting = ask(proxied, "alice")
    held(proxied, 1)
    waiting.expect(rb"a OK .*")
    assert users_at(backends[place]) == ["alice"]
    after = one(api, moved["move"])
    assert (after["state"], after["detail"]) == (state, "the hold has lasted too long")
    assert len(api.get("pins")["pins"]) == place


def test_a_login_that_is_on_its_way_steps_back_when_its_user_is_held(proxied, start):
    first, second = proxied.backend(Script(login=[End.HANG])), proxied.backend()
    api = start(first, second)
    client = ask(proxied, "alice")
    first.wait_for(lambda backend: any(connection.user for connection in backend.connections))
    moved = api.post("move", {"user": "alice", "pool": "main", "backend": second.address, "hold_s": 60})
    assert (moved["state"], moved["moved"]) == ("held", 0)
    held(proxied, 1)
    wait_until(lambda: users_at(first) == [], "the login is still at the old backend")
    assert proxied.gate.metrics().value("headgate_backend_sessions") == 0
    api.post("move/done", {"user": "alice"})
    client.expect(rb"a OK .*")
    assert users_at(second) == ["alice"]


def test_who_cannot_wait_is_told_so(proxied, start):
    first, second = proxied.backend(), proxied.backend()
    api = start(first, second, moves={"max_waiting": 2}, workers=1, login={"timeout": "3s"})
    api.post("move", {"user": "alice", "pool": "main", "backend": second.address, "hold_s": 60})
    late = [ask(proxied, "alice") for _ in range(2)]
    held(proxied, 2)
    surplus = ask(proxied, "alice")
    surplus.expect(rb"a NO \[UNAVAILABLE\] .*")
    for client in late:  # before the time for a login is over
        client.expect(rb"a NO \[UNAVAILABLE\] .*")
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_logins_total", result="user_moving") == 3
    details = {line["detail"] for line in proxied.gate.log.wait_for("login failed", 3, failure="user_moving")}
    assert details == {"too many logins wait until users have moved", "the user has not moved in time"}


def test_a_client_that_goes_while_it_is_held_leaves_nothing_behind(proxied, start):
    first, second = proxied.backend(), proxied.backend()
    api = start(first, second)
    api.post("move", {"user": "alice", "pool": "main", "backend": second.address, "hold_s": 60})
    gone = ask(proxied, "alice")
    held(proxied, 1)
    gone.close()
    held(proxied, 0)
    assert proxied.end("client_closed")["detail"] == "while its login waited"
    assert proxied.gate.metrics().value("headgate_logins_abandoned_total", awaited="move") == 1
    stays = ask(proxied, "alice")
    api.post("move/done", {"user": "alice"})
    stays.expect(rb"a OK .*")
    assert "alice" in users_at(second)


def test_an_undone_hold_lets_the_user_in_where_it_was(proxied, start):
    first, second = proxied.backend(), proxied.backend()
    api = start(first, second)
    moved = api.post("move", {"user": "alice", "pool": "main", "backend": second.address, "hold_s": 60})
    busy = {"user": "alice", "pool": "main", "backend": first.address}
    assert api.raw("POST", "move", busy)[0] == 409
    waiting = ask(proxied, "alice")
    held(proxied, 1)
    api.post("move/undo", {"user": "alice"})
    waiting.expect(rb"a OK .*")
    assert users_at(first) == ["alice"]
    assert one(api, moved["move"])["state"] == "undone"
    assert api.raw("POST", "move/undo", {"user": "alice"})[0] == 404


def test_a_move_is_undone_to_the_pin_that_was_there_before(proxied, start):
    first, second, third = (proxied.backend() for _ in range(3))
    api = start(first, second, third)
    api.post("pin", {"user": "alice", "pool": "main", "backend": third.address})
    client = proxied.logged_in("alice")
    moved = api.post("move", {"user": "alice", "pool": "main", "backend": second.address})
    assert (moved["state"], moved["moved"], moved["from"]) == ("done", 1, third.address)
    assert client.rest_until_gone() == MOVED
    client = proxied.logged_in("alice")
    assert users_at(second) == ["alice"]
    api.post("move/undo", {"user": "alice"})
    assert client.rest_until_gone() == MOVED
    (pin,) = api.get("pins")["pins"]
    assert pin["backend"] == third.address
    proxied.logged_in("alice")
    assert users_at(third) == ["alice"]
    again = api.post("move", {"user": "alice", "pool": "main", "backend": second.address})
    api.post("pin", {"user": "alice", "pool": "main", "backend": first.address})
    status, answer = api.raw("POST", f"moves/{again['move']}/undo")
    assert status == 409 and "has another pin now" in answer["error"]


def test_the_hook_is_called_when_no_session_is_open_and_before_logins_go_on(proxied, start, tmp_path):
    first, second = proxied.backend(), proxied.backend()
    go = tmp_path / "go"
    api = start(first, second, moves={"hook": recording_hook(tmp_path, f"while [ ! -e {go} ]; do sleep 0.02; done")})
    client = proxied.logged_in("alice@example.org")
    moved = api.post("move", {"user": "alice@example.org", "pool": "main", "backend": second.address})
    assert client.rest_until_gone() == MOVED
    wait_until(lambda: one(api, moved["move"])["state"] == "hook", "the hook is not called")
    told = tmp_path / "told"
    wait_until(told.exists, "the hook is not called")
    waiting = ask(proxied, "alice@example.org")
    held(proxied, 1)
    assert users_at(second) == []
    assert api.raw("POST", "move/done", {"user": "alice@example.org"})[0] == 409
    go.touch()
    waiting.expect(rb"a OK .*")
    assert users_at(second) == ["alice@example.org"]
    assert told.read_text() == (f"alice@example.org main {first.address} {second.address} "
                                f"--user=alice@example.org {second.address}\n")
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_move_hooks_total", result="ok") == 1
    assert metrics.value("headgate_move_hook_seconds_total") > 0


@pytest.mark.parametrize(("script", "error", "result"), [
    ("echo the disk is full >&2; exit 3", "hook: exit code 3: the disk is full", "failed"),
    ("sleep 1000", "hook: no end within admin.moves.hook.timeout", "timeout")])
def test_a_hook_that_fails_leaves_the_user_where_it_was(proxied, start, tmp_path, script, error, result):
    first, second = proxied.backend(), proxied.backend()
    api = start(first, second, moves={"hook": {**recording_hook(tmp_path, script), "timeout": "300ms"}})
    moved = api.post("move", {"user": "alice", "pool": "main", "backend": second.address})
    after = over(api, moved["move"])["moved"][0]
    assert (after["state"], after["detail"]) == ("failed", error)
    proxied.logged_in("alice")
    assert users_at(first) == ["alice"] and api.get("pins")["pins"] == []
    assert proxied.gate.metrics().value("headgate_move_hooks_total", result=result) == 1
    (line,) = proxied.gate.log.wait_for("move hook failed")
    assert line["user"] == "alice"


class HookServer(ThreadingHTTPServer):
    """Notes what it is sent, and answers with `status`."""

    daemon_threads = True

    def __init__(self):
        self.told, self.status = [], 200
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                server.told.append((self.path, self.headers["X-Key"], json.loads(body)))
                self.send_response(server.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def test_the_hook_may_be_a_request(proxied, start):
    first, second = proxied.backend(), proxied.backend()
    with HookServer() as server:
        proxied.secrets.append("open-sesame-key")
        api = start(first, second, moves={"hook": {
            "url": "http://localhost:%d/flush" % server.server_port,
            "headers": [{"name": "X-Key", "value": "open-sesame-key"}]}})
        moved = api.post("move", {"user": "alice", "pool": "main", "backend": second.address})
        assert over(api, moved["move"])["moved"][0]["state"] == "done"
        assert server.told == [("/flush", "open-sesame-key", {
            "user": "alice", "pool": "main", "from": first.address, "to": second.address, "move": moved["move"]})]
        server.status = 503
        status = api.post("move", {"user": "bob", "pool": "main", "backend": second.address})
        after = over(api, status["move"])["moved"][0]
        assert (after["state"], after["detail"]) == ("failed", "hook: HTTP status 503")
        server.status = 200
        api.post("move/undo", {"user": "alice"})
        wait_until(lambda: api.get("pins")["pins"] == [], "it is not undone")
        assert (server.told[-1][2]["from"], server.told[-1][2]["to"]) == (second.address, first.address)
        server.shutdown()


def test_all_users_of_a_backend_are_moved_and_back(proxied, start):
    first, second = proxied.backend(), proxied.backend()
    api = start(first, second, workers=2)
    names = [f"user{number}" for number in range(12)]
    clients = [proxied.logged_in(name, door="plain") for name in names]
    api.post("pin", {"user": "absent", "pool": "main", "backend": first.address})
    order = api.post("moves", {"pool": "main", "from": first.address, "to": second.address, "rate": 1000})
    assert (order["users"], order["left_out"], order["by"]) == (13, 0, "alice")
    for client in clients:
        assert client.rest_until_gone() == MOVED
    page = over(api, order["move"])
    assert page["counts"]["done"] == 13 and page["left_s"] == 0
    (line,) = proxied.gate.log.wait_for("users moved")
    assert (line["done"], line["failed"]) == (13, 0)
    again = [proxied.logged_in(name, door="plain") for name in names]
    assert users_at(second) == sorted(names)
    first_page = api.get(f"moves/{order['move']}", limit=5)
    assert len(first_page["moved"]) == 5 and first_page["next"] == 5
    rest = api.get(f"moves/{order['move']}", limit=100, cursor=5, state="done")
    assert len(rest["moved"]) == 8 and rest["next"] is None
    undone = api.post(f"moves/{order['move']}/undo")
    assert undone["users"] == 13
    over(api, order["move"])
    for client in again:
        assert client.rest_until_gone() == MOVED
    assert [(pin["user"], pin["backend"]) for pin in api.get("pins")["pins"]] == [("absent", first.address)]
    proxied.logged_in("user3", door="plain")
    assert users_at(first) == ["user3"]


def test_an_order_is_paced_stopped_and_goes_on(proxied, start):
    first, second = proxied.backend(), proxied.backend()
    api = start(first, second)
    names = [f"user{number}" for number in range(30)]
    order = api.post("moves", {"pool": "main", "to": second.address, "users": [*names, "user1"], "rate": 20})
    assert order["users"] == 30 and order["state"] == "running"
    stopped = api.post(f"moves/{order['move']}/stop")
    assert stopped["users"] > 0
    page = api.get(f"moves/{order['move']}")
    assert page["state"] == "stopped" and page["left_s"] is None
    (shown,) = api.get("moves", limit=1)["moves"]
    assert shown["move"] == order["move"] and shown["counts"]["waiting"] > 0
    api.post(f"moves/{order['move']}/continue")
    began = time.monotonic()
    assert over(api, order["move"])["counts"]["done"] == 30
    assert time.monotonic() - began > stopped["users"] / 20 - 0.5
    stopped = api.post("moves", {"pool": "main", "to": first.address, "users": names, "rate": 1})["move"]
    assert api.post(f"moves/{stopped}/undo")["users"] >= 29
    assert over(api, stopped)["counts"]["waiting"] == 0
    assert [one["move"] for one in api.get("moves")["moves"]] == [stopped, order["move"]]


def test_a_pattern_narrows_an_order_and_a_renamed_user_is_left_out(proxied, start):
    first, second = proxied.backend(), proxied.backend()
    api = start(first, second, users=[
        {"source": "map", "pool": "main", "map": [{"user": "nick", "rewrite": "nicholas", "pool": "main"},
                                                  {"pattern": ".*", "pool": "main"}]}])
    for name in ("ann", "abe", "bob", "nick"):
        proxied.logged_in(name, door="plain")
    order = api.post("moves", {"pool": "main", "from": first.address, "to": second.address, "pattern": "A*",
                               "rate": 1000})
    assert (order["users"], order["left_out"]) == (2, 1)
    assert [user["user"] for user in over(api, order["move"])["moved"]] == ["abe", "ann"]
    assert users_at(first) == ["bob", "nicholas"]
    nobody = {"pool": "main", "from": first.address, "to": second.address, "pattern": "zed"}
    assert api.raw("POST", "moves", nobody)[0] == 404


def test_moves_survive_a_restart(proxied, start):
    first, second = proxied.backend(), proxied.backend()
    api = start(first, second, keep=True)
    done = api.post("move", {"user": "bob", "pool": "main", "backend": second.address})
    api.post("move", {"user": "alice", "pool": "main", "backend": second.address, "hold_s": 60})
    proxied.gate.stop()
    api = start(first, second, keep=True)
    waiting = ask(proxied, "alice")
    held(proxied, 1)
    assert api.post("move/done", {"user": "alice"})["warning"] == ""
    waiting.expect(rb"a OK .*")
    assert users_at(second) == ["alice"]
    api.post(f"moves/{done['move']}/undo")
    assert over(api, done["move"])["moved"][0]["state"] == "undone"
    assert [pin["user"] for pin in api.get("pins")["pins"]] == ["alice"]
    newest = api.post("move", {"user": "carol", "pool": "main", "backend": second.address})
    assert newest["move"] > done["move"] + 1


def test_a_login_that_waits_over_a_reload_gets_to_the_new_place(proxied, start):
    first, second = proxied.backend(), proxied.backend()
    api = start(first, second)
    api.post("move", {"user": "alice", "pool": "main", "backend": second.address, "hold_s": 60})
    waiting = ask(proxied, "alice")
    held(proxied, 1)
    proxied.gate.config["limits"] = {"sessions_per_user": 7}
    proxied.gate.reload()
    api.post("move/done", {"user": "alice"})
    waiting.expect(rb"a OK .*")
    assert users_at(second) == ["alice"]


def test_the_commands_move_users(proxied, start, tmp_path):
    first, second = proxied.backend(), proxied.backend()
    api = start(first, second, keep=True)
    place = ["--admin", "http://%s:%d" % api.gate.admin, "--token-file", tmp_path / "alice.token"]

    def run(*arguments, code=0):
        done = subprocess.run([binary(), *map(str, arguments), *place], capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    assert run("moves") == "no moves\n"
    assert run("move", "alice", second.address) == f"alice is moved to {second.address}\n"
    assert run("move", "alice", "--undo") == "1 user of move 1\n"
    assert "is held; no session is open" in run("move", "bob", f"main/{second.address}", "--hold=90s")
    assert run("move", "bob", "--done") == "1 user of move 2\n"
    users = tmp_path / "users"
    users.write_text("# these\ncarol\n\ndave\n")
    assert "2" in run("move", "--users", users, "--to", second.address, "--rate", "100", "--hold")
    wait_until(lambda: run("moves", "3", "--state", "held").count(" held ") == 2, "they are not held")
    assert run("moves", "3", "--done") == "2 users of move 3\n"
    listed = run("moves")
    assert "POOL" in listed and first.address not in listed
    assert json.loads(run("moves", "--json", "--limit", "2"))["moves"][0]["move"] == 3
    wait_until(lambda: "carol" in run("moves", "3", "--state", "done"), "they are not moved")
    assert run("moves", "3", "--undo") == "2 users of move 3\n"
    proxied.logged_in("erin")
    assert second.address in run("move", "--from", first.address, "--to", second.address, "--pattern", "e*")
    assert "expected USER and BACKEND" in run("move", "alice", code=1)
    assert "--hold: expected a time" in run("move", "alice", second.address, "--hold=5", code=1)
    assert "either --from BACKEND or --users FILE" in run("move", "--to", second.address, code=1)
    assert "expected USER and either" in run("move", "--done", code=1)
    assert "there is no move 99" in run("moves", "99", "--stop", code=1)
    assert "expected MOVE" in run("moves", "--undo", code=1)
