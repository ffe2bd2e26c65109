"""The user source dovecot_auth: logins judged by Dovecot's auth service."""

import base64
import hashlib
import os
import signal
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest
from cryptography.x509.oid import NameOID

from auth_service import BEHIND, MECHANISMS, AuthService
from certificates import Authority
import dovecot_config
from client_authority import ClientAuthority
from dovecot import Dovecot
from fake_backend import PASSWORD, Script
from headgate_process import Headgate, configuration
from scram_client import Scram
from server_process import wait_until_frozen

MASTER = Script(passwords={b"headgate-master": b"mastersecret"})
POOL = {"master": {"user": "headgate-master", "password": "mastersecret"}}
EVERY = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "DIGEST-MD5"]
AUTH = """\
auth_mechanisms = plain login cram-md5 scram-sha-256 digest-md5
service auth {
  unix_listener {directory}/auth-headgate {
    mode = 0600
  }
}
"""
NOBODY = dovecot_config.by_version(
    """\
passdb {
  driver = imap
  args = host=127.0.0.1 port=1
}
""",
    """\
passdb imap {
  imapc_host = 127.0.0.1
  imapc_port = 1
}
""",
)
# Name, password, and what stands behind the sixth colon of a passwd file.
USERS = {
    "alice": "sesame",
    "moved": "sesame::::::nologin reason=Ask_the_help_desk",
}


def auth_pid(dovecot):
    """The auth process among those of the instance; waits until it is there."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes()
                stat = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if words.startswith(b"dovecot/auth") and int(stat[1]) == dovecot.process.pid:
                return int(folder.name)
        time.sleep(0.02)
    raise AssertionError("there is no auth process")


@pytest.fixture(scope="module")
def dovecot():
    with Dovecot(USERS, more=AUTH) as instance:
        yield instance


@pytest.fixture
def gate(proxied):
    """start(server, …): Headgate with this source; the obedient backend."""

    def start(*servers, backend=None, pool=POOL, mechanisms=EVERY, options=(), deadline=None, **more):
        servers = [
            str(server.directory / "auth-headgate") if isinstance(server, Dovecot) else server
            for server in servers
        ]
        proxied.secrets.extend(["sesame", "mastersecret"])
        backend = backend or proxied.backend(MASTER)
        section = {"servers": servers, "checks_passwords": True, **dict(options)}
        source = {"source": "dovecot_auth", "pool": "main", "dovecot_auth": section}
        proxied.start(
            backend,
            pool=pool,
            users=[{**source, "deadline": deadline} if deadline else source],
            listeners=[
                {"name": name, "address": "127.0.0.1:0", "tls": tls, "sasl": list(mechanisms)}
                for name, tls in (("imaps", "implicit"), ("imap", "starttls"))
            ],
            **more,
        )
        return backend

    yield start


@pytest.fixture
def service():
    services = []

    def start(*arguments, **options):
        services.append(AuthService(*arguments, **options))
        return services[-1]

    yield start
    for each in services:
        each.close()


def gsasl(proxied, mechanism, password):
    host, port = proxied.gate.address("imap")
    return subprocess.run(
        ["gsasl", "--imap", f"--connect={host}:{port}", f"--mechanism={mechanism}", "--starttls",
         "--authentication-id=alice", f"--password={password}", "--no-cb",
         "--x509-ca-file=", "--hostname=localhost"],
        input="", capture_output=True, text=True, timeout=20,
    )  # fmt: skip


@pytest.mark.servers
def test_every_mechanism_that_dovecot_has_gets_a_user_in(gate, proxied, dovecot):
    backend = gate(dovecot)
    for mechanism in EVERY:
        good = gsasl(proxied, mechanism, "sesame")
        assert good.returncode == 0, mechanism + good.stdout + good.stderr
        wrong = gsasl(proxied, mechanism, "wrong")
        assert wrong.returncode != 0, mechanism
        assert proxied.gate.log.wait_for("login failed", mechanism=mechanism, user="alice")
    assert proxied.enter().login("alice", "sesame").startswith(b"OK")
    assert [each.authorization for each in backend.connections] == [b"alice"] * 6
    metrics = proxied.gate.metrics()
    source = {"source": "dovecot_auth"}
    assert metrics.value("headgate_source_results_total", result="accepted", **source) == 6
    assert metrics.value("headgate_source_results_total", result="rejected", **source) == 5
    assert metrics.value("headgate_source_results_total", result="challenged", **source) >= 5
    server = str(dovecot.directory / "auth-headgate")
    assert metrics.value("headgate_lookup_server_up", server=server, **source) == 1
    assert not proxied.gate.log.find("auth service lacks a mechanism that clients are offered")


@pytest.mark.servers
def test_what_dovecot_says_of_a_user_is_what_the_client_gets(gate, proxied, dovecot):
    backend = gate(dovecot, login={"max_failures": 100})
    client = proxied.enter()
    replies = {
        client.login(user, password)
        for user, password in (("alice", "wrong"), ("nobody", "sesame"), ("moved", "wrong"))
    }
    assert replies == {b"NO [AUTHENTICATIONFAILED] Authentication failed."}
    assert client.login("moved", "sesame") == b"NO [CONTACTADMIN] Ask_the_help_desk"
    assert Scram(client, user="nobody").run().startswith(b"s NO [AUTHENTICATIONFAILED]")
    assert not backend.connections
    assert client.login("alice", "sesame").startswith(b"OK")


@pytest.mark.servers
def test_a_passdb_that_is_not_there_is_no_wrong_password(gate, proxied):
    # An IMAP server for passdb at a port where nobody listens.
    with Dovecot(USERS, more=AUTH + NOBODY) as dovecot:
        gate(dovecot, mechanisms=["PLAIN", "LOGIN"])
        client = proxied.enter()
        assert client.login("nobody", "sesame").startswith(b"NO [UNAVAILABLE]")
        assert proxied.gate.log.wait_for("login failed", failure="lookup_unavailable")
        assert client.login("alice", "sesame").startswith(b"OK")


@pytest.mark.servers
def test_the_proxy_fields_of_the_passdb_are_obeyed(gate, proxied):
    there = proxied.backend(Script(passwords={b"a.lice": b"backendsecret", b"boss": b"bosses"}))
    host, _, port = there.address.rpartition(":")
    where = f"proxy=y host={host} port={port}"
    users = {
        "alice": f"sesame::::::{where} destuser=a.lice pass=backendsecret forward_tier=gold",
        "carol": f"sesame::::::{where} master=boss pass=bosses proxy_timeout=5",
        "dave": "sesame::::::proxy_maybe=y headgate_max_sessions=1",
        "tls": f"sesame::::::{where} ssl=yes",
    }
    proxied.secrets.extend(["backendsecret", "bosses"])
    with Dovecot(users, more=AUTH) as dovecot:
        here = gate(dovecot, pool={**POOL, "tls": "none"})
        for mechanism in ("LOGIN", "SCRAM-SHA-256"):
            client = proxied.enter()
            if mechanism == "LOGIN":
                assert client.login("alice", "sesame").startswith(b"OK")
            else:
                assert Scram(client, password="sesame").run().startswith(b"s OK")
        assert [each.user for each in there.connections] == [b"a.lice"] * 2
        assert [each.id["x-forward-tier"] for each in there.connections] == [b"gold"] * 2
        assert proxied.enter().login("carol", "sesame").startswith(b"OK")
        assert there.connections[2].user == b"boss"
        assert there.connections[2].authorization == b"carol"
        assert not here.connections
        assert proxied.enter().login("dave", "sesame").startswith(b"OK")
        assert here.connections[0].authorization == b"dave"
        assert proxied.enter().login("dave", "sesame").startswith(b"NO [LIMIT]")
        assert proxied.enter().login("tls", "sesame").startswith(b"NO [SERVERBUG]")
        assert proxied.gate.log.wait_for("login failed", user="tls", failure="backend_misconfigured")


@pytest.mark.servers
def test_any_cert_is_obeyed_where_the_pool_permits_it_and_for_that_user_alone(
    gate, proxied, tmp_path, authority
):
    # A certificate for the right name, by an authority that the pool does not trust.
    own = Authority(tmp_path / "own", "Somebody's own CA").issue("backend")
    script = Script(passwords={b"headgate-master": b"mastersecret"}, tls="implicit")
    there = proxied.backend(script, certificate=own)
    host, _, port = there.address.rpartition(":")
    where = f"proxy=y host={host} port={port}"
    users = {
        "alice": f"sesame::::::{where} ssl=any-cert",
        "bob": f"sesame::::::{where} ssl=yes",
    }
    pool = {**POOL, "tls": "implicit", "ca": str(authority.ca)}
    with Dovecot(users, more=AUTH) as dovecot:
        good = gate(dovecot, pool=pool, workers=1, backend=proxied.backend(script))
        client = proxied.enter()
        assert client.login("alice", "sesame").startswith(b"NO [UNAVAILABLE]")
        assert client.login("alice", "sesame").startswith(b"NO [UNAVAILABLE]")
        failed = proxied.gate.log.wait_for("login failed", count=2, user="alice")[0]
        assert failed["failure"] == "backend_tls"
        assert "certificate verify failed" in failed["detail"]
        assert "pool main does not permit (allow_any_cert)" in failed["detail"]
        assert len(proxied.gate.log.wait_for("any certificate refused", pool="main")) == 1
        metric = "headgate_any_certificate_total"
        assert proxied.gate.metrics().value(metric, wish="refused") == 2
        assert proxied.gate.metrics().value(metric, wish="permitted") == 0

        proxied.gate.config["pools"]["main"]["allow_any_cert"] = True
        proxied.gate.reload()
        for _ in range(2):
            client = proxied.enter()
            assert client.login("alice", "sesame").startswith(b"OK")
            other = proxied.enter().login("bob", "sesame")
            assert other.startswith(b"NO [UNAVAILABLE]"), "nor by what alice's session has left"
        assert proxied.gate.metrics().value(metric, wish="permitted") == 2
        assert [each.authorization for each in there.connections if each.authorization] == [
            b"alice",
            b"alice",
        ]
        assert not good.connections


@pytest.mark.servers
def test_explain_asks_the_master_socket_which_needs_no_password(gate, proxied):
    where = "proxy=y host=127.0.0.9 port=1143"
    master = AUTH + "service auth {\n  unix_listener {directory}/auth-master {\n  }\n}\n"
    with Dovecot({"alice": "sesame", "moved": f"sesame::::::{where}"}, more=master) as dovecot:
        options = {"master": str(dovecot.directory / "auth-master")}
        backend = gate(dovecot, options=options.items())
        assert proxied.gate.explain("alice")["backend"] == backend.address
        assert proxied.gate.explain("moved")["backend"] == "127.0.0.9:1143"
        with pytest.raises(AssertionError, match="refuses the user or none knows it"):
            proxied.gate.explain("nobody")
        auth = auth_pid(dovecot)
        os.kill(auth, signal.SIGSTOP)
        try:
            proxied.gate.config["users"][0]["dovecot_auth"]["timeout"] = "200ms"
            proxied.gate.reload()
            with pytest.raises(AssertionError, match="auth-master: no answer in time"):
                proxied.gate.explain("alice")
        finally:
            os.kill(auth, signal.SIGCONT)


@pytest.mark.servers
def test_dovecot_may_say_where_users_live_and_no_more(proxied):
    """A password in the passdb is no reason to let anybody in: nobody has shown one."""
    there, here = proxied.backend(), proxied.backend()
    host, _, port = there.address.rpartition(":")
    where = f"proxy=y host={host} port={port}"
    users = {
        "alice": f"sesame::::::{where} destuser=a.lice",
        "carol": f"sesame::::::{where} pass=backendsecret master=boss",
        "dave": "sesame",
        "moved": "sesame::::::nologin reason=Ask",
    }
    master = AUTH + "service auth {\n  unix_listener {directory}/auth-master {\n  }\n}\n"
    with Dovecot(users, more=master) as dovecot:
        section = {"master": str(dovecot.directory / "auth-master"), "route_only": True}
        proxied.secrets.append("backendsecret")
        proxied.start(
            here,
            users=[{"source": "dovecot_auth", "pool": "main", "dovecot_auth": section}],
            login={"max_failures": 100},
        )
        client = proxied.enter()
        assert client.login("nobody", "x").startswith(b"NO [AUTHENTICATIONFAILED]")
        assert client.login("moved", "sesame") == b"NO [AUTHENTICATIONFAILED] Authentication failed."
        assert not there.connections and not here.connections
        proxied.logged_in("alice")
        proxied.logged_in("dave")
        proxied.logged_in("carol")
        assert [each.user for each in there.connections] == [b"a.lice", b"carol"]
        assert [each.user for each in here.connections] == [b"dave"]
        assert there.connections[1].password == PASSWORD
        assert proxied.gate.explain("alice")["backend"] == there.address


@pytest.mark.servers
def test_a_passdb_without_any_check_leaves_it_to_the_backend(gate, proxied):
    dovecot = Dovecot({}, more=AUTH)
    (dovecot.directory / "users").write_text("alice:::::::nopassword=y\n")
    with dovecot:
        backend = gate(
            dovecot,
            backend=proxied.backend(),
            pool={},
            mechanisms=["PLAIN", "LOGIN"],
            options={"checks_passwords": False},
        )
        assert proxied.enter().login("alice", "anything").startswith(b"NO [AUTHENTICATIONFAILED]")
        assert backend.connections[0].user == b"alice"
        assert backend.connections[0].password == b"anything"
        proxied.logged_in("alice")


@pytest.mark.servers
def test_no_login_is_lost_when_the_auth_service_is_killed(gate, proxied):
    with Dovecot({"alice": "sesame"}, more=AUTH) as dovecot:
        gate(dovecot, log={"level": "info", "format": "json"})
        over = threading.Event()
        replies = []

        def log_in():
            while not over.is_set():
                client = proxied.enter()
                replies.append(client.login("alice", "sesame"))
                client.close()

        threads = [threading.Thread(target=log_in) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(4):
                before = len(replies)
                os.kill(auth_pid(dovecot), signal.SIGKILL)
                deadline = time.monotonic() + 20
                while len(replies) < before + 10:
                    assert time.monotonic() < deadline, replies[-3:]
                    time.sleep(0.01)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        assert {reply[:2] for reply in replies} == {b"OK"}, replies


@pytest.mark.servers
def test_a_frozen_service_costs_one_login_its_share_and_the_next_ones_nothing(gate, proxied):
    with Dovecot({"alice": "sesame"}, more=AUTH) as one, Dovecot(
        {"alice": "sesame"}, more=AUTH
    ) as two:
        gate(one, two, options={"timeout": "1s"}, workers=1)
        assert proxied.enter().login("alice", "sesame").startswith(b"OK")
        frozen = auth_pid(one)
        os.kill(frozen, signal.SIGSTOP)
        try:
            wait_until_frozen(frozen)
            begun = time.monotonic()
            assert proxied.enter().login("alice", "sesame").startswith(b"OK")
            first = time.monotonic() - begun
            begun = time.monotonic()
            for _ in range(3):
                assert Scram(proxied.enter(), password="sesame").run().startswith(b"s OK")
            rest = time.monotonic() - begun
            assert 0.4 < first < 2 and rest < 0.5, (first, rest)
            assert proxied.gate.log.wait_for("lookup server failed")
        finally:
            os.kill(frozen, signal.SIGCONT)
        deadline = time.monotonic() + 20
        while not proxied.gate.log.find("lookup server answers again"):
            assert proxied.enter().login("alice", "sesame").startswith(b"OK")
            assert time.monotonic() < deadline


@pytest.mark.servers
def test_a_frozen_service_costs_no_login_more_than_the_hedge_delay(gate, proxied):
    with Dovecot({"alice": "sesame"}, more=AUTH) as one, Dovecot(
        {"alice": "sesame"}, more=AUTH
    ) as two:
        gate(one, two, options={"timeout": "60s", "hedge_after": "300ms"}, workers=1, deadline="61s")
        assert proxied.enter().login("alice", "sesame").startswith(b"OK")
        frozen = auth_pid(one)
        os.kill(frozen, signal.SIGSTOP)
        try:
            wait_until_frozen(frozen)
            begun = time.monotonic()
            assert proxied.enter().login("alice", "sesame").startswith(b"OK")
            assert 0.25 < time.monotonic() - begun < 10
            assert proxied.enter().login("alice", "wrong").startswith(b"NO [AUTHENTICATIONFAILED]")
        finally:
            os.kill(frozen, signal.SIGCONT)
        metrics = proxied.gate.metrics()
        servers = [str(each.directory / "auth-headgate") for each in (one, two)]
        for server, abandoned in zip(servers, (1, 0)):
            labels = {"source": "dovecot_auth", "server": server}
            assert metrics.value("headgate_lookup_hedges_total", **labels) == 1 - abandoned
            found = metrics.value("headgate_lookup_requests_total", result="abandoned", **labels)
            assert found == abandoned, server
            assert metrics.value("headgate_lookup_requests_total", result="timeout", **labels) == 0


@pytest.mark.servers
def test_dovecot_holds_up_whose_login_is_to_wait(gate, proxied):
    until = int(time.time()) + 3
    with Dovecot({"alice": f"sesame::::::delay_until={until}"}, more=AUTH) as dovecot:
        gate(dovecot)
        assert proxied.enter().login("alice", "sesame").startswith(b"OK")
        assert time.time() >= until


def ok(fields, more=""):
    return f"OK\t{fields[1]}\tuser=alice{more}\n"


def test_the_handshake_of_2_4_and_what_a_service_is_told(gate, proxied, service):
    auth = service(ok)
    gate(auth.address, mechanisms=["PLAIN", "LOGIN", "SCRAM-SHA-256"])
    client = proxied.enter()
    assert client.login("alice", "sesame").startswith(b"OK")
    asked = auth.lines[-1]
    assert asked[:4] == ["AUTH", "1", "PLAIN", "service=imap"]
    assert "secured=tls" in asked and "lip=127.0.0.1" in asked and "rip=127.0.0.1" in asked
    assert asked[-1] == "resp=" + base64.b64encode(b"\0alice\0sesame").decode()
    lacks = "auth service lacks a mechanism that clients are offered"
    assert proxied.gate.log.wait_for(lacks, mechanism="SCRAM-SHA-256")
    assert Scram(proxied.enter()).run().startswith(b"s NO [UNAVAILABLE]")
    assert proxied.gate.log.wait_for("login failed", mechanism="SCRAM-SHA-256")
    assert len(proxied.gate.log.wait_for(lacks)) == 1


GSSAPI = "MECH\tGSSAPI\tmutual-auth\n" + MECHANISMS + BEHIND


def test_rounds_pass_whatever_the_mechanism_and_the_answer_says_who_it_is(gate, proxied, service):
    """What Kerberos looks like from here: long messages, an empty one, and a name at the very end."""
    challenges = {1: b"ticket taken", 2: b"layers", 3: None}
    rounds = []

    def answer(fields):
        rounds.append(fields)
        challenge = challenges[len(rounds)]
        if challenge is None:
            return ok(fields)
        return f"CONT\t{fields[1]}\t{base64.b64encode(challenge).decode()}\n"

    auth = service(answer, behind_version=GSSAPI)
    backend = gate(auth.address, mechanisms=["GSSAPI"])
    client = proxied.enter()
    assert "AUTH=GSSAPI" in client.capabilities()
    ticket = base64.b64encode(b"\0ticket\xff" * 1300)
    client.send(b"s AUTHENTICATE GSSAPI " + ticket + b"\r\n")
    assert client.line() == b"+ " + base64.b64encode(b"ticket taken")
    client.send(b"\r\n")
    assert client.line() == b"+ " + base64.b64encode(b"layers")
    client.send(base64.b64encode(b"none") + b"\r\n")
    assert client.line().startswith(b"* CAPABILITY"), "since the client has asked for them"
    assert client.line().startswith(b"s OK")
    assert rounds[0][2] == "GSSAPI" and rounds[0][-1] == "resp=" + ticket.decode()
    assert [each[0] for each in rounds] == ["AUTH", "CONT", "CONT"]
    assert rounds[1][2] == "" and base64.b64decode(rounds[2][2]) == b"none"
    assert backend.connections[0].authorization == b"alice"


def otp(passphrase, seed, count):
    """RFC 2289 with MD5: what stands behind so many rounds."""
    word = (seed + passphrase).encode()
    for _ in range(count + 1):
        digest = hashlib.md5(word).digest()
        word = bytes(a ^ b for a, b in zip(digest[:8], digest[8:]))
    return word


def test_a_mechanism_that_headgate_does_not_know_is_passed_on(gate, proxied, service):
    """One-time passwords (RFC 2444): the service keeps the last one, and counts down."""
    stored = {"count": 98, "word": otp("sesame", "ke1234", 98)}

    def answer(fields):
        if fields[0] == "AUTH":
            assert base64.b64decode(fields[-1].removeprefix("resp=")) == b"\0alice"
            asked = f"otp-md5 {stored['count'] - 1} ke1234 ext"
            return f"CONT\t{fields[1]}\t{base64.b64encode(asked.encode()).decode()}\n"
        kind, word = base64.b64decode(fields[2]).split(b":")
        digest = hashlib.md5(bytes.fromhex(word.decode())).digest()
        after = bytes(a ^ b for a, b in zip(digest[:8], digest[8:]))
        if kind != b"hex" or after != stored["word"]:
            return f"FAIL\t{fields[1]}\tuser=alice\n"
        stored.update(count=stored["count"] - 1, word=bytes.fromhex(word.decode()))
        return f"OK\t{fields[1]}\tuser=alice\n"

    otp_flags = "MECH\tOTP\tdictionary\tactive\tmutual-auth\n"
    auth = service(answer, behind_version=otp_flags + MECHANISMS + BEHIND)
    backend = gate(auth.address, mechanisms=["OTP", "PLAIN"], login={"max_failures": 100})
    client = proxied.enter()
    assert "AUTH=OTP" in client.capabilities()

    def log_in(passphrase):
        client.send(b"s AUTHENTICATE OTP " + base64.b64encode(b"\0alice") + b"\r\n")
        line = client.line()
        _, count, seed, _ = base64.b64decode(line[2:]).decode().split()
        word = "hex:" + otp(passphrase, seed, int(count)).hex()
        client.send(base64.b64encode(word.encode()) + b"\r\n")
        return client.line()

    assert log_in("wrong") == b"s NO [AUTHENTICATIONFAILED] Authentication failed."
    assert proxied.gate.log.wait_for("login failed", mechanism="OTP", user="alice")
    assert not backend.connections
    assert log_in("sesame").startswith(b"* CAPABILITY")
    assert client.line().startswith(b"s OK")
    assert stored["count"] == 97 and backend.connections[0].authorization == b"alice"


@pytest.mark.parametrize("flag", ["private", "anonymous"])
def test_what_a_service_has_for_itself_or_for_everybody_is_not_passed(gate, proxied, service, flag):
    flagged = f"MECH\tX-INSIDE\tdictionary\t{flag}\n"
    auth = service(ok, behind_version=flagged + MECHANISMS + BEHIND)
    backend = gate(auth.address, mechanisms=["X-INSIDE"])
    client = proxied.enter()
    client.send(b"s AUTHENTICATE X-INSIDE " + base64.b64encode(b"me") + b"\r\n")
    assert client.line().startswith(b"s NO [UNAVAILABLE]")
    assert not [line for line in auth.lines if line[0] == "AUTH"] and not backend.connections
    assert proxied.gate.log.wait_for(
        "auth service lacks a mechanism that clients are offered", mechanism="X-INSIDE"
    )


def test_a_file_before_the_service_does_not_take_what_it_cannot_judge(proxied, service, tmp_path):
    passwd = tmp_path / "users.passwd"
    passwd.write_text("bob:{PLAIN}sesame\n")
    auth = service(ok, behind_version=GSSAPI)
    backend = proxied.backend(MASTER)
    proxied.secrets.extend(["sesame", "mastersecret"])
    section = {"servers": [auth.address], "checks_passwords": True}
    proxied.start(
        backend,
        pool=POOL,
        users=[
            {"source": "passwd_file", "pool": "main", "path": str(passwd)},
            {"source": "dovecot_auth", "pool": "main", "dovecot_auth": section},
        ],
        listeners=[
            {
                "name": "imaps",
                "address": "127.0.0.1:0",
                "tls": "implicit",
                "sasl": ["PLAIN", "GSSAPI"],
            }
        ],
    )
    client = proxied.enter()
    client.send(b"s AUTHENTICATE GSSAPI " + base64.b64encode(b"ticket") + b"\r\n")
    assert client.line().startswith(b"s OK")
    assert backend.connections[0].authorization == b"alice"
    assert proxied.enter().login("bob", "sesame").startswith(b"OK")


CERTIFICATES = """\
auth_mechanisms = plain external
auth_ssl_username_from_cert = yes
service auth {
  unix_listener {directory}/auth-headgate {
    mode = 0600
  }
}
""" + dovecot_config.by_version(
    """\
passdb {
  driver = static
  args = nopassword=y user=%u
  mechanisms = external
}
""",
    """\
passdb static {
  mechanisms_filter = external
  fields {
    nopassword = yes
    user = %{user}
  }
}
""",
)


@pytest.mark.servers
def test_dovecot_judges_certificates_of_clients(proxied, tmp_path):
    people = ClientAuthority(tmp_path)
    alice = people.issue("alice", [(NameOID.COMMON_NAME, "alice")])
    nameless = people.issue("nameless", [(NameOID.ORGANIZATION_NAME, "alice")])
    with Dovecot(USERS, more=CERTIFICATES) as dovecot:
        backend = proxied.backend(MASTER)
        proxied.secrets.extend(["sesame", "mastersecret"])
        section = {
            "servers": [str(dovecot.directory / "auth-headgate")],
            "checks_passwords": True,
            "external": True,
        }
        proxied.start(
            backend,
            pool=POOL,
            users=[{"source": "dovecot_auth", "pool": "main", "dovecot_auth": section}],
            listeners=[
                {
                    "name": "imaps",
                    "address": "127.0.0.1:0",
                    "tls": "implicit",
                    "client_certificates": {"ca": str(people.file)},
                }
            ],
            login={"max_failures": 100},
        )

        def enter(certificate):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if certificate:
                context.load_cert_chain(certificate[0])
            client = proxied.connect("imaps", context=context, tls=True)
            client.expect(rb"\* OK .*")
            return client

        client = enter(None)
        assert "AUTH=EXTERNAL" not in client.capabilities()
        client = enter(nameless)
        assert client.command(b"AUTHENTICATE EXTERNAL =")[1].startswith(b"NO [AUTHENTICATIONFAILED]")
        client = enter(alice)
        assert "AUTH=EXTERNAL" in client.capabilities()
        other = base64.b64encode(b"bob")
        refused = client.command(b"AUTHENTICATE EXTERNAL " + other)[1]
        assert refused.startswith(b"NO [AUTHENTICATIONFAILED]")
        assert not backend.connections
        assert client.command(b"AUTHENTICATE EXTERNAL =")[1].startswith(b"OK")
        assert backend.connections[0].authorization == b"alice"
        assert proxied.gate.log.wait_for("login failed", mechanism="EXTERNAL", count=2)


def test_an_exchange_without_end_is_ended(gate, proxied, service):
    auth = service(lambda fields: f"CONT\t{fields[1]}\tbW9yZQ==\n" if fields[0] != "CANCEL" else "",
                   behind_version=GSSAPI)
    gate(auth.address, mechanisms=["GSSAPI"])
    client = proxied.enter()
    client.send(b"s AUTHENTICATE GSSAPI\r\n")
    for _ in range(16):
        assert client.line() == b"+ bW9yZQ=="
        client.send(b"bW9yZQ==\r\n")
    assert client.line().startswith(b"s NO [AUTHENTICATIONFAILED]")
    line = proxied.gate.log.wait_for("login failed", mechanism="GSSAPI")[0]
    assert line["detail"] == "more rounds than any mechanism takes"


def test_nonsense_ends_one_connection_and_is_never_a_wrong_password(gate, proxied, service):
    # Each login is asked three times, for there are two connections.
    nonsense = ["OK\n", "FAIL\tx\n", "OK\t999\tuser=mallory\n", "x" * 20000, "CONT\t1\t###\n"]
    nonsense += ["FAIL\n", "OK\t-1\tuser=mallory\n"]
    auth = service(lambda fields: nonsense.pop() if nonsense else ok(fields))
    backend = gate(auth.address, login={"max_failures": 100}, guessing={"enabled": False})
    client = proxied.enter()
    replies = [client.login("alice", "sesame") for _ in range(3)]
    assert all(reply.startswith(b"NO [UNAVAILABLE]") for reply in replies[:2]), replies
    assert replies[2].startswith(b"OK")
    assert len(auth.connections) == 8 and len(backend.connections) == 1


def check(proxied, tmp_path, source, *, pool=None, mechanisms=("PLAIN",), more=()):
    """The exit status and the words of `headgate check`."""
    config = configuration(
        proxied.certificate,
        [{"address": "127.0.0.1:143"}],
        pool=pool or {},
        users=[*more, {"source": "dovecot_auth", "pool": "main", **source}],
        listeners=[
            {"name": "a", "address": "127.0.0.1:0", "tls": "implicit", "sasl": list(mechanisms)}
        ],
    )
    gate = Headgate(tmp_path, config)
    gate.write_config()
    done = gate.check()
    return done.returncode, done.stdout + done.stderr


def options(**more):
    return {"dovecot_auth": {"servers": ["/run/auth"], **more}}


OPEN = options()
SOCKET = options(checks_passwords=True)
PASSES = options(brings_passwords=True)
TOKENS = options(checks_passwords=True, tokens=True)


@pytest.mark.parametrize(
    "source, options, expected",
    [
        ({}, {}, "expected a section dovecot_auth with source dovecot_auth"),
        ({"dovecot_auth": {}}, {}, "servers: expected a list of at least one server without route"),
        ({"dovecot_auth": {"route_only": True}}, {}, "master: expected a socket of type master"),
        (
            {"dovecot_auth": {"master": "/m", "route_only": True, "tokens": True}},
            {},
            "tokens: expected false with route_only",
        ),
        (
            {"dovecot_auth": {"master": "/m", "route_only": True}},
            {"pool": POOL},
            "users[0].pool: expected another pool",
        ),
        ({"dovecot_auth": {"servers": []}}, {}, "servers: expected a list of at least one server"),
        ({"dovecot_auth": {"servers": ["auth"]}}, {}, "expected the absolute path of a Unix socket"),
        (
            {"dovecot_auth": {"servers": ["/a", "/a"]}},
            {},
            "servers[1]: expected another server, found '/a' again",
        ),
        (
            {"deadline": "2s", "dovecot_auth": {"servers": ["/a"], "timeout": "3s"}},
            {},
            "timeout: expected at most the source's deadline (2000ms), found 3000ms",
        ),
        (SOCKET, {"mechanisms": ["CRAM-MD5"]}, "expected mechanisms that tell the password"),
        (
            SOCKET,
            {"mechanisms": ["SCRAM-SHA-256-PLUS"], "pool": POOL},
            "expected a mechanism that a user source can serve",
        ),
        (TOKENS, {"mechanisms": ["XOAUTH2"]}, "since a token is no password"),
        (OPEN, {"pool": POOL}, "users[0].pool: expected another pool"),
    ],
)
def test_check_says_what_cannot_be(proxied, tmp_path, source, options, expected):
    status, words = check(proxied, tmp_path, source, **options)
    assert status != 0 and expected in words, words


def test_check_lets_pass_what_can_be(proxied, tmp_path):
    for source, options in (
        (OPEN, {}),
        (SOCKET, {"mechanisms": ["CRAM-MD5", "SCRAM-SHA-256"], "pool": POOL}),
        (PASSES, {"mechanisms": ["CRAM-MD5"]}),
        (TOKENS, {"mechanisms": ["XOAUTH2"], "pool": POOL}),
    ):
        status, words = check(proxied, tmp_path, source, **options)
        assert status == 0, words


def test_of_two_that_judge_an_exchange_only_one_can_be_asked(proxied, tmp_path):
    passwd = tmp_path / "users.passwd"
    passwd.write_text("bob:{PLAIN}x\n")
    first = {"source": "passwd_file", "path": str(passwd), "pool": "main"}
    status, words = check(
        proxied, tmp_path, SOCKET, more=[first], pool=POOL, mechanisms=["SCRAM-SHA-256"]
    )
    assert status != 0 and "users[1] would never be asked" in words, words
    assert check(proxied, tmp_path, SOCKET, more=[first], pool=POOL)[0] == 0
