"""SASL mechanisms: which are offered, tokens from the client to the backend, and how pools log in."""

import base64
import imaplib
import json
import ssl
import subprocess

import pytest

from fake_backend import PASSWORD, Script
from raw_client import plain_response
from scenarios.other_clients import imapflow_is_let_in

TOKEN = "ya29.A0_token-with.every~kind+of/letter=="
TOKENS = {"login": "token"}
BOTH = (b"XOAUTH2", b"OAUTHBEARER")


def tokens_backend(proxied, token=TOKEN, ir=True, mechanisms=BOTH, **more):
    words = b"IMAP4rev1 ID AUTH=PLAIN " + b" ".join(b"AUTH=" + name for name in mechanisms)
    proxied.secrets.append(token[:200])
    return proxied.backend(
        Script(
            capabilities=words + (b" SASL-IR" if ir else b""),
            mechanisms=(b"PLAIN", *mechanisms),
            passwords={b"alice": token.encode()},
            **more,
        )
    )


def message(mechanism, token, user="alice"):
    """The base64 of a client's one message."""
    begin = f"user={user}" if mechanism == b"XOAUTH2" else f"n,a={user}," if user else "n,,"
    return base64.b64encode(f"{begin}\1auth=Bearer {token}\1\1".encode())


def authenticate(client, mechanism, token, initial=True, user="alice"):
    """Sends the token; the next line from Headgate that is not untagged."""
    if initial:
        client.send(b"t AUTHENTICATE %s %s\r\n" % (mechanism, message(mechanism, token, user)))
    else:
        client.send(b"t AUTHENTICATE %s\r\n" % mechanism)
        client.expect(rb"\+ ")
        client.send(message(mechanism, token, user) + b"\r\n")
    while (line := client.line()).startswith(b"* "):
        pass
    return line


def mechanisms(client):
    return {word[5:] for word in client.capabilities() if word.startswith("AUTH=")}


@pytest.mark.parametrize("initial", [True, False], ids=["at once", "when asked"])
@pytest.mark.parametrize("mechanism", BOTH)
def test_a_token_goes_on_to_the_backend_by_the_mechanism_it_came_with(proxied, mechanism, initial):
    backend = tokens_backend(proxied, ir=initial)
    proxied.start(backend, pool=TOKENS)
    client = proxied.enter()
    assert authenticate(client, mechanism, TOKEN, initial).startswith(b"t OK [CAPABILITY")
    connection = backend.connections[0]
    assert (connection.mechanism, connection.user) == (mechanism, b"alice")
    assert connection.password == TOKEN.encode()
    assert client.command("NOOP")[1].startswith(b"OK")


def test_a_backend_with_one_of_the_two_mechanisms_gets_that_one(proxied):
    backend = tokens_backend(proxied, mechanisms=(b"XOAUTH2",))
    proxied.start(backend, pool=TOKENS)
    assert authenticate(proxied.enter(), b"OAUTHBEARER", TOKEN).startswith(b"t OK")
    assert backend.connections[0].mechanism == b"XOAUTH2"


@pytest.mark.parametrize("initial", [True, False], ids=["at once", "when asked"])
def test_a_token_of_8_kib_passes_within_the_default_limits(proxied, initial):
    token = "long" * 2048
    backend = tokens_backend(proxied, token, ir=initial)
    proxied.start(backend, pool=TOKENS)
    assert authenticate(proxied.enter(), b"OAUTHBEARER", token, initial).startswith(b"t OK")
    assert backend.connections[0].password == token.encode()


@pytest.mark.parametrize(
    ("mechanism", "dummy", "status"),
    [(b"XOAUTH2", b"", "400"), (b"OAUTHBEARER", b"AQ==", "invalid_token")],
)
def test_a_refused_token_is_explained_and_then_refused(proxied, mechanism, dummy, status):
    backend = tokens_backend(proxied)
    proxied.start(backend, pool=TOKENS)
    proxied.secrets.append("wrong-token")
    client = proxied.enter()
    challenge = authenticate(client, mechanism, "wrong-token")
    assert challenge.startswith(b"+ "), challenge
    assert json.loads(base64.b64decode(challenge[2:]))["status"] == status
    client.send(dummy + b"\r\n")
    client.expect(rb"t NO \[AUTHENTICATIONFAILED\] Authentication failed\.")
    assert authenticate(client, mechanism, TOKEN).startswith(b"t OK")


def test_an_unavailable_backend_is_no_reason_to_fetch_another_token(proxied):
    backend = proxied.backend(
        Script(
            capabilities=b"IMAP4rev1 SASL-IR AUTH=XOAUTH2",
            mechanisms=BOTH,
            login=[b"{tag} NO [UNAVAILABLE] not now\r\n"],
        )
    )
    proxied.start(backend, pool={**TOKENS, "login_timeout": "300ms"})
    assert authenticate(proxied.enter(), b"XOAUTH2", TOKEN).startswith(b"t NO [UNAVAILABLE]")


def test_a_token_without_a_name_is_nobodys_where_only_the_backend_judges(proxied):
    proxied.start(proxied.backend(unreachable=True), pool=TOKENS)
    client = proxied.enter()
    challenge = authenticate(client, b"OAUTHBEARER", TOKEN, user="")
    assert json.loads(base64.b64decode(challenge[2:]))["status"] == "invalid_token"
    client.send(b"AQ==\r\n")
    client.expect(rb"t NO \[AUTHENTICATIONFAILED\] .*")


def test_imaplib_logs_in_with_xoauth2_and_learns_of_a_refusal(proxied, authority):
    proxied.start(tokens_backend(proxied), pool=TOKENS)
    host, port = proxied.gate.address("imaps")
    context = ssl.create_default_context(cafile=str(authority.ca))
    client = imaplib.IMAP4_SSL(host, port, ssl_context=context, timeout=15)
    challenges = []

    def answer(token):
        def respond(challenge):
            challenges.append(challenge)
            return f"user=alice\1auth=Bearer {token}\1\1" if len(challenges) == 1 else ""

        return respond

    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        client.authenticate("XOAUTH2", answer("stale"))
    assert json.loads(challenges[1])["status"] == "400"
    challenges.clear()
    assert client.authenticate("XOAUTH2", answer(TOKEN))[0] == "OK"
    client.logout()


@pytest.mark.parametrize("extra", [[], ["--sasl-ir"]], ids=["asked", "initial response"])
@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_curl_logs_in_with_a_bearer_token(proxied, authority, mechanism, extra):
    backend = tokens_backend(proxied)
    # curl takes what it likes best of what is offered.
    listeners = [{"name": "imaps", "address": "127.0.0.1:0", "sasl": [mechanism]}]
    proxied.start(backend, pool=TOKENS, listeners=listeners)
    port = proxied.gate.port("imaps")
    command = ["curl", "--silent", "--show-error", "--max-time", "15", "--user", "alice:"]
    command += ["--cacert", str(authority.ca), "--login-options", f"AUTH={mechanism}"]
    for token, code in ((TOKEN, 0), ("stale", 67)):
        done = subprocess.run(
            [*command, *extra, "--oauth2-bearer", token, f"imaps://127.0.0.1:{port}/", "-X", "NOOP"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert done.returncode == code, done.stderr
    assert backend.connections[0].mechanism == mechanism.encode()


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"])
def test_imapflow_logs_in_by_every_mechanism_it_has(proxied, authority, mechanism):
    by_token = mechanism.encode() in BOTH
    backend = tokens_backend(proxied) if by_token else proxied.backend(Script())
    listeners = [{"name": "imaps", "address": "127.0.0.1:0", "sasl": [mechanism]}]
    proxied.start(backend, pool=TOKENS if by_token else None, listeners=listeners)
    for secret, accepted in ((TOKEN if by_token else PASSWORD.decode(), True), ("stale", False)):
        auth = {"user": "alice", "accessToken": secret}
        if not by_token:
            auth = {"user": "alice", "pass": secret, "loginMethod": f"AUTH={mechanism}"}
        assert imapflow_is_let_in(*proxied.gate.address("imaps"), authority.ca, auth) == accepted
    [refused] = proxied.gate.log.wait_for("login failed")
    assert refused["mechanism"] == mechanism


def test_only_what_a_source_can_serve_is_offered(proxied, tmp_path):
    proxied.start(proxied.backend(unreachable=True))
    client = proxied.enter()
    assert mechanisms(client) == {"PLAIN", "LOGIN"}
    refusal = client.command(b"AUTHENTICATE XOAUTH2 " + message(b"XOAUTH2", TOKEN))[1]
    assert refusal.startswith(b"NO [CANNOT]")
    (tmp_path / "users").write_text("alice:{PLAIN}sesame\n")
    users = [{"source": "passwd_file", "path": str(tmp_path / "users"), "pool": "main"}]
    proxied.start(proxied.backend(unreachable=True), pool=TOKENS, users=users)
    assert mechanisms(proxied.enter()) == {"PLAIN", "LOGIN"}
    proxied.start(proxied.backend(unreachable=True), pool=TOKENS)
    assert mechanisms(proxied.enter()) == {"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"}


def test_a_listener_can_be_for_tokens_alone(proxied):
    listeners = [
        {"name": "imaps", "address": "127.0.0.1:0", "sasl": ["OAUTHBEARER"]},
        {"name": "imap", "address": "127.0.0.1:0", "tls": "starttls", "sasl": ["XOAUTH2", "PLAIN"]},
    ]
    backend = tokens_backend(proxied)
    proxied.start(backend, pool=TOKENS, listeners=listeners)
    client = proxied.enter("imaps")
    assert mechanisms(client) == {"OAUTHBEARER"}
    assert "LOGINDISABLED" in client.capabilities()
    assert client.login().startswith(b"NO [CANNOT]")
    plain = plain_response("alice", PASSWORD.decode())
    for refused in (b"PLAIN " + plain, b"XOAUTH2 " + message(b"XOAUTH2", TOKEN)):
        assert client.command(b"AUTHENTICATE " + refused)[1].startswith(b"NO [CANNOT]")
    assert not backend.connections
    assert authenticate(client, b"OAUTHBEARER", TOKEN).startswith(b"t OK")
    other = proxied.connect("imap")
    other.greeting()
    refused = authenticate(other, b"XOAUTH2", TOKEN)
    assert refused.startswith(b"t NO [PRIVACYREQUIRED]")
    other.starttls()
    assert mechanisms(other) == {"XOAUTH2", "PLAIN"}
    assert "LOGINDISABLED" not in other.capabilities()


def test_a_token_is_no_password_for_sources_of_passwords(proxied, tmp_path):
    # A file that has the token as a password must not let it in, nor refuse it for the next source.
    (tmp_path / "users").write_text(f"alice:{{PLAIN}}{TOKEN}x\n")
    backend = tokens_backend(proxied)
    users = [
        {"source": "passwd_file", "path": str(tmp_path / "users"), "pool": "main"},
        {"source": "backend", "pool": "main"},
    ]
    proxied.start(backend, pool=TOKENS, users=users)
    assert authenticate(proxied.enter(), b"XOAUTH2", TOKEN).startswith(b"t OK")
    client = proxied.enter()
    assert client.login("alice", TOKEN).startswith(b"NO [AUTHENTICATIONFAILED]")


def passwd_file(tmp_path):
    (tmp_path / "users").write_text("alice:{PLAIN}sesame\n")
    return [{"source": "passwd_file", "path": str(tmp_path / "users"), "pool": "main"}]


def test_a_pool_may_have_one_secret_for_all_users(proxied, tmp_path):
    proxied.secrets += ["sesame", "common-secret"]
    backend = proxied.backend(Script(passwords={b"alice": b"common-secret"}), forbidden=[b"sesame"])
    pool = {"login": "secret", "secret": "common-secret"}
    proxied.start(backend, pool=pool, users=passwd_file(tmp_path))
    client = proxied.enter()
    assert client.login("alice", "common-secret").startswith(b"NO [AUTHENTICATIONFAILED]")
    assert not backend.connections
    assert client.login("alice", "sesame").startswith(b"OK")
    assert backend.logins() == [(b"alice", b"common-secret")]


def test_a_pool_may_trust_headgates_certificate(proxied, tmp_path, authority):
    own = authority.issue("headgate-client", names=("headgate.example.org",), addresses=())
    backend = proxied.backend(
        Script(
            tls="implicit",
            capabilities=b"IMAP4rev1 SASL-IR AUTH=EXTERNAL LOGINDISABLED",
            mechanisms=(b"EXTERNAL",),
        ),
        client_ca=authority.ca,
        forbidden=[b"sesame"],
    )
    pool = {
        "tls": "implicit",
        "ca": str(authority.ca),
        "login": "external",
        "client_certificate": {"certificate": str(own.certificate), "key": str(own.key)},
    }
    proxied.start(backend, pool=pool, users=passwd_file(tmp_path))
    client = proxied.enter()
    assert client.login("alice", "wrong").startswith(b"NO [AUTHENTICATIONFAILED]")
    assert client.login("alice", "sesame").startswith(b"OK")
    connection = backend.connections[0]
    assert (connection.mechanism, connection.user) == (b"EXTERNAL", b"alice")
    names = connection.stream.tls.getpeercert()["subjectAltName"]
    assert names == (("DNS", "headgate.example.org"),)
