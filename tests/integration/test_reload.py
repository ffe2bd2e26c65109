"""A changed configuration comes into force while the process runs: whole or not at all, and without
anybody noticing who is under way."""

import copy
import hashlib
import os
import socket
import ssl
import threading
import time

import pytest

from admin_api import OPERATOR, READER, Api, admin_section
from fake_backend import Pause, Script
from headgate_process import REFUSED, configuration
from raw_client import MOVED, RawClient

RELOADS = int(os.environ.get("HEADGATE_RELOADS", "100"))

# A login takes a moment, so that reloads meet many of them under way.
SLOW_LOGIN = Script(login=[Pause(0.02), b"{tag} OK [CAPABILITY IMAP4rev1] Logged in\r\n"])


def changes(entries):
    return [entry["change"] for entry in entries]


def users_of(backend):
    return [connection.user.decode() for connection in backend.connections if connection.user]


# -- what must not be noticed ---------------------------------------------------------------------


class Logins(threading.Thread):
    """Logs in again and again, each time as the next of these users, and notes what was not right."""

    def __init__(self, gate, names, door):
        super().__init__(daemon=True)
        self.gate, self.names, self.door = gate, names, door
        self.done, self.wrong = 0, []
        self.ending = threading.Event()

    def run(self):
        while not self.ending.is_set():
            name = self.names[self.done % len(self.names)]
            try:
                self.log_in(name)
            except Exception as error:  # a refused or reset connection, a Closed, a timeout
                self.wrong.append(f"{name}: {type(error).__name__}: {error}")
            self.done += 1

    def log_in(self, name):
        with RawClient(self.gate.address(self.door), tls=self.door == "imaps") as client:
            reply = client.log_in(name)
            if not reply.startswith(b"OK"):
                self.wrong.append(f"{name}: {reply!r}")
                return
            untagged, tagged = client.command("NOOP")
            if untagged != [b"* OK NOOP"] or tagged != b"OK done":
                self.wrong.append(f"{name}: {untagged} {tagged!r}")

    def finish(self):
        self.ending.set()
        self.join(30)
        assert not self.is_alive()


class Bulk:
    """A transfer from the backend to the client that goes on until it is told to end."""

    CHUNK = bytes(range(256)) * 256

    def __init__(self, client, connection):
        self.client, self.connection = client, connection
        self.ending = threading.Event()
        self.sent, self.received = hashlib.sha256(), hashlib.sha256()
        self.bytes = 0
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self.send, self.receive)]
        for thread in self.threads:
            thread.start()

    def send(self):
        while not self.ending.is_set():
            self.connection.stream.send(self.CHUNK)
            self.sent.update(self.CHUNK)
            self.ending.wait(0.02)
        self.connection.stream.end_writing()

    def receive(self):
        while data := self.client.stream.receive():
            self.received.update(data)
            self.bytes += len(data)

    def finish(self):
        self.ending.set()
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive()
        assert self.received.hexdigest() == self.sent.hexdigest()
        return self.bytes


def test_a_hundred_reloads_in_a_row_lose_no_login_and_touch_no_session(
    proxied, authority, certificate, tmp_path
):
    """Every reload changes pools, routes, users, limits, listeners and certificates."""
    first, second, archive = (proxied.backend(SLOW_LOGIN) for _ in range(3))
    holder = proxied.backend(Script(then="hand_over"))
    passwd = tmp_path / "users.passwd"
    passwd.write_text("".join(f"kept{n}@archive:{{PLAIN}}wonderland\n" for n in range(10)))
    config = configuration(
        certificate,
        [{"address": first.address}],
        workers=2,
        users=[{"source": "passwd_file", "name": "kept", "path": str(passwd), "pool": "archive"},
               {"source": "backend", "pool": "main"}],
        routes=[{"domain": "holder", "pool": "holder"}],
        login={"timeout": "10m"},
    )
    config["pools"]["archive"] = {"backends": [{"address": archive.address}]}
    config["pools"]["holder"] = {"backends": [{"address": holder.address}]}
    gate = proxied.start_config(config)

    idle = [proxied.pair(holder, f"idle{n}@holder", door)
            for n in range(10) for door in ("imaps", "imap", "plain")]
    bulk = Bulk(*proxied.pair(holder, "bulk@holder"))
    waiting = [proxied.enter(door) for door in ("imaps", "imap", "plain")]
    logins = [
        Logins(gate, [f"secure{n}" for n in range(20)], "imaps"),
        Logins(gate, [f"plain{n}" for n in range(20)], "plain"),
        Logins(gate, [f"kept{n}@archive" for n in range(5)], "imaps"),
        Logins(gate, [f"kept{n}@archive" for n in range(5, 10)], "plain"),
    ]
    for thread in logins:
        thread.start()

    other = authority.issue("other")
    base = copy.deepcopy(gate.config)
    for number in range(RELOADS):
        odd = number % 2 == 0
        changed = copy.deepcopy(base)
        if odd:
            pools = dict(changed["pools"])
            pools["main"]["backends"].append({"address": second.address, "weight": 300})
            pools["main"]["connect_timeout"] = "4s"
            # Another place in the list for every pool, and a new one before them.
            changed["pools"] = {"new": {"tls": "implicit", "ca": str(authority.ca),
                                        "backends": [{"address": first.address}]},
                                **dict(reversed(pools.items()))}
            changed["routes"].insert(0, {"domain": "nobody", "pool": "new"})
            changed["users"][0]["deadline"] = "9s"
            changed["users"].insert(1, {"source": "passwd_file", "name": "more", "path": str(passwd),
                                        "pool": "new"})
            changed["limits"] = {"sessions_per_user": 1000 + number}
            changed["relay"] = {"stall_timeout": f"{100 + number}s"}
            changed["listeners"].reverse()
            changed["listeners"].insert(0, {"name": "extra", "address": "127.0.0.1:0", "tls": "none"})
            changed["tls"]["certificates"] = [
                {"certificate": str(other.certificate), "key": str(other.key)}]
        gate.config = changed
        assert gate.reload()
    for thread in logins:
        thread.finish()

    wrong = [line for thread in logins for line in thread.wrong]
    assert not wrong, f"{len(wrong)} wrong: {wrong[:10]}\n{gate.log.text()[-4000:]}"
    done = sum(thread.done for thread in logins)
    print(f"{done} logins during {RELOADS} reloads, {bulk.bytes} bytes of bulk")
    assert done > RELOADS
    assert all(user.endswith("@archive") for user in users_of(archive))
    assert not any(user.endswith("@archive") for user in users_of(first) + users_of(second))
    for client in waiting:  # these came before the first reload
        assert client.login("late", "wonderland").startswith(b"OK")
    for client, connection in idle:
        client.send(b"n NOOP\r\n")
        assert connection.stream.receive() == b"n NOOP\r\n"
        connection.stream.send(b"n OK still here\r\n")
        client.expect(rb"n OK still here")
    still = len(idle) + len(waiting) + 1
    metrics = gate.wait_for_metrics(lambda m: m.value("headgate_sessions", phase="relay") == still)
    assert metrics.value("headgate_config_reloads_total", result="applied") == RELOADS
    assert metrics.value("headgate_config_reloads_total", result="refused") == 0
    assert metrics.value("headgate_session_ends_total", reason="moved") == 0
    assert bulk.finish() > 0


# -- what changes ---------------------------------------------------------------------------------


def test_what_changed_is_in_the_log_and_in_the_metrics(proxied):
    first, second = proxied.backend(), proxied.backend()
    gate = proxied.start(first)
    before = gate.metrics()
    assert before.value("headgate_config_last_reload_success_timestamp_seconds") == 0
    gate.config["pools"]["main"]["backends"][0]["weight"] = 7
    gate.config["pools"]["main"]["backends"].append({"address": second.address})
    gate.config["pools"]["main"]["master"] = {"user": "chief", "password": "never-shown"}
    gate.config["users"] = [{"source": "passwd_file", "path": "users.passwd", "pool": "main"}]
    (gate.directory / "users.passwd").write_text("alice:{PLAIN}wonderland\n")
    proxied.secrets.append("never-shown")
    main = "pools.main"
    assert changes(gate.reload()) == [
        f"{main}.master: added",
        f"{main}.master.user: chief",
        f"{main}.master.password: set, not shown",
        f"{main}.backends[{first.address}].weight: 100 -> 7",
        f"{main}.backends[{second.address}]: added",
        f'{main}.backends[{second.address}].address: "{second.address}"',
        "users[backend]: removed",
        "users[passwd_file]: added",
        "users[passwd_file].source: passwd_file",
        "users[passwd_file].pool: main",
        "users[passwd_file].name: passwd_file",
        f'users[passwd_file].path: "{gate.directory}/users.passwd"',
    ]
    after = gate.metrics()
    assert after.value("headgate_config_reloads_total", result="applied") == 1
    assert after.value("headgate_config_last_reload_successful") == 1
    assert abs(after.value("headgate_config_last_reload_success_timestamp_seconds") - time.time()) < 60
    hashes = [m.matching("headgate_config_info")[0][0]["hash"] for m in (before, after)]
    assert hashes[0] != hashes[1]
    assert after.value("headgate_backend_weight", backend=first.address) == 7
    assert after.matching("headgate_backend_weight", backend=second.address)
    assert changes(gate.reload()) == [], "nothing is different now"


def test_a_file_with_errors_is_refused_whole_and_the_old_one_stays_in_force(proxied, tmp_path):
    backend = proxied.backend()
    gate = proxied.start(backend)
    client = proxied.logged_in("alice")
    good = copy.deepcopy(gate.config)

    def refused(why):
        entries = gate.reload(REFUSED)
        assert any(why in entry["error"] for entry in entries), entries
        gate.config = copy.deepcopy(good)
        proxied.logged_in("bob").close()

    gate.config["pools"]["main"]["backends"][0]["weight"] = "heavy"
    gate.config["limits"] = {"sessions_per_user": 1}
    refused("weight: expected a whole number from 0 to 10000, found 'heavy'")
    gate.config["tls"]["certificates"][0]["key"] = str(tmp_path / "gone.key")
    refused("gone.key")
    broken = tmp_path / "broken.passwd"
    broken.write_text("no colon\n")
    gate.config["users"] = [{"source": "passwd_file", "path": str(broken), "pool": "main"}]
    refused("broken.passwd:1: ")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        gate.config["listeners"].append({"name": "new", "address": address, "tls": "none"})
        gate.config["pools"]["main"]["policy"] = "first"
        refused(f"listener new: bind {address}")
    assert client.command("NOOP")[1] == b"OK done"
    metrics = gate.metrics()
    assert metrics.value("headgate_config_reloads_total", result="refused") == 4
    assert metrics.value("headgate_config_last_reload_successful") == 0
    gate.reload()
    assert gate.metrics().value("headgate_config_last_reload_successful") == 1


def test_keys_that_need_a_restart_are_named_and_nothing_else_is_changed(proxied):
    first, second = proxied.backend(), proxied.backend()
    gate = proxied.start(first, workers=1)
    good = copy.deepcopy(gate.config)
    gate.config["workers"] = 2
    gate.config["relay"] = {"buffer_size": "64KiB"}
    gate.config["admin"] = {"address": "127.0.0.2:0"}
    gate.config["pools"]["main"]["backends"] = [{"address": second.address}]
    gate.reload(REFUSED)
    errors = [entry["error"] for entry in gate.log.wait_for(REFUSED, 3)]
    assert [error.split("only a restart changes this: ")[1] for error in errors] == [
        "workers: 1 -> 2",
        "relay.buffer_size: 96KiB -> 64KiB",
        'admin.address: "127.0.0.1:0" -> "127.0.0.2:0"',
    ]
    proxied.logged_in("alice")
    assert users_of(first) == ["alice"] and not second.connections
    gate.config = good
    gate.reload()


def test_sessions_of_a_pool_that_is_removed_go_on_and_are_seen_until_they_end(proxied):
    kept, gone = proxied.backend(), proxied.backend()
    config = configuration(proxied.certificate, [{"address": kept.address}],
                           routes=[{"domain": "old", "pool": "old"}])
    config["pools"]["old"] = {"max_sessions": 9, "backends": [{"address": gone.address}]}
    gate = proxied.start_config(config)
    client = proxied.logged_in("alice@old")
    assert users_of(gone) == ["alice@old"]
    old = gate.config["pools"].pop("old")
    routes = gate.config.pop("routes")
    gate.reload()
    fresh = proxied.logged_in("bob@old")
    assert users_of(kept) == ["bob@old"] and users_of(gone) == ["alice@old"]
    assert client.command("NOOP")[1] == b"OK done"
    metrics = gate.metrics()
    assert metrics.value("headgate_backend_sessions", pool="old", backend=gone.address) == 1
    assert metrics.value("headgate_backend_draining", pool="old", backend=gone.address) == 1
    # It comes back while the session is there, and is counted as before.
    gate.config["pools"]["old"], gate.config["routes"] = old, routes
    gate.reload()
    metrics = gate.metrics()
    assert metrics.value("headgate_backend_sessions", pool="old", backend=gone.address) == 1
    assert metrics.value("headgate_backend_draining", pool="old", backend=gone.address) == 0
    assert metrics.value("headgate_session_limit_most", scope="pool", of="old") == 1
    gate.config["pools"].pop("old")
    gate.config.pop("routes")
    gate.reload()
    client.close()
    gate.wait_for_metrics(lambda m: not m.matching("headgate_backend_sessions", pool="old"))
    assert fresh.command("NOOP")[1] == b"OK done"


def test_sessions_of_a_user_stay_together_when_their_backend_is_removed(proxied):
    """The old ones go on until the user comes again; then they end, and the mailbox is in one place."""
    first, second = proxied.backend(), proxied.backend()
    gate = proxied.start(first)
    old = proxied.logged_in("alice")
    gate.config["pools"]["main"]["backends"] = [{"address": second.address}]
    gate.reload()
    assert old.command("NOOP")[1] == b"OK done"
    fresh = proxied.logged_in("alice")
    assert users_of(second) == ["alice"]
    assert old.rest() == MOVED
    proxied.end("moved")
    assert fresh.command("NOOP")[1] == b"OK done"


def test_users_come_from_the_new_sources_at_once(proxied, tmp_path):
    backend = proxied.backend(Script(passwords={b"alice": b"one", b"bob": b"two"}))
    proxied.secrets += ["{PLAIN}"]
    first, second = tmp_path / "first.passwd", tmp_path / "second.passwd"
    first.write_text("alice:{PLAIN}one\n")
    second.write_text("bob:{PLAIN}two\n")
    gate = proxied.start(
        backend, users=[{"source": "passwd_file", "path": str(first), "pool": "main"}],
        login={"max_failures": 10})
    early = proxied.enter("plain")
    assert early.login("bob", "two").startswith(b"NO [AUTHENTICATIONFAILED]")
    gate.config["users"][0]["path"] = str(second)
    gate.reload()
    # Also for those who were connected before.
    assert early.login("alice", "one").startswith(b"NO [AUTHENTICATIONFAILED]")
    assert early.login("bob", "two").startswith(b"OK")


def test_a_breaker_and_a_cache_of_an_unchanged_source_go_on(proxied, tmp_path):
    path = tmp_path / "users.passwd"
    path.write_text("alice:{PLAIN}wonderland\n")
    gate = proxied.start(users=[
        {"source": "passwd_file", "path": str(path), "pool": "main", "cache": {"ttl": "1h"}}])
    proxied.logged_in("alice", "plain")
    gate.config["limits"] = {"sessions_per_user": 5}
    gate.reload()
    assert gate.metrics().value("headgate_source_cache_entries") == 1
    proxied.logged_in("alice", "plain")
    assert gate.metrics().value("headgate_source_cache_results_total", result="hit") == 1
    gate.config["users"][0]["cache"]["ttl"] = "2h"
    gate.reload()
    assert gate.metrics().value("headgate_source_cache_entries") == 0
    proxied.logged_in("alice", "plain")
    assert gate.metrics().value("headgate_source_cache_results_total", result="hit") == 1


def test_limits_change_for_those_who_come_and_count_those_who_are_there(proxied):
    gate = proxied.start(limits={"sessions_per_user": 2})
    there = [proxied.logged_in("alice", "plain") for _ in range(2)]
    assert proxied.enter("plain").login().startswith(b"NO [LIMIT]")
    gate.config["limits"]["sessions_per_user"] = 3
    gate.config["listeners"][2]["max_sessions"] = 3
    gate.reload()
    there.append(proxied.logged_in("alice", "plain"))
    assert proxied.enter("plain").login("bob").startswith(b"NO [LIMIT]")
    gate.config["limits"]["sessions_per_user"] = 1
    gate.config["listeners"][2].pop("max_sessions")
    gate.reload()
    assert proxied.enter("plain").login().startswith(b"NO [LIMIT]")
    for client in there:
        assert client.command("NOOP")[1] == b"OK done"


def test_listeners_come_and_go_and_connections_stay(proxied):
    gate = proxied.start()
    staying, going = proxied.logged_in("alice", "plain"), proxied.logged_in("bob", "imap")
    unfinished = proxied.enter("imap")
    imap = gate.address("imap")
    listeners = gate.config["listeners"]
    gate.config["listeners"] = [
        {"name": "new", "address": "127.0.0.1:0", "tls": "none"}, listeners[2], listeners[0]]
    gate.reload()
    assert gate.log.wait_for("no longer listening", listener="imap")
    with pytest.raises(ConnectionRefusedError):
        RawClient(imap)
    proxied.logged_in("carol", "new")
    proxied.logged_in("dave", "plain")
    assert unfinished.login("erin").startswith(b"OK"), "who was in before is not thrown out"
    for client in (staying, going, unfinished):
        assert client.command("NOOP")[1] == b"OK done"
    metrics = gate.metrics()
    assert metrics.value("headgate_sessions", phase="relay", listener="new") == 1
    assert metrics.value("headgate_sessions", phase="relay", listener="imap") == 2
    assert metrics.value("headgate_connections_total", listener="plain") == 2
    # The same socket under another name and mode.
    host, port = gate.address("new")
    gate.config["listeners"][0]["tls"] = "starttls"
    gate.reload()
    with RawClient((host, port)) as client:
        client.greeting()
        assert "LOGINDISABLED" in client.capabilities()


class TlsClient:
    """A handshake whose session can be taken up again."""

    def __init__(self, gate, ca, session=None):
        context = ssl.create_default_context(cafile=str(ca))
        if session is not None:
            context = session[0]
        self.context = context
        plain = socket.create_connection(gate.address("imaps"), timeout=15)
        self.socket = context.wrap_socket(
            plain, server_hostname="localhost", session=session[1] if session else None)
        self.socket.recv(4096)  # the greeting, with the first flight
        self.socket.sendall(b"a NOOP\r\n")
        self.socket.recv(4096)  # comes behind the ticket
        self.serial = self.socket.getpeercert()["serialNumber"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def test_a_replaced_certificate_is_shown_to_the_next_client_and_tickets_go_on(
    proxied, authority, tmp_path
):
    first, second = authority.issue("reload-first"), authority.issue("reload-second")
    files = {"certificate": tmp_path / "c.pem", "key": tmp_path / "k.pem"}
    for name, path in files.items():
        path.write_bytes(getattr(first, name).read_bytes())
    gate = proxied.start(tls={"certificates": [{k: str(v) for k, v in files.items()}]}, workers=2)
    old = proxied.logged_in("alice")
    with TlsClient(gate, authority.ca) as client:
        serial = client.serial
        ticket = client.context, client.socket.session
    for name, path in files.items():
        path.write_bytes(getattr(second, name).read_bytes())
    with TlsClient(gate, authority.ca) as client:
        assert client.serial == serial, "files count when a reload reads them"
    line, = changes(gate.reload())
    assert line.startswith(f"tls.certificates[0], what {files['certificate']} holds: until 20")
    for _ in range(4):  # whichever worker
        with TlsClient(gate, authority.ca) as client:
            assert client.serial != serial
    with TlsClient(gate, authority.ca, ticket) as client:
        assert client.socket.session_reused
    assert old.command("NOOP")[1] == b"OK done"
    # A key that is not the certificate's is refused, and nothing changes.
    files["key"].write_bytes(first.key.read_bytes())
    assert "is not the key" in gate.reload(REFUSED)[0]["error"]
    with TlsClient(gate, authority.ca) as client:
        assert client.serial != serial


def test_a_certificate_near_its_end_is_warned_of(proxied, authority):
    gate = proxied.start()
    ends, = [value for _, value in
             gate.metrics().matching("headgate_certificate_expiry_timestamp_seconds")]
    assert 29 < (ends - time.time()) / 86400 < 31
    assert not gate.log.find("certificate near its end")
    over = authority.issue("over", expired=True)
    gate.config["tls"]["certificates"] = [
        {"certificate": str(over.certificate), "key": str(over.key)}]
    gate.reload()
    warning = gate.log.wait_for("certificate near its end")[0]
    assert warning["certificate"].startswith(f"{over.certificate}: ended on 20")
    ends, = [value for _, value in gate.metrics().matching(
        "headgate_certificate_expiry_timestamp_seconds", certificate=str(over.certificate))]
    assert ends < time.time()
    checked = gate.check()
    assert checked.returncode == 0
    assert f"warning: certificate {over.certificate}: ended on 20" in checked.stderr


def test_a_reload_asked_for_many_times_at_once_ends_in_the_last_file(proxied):
    first, second = proxied.backend(), proxied.backend()
    gate = proxied.start(first)
    for backend in [second, first] * 20 + [second]:
        gate.config["pools"]["main"]["backends"] = [{"address": backend.address}]
        gate.write_config()
        os.kill(gate.process.pid, 1)
    gate.reload()
    gate.reload()  # the first verdict may have been that of an earlier signal
    proxied.logged_in("alice")
    assert users_of(second) == ["alice"] and not first.connections


def test_tokens_of_operators_are_taken_up(proxied, tmp_path):
    proxied.secrets += [OPERATOR, READER, "another-token-of-alice-0123"]
    gate = proxied.start(proxied.backend(), admin=admin_section(tmp_path))
    api = Api(gate)
    assert api.raw("GET", "status")[0] == 200
    (tmp_path / "alice.token").write_text("another-token-of-alice-0123\n")
    gate.config["admin"]["tokens"].append({**gate.config["admin"]["tokens"][0], "name": "carol"})
    gate.reload(REFUSED)  # two with one token
    assert api.raw("GET", "status")[0] == 200
    gate.config["admin"]["tokens"].pop()
    gate.config["admin"]["move_rate"] = 7
    gate.reload()
    assert api.raw("GET", "status")[0] == 401
    assert api.raw("POST", "kick", {"pattern": "*"}, token="another-token-of-alice-0123")[0] == 200
    gate.config["admin"]["state_file"] = str(tmp_path / "state.json")
    gate.reload(REFUSED)
