"""Two servers with the same users behind one source: the real slapd, PostgreSQL and MariaDB. One of
them hangs, dies and comes back while people log in."""

import threading
import time

import pytest

from fake_backend import Script
from ldap_server import BASE, SEARCHER, SEARCHER_PASSWORD, Slapd, person
from sql_servers import PASSWORD as DATABASE_PASSWORD
from sql_servers import MariaDB, PostgreSQL

pytestmark = pytest.mark.servers

SSHA = "{SSHA}PDgrz64T6deS6Cewf2jv7eLSQkxJAuaN"  # of "sesame"
MASTER = Script(passwords={b"headgate-master": b"mastersecret"})
# Far from each other, so that a login shows which of them it has waited for.
HEDGE_AFTER = "300ms"
DEADLINE = "120s"
# A quarter of what a login would wait for a server that hangs without the hedge.
BOUND = 15.0


class Pair:
    """Two servers that know alice, the entry of `users` that names both, and their names there."""

    def __init__(self, servers, entry, names):
        self.servers = servers
        self.entry = entry
        self.names = names


def slapds(passwords, authority, certificate):
    servers = [Slapd(certificate, authority.ca, [person("alice", SSHA)]) for _ in range(2)]
    urls = [server.url for server in servers]
    ldap = {
        "servers": urls,
        "hedge_after": HEDGE_AFTER,
        "bind_dn": SEARCHER,
        "bind_password": SEARCHER_PASSWORD,
        "base": BASE,
        "filter": "(uid={user})",
        "passwords": passwords,
    }
    return Pair(servers, {"source": "ldap", "ldap": ldap}, urls)


def databases(kind):
    servers = [kind() for _ in range(2)]
    for server in servers:
        server.set_users(("alice", SSHA))
    names = [f"127.0.0.1:{server.port}" for server in servers]
    sql = servers[0].settings() | {
        "hosts": [names[0], names[1]],
        "hedge_after": HEDGE_AFTER,
        "query": "SELECT hash AS password FROM mailboxes WHERE name = :user",
    }
    del sql["host"], sql["port"]
    return Pair(servers, {"source": "sql", "sql": sql}, names)


@pytest.fixture(scope="module", params=["bind", "fetch", "postgresql", "mysql"])
def pair(request, authority, certificate):
    if request.param in ("bind", "fetch"):
        pair = slapds(request.param, authority, certificate)
    else:
        pair = databases({"postgresql": PostgreSQL, "mysql": MariaDB}[request.param])
    yield pair
    for server in pair.servers:
        server.thaw()
        server.stop()


class Crowd:
    """People who log in one after the other, several at a time, until they are told to stop."""

    def __init__(self, proxied, size=6):
        self.proxied = proxied
        self.logins = []  # (reply, seconds)
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._log_in) for _ in range(size)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def _log_in(self):
        while not self.over.is_set():
            client = self.proxied.enter("plain")
            began = time.monotonic()
            reply = client.login("alice", "sesame")
            self.logins.append((reply, time.monotonic() - began))
            client.close()

    def wait_for(self, more):
        """Until so many more have logged in."""
        wanted = len(self.logins) + more
        while len(self.logins) < wanted:
            time.sleep(0.01)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def check(self):
        """Nobody was refused, and nobody has waited for a server that was silent."""
        assert [reply for reply, _ in self.logins if not reply.startswith(b"OK")] == []
        longest = max(seconds for _, seconds in self.logins)
        print(f"{len(self.logins)} logins, the longest {longest * 1e3:.0f} ms")
        assert longest < BOUND


class Servers:
    """The two as Headgate's metrics show them."""

    def __init__(self, proxied, pair):
        self.gate = proxied.gate
        self.labels = [{"source": pair.entry["source"], "server": name} for name in pair.names]

    def is_up(self, at):
        return self.gate.metrics().value("headgate_lookup_server_up", **self.labels[at]) == 1

    def hedges(self, at):
        return self.gate.metrics().value("headgate_lookup_hedges_total", **self.labels[at])

    def requests(self, at, result):
        return self.gate.metrics().value(
            "headgate_lookup_requests_total", result=result, **self.labels[at]
        )


def start(proxied, pair):
    proxied.secrets += [DATABASE_PASSWORD, SEARCHER_PASSWORD, "mastersecret", "sesame"]
    proxied.start(
        proxied.backend(MASTER, forbidden=[b"sesame"]),
        users=[{**pair.entry, "pool": "main", "deadline": DEADLINE}],
        pool={"master": {"user": "headgate-master", "password": "mastersecret"}},
    )
    return Servers(proxied, pair)


def log_in(proxied):
    client = proxied.enter("plain")
    assert client.login("alice", "sesame").startswith(b"OK")
    client.close()


def test_a_server_that_hangs_costs_no_login_more_than_the_hedge_delay_and_then_nothing(
    proxied, pair
):
    servers = start(proxied, pair)
    with Crowd(proxied) as crowd:
        crowd.wait_for(20)
        assert servers.requests(1, "accepted") == 0, "the first one is well"
        pair.servers[0].freeze()
        try:
            proxied.gate.log.wait_for("lookup server failed", server=pair.names[0])
            crowd.wait_for(20)
            crowd.stop()
            hedges = servers.hedges(1)
            for _ in range(10):
                log_in(proxied)
            assert hedges > 0
            assert servers.hedges(1) == hedges, "it is known to hang, and somebody waited for it"
            assert not servers.is_up(0)
        finally:
            pair.servers[0].thaw()
    crowd.check()
    while not servers.is_up(0):
        log_in(proxied)
    assert proxied.gate.log.wait_for("lookup server answers again", server=pair.names[0])
    accepted = servers.requests(0, "accepted")
    log_in(proxied)
    assert servers.requests(0, "accepted") == accepted + 1, "it comes first again"
    metrics = proxied.gate.metrics()
    results = "headgate_source_results_total"
    for lost in ("unavailable", "timeout", "queue_full", "breaker_open"):
        assert metrics.value(results, source=pair.entry["source"], result=lost) == 0


def test_a_server_that_dies_costs_no_login_and_comes_back(proxied, pair):
    servers = start(proxied, pair)
    with Crowd(proxied) as crowd:
        crowd.wait_for(20)
        pair.servers[0].end()
        try:
            proxied.gate.log.wait_for("lookup server failed", server=pair.names[0])
            crowd.wait_for(20)
            assert not servers.is_up(0)
        finally:
            pair.servers[0].start()
        accepted = servers.requests(0, "accepted")
        deadline = time.monotonic() + 60
        while servers.requests(0, "accepted") == accepted:
            assert time.monotonic() < deadline, "it is not asked again"
            time.sleep(0.05)
    crowd.check()
