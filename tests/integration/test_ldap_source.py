"""Users in LDAP: the real slapd, started for these tests."""

import time

import pytest

import refusal_times
from fake_backend import PASSWORD, Script
from ldap_server import BASE, SEARCHER, SEARCHER_PASSWORD, Slapd, person
from raw_client import plain_response
from scram_client import Scram
from unreachable import Refusing

pytestmark = pytest.mark.servers

SSHA = "{SSHA}PDgrz64T6deS6Cewf2jv7eLSQkxJAuaN"  # of "sesame"
# Of other passwords, slow enough to be seen: slapd computes the first, Headgate the second.
SLOW_THERE = "{CRYPT}$6$rounds=100000$saltsalt$" + "x" * 86
SLOW_HERE = refusal_times.SLOW_HASH
MASTER = Script(passwords={b"headgate-master": b"mastersecret"})
BACKEND_PORT = 14143
PEOPLE = [
    person("alice", SSHA, mail="alice@example.org", employeeNumber="a1", employeeType="gold", roomNumber="1"),
    person("bob", SSHA, mail="bob@example.org", mailHost="127.0.3.7"),
    person("carol", SSHA, mail="carol@example.org", mailHost="127.0.3.8:14144"),
    person("star*", SSHA, mail="star*@example.org"),
    person("twin1", SSHA, mail="twins@example.org"),
    person("twin2", SSHA, mail="twins@example.org"),
    person("dora", "{CLEARTEXT}sesame", mail="dora@example.org"),
    person("slow1", SLOW_THERE, mail="slow-bind@example.org"),
    person("slow2", SLOW_HERE, mail="slow-fetch@example.org"),
    person("odd", SSHA, mail="odd@example.org", mailHost="no:port:at:all"),
]


@pytest.fixture(scope="module")
def slapds(authority, certificate):
    """Two servers with the same people."""
    servers = [Slapd(certificate, authority.ca, PEOPLE) for _ in range(2)]
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture
def slapd(slapds):
    return slapds[0]


def start(proxied, servers, *backends, ldap=None, source=None, **more):
    proxied.secrets += [SEARCHER_PASSWORD, "mastersecret", "sesame"]
    entry = {
        "source": "ldap",
        "pool": "main",
        "ldap": {
            "servers": servers,
            "bind_dn": SEARCHER,
            "bind_password": SEARCHER_PASSWORD,
            "base": f"ou=people,{BASE}",
            "filter": "(&(objectClass=inetOrgPerson)(mail={user}))",
            "backend_attribute": "mailHost",
            "backend_port": BACKEND_PORT,
            **(ldap or {}),
        },
        **(source or {}),
    }
    more.setdefault("pool", {"master": {"user": "headgate-master", "password": "mastersecret"}})
    more.setdefault("login", {"max_failures": 1000})
    return proxied.start(*backends, users=[entry], **more)


@pytest.mark.parametrize("passwords", ["bind", "fetch"])
@pytest.mark.parametrize("security", ["none", "starttls", "ldaps"])
def test_the_directory_checks_the_password_over_every_kind_of_connection(
    proxied, slapd, authority, passwords, security
):
    backend = proxied.backend(MASTER, forbidden=[b"sesame"])
    ldap = {"passwords": passwords, "user_attribute": "employeeNumber"}
    if security != "none":
        ldap.update(ca=str(authority.ca), starttls=security == "starttls")
    start(proxied, [slapd.tls_url if security == "ldaps" else slapd.url], backend, ldap=ldap)
    client = proxied.enter()
    refused = client.login("alice@example.org", "wrong")
    assert refused.startswith(b"NO [AUTHENTICATIONFAILED]")
    for user, password in [
        ("nobody@example.org", "sesame"),
        ("alice@example.org", ""),
        ("nobody@example.org", ""),
        ("*", "sesame"),
        ("a*@example.org", "sesame"),
        ("alice@example.org)(uid=*", "sesame"),
        ("x)(|(mail=*", "sesame"),
        ("\\2a", "sesame"),
    ]:
        response = plain_response(user, password)
        assert client.command(b"AUTHENTICATE PLAIN " + response)[1] == refused, user
    assert not backend.connections
    assert client.login("alice@example.org", "sesame").startswith(b"OK")
    assert [c.authorization for c in backend.connections] == [b"a1"]
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_source_results_total", source="ldap", result="accepted") == 1
    assert metrics.value("headgate_source_results_total", source="ldap", result="unavailable") == 0


def test_the_attribute_names_the_backend_with_or_without_a_port(proxied, slapd):
    start(proxied, [slapd.url], proxied.backend(unreachable=True))
    assert proxied.gate.explain("bob@example.org")["backend"] == f"127.0.3.7:{BACKEND_PORT}"
    assert proxied.gate.explain("carol@example.org")["backend"] == "127.0.3.8:14144"


def test_an_entry_that_makes_no_sense_is_no_wrong_password(proxied, slapd):
    start(
        proxied,
        [slapd.url],
        proxied.backend(MASTER),
        source={"breaker": {"failures": 1}},
    )
    client = proxied.enter()
    for user in ("twins@example.org", "odd@example.org"):
        assert client.login(user, "sesame").startswith(b"NO [UNAVAILABLE]")
        assert proxied.gate.log.wait_for("user record not understood", user=user)
    assert client.login("star*@example.org", "sesame").startswith(b"OK")


def test_the_backend_checks_where_ldap_only_says_where_the_mailbox_is(proxied, slapd):
    backend = proxied.backend()
    start(
        proxied, [slapd.url], backend, pool={}, ldap={"passwords": "backend"}
    )
    proxied.logged_in("alice@example.org")
    assert backend.logins() == [(b"alice@example.org", PASSWORD)]


def test_a_fetched_password_in_the_clear_serves_scram(proxied, slapd):
    start(
        proxied,
        [slapd.url],
        proxied.backend(MASTER, forbidden=[b"sesame"]),
        ldap={"passwords": "fetch"},
        listeners=[{"name": "imaps", "address": "127.0.0.1:0", "sasl": ["SCRAM-SHA-256"]}],
    )
    client = proxied.enter()
    for user, password in [("dora", "wrong"), ("nobody", "sesame"), ("alice", "sesame")]:
        exchange = Scram(client, user=f"{user}@example.org", password=password)
        assert exchange.run().startswith(b"s NO [AUTHENTICATIONFAILED]"), user
    client = proxied.enter()
    assert Scram(client, user="dora@example.org", password="sesame").run().startswith(b"s OK")


def test_a_certificate_that_is_not_for_the_server_is_no_server(proxied, slapd):
    start(proxied, [slapd.tls_url], proxied.backend(unreachable=True))
    client = proxied.enter()
    assert client.login("alice@example.org", "sesame").startswith(b"NO [UNAVAILABLE]")


@pytest.mark.parametrize("passwords", ["bind", "fetch"])
def test_the_next_server_answers_when_one_refuses_or_hangs(proxied, slapds, passwords):
    dead = proxied.keep(Refusing())
    start(
        proxied,
        [f"ldap://{dead.address}", slapds[0].url, slapds[1].url],
        proxied.backend(MASTER),
        ldap={"passwords": passwords, "connections": 1},
        source={"deadline": "4s"},
    )
    assert proxied.enter().login("alice@example.org", "sesame").startswith(b"OK")
    slapds[0].freeze()
    try:
        assert proxied.enter().login("alice@example.org", "sesame").startswith(b"OK"), "not lost"
        began = time.monotonic()
        assert proxied.enter().login("alice@example.org", "sesame").startswith(b"OK")
        assert time.monotonic() - began < 1, "the server that hangs is asked again"
    finally:
        slapds[0].thaw()


def test_a_server_that_was_restarted_is_connected_to_again(proxied, slapd):
    start(proxied, [slapd.url], proxied.backend(MASTER), ldap={"connections": 1})
    assert proxied.enter().login("alice@example.org", "sesame").startswith(b"OK")
    slapd.end()
    client = proxied.enter()
    assert client.login("alice@example.org", "sesame").startswith(b"NO [UNAVAILABLE]")
    slapd.start()
    assert client.login("alice@example.org", "sesame").startswith(b"OK")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"filter": "(mail=x)"}, "ldap: filter: expected {user} or {local_part} in the filter"),
        ({"filter": "(mail={usr})"}, "found '{usr}'"),
        ({"filter": "(mail={user}"}, "expected a filter in parentheses"),
        ({"servers": ["http://x"]}, "users[0].ldap.servers[0]: expected ldap://HOST[:PORT] or"),
        ({"servers": ["ldaps://x"], "starttls": True}, "found one with TLS from the start"),
        ({"servers": ["ldap://x", "ldap://x"]}, "expected another server, found 'ldap://x' again"),
        ({"hedge_after": "11s"}, "hedge_after: expected at most the source's deadline (10000ms)"),
        ({"servers": []}, "users[0].ldap.servers: expected a list of at least one server"),
        ({"password_attribute": "x"}, "expected nothing unless passwords is fetch"),
        (
            {"forward_attributes": [{"key": "k" * 21, "attribute": "x"}]},
            "users[0].ldap.forward_attributes[0].key: expected 1 to 20 letters, digits, '-' and '_'",
        ),
        (
            {"forward_attributes": [{"key": k, "attribute": "x"} for k in ("tier", "Tier")]},
            "users[0].ldap.forward_attributes[1].key: expected each key once, found 'Tier' again",
        ),
        (
            {"forward_attributes": [{"key": f"k{i}", "attribute": "x"} for i in range(9)]},
            "users[0].ldap.forward_attributes: expected at most 8 attributes, found 9",
        ),
        ({"passwords": "backend"}, "a pool with a master user needs a source that checks"),
    ],
)
def test_a_setting_that_is_wrong_is_refused_with_its_place(proxied, slapd, change, complaint):
    start(proxied, [slapd.url], proxied.backend(unreachable=True))
    gate = proxied.gate
    gate.config["users"][0]["ldap"].update(change)
    done = gate.check()
    assert done.returncode == 1
    assert complaint in done.stderr


@pytest.mark.parametrize("passwords", ["bind", "fetch"])
def test_the_time_of_the_reply_does_not_tell_whether_the_user_exists(proxied, slapd, passwords):
    start(
        proxied,
        [slapd.url],
        proxied.backend(unreachable=True),
        ldap={"passwords": passwords},
        login={"max_failures": 1000, "failure_delay": "0s"},
        guessing={"enabled": False},
    )
    client = proxied.enter()
    refusal_times.assert_they_tell_nothing(client, f"slow-{passwords}@example.org", "nobody@example.org")


@pytest.mark.parametrize("passwords", ["bind", "fetch"])
def test_an_entry_may_hold_a_limit_of_the_user_and_what_backends_are_told(
    proxied, slapd, passwords
):
    backend = proxied.backend(MASTER)
    ldap = {
        "passwords": passwords,
        "max_sessions_attribute": "roomNumber",
        "forward_attributes": [
            {"key": "tier", "attribute": "employeeType"},
            {"key": "none", "attribute": "carLicense"},
        ],
    }
    start(proxied, [slapd.url], backend, ldap=ldap)
    assert proxied.enter().login("alice@example.org", "sesame").startswith(b"OK")
    assert backend.connections[0].id["x-forward-tier"] == b"gold"
    assert "x-forward-none" not in backend.connections[0].id
    assert proxied.enter().login("alice@example.org", "sesame").startswith(b"NO [LIMIT]")
