"""The user source auth_http: nginx mail's protocol, byte for byte, and what nginx lacks."""

import base64
import hmac
import threading
import time

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from auth_script import CLOSE, HANG, AuthScript, refused, to_backend
from client_authority import ClientAuthority
from fake_backend import PASSWORD, Script
from headgate_process import configuration
from raw_client import Closed, client_context
from unreachable import Refusing

SESAME = "open sesame 100%"


def letting_in(backend, **headers):
    """Lets in everybody with the password of the fake backend."""

    def answer(request):
        if request.decoded("Auth-Pass") == PASSWORD:
            return to_backend(backend.address, **headers)
        return refused()

    return answer


def limited(backend, allowed):
    """Lets in everybody in `allowed`, who maps users to headers of Headgate's own."""

    def answer(request):
        return to_backend(backend.address, **allowed[request["Auth-User"]])

    return answer


def script(proxied, answer, **options):
    return proxied.keep(AuthScript(answer, **options))


def start(proxied, *scripts, pool=None, source=None, http=None, **more):
    """Headgate before a pool without backends: whatever is reached, a script has named it."""
    config = configuration(
        proxied.certificate,
        [],
        pool=pool,
        users=[
            {
                "source": "auth_http",
                "url": scripts[0] if isinstance(scripts[0], str) else scripts[0].url,
                "http": {
                    "more": [s if isinstance(s, str) else s.url for s in scripts[1:]],
                    **(http or {}),
                },
                **(source or {}),
            }
        ],
        **{
            "login": {"failure_delay": "50ms"},
            "log": {"level": "debug", "format": "json"},
            **more,
        },
    )
    return proxied.start_config(config)


# -- the request ----------------------------------------------------------------------------------


def test_the_request_is_nginx_s_byte_for_byte(proxied):
    backend = proxied.backend()
    auth = script(proxied, letting_in(backend))
    start(proxied, auth, http={"keep_alive": False})
    proxied.logged_in("alice", door="plain")
    assert auth.requests[0].raw == (
        b"GET /mail/auth HTTP/1.0\r\n"
        b"Host: 127.0.0.1\r\n"
        b"Auth-Method: plain\r\n"
        b"Auth-User: alice\r\n"
        b"Auth-Pass: wonderland\r\n"
        b"Auth-Protocol: imap\r\n"
        b"Auth-Login-Attempt: 1\r\n"
        b"Client-IP: 127.0.0.1\r\n"
        b"\r\n"
    )


def test_names_and_passwords_are_escaped_as_nginx_does_it(proxied):
    backend = proxied.backend()
    auth = script(proxied, lambda _: to_backend(backend.address, auth_pass=PASSWORD.decode()))
    start(proxied, auth)
    proxied.secrets.append(SESAME)
    client = proxied.enter()
    assert client.login("al ice%@ex\u00e4mple", SESAME).startswith(b"OK")
    request = auth.requests[0]
    assert request["Auth-User"].encode("latin-1") == "al%20ice%25@ex\u00e4mple".encode()
    assert request["Auth-Pass"] == "open%20sesame%20100%25"
    # Answers are taken as they are: no %XX is undone in them.
    assert backend.logins() == [("al ice%@ex\u00e4mple".encode(), PASSWORD)]


def test_tls_is_told_with_version_and_cipher(proxied):
    auth = script(proxied, letting_in(proxied.backend()))
    start(proxied, auth)
    client = proxied.logged_in("alice", door="imaps")
    request = auth.requests[0]
    assert request["Auth-SSL"] == "on"
    assert request["Auth-SSL-Protocol"] == client.stream.tls.version()
    assert request["Auth-SSL-Cipher"] == client.stream.tls.cipher()[0]


def test_the_addresses_of_a_proxy_header_are_told(proxied):
    auth = script(proxied, letting_in(proxied.backend()))
    listener = {
        "name": "plain",
        "address": "127.0.0.1:0",
        "tls": "none",
        "proxy_protocol": {"trusted": ["127.0.0.0/8"]},
    }
    start(proxied, auth, listeners=[listener])
    client = proxied.connect("plain")
    client.send(b"PROXY TCP4 192.0.2.1 192.0.2.2 123 5678\r\n")
    assert client.log_in().startswith(b"OK")
    request = auth.requests[0]
    names = ["Client-IP", "Proxy-Protocol-Addr", "Proxy-Protocol-Port"]
    names += ["Proxy-Protocol-Server-Addr", "Proxy-Protocol-Server-Port"]
    assert [request[name] for name in names] == [
        "192.0.2.1",
        "192.0.2.1",
        "123",
        "192.0.2.2",
        "5678",
    ]


def test_an_empty_password_and_headers_of_the_operator_go_along(proxied):
    auth = script(proxied, lambda _: refused())
    proxied.secrets.append("nobody knows")
    start(proxied, auth, http={"headers": [{"name": "X-Auth-Key", "value": "nobody knows"}]})
    client = proxied.enter()
    assert client.login("alice", "").startswith(b"NO")
    request = auth.requests[0]
    assert (request["Auth-Pass"], request["X-Auth-Key"]) == ("", "nobody knows")


def test_a_server_may_be_at_a_unix_socket(proxied, tmp_path):
    backend = proxied.backend()
    auth = script(proxied, letting_in(backend), path=str(tmp_path / "auth"))
    start(proxied, auth, http={"keep_alive": False})
    for _ in range(2):
        proxied.logged_in("alice", door="plain")
    assert auth.requests[0].raw.startswith(b"GET /mail/auth HTTP/1.0\r\nHost: localhost\r\nAuth-")
    up = {"server": auth.url, "source": "auth_http"}
    assert proxied.gate.metrics().value("headgate_lookup_server_up", **up) == 1
    auth.close()
    client = proxied.enter()
    assert client.login("alice", "x").startswith(b"NO [UNAVAILABLE]")
    assert proxied.gate.log.wait_for("lookup server failed", address=str(tmp_path / "auth"))


# -- the answer -----------------------------------------------------------------------------------


def test_auth_user_and_auth_pass_are_what_the_backend_gets(proxied):
    backend = proxied.backend(
        Script(passwords={b"a1234": b"for the backend"}), forbidden=[b"sesame"]
    )
    auth = script(
        proxied,
        lambda _: to_backend(backend.address, auth_user="a1234", auth_pass="for the backend"),
    )
    proxied.secrets += [SESAME, "for the backend"]
    start(proxied, auth)
    client = proxied.enter()
    assert client.login("alice", SESAME).startswith(b"OK")
    assert backend.logins() == [(b"a1234", b"for the backend")]


def test_without_auth_pass_a_master_user_of_the_pool_logs_in(proxied):
    backend = proxied.backend(
        Script(passwords={b"headgate-master": b"mastersecret"}), forbidden=[b"sesame"]
    )
    auth = script(proxied, lambda _: to_backend(backend.address))
    proxied.secrets += [SESAME, "mastersecret"]
    start(proxied, auth, pool={"master": {"user": "headgate-master", "password": "mastersecret"}})
    client = proxied.enter()
    assert client.login("alice", SESAME).startswith(b"OK")
    connection = backend.connections[0]
    assert (connection.authorization, connection.user) == (b"alice", b"headgate-master")


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.0 200 OK\r\nAuth-Server: {host}\r\nAuth-Port: {port}\r\n\r\n",
        b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\nauth-status: OK\r\nAUTH-PORT:   {port}  \r\n"
        b"X-Other: 1\r\nAuth-Server:{host}\r\n\r\noops",
        b"HTTP/1.1 100 Continue\r\nAuth-Status: no\r\n\r\n"
        b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nAuth-Status: OK\nAuth-Server: {host}\n"
        b"Auth-Port: {port}\n\n0\r\n\r\n",
    ],
    ids=["no_status_header", "status_500_and_odd_case", "interim_answer_and_bare_line_feeds"],
)
def test_any_answer_that_nginx_takes_is_taken(proxied, reply):
    backend = proxied.backend()
    host, port = backend.address.encode().split(b":")
    auth = script(proxied, lambda _: reply.replace(b"{host}", host).replace(b"{port}", port))
    start(proxied, auth)
    proxied.logged_in("alice")


def test_the_answer_counts_with_its_last_header_whatever_becomes_of_the_body(proxied):
    backend = proxied.backend()
    host, port = backend.address.encode().split(b":")
    head = b"HTTP/1.1 200 OK\r\nAuth-Status: OK\r\nAuth-Server: %b\r\nAuth-Port: %b\r\n" % (
        host,
        port,
    )
    auth = script(proxied, lambda _: head + b"Content-Length: 1000\r\n\r\nhalf of i")
    start(proxied, auth)
    began = time.monotonic()
    proxied.logged_in("alice")
    assert time.monotonic() - began < 2


def test_a_refusal_s_words_and_delay_are_the_script_s(proxied):
    auth = script(proxied, lambda _: refused("No mail today, try tomorrow", wait=1))
    start(proxied, auth)
    client = proxied.enter()
    began = time.monotonic()
    assert client.login("alice", "x") == b"NO [AUTHENTICATIONFAILED] No mail today, try tomorrow"
    assert 0.9 < time.monotonic() - began < 3
    client.login("alice", "x")
    assert [request["Auth-Login-Attempt"] for request in auth.requests] == ["1", "2"]
    assert proxied.gate.log.wait_for("login failed", detail="No mail today, try tomorrow")


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("[UNAVAILABLE] Maintenance", "lookup_unavailable"),
        ("[CONTACTADMIN] Ask us", "account_disabled"),
        ("[EXPIRED] Too old", "expired"),
        ("[X-OWN] Whatever", "wrong_credentials"),
    ],
)
def test_a_refusal_may_bring_its_response_code(proxied, text, failure):
    start(proxied, script(proxied, lambda _: refused(text)))
    client = proxied.enter()
    assert client.login("alice", "x") == b"NO " + text.encode()
    assert proxied.gate.log.wait_for("login failed", failure=failure)


@pytest.mark.parametrize("wait", [0, None])
def test_a_refusal_without_a_wait_ends_the_connection(proxied, wait):
    start(proxied, script(proxied, lambda _: refused("Go away", wait=wait)))
    client = proxied.enter()
    assert client.login("alice", "x") == b"NO [AUTHENTICATIONFAILED] Go away"
    client.expect(rb"\* BYE .*")
    with pytest.raises(Closed):
        client.line()
    assert proxied.end("too_many_failures")


@pytest.mark.parametrize("wait", ["0", "1"])
def test_wait_asks_again_as_the_same_attempt(proxied, wait):
    backend = proxied.backend()

    def answer(_):
        if len(auth.requests) < 3:
            return {"Auth-Status": "WAIT", "Auth-Wait": wait}
        return to_backend(backend.address)

    auth = script(proxied, answer)
    start(proxied, auth)
    began = time.monotonic()
    proxied.logged_in("alice")
    assert time.monotonic() - began >= 2 * int(wait)
    assert [request["Auth-Login-Attempt"] for request in auth.requests] == ["1"] * 3


def test_a_client_that_is_told_to_wait_for_ever_is_ended_by_the_login_s_own_limit(proxied):
    auth = script(proxied, lambda _: {"Auth-Status": "WAIT"})
    start(proxied, auth, login={"timeout": "1s"})
    client = proxied.enter()
    client.send(b"a LOGIN alice x\r\n")
    client.expect(rb"\* BYE .*")
    assert proxied.end("login_timeout")
    assert len(auth.requests) < 30, "asked in a busy loop"


def test_the_backend_may_be_a_host_name(proxied):
    backend = proxied.backend()
    address = "localhost:" + backend.address.rpartition(":")[2]
    start(proxied, script(proxied, lambda _: to_backend(address)))
    for _ in range(2):
        proxied.logged_in("alice")


def test_a_backend_whose_name_does_not_resolve_is_a_temporary_failure(proxied):
    start(proxied, script(proxied, lambda _: to_backend("nowhere.invalid:143")))
    client = proxied.enter()
    assert client.login("alice", "x").startswith(b"NO [UNAVAILABLE]")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "found neither (HTTP status 502)"),
        (b"HTTP/1.1 200 OK\r\nAuth-Status: OK\r\nAuth-Server: 127.0.0.1\r\n\r\n", "no Auth-Port"),
        (
            b"HTTP/1.1 200 OK\r\nAuth-Status: OK\r\nAuth-Server: a b\r\nAuth-Port: 143\r\n\r\n",
            "found 'a b' and '143'",
        ),
        (
            b"HTTP/1.1 200 OK\r\nAuth-Status: OK\r\nAuth-Server: ::1\r\nAuth-Port: 70000\r\n\r\n",
            "found '::1' and '70000'",
        ),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000 + b"\r\n\r\n", "longer than 65536 bytes"),
        (b"* OK IMAP4rev1 ready\r\n\r\n", "HTTP/0.9"),
        (CLOSE, "Empty reply"),
    ],
    ids=["no_headers", "no_port", "bad_server", "bad_port", "too_large", "no_http", "closed"],
)
def test_an_answer_that_says_nothing_is_a_temporary_failure_with_a_reason(proxied, answer, why):
    start(proxied, script(proxied, lambda _: answer))
    client = proxied.enter()
    assert client.login("alice", "x").startswith(b"NO [UNAVAILABLE]")
    entry = proxied.gate.log.wait_for("login failed")[0]
    assert why in entry["detail"], entry
    assert entry["failure"] == "lookup_unavailable"
    assert proxied.gate.log.wait_for("lookup server failed", level="warning")


# -- more than passwords --------------------------------------------------------------------------

TOKEN = "ya29.secret-token"


def offering(*mechanisms, **more):
    return [
        {"name": name, "address": "127.0.0.1:0", "tls": tls, "sasl": list(mechanisms), **more}
        for name, tls in (("imaps", "implicit"), ("plain", "none"))
        if not (more and tls == "none")
    ]


def token_response(mechanism, token, user="alice@example.org"):
    head = f"user={user}" if mechanism == "XOAUTH2" else f"n,a={user}," if user else "n,,"
    return base64.b64encode(f"{head}\1auth=Bearer {token}\1\1".encode())


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_tokens_are_judged_and_the_answer_has_the_backend_s_password(proxied, mechanism):
    backend = proxied.backend()

    def answer(request):
        assert request["Auth-Method"] == mechanism.lower()
        if request["Auth-Pass"] != TOKEN:
            return {**refused("auth-failed"), "Auth-Error-SASL": "eyJzdGF0dXMiOiI0MDAifQ=="}
        return to_backend(backend.address, auth_pass=PASSWORD.decode())

    proxied.secrets += [TOKEN, "bad-token"]
    start(
        proxied,
        script(proxied, answer),
        http={"methods": ["plain", "token"]},
        listeners=offering("PLAIN", mechanism),
    )
    client = proxied.enter()
    began = time.monotonic()
    client.send(b"t AUTHENTICATE %b %b\r\n" % (mechanism.encode(), token_response(mechanism, "bad-token")))
    client.expect(rb"\+ eyJzdGF0dXMiOiI0MDAifQ==")
    assert time.monotonic() - began > 0.9, "Auth-Wait comes before the challenge"
    client.send(b"AQ==\r\n" if mechanism == "OAUTHBEARER" else b"\r\n")
    client.expect(rb"t NO \[AUTHENTICATIONFAILED\] auth-failed")
    response = token_response(mechanism, TOKEN)
    assert client.command(b"AUTHENTICATE " + mechanism.encode() + b" " + response)[1].startswith(b"OK")
    assert backend.logins() == [(b"alice@example.org", PASSWORD)]


def test_a_token_may_say_alone_who_it_is(proxied):
    backend = proxied.backend()
    names = {"auth_pass": PASSWORD.decode(), "auth_user": "alice"}

    def answer(request):
        assert request["Auth-User"] == ""
        return to_backend(backend.address, **names)

    proxied.secrets.append(TOKEN)
    start(
        proxied,
        script(proxied, answer),
        http={"methods": ["token"]},
        listeners=offering("OAUTHBEARER"),
    )
    command = b"AUTHENTICATE OAUTHBEARER " + token_response("OAUTHBEARER", TOKEN, "")
    assert proxied.enter().command(command)[1].startswith(b"OK")
    assert backend.logins() == [(b"alice", PASSWORD)]
    del names["auth_user"]
    assert proxied.enter().command(command)[1].startswith(b"NO [UNAVAILABLE]")
    assert proxied.gate.log.wait_for("login failed", failure="lookup_unavailable")


def cram(client, user, password):
    """CRAM-MD5 (RFC 2195)."""
    client.send(b"c AUTHENTICATE CRAM-MD5\r\n")
    challenge = base64.b64decode(client.expect(rb"\+ .+")[2:])
    digest = hmac.new(password.encode(), challenge, "md5").hexdigest()
    client.send(base64.b64encode(f"{user} {digest}".encode()) + b"\r\n")
    return client.reply("c")[1].removeprefix(b"c ")


def test_cram_md5_is_judged_by_its_salt_and_digest(proxied):
    backend = proxied.backend()

    def answer(request):
        assert request["Auth-Method"] == "cram-md5"
        salt = request["Auth-Salt"]
        good = hmac.new(SESAME.encode(), salt.encode(), "md5").hexdigest()
        if request["Auth-Pass"] == good and salt.startswith("<") and salt.endswith(">"):
            return to_backend(backend.address, auth_pass=PASSWORD.decode())
        return refused()

    auth = script(proxied, answer)
    proxied.secrets.append(SESAME)
    start(
        proxied,
        auth,
        http={"methods": ["plain", "cram-md5"]},
        listeners=offering("PLAIN", "CRAM-MD5"),
    )
    client = proxied.enter()
    assert cram(client, "al ice", "wrong").startswith(b"NO [AUTHENTICATIONFAILED]")
    assert cram(client, "al ice", SESAME).startswith(b"OK")
    assert backend.logins() == [(b"al ice", PASSWORD)]
    assert [request["Auth-User"] for request in auth.requests] == ["al%20ice"] * 2
    assert [request["Auth-Login-Attempt"] for request in auth.requests] == ["1", "2"]
    assert auth.requests[0]["Auth-Salt"] != auth.requests[1]["Auth-Salt"]
    order = [name for name, _ in auth.requests[0].headers]
    assert order.index("Auth-Salt") == order.index("Auth-Pass") + 1


def test_an_exchange_needs_a_password_for_the_backend_in_the_answer(proxied):
    backend = proxied.backend()
    start(
        proxied,
        script(proxied, lambda _: to_backend(backend.address)),
        http={"methods": ["cram-md5"]},
        listeners=offering("CRAM-MD5"),
    )
    assert cram(proxied.enter(), "alice", "x").startswith(b"NO [SERVERBUG]")
    entry = proxied.gate.log.wait_for("login failed")[0]
    assert "needs the client's password, which CRAM-MD5 does not tell" in entry["detail"]


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return ClientAuthority(tmp_path_factory.mktemp("people"))


@pytest.mark.parametrize("whole", [False, True])
def test_external_tells_all_about_the_certificate(proxied, people, whole):
    backend = proxied.backend()
    auth = script(proxied, lambda _: to_backend(backend.address, auth_pass=PASSWORD.decode()))
    path, made = people.issue(
        "alice", [(NameOID.COMMON_NAME, "Al\u00edce"), (NameOID.ORGANIZATION_NAME, "A, B")]
    )
    start(
        proxied,
        auth,
        http={"methods": ["plain", "external"], "pass_client_cert": whole},
        listeners=offering("EXTERNAL", "PLAIN", client_certificates={"ca": str(people.file)}),
    )
    for certificate in (path, None):
        context = client_context()
        if certificate:
            context.load_cert_chain(certificate)
        client = proxied.connect("imaps", context=context)
        client.greeting()
        if certificate:
            name = base64.b64encode(b"alice@example.org")
            assert client.command(b"AUTHENTICATE EXTERNAL " + name)[1].startswith(b"OK")
        assert certificate or client.login("bob", "sesame").startswith(b"OK")
    shown, without = auth.requests
    assert (shown["Auth-Method"], shown["Auth-User"]) == ("external", "alice@example.org")
    assert (shown["Auth-Pass"], shown["Auth-SSL-Verify"]) == ("", "SUCCESS")
    assert shown["Auth-SSL-Subject"] == "O=A\\, B,CN=Al\\C3\\ADce"
    assert shown["Auth-SSL-Issuer"] == "CN=People"
    assert int(shown["Auth-SSL-Serial"], 16) == made.serial_number
    assert shown["Auth-SSL-Fingerprint"] == made.fingerprint(hashes.SHA1()).hex()
    pem = made.public_bytes(serialization.Encoding.PEM) if whole else b""
    assert shown.decoded("Auth-SSL-Cert") == pem
    assert (without["Auth-SSL-Verify"], without["Auth-SSL-Subject"]) == ("NONE", None)
    order = [name for name, _ in shown.headers if name.startswith("Auth-SSL")]
    words = ["", "-Protocol", "-Cipher", "-Verify", "-Subject", "-Issuer", "-Serial", "-Fingerprint"]
    assert order == ["Auth-SSL" + word for word in words + ["-Cert"] * whole]


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("leaf", "unable to verify the first certificate"),
        ("chain", "self-signed certificate in certificate chain"),
        ("itself", "self-signed certificate"),
    ],
)
def test_a_certificate_that_nobody_vouches_for_is_told_with_the_reason(
    proxied, people, tmp_path, kind, why
):
    auth = script(proxied, letting_in(proxied.backend()))
    strangers = ClientAuthority(tmp_path, "Strangers")
    path, made = strangers.issue("alice", [(NameOID.COMMON_NAME, "Alice")])
    if kind == "chain":
        path.write_bytes(path.read_bytes() + strangers.file.read_bytes())
    if kind == "itself":
        path = strangers.itself()
    asks = {"unknown_authorities": True}
    if kind != "leaf":
        asks["ca"] = str(people.file)
    start(proxied, auth, listeners=offering("PLAIN", client_certificates=asks))
    context = client_context()
    context.load_cert_chain(path)
    client = proxied.connect("imaps", context=context)
    assert client.log_in("alice", PASSWORD.decode()).startswith(b"OK")
    [shown] = auth.requests
    assert shown["Auth-SSL-Verify"] == f"FAILED:{why}"
    assert shown["Auth-SSL-Issuer"] == "CN=Strangers"
    assert shown["Auth-SSL-Subject"] == ("CN=Strangers" if kind == "itself" else "CN=Alice")
    if kind != "itself":
        assert shown["Auth-SSL-Fingerprint"] == made.fingerprint(hashes.SHA1()).hex()


# -- what nginx lacks -----------------------------------------------------------------------------


def log_in_and_out(proxied, user="alice"):
    client = proxied.logged_in(user)
    client.command("LOGOUT")
    client.close()


def test_requests_share_a_connection(proxied):
    auth = script(proxied, letting_in(proxied.backend()))
    start(proxied, auth, workers=1)
    for _ in range(5):
        log_in_and_out(proxied)
    assert (len(auth.requests), auth.connections) == (5, 1)


def test_a_connection_that_the_server_has_ended_is_no_failure(proxied):
    backend = proxied.backend()
    host, port = backend.address.encode().split(b":")
    reply = b"HTTP/1.1 204 x\r\nAuth-Server: %b\r\nAuth-Port: %b\r\nConnection: close\r\n\r\n" % (
        host,
        port,
    )
    auth = script(proxied, lambda _: reply)
    start(proxied, auth, workers=1)
    for _ in range(3):
        log_in_and_out(proxied)
    assert auth.connections == 3
    assert not proxied.gate.log.find("lookup server failed")


def test_a_server_with_tls_is_verified(proxied, authority):
    backend = proxied.backend()
    auth = script(proxied, letting_in(backend), certificate=proxied.certificate)
    start(proxied, auth, http={"ca": str(authority.ca)}, workers=1)
    for _ in range(2):
        log_in_and_out(proxied)
    assert auth.connections == 1


def test_a_server_with_a_wrong_certificate_is_told_no_password(proxied, authority, tmp_path):
    wrong = authority.issue("wrong-name", names=("other.example",), addresses=())
    auth = script(proxied, lambda _: refused(), certificate=wrong)
    start(proxied, auth, http={"ca": str(authority.ca)})
    client = proxied.enter()
    assert client.login("alice", "x").startswith(b"NO [UNAVAILABLE]")
    assert not auth.requests


def test_a_server_that_is_down_is_passed_over_without_delay(proxied):
    down = proxied.keep(Refusing())
    auth = script(proxied, letting_in(proxied.backend()))
    # Who waits for a server waits for its half of the timeout.
    start(proxied, f"http://{down.address}/", auth, http={"hedge_after": "0ms", "timeout": "10s"})
    began = time.monotonic()
    for _ in range(5):
        log_in_and_out(proxied)
    assert time.monotonic() - began < 5
    metrics = proxied.gate.metrics()
    server = f"http://{down.address}/"
    assert metrics.value("headgate_lookup_requests_total", server=server, result="failed") >= 1
    assert metrics.value("headgate_lookup_server_up", server=server) == 0
    accepted = {"source": "auth_http", "server": auth.url, "result": "accepted"}
    assert metrics.value("headgate_lookup_requests_total", **accepted) == 5
    assert metrics.value("headgate_lookup_request_duration_seconds_count", server=auth.url) == 5


def test_a_server_that_hangs_costs_one_hedge_delay_and_then_nothing_and_comes_back(proxied):
    backend = proxied.backend()
    hanging = threading.Event()
    hanging.set()
    first = script(proxied, lambda r: HANG if hanging.is_set() else letting_in(backend)(r))
    second = script(proxied, letting_in(backend))
    start(proxied, first, second, http={"hedge_after": "1s"}, workers=1)
    began = time.monotonic()
    log_in_and_out(proxied)
    assert 1 <= time.monotonic() - began < 4
    worst = 0.0
    for _ in range(30):  # past the first rest: probes go out beside these
        began = time.monotonic()
        log_in_and_out(proxied)
        worst = max(worst, time.monotonic() - began)
        time.sleep(0.05)
    assert worst < 1, "a login waited for a server that is known to hang"
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_lookup_hedges_total", server=second.url) == 1
    assert metrics.value("headgate_lookup_server_up", server=first.url) == 0
    hanging.clear()
    up = {"server": first.url}

    def back(reading):
        log_in_and_out(proxied)
        return reading.value("headgate_lookup_server_up", **up) == 1

    proxied.gate.wait_for_metrics(back)
    assert proxied.gate.log.wait_for("lookup server answers again", server=first.url)
    log_in_and_out(proxied)
    assert first.requests[-1].decoded("Auth-User") == b"alice"


def test_no_login_is_lost_when_a_server_dies_under_load(proxied):
    backend = proxied.backend()
    first = script(proxied, letting_in(backend))
    second = script(proxied, letting_in(backend))
    start(proxied, first, second, http={"spread": True})
    failures = []

    def storm(number):
        try:
            for turn in range(8):
                log_in_and_out(proxied, f"user{number}-{turn}")
        except AssertionError as error:
            failures.append(error)

    threads = [threading.Thread(target=storm, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    while len(first.requests) < 10:
        time.sleep(0.005)
    first.close()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(backend.logins()) == 64


def test_a_look_up_has_a_deadline(proxied):
    auth = script(proxied, lambda _: HANG)
    start(proxied, auth, http={"timeout": "300ms"})
    client = proxied.enter()
    began = time.monotonic()
    assert client.login("alice", "x").startswith(b"NO [UNAVAILABLE]")
    assert 0.3 <= time.monotonic() - began < 1.5
    metrics = proxied.gate.metrics()
    timeout = {"server": auth.url, "result": "timeout"}
    assert metrics.value("headgate_lookup_requests_total", **timeout) == 1


def test_without_hedging_the_next_server_still_has_its_share_of_the_time(proxied):
    auth = script(proxied, letting_in(proxied.backend()))
    hung = script(proxied, lambda _: HANG)
    start(proxied, hung, auth, http={"hedge_after": "0ms", "timeout": "1s"})
    proxied.logged_in("alice")


def test_parallel_look_ups_are_bounded(proxied):
    auth = script(proxied, lambda _: HANG)
    few = {"max_parallel": 2, "max_queue": 0}
    start(proxied, auth, source=few, http={"timeout": "1s"}, workers=1)
    clients = [proxied.enter("plain") for _ in range(3)]
    for client in clients[:2]:
        client.send(b"a LOGIN alice x\r\n")
    deadline = time.monotonic() + 5
    while len(auth.requests) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    began = time.monotonic()
    assert clients[2].login("alice", "x").startswith(b"NO [UNAVAILABLE]")
    assert time.monotonic() - began < 0.5
    assert proxied.gate.log.wait_for("login failed", detail="auth_http: 0 look-ups wait already")


def test_headgate_stops_at_once_while_a_server_hangs(proxied):
    auth = script(proxied, lambda _: HANG)
    start(proxied, auth)
    client = proxied.enter()
    client.send(b"a LOGIN alice x\r\n")
    deadline = time.monotonic() + 5
    while not auth.requests:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    began = time.monotonic()
    proxied.gate.stop()
    assert time.monotonic() - began < 3


def test_a_user_that_one_source_does_not_know_is_asked_of_the_script(proxied, tmp_path):
    users = tmp_path / "users.passwd"
    users.write_text("carol:{PLAIN}other\n")
    proxied.secrets.append("other")
    backend = proxied.backend()
    auth = script(proxied, letting_in(backend))
    config = configuration(
        proxied.certificate,
        [backend.address],
        users=[
            {"source": "passwd_file", "path": str(users), "pool": "main"},
            {"source": "auth_http", "url": auth.url},
        ],
    )
    proxied.start_config(config)
    proxied.logged_in("alice")
    assert len(auth.requests) == 1


def test_the_script_may_give_a_user_another_limit_than_everybody_has(proxied):
    backend = proxied.backend()
    allowed = {
        "alice": {},
        "more": {"headgate_max_sessions": "2"},
        "any": {"headgate_max_sessions": "0"},
        "none": {"headgate_max_sessions": "10000001"},
    }
    limits = {"sessions_per_user": 1, "sessions_per_user_and_network": 1}
    start(proxied, script(proxied, limited(backend, allowed)), limits=limits)
    for user, most in [("alice", 1), ("more", 2), ("any", 3)]:
        for _ in range(most):
            proxied.logged_in(user)
    full = b"NO [LIMIT] Too many sessions of this user."
    assert proxied.enter().login("alice") == full
    assert proxied.enter().login("more") == full
    line = proxied.gate.log.wait_for("login failed", user="more", failure="user_limit")
    assert line[0]["detail"] == "the user source allows 2 sessions"
    assert proxied.enter().login("none").startswith(b"NO [UNAVAILABLE]")
    line = proxied.gate.log.wait_for("login failed", user="none", failure="lookup_unavailable")
    assert "Headgate-Max-Sessions: expected a whole number from 0 to 10000000" in line[0]["detail"]
    assert proxied.gate.metrics().value("headgate_logins_total", result="user_limit") == 2
    assert proxied.enter().login("any").startswith(b"OK"), "the server has not failed"


def test_the_script_may_give_a_user_a_lower_limit_than_everybody_has(proxied):
    backend = proxied.backend()
    allowed = {"alice": {}, "less": {"headgate_max_sessions": "1"}}
    start(proxied, script(proxied, limited(backend, allowed)), limits={"sessions_per_user": 2})
    for user, most in [("alice", 2), ("less", 1)]:
        for _ in range(most):
            proxied.logged_in(user)
        assert proxied.enter().login(user).startswith(b"NO [LIMIT]"), user


def test_what_the_script_forwards_reaches_the_backend(proxied):
    backend = proxied.backend()
    start(proxied, script(proxied, letting_in(backend, headgate_forward_tier="gold")))
    proxied.logged_in("alice")
    assert backend.connections[0].id["x-forward-tier"] == b"gold"
