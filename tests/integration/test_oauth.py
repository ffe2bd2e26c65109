"""The user source oauth: tokens of a real issuer, by XOAUTH2 and OAUTHBEARER."""

import base64
import hashlib
import hmac
import json
import time

import pytest

from fake_backend import Script
from token_issuer import AUDIENCE, ISSUER, Issuer, SigningKey, payload, unsigned

MASTER = Script(passwords={b"headgate-master": b"mastersecret"})


@pytest.fixture(scope="module")
def rsa_issuer():
    """RSA keys take a while to make."""
    issuer = Issuer("RS256")
    yield issuer
    issuer.close()


def issuer_of(proxied, *algorithms):
    return proxied.keep(Issuer(*(algorithms or ("ES256",))))


def start(proxied, issuer, source=None, keys=True, introspection=False, before=(), **oauth):
    backend = proxied.backend(MASTER)
    proxied.secrets.append("mastersecret")
    oauth = {"issuer": [ISSUER], "audience": [AUDIENCE], **oauth}
    if keys is True:
        oauth["keys_url"] = issuer.url + "/keys"
    elif keys:
        oauth["keys"] = keys
    if introspection:
        proxied.secrets.append("client secret")
        oauth["introspection"] = {
            "url": issuer.url + "/introspect",
            "client_id": "headgate",
            "client_secret": "client secret",
        }
    proxied.start(
        backend,
        pool={"master": {"user": "headgate-master", "password": "mastersecret"}},
        users=[*before, {"source": "oauth", "pool": "main", "oauth": oauth, **(source or {})}],
        login={"max_failures": 1000},
    )
    return backend


def authenticate(proxied, client, token, user="alice", mechanism="OAUTHBEARER"):
    """(Error challenge or None, tagged reply.)"""
    proxied.secrets.append(token)
    if mechanism == "XOAUTH2":
        message = f"user={user}\1auth=Bearer {token}\1\1"
    else:
        name = f"a={user}" if user else ""
        message = f"n,{name},\1host=localhost\1port=143\1auth=Bearer {token}\1\1"
    encoded = base64.b64encode(message.encode()).decode()
    client.send(f"x AUTHENTICATE {mechanism} {encoded}\r\n".encode())
    challenge = None
    line = client.line()
    if line.startswith(b"+ "):
        challenge = json.loads(base64.b64decode(line[2:]))
        client.send(b"AQ==\r\n" if mechanism == "OAUTHBEARER" else b"\r\n")
        line = client.line()
    while not line.startswith(b"x "):
        line = client.line()
    return challenge, line[2:]


def let_in(proxied, token, **options):
    challenge, reply = authenticate(proxied, proxied.enter(), token, **options)
    assert challenge is None
    assert reply.startswith(b"OK"), reply


def refused(proxied, token, why, code=b"AUTHENTICATIONFAILED", **options):
    client = proxied.enter()
    challenge, reply = authenticate(proxied, client, token, **options)
    client.close()
    assert reply.startswith(b"NO [" + code + b"]"), reply
    details = [entry.get("detail", "") for entry in proxied.gate.log.wait_for("login failed")]
    assert why in details[-1], details[-1]
    return challenge


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_a_token_lets_in_and_the_master_user_logs_in_at_the_backend(proxied, mechanism):
    issuer = issuer_of(proxied)
    backend = start(proxied, issuer)
    let_in(proxied, issuer.token(), mechanism=mechanism)
    connection = backend.connections[0]
    assert (connection.authorization, connection.user) == (b"alice", b"headgate-master")


def test_a_client_that_names_nobody_is_whom_the_token_names(proxied):
    issuer = issuer_of(proxied)
    backend = start(proxied, issuer)
    let_in(proxied, issuer.token(payload("carol@example.org")), user="")
    assert backend.connections[0].authorization == b"carol@example.org"


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256", "ES256", "ES384", "EdDSA"])
def test_signatures_of_every_kind(proxied, rsa_issuer, algorithm):
    issuer = issuer_of(proxied, "ES256")
    if algorithm[0] in "RP":
        issuer.keys = [SigningKey(algorithm, "k", rsa_issuer.keys[0].private)]
    else:
        issuer.keys = [SigningKey(algorithm, "k")]
    start(proxied, issuer)
    let_in(proxied, issuer.token())


def test_what_is_wrong_with_a_token_is_told_to_the_log(proxied):
    issuer = issuer_of(proxied)
    start(proxied, issuer, scopes=["imap"])
    now = int(time.time())
    good = {"scope": "openid imap"}
    let_in(proxied, issuer.token(payload(**good)))
    for claims, why in [
        ({"exp": now - 60}, "ended"),
        ({"nbf": now + 60}, "begins in"),
        ({"exp": None}, "no end"),
        ({"aud": "web"}, "is for 'web'"),
        ({"aud": None}, "is for ''"),
        ({"iss": "https://other.example"}, "from 'https://other.example'"),
        ({"email": None}, "names no user"),
        ({"email_verified": False}, "names no user"),
    ]:
        refused(proxied, issuer.token(payload(**{**good, **claims})), why)
    for token, why in [
        (issuer.token(payload(scope="openid")), "lacks the scope 'imap'"),
        (issuer.token(payload("bob", **good)), "is of bob"),
    ]:
        refused(proxied, token, why, code=b"AUTHORIZATIONFAILED")


def test_a_token_within_the_leeway_is_good(proxied):
    issuer = issuer_of(proxied)
    start(proxied, issuer, leeway="1m")
    let_in(proxied, issuer.token(payload(exp=int(time.time()) - 40)))


def test_the_error_challenge_says_that_the_token_is_no_good(proxied):
    issuer = issuer_of(proxied)
    start(proxied, issuer)
    challenge = refused(proxied, issuer.token(payload(aud="web")), "is for 'web'")
    assert challenge["status"] == "invalid_token"


def test_forged_tokens_are_refused(proxied, rsa_issuer):
    issuer = issuer_of(proxied)
    issuer.keys.append(rsa_issuer.keys[0])
    start(proxied, issuer)
    public = json.dumps(issuer.keys[0].public()).encode()
    for header in [{"alg": "none"}, {"alg": "None", "kid": "ES256-1"}, {}]:
        refused(proxied, unsigned(payload(), header), "public-key algorithm")
    text = unsigned(payload(), {"alg": "HS256", "kid": "ES256-1"}).rstrip(".")
    mac = hmac.new(public, text.encode(), hashlib.sha256).digest()
    signature = base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
    refused(proxied, f"{text}.{signature}", "found 'HS256'")
    stranger = SigningKey("ES256", "ES256-1")
    refused(proxied, issuer.token(key=stranger), "not signed by a key")
    head, body, signature = issuer.token().split(".")
    other = issuer.token(payload("bob")).split(".")[1]
    refused(proxied, f"{head}.{other}.{signature}", "not signed by a key", user="bob")
    refused(proxied, "opaque", "signed token")
    let_in(proxied, f"{head}.{body}.{signature}")


def test_rotation_needs_no_restart_and_a_storm_of_unknown_keys_fetches_once(proxied):
    issuer = issuer_of(proxied)
    start(proxied, issuer)
    let_in(proxied, issuer.token())
    issuer.keys = [SigningKey("ES256", "new")]
    workers = issuer.fetches()
    let_in(proxied, issuer.token())
    for _ in range(20):
        refused(proxied, issuer.token(key=SigningKey("ES256", "made-up")), "not signed by a key")
    # A fetch for the first token and one for the new key, by each worker that saw such.
    assert issuer.fetches() <= workers + 2 * 2


def test_keys_may_stand_in_a_file_that_changes(proxied, tmp_path):
    issuer = issuer_of(proxied)
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps(issuer.key_set()))
    start(proxied, issuer, keys=str(keys))
    let_in(proxied, issuer.token())
    issuer.keys = [SigningKey("ES256", "new")]
    keys.write_text(json.dumps(issuer.key_set()))
    let_in(proxied, issuer.token())
    assert not issuer.requests


def test_a_key_server_that_hangs_is_unavailable_and_later_the_old_keys_go_on(proxied):
    issuer = issuer_of(proxied)
    start(proxied, issuer, timeout="200ms")
    issuer.hanging.set()
    refused(proxied, issuer.token(), "token keys: ", code=b"UNAVAILABLE")
    issuer.hanging.clear()

    def fetched(_):
        client = proxied.enter()
        _, reply = authenticate(proxied, client, issuer.token())
        client.close()
        return reply.startswith(b"OK")

    proxied.gate.wait_for_metrics(fetched)
    server = {"server": issuer.url + "/keys"}
    assert proxied.gate.metrics().value("headgate_lookup_requests_total", result="timeout", **server)


def test_introspection_decides_about_opaque_tokens(proxied):
    issuer = issuer_of(proxied)
    start(proxied, issuer, keys=False, introspection=True)
    issuer.says["opaque/1+"] = {"active": True, **payload()}
    issuer.says["opaque2"] = {"active": True, **payload(aud="web")}
    let_in(proxied, "opaque/1+")
    refused(proxied, "opaque2", "is for 'web'")
    refused(proxied, "opaque3", "not active")
    _, _, headers = issuer.requests[0]
    assert headers["Authorization"] == "Basic " + base64.b64encode(
        b"headgate:client%20secret"
    ).decode()
    value = proxied.gate.metrics().value
    server = {"server": issuer.url + "/introspect"}
    assert value("headgate_lookup_requests_total", result="accepted", **server) == 2
    assert value("headgate_lookup_requests_total", result="refused", **server) == 1


def test_introspection_that_hangs_or_fails_is_no_wrong_token(proxied):
    issuer = issuer_of(proxied)
    start(proxied, issuer, keys=False, introspection=True, timeout="200ms")
    issuer.failing.set()
    refused(proxied, "opaque", "HTTP status 500", code=b"UNAVAILABLE")
    issuer.failing.clear()
    issuer.hanging.set()
    refused(proxied, "opaque", "/introspect: ", code=b"UNAVAILABLE")


def test_a_signed_token_that_was_revoked_is_refused_by_introspection(proxied):
    issuer = issuer_of(proxied)
    start(proxied, issuer, introspection=True)
    token = issuer.token()
    issuer.says[token] = {"active": True}
    let_in(proxied, token)
    del issuer.says[token]
    refused(proxied, token, "not active")


def test_passwords_and_tokens_go_to_their_own_sources(proxied, tmp_path):
    issuer = issuer_of(proxied)
    users = tmp_path / "users.passwd"
    users.write_text("alice:{PLAIN}sesame\n")
    passwords = {"source": "passwd_file", "path": str(users), "pool": "main"}
    start(proxied, issuer, before=[passwords])
    proxied.secrets.append("sesame")
    let_in(proxied, issuer.token())
    client = proxied.enter()
    assert client.login("alice", "sesame").startswith(b"OK")
    # A token is no password, even where it stands in a password's place.
    token = issuer.token()
    proxied.secrets.append(token)
    assert proxied.enter().login("alice", token).startswith(b"NO [AUTHENTICATIONFAILED]")
