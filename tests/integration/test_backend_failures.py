"""Backends that refuse, hang, lie or break: what the client is told, and who is tried next."""

import time

import pytest

from certificates import Authority
from fake_backend import (
    BEFORE_LOGIN,
    PASSWORD,
    End,
    FakeBackend,
    Pause,
    Script,
)
from unreachable import Refusing, Unanswering

QUICK = {"connect_timeout": "500ms", "login_timeout": "5s"}


def first_and_second(proxied, first, second, **pool):
    """Starts with two backends, of which (nearly) every user's first choice is `first`."""
    return proxied.start(
        {"address": first.address, "weight": 10_000},
        {"address": second.address, "weight": 1},
        pool={**QUICK, **pool},
    )


@pytest.mark.parametrize("kind", [Refusing, Unanswering])
def test_a_backend_that_cannot_be_reached_makes_room_for_the_next(proxied, kind):
    first, second = proxied.keep(kind()), proxied.backend()
    first_and_second(proxied, first, second)
    began = time.monotonic()
    assert proxied.logged_in("user1").command("NOOP")[1] == b"OK done"
    assert time.monotonic() - began < 3
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_backend_failures_total", backend=first.address) == 1
    assert metrics.value("headgate_backend_up", backend=first.address) == 0
    assert metrics.value("headgate_backend_up", backend=second.address) == 1


@pytest.mark.parametrize("kind", [Refusing, Unanswering])
def test_a_user_whose_only_backend_cannot_be_reached_is_told_to_come_back(proxied, kind):
    proxied.start(proxied.keep(kind()), pool={"connect_timeout": "500ms", "login_timeout": "1s"})
    client = proxied.enter()
    began = time.monotonic()
    assert client.login().startswith(b"NO [UNAVAILABLE]")
    assert time.monotonic() - began < 3
    assert client.command("NOOP")[1].startswith(b"OK"), "the session goes on"


def test_one_login_tries_a_backend_that_has_failed_and_the_others_do_not_wait_for_it(proxied):
    silent, second = proxied.keep(Unanswering()), proxied.backend()
    proxied.start({"address": silent.address, "weight": 10_000}, {"address": second.address, "weight": 1},
                  pool={"connect_timeout": "1s", "login_timeout": "20s", "retry_after": "100ms"}, workers=1)
    proxied.logged_in("user0")
    proxied.gate.wait_for_metrics(lambda m: m.value("headgate_backend_up", backend=silent.address) == 1)
    waiting = [proxied.enter("plain") for _ in range(8)]
    for number, client in enumerate(waiting):
        client.send(f"a LOGIN user{number + 1} wonderland\r\n".encode())
    for client in waiting:
        client.expect(rb"a OK .*")
    # One found out that it fails, one tried again; on a slow machine its time may be over before the last has come.
    failures = proxied.gate.metrics().value("headgate_backend_failures_total", backend=silent.address)
    assert 2 <= failures <= 4
    assert len(second.logins()) == 9


def test_a_backend_that_failed_is_tried_last_for_a_while_and_first_again_later(proxied):
    dead, second = Refusing(), proxied.backend()
    host, port = dead.address.rsplit(":", 1)
    first_and_second(proxied, dead, second, retry_after="300ms")
    proxied.logged_in("user1").close()
    began = time.monotonic()
    proxied.logged_in("user1").close()
    assert (
        proxied.gate.metrics().value("headgate_backend_failures_total", backend=dead.address) == 1
    )
    dead.close()
    back = proxied.keep(FakeBackend(host=host, port=int(port)))
    while not back.connections:
        proxied.logged_in("user1").close()
        assert time.monotonic() - began < 10, "never tried again"
        time.sleep(0.05)
    assert proxied.gate.metrics().value("headgate_backend_up", backend=back.address) == 1


def test_a_wrong_password_is_tried_at_one_backend_only_and_its_words_do_not_pass(proxied):
    words = b"The backend's very own words, host mail7.internal"
    first = proxied.backend(Script(login=[b"{tag} NO [AUTHENTICATIONFAILED] " + words + b"\r\n"]))
    second = proxied.backend(unreachable=True)
    first_and_second(proxied, first, second)
    client = proxied.enter()
    reply = client.login("user1", "guess")
    assert reply.startswith(b"NO [AUTHENTICATIONFAILED] ")
    assert words not in reply and b"mail7" not in reply
    assert len(first.logins()) == 1
    assert proxied.gate.metrics().value("headgate_backend_failures_total") == 0


def test_an_unknown_user_and_a_wrong_password_get_the_same_reply(proxied):
    replies = {
        b"known": b"NO wrong password",
        b"unknown": b"NO [AUTHENTICATIONFAILED] no such user known here",
    }
    proxied.start(proxied.backend(Script(login=lambda c: [b"{tag} " + replies[c.user] + b"\r\n"])))
    client = proxied.enter()
    assert client.login("known", "guess") == client.login("unknown", "guess")


CODES = {
    # backend's reply to LOGIN: what the client is told, whether another backend is tried
    b"NO": (b"AUTHENTICATIONFAILED", False),
    b"NO [AUTHENTICATIONFAILED]": (b"AUTHENTICATIONFAILED", False),
    b"NO [AUTHORIZATIONFAILED]": (b"AUTHORIZATIONFAILED", False),
    b"NO [EXPIRED]": (b"EXPIRED", False),
    b"NO [CONTACTADMIN]": (b"CONTACTADMIN", False),
    b"NO [LIMIT]": (b"LIMIT", False),
    b"NO [UNAVAILABLE]": (b"UNAVAILABLE", True),
    b"NO [INUSE]": (b"UNAVAILABLE", True),
    b"NO [unavailable]": (b"UNAVAILABLE", True),
}


@pytest.mark.parametrize("reply", CODES, ids=lambda reply: reply.decode())
def test_a_refusal_of_the_backend_becomes_one_of_ours(proxied, reply):
    code, elsewhere = CODES[reply]
    first = proxied.backend(Script(login=[b"{tag} " + reply + b" secret words\r\n"]))
    second = proxied.backend(*([] if elsewhere else [Script()]), unreachable=not elsewhere)
    first_and_second(proxied, first, second)
    client = proxied.enter()
    answer = client.login("user1")
    if elsewhere:
        assert answer.startswith(b"OK"), answer
    else:
        assert answer.startswith(b"NO [" + code + b"] "), answer
        assert b"secret words" not in answer
    assert len(first.logins()) == 1


@pytest.mark.parametrize("reply", CODES, ids=lambda reply: reply.decode())
def test_a_refusal_of_the_only_backend_has_its_code(proxied, reply):
    code, _ = CODES[reply]
    proxied.start(
        proxied.backend(Script(login=[b"{tag} " + reply + b" secret words\r\n"])), pool=QUICK
    )
    client = proxied.enter()
    answer = client.login()
    assert answer.startswith(b"NO [" + code + b"] "), answer
    assert b"secret words" not in answer


BREAKS = {
    "BAD": [b"{tag} BAD secret words\r\n"],
    "an end": [End.CLOSE],
    "a reset": [End.RESET],
    "BYE and an end": [b"* BYE secret words\r\n", End.CLOSE],
    "half a reply and an end": [b"{tag} O", End.CLOSE],
    "garbage": [b"\xff\xfe\0\0garbage\r\n"],
    "another tag": [b"zzz99 OK in\r\n", End.HANG],
    "a continuation nobody asked for": [b"+ tell me more\r\n", End.HANG],
}


@pytest.mark.parametrize("form", BREAKS)
def test_a_backend_that_breaks_off_the_login_is_unavailable_and_gives_no_words(proxied, form):
    proxied.start(
        proxied.backend(Script(login=BREAKS[form])),
        pool={"connect_timeout": "500ms", "login_timeout": "1s"},
    )
    client = proxied.enter()
    reply = client.login()
    assert reply.startswith((b"NO [UNAVAILABLE] ", b"NO [SERVERBUG] ")), reply
    assert b"secret words" not in reply
    assert client.command("NOOP")[1].startswith(b"OK")


def test_who_has_sessions_at_a_backend_that_breaks_off_a_login_gets_one_more_try_there(proxied):
    """As when Dovecot reloads: it ends the logins under way, and goes on with the sessions."""
    broken = Script(login=[End.CLOSE])
    backend = proxied.backend(Script(), broken, Script(), broken)
    other = proxied.backend()
    proxied.start(backend, other, pool={**QUICK, "policy": "first"})
    session = proxied.logged_in()
    second = proxied.logged_in()
    assert [connection.logged_in for connection in backend.connections] == [True, False, True]
    assert proxied.gate.log.wait_for("backend attempt failed", failure="backend_protocol")
    # Once: then the login fails, and the sessions stay together.
    assert proxied.enter().login().startswith(b"NO [UNAVAILABLE]")
    assert len(backend.connections) == 5 and not other.connections
    for client in (session, second):
        assert client.command("NOOP")[1] == b"OK done"


def test_a_login_that_hangs_ends_at_its_deadline_and_the_log_names_both_states(proxied):
    proxied.start(proxied.backend(Script(login=[End.HANG])), pool={"login_timeout": "1s"})
    client = proxied.enter()
    began = time.monotonic()
    assert client.login().startswith(b"NO [UNAVAILABLE]")
    assert 0.9 < time.monotonic() - began < 3
    entries = [e for e in proxied.gate.log.wait_for("login failed") if "timeout" in str(e)]
    assert entries, "no line about the timeout"
    assert any("client_state" in entry and "backend_state" in entry for entry in entries), entries


def test_a_backend_that_is_only_slow_is_waited_for(proxied):
    login = [Pause(1.0), b"{tag} OK [CAPABILITY IMAP4rev1] in\r\n"]
    script = Script(login=login, greeting=[Pause(0.3), b"* OK ready\r\n"])
    proxied.start(proxied.backend(script), pool={"connect_timeout": "1s", "login_timeout": "10s"})
    assert proxied.logged_in().command("NOOP")[1] == b"OK done"


def test_a_backend_with_logins_disabled_sees_no_password(proxied):
    capabilities = b"IMAP4rev1 LOGINDISABLED"
    proxied.start(
        proxied.backend(Script(capabilities=capabilities), forbidden=[PASSWORD]), pool=QUICK
    )
    client = proxied.enter()
    assert client.login().startswith((b"NO [SERVERBUG]", b"NO [UNAVAILABLE]"))


# -- TLS to the backend ---------------------------------------------------------------------------


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_a_backend_behind_verified_tls_is_used(proxied, authority, tls):
    backend = proxied.backend(Script(tls=tls))
    proxied.start(backend, pool={"tls": tls, "ca": str(authority.ca)})
    assert proxied.logged_in().command("NOOP")[1] == b"OK done"
    assert backend.connections[0].stream.tls is not None
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_tls_handshakes_total", side="backend", result="ok") == 1


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_a_backend_whose_certificate_nobody_trusts_sees_no_password(proxied, tmp_path, tls):
    other = Authority(tmp_path / "other", "Another CA")
    backend = proxied.backend(Script(tls=tls), forbidden=[PASSWORD])
    proxied.start(backend, pool={**QUICK, "tls": tls, "ca": str(other.ca)})
    client = proxied.enter()
    assert client.login().startswith(b"NO [UNAVAILABLE]")
    proxied.gate.log.wait_for("login failed")
    assert "certificate" in proxied.gate.log.text().lower(), "the log does not say why"


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_a_backend_whose_certificate_has_another_name_sees_no_password(proxied, authority, tls):
    wrong = authority.issue("wrong-name", names=("other.example.org",), addresses=("192.0.2.1",))
    backend = proxied.backend(Script(tls=tls), forbidden=[PASSWORD], certificate=wrong)
    proxied.start(backend, pool={**QUICK, "tls": tls, "ca": str(authority.ca)})
    client = proxied.enter()
    assert client.login().startswith(b"NO [UNAVAILABLE]")
    proxied.gate.log.wait_for("login failed")
    text = proxied.gate.log.text().lower()
    assert "mismatch" in text or "name" in text


def test_a_backend_whose_certificate_is_too_old_sees_no_password(proxied, authority):
    backend = proxied.backend(
        Script(tls="implicit"),
        forbidden=[PASSWORD],
        certificate=authority.issue("old", expired=True),
    )
    proxied.start(backend, pool={**QUICK, "tls": "implicit", "ca": str(authority.ca)})
    client = proxied.enter()
    assert client.login().startswith(b"NO [UNAVAILABLE]")
    proxied.gate.log.wait_for("login failed")
    assert "expired" in proxied.gate.log.text().lower()


def test_verification_can_be_turned_off(proxied, tmp_path):
    backend = proxied.backend(Script(tls="implicit"))
    proxied.start(backend, pool={"tls": "implicit", "verify": False})
    proxied.logged_in()
    assert backend.logins() == [(b"alice", PASSWORD)]


def test_a_backend_that_speaks_no_tls_where_it_should_sees_no_password(proxied, authority):
    backend = proxied.backend(Script(), forbidden=[PASSWORD], strict=False)  # gets a ClientHello
    proxied.start(backend, pool={**QUICK, "tls": "implicit", "ca": str(authority.ca)})
    client = proxied.enter()
    assert client.login().startswith(b"NO [UNAVAILABLE]")


@pytest.mark.parametrize(
    "script",
    [
        Script(capabilities=b"IMAP4rev1 ID AUTH=PLAIN"),
        Script(tls="starttls", starttls=[b"{tag} NO not now\r\n", End.HANG]),
        Script(tls="starttls", starttls=[b"{tag} BAD what\r\n", End.HANG]),
    ],
    ids=["not listed", "NO", "BAD"],
)
def test_a_backend_that_refuses_starttls_sees_no_password(proxied, authority, script):
    backend = proxied.backend(script, forbidden=[PASSWORD], strict=False)
    proxied.start(
        backend,
        pool={
            "connect_timeout": "1s",
            "login_timeout": "2s",
            "tls": "starttls",
            "ca": str(authority.ca),
        },
    )
    client = proxied.enter()
    assert client.login().startswith((b"NO [SERVERBUG]", b"NO [UNAVAILABLE]"))


def test_bytes_that_a_backend_sends_in_the_clear_behind_starttls_are_void(proxied, authority):
    """Someone in between puts capabilities and a whole login reply behind the OK."""
    injected = (
        b"{tag} OK begin\r\n* CAPABILITY IMAP4rev1 X-INJECTED LOGINDISABLED\r\n* BYE injected\r\n"
    )
    backend = proxied.backend(Script(tls="starttls", starttls=[injected]))
    proxied.start(backend, pool={**QUICK, "tls": "starttls", "ca": str(authority.ca)})
    client = proxied.enter()
    reply = client.login()
    assert b"injected" not in reply.lower()
    assert reply.startswith((b"OK", b"NO [UNAVAILABLE]")), reply


def test_the_capabilities_before_starttls_are_not_believed_after_it(proxied, authority):
    script = Script(
        tls="starttls",
        greeting=[b"* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready\r\n"],
        capabilities=BEFORE_LOGIN,
    )
    backend = proxied.backend(script)
    proxied.start(backend, pool={**QUICK, "tls": "starttls", "ca": str(authority.ca)})
    proxied.logged_in()
    assert backend.connections[0].id is not None, "ID is listed only after TLS"


def test_the_session_survives_a_client_that_leaves_while_the_next_backend_is_tried(proxied):
    dead, second = proxied.keep(Unanswering()), proxied.backend(unreachable=True)
    first_and_second(proxied, dead, second, connect_timeout="2s")
    client = proxied.enter()
    client.send(b"a LOGIN user1 wonderland\r\n")
    time.sleep(0.2)  # the connect is under way; it ends with the client, not with its deadline
    client.reset()
    [end] = proxied.gate.session_ends(1)
    assert end["reason"] in ("client_reset", "client_closed")
