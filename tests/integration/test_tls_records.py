"""After the login TLS 1.3 records are Headgate's own work: what a client or backend with OpenSSL sees of it."""

import concurrent.futures
import contextlib
import ssl
import subprocess
import threading

import pytest

import raw_client
from fake_backend import PASSWORD, Script
from headgate_process import configuration

SUITES = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]


def relayed(proxied, side):
    """Who seals the records of how many sessions."""
    metrics = proxied.gate.metrics()
    return {
        by: metrics.value("headgate_tls_relayed_total", side=side, records=by)
        for by in ("headgate", "openssl")
    }


@pytest.mark.parametrize("door", ["imaps", "imap"])
@pytest.mark.parametrize("backend_tls", ["implicit", "starttls"])
def test_both_sides_are_taken_over_after_the_login(proxied, door, backend_tls):
    backend = proxied.backend(Script(tls=backend_tls))
    proxied.start(backend, pool={"tls": backend_tls, "verify": False})
    client = proxied.logged_in(door=door)
    for _ in range(3):
        assert client.command("NOOP")[1] == b"OK done"
    for side in ("client", "backend"):
        assert relayed(proxied, side) == {"headgate": 1, "openssl": 0}
    client.close()
    entry = proxied.end()
    assert entry["tls"] == "TLSv1.3"
    assert entry["cipher"].startswith("TLS_")


def test_the_log_says_which_library_has_the_ciphers(proxied):
    proxied.start()
    (entry,) = proxied.gate.log.wait_for("ready")
    assert entry["aes_gcm"] == "OpenSSL" or entry["aes_gcm"].startswith("ipsec-mb ")
    assert entry["x25519"] in ("OpenSSL", "ladder", "batch")


def test_openssl_goes_on_where_the_configuration_says_so(proxied):
    proxied.start(relay={"own_tls_records": False})
    assert proxied.logged_in().command("NOOP")[1] == b"OK done"
    assert relayed(proxied, "client") == {"headgate": 0, "openssl": 1}


def test_openssl_goes_on_with_tls_1_2(proxied):
    proxied.start()
    context = raw_client.client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert proxied.logged_in(context=context).command("NOOP")[1] == b"OK done"
    assert relayed(proxied, "client") == {"headgate": 0, "openssl": 1}


@pytest.mark.parametrize("suite", SUITES)
def test_bulk_in_both_directions_with_every_suite(proxied, suite):
    backend = proxied.backend(Script(tls="implicit", then="hand_over"))
    config = configuration(
        proxied.certificate, [backend.address], pool={"tls": "implicit", "verify": False}
    )
    config["tls"]["cipher_suites"] = suite
    proxied.start_config(config)
    client, behind = proxied.pair(backend)
    there = bytes(range(256)) * 20_000
    back = there[::-1]
    pair_up(client.stream, behind.stream, there, back)
    assert client.stream.tls.cipher()[0] == suite
    for side in ("client", "backend"):
        assert relayed(proxied, side) == {"headgate": 1, "openssl": 0}


def pair_up(client, backend, there, back):
    """Sends both texts at once, in pieces of odd sizes, and compares what arrives."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for sender, receiver, text in ((client, backend, there), (backend, client, back)):
            step = 70_001
            for start in range(0, len(text), step):
                piece = text[start : start + step]
                arrived = pool.submit(exactly, receiver, len(piece))
                sender.send(piece)
                assert arrived.result() == piece


def exactly(stream, count):
    data = b""
    while len(data) < count:
        data += stream.receive(count - len(data))
    return data


@contextlib.contextmanager
def s_client(port):
    """OpenSSL's own client: K alone on a line updates its keys and asks for ours, k updates its own."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-crlf"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as client:
        yield client
        client.kill()


def test_key_updates_of_openssls_client(proxied):
    proxied.start()
    with s_client(proxied.gate.port("imaps")) as client:
        overdue = threading.Timer(60, client.kill)
        overdue.start()

        def say(line, answer):
            client.stdin.write(line + b"\n")
            client.stdin.flush()
            for got in client.stdout:
                if got.startswith(answer):
                    return
            raise AssertionError(f"no {answer!r} to {line!r}")

        say(b"a LOGIN alice " + PASSWORD, b"a OK")
        for number, key in enumerate([b"K", b"k", b"K", b"K"]):
            say(key, b"KEYUPDATE")
            say(b"n%d NOOP" % number, b"n%d OK done" % number)
        overdue.cancel()
    assert relayed(proxied, "client") == {"headgate": 1, "openssl": 0}
