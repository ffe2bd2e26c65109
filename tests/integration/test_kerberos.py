"""GSSAPI from the client's ticket to the backend: a real KDC, and Dovecot's auth service behind the source
dovecot_auth."""

import base64

import pytest

import dovecot_config
from dovecot import Dovecot
from fake_backend import Script

gssapi = pytest.importorskip("gssapi", reason="scripts/setup installs python3-gssapi")

from kerberos import REALM, GssapiClient, Kdc  # noqa: E402 (it needs the one above)

pytestmark = pytest.mark.servers

PASSWORDS = {"alice": "ticket-please", "bob": "another-ticket"}
MASTER = Script(passwords={b"headgate-master": b"mastersecret"})
AUTH = """\
auth_mechanisms = gssapi gss-spnego plain
auth_krb5_keytab = @KEYTAB@
auth_gssapi_hostname = localhost
service auth {
  unix_listener {directory}/auth-headgate {
    mode = 0600
  }
}
""" + dovecot_config.by_version(
    """\
import_environment = $import_environment KRB5_CONFIG=@CONFIG@ KRB5RCACHENAME=none:
auth_username_format = %Ln
""",
    """\
import_environment {
  KRB5_CONFIG = @CONFIG@
  KRB5RCACHENAME = none:
}
auth_username_format = %{user | username | lower}
""",
)


@pytest.fixture(scope="module")
def realm():
    # One keytab for several services, as hosts have it; Dovecot takes tickets for imap alone.
    with Kdc(PASSWORDS, ["imap/localhost", "smtp/localhost", "imap/elsewhere"]) as kdc:
        before = pytest.MonkeyPatch()
        before.setenv("KRB5_CONFIG", str(kdc.config_file))
        yield kdc
        before.undo()


@pytest.fixture(scope="module")
def dovecot(realm):
    more = AUTH.replace("@CONFIG@", str(realm.config_file)).replace("@KEYTAB@", str(realm.keytab))
    with Dovecot({}, more=more) as instance:
        yield instance


@pytest.fixture
def backend(proxied, dovecot):
    """Headgate with this source in front of an obedient backend."""
    backend = proxied.backend(MASTER)
    proxied.secrets.extend(["mastersecret", *PASSWORDS.values()])
    proxied.start(
        backend,
        pool={"master": {"user": "headgate-master", "password": "mastersecret"}},
        users=[
            {
                "source": "dovecot_auth",
                "pool": "main",
                "dovecot_auth": {
                    "servers": [str(dovecot.directory / "auth-headgate")],
                    "checks_passwords": True,
                },
            }
        ],
        listeners=[
            {
                "name": "imaps",
                "address": "127.0.0.1:0",
                "tls": "implicit",
                "sasl": ["PLAIN", "GSSAPI", "GSS-SPNEGO"],
            }
        ],
        login={"max_failures": 100},
    )
    return backend


def authenticate(client, answer, initial, mechanism=b"GSSAPI"):
    """AUTHENTICATE until the tagged reply, which is returned without its tag."""
    command = b"s AUTHENTICATE " + mechanism
    if initial:
        command += b" " + (base64.b64encode(answer(b"")) or b"=")
    client.send(command + b"\r\n")
    while True:
        line = client.line()
        if line.startswith(b"s "):
            return line[2:]
        if line.startswith(b"+ "):
            client.send(base64.b64encode(answer(base64.b64decode(line[2:]))) + b"\r\n")


@pytest.mark.parametrize("initial", [True, False], ids=["initial_response", "empty_challenge"])
def test_a_ticket_lets_its_user_in(proxied, backend, dovecot, initial):
    client = proxied.enter()
    assert "AUTH=GSSAPI" in client.capabilities()
    alice = GssapiClient("alice", PASSWORDS["alice"])
    assert authenticate(client, alice.answer, initial).startswith(b"OK"), dovecot.log()
    assert alice.context.complete, "the service has shown as well who it is"
    assert backend.connections[0].user == b"headgate-master"
    assert backend.connections[0].authorization == b"alice"
    assert client.command("NOOP")[1].startswith(b"OK"), "the relay begins behind the rounds"
    client.close()
    assert proxied.end()["user"] == "alice"
    metrics = proxied.gate.metrics()
    source = {"source": "dovecot_auth"}
    assert metrics.value("headgate_source_results_total", result="accepted", **source) == 1
    # The empty challenge before the first message is Headgate's own or Dovecot's; two are in any case.
    assert metrics.value("headgate_source_results_total", result="challenged", **source) >= 2


def test_the_same_within_spnego(proxied, backend, dovecot):
    alice = GssapiClient("alice", PASSWORDS["alice"], mechanism="1.3.6.1.5.5.2")
    reply = authenticate(proxied.enter(), alice.answer, True, b"GSS-SPNEGO")
    assert reply.startswith(b"OK"), reply.decode() + dovecot.log()
    assert backend.connections[0].authorization == b"alice"


def test_the_own_name_may_be_asked_for_and_no_other(proxied, backend, dovecot):
    own = GssapiClient("alice", PASSWORDS["alice"], authorization=f"alice@{REALM}")
    assert authenticate(proxied.enter(), own.answer, True).startswith(b"OK"), dovecot.log()
    other = GssapiClient("bob", PASSWORDS["bob"], authorization="alice")
    reply = authenticate(proxied.enter(), other.answer, True)
    assert reply.startswith(b"NO [AUTH"), reply
    assert proxied.gate.log.wait_for("login failed", mechanism="GSSAPI")
    assert [each.authorization for each in backend.connections] == [b"alice"]


@pytest.mark.parametrize("service", ["smtp@localhost", "imap@elsewhere"])
def test_a_ticket_for_another_service_is_refused(proxied, backend, service):
    client = proxied.enter()
    stranger = GssapiClient("alice", PASSWORDS["alice"], ticket_for=service)
    assert authenticate(client, stranger.answer, True).startswith(b"NO [AUTHENTICATIONFAILED]")
    failed = proxied.gate.log.wait_for("login failed", mechanism="GSSAPI")[0]
    assert failed["failure"] == "wrong_credentials"
    again = GssapiClient("alice", PASSWORDS["alice"])
    assert authenticate(client, again.answer, True).startswith(b"OK"), "the connection goes on"
    assert len(backend.connections) == 1


def test_without_a_ticket_nobody_gets_in(proxied, backend):
    client = proxied.enter()
    with pytest.raises(gssapi.exceptions.GSSError):
        GssapiClient("alice", "not her password")
    client.send(b"s AUTHENTICATE GSSAPI\r\n")
    assert client.line() == b"+ "
    client.send(b"*\r\n")
    assert client.line().startswith(b"s BAD")
    for token in (b"", b"no ticket at all", b"\x60\x81" + b"\xff" * 4000):
        reply = authenticate(client, lambda _, token=token: token, True)
        assert reply.startswith(b"NO [AUTHENTICATIONFAILED]"), (token[:20], reply)
    assert not backend.connections


def test_a_ticket_that_was_changed_on_the_way_is_refused(proxied, backend):
    alice = GssapiClient("alice", PASSWORDS["alice"])
    ticket = bytearray(alice.answer(b""))
    ticket[len(ticket) // 2] ^= 1
    reply = authenticate(proxied.enter(), lambda _: bytes(ticket), True)
    assert reply.startswith(b"NO [AUTHENTICATIONFAILED]"), reply
    assert not backend.connections
