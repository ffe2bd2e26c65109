"""Pools whose backends DNS names (pools.NAME.srv): what an answer changes, and what stays when there
is none."""

import json
import subprocess
import urllib.error

import pytest

from admin_api import Api, admin_section
from dns_server import SERVFAIL, srv
from headgate_process import binary, configuration

NAME = "_imap._tcp.cluster.example"
CHANGED = "backends changed by SRV"
NO_ANSWER = "SRV name has no answer that can be used"


@pytest.fixture
def start(proxied, dns, tmp_path):
    """start(**keys of srv) → a Headgate whose one pool goes by the test's DNS server."""

    def run(pool=None, **keys):
        section = {"name": NAME, "servers": [dns.address], "refresh_least": "1s", **keys}
        config = configuration(proxied.certificate, [], admin=admin_section(tmp_path),
                               pool={"srv": section, "connect_timeout": "1s", **(pool or {})})
        del config["pools"]["main"]["backends"]
        return proxied.start_config(config)

    return run


def target(host, backend, **more):
    """A record that leads to a fake backend; `host` is under cluster.example."""
    return srv(f"{host}.cluster.example", int(backend.address.rpartition(":")[2]), **more)


def backend_names(gate):
    return {entry["backend"] for entry in Api(gate).get("backends")["backends"]}


def wait_for_backends(gate, count):
    return gate.wait_for_metrics(
        lambda metrics: len(metrics.matching("headgate_backend_weight", pool="main")) == count)


def test_backends_their_ports_weights_and_priorities_come_from_the_records(proxied, dns, start):
    first, second, spare = (proxied.backend() for _ in range(3))
    dns.hosts(mail1="127.0.0.1", mail2="127.0.0.1", mail3="127.0.0.1")
    dns.srv(NAME, target("mail1", first, weight=0), target("mail2", second, weight=7),
            target("mail3", spare, priority=20))
    gate = start(pool={"policy": "first"}, max_sessions=5)

    backends = {one["backend"].partition(".")[0]: one for one in Api(gate).get("backends")["backends"]}
    assert {host: (one["weight"], one["configured_weight"], one["backup"], one["max_sessions"])
            for host, one in backends.items()} == {
        "mail1": (1, 1, False, 5), "mail2": (7, 7, False, 5), "mail3": (100, 100, True, 5)}
    assert backends["mail1"]["addresses"] == [first.address]
    proxied.logged_in("alice")
    assert first.connections[0].user == b"alice"

    status = Api(gate).get("status")
    assert status["pools"][0]["srv"]["name"] == NAME
    assert status["pools"][0]["srv"]["answered"] > 0
    assert status["pools"][0]["srv"]["failure"] == ""
    metrics = gate.metrics()
    assert metrics.value("headgate_srv_backends", pool="main") == 3
    assert metrics.value("headgate_srv_lookups_total", pool="main", result="taken") >= 1
    assert metrics.value("headgate_srv_answer_timestamp_seconds", pool="main") > 0
    explained = gate.explain("alice")
    assert explained["backend"].startswith("mail1.cluster.example:")
    shown = subprocess.run([binary(), "explain", "--config", gate.config_file, "alice"],
                           capture_output=True, text=True, timeout=20, check=True)
    assert "backend mail1.cluster.example:" in shown.stdout and not shown.stderr
    assert explained["pool_reason"].endswith(f"; backends by SRV {NAME}")
    assert f"pool main: backends by SRV {NAME}" in gate.check().stdout


def test_another_answer_changes_the_backends_and_leaves_sessions_alone(proxied, dns, start):
    first, second = proxied.backend(), proxied.backend()
    dns.hosts(mail1="127.0.0.1", mail2="127.0.0.1")
    dns.srv(NAME, target("mail1", first))
    gate = start()
    staying = proxied.logged_in("alice")

    dns.srv(NAME, target("mail2", second))
    changes = gate.log.wait_for(CHANGED, 3, pool="main", srv=NAME)
    assert [entry["change"].partition(".")[0] for entry in changes] == [
        "added mail1", "mail1", "added mail2"]
    metrics = gate.wait_for_metrics(
        lambda metrics: metrics.value("headgate_backend_draining", pool="main") == 1)
    assert metrics.value("headgate_backend_sessions", pool="main") == 1
    proxied.logged_in("bob")
    assert second.connections[0].user == b"bob"
    assert staying.command("NOOP")[1] == b"OK done"
    # As at a reload: who comes again goes where the pool is now, and the old session ends.
    proxied.logged_in("alice")
    assert second.connections[1].user == b"alice"
    assert gate.session_ends(1, reason="moved")[0]["user"] == "alice"
    wait_for_backends(gate, 1)


def test_only_users_whom_a_new_target_gets_move_there(proxied, dns, start):
    backend = proxied.backend()
    dns.hosts(**{f"mail{n}": "127.0.0.1" for n in range(1, 5)})
    records = [target(f"mail{n}", backend) for n in range(1, 5)]
    dns.srv(NAME, *records[:3])
    gate = start()
    api = Api(gate)

    def homes():
        return {user: api.get("explain", user=f"user{user}")["backend"].partition(".")[0]
                for user in range(60)}

    before = homes()
    dns.srv(NAME, *reversed(records))
    wait_for_backends(gate, 4)
    moved = {user: home for user, home in homes().items() if home != before[user]}
    assert set(moved.values()) == {"mail4"} and 5 <= len(moved) <= 25, moved


@pytest.mark.parametrize("what", ["gone", "failing", "silent", "not offered", "too many"])
def test_what_was_known_stays_while_there_is_no_answer_to_take(proxied, dns, start, what):
    backend = proxied.backend()
    dns.hosts(mail1="127.0.0.1")
    good = target("mail1", backend)
    dns.srv(NAME, good)
    gate = start(most_backends=2)

    if what == "gone":
        del dns.records[(NAME, 33)]
    elif what == "failing":
        dns.rcode = SERVFAIL
    elif what == "silent":
        dns.silent = True
    elif what == "not offered":
        dns.srv(NAME, srv("", 0, 0, 0))
    else:  # too long for UDP as well
        dns.srv(NAME, *(target(f"mail{n}", backend) for n in range(40)))
    line = gate.log.wait_for(NO_ANSWER, pool="main", srv=NAME)[0]
    assert line["error"] == {
        "gone": "there is no such name",
        "failing": "no server has an answer",
        "silent": "no server has an answer",
        "not offered": "no target can be used: .:0: the service is not offered there",
        "too many": "40 targets, more than most_backends (2)"}[what]
    assert line["backends_kept"] == 1
    proxied.logged_in("alice")
    status = Api(gate).get("status")
    assert status["ready"] and status["pools"][0]["srv"]["failure"] == line["error"]
    gate.wait_for_metrics(
        lambda metrics: metrics.value("headgate_srv_lookups_total", pool="main", result="failed") >= 1)

    dns.rcode, dns.silent = 0, False
    dns.srv(NAME, good)
    gate.log.wait_for("SRV name is answered again", pool="main")
    assert len(gate.log.wait_for(NO_ANSWER)) == 1, "a failure that goes on is one line"


def test_without_an_answer_at_the_start_logins_wait_for_the_first_one(proxied, dns, start):
    backend = proxied.backend()
    gate = start()
    client = proxied.enter()
    assert client.login("alice").startswith(b"NO [UNAVAILABLE]")
    with pytest.raises(urllib.error.HTTPError) as refused:
        gate.get("/readyz")
    assert f"pool main: SRV {NAME}: there is no such name" in refused.value.read().decode()
    refused.value.close()
    status = subprocess.run(
        [binary(), "explain", "--config", gate.config_file, "alice"],
        capture_output=True, text=True, timeout=20, check=False)
    assert status.returncode == 1 and "no backend of pool main takes this user now" in status.stderr

    dns.hosts(mail1="127.0.0.1")
    dns.srv(NAME, target("mail1", backend))
    gate.log.wait_for(CHANGED)
    gate.wait_for_metrics(lambda metrics: metrics.value("headgate_backend_up", pool="main") == 1)
    proxied.logged_in("alice")
    assert "ready" in gate.get("/readyz")


def test_targets_that_cannot_be_backends_are_left_out(proxied, dns, start):
    backend = proxied.backend()
    dns.hosts(mail1="127.0.0.1")
    dns.srv(NAME, target("mail1", backend), srv("mail1.cluster.example", 0),
            srv("mail9.elsewhere.example", 143))
    gate = start(within="cluster.example")
    line = gate.log.wait_for("SRV targets left out")[0]
    assert line["targets"] == ("mail1.cluster.example:0: port 0, "
                               "mail9.elsewhere.example:143: not within cluster.example")
    assert backend_names(gate) == {f"mail1.cluster.example:{backend.address.rpartition(':')[2]}"}
    assert gate.metrics().value("headgate_srv_targets_left_out", pool="main") == 2
    proxied.logged_in("alice")


def test_what_operators_have_ordered_holds_for_a_target_that_comes_back(proxied, dns, start):
    first, second = proxied.backend(), proxied.backend()
    dns.hosts(mail1="127.0.0.1", mail2="127.0.0.1")
    both = target("mail1", first), target("mail2", second)
    dns.srv(NAME, *both)
    gate = start()
    api = Api(gate)
    name = f"mail2.cluster.example:{second.address.rpartition(':')[2]}"
    api.post(f"backends/main/{name}/weight", {"weight": 3})
    api.post(f"backends/main/{name}/drain", {})

    dns.srv(NAME, both[0])
    wait_for_backends(gate, 1)
    dns.srv(NAME, *both)
    wait_for_backends(gate, 2)
    entry = next(one for one in api.get("backends")["backends"] if one["backend"] == name)
    assert (entry["weight"], entry["configured_weight"], entry["service"]) == (3, 100, "draining")
    for user in range(8):
        proxied.logged_in(f"user{user}")
    assert not second.logins()


def test_a_reload_asks_at_once(proxied, dns, start):
    first, second = proxied.backend(), proxied.backend()
    dns.hosts(mail1="127.0.0.1", mail2="127.0.0.1")
    dns.srv(NAME, target("mail1", first, ttl=3600))
    gate = start(refresh="1h")
    dns.srv(NAME, target("mail2", second, ttl=3600))
    gate.reload()
    proxied.logged_in("alice")
    assert second.connections[0].user == b"alice"
    assert json.dumps(Api(gate).get("status")).count(NAME) == 1


def test_status_says_where_the_backends_come_from(proxied, dns, start, tmp_path):
    backend = proxied.backend()
    dns.hosts(mail1="127.0.0.1")
    dns.srv(NAME, target("mail1", backend))
    gate = start()
    url = f"http://{gate.admin[0]}:{gate.admin[1]}"
    shown = subprocess.run(
        [binary(), "status", "--admin", url, "--token-file", tmp_path / "alice.token"],
        capture_output=True, text=True, timeout=20, check=False)
    assert shown.returncode == 0, shown.stderr
    assert f"pool main: 1 backends by SRV {NAME}\n" in shown.stdout
