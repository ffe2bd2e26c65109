"""Who is this, and where does the mailbox live: passwd files, master users, routes, user_hash."""

import collections
import ctypes
import os
import time

import pytest

import refusal_times
from fake_backend import PASSWORD, Script
from headgate_process import configuration
from raw_client import plain_response


@pytest.fixture(scope="module")
def crypt():
    """hash(password, scheme): made by libxcrypt, so that the test never goes stale."""
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    library.crypt_gensalt.restype = ctypes.c_char_p
    # The prefix of each scheme and its least cost.
    schemes = {
        "yescrypt": (b"$y$", 1),
        "bcrypt": (b"$2b$", 4),
        "SHA-512": (b"$6$", 1000),
        "SHA-256": (b"$5$", 1000),
        "MD5": (b"$1$", 0),
    }

    def make(password, scheme="SHA-512"):
        prefix, cost = schemes[scheme]
        salt = library.crypt_gensalt(prefix, ctypes.c_ulong(cost), None, 0)
        made = library.crypt(password.encode(), salt)
        assert made and not made.startswith(b"*"), scheme
        return made.decode()

    return make


def write(path, *lines):
    """Replaces the file as a careful tool does: whole, by rename."""
    new = path.with_suffix(".new")
    new.write_text("".join(line + "\n" for line in lines))
    os.replace(new, path)


def start(proxied, path, *backends, pools=None, **more):
    pool = {"master": {"user": "headgate-master", "password": "mastersecret"}}
    proxied.secrets.append("mastersecret")
    return proxied.start(
        *backends,
        pool=pool,
        users=[{"source": "passwd_file", "path": str(path), "pool": "main"}],
        **more,
    )


MASTER = Script(passwords={b"headgate-master": b"mastersecret"})


@pytest.mark.parametrize("scheme", ["yescrypt", "bcrypt", "SHA-512", "SHA-256", "MD5"])
def test_a_password_is_checked_against_its_hash_and_the_login_is_by_master_user(
    proxied, tmp_path, crypt, scheme
):
    path = tmp_path / "users.passwd"
    write(path, f"alice:{crypt('sesame', scheme)}")
    proxied.secrets.append("sesame")
    backend = proxied.backend(MASTER, forbidden=[b"sesame"])
    start(proxied, path, backend)
    client = proxied.enter()
    assert client.login("alice", "wrong").startswith(b"NO [AUTHENTICATIONFAILED]")
    assert not backend.connections, "a wrong password reached a backend"
    assert client.login("alice", "sesame").startswith(b"OK")
    connection = backend.connections[0]
    assert (connection.authorization, connection.user) == (b"alice", b"headgate-master")


def test_without_a_master_user_the_password_goes_along(proxied, tmp_path, crypt):
    path = tmp_path / "users.passwd"
    write(path, f"alice:{crypt(PASSWORD.decode())}")
    backend = proxied.backend()
    proxied.start(backend, users=[{"source": "passwd_file", "path": str(path), "pool": "main"}])
    proxied.logged_in("alice")
    assert backend.logins() == [(b"alice", PASSWORD)]


def test_an_unknown_user_gets_the_reply_of_a_wrong_password(proxied, tmp_path, crypt):
    path = tmp_path / "users.passwd"
    write(path, f"alice:{crypt('sesame')}")
    start(proxied, path, proxied.backend(unreachable=True))
    client = proxied.enter()
    assert client.login("alice", "wrong") == client.login("nobody", "wrong")


def test_the_time_of_the_reply_does_not_tell_whether_the_file_has_the_user(proxied, tmp_path):
    path = tmp_path / "users.passwd"
    path.write_text(f"alice:{refusal_times.SLOW_HASH}\n")
    proxied.start(
        proxied.backend(unreachable=True),
        users=[{"source": "passwd_file", "path": str(path), "pool": "main"}],
        login={"max_failures": 1000, "failure_delay": "0s"},
    )
    client = proxied.enter()
    refusal_times.assert_they_tell_nothing(client, "alice", "nobody")


def test_the_file_names_the_name_for_the_backend(proxied, tmp_path, crypt):
    path = tmp_path / "users.passwd"
    write(path, f"alice@example.org:{crypt('sesame')}:backend_user=a1234")
    backend = proxied.backend(MASTER)
    start(proxied, path, backend)
    client = proxied.enter()
    assert client.login("alice@example.org", "sesame").startswith(b"OK")
    assert backend.connections[0].authorization == b"a1234"


def test_the_file_names_the_backend(proxied, tmp_path, crypt):
    backends = [proxied.backend(MASTER) for _ in range(3)]
    path = tmp_path / "users.passwd"
    write(path, *(f"user{n}:{crypt('sesame')}:backend={backends[n % 3].address}" for n in range(9)))
    start(proxied, path, *backends)
    for n in range(9):
        client = proxied.enter()
        assert client.login(f"user{n}", "sesame").startswith(b"OK")
    for at, backend in enumerate(backends):
        assert {c.authorization for c in backend.connections} == {
            b"user%d" % n for n in range(at, 9, 3)
        }


def test_the_file_names_the_pool(proxied, tmp_path, crypt):
    main, other = proxied.backend(unreachable=True), proxied.backend()
    path = tmp_path / "users.passwd"
    write(path, f"alice:{crypt(PASSWORD.decode())}:pool=other")
    config = two_pools(proxied, main, other)
    config["users"] = [{"source": "passwd_file", "path": str(path), "pool": "main"}]
    proxied.start_config(config)
    proxied.logged_in("alice")
    assert other.logins() == [(b"alice", PASSWORD)]


def test_a_changed_file_is_read_again(proxied, tmp_path, crypt):
    path = tmp_path / "users.passwd"
    write(path, f"alice:{crypt('sesame')}")
    start(proxied, path, proxied.backend(MASTER), login={"max_failures": 1000})
    client = proxied.enter()
    assert client.login("bob", "new").startswith(b"NO [AUTHENTICATIONFAILED]")
    write(path, f"bob:{crypt('new')}")
    deadline = time.monotonic() + 10
    while not client.login("bob", "new").startswith(b"OK"):
        assert time.monotonic() < deadline, "the new file is not read"
    other = proxied.enter()
    assert other.login("alice", "sesame").startswith(
        b"NO [AUTHENTICATIONFAILED]"
    ), "the old file is still in force"


def test_a_file_that_is_broken_later_leaves_the_old_users_in_place(proxied, tmp_path, crypt):
    path = tmp_path / "users.passwd"
    write(path, f"alice:{crypt('sesame')}")
    start(proxied, path, proxied.backend(MASTER))
    write(path, "alice", ":::", "\x00\x01")
    time.sleep(1.5)  # longer than the file's watch needs
    client = proxied.enter()
    assert client.login("alice", "sesame").startswith(b"OK")


def test_the_next_source_is_asked_for_a_user_that_the_file_does_not_know(proxied, tmp_path, crypt):
    path = tmp_path / "users.passwd"
    write(path, f"alice:{crypt('sesame')}")
    backend = proxied.backend()
    proxied.start(
        backend,
        users=[
            {"source": "passwd_file", "path": str(path), "pool": "main"},
            {"source": "backend", "pool": "main"},
        ],
    )
    proxied.logged_in("bob")
    assert backend.logins() == [(b"bob", PASSWORD)]
    client = proxied.enter()
    assert client.login("alice", "wonderland").startswith(b"NO [AUTHENTICATIONFAILED]")
    assert len(backend.connections) == 1, "a password that the file refused was tried at a backend"


def test_password_hashes_do_not_block_the_other_sessions(proxied, tmp_path, crypt):
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    slow = library.crypt(
        b"sesame", b"$2b$12$abcdefghijklmnopqrstuu"
    ).decode()  # a third of a second
    path = tmp_path / "users.passwd"
    write(path, f"slow:{slow}")
    backend = proxied.backend()
    proxied.start(
        backend,
        users=[
            {"source": "passwd_file", "path": str(path), "pool": "main"},
            {"source": "backend", "pool": "main"},
        ],
        workers=1,
    )
    session = proxied.logged_in("bob")
    waiting = [proxied.enter() for _ in range(4)]
    for client in waiting:
        client.send(b"a LOGIN slow wrong\r\n")
    longest = 0.0
    for _ in range(20):
        began = time.monotonic()
        assert session.command("NOOP")[1] == b"OK done"
        longest = max(longest, time.monotonic() - began)
    for client in waiting:
        client.expect(rb"a NO .*")
    assert longest < 0.25


def test_a_map_says_where_users_go_and_what_their_names_are_there(proxied):
    main, other, third = (proxied.backend() for _ in range(3))
    config = two_pools(proxied, main, other)
    config["users"] = [
        {
            "source": "map",
            "pool": "main",
            "map": [
                {"user": "Alice@example.org", "backend": third.address},
                {"domain": "example.org", "pool": "other", "rewrite": "{local_part}"},
                {"pattern": "(.+)%(.+)", "rewrite": "{1}@{2}"},
            ],
        }
    ]
    proxied.start_config(config)
    for user in ("alice@example.org", "bob@example.org", "carol%example.net"):
        proxied.logged_in(user)
    assert third.logins() == [(b"alice@example.org", PASSWORD)]
    assert other.logins() == [(b"bob", PASSWORD)]
    assert main.logins() == [(b"carol@example.net", PASSWORD)]
    client = proxied.enter()
    assert client.login("dave", PASSWORD.decode()).startswith(b"NO [AUTHENTICATIONFAILED]")
    assert proxied.gate.explain("bob@example.org")["backend_user"] == "bob"


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ({"pool": "main"}, "users[0].map[0]: expected one of user, domain and pattern"),
        ({"user": "a", "domain": "b"}, "users[0].map[0]: expected one of user, domain"),
        ({"user": "a", "pool": "none"}, "users[0].map[0].pool: expected the name of a pool"),
        ({"user": "a", "rewrite": "{1}"}, "map: map[0].rewrite: expected {user}"),
        ({"pattern": "(.)", "rewrite": "{2}"}, "a group of the pattern, {1} to {1}"),
        ({"pattern": "(", "rewrite": "x"}, "users[0].map[0].pattern: expected a regular"),
    ],
)
def test_a_rule_of_a_map_that_is_wrong_is_refused(proxied, rule, complaint):
    proxied.start(proxied.backend())
    gate = proxied.gate
    gate.config["users"] = [{"source": "map", "pool": "main", "map": [rule]}]
    done = gate.check()
    assert done.returncode == 1
    assert complaint in done.stderr


def with_map_file(proxied, tmp_path, *backends, **more):
    config = two_pools(proxied, *backends)
    file = tmp_path / "users.map"
    config["users"] = [{"source": "map", "pool": "main", "map_file": str(file), **more}]
    return file, config


def test_rules_of_a_file_come_behind_those_of_the_configuration_and_are_read_again(
    proxied, tmp_path
):
    main, other = proxied.backend(), proxied.backend()
    file, config = with_map_file(
        proxied, tmp_path, main, other, map=[{"user": "alice", "pool": "other"}]
    )
    file.write_text("# the file\nalice pool=main\n/(b.*)/ pool=other rewrite={1}-new\n")
    proxied.start_config(config)
    proxied.logged_in("alice")
    proxied.logged_in("bob")
    assert other.logins() == [(b"alice", PASSWORD), (b"bob-new", PASSWORD)]
    client = proxied.enter()
    assert client.login("carol", PASSWORD.decode()).startswith(b"NO [AUTHENTICATIONFAILED]")
    file.write_text("carol pool=main\n")
    proxied.gate.reload()
    proxied.logged_in("carol")
    assert main.logins() == [(b"carol", PASSWORD)]
    file.write_text("carol pool=nowhere\n")
    done = proxied.gate.check()
    assert done.returncode == 1
    assert f"{file}:1: expected the name of a pool, found 'nowhere'" in done.stderr


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "users[0].map_file: expected a file of rules"),
        ("alice\nbob where\n", "users.map:2: expected pool=NAME, backend=HOST:PORT or rewrite"),
        ("", "users.map:1: expected at least one rule"),
        ("alice pool=other\n", "users.map:1: expected another pool: with source backend or map"),
    ],
    ids=["no file", "broken", "empty", "a pool that lets anybody in"],
)
def test_a_file_of_rules_that_is_wrong_is_refused_with_its_line(
    proxied, tmp_path, text, complaint
):
    proxied.start(proxied.backend())
    file, config = with_map_file(proxied, tmp_path, proxied.backend(), proxied.backend())
    config["pools"]["other"]["master"] = {"user": "master", "password": "of the master"}
    if text is not None:
        file.write_text(text)
    proxied.gate.config = config
    done = proxied.gate.check()
    assert done.returncode == 1
    assert complaint in done.stderr


def test_a_source_map_needs_rules(proxied):
    proxied.start(proxied.backend())
    proxied.gate.config["users"] = [{"source": "map", "pool": "main"}]
    done = proxied.gate.check()
    assert "users[0].map: expected rules in map or a file of them in map_file" in done.stderr
    proxied.gate.config["users"] = [{"source": "backend", "pool": "main", "map_file": "x"}]
    assert "no map_file, which is for source map" in proxied.gate.check().stderr


# -- pools and routes -----------------------------------------------------------------------------


def two_pools(proxied, main, other):
    config = configuration(
        proxied.certificate,
        [main.address],
        login={"failure_delay": "50ms"},
        log={"level": "debug", "format": "json"},
    )
    config["pools"]["other"] = {"backends": [{"address": other.address}]}
    return config


@pytest.mark.parametrize(
    ("user", "pool"),
    [
        ("alice@other.example", "other"),
        ("alice@OTHER.Example", "other"),
        ("alice@sub.other.example", "main"),
        ("alice@example.org", "main"),
        ("other.example", "main"),
        ("a@b@other.example", "other"),
        ("test-77", "other"),
        ("test-77x", "main"),
        ("xtest-77", "main"),
    ],
)
def test_the_first_route_that_matches_decides_the_pool(proxied, user, pool):
    main, other = proxied.backend(), proxied.backend()
    config = two_pools(proxied, main, other)
    config["routes"] = [
        {"domain": "other.example", "pool": "other"},
        {"pattern": "test-[0-9]+", "pool": "other"},
    ]
    proxied.start_config(config)
    proxied.logged_in(user)
    assert bool(main.connections) == (pool == "main")
    assert bool(other.connections) == (pool == "other")
    assert proxied.gate.explain(user)["pool"] == pool


def test_a_user_comes_to_the_same_backend_every_time_and_users_are_spread(proxied):
    backends = [proxied.backend() for _ in range(3)]
    proxied.start(*backends)
    for _ in range(2):
        for n in range(30):
            client = proxied.logged_in(f"user{n}@example.org")
            client.command("LOGOUT")
            client.close()
    seen = collections.defaultdict(set)
    for backend in backends:
        assert backend.connections, "a backend got nobody"
        for user, _ in backend.logins():
            seen[user].add(backend.address)
    assert all(len(places) == 1 for places in seen.values())
    for n in range(5):
        user = f"user{n}@example.org"
        assert proxied.gate.explain(user)["backend"] in seen[user.encode()]


def test_a_user_name_in_other_letters_comes_to_the_same_backend(proxied):
    backends = [proxied.backend() for _ in range(4)]
    proxied.start(*backends)
    for user in ("alice@example.org", "Alice@Example.ORG", "ALICE@EXAMPLE.ORG"):
        proxied.logged_in(user)
    assert sorted(len(backend.connections) for backend in backends) == [0, 0, 0, 3]


def test_a_backend_of_weight_0_gets_no_users(proxied):
    out, used = proxied.backend(unreachable=True), proxied.backend()
    proxied.start({"address": out.address, "weight": 0}, used)
    for n in range(20):
        proxied.logged_in(f"user{n}")
    assert len(used.connections) == 20


def test_a_weight_is_a_share_of_the_users(proxied):
    small, big = proxied.backend(), proxied.backend()
    proxied.start(
        {"address": small.address, "weight": 100}, {"address": big.address, "weight": 300}
    )
    for n in range(200):
        client = proxied.logged_in(f"user{n}", door="plain")
        client.close()
    assert 100 < len(big.connections) < 185
    assert len(big.connections) + len(small.connections) == 200


def test_an_authorization_identity_that_is_not_the_user_is_refused_with_a_master_user_too(
    proxied, tmp_path, crypt
):
    path = tmp_path / "users.passwd"
    write(path, f"alice:{crypt('sesame')}", f"bob:{crypt('sesame')}")
    start(proxied, path, proxied.backend(unreachable=True))
    client = proxied.enter()
    response = plain_response("alice", "sesame", "bob")
    assert client.command(b"AUTHENTICATE PLAIN " + response)[1].startswith(
        b"NO [AUTHORIZATIONFAILED]"
    )


def test_a_line_may_hold_a_limit_of_the_user_and_what_backends_are_told(proxied, tmp_path, crypt):
    path = tmp_path / "users.passwd"
    proxied.secrets.append("sesame")
    write(path, f"alice:{crypt('sesame')}:max_sessions=1 forward_tier=gold")
    backend = proxied.backend(MASTER)
    start(proxied, path, backend)
    assert proxied.enter().login("alice", "sesame").startswith(b"OK")
    assert backend.connections[0].id["x-forward-tier"] == b"gold"
    assert proxied.enter().login("alice", "sesame").startswith(b"NO [LIMIT]")
