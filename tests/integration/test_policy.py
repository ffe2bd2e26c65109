"""A policy server that speaks weakforced's HTTP: asked before a login, told how it ended."""

import contextlib
import hashlib
import time

import pytest

from fake_backend import Script
from policy_server import PolicyServer
from scram_client import PASSWORD, Scram, stored
from unreachable import Refusing

NONCE = "between us alone"
KEY = "Basic d2ZvcmNlOnN1cGVy"


@pytest.fixture
def server():
    made = PolicyServer()
    yield made
    made.stop()


def start(proxied, url, **policy):
    proxied.secrets += ["super", NONCE, "d2ZvcmNlOnN1cGVy"]
    return proxied.start(
        proxied.backend(Script(passwords={b"alice": b"wonderland"})),
        login={
            "failure_delay": "0ms",
            "max_failures": 100,
            "policy": {
                "url": url,
                "headers": [{"name": "Authorization", "value": KEY}],
                "nonce": NONCE,
                "exempt": [],
                **policy,
            },
        },
    )


def dovecots_hash(user, password):
    """By the first twelve bits, as Dovecot's auth-policy.c makes it."""
    digest = hashlib.sha256(f"{NONCE}{user}\0{password}".encode()).hexdigest()
    return "0" + digest[:3]


def test_the_server_is_asked_before_and_told_afterwards(proxied, server):
    start(proxied, server.url)
    client = proxied.enter()
    client.command(b'ID ("name" "Phone" "version" NIL)')
    assert client.login("alice", "guess").startswith(b"NO [AUTHENTICATIONFAILED]")
    assert client.login("alice", "wonderland").startswith(b"OK")
    asked = server.commands("allow")
    assert [body["pwhash"] for body in asked] == [
        dovecots_hash("alice", "guess"),
        dovecots_hash("alice", "wonderland"),
    ]
    told = server.wait_for("report", 2)
    assert {(body["success"], body["policy_reject"]) for body in told} == {
        (False, False),
        (True, False),
    }
    for body in asked + told:
        assert body["login"] == "alice"
        assert body["remote"] == "127.0.0.1"
        assert body["protocol"] == "imap"
        assert body["tls"] is True
        assert body["device_id"] == '"name" "Phone" "version" NIL'
        assert body["session_id"]
        assert body["attrs"] == {"listener": "imaps"}
    assert {headers["Authorization"] for _, headers, _ in server.asked} == {KEY}
    asked_of = {"source": "login.policy", "server": server.url}

    def answered():  # nobody waits for the answers to reports
        metrics = proxied.gate.metrics()
        return [
            metrics.value("headgate_lookup_requests_total", **asked_of, result="accepted"),
            metrics.value("headgate_lookup_request_duration_seconds_count", **asked_of),
        ]

    deadline = time.monotonic() + 10
    while answered() != [4, 4] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert answered() == [4, 4]


def test_a_login_that_it_refuses_never_reaches_the_backend_and_looks_like_a_wrong_password(
    proxied, server
):
    start(proxied, server.url)
    client = proxied.enter()
    wrong = client.login("alice", "guess")
    server.verdict = {"status": -1, "msg": "too many diverse passwords"}
    assert client.login("alice", "wonderland") == wrong
    assert len(proxied.backends[0].logins()) == 1
    [line] = proxied.gate.log.wait_for("login failed", failure="policy")
    assert line["detail"] == "too many diverse passwords"
    assert (False, True) in {
        (body["success"], body["policy_reject"]) for body in server.wait_for("report", 2)
    }
    server.verdict = {"status": 0}
    assert client.login("alice", "wonderland").startswith(b"OK")


def test_a_login_that_it_delays_waits(proxied, server):
    start(proxied, server.url)
    server.verdict = {"status": 1, "msg": "slowly"}
    began = time.monotonic()
    assert proxied.enter().login("alice", "wonderland").startswith(b"OK")
    assert time.monotonic() - began > 0.9
    [line] = proxied.gate.log.wait_for("policy server delays a login", user="alice")
    assert line["message"] == "slowly"


@pytest.mark.parametrize("fault", ["hangs", "refuses", "fails", "says nothing"])
@pytest.mark.parametrize("without_answer", ["allow", "refuse"])
def test_without_an_answer_logins_go_on_or_not_as_the_operator_says(
    proxied, server, fault, without_answer
):
    with contextlib.closing(Refusing()) as nobody:
        url = f"http://{nobody.address}/" if fault == "refuses" else server.url
        start(proxied, url, timeout="200ms", without_answer=without_answer)
        if fault == "hangs":
            server.verdict = None
        elif fault == "fails":
            server.status = 500
        elif fault == "says nothing":
            server.verdict = {"state": 0}
        client = proxied.enter()
        wanted = b"OK" if without_answer == "allow" else b"NO [UNAVAILABLE]"
        assert client.login("alice", "wonderland").startswith(wanted)
        if fault != "says nothing":
            assert proxied.gate.log.wait_for("policy server failed")
        # A server that failed is left alone for a second: the next login waits for nobody.
        began = time.monotonic()
        assert proxied.enter().login("alice", "wonderland").startswith(wanted)
        assert fault == "says nothing" or time.monotonic() - began < 0.2


def test_an_exchange_is_asked_about_once_and_without_a_hash(proxied, server, tmp_path):
    users = tmp_path / "users.passwd"
    users.write_text(f"alice:{stored('SCRAM-SHA-256')}\n")
    proxied.secrets += [PASSWORD, "mastersecret"]
    proxied.start(
        proxied.backend(Script(passwords={b"headgate-master": b"mastersecret"})),
        pool={"master": {"user": "headgate-master", "password": "mastersecret"}},
        users=[{"source": "passwd_file", "path": str(users), "pool": "main"}],
        listeners=[{"name": "imaps", "address": "127.0.0.1:0", "tls": "implicit",
                    "sasl": ["SCRAM-SHA-256"]}],
        login={"policy": {"url": server.url, "nonce": NONCE, "exempt": []}},
    )
    assert Scram(proxied.enter()).run().startswith(b"s OK")
    (asked,) = server.commands("allow")
    assert (asked["login"], asked["pwhash"]) == ("alice", "")
    (told,) = server.wait_for("report")
    assert told["success"] is True
    server.verdict = {"status": -1, "msg": "no"}
    assert Scram(proxied.enter()).run().startswith(b"s NO [AUTHENTICATIONFAILED]")


def test_the_exempt_are_neither_asked_about_nor_told(proxied, server):
    start(proxied, server.url, exempt=["127.0.0.0/8"])
    assert proxied.enter().login("alice", "wonderland").startswith(b"OK")
    assert server.asked == []


def test_a_server_may_only_be_told(proxied, server):
    server.verdict = {"status": -1}
    start(proxied, server.url, check=False)
    assert proxied.enter().login("alice", "wonderland").startswith(b"OK")
    assert server.wait_for("report")[0]["success"] is True
    assert server.commands("allow") == []


def test_a_client_that_goes_away_while_the_server_thinks_leaves_nothing_behind(proxied, server):
    start(proxied, server.url)
    server.verdict = None
    client = proxied.enter()
    client.send(b"t LOGIN alice wonderland\r\n")
    server.wait_for("allow")
    client.reset()
    proxied.end("client_reset")
    server.release.set()
    server.verdict = {"status": 0}
    assert proxied.enter().login("alice", "wonderland").startswith(b"OK")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"nonce": None}, "expected nonce or nonce_file, found neither"),
        ({"nonce_file": "/dev/null"}, "nonce_file: expected"),
        ({"check": False, "report": False}, "expected check or report, or the section left out"),
        ({"url": "ftp://x/"}, "login.policy.url: expected"),
        ({"without_answer": "perhaps"}, "login.policy.without_answer: expected"),
        ({"hash_bits": 0}, "login.policy.hash_bits: expected"),
    ],
)
def test_what_makes_no_sense_is_found_by_check(proxied, server, change, expected):
    gate = start(proxied, server.url)
    gate.config["login"]["policy"].update(change)
    for key in [key for key, value in change.items() if value is None]:
        del gate.config["login"]["policy"][key]
    result = gate.check()
    assert result.returncode == 1
    assert expected in result.stderr
