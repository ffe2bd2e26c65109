"""Application passwords: several hashes a user."""

import pytest

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
