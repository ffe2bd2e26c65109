"""After the login TLS 1.3 records are Headgate's own work: what a client or backend with OpenSSL sees of it."""

import contextlib
import ssl
import subprocess
import threading

import pytest

import raw_client
from fake_backend import PASSWORD, Script

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
    proxied.start(
        backend, pool={"tls": "implicit", "verify": False}, tls_extra={"cipher_suites": suite}
    )
    client, behind = proxied.pair(backend)
    there = bytes(range(256)) * 20_000
    back = there[::-1]
    sender = threading.Thread(target=client.stream.send, args=(there,))
    answerer = threading.Thread(target=behind.stream.send, args=(back,))
    reader = threading.Thread(target=lambda: got.append(behind.stream.read_exactly(len(there))))
    got = []
    for thread in (sender, answerer, reader):
        thread.start()
    assert client.stream.read_exactly(len(back)) == back
    for thread in (sender, answerer, reader):
        thread.join()
    assert got == [there]
    assert client.stream.tls.cipher()[0] == suite
    assert relayed(proxied, "client")["headgate"] == 1


@contextlib.contextmanager
def s_client(port):
    """OpenSSL's own client, which updates its keys when told K (and asks for ours) or k."""
    with subprocess.Popen(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3", "-crlf", "-nocommands"][:-1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as client:
        yield client
        client.kill()


def test_key_updates_of_openssls_client(proxied):
    proxied.start()
    with s_client(proxied.gate.port("imaps")) as client:

        def say(line):
            client.stdin.write(line + b"\n")
            client.stdin.flush()

        def wait_for(what):
            for line in client.stdout:
                if line.rstrip(b"\r\n") == what:
                    return
            raise AssertionError(f"no line {what!r}")

        say(b"a LOGIN alice " + PASSWORD)
        for line in client.stdout:
            if line.startswith(b"a OK"):
                break
        for number, key in enumerate([b"K", b"k", b"K", b"K"]):
            say(key)  # alone on its line: a command of the client's
            wait_for(b"KEYUPDATE")
            say(b"n%d NOOP" % number)
            wait_for(b"n%d OK done" % number)
    assert relayed(proxied, "client") == {"headgate": 1, "openssl": 0}
