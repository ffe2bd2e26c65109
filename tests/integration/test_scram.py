"""SCRAM and CRAM-MD5, judged by what a source has stored."""

import base64
import hashlib
import sqlite3
import ssl
import subprocess

import pytest

from dovecot import MASTER_PASSWORD, MASTER_USER, Dovecot
from fake_backend import Script
from scram_client import HASHES, PASSWORD, Scram, stored

MASTER = Script(passwords={b"headgate-master": b"mastersecret"})
POOL = {"master": {"user": "headgate-master", "password": "mastersecret"}}
EVERY = ["SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN"]


def listeners(*mechanisms):
    return [
        {"name": name, "address": "127.0.0.1:0", "tls": tls, "sasl": list(mechanisms or EVERY)}
        for name, tls in (("imaps", "implicit"), ("imap", "starttls"))
    ]


@pytest.fixture
def gate(proxied, tmp_path):
    """start(lines, …): Headgate over a passwd file of these lines; its obedient backend."""

    def start(*lines, mechanisms=(), backend=None, pool=POOL, **more):
        path = tmp_path / "users.passwd"
        path.write_text("".join(line + "\n" for line in lines))
        proxied.secrets.extend([PASSWORD, "mastersecret"])
        backend = backend or proxied.backend(MASTER)
        more.setdefault("users", [{"source": "passwd_file", "path": str(path), "pool": "main"}])
        proxied.start(backend, pool=pool, listeners=listeners(*mechanisms), **more)
        return backend

    return start


def gsasl(proxied, authority, mechanism, password=PASSWORD, *more):
    """The command-line client of GNU SASL, over STARTTLS."""
    host, port = proxied.gate.address("imap")
    return subprocess.run(
        ["gsasl", "--imap", f"--connect={host}:{port}", f"--mechanism={mechanism}", "--starttls",
         "--authentication-id=alice", f"--password={password}",
         "--x509-ca-file=", "--hostname=localhost", *more],
        input="", capture_output=True, text=True, timeout=20,
    )  # fmt: skip


@pytest.mark.parametrize("secret", ["clear", "keys"])
@pytest.mark.parametrize("mechanism", HASHES)
def test_the_right_password_gets_in_without_being_told(gate, proxied, mechanism, secret):
    backend = gate("alice:" + ("{PLAIN}pencil" if secret == "clear" else stored(mechanism)))
    client = proxied.enter()
    wrong = Scram(client, mechanism, password="wrong").run()
    assert wrong.startswith(b"s NO [AUTHENTICATIONFAILED]")
    assert not backend.connections, "a wrong proof reached a backend"
    assert proxied.gate.log.wait_for("login failed", mechanism=mechanism, user="alice")
    assert Scram(client, mechanism).run().startswith(b"s OK [CAPABILITY")
    assert client.command("NOOP")[1].startswith(b"OK")
    assert backend.connections[0].authorization == b"alice"


def test_a_stored_scram_secret_also_checks_a_password_that_is_told(gate, proxied):
    gate("alice:" + stored("SCRAM-SHA-256"))
    client = proxied.enter()
    assert client.login("alice", "pencils").startswith(b"NO [AUTHENTICATIONFAILED]")
    assert client.login("alice", PASSWORD).startswith(b"OK")


def test_gsasl_logs_in_with_every_mechanism(gate, proxied, authority):
    gate("alice:{PLAIN}pencil")
    for mechanism in EVERY[:3]:
        # With a channel binding at hand its client insists on -PLUS.
        good = gsasl(proxied, authority, mechanism, PASSWORD, "--no-cb")
        assert good.returncode == 0, good.stdout + good.stderr
        assert gsasl(proxied, authority, mechanism, "wrong").returncode != 0
    assert proxied.gate.metrics().value("headgate_logins_total", result="ok") == 3


def plus(gate, **tls):
    """Headgate that offers SCRAM-SHA-256-PLUS, for TLS of 1.2 and 1.3 unless told otherwise."""
    return gate(
        "alice:" + stored("SCRAM-SHA-256"),
        mechanisms=("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"),
        login={"max_failures": 100},
        **({"tls": tls} if tls else {}),
    )


def only(version, options=0):
    """A client that knows this version alone, and cannot do what `options` takes away."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.options |= options
    return context


TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
NO_EXTENDED_MASTER_SECRET = 1  # SSL_OP_NO_EXTENDED_MASTER_SECRET


@pytest.mark.parametrize("priority", ["NORMAL:-VERS-ALL:+VERS-TLS1.3", "NORMAL:-VERS-TLS1.3"])
def test_gsasl_ties_its_login_to_the_tls_connection(gate, proxied, authority, priority):
    backend = plus(gate)
    tls = f"--priority={priority}"
    good = gsasl(proxied, authority, "SCRAM-SHA-256-PLUS", PASSWORD, tls)
    assert good.returncode == 0, good.stdout + good.stderr
    assert gsasl(proxied, authority, "SCRAM-SHA-256-PLUS", "wrong", tls).returncode != 0
    assert backend.connections[0].authorization == b"alice" and len(backend.connections) == 1


def tied(client, header, binding, good):
    exchange = Scram(client, "SCRAM-SHA-256-PLUS")
    assert exchange.first(header).startswith("r=")
    answer = exchange.send(exchange.proof(binding))
    if not good:
        assert answer.startswith(b"s NO [AUTHENTICATIONFAILED]"), answer
        return
    assert base64.b64decode(answer[2:]) == exchange.verifier
    line = exchange.send("")
    while line.startswith(b"* "):  # for a client that has asked for capabilities
        line = client.line()
    assert line.startswith(b"s OK")


@pytest.mark.parametrize("listener", ["imaps", "imap"])
@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_each_binding_is_that_of_the_connection(gate, proxied, version, listener):
    plus(gate)

    def enter():
        client = proxied.connect(listener, context=only(version), tls=listener == "imaps")
        client.expect(rb"\* OK .*")
        if listener == "imap":
            client.starttls()
        return client

    client = enter()
    assert "AUTH=SCRAM-SHA-256-PLUS" in client.capabilities()
    # Who could have been told that there is no binding is taken for one that was told so.
    assert Scram(client).first("y,,").startswith("s NO [AUTHENTICATIONFAILED]")
    tied(client, "p=tls-exporter,,", b"x" * 32, good=False)
    tied(client, "p=tls-server-end-point,,", b"x" * 32, good=False)
    shown = hashlib.sha256(client.stream.tls.getpeercert(binary_form=True)).digest()
    tied(client, "p=tls-server-end-point,,", shown, good=True)
    client = enter()
    unique = client.stream.tls.get_channel_binding("tls-unique")
    if version == TLS12:
        tied(client, "p=tls-unique,,", b"x" * len(unique), good=False)
        tied(client, "p=tls-unique,,", unique, good=True)
    else:
        refused = Scram(client, "SCRAM-SHA-256-PLUS").first("p=tls-unique,,")
        assert refused.startswith("s NO [AUTHENTICATIONFAILED]"), "TLS 1.3 has none"
    assert Scram(enter()).run().startswith(b"s OK"), "without any binding"


def test_without_an_extended_master_secret_the_certificate_alone_ties(gate, proxied):
    plus(gate)
    context = only(TLS12, NO_EXTENDED_MASTER_SECRET)
    client = proxied.connect("imaps", context=context, tls=True)
    assert b"AUTH=SCRAM-SHA-256-PLUS" in client.line(), "in the greeting"
    unique = client.stream.tls.get_channel_binding("tls-unique")
    for header in ("p=tls-exporter,,", "p=tls-unique,,"):
        refused = Scram(client, "SCRAM-SHA-256-PLUS").first(header)
        assert refused.startswith("s NO [AUTHENTICATIONFAILED]"), header
    assert unique, "it is there, but somebody in between could have made it the same"
    shown = hashlib.sha256(client.stream.tls.getpeercert(binary_form=True)).digest()
    tied(client, "p=tls-server-end-point,,", shown, good=True)


@pytest.mark.parametrize("listener", ["imaps", "imap"])
def test_who_cannot_be_tied_is_not_offered_it(gate, proxied, tmp_path, listener):
    files = {"certificate": str(tmp_path / "ed.pem"), "key": str(tmp_path / "ed.key")}
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=localhost",
         "-days", "2", "-out", files["certificate"], "-keyout", files["key"]],
        check=True, capture_output=True,
    )  # fmt: skip
    plus(gate, certificates=[files])
    for version, options, offered in (
        (TLS12, NO_EXTENDED_MASTER_SECRET, False),
        (TLS12, 0, True),
        (TLS13, 0, True),
    ):
        context = only(version, options)
        client = proxied.connect(listener, context=context, tls=listener == "imaps")
        greeting = client.line()
        assert greeting.startswith(b"* OK")
        if listener == "imap":
            client.starttls()
        else:
            assert (b"AUTH=SCRAM-SHA-256-PLUS" in greeting) == offered
        assert ("AUTH=SCRAM-SHA-256-PLUS" in client.capabilities()) == offered
        if not offered:
            refused = Scram(client, "SCRAM-SHA-256-PLUS").first("p=tls-exporter,,")
            assert refused.startswith("s NO [CANNOT]")
            assert Scram(client).first("y,,").startswith("r="), "nobody has told it anything wrong"


def test_nobody_learns_whether_a_user_exists(gate, proxied):
    gate(
        "alice:" + stored("SCRAM-SHA-256"),
        "carol:!",
        "dave:{SSHA}qzOAKR6Yd1I2tX7Rba8c8hA4Yz1zYWx0",
        login={"max_failures": 100},
    )
    client = proxied.enter()
    replies, salts = set(), {}
    for user in ("alice", "nobody", "carol", "dave", "nobody", "NOBODY"):
        exchange = Scram(client, user=user, password="wrong")
        nonce, salt, iterations = exchange.first().split(",")
        assert len(base64.b64decode(salt[2:])) == 16 and iterations == "i=4096", user
        salts.setdefault(user.lower(), set()).add(salt)
        replies.add(exchange.send(exchange.proof()))
    assert replies == {b"s NO [AUTHENTICATIONFAILED] Authentication failed."}
    assert all(len(each) == 1 for each in salts.values()) and len(salts) == 4


def test_an_exchange_can_be_given_up_but_not_for_ever(gate, proxied):
    gate("alice:{PLAIN}pencil")
    client = proxied.enter()
    Scram(client).first()
    client.send(b"*\r\n")
    client.expect(rb"s BAD Authentication cancelled\.")
    Scram(client).first()
    client.send(b"no base64\r\n")
    client.expect(rb"s BAD .*")
    assert Scram(client).run().startswith(b"s OK")
    client = proxied.enter()
    for _ in range(3):
        assert Scram(client).first().startswith("r=")
        client.send(b"*\r\n")
        client.expect(rb"s BAD Authentication cancelled\.")
    client.expect(rb"\* BYE .*")


def test_what_a_client_sends_behind_an_exchange_is_not_lost(gate, proxied):
    gate("alice:{PLAIN}pencil")
    client = proxied.enter()
    exchange = Scram(client)
    exchange.first()
    client.send(base64.b64encode(exchange.proof().encode()) + b"\r\n\r\nn NOOP\r\n")
    assert client.line().startswith(b"+ ")
    assert client.line().startswith(b"s OK")
    while (line := client.line()).startswith(b"* "):
        pass
    assert line.startswith(b"n OK")


def test_an_exchange_outlives_a_reload(gate, proxied):
    gate("alice:" + stored("SCRAM-SHA-256"))
    exchange = Scram(proxied.enter())
    exchange.first()
    proxied.gate.config["login"]["greeting"] = "Another one."
    proxied.gate.reload()
    assert base64.b64decode(exchange.send(exchange.proof())[2:]) == exchange.verifier
    assert exchange.send("").startswith(b"s OK")


def test_every_wrong_proof_counts_as_a_guess(gate, proxied):
    gate(
        "alice:{PLAIN}pencil",
        login={"max_failures": 100},
        guessing={"pair": {"free": 1, "limit": 3}, "max_delay": "0s", "exempt": []},
    )
    client = proxied.enter()
    replies = [Scram(client, password="wrong").run() for _ in range(4)]
    assert replies[:3] == [b"s NO [AUTHENTICATIONFAILED] Authentication failed."] * 3
    assert not replies[3].startswith(b"s NO [AUTHENTICATIONFAILED]"), replies


def test_a_table_serves_exchanges_and_its_failure_is_no_wrong_password(gate, proxied, tmp_path):
    path = tmp_path / "users.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE users (name TEXT, password TEXT)")
        database.execute("INSERT INTO users VALUES ('alice', ?)", [stored("SCRAM-SHA-256")])
    database.close()
    query = "SELECT password FROM users WHERE name = :user"
    sql = {"driver": "sqlite", "path": str(path), "query": query}
    gate(users=[{"source": "sql", "pool": "main", "sql": sql}])
    assert Scram(proxied.enter(), password="wrong").run().startswith(b"s NO [AUTH")
    assert Scram(proxied.enter()).run().startswith(b"s OK")
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_source_results_total", source="sql", result="accepted") == 2
    path.write_bytes(b"this is no database any more" * 100)
    assert Scram(proxied.enter()).run().startswith(b"s NO [UNAVAILABLE]")


@pytest.mark.servers
def test_dovecot_serves_who_came_by_scram_through_its_master_user(gate, proxied, certificate):
    with Dovecot({"alice": "elsewhere"}, certificate=certificate) as dovecot:
        gate(
            "alice:" + stored("SCRAM-SHA-256"),
            backend={"address": str(dovecot.endpoint())},
            pool={"master": {"user": MASTER_USER, "password": MASTER_PASSWORD}},
        )
        client = proxied.enter()
        assert Scram(client).run().startswith(b"s OK")
        assert client.command("SELECT INBOX")[1].startswith(b"OK")
