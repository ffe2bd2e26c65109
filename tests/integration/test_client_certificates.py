"""SASL EXTERNAL: who the user is says the certificate that the client shows."""

import base64
import socket
import ssl

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier

from client_authority import ClientAuthority
from fake_backend import Script

UPN = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
MASTER = Script(passwords={b"headgate-master": b"mastersecret"})
POOL = {"master": {"user": "headgate-master", "password": "mastersecret"}}


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return ClientAuthority(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def alice(people):
    email = [x509.RFC822Name("alice@example.org")]
    return people.issue("alice", [(NameOID.COMMON_NAME, "Alice")], email)


def start(proxied, people, rule=None, certificates=None, **more):
    asks = {"ca": str(people.file), **(certificates or {})}
    listeners = [
        {"name": "imaps", "address": "127.0.0.1:0", "tls": "implicit", "client_certificates": asks},
        {"name": "imap", "address": "127.0.0.1:0", "tls": "starttls", "client_certificates": asks},
        {"name": "others", "address": "127.0.0.1:0", "tls": "implicit"},
    ]
    users = [
        {"source": "certificate", "pool": "main", "certificate": rule or {}},
        {"source": "passwd_file", "pool": "main", "path": str(people.directory / "users.passwd")},
    ]
    (people.directory / "users.passwd").write_text("bob:{PLAIN}sesame\n")
    proxied.secrets += ["mastersecret", "sesame"]
    more.setdefault("login", {"failure_delay": "0ms"})
    return proxied.start(
        proxied.backend(MASTER), pool=POOL, users=users, listeners=listeners, **more
    )


def context(certificate=None, version=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    if certificate:
        made.load_cert_chain(certificate[0])
    if version:
        made.minimum_version = made.maximum_version = version
    return made


def enter(proxied, certificate=None, listener="imaps"):
    client = proxied.connect(listener, context=context(certificate), tls=listener != "imap")
    client.expect(rb"\* OK .*")
    if listener == "imap":
        client.starttls()
    return client


def mechanisms(client):
    untagged, _ = client.command(b"CAPABILITY")
    return b"AUTH=EXTERNAL" in b" ".join(untagged)


def external(client, identity=b""):
    encoded = base64.b64encode(identity) or b"="
    return client.command(b"AUTHENTICATE EXTERNAL " + encoded)[1]


@pytest.mark.parametrize("listener", ["imaps", "imap"])
def test_the_certificate_says_who_it_is_and_is_the_whole_proof(proxied, people, alice, listener):
    start(proxied, people)
    client = enter(proxied, alice, listener)
    assert mechanisms(client)
    assert external(client, b"bob").startswith(b"NO [AUTHORIZATIONFAILED]")
    assert external(client).startswith(b"OK")
    assert external(enter(proxied, alice, listener), b"Alice@example.org").startswith(b"OK")
    [backend] = proxied.backends
    assert [c.authorization for c in backend.connections] == 2 * [b"alice@example.org"]
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_login_factors_total", factor="certificate") == 2
    assert proxied.gate.log.wait_for(
        "login failed", detail="the certificate is that of alice@example.org"
    )


def test_the_identity_may_come_behind_a_challenge(proxied, people, alice):
    start(proxied, people)
    client = enter(proxied, alice)
    client.send(b"t AUTHENTICATE EXTERNAL\r\n")
    client.expect(rb"\+ ?")
    client.send(b"\r\n")
    client.expect(rb"t OK .*")


@pytest.mark.parametrize("listener", ["imaps", "imap", "others"])
def test_without_a_certificate_there_is_no_external(proxied, people, alice, listener):
    start(proxied, people)
    shown = alice if listener == "others" else None
    client = enter(proxied, shown, listener)
    assert not mechanisms(client)
    assert external(client, b"alice@example.org").startswith(b"NO [CANNOT]")
    assert client.login("bob", "sesame").startswith(b"OK"), "passwords are as good as ever"


def refused(proxied, certificate):
    """Whether the handshake fails, or TLS 1.3's alert comes behind it."""
    try:
        enter(proxied, certificate)
    except (ssl.SSLError, ConnectionError, AssertionError):
        return True
    return False


def test_certificates_of_others_old_ones_and_revoked_ones_end_the_handshake(
    proxied, people, alice, tmp_path
):
    subject = [(NameOID.COMMON_NAME, "mallory")]
    mail = [x509.RFC822Name("alice@example.org")]
    old = people.issue("old", subject, mail, days=-1)
    gone = people.issue("gone", subject, mail)
    other = ClientAuthority(tmp_path, "Others").issue("other", subject, mail)
    crl = people.revoke(gone[1])
    start(proxied, people, certificates={"crl": str(crl), "required": True})
    for certificate in (None, old, gone, other):
        assert refused(proxied, certificate)
    assert external(enter(proxied, alice)).startswith(b"OK")


@pytest.mark.parametrize(
    ("rule", "user"),
    [
        ({"field": "common_name"}, b"carol"),
        ({"field": "email"}, b"carol@mail.example"),
        ({"field": "uid"}, b"c4711"),
        ({"field": "alt_upn", "pattern": "(.+)@AD[.]EXAMPLE", "rewrite": "{1}@example.org"},
         b"carol.c@example.org"),
        ({"pattern": ".*@second[.]example"}, b"carol@second.example"),
        ({"pattern": ".*@nowhere[.]example"}, None),
    ],
)
def test_a_rule_says_which_name_counts_and_what_becomes_of_it(proxied, people, rule, user):
    upn = b"\x0c" + bytes([len(b"carol.c@ad.example")]) + b"carol.c@ad.example"
    carol = people.issue(
        "carol",
        [
            (NameOID.COMMON_NAME, "carol"),
            (NameOID.EMAIL_ADDRESS, "carol@mail.example"),
            (NameOID.USER_ID, "c4711"),
        ],
        [
            x509.RFC822Name("carol@first.example"),
            x509.RFC822Name("carol@second.example"),
            x509.OtherName(UPN, upn),
        ],
    )
    start(proxied, people, rule)
    answer = external(enter(proxied, carol))
    assert answer.startswith(b"OK" if user else b"NO [AUTHENTICATIONFAILED]")
    [backend] = proxied.backends
    assert [c.authorization for c in backend.connections] == ([user] if user else [])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_resumed_session_still_knows_the_certificate_and_never_under_other_rules(
    proxied, people, alice, version
):
    gate = start(proxied, people)
    made = context(alice, version)
    session = None

    def log_in():
        nonlocal session
        with socket.create_connection(gate.address("imaps"), timeout=15) as raw:
            with made.wrap_socket(raw, session=session) as tls:
                stream = tls.makefile("rwb")
                assert b"AUTH=EXTERNAL" in stream.readline()
                stream.write(b"t AUTHENTICATE EXTERNAL =\r\n")
                stream.flush()
                assert stream.readline().startswith(b"t OK")
                session = tls.session
                return tls.session_reused

    assert not log_in()
    assert log_in()
    gate.config["listeners"][0]["client_certificates"]["depth"] = 3
    gate.reload()
    assert not log_in(), "what was verified by other rules is verified again"
    assert log_in()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda c: c["pools"]["main"].pop("master"), "since a certificate is no password"),
        (lambda c: [each.pop("client_certificates", 0) for each in c["listeners"]],
         "expected a listener with client_certificates"),
        (lambda c: c["listeners"][2].update(sasl=["EXTERNAL"]),
         "expected client_certificates at a listener with EXTERNAL"),
        (lambda c: c["listeners"][2].update(
            tls="none", client_certificates=c["listeners"][0]["client_certificates"]),
         "nothing with tls none"),
        (lambda c: c["users"][0].update(certificate={"rewrite": "x"}), "nothing without a pattern"),
        (lambda c: c["users"][0].update(certificate={"pattern": "a", "rewrite": "{1}"}),
         "certificate.rewrite: expected {user}"),
        (lambda c: c["users"][0].update(cache={}), "no cache for source certificate"),
        (lambda c: c["listeners"][0]["client_certificates"].update(
            ca=c["tls"]["certificates"][0]["key"]), "cannot be used as a list of authorities"),
        (lambda c: c["listeners"][0]["client_certificates"].update(
            crl=c["tls"]["certificates"][0]["key"]), "no revocation list in PEM form"),
    ],
)
def test_what_makes_no_sense_is_found_by_check(proxied, people, change, expected):
    gate = start(proxied, people)
    change(gate.config)
    result = gate.check()
    assert result.returncode == 1
    assert expected in result.stderr


# -- certificates of authorities that nobody knows ------------------------------------------------


@pytest.fixture
def strangers(tmp_path):
    return ClientAuthority(tmp_path, "Strangers")


@pytest.mark.parametrize("listener", ["imaps", "imap"])
def test_a_certificate_of_an_unknown_authority_proves_nothing(
    proxied, people, alice, strangers, listener
):
    mail = [x509.RFC822Name("alice@example.org")]
    forged = strangers.issue("alice", [(NameOID.COMMON_NAME, "Alice")], mail)
    start(proxied, people, certificates={"unknown_authorities": True})
    client = enter(proxied, forged, listener)
    assert not mechanisms(client)
    assert external(client, b"alice@example.org").startswith(b"NO [CANNOT]")
    assert client.login("bob", "sesame").startswith(b"OK"), "a password is as good as ever"
    said = proxied.gate.log.wait_for("client certificate of an unknown authority")[0]
    assert (said["listener"], said["subject"]) == (listener, "CN=Alice") and said["why"]
    assert external(enter(proxied, alice, listener)).startswith(b"OK")
    assert not mechanisms(enter(proxied, None, listener))
    # The last one may be counted behind its first reply.
    name = "headgate_client_certificates_total"
    metrics = proxied.gate.wait_for_metrics(lambda page: page.value(name) >= 3)
    for shown in ("verified", "unknown_authority", "none"):
        assert metrics.value(name, shown=shown) == 1, shown


def test_an_unknown_authority_is_the_only_thing_that_is_excused(
    proxied, people, alice, strangers, tmp_path
):
    subject = [(NameOID.COMMON_NAME, "mallory")]
    old = people.issue("old2", subject, days=-1)
    old_stranger = strangers.issue("old", subject, days=-1)
    gone = people.issue("gone2", subject)
    stranger = strangers.issue("stranger", subject)
    start(proxied, people, certificates={"unknown_authorities": True})
    for certificate in (old, old_stranger):
        assert refused(proxied, certificate)
    assert not refused(proxied, stranger)
    crl = people.revoke(gone[1])
    clients = proxied.gate.config["listeners"][0]["client_certificates"]
    clients["crl"] = str(crl)
    proxied.gate.reload()
    for certificate in (gone, stranger):
        assert refused(proxied, certificate), "revoked, and of one whose list nobody has"
    assert external(enter(proxied, alice)).startswith(b"OK")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_what_was_excused_is_not_verified_by_being_resumed(proxied, people, strangers, version):
    forged = strangers.issue("x", [], [x509.RFC822Name("alice@example.org")])
    gate = start(proxied, people, certificates={"unknown_authorities": True})
    made = context(forged, version)
    session = None
    for again in (False, True, True):
        with socket.create_connection(gate.address("imaps"), timeout=15) as raw:
            with made.wrap_socket(raw, session=session) as tls:
                stream = tls.makefile("rwb")
                assert b"AUTH=EXTERNAL" not in stream.readline()
                stream.write(b"t AUTHENTICATE EXTERNAL =\r\n")
                stream.flush()
                assert stream.readline().startswith(b"t NO [CANNOT]")
                assert tls.session_reused == again
                session = tls.session
