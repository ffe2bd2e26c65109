"""Configurations of Dovecot and Perdition, imported, checked and served with.

What single settings become is tested in tests/unit/commands."""

import contextlib
import sqlite3
import subprocess

import pytest
import yaml

import dovecot_config
from fake_backend import PASSWORD, Script
from headgate_process import binary

DIRECTOR = """
protocols = imap pop3
listen = 127.0.0.1
ssl = required
ssl_cert = <{certificate}
ssl_key = <{key}
ssl_min_protocol = TLSv1.2
director_servers = 127.0.0.1
director_mail_servers = {backend}
director_username_hash = %Lu
login_greeting = Mail is here.
mail_max_userip_connections = 3
passdb {{
  driver = static
  args = proxy=y nopassword=y
}}
service imap-login {{
  executable = imap-login director
  inet_listener imap {{
    port = 11143
  }}
  inet_listener imaps {{
    port = 11993
  }}
}}
"""


def imported(kind, path, *more):
    return subprocess.run(
        [binary(), "import", kind, path, *more],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def served(proxied, done, **changes):
    """The imported configuration, checked as it is and then started on free ports."""
    assert done.returncode == 0, done.stderr
    config = yaml.safe_load(done.stdout)
    for listener in config["listeners"]:
        listener["address"] = "127.0.0.1:0"
    config["log"] = {"level": "debug", "format": "json"}
    config.update(changes)
    gate = proxied.start_config(config)
    check = gate.check()
    assert check.returncode == 0, check.stderr
    return gate


@pytest.mark.servers
def test_a_director_as_doveconf_prints_it_is_checked_and_serves(proxied, tmp_path):
    backend = proxied.backend()
    conf = tmp_path / "dovecot.conf"
    conf.write_text(
        DIRECTOR.format(
            certificate=proxied.certificate.certificate,
            key=proxied.certificate.key,
            backend=backend.address,
        )
    )
    if not dovecot_config.is_2_4():  # which has no director: its doveconf does not print one
        printed = subprocess.run(
            ["doveconf", "-nP", "-c", conf], capture_output=True, text=True, timeout=20, check=True
        )
        conf.write_text(printed.stdout)
    done = imported("dovecot-director", conf)
    for word in ("pop3: Headgate speaks IMAP", "director_servers: ", "the director's hash"):
        assert word in done.stderr
        assert word in done.stdout, "the notes stand in the file as well"
    served(proxied, done)
    client = proxied.enter("imaps")
    assert client.login("alice", PASSWORD.decode()).startswith(b"OK")
    assert backend.logins() == [(b"alice", PASSWORD)]


def test_a_proxy_with_a_passwd_file_and_a_master_user_is_checked_and_serves(proxied, tmp_path):
    backend = proxied.backend(Script(passwords={b"proxy": b"master-password"}))
    host, _, port = backend.address.rpartition(":")
    (tmp_path / "users").write_text("alice:{PLAIN}wonder\n")
    conf = tmp_path / "dovecot.conf"
    conf.write_text(
        f"""
ssl = no
passdb {{
  driver = passwd-file
  args = users
  result_success = continue-ok
}}
passdb {{
  driver = static
  args = proxy=y nopassword=y host={host} port={port} master=proxy pass=master-password
}}
"""
    )
    proxied.secrets += ["master-password", "wonder"]
    done = imported("dovecot-proxy", conf)
    assert "master-password" not in done.stderr
    config = yaml.safe_load(done.stdout)
    assert config["pools"]["main"]["master"] == {"user": "proxy", "password": "master-password"}
    served(proxied, done)
    client = proxied.connect("imap")
    client.greeting()
    assert client.login("alice", "wonder").startswith(b"OK")
    assert backend.logins() == [(b"proxy", b"master-password")]


def test_a_proxy_whose_passdb_is_a_query_is_checked_and_serves(proxied, tmp_path):
    script = Script(passwords={b"a.lice": b"of-all-users", b"bob": b"of-all-users"})
    here, there = proxied.backend(script), proxied.backend(script)
    with contextlib.closing(sqlite3.connect(tmp_path / "users.sqlite")) as database, database:
        database.execute("CREATE TABLE users (name, domain, pw, server, port, login, quota)")
        for row in (
            ("alice", "x.org", "{PLAIN}wonder", *here.address.split(":"), "a.lice", 1),
            ("bob", "x.org", "{PLAIN}land", *there.address.split(":"), "bob", 2),
        ):
            database.execute("INSERT INTO users VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    (tmp_path / "sql.conf").write_text(
        f"""
driver = sqlite
connect = {tmp_path}/users.sqlite
password_query = SELECT pw AS password, server AS host, port, login AS destuser, \\
  'Y' AS proxy, 'of-all-users' AS pass, quota AS userdb_quota_rule \\
  FROM users WHERE name = '%Ln' AND domain = '%Ld'
"""
    )
    conf = tmp_path / "dovecot.conf"
    conf.write_text(
        f"""
ssl = no
greeting = The mail
login_greeting = $greeting is here.
passdb {{
  driver = sql
  args = {tmp_path}/sql.conf
}}
"""
    )
    proxied.secrets += ["of-all-users", "wonder"]
    done = imported("dovecot-proxy", conf)
    assert "columns of password_query that are left out: userdb_quota_rule." in done.stderr
    assert "of-all-users" not in done.stderr
    served(proxied, done)
    for user, password, reply in (
        ("Alice@X.org", "wonder", b"OK"),
        ("bob@x.org", "land", b"OK"),
        ("bob@x.org", "wonder", b"NO [AUTHENTICATIONFAILED]"),
        ("bob@y.org", "land", b"NO [AUTHENTICATIONFAILED]"),
    ):
        client = proxied.connect("imap")
        assert client.expect(rb"\* OK .*The mail is here\.")
        assert client.login(user, password).startswith(reply), user
    assert here.logins() == [(b"a.lice", b"of-all-users")]
    assert there.logins() == [(b"bob", b"of-all-users")]


def test_perdition_with_its_popmap_is_checked_and_serves(proxied, tmp_path):
    known, other = proxied.backend(), proxied.backend()
    (tmp_path / "popmap").write_text(f"alice:wonder@{known.address}\nbob:{known.address}\n")
    conf = tmp_path / "perdition.conf"
    conf.write_text(
        f"""
ssl_mode ssl_listen
ssl_cert_file {proxied.certificate.certificate}
ssl_key_file {proxied.certificate.key}
outgoing_server {other.address}
map_library_opt popmap.gdbm.db
username_from_database
connect_relog 300
"""
    )
    done = imported("perdition", conf)
    assert "line 8: connect_relog" in done.stderr
    served(proxied, done)
    for user in ("alice", "bob", "carol"):
        proxied.logged_in(user)
    assert known.logins() == [(b"wonder", PASSWORD), (b"bob", PASSWORD)]
    assert other.logins() == [(b"carol", PASSWORD)]


def test_perdition_that_speaks_another_protocol_is_not_imported(tmp_path):
    conf = tmp_path / "perdition.conf"
    conf.write_text("protocol POP3\n")
    done = imported("perdition", conf)
    assert done.returncode == 1
    assert ":1: expected protocol IMAP4 or IMAP4S" in done.stderr


@pytest.mark.parametrize("kind", ["dovecot-director", "dovecot-proxy"])
@pytest.mark.parametrize(
    ("text", "error"),
    [
        (None, "expected a file that can be read"),
        ("a {\n", ":1: expected '}', found the end of the file"),
        ("protocols = pop3\n", ":1: expected a listener for IMAP"),
    ],
    ids=["no file", "broken", "no imap"],
)
def test_what_cannot_be_imported_is_an_error_with_its_place(tmp_path, kind, text, error):
    conf = tmp_path / "some.conf"
    if text is not None:
        conf.write_text(text)
    done = imported(kind, conf)
    assert done.returncode == 1
    assert done.stdout == ""
    assert error in done.stderr
