"""Source backend with several pools: the old cluster, then the new one."""

import base64
import time

import pytest

from admin_api import Api, admin_section
from dovecot import Dovecot
from fake_backend import PASSWORD, Script
from headgate_process import configuration

DEBUG = {"level": "debug", "format": "json"}


def start(proxied, *pools, chain=None, login=None, pool=None, **more):
    """Pools old and new, each with the backend of this address; `pool` adds keys to both."""
    names = ["old", "new", "newest"][: len(pools)]
    config = configuration(
        proxied.certificate,
        [],
        users=[{"source": "backend", "pool": "old", "backend": {"then": names[1:], **(chain or {})}}],
        login={"failure_delay": "50ms", "max_failures": 100, **(login or {})},
        log=DEBUG,
        **more,
    )
    config["pools"] = {
        name: {"backends": [{"address": address}], **(pool or {})}
        for name, address in zip(names, pools, strict=True)
    }
    return proxied.start_config(config)


def knowing(proxied, **passwords):
    """A backend with these users; others have the password of every fake backend."""
    known = {user.encode(): password.encode() for user, password in passwords.items()}
    return proxied.backend(Script(passwords=known))


def refusing(proxied, reply=b"[AUTHENTICATIONFAILED] The backend's words"):
    return proxied.backend(Script(login=[b"{tag} NO " + reply + b"\r\n"]))


def logins(gate, pool, found):
    labels = {"source": "backend", "pool": pool, "found": found}
    return gate.metrics().value("headgate_source_pool_logins_total", **labels)


def test_users_are_found_where_they_are_and_that_is_remembered(proxied):
    proxied.secrets += ["sesame", "pebble"]
    old, new = knowing(proxied, alice="sesame"), knowing(proxied, bob="pebble")
    gate = start(proxied, old.address, new.address, workers=2)
    assert proxied.enter().login("alice", "sesame").startswith(b"OK")
    for _ in range(3):
        assert proxied.enter().login("bob", "pebble").startswith(b"OK")
    assert [user for user, _ in old.logins()] == [b"alice", b"bob"]
    assert [user for user, _ in new.logins()] == [b"bob"] * 3
    assert (logins(gate, "old", "order"), logins(gate, "old", "trial")) == (1, 0)
    assert (logins(gate, "new", "trial"), logins(gate, "new", "memory")) == (1, 2)
    assert gate.metrics().value("headgate_source_pools_remembered", source="backend") == 1
    assert gate.log.wait_for("user found in another pool", user="bob", pool="new")
    assert gate.log.wait_for("pool refuses the user, the next one is asked", pool="old", next="new")
    # What is known of pools outlives a reload of something else.
    gate.config["login"]["failure_delay"] = "60ms"
    gate.reload()
    assert proxied.enter().login("bob", "pebble").startswith(b"OK")
    assert logins(gate, "new", "memory") == 3


def test_a_reload_with_another_pool_keeps_who_is_in_those_that_remain(proxied):
    proxied.secrets += ["sesame", "pebble", "marble"]
    old, new = knowing(proxied, alice="sesame"), knowing(proxied, bob="pebble")
    newest = knowing(proxied, carol="marble")
    gate = start(proxied, old.address, new.address, newest.address, workers=2)
    assert proxied.enter().login("bob", "pebble").startswith(b"OK")
    assert proxied.enter().login("carol", "marble").startswith(b"OK")
    asked = len(old.logins()), len(new.logins())
    del gate.config["pools"]["new"]
    gate.config["users"][0]["backend"]["then"] = ["newest"]
    gate.reload()
    assert proxied.enter().login("carol", "marble").startswith(b"OK")
    assert (len(old.logins()), len(new.logins())) == asked, "nobody else was asked"
    assert (logins(gate, "newest", "memory"), logins(gate, "newest", "trial")) == (1, 1)
    assert gate.metrics().value("headgate_source_pools_remembered", source="backend") == 1
    # Bob's pool is gone, and it comes back without what was known of it.
    gate.config["pools"]["new"] = {"backends": [{"address": new.address}]}
    gate.config["users"][0]["backend"]["then"] = ["new", "newest"]
    gate.reload()
    assert proxied.enter().login("bob", "pebble").startswith(b"OK")
    assert proxied.enter().login("carol", "marble").startswith(b"OK")
    assert (logins(gate, "new", "trial"), logins(gate, "newest", "memory")) == (1, 2)


def test_where_users_are_is_known_after_a_restart(proxied, tmp_path):
    proxied.secrets += ["sesame", "pebble"]
    old, new = knowing(proxied, alice="sesame"), knowing(proxied, bob="pebble")
    keep = {"address": "127.0.0.1:0", "state_file": str(tmp_path / "state.json")}
    gate = start(proxied, old.address, new.address, admin=keep)
    assert proxied.enter().login("bob", "pebble").startswith(b"OK")
    gate.stop()
    kept = tmp_path / "state.json.pools"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.read_text().endswith("\tnew\tbob\n")
    assert "pebble" not in kept.read_text()

    gate = start(proxied, old.address, new.address, admin=keep)
    assert gate.log.wait_for("pool memory restored", users=1, left_out=0)
    assert proxied.enter().login("bob", "pebble").startswith(b"OK")
    assert [user for user, _ in old.logins()] == [b"bob"], "it was asked once, before the restart"
    assert (logins(gate, "new", "memory"), logins(gate, "new", "trial")) == (1, 0)
    gate.stop()

    kept.write_bytes(b"\xff\0 no such file\n")
    gate = start(proxied, old.address, new.address, admin=keep)
    assert gate.log.wait_for("pool memory not restored", file=str(kept))
    assert proxied.enter().login("bob", "pebble").startswith(b"OK")
    assert logins(gate, "new", "trial") == 1
    gate.stop()
    assert kept.read_text().endswith("\tnew\tbob\n"), "the broken file has been mended"

    kept.unlink()
    gate = start(proxied, old.address, new.address, admin=keep, chain={"keep": False})
    assert proxied.enter().login("bob", "pebble").startswith(b"OK")
    gate.stop()
    assert not kept.exists()


def test_a_user_who_moves_is_found_at_once_and_then_remembered_there(proxied):
    proxied.secrets += ["sesame", "pebble"]
    old, new = knowing(proxied, alice="sesame"), knowing(proxied, alice="pebble")
    gate = start(proxied, old.address, new.address)
    for password in ("pebble", "pebble", "sesame", "sesame"):
        assert proxied.enter().login("alice", password).startswith(b"OK"), password
    assert [password for _, password in old.logins()] == [b"pebble", b"sesame", b"sesame"]
    assert [password for _, password in new.logins()] == [b"pebble", b"pebble", b"sesame"]
    assert (logins(gate, "old", "trial"), logins(gate, "old", "order")) == (1, 1)
    assert gate.metrics().value("headgate_source_pools_remembered", source="backend") == 0


def test_a_password_that_is_wrong_everywhere_is_one_failure_with_one_delay(proxied):
    proxied.secrets += ["sesame", "wrong-1"]
    old, new = knowing(proxied, alice="sesame"), refusing(proxied)
    gate = start(proxied, old.address, new.address, login={"failure_delay": "1s"})
    client = proxied.enter()
    replies = []
    for user in ("alice", "nobody"):
        began = time.monotonic()
        replies.append(client.login(user, "wrong-1"))
        assert 0.9 < time.monotonic() - began < 1.9
    assert replies == [b"NO [AUTHENTICATIONFAILED] Authentication failed."] * 2
    assert (len(old.logins()), len(new.logins())) == (2, 2)
    metrics = gate.metrics()
    assert metrics.value("headgate_logins_total", result="wrong_credentials") == 2
    assert metrics.value("headgate_guess_failures_total", repeated="no") == 2
    assert len(gate.log.wait_for("login failed", count=2)) == 2


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (b"[UNAVAILABLE] Down", b"UNAVAILABLE"),
        (b"[LIMIT] Many", b"LIMIT"),
        (b"[EXPIRED] Old", b"EXPIRED"),
    ],
)
def test_only_a_wrong_password_leads_to_the_next_pool(proxied, reply, code):
    old, new = refusing(proxied, reply), proxied.backend()
    start(proxied, old.address, new.address)
    assert proxied.enter().login().startswith(b"NO [" + code)
    assert new.logins() == []


def test_the_last_answer_is_the_client_s_and_a_refusal_before_it_still_counts(proxied):
    new = refusing(proxied, b"[UNAVAILABLE] Down")
    gate = start(proxied, refusing(proxied).address, new.address)
    assert proxied.enter().login().startswith(b"NO [UNAVAILABLE]")
    metrics = gate.metrics()
    assert metrics.value("headgate_logins_total", result="backend_unavailable") == 1
    assert metrics.value("headgate_guess_failures_total", repeated="no") == 1


def test_the_time_of_a_login_is_one_for_all_pools(proxied):
    new = proxied.backend(Script(login=["hang"]))
    gate = start(proxied, refusing(proxied).address, new.address, pool={"login_timeout": "1s"})
    began = time.monotonic()
    assert proxied.enter().login().startswith(b"NO [UNAVAILABLE]")
    assert 0.9 < time.monotonic() - began < 3
    assert gate.log.wait_for("login failed", failure="backend_timeout", pool="new")


def test_a_login_gives_back_what_it_had_in_one_pool_before_it_asks_the_next(proxied):
    proxied.secrets.append("sesame")
    old, new = refusing(proxied), knowing(proxied, alice="sesame")
    one_at_a_time = {"admission": {"least": 1, "most": 1}, "max_sessions": 2}
    gate = start(proxied, old.address, new.address, pool=one_at_a_time)

    def held(name):
        return [gate.metrics().value(name, pool=pool) for pool in ("old", "new")]

    crowd = [proxied.enter() for _ in range(5)]
    for at, client in enumerate(crowd):
        client.send(b"a LOGIN user%d wrong\r\n" % at if at else b"a LOGIN alice sesame\r\n")
    replies = [client.reply("a")[1] for client in crowd]
    assert replies[0].startswith(b"a OK")
    assert {reply[:26] for reply in replies[1:]} == {b"a NO [AUTHENTICATIONFAILED"}
    assert (len(old.logins()), len(new.logins())) == (5, 5)
    assert held("headgate_backend_sessions") == [0, 1]
    assert held("headgate_admission_under_way") == held("headgate_admission_waiting") == [0, 0]
    assert gate.metrics().value("headgate_users") == 1


def test_nothing_is_remembered_where_it_is_not_to_be(proxied):
    proxied.secrets.append("sesame")
    old, new = refusing(proxied), knowing(proxied, alice="sesame")
    gate = start(proxied, old.address, new.address, chain={"remember": "0s"})
    for _ in range(2):
        assert proxied.enter().login("alice", "sesame").startswith(b"OK")
    assert len(old.logins()) == 2
    assert logins(gate, "new", "trial") == 2


def test_a_route_comes_before_the_chain(proxied):
    old, new = proxied.backend(), refusing(proxied)
    routes = [{"domain": "example.org", "pool": "new"}]
    start(proxied, old.address, new.address, routes=routes)
    assert proxied.enter().login("alice@example.org").startswith(b"NO [AUTHENTICATIONFAILED]")
    assert old.logins() == []
    assert proxied.enter().login("alice").startswith(b"OK")


def test_tokens_go_from_pool_to_pool_as_passwords_do(proxied):
    takes_tokens = {
        "mechanisms": (b"XOAUTH2",),
        "capabilities": b"IMAP4rev1 SASL-IR ID AUTH=XOAUTH2",
    }
    no, yes = b"{tag} NO [AUTHENTICATIONFAILED] No\r\n", b"{tag} OK [CAPABILITY IMAP4rev1] In\r\n"
    old = proxied.backend(Script(login=[no], **takes_tokens))
    new = proxied.backend(Script(login=[yes], **takes_tokens))
    start(proxied, old.address, new.address, pool={"login": "token"})
    client = proxied.enter()
    proxied.secrets.append("t0ken-of-alice")
    message = base64.b64encode(b"user=alice\1auth=Bearer t0ken-of-alice\1\1")
    assert client.command(b"AUTHENTICATE XOAUTH2 " + message)[1].startswith(b"OK")
    assert (len(old.connections), len(new.connections)) == (1, 1)


def test_explain_says_which_pool_is_asked_first_and_why(proxied, tmp_path):
    admin = admin_section(tmp_path)
    gate = start(proxied, refusing(proxied).address, proxied.backend().address, admin=admin)
    told = gate.explain("alice")
    assert told["pool"] == "old"
    assert told["pool_reason"].endswith("asks it first; of old, new, asked until one takes the password")
    proxied.logged_in("alice")
    assert gate.explain("alice")["pool"] == "old", "the file alone knows nobody"
    status, running = Api(gate).raw("GET", "explain?user=alice")
    assert (status, running["pool"]) == (200, "new")
    assert "remembers that the user is there" in running["pool_reason"]


@pytest.mark.servers
def test_between_two_dovecots(proxied):
    proxied.secrets += ["sesame", "pebble"]
    with Dovecot({"alice": "sesame"}) as old, Dovecot({"bob": "pebble"}) as new:
        gate = start(proxied, f"127.0.0.1:{old.port}", f"127.0.0.1:{new.port}")
        for user, password in (("alice", "sesame"), ("bob", "pebble"), ("bob", "pebble")):
            client = proxied.enter()
            assert client.login(user, password).startswith(b"OK")
            assert client.command("SELECT INBOX")[1].startswith(b"OK")
            client.command("LOGOUT")
        assert proxied.enter().login("bob", "sesame").startswith(b"NO [AUTHENTICATIONFAILED]")
        assert (logins(gate, "old", "order"), logins(gate, "new", "trial")) == (1, 1)
        assert logins(gate, "new", "memory") == 1
