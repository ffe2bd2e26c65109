"""Health checks: what takes a backend out, how soon, that no login notices, and how it comes back."""

import collections
import contextlib
import imaplib
import os
import signal
import threading
import time
import urllib.error

import pytest

from admin_api import OPERATOR, READER, Api, admin_section
from certificates import Authority
from dovecot import Dovecot
from fake_backend import PASSWORD, End, FakeBackend, Pause, Script
from headgate_process import configuration
from raw_client import BACKEND_DOWN, MOVED, RawClient
from server_process import freeze_group
from unreachable import Refusing, Unanswering

# Quick enough for tests: out within fall × failed_interval + timeout, about 700 ms.
QUICK = {
    "interval": "200ms",
    "failed_interval": "100ms",
    "timeout": "300ms",
    "fall": 2,
    "rise": 2,
    "slow_start": "0ms",
}
ACCOUNT = {"level": "login", "user": "probe", "password": PASSWORD.decode()}
PATIENT = {"connect_timeout": "5s", "login_timeout": "10s"}


Place = collections.namedtuple("Place", "address")


def start(proxied, *backends, health=None, **pool):
    entries = [b if isinstance(b, dict) else {"address": b.address} for b in backends]
    return proxied.start(*entries, pool={**PATIENT, "health": {**QUICK, **(health or {})}, **pool})


def preferred(first, second):
    """Two backends, of which (nearly) every user's first choice is `first`."""
    return {"address": first.address, "weight": 10_000}, {"address": second.address, "weight": 1}


def state(metrics, backend):
    [name] = [
        labels["state"]
        for labels, value in metrics.matching("headgate_backend_state", backend=backend.address)
        if value == 1
    ]
    return name


def wait_for_state(gate, backend, wanted, timeout=5.0):
    return gate.wait_for_metrics(lambda metrics: state(metrics, backend) == wanted, timeout)


def users_of(backend):
    return [c.user.decode() for c in backend.connections if c.user not in (None, b"probe")]


BAD = {
    "hangs after accept": ({}, Script(greeting=[End.HANG])),
    "hangs after its greeting": (ACCOUNT, Script(login=[End.HANG])),
    "greets with BYE": ({}, Script(greeting=[b"* BYE full\r\n", End.CLOSE])),
    "resets": ({}, Script(greeting=[End.RESET])),
    "refuses the test account": (ACCOUNT, Script(login=[b"{tag} NO not now\r\n"])),
    "is slower than the timeout": (ACCOUNT, Script(login=[Pause(1.0), b"{tag} OK in\r\n"])),
}


@pytest.mark.parametrize("how", BAD)
def test_a_backend_that_fails_its_checks_is_taken_out_before_a_login_notices(proxied, how):
    health, script = BAD[how]
    bad, good = proxied.backend(script, strict=False), proxied.backend()
    gate = start(proxied, *preferred(bad, good),
                 health={**health, "panic_below": "0%"})
    wait_for_state(gate, bad, "down")
    for number in range(5):
        began = time.monotonic()
        proxied.logged_in(f"user{number}")
        assert time.monotonic() - began < 1.0
    assert len(users_of(good)) == 5 and users_of(bad) == []
    metrics = gate.metrics()
    assert state(metrics, good) == "up"
    assert metrics.value("headgate_backend_up", backend=bad.address) == 0
    assert metrics.value("headgate_backend_failures_total") == 0, "no login found out"
    assert metrics.value("headgate_backend_checks_total", backend=bad.address, result="failed") >= 1
    [line] = gate.log.find("backend state", state="down")
    assert line["backend"] == bad.address and line["failure"] and line["level"] == "warning"


@pytest.mark.parametrize("kind", [Refusing, Unanswering])
def test_a_backend_that_cannot_be_reached_is_taken_out(proxied, kind):
    bad, good = proxied.keep(kind()), proxied.backend()
    gate = start(proxied, bad, good)
    metrics = wait_for_state(gate, bad, "down")
    assert state(metrics, good) == "up"


def test_a_bad_certificate_takes_a_backend_out(proxied, authority, tmp_path):
    stranger = Authority(tmp_path / "stranger")
    bad = proxied.backend(Script(tls="implicit"), certificate=stranger.issue("server"), strict=False)
    good = proxied.backend(Script(tls="implicit"))
    gate = start(proxied, bad, good, tls="implicit", ca=str(authority.ca))
    wait_for_state(gate, bad, "down")
    metrics = gate.wait_for_metrics(
        lambda m: m.value("headgate_backend_checks_total", backend=good.address, result="passed") > 0)
    assert state(metrics, good) == "up"
    assert metrics.value("headgate_backend_check_seconds", backend=good.address, stage="tls") > 0
    [line] = gate.log.find("backend state", state="down")
    assert line["failure"] == "backend_tls"


def test_starttls_and_the_mailbox_are_checked_where_that_is_asked_for(proxied, authority):
    backend = proxied.backend(Script(tls="starttls"))
    gate = start(proxied, backend, tls="starttls", ca=str(authority.ca),
                 health={**ACCOUNT, "level": "mailbox"})
    gate.wait_for_metrics(
        lambda m: m.value("headgate_backend_checks_total", result="passed") >= 2)
    commands = b"".join(backend.connections[0].session)
    assert commands == b"H SELECT INBOX\r\nH NOOP\r\nH LOGOUT\r\n"
    metrics = gate.metrics()
    for stage in ("connect", "tls", "greeting", "login", "mailbox"):
        assert metrics.value("headgate_backend_check_seconds", stage=stage) > 0, stage


def test_a_backend_that_is_back_starts_slowly_and_gets_its_weight(proxied):
    first, second = proxied.backend(), proxied.backend()
    host, port = first.address.rsplit(":", 1)
    gate = start(proxied, first, second, health={"slow_start": "2s"})
    gate.wait_for_metrics(
        lambda m: m.value("headgate_backend_checks_total", backend=first.address) > 0)
    first.stop_listening()
    wait_for_state(gate, first, "down")
    back = proxied.keep(FakeBackend(host=host, port=int(port)))
    metrics = wait_for_state(gate, back, "starting")
    assert metrics.value("headgate_backend_weight_ratio", backend=back.address) < 1
    assert metrics.value("headgate_backend_up", backend=back.address) == 1
    early = [proxied.logged_in(f"early{number}") for number in range(16)]
    wait_for_state(gate, back, "up")
    assert gate.metrics().value("headgate_backend_weight_ratio", backend=back.address) == 1
    for client in early:
        client.close()
    came_early = len(users_of(back))
    assert came_early < 16
    for number in range(16):
        proxied.logged_in(f"late{number}")
    assert len(users_of(back)) > came_early
    states = [line["state"] for line in gate.log.find("backend state", backend=back.address)]
    assert states == ["down", "starting", "up"]


def test_a_login_that_fails_has_the_backend_checked_at_once(proxied):
    """With an interval of a minute, the checks alone would not know for long."""
    first, second = proxied.backend(), proxied.backend()
    gate = start(proxied, *preferred(first, second),
                 health={"interval": "1m", "panic_below": "0%"})
    gate.wait_for_metrics(
        lambda m: m.value("headgate_backend_checks_total", backend=first.address) == 1)
    first.stop_listening()
    began = time.monotonic()
    proxied.logged_in("alice")
    wait_for_state(gate, first, "down")
    assert time.monotonic() - began < 3
    assert users_of(second) == ["alice"]


def test_when_most_fail_their_checks_the_checks_are_not_believed(proxied):
    """The test account is gone: the users' logins go on where they were."""
    backends = [proxied.backend(Script(passwords={b"probe": b"changed"})) for _ in range(3)]
    gate = start(proxied, *backends, health=ACCOUNT)
    for backend in backends:
        wait_for_state(gate, backend, "panic")
    for number in range(16):
        proxied.logged_in(f"user{number}")
    assert sum(len(users_of(one)) > 0 for one in backends) > 1, "by policy, not one after another"
    assert gate.metrics().value("headgate_backend_up") == 0, "and it shows"
    with pytest.raises(urllib.error.HTTPError, match="503"):
        gate.get("/readyz")


def test_users_with_live_sessions_leave_a_backend_that_was_taken_out(proxied):
    first, second = proxied.backend(strict=False), proxied.backend()
    gate = start(proxied, *preferred(first, second),
                 health={"panic_below": "0%"})
    old = proxied.logged_in("alice")
    assert users_of(first) == ["alice"]
    first.scripts = (Script(greeting=[End.HANG]),)
    wait_for_state(gate, first, "down")
    began = time.monotonic()
    proxied.logged_in("alice")
    assert time.monotonic() - began < 1.0
    assert users_of(second) == ["alice"]
    assert old.rest() == MOVED, "never at two backends at once"


def test_a_login_under_way_at_a_backend_that_is_taken_out_goes_elsewhere(proxied):
    falls_silent = threading.Event()
    silent = proxied.backend(
        Script(login=lambda _: [End.HANG] if falls_silent.is_set() else [b"{tag} OK in\r\n"]),
        strict=False)
    good = proxied.backend()
    gate = start(proxied, silent, good, health={**ACCOUNT, "panic_below": "0%"},
                 policy="first", connect_timeout="500ms", login_timeout="60s")
    wait_for_state(gate, silent, "up")
    falls_silent.set()
    began = time.monotonic()
    assert proxied.logged_in("alice").command("NOOP")[1] == b"OK done"
    assert time.monotonic() - began < 10
    assert users_of(silent) == ["alice"] and users_of(good) == ["alice"]
    [line] = gate.log.find("backend attempt failed", failure="connect_timeout")
    assert line["detail"].startswith("taken out by health checks")


def test_a_backend_that_lets_users_in_slowly_loses_weight_and_gets_it_back(proxied):
    delay = {"seconds": 0.3}
    slow = proxied.backend(Script(login=lambda c: [Pause(delay["seconds"]), b"{tag} OK in\r\n"]))
    others = [proxied.backend(), proxied.backend()]
    gate = start(proxied, slow, *others, policy="round_robin", health={"slow": {
        "multiple": 3, "above": "100ms", "window": "1s", "least_logins": 1, "most_share": "40%"}})

    def log_in_until(condition):
        deadline = time.monotonic() + 15
        number = 0
        while not condition(gate.metrics()):
            assert time.monotonic() < deadline, gate.metrics().text
            proxied.logged_in(f"user{number}").close()
            number += 1

    def ratio(metrics):
        return metrics.value("headgate_backend_weight_ratio", backend=slow.address)

    log_in_until(lambda metrics: ratio(metrics) <= 0.3 and state(metrics, slow) == "slow")
    metrics = gate.metrics()
    assert metrics.value("headgate_backend_login_p95_seconds", backend=slow.address) >= 0.3
    assert metrics.value("headgate_backend_up") == 3
    for other in others:
        assert metrics.value("headgate_backend_weight_ratio", backend=other.address) == 1
    delay["seconds"] = 0
    log_in_until(lambda metrics: ratio(metrics) == 1 and state(metrics, slow) == "up")
    assert [line["state"] for line in gate.log.wait_for("backend state", count=2)] == ["slow", "up"]


def test_sessions_at_a_backend_that_was_taken_out_end_spread_over_a_time(proxied):
    first, second = proxied.backend(strict=False), proxied.backend()
    gate = start(proxied, *preferred(first, second),
                 health={"panic_below": "0%", "end_sessions_over": "1500ms"})
    for number in range(24):
        proxied.logged_in(f"user{number}")
    there = len(users_of(first))
    assert there >= 20
    first.scripts = (Script(greeting=[End.HANG]),)
    wait_for_state(gate, first, "down")
    began = time.monotonic()
    ends = gate.session_ends(there, reason="backend_down")
    assert 0.5 < time.monotonic() - began < 3
    assert {end["backend"] for end in ends} == {first.address}
    assert len({end["time"][:22] for end in ends}) > 6, "in tenths of a second"
    for client in proxied.clients:
        if client.stream.local[1] in {int(end["client"].rsplit(":", 1)[1]) for end in ends}:
            assert client.rest() == BACKEND_DOWN
    assert gate.metrics().value("headgate_backend_sessions", backend=first.address) == 0


def test_sessions_stay_when_the_backend_is_back_before_their_time(proxied):
    first, second = proxied.backend(strict=False), proxied.backend()
    gate = start(proxied, *preferred(first, second),
                 health={"panic_below": "0%", "end_sessions_over": "1h"})
    client = proxied.logged_in("alice")
    good, first.scripts = first.scripts, (Script(greeting=[End.HANG]),)
    wait_for_state(gate, first, "down")
    first.scripts = good
    wait_for_state(gate, first, "up")
    assert client.command("NOOP")[1] == b"OK done"


def test_check_and_explain_say_what_is_checked(proxied):
    gate = start(proxied, proxied.backend(), health=ACCOUNT)
    words = ("level login as probe every 200ms, 100ms after a failure; "
             "out after 2 failed, back after 2 passed")
    assert f"pool main: health checks: {words}\n" in gate.check().stdout
    assert gate.explain("alice")["health_checks"] == words


@pytest.fixture
def dovecots():
    users = {"probe": "a probe", **{f"user{number}": "wonderland" for number in range(8)}}
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Dovecot(users, name=f"dovecot{n}")) for n in (1, 2)]


def all_log_in(gate):
    """Every user, one after the other; none may wait for the backend that is gone."""
    for number in range(8):
        with RawClient(gate.address("plain")) as client:
            client.greeting()
            began = time.monotonic()
            assert client.login(f"user{number}", "wonderland").startswith(b"OK")
            assert time.monotonic() - began < 2


@pytest.mark.servers
def test_a_real_server_that_stops_or_dies_is_out_at_once_and_comes_back(
    dovecots, start_headgate, certificate
):
    """Checked up to the mail store. SIGSTOP leaves a kernel that accepts, SIGKILL one that refuses."""
    first, second = dovecots
    with imaplib.IMAP4(first.address, first.port) as mailbox:
        mailbox.login("probe", "a probe")
        mailbox.append("INBOX", "", None, b"Subject: a message to read\r\n\r\nText\r\n")
    health = {**QUICK, "timeout": "1s", "slow_start": "500ms", "level": "mailbox",
              "user": "probe", "password": "a probe"}
    gate = start_headgate(configuration(
        certificate, [str(one.endpoint()) for one in dovecots], pool={**PATIENT, "health": health}))
    ends = {one: Place(str(one.endpoint())) for one in dovecots}
    for one in dovecots:
        gate.wait_for_metrics(lambda m, one=one: m.value(
            "headgate_backend_checks_total", backend=ends[one].address, result="passed") > 1)
    all_log_in(gate)
    group = first.process.pid
    freeze_group(group)
    try:
        wait_for_state(gate, ends[first], "down", timeout=4)
        all_log_in(gate)
    finally:
        os.killpg(group, signal.SIGCONT)
    wait_for_state(gate, ends[first], "up")
    all_log_in(gate)
    os.killpg(group, signal.SIGKILL)
    first.process.wait()
    wait_for_state(gate, ends[first], "down", timeout=2)
    all_log_in(gate)
    first.start()
    wait_for_state(gate, ends[first], "up")
    assert state(gate.metrics(), ends[second]) == "up"
    assert not gate.log.find("backend state", backend=ends[second].address)
    assert gate.metrics().value("headgate_logins_total", result="ok") == 32


def test_a_reload_without_checks_gives_back_what_they_took(proxied, tmp_path):
    backend, other = proxied.backend(), proxied.backend()
    proxied.secrets += [OPERATOR, READER]
    gate = proxied.start(backend, other, admin=admin_section(tmp_path),
                         pool={**PATIENT, "health": {**QUICK, "slow_start": "1h", "panic_below": "0%"}})
    good, backend.scripts = backend.scripts, (Script(greeting=[End.HANG]),)
    wait_for_state(gate, backend, "down")
    backend.scripts = good
    wait_for_state(gate, backend, "starting")

    def weight_away():
        return Api(gate).get("status")["pools"][0]["weight_away"]

    assert weight_away() > 0.4
    del gate.config["pools"]["main"]["health"]
    gate.reload()
    deadline = time.monotonic() + 15
    while weight_away() > 0:
        assert time.monotonic() < deadline, "the weight has stayed away"
        time.sleep(0.02)
