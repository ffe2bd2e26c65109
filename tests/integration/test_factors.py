"""Application passwords, and one-time codes behind passwords."""

import subprocess
import time

import pytest

import refusal_times
from fake_backend import Script
from ldap_server import BASE, SEARCHER, SEARCHER_PASSWORD, Slapd, person
from sql_servers import SQLite

# Of "sesame", made by doveadm.
SSHA = "{SSHA}PDgrz64T6deS6Cewf2jv7eLSQkxJAuaN"
MASTER = Script(passwords={b"headgate-master": b"mastersecret"})
POOL = {"master": {"user": "headgate-master", "password": "mastersecret"}}


def start(proxied, source, *backends, secrets=("sesame", "barley"), **more):
    proxied.secrets += ["mastersecret", *secrets]
    more.setdefault("login", {"max_failures": 100, "failure_delay": "0ms"})
    return proxied.start(*backends, pool=POOL, users=[{"pool": "main", **source}], **more)


def used(proxied, app):
    """Waits for the log line; the metric must say the same."""
    [line] = proxied.gate.log.wait_for("application password used", app=app)
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_login_factors_total", factor="app_password") == 1
    return line


def test_a_passwd_file_has_application_passwords_in_lines_of_their_own(proxied, tmp_path):
    file = tmp_path / "users.passwd"
    file.write_text(
        f"alice:{SSHA}:backend_user=a1\n"
        "alice:{PLAIN}barley:app=phone\n"
        f"bob:!{SSHA}\n"
        "bob:{PLAIN}barley:app=phone\n"
    )
    backend = proxied.backend(MASTER, forbidden=[b"sesame", b"barley"])
    start(proxied, {"source": "passwd_file", "path": str(file)}, backend)
    client = proxied.enter()
    refused = client.login("alice", "neither")
    assert refused.startswith(b"NO [AUTHENTICATIONFAILED]")
    assert client.login("bob", "barley") == refused, "who is locked out is so with every password"
    assert client.login("alice", "barley").startswith(b"OK")
    assert proxied.enter().login("alice", "sesame").startswith(b"OK")
    assert [c.authorization for c in backend.connections] == [b"a1", b"a1"]
    assert used(proxied, "phone")["user"] == "alice"


def test_a_table_has_a_row_for_each_password(proxied):
    database = SQLite()
    backends = [proxied.backend(MASTER), proxied.backend(MASTER)]
    database.run(
        "CREATE TABLE passwords (name TEXT, hash TEXT, label TEXT, place TEXT);"
        f"INSERT INTO passwords VALUES ('alice', '{SSHA}', NULL, '{backends[0].address}'),"
        f" ('alice', '{{PLAIN}}barley', 'phone', '{backends[1].address}'),"
        f" ('twin', '{SSHA}', NULL, NULL), ('twin', '{SSHA}', NULL, NULL);"
        "INSERT INTO passwords SELECT 'many', '{PLAIN}barley', 'a', NULL FROM"
        " (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<17) SELECT i FROM n)"
    )
    query = "SELECT hash AS password, label AS app, place AS backend FROM passwords"
    sql = {**database.settings(), "query": query + " WHERE name = :user"}
    start(proxied, {"source": "sql", "sql": sql}, *backends)
    client = proxied.enter()
    assert client.login("alice", "neither").startswith(b"NO [AUTHENTICATIONFAILED]")
    for user in ("twin", "many"):
        assert client.login(user, "sesame").startswith(b"NO [UNAVAILABLE]")
        assert proxied.gate.log.wait_for("user record not understood", user=user)
    assert client.login("alice", "sesame").startswith(b"OK")
    assert proxied.enter().login("alice", "barley").startswith(b"OK")
    assert [len(backend.logins()) for backend in backends] == [1, 1], "each row has its own route"
    used(proxied, "phone")


@pytest.mark.servers
def test_a_directory_has_several_values_of_one_attribute_or_of_two(
    proxied, authority, certificate
):
    slapd = Slapd(
        certificate,
        authority.ca,
        [person("alice", SSHA, mail="alice@example.org", employeeNumber="{PLAIN}barley")],
    )
    ldap = {
        "servers": [slapd.url],
        "bind_dn": SEARCHER,
        "bind_password": SEARCHER_PASSWORD,
        "base": f"ou=people,{BASE}",
        "filter": "(mail={user})",
        "passwords": "fetch",
        "app_password_attribute": "employeeNumber",
    }
    try:
        start(proxied, {"source": "ldap", "ldap": ldap}, proxied.backend(MASTER))
        client = proxied.enter()
        refused = client.login("alice@example.org", "neither")
        assert refused.startswith(b"NO [AUTHENTICATIONFAILED]")
        assert client.login("alice@example.org", "barley").startswith(b"OK")
        assert proxied.enter().login("alice@example.org", "sesame").startswith(b"OK")
        used(proxied, "employeeNumber")
    finally:
        slapd.stop()


TOTP = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def code(steps=0):
    """What an authenticator shows, some steps of 30 seconds from now."""
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time.time() + 30 * steps))
    made = subprocess.run(
        ["oathtool", "--totp", "--base32", f"--now={when}", TOTP], capture_output=True, check=True
    )
    return made.stdout.decode().strip()


def factors(proxied):
    metrics = proxied.gate.metrics()
    kinds = ["totp", "totp_missing", "totp_wrong", "totp_replayed"]
    return [metrics.value("headgate_login_factors_total", factor=kind) for kind in kinds]


@pytest.mark.parametrize("kind", ["passwd_file", "sql", "bind", "fetch"])
@pytest.mark.servers
def test_a_user_with_an_authenticator_appends_its_code_which_is_good_once(
    proxied, tmp_path, authority, certificate, kind
):
    slapd = None
    if kind == "passwd_file":
        file = tmp_path / "users.passwd"
        file.write_text(f"alice:{SSHA}:totp={TOTP}\n")
        source = {"source": "passwd_file", "path": str(file)}
    elif kind == "sql":
        database = SQLite()
        database.run(
            "CREATE TABLE codes (name TEXT, hash TEXT, secret TEXT);"
            f"INSERT INTO codes VALUES ('alice', '{SSHA}', '{TOTP}');"
        )
        query = "SELECT hash AS password, secret AS totp FROM codes WHERE name = :user"
        source = {"source": "sql", "sql": {**database.settings(), "query": query}}
    else:
        people = [person("alice", SSHA, employeeNumber=TOTP)]
        slapd = Slapd(certificate, authority.ca, people)
        ldap = {
            "servers": [slapd.url],
            "bind_dn": SEARCHER,
            "bind_password": SEARCHER_PASSWORD,
            "base": f"ou=people,{BASE}",
            "filter": "(uid={user})",
            "passwords": kind,
            "totp_attribute": "employeeNumber",
        }
        source = {"source": "ldap", "ldap": ldap}
    try:
        # The cache must neither let a code in twice nor refuse the next one.
        backend = proxied.backend(MASTER, forbidden=[b"sesame"])
        cache = {"ttl": "60s", "negative_ttl": "60s"}
        start(proxied, {**source, "cache": cache}, backend, secrets=["sesame", TOTP])
        now = code()
        client = proxied.enter()
        refused = client.login("alice", "neither")
        assert refused.startswith(b"NO [AUTHENTICATIONFAILED]")
        assert client.login("alice", "sesame") == refused
        assert client.login("alice", "sesame" + code(9)) == refused
        assert client.login("alice", "neither" + now) == refused
        assert client.login("alice", "sesame" + now).startswith(b"OK")
        client = proxied.enter()
        assert client.login("alice", "sesame" + now) == refused
        assert client.login("alice", "sesame" + now) == refused
        assert client.login("alice", "sesame" + code(1)).startswith(b"OK")
        assert factors(proxied) == [2, 1, 1, 2]
        assert proxied.gate.log.wait_for(
            "login failed", detail="the password is right but the one-time code has been used"
        )
    finally:
        if slapd:
            slapd.stop()


@pytest.mark.parametrize("passwords", ["bind", "fetch"])
@pytest.mark.servers
def test_a_code_is_good_once_however_many_servers_are_asked_about_it(
    proxied, authority, certificate, passwords
):
    people = [person("alice", SSHA, employeeNumber=TOTP)]
    slapds = [Slapd(certificate, authority.ca, people) for _ in range(2)]
    ldap = {
        "servers": [slapd.url for slapd in slapds],
        "hedge_after": "100ms",
        "bind_dn": SEARCHER,
        "bind_password": SEARCHER_PASSWORD,
        "base": f"ou=people,{BASE}",
        "filter": "(uid={user})",
        "passwords": passwords,
        "totp_attribute": "employeeNumber",
    }
    try:
        source = {"source": "ldap", "ldap": ldap, "deadline": "60s"}
        start(proxied, source, proxied.backend(MASTER), secrets=["sesame", TOTP])
        client = proxied.enter()
        assert client.login("alice", "sesame").startswith(b"NO [AUTHENTICATIONFAILED]")
        slapds[0].freeze()
        now = code()
        assert client.login("alice", "sesame" + now).startswith(b"OK"), "the second has judged it"
        slapds[0].thaw()
        proxied.gate.log.wait_for("lookup server answers again", server=slapds[0].url)
        client = proxied.enter()
        assert client.login("alice", "sesame" + now).startswith(b"NO [AUTHENTICATIONFAILED]")
        assert client.login("alice", "sesame" + code(1)).startswith(b"OK")
        assert factors(proxied) == [2, 1, 0, 1]
    finally:
        for slapd in slapds:
            slapd.thaw()
            slapd.stop()


def test_a_code_used_on_one_worker_is_used_on_all_and_after_a_reload(proxied, tmp_path):
    file = tmp_path / "users.passwd"
    file.write_text(f"alice:{SSHA}:totp={TOTP}\n")
    source = {"source": "passwd_file", "path": str(file)}
    gate = start(proxied, source, proxied.backend(MASTER), workers=2)
    now = code()
    answers = [proxied.enter().login("alice", "sesame" + now) for _ in range(8)]
    assert [answer.startswith(b"OK") for answer in answers] == [True] + 7 * [False]
    gate.config["users"][0]["app_passwords_need_code"] = False  # so that it is a new source
    gate.reload()
    assert not proxied.enter().login("alice", "sesame" + now).startswith(b"OK")


@pytest.mark.parametrize("need_code", [True, False])
def test_application_passwords_need_no_code_where_the_operator_says_so(
    proxied, tmp_path, need_code
):
    file = tmp_path / "users.passwd"
    file.write_text(f"alice:{SSHA}:totp={TOTP}\nalice:{{PLAIN}}barley:app=phone\n")
    source = {
        "source": "passwd_file",
        "path": str(file),
        "app_passwords_need_code": need_code,
    }
    start(proxied, source, proxied.backend(MASTER))
    assert proxied.enter().login("alice", "barley").startswith(b"OK") == (not need_code)
    assert proxied.enter().login("alice", "barley" + code()).startswith(b"OK") == need_code
    assert not proxied.enter().login("alice", "sesame").startswith(b"OK")


def test_a_backend_that_checks_the_password_gets_it_without_the_code(proxied, tmp_path):
    database = SQLite()
    database.run(
        "CREATE TABLE codes (name TEXT, secret TEXT);"
        f"INSERT INTO codes VALUES ('alice', '{TOTP}');"
    )
    query = "SELECT secret AS totp FROM codes WHERE name = :user"
    sql = {**database.settings(), "query": query, "check_password": False}
    backend = proxied.backend(Script(passwords={b"alice": b"sesame"}))
    proxied.start(backend, users=[{"source": "sql", "pool": "main", "sql": sql}])
    assert proxied.enter().login("alice", "sesame" + code()).startswith(b"OK")
    assert not proxied.enter().login("alice", "sesame").startswith(b"OK")
    assert backend.logins() == [(b"alice", b"sesame")]


def test_a_secret_that_is_none_lets_nobody_in_and_says_where_it_stands(proxied, tmp_path):
    file = tmp_path / "users.passwd"
    file.write_text(f"alice:{SSHA}\n")
    gate = start(proxied, {"source": "passwd_file", "path": str(file)})
    file.write_text(f"alice:{SSHA}:totp=0189\n")
    result = gate.check()
    assert result.returncode == 1
    assert "users.passwd:1: totp: expected base32" in result.stderr


@pytest.mark.parametrize("password", ["wrong", "wrong123456"], ids=["without", "with"])
def test_the_time_of_the_reply_does_not_tell_who_has_one_time_codes(proxied, tmp_path, password):
    file = tmp_path / "users.passwd"
    file.write_text(
        f"alice:{refusal_times.SLOW_HASH}:totp=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP\n"
        f"bob:{refusal_times.SLOW_HASH}\n"
    )
    start(
        proxied,
        {"source": "passwd_file", "path": str(file)},
        proxied.backend(unreachable=True),
        login={"max_failures": 1000, "failure_delay": "0s"},
        guessing={"enabled": False},
    )
    client = proxied.enter()
    refusal_times.assert_they_tell_nothing(client, "alice", "nobody", password)
    refusal_times.assert_they_tell_nothing(client, "alice", "bob", password)
