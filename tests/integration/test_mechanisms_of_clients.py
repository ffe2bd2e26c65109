"""The mechanisms of curl and Python's imaplib but for tokens (test_sasl.py). DIGEST-MD5 is for gsasl to try
(test_dovecot_auth.py): Debian's curl cancels it at the challenge, whoever sends that."""

import imaplib
import ssl
import subprocess

import pytest
from cryptography.x509.oid import NameOID

from client_authority import ClientAuthority
from fake_backend import Script

MASTER = Script(passwords={b"headgate-master": b"mastersecret"})
POOL = {"master": {"user": "headgate-master", "password": "mastersecret"}}


@pytest.fixture
def gate(proxied, tmp_path):
    """start(mechanism): Headgate that offers this mechanism alone, and knows alice by her password or
    her certificate; the backend, and a file with that certificate and its key."""

    def start(mechanism):
        people = ClientAuthority(tmp_path)
        alice, _ = people.issue("alice", [(NameOID.COMMON_NAME, "alice")])
        passwd = tmp_path / "users.passwd"
        passwd.write_text("alice:{PLAIN}sesame\n")
        proxied.secrets.extend(["sesame", "mastersecret"])
        backend = proxied.backend(MASTER)
        listener = {"name": "imaps", "address": "127.0.0.1:0", "tls": "implicit", "sasl": [mechanism]}
        file = {"source": "passwd_file", "pool": "main", "path": str(passwd)}
        if mechanism == "EXTERNAL":
            listener["client_certificates"] = {"ca": str(people.file)}
            file = {"source": "certificate", "pool": "main", "certificate": {"field": "common_name"}}
        proxied.start(
            backend,
            pool=POOL,
            users=[file],
            listeners=[listener],
            login={"max_failures": 100},
        )
        return backend, alice

    return start


def curl(proxied, authority, mechanism, password, certificate=None):
    """Its exit status: 0, or 67 where the login was refused."""
    command = ["curl", "--silent", "--show-error", "--max-time", "15", "--user", f"alice:{password}"]
    command += ["--cacert", str(authority.ca), "--login-options", f"AUTH={mechanism}", "-X", "NOOP"]
    command += ["--cert", str(certificate)] if certificate else []
    url = f"imaps://127.0.0.1:{proxied.gate.port('imaps')}/"
    return subprocess.run([*command, url], capture_output=True, timeout=20, check=False).returncode


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_curl_logs_in_with_a_password(gate, proxied, authority, mechanism):
    backend, _ = gate(mechanism)
    assert curl(proxied, authority, mechanism, "sesame") == 0
    assert curl(proxied, authority, mechanism, "wrong") == 67
    assert [each.authorization for each in backend.connections] == [b"alice"]
    assert proxied.gate.log.wait_for("login failed", mechanism=mechanism)


def test_curl_logs_in_by_its_certificate(gate, proxied, authority):
    backend, alice = gate("EXTERNAL")
    assert curl(proxied, authority, "EXTERNAL", "", alice) == 0
    assert curl(proxied, authority, "EXTERNAL", "") != 0, "it has shown none"
    assert [each.authorization for each in backend.connections] == [b"alice"]


def imaplib_client(proxied, authority, certificate=None):
    context = ssl.create_default_context(cafile=str(authority.ca))
    if certificate:
        context.load_cert_chain(certificate)
    host, port = proxied.gate.address("imaps")
    return imaplib.IMAP4_SSL(host, port, ssl_context=context, timeout=15)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "EXTERNAL"])
def test_imaplib_logs_in(gate, proxied, authority, mechanism):
    backend, alice = gate(mechanism)

    def log_in(password):
        certificate = alice if mechanism == "EXTERNAL" and password == "sesame" else None
        client = imaplib_client(proxied, authority, certificate)
        answers = iter([b"alice", password.encode()])
        if mechanism == "CRAM-MD5":
            client.login_cram_md5("alice", password)
        elif mechanism == "PLAIN":
            client.authenticate("PLAIN", lambda _: b"\0alice\0" + password.encode())
        elif mechanism == "LOGIN":
            client.authenticate("LOGIN", lambda _: next(answers))
        else:
            client.authenticate("EXTERNAL", lambda _: b"alice")
        client.logout()

    log_in("sesame")
    with pytest.raises(imaplib.IMAP4.error):
        log_in("wrong")
    assert [each.authorization for each in backend.connections] == [b"alice"]
