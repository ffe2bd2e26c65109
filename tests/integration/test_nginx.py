"""With the real nginx: as the auth server of nginx's own tests, and its configuration imported.

The auth server and the cases are those of nginx-tests (mail_imap.t, and freenginx's test of tokens): docs/users/auth_http.md has the
whole list. What is not about auth_http there (literals, pipelining, errors) is tested in
test_login_dialogue.py and test_login_limits.py."""

import base64
import subprocess
import time
import urllib.error
import urllib.request

import pytest
import yaml
from cryptography.x509.oid import NameOID

from client_authority import ClientAuthority
from fake_backend import Script
from headgate_process import binary
from raw_client import client_context, plain_response
from server_process import ServerProcess, free_port

pytestmark = pytest.mark.servers

# As there, but for what is nginx's own mail block there.
AUTH_SERVER = r"""
worker_processes 1;
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log {directory}/access.log;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location = /mail/auth {{
            set $reply ERROR;
            set $passw "";
            set $userpass "$http_auth_user:$http_auth_pass";
            if ($userpass = 'test@example.com:secret') {{ set $reply OK; }}
            if ($userpass = 'te\\"st@example.com:se\\"cret') {{ set $reply OK; }}
            set $userpass "$http_auth_user:$http_auth_salt:$http_auth_pass";
            if ($userpass ~ '^test@example.com:<.*@.*>:0{{32}}$') {{
                set $reply OK;
                set $passw secret;
            }}
            set $userpass "$http_auth_method:$http_auth_user:$http_auth_pass";
            if ($userpass = 'external:test@example.com:') {{
                set $reply OK;
                set $passw secret;
            }}
            if ($userpass ~ '^(oauthbearer|xoauth2):test(=,)?@example.com:secretok$') {{
                set $reply OK;
                set $passw secret;
            }}
            set $sasl "";
            if ($http_auth_pass = saslfail) {{
                set $sasl "eyJzY2hlbWVzIjoiQmVhcmVyIiwic3RhdHVzIjoiNDAwIn0=";
            }}
            add_header Auth-Error-SASL $sasl;
            add_header Auth-Status $reply;
            add_header Auth-Server 127.0.0.1;
            add_header Auth-Port {backend_port};
            add_header Auth-Pass $passw;
            add_header Auth-Wait 1;
            return 204;
        }}
    }}
}}
"""


class NginxAuthServer(ServerProcess):
    """nginx, answering as the auth server of nginx-tests does."""

    def __init__(self, backend_port):
        super().__init__("nginx")
        port = free_port("127.0.0.1")
        config = self.directory / "nginx.conf"
        config.write_text(
            AUTH_SERVER.format(directory=self.directory, port=port, backend_port=backend_port)
        )
        self.url = f"http://127.0.0.1:{port}/mail/auth"
        self.launch(["/usr/sbin/nginx", "-p", self.directory, "-c", config])
        deadline = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(self.url, timeout=5) as reply:
                    assert reply.headers["Auth-Status"] == "ERROR"
                    return
            except urllib.error.URLError:
                assert time.monotonic() < deadline and self.process.poll() is None, self.words()
                time.sleep(0.02)


PASSWORDS = {
    b"test@example.com": b"secret",
    b"test=,@example.com": b"secret",
    b'te\\"st@example.com': b'se\\"cret',
}
OFFERED = ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER"]


@pytest.fixture
def entered(proxied, tmp_path):
    """enter(): a client before Headgate, which asks nginx; enter(certificate=True): one with TLS and a
    certificate."""
    people = ClientAuthority(tmp_path)
    backend = proxied.backend(Script(passwords=PASSWORDS))
    server = NginxAuthServer(backend.address.rpartition(":")[2])
    methods = ["plain", "cram-md5", "external", "token"]
    asks = {"ca": str(people.file)}
    proxied.start(
        backend,
        users=[{"source": "auth_http", "url": server.url, "http": {"methods": methods}}],
        listeners=[
            {"name": "plain", "address": "127.0.0.1:0", "tls": "none", "sasl": OFFERED},
            {
                "name": "imaps",
                "address": "127.0.0.1:0",
                "tls": "implicit",
                "sasl": ["PLAIN", "EXTERNAL"],
                "client_certificates": asks,
            },
        ],
    )

    def enter(certificate=False):
        if not certificate:
            return proxied.enter("plain")
        context = client_context()
        context.load_cert_chain(people.issue("test", [(NameOID.COMMON_NAME, "Test")])[0])
        return proxied.enter("imaps", context=context)

    yield enter
    assert server.stop() == []


def test_login_with_a_bad_password_and_then_with_the_right_one(entered):
    client = entered()
    began = time.monotonic()
    assert client.command("LOGIN test@example.com bad")[1].startswith(b"NO")
    assert 0.9 < time.monotonic() - began < 5  # Auth-Wait: 1
    assert client.command("LOGIN test@example.com secret")[1].startswith(b"OK")


def test_authenticate_plain_with_a_bad_password_and_then_with_the_right_one(entered):
    client = entered()
    for password, reply in (("bad", b"NO"), ("secret", b"OK")):
        response = plain_response("test@example.com", password)
        assert client.command(b"AUTHENTICATE PLAIN " + response)[1].startswith(reply)


@pytest.mark.parametrize("initial", [False, True], ids=["simple", "with the user name"])
def test_authenticate_login(entered, initial):
    client = entered()
    user = base64.b64encode(b"test@example.com")
    client.send(b"1 AUTHENTICATE LOGIN" + (b" " + user if initial else b"") + b"\r\n")
    if not initial:
        client.expect(rb"\+ VXNlcm5hbWU6")
        client.send(user + b"\r\n")
    client.expect(rb"\+ UGFzc3dvcmQ6")
    client.send(base64.b64encode(b"secret") + b"\r\n")
    client.expect(rb"1 OK .*")


def test_authenticate_cram_md5(entered):
    client = entered()
    client.send(b"1 AUTHENTICATE CRAM-MD5\r\n")
    client.expect(rb"\+ .+")
    client.send(base64.b64encode(b"test@example.com " + b"0" * 32) + b"\r\n")
    client.expect(rb"1 OK .*")


@pytest.mark.parametrize("initial", [False, True], ids=["simple", "with the user name"])
def test_authenticate_external_after_a_plain_that_failed(entered, initial):
    client = entered(certificate=True)
    user = base64.b64encode(b"test@example.com")
    response = plain_response("test@example.com", "bad")
    assert client.command(b"AUTHENTICATE PLAIN " + response)[1].startswith(b"NO")
    client.send(b"1 AUTHENTICATE EXTERNAL" + (b" " + user if initial else b"") + b"\r\n")
    if not initial:
        client.expect(rb"\+ ")
        client.send(user + b"\r\n")
    client.expect(rb"1 OK .*")


def bearer(mechanism, token, user="test@example.com"):
    user = user.replace("=", "=3D").replace(",", "=2C") if mechanism == "OAUTHBEARER" else user
    head = f"user={user}" if mechanism == "XOAUTH2" else f"n,a={user},"
    return base64.b64encode(f"{head}\1auth=Bearer {token}\1\1".encode())


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
@pytest.mark.parametrize("initial", [True, False], ids=["at once", "after the challenge"])
def test_a_token_logs_in_after_one_that_failed(entered, mechanism, initial):
    client = entered()
    name = mechanism.encode()
    began = time.monotonic()
    client.send(b"1 AUTHENTICATE " + name + b" " + bearer(mechanism, "saslfail") + b"\r\n")
    client.expect(rb"\+ eyJzY2hlbWVzIjoiQmVhcmVyIiwic3RhdHVzIjoiNDAwIn0=")
    assert time.monotonic() - began > 0.9
    client.send(b"AQ==\r\n" if mechanism == "OAUTHBEARER" else b"\r\n")
    client.expect(rb"1 NO \[AUTHENTICATIONFAILED\] ERROR")
    good = bearer(mechanism, "secretok", "test=,@example.com")
    client.send(b"2 AUTHENTICATE " + name + (b" " + good if initial else b"") + b"\r\n")
    if not initial:
        client.expect(rb"\+ ")
        client.send(good + b"\r\n")
    client.expect(rb"2 OK .*")


@pytest.mark.parametrize(
    "command",
    [
        rb'a01 LOGIN "te\\\"st@example.com" "se\\\"cret"' + b"\r\n",
        b'a01 LOGIN {18+}\r\nte\\"st@example.com {8+}\r\nse\\"cret\r\n',
        b'a01 LOGIN {18+}\r\nte\\"st@example.com "se\\\\\\"cret"\r\n',
    ],
    ids=["quoted strings", "literals", "backslash in literal"],
)
def test_names_and_passwords_with_quotes(entered, command):
    client = entered()
    client.send(command)
    client.expect(rb"a01 OK .*")


def test_a_pipelined_logout_is_answered_by_the_backend(entered):
    client = entered()
    client.send(b"a01 LOGIN test@example.com secret\r\na02 LOGOUT\r\n")
    client.expect(rb"a01 OK .*")
    untagged, tagged = client.reply("a02")
    assert untagged == [b"* BYE fake"] and tagged.startswith(b"a02 OK")


# -- headgate import nginx ------------------------------------------------------------------------

MAIL = """
worker_processes 1;
events {{}}
mail {{
    server_name mail.example.org;
    auth_http {url};
    auth_http_timeout 2s;
    auth_http_header X-Auth-Key "the key";
    proxy_pass_error_message on;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_session_cache shared:SSL:10m;
    imap_capabilities "IMAP4rev1" "UIDPLUS";
    imap_auth plain login cram-md5 apop;
    server {{ listen 127.0.0.1:0 ssl; protocol imap; }}
    server {{ listen 127.0.0.1:0; protocol imap; starttls on; }}
    server {{ listen 127.0.0.1:2525; protocol smtp; }}
}}
"""


def imported(path):
    return subprocess.run(
        [binary(), "import", "nginx", path], capture_output=True, text=True, timeout=20, check=False
    )


def test_an_imported_configuration_is_checked_and_serves(proxied, tmp_path):
    backend = proxied.backend(Script(passwords=PASSWORDS))
    server = NginxAuthServer(backend.address.rpartition(":")[2])
    conf = tmp_path / "nginx.conf"
    conf.write_text(
        MAIL.format(
            url=server.url,
            certificate=proxied.certificate.certificate,
            key=proxied.certificate.key,
        )
    )
    done = imported(conf)
    assert done.returncode == 0, done.stderr
    for word in (
        "server_name",
        "proxy_pass_error_message",
        "ssl_session_cache",
        "apop is not offered",
        "it speaks smtp",
    ):
        assert word in done.stderr
        assert word in done.stdout, "the notes stand in the file as well"
    config = yaml.safe_load(done.stdout)
    config["log"] = {"level": "debug", "format": "json"}
    proxied.secrets += ["the key", "secret"]
    gate = proxied.start_config(config)
    check = gate.check()
    assert check.returncode == 0, check.stderr
    client = proxied.enter("imaps")
    assert "AUTH=CRAM-MD5" in client.capabilities()
    assert client.command("LOGIN test@example.com secret")[1].startswith(b"OK")
    assert server.stop() == []


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (None, "expected a file that can be read"),
        ("mail {", ":1: expected the name of a directive, found the end of the file"),
        ("http { server { listen 80; } }", ":1: expected a mail block"),
    ],
    ids=["no file", "broken", "no mail"],
)
def test_what_cannot_be_imported_is_an_error_with_its_place(tmp_path, text, error):
    conf = tmp_path / "nginx.conf"
    if text is not None:
        conf.write_text(text)
    done = imported(conf)
    assert (done.returncode, done.stdout) == (1, "")
    assert error in done.stderr
