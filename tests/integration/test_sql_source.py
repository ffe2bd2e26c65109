"""Users in PostgreSQL, MariaDB and SQLite: the real servers, started for these tests."""

import time

import pytest

import refusal_times
from fake_backend import PASSWORD, Script
from raw_client import plain_response
from scram_client import HASHES, Scram, stored
from scram_client import PASSWORD as SCRAM_PASSWORD
from sql_servers import PASSWORD as DATABASE_PASSWORD
from sql_servers import MariaDB, PostgreSQL, SQLite

pytestmark = pytest.mark.servers

# Both of "sesame", made by doveadm.
SSHA = "{SSHA}PDgrz64T6deS6Cewf2jv7eLSQkxJAuaN"
BCRYPT = "{BLF-CRYPT}$2y$05$MqFfY95XhEoFeqsG.PlCyOML6SW35zjq1Yy828alpYLfUvVEHboza"
QUERY = (
    "SELECT hash AS password, place AS backend, login AS \"user\" FROM mailboxes "
    "WHERE name = :user"
)
MASTER = Script(passwords={b"headgate-master": b"mastersecret"})


@pytest.fixture(scope="module")
def servers():
    """Started when a test first wants one, stopped at the end of the module."""
    started = {}

    def get(kind):
        if kind not in started:
            started[kind] = {"postgresql": PostgreSQL, "mysql": MariaDB, "sqlite": SQLite}[kind]()
        return started[kind]

    yield get
    for server in started.values():
        server.stop()


@pytest.fixture(params=["postgresql", "mysql", "sqlite"])
def database(request, servers):
    return servers(request.param)


@pytest.fixture(params=["postgresql", "mysql"])
def server(request, servers):
    server = servers(request.param)
    yield server
    server.thaw()


def start(proxied, database, *backends, query=QUERY, sql=None, source=None, users=(), **more):
    if database.settings()["driver"] == "mysql":
        query = query.replace('"user"', "`user`")
    proxied.secrets += [DATABASE_PASSWORD, "mastersecret", "sesame"]
    entry = {
        "source": "sql",
        "pool": "main",
        "sql": {**database.settings(), "query": query, **(sql or {})},
        **(source or {}),
    }
    more.setdefault("pool", {"master": {"user": "headgate-master", "password": "mastersecret"}})
    return proxied.start(*backends, users=[entry, *users], **more)


def test_the_password_is_checked_here_and_the_row_says_where_the_mailbox_is(proxied, database):
    backends = [proxied.backend(MASTER, forbidden=[b"sesame"]) for _ in range(2)]
    database.set_users(
        ("alice@example.org", SSHA, backends[0].address),
        ("bob", BCRYPT, backends[1].address, "b0b@internal"),
        ("nopassword", None),
        ("locked", "!" + SSHA),
    )
    start(proxied, database, *backends, login={"max_failures": 100})
    client = proxied.enter()
    refused = client.login("alice@example.org", "wrong")
    assert refused.startswith(b"NO [AUTHENTICATIONFAILED]")
    for user, password in [
        ("nobody", "sesame"),
        ("nopassword", ""),
        ("nopassword", "sesame"),
        ("locked", "sesame"),
        ("bob", "{BLF-CRYPT}"),
        ("x' OR '1'='1", "sesame"),
        ("bob\\", "sesame"),
        ("' UNION SELECT '{PLAIN}other", "other"),
    ]:
        response = plain_response(user, password)
        assert client.command(b"AUTHENTICATE PLAIN " + response)[1] == refused, user
    assert not backends[0].connections and not backends[1].connections
    assert client.login("alice@example.org", "sesame").startswith(b"OK")
    assert proxied.enter().login("bob", "sesame").startswith(b"OK")
    assert [c.authorization for c in backends[0].connections] == [b"alice@example.org"]
    assert [c.authorization for c in backends[1].connections] == [b"b0b@internal"]
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_source_results_total", source="sql", result="accepted") == 2
    assert metrics.value("headgate_source_results_total", source="sql", result="unavailable") == 0
    assert metrics.value("headgate_source_duration_seconds_count", source="sql") == 11
    assert proxied.gate.explain("bob")["backend_user"] == "b0b@internal"


def test_a_column_is_the_number_of_sessions_that_the_user_may_have(proxied, database):
    database.set_users(("alice", SSHA, None), ("bob", SSHA, None))
    columns = "hash AS password, CASE name WHEN 'alice' THEN 1 ELSE -1 END AS max_sessions"
    query = f"SELECT {columns} FROM mailboxes WHERE name = :user"
    start(proxied, database, proxied.backend(MASTER), query=query, limits={"sessions_per_user": 2})
    assert proxied.enter().login("alice", "sesame").startswith(b"OK")
    assert proxied.enter().login("alice", "sesame").startswith(b"NO [LIMIT]")
    assert proxied.enter().login("bob", "sesame").startswith(b"NO [UNAVAILABLE]")
    line = proxied.gate.log.wait_for("user record not understood", user="bob")[0]
    assert "max_sessions: expected a whole number from 0 to 10000000" in line["error"]


def test_every_placeholder_has_its_value(proxied, database):
    backend = proxied.backend()
    database.set_users(("al:ice@b|example.org|127.0.0.1|plain", None))
    concat = "concat({})" if database.settings()["driver"] == "mysql" else "{}"
    joined = (", " if "concat" in concat else " || ").join(
        [":local_part", "'|'", ":domain", "'|'", ":ip", "'|'", ":listener"]
    )
    query = (
        "SELECT place AS backend FROM mailboxes WHERE name = "
        + concat.format(joined)
        + " AND ':none' = ':none' AND :user = :user"
    )
    start(proxied, database, backend, query=query, sql={"check_password": False}, pool={})
    proxied.logged_in("al:ice@b@example.org", door="plain")
    assert backend.logins() == [(b"al:ice@b@example.org", PASSWORD)], "the backend checks"
    client = proxied.enter("plain")
    assert client.login("other@example.org", "x").startswith(b"NO [AUTHENTICATIONFAILED]")


def test_a_row_that_makes_no_sense_is_no_wrong_password_and_no_failure_of_the_source(
    proxied, database
):
    database.set_users(("odd", "{MD4}sesame"), ("far", SSHA, "no port"), ("fine", SSHA))
    start(
        proxied,
        database,
        proxied.backend(MASTER),
        source={"breaker": {"failures": 1}},
        login={"max_failures": 100},
    )
    client = proxied.enter()
    for user in ("odd", "far"):
        assert client.login(user, "sesame").startswith(b"NO [UNAVAILABLE]")
    assert client.login("fine", "sesame").startswith(b"OK")
    assert proxied.gate.log.wait_for("password hash not understood", user="odd", source="sql")
    assert proxied.gate.log.wait_for("user record not understood", user="far", source="sql")


def test_a_query_with_a_fault_is_unavailable_and_says_so_in_the_log(proxied, database):
    start(
        proxied,
        database,
        proxied.backend(unreachable=True),
        query="SELECT hash AS password FROM no_such_table WHERE name = :user",
        source={"name": "customers", "breaker": {"failures": 1}},
    )
    client = proxied.enter()
    assert client.login("alice", "sesame").startswith(b"NO [UNAVAILABLE]")
    [opened] = proxied.gate.log.wait_for("user source failed too often, not asked for now")
    assert opened["source"] == "customers"
    assert "no_such_table" in opened["error"]
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_source_breaker_open", source="customers") == 1


def test_a_server_that_was_restarted_is_connected_to_again(proxied, server):
    server.set_users(("alice", SSHA))
    start(proxied, server, proxied.backend(MASTER), sql={"connections": 1})
    assert proxied.enter().login("alice", "sesame").startswith(b"OK")
    server.end()
    client = proxied.enter()
    assert client.login("alice", "sesame").startswith(b"NO [UNAVAILABLE]")
    server.start()
    assert client.login("alice", "sesame").startswith(b"OK")


def test_a_server_that_hangs_costs_the_deadline_then_nothing_and_hurts_nobody_else(
    proxied, server, tmp_path
):
    server.set_users(("alice", SSHA))
    file = tmp_path / "users.passwd"
    file.write_text(f"bob:{SSHA}\n")
    backend = proxied.backend(MASTER)
    start(
        proxied,
        server,
        backend,
        source={
            "deadline": "500ms",
            "breaker": {"failures": 2, "pause": "1s", "longest_pause": "1s"},
        },
        sql={"connections": 2},
        login={"max_failures": 100},
        workers=1,
    )
    other = proxied.enter()
    assert other.login("alice", "sesame").startswith(b"OK")
    client = proxied.enter()
    server.freeze()
    for _ in range(2):
        began = time.monotonic()
        client.send(b"a LOGIN alice sesame\r\n")
        assert other.command("NOOP")[1] == b"OK done"
        assert time.monotonic() - began < 0.3, "another session waited for the database"
        client.expect(rb"a NO \[UNAVAILABLE\].*")
        assert 0.4 < time.monotonic() - began < 2
    began = time.monotonic()
    assert client.login("alice", "sesame").startswith(b"NO [UNAVAILABLE]")
    assert time.monotonic() - began < 0.3, "the breaker is open"
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_source_breaker_open", source="sql") == 1
    assert metrics.value("headgate_source_results_total", source="sql", result="breaker_open") == 1
    server.thaw()
    deadline = time.monotonic() + 10
    while not client.login("alice", "sesame").startswith(b"OK"):
        assert time.monotonic() < deadline, "it is not asked again"
        time.sleep(0.05)
    proxied.gate.log.wait_for("user source answers again", source="sql")


def test_a_cached_password_needs_no_server_and_a_new_one_ends_it(proxied, servers):
    database = servers("sqlite")
    database.set_users(("alice", SSHA))
    backend = proxied.backend(MASTER)
    start(proxied, database, backend, source={"cache": {}}, login={"max_failures": 100})
    client = proxied.enter()
    assert client.login("alice", "other").startswith(b"NO [AUTHENTICATIONFAILED]")
    assert client.login("alice", "sesame").startswith(b"OK")
    database.set_users(("alice", "{PLAIN}other"))
    assert proxied.enter().login("alice", "sesame").startswith(b"OK"), "it was cached"
    client = proxied.enter()
    assert client.login("alice", "other").startswith(b"OK")
    assert proxied.enter().login("alice", "sesame").startswith(b"NO [AUTHENTICATIONFAILED]")
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_source_cache_results_total", source="sql", result="hit") == 1
    assert metrics.value("headgate_source_cache_entries", source="sql") == 2


def test_the_time_of_the_reply_does_not_tell_whether_the_user_exists(proxied, servers):
    database = servers("sqlite")
    database.set_users(("alice", refusal_times.SLOW_HASH))
    start(
        proxied,
        database,
        proxied.backend(unreachable=True),
        login={"max_failures": 1000, "failure_delay": "0s"},
    )
    client = proxied.enter()
    refusal_times.assert_they_tell_nothing(client, "alice", "nobody")


SCRAM = [{"name": "imaps", "address": "127.0.0.1:0", "tls": "implicit",
          "sasl": ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]}]  # fmt: skip


@pytest.mark.parametrize("mechanism", HASHES)
def test_scram_is_judged_by_keys_or_a_password_in_the_column(proxied, database, mechanism):
    backend = proxied.backend(MASTER, forbidden=[SCRAM_PASSWORD.encode()])
    database.set_users(
        ("keys", stored(mechanism), backend.address, "keys@internal"),
        ("clear", "{PLAIN}" + SCRAM_PASSWORD, backend.address),
        ("hashed", SSHA, backend.address),
    )
    start(proxied, database, backend, listeners=SCRAM, login={"max_failures": 100})
    client = proxied.enter()
    for user in ("keys", "clear", "hashed", "nobody"):
        refused = Scram(client, mechanism, user=user, password="wrong").run()
        assert refused.startswith(b"s NO [AUTHENTICATIONFAILED]"), user
    assert Scram(client, mechanism, user="hashed", password="sesame").run().startswith(b"s NO [AUTH")
    assert not backend.connections, "a wrong proof reached a backend"
    for user in ("keys", "clear"):
        assert Scram(proxied.enter(), mechanism, user=user).run().startswith(b"s OK"), user
    assert [c.authorization for c in backend.connections] == [b"keys@internal", b"clear"]
    assert proxied.enter().login("keys", SCRAM_PASSWORD).startswith(b"OK"), "a password that is told"


@pytest.mark.parametrize("secret", ["keys", "clear"])
def test_the_time_of_a_scram_exchange_does_not_tell_whether_the_user_exists(
    proxied, server, secret
):
    """The same text, number of rounds, iterations and length of salt are a matter of course; here is
    how long each round takes."""
    server.set_users(
        ("alice", stored("SCRAM-SHA-256") if secret == "keys" else "{PLAIN}" + SCRAM_PASSWORD)
    )
    start(
        proxied,
        server,
        proxied.backend(unreachable=True),
        listeners=SCRAM,
        login={"max_failures": 1000, "failure_delay": "0s"},
        guessing={"enabled": False},
    )
    client = proxied.enter()
    Scram(client, user="alice", password="wrong").run()  # connects, and shows what is stored
    times = {(user, part): [] for user in ("alice", "nobody") for part in ("first", "proof")}
    salts, replies = {"alice": set(), "nobody": set()}, set()
    for _ in range(40):
        for user in salts:
            exchange = Scram(client, user=user, password="wrong")
            began = time.monotonic()
            _, salt, iterations = exchange.first().split(",")
            times[user, "first"].append(time.monotonic() - began)
            assert iterations == "i=4096"
            salts[user].add(salt)
            proof = exchange.proof()
            began = time.monotonic()
            replies.add(exchange.send(proof))
            times[user, "proof"].append(time.monotonic() - began)
    assert replies == {b"s NO [AUTHENTICATIONFAILED] Authentication failed."}
    assert [len(each) for each in salts.values()] == [1, 1], "a salt that changes is a decoy"
    for part in ("first", "proof"):
        # What a patient guesser would compare: the quickest is free of what else ran meanwhile.
        known, unknown = (min(times[user, part]) for user in salts)
        print(f"{secret}, {part}: known {known * 1e3:.3f} ms, unknown {unknown * 1e3:.3f} ms")
        # A round without hashes takes what the machine's scheduler takes.
        assert abs(unknown - known) < max(0.4 * known, 0.0003), (part, known, unknown)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"query": "SELECT 1"}, "sql: query: expected :user or :local_part in the query"),
        ({"query": "SELECT :usr"}, "found ':usr'"),
        ({"query": "SELECT ':user"}, "expected an even number of quotes"),
        ({"host": "localhost"}, "users[0].sql.host: expected nothing with driver sqlite"),
        ({"hosts": ["localhost"]}, "users[0].sql.hosts: expected nothing with driver sqlite"),
        ({"driver": "mysql"}, "users[0].sql.host: expected either host or hosts with driver mysql"),
        ({"driver": "mysql"}, "users[0].sql.database: expected a value with driver mysql"),
        ({"driver": "oracle"}, "users[0].sql.driver: expected one of postgresql, mysql, sqlite"),
        ({"connections": 0}, "users[0].sql.connections: expected a whole number from 1 to 256"),
        ({"check_password": False}, "a pool with a master user needs a source that checks"),
    ],
)
def test_a_setting_that_is_wrong_is_refused_with_its_place(proxied, servers, change, complaint):
    database = servers("sqlite")
    start(proxied, database, proxied.backend(unreachable=True))
    gate = proxied.gate
    gate.config["users"][0]["sql"].update(change)
    done = gate.check()
    assert done.returncode == 1
    assert complaint in done.stderr
