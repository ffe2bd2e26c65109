"""What clients of established sessions hear when Headgate ends these: a BYE between two responses, and never
anything in the middle of one."""

import signal
import zlib

import pytest

from admin_api import OPERATOR, READER, Api, admin_section
from dovecot import Dovecot
from fake_backend import Script
from raw_client import KICKED, SHUTDOWN
from test_relay import fill

MODES = {"TLS": ("imaps", "implicit"), "plain": ("plain", "none")}


@pytest.fixture(params=MODES)
def session(request, proxied, tmp_path):
    """(client, the backend's end, end(): has the session ended and returns what the log says of it)"""
    door, tls = MODES[request.param]
    proxied.secrets += [OPERATOR, READER]
    backend = proxied.backend(Script(tls=tls, then="hand_over"))
    proxied.start(backend, pool={"tls": tls, "verify": False} if tls != "none" else None,
                  admin=admin_section(tmp_path))
    client, connection = proxied.pair(backend, door=door, receive_buffer=16_384)

    def end():
        assert Api(proxied.gate).post("kick", {"user": "alice"}) == {"kicked": 1}
        return proxied.end("kicked")

    return client, connection, end


def exchange(session, command, response):
    """The client has sent the command and seen the response."""
    client, connection, _ = session
    client.send(command)
    got = b""
    while got != command:
        got += connection.stream.receive()
        assert command.startswith(got)
    if response:
        connection.stream.send(response)
        assert client.exactly(len(response)) == response


WHERE_IT_IS_SAID = {
    "behind the login": [],
    "behind a command": [(b"a NOOP\r\n", b"* 7 EXISTS\r\na OK done\r\n")],
    "behind a refusal": [(b"a SELECT x\r\n", b"a NO [NONEXISTENT] there is none\r\n")],
    "behind a message": [(b"a FETCH 1 BODY[]\r\n", b"* 1 FETCH (BODY[] {6}\r\nHello\n)\r\na OK done\r\n")],
    "in IDLE": [(b"a NOOP\r\n", b"a OK done\r\n"), (b"b IDLE\r\n", b"+ idling\r\n")],
    "in IDLE with news": [(b"b idle\r\n", b"+ idling\r\n* 7 EXISTS\r\n* 6 FETCH (FLAGS (\\Seen))\r\n")],
    "behind IDLE": [(b"b IDLE\r\n", b"+ idling\r\n"), (b"DONE\r\n", b"b OK done\r\n")],
    # Where bulk is spliced, it takes some commands until the process has seen whole lines again.
    "behind much": [(b"a FETCH 1 BODY[]\r\n", b"* 1 FETCH (BODY[] {300000}\r\n" + b"x" * 300_000 + b")\r\na OK done\r\n"),
                    (b"b NOOP\r\n", b"b OK done\r\n"), (b"c NOOP\r\n", b"c OK done\r\n"),
                    (b"d NOOP\r\n", b"d OK done\r\n")],
}


@pytest.mark.parametrize("place", WHERE_IT_IS_SAID)
def test_a_client_between_two_responses_hears_bye(proxied, session, place):
    client, _, end = session
    for command, response in WHERE_IT_IS_SAID[place]:
        exchange(session, command, response)
    assert end()["farewell"] == "said"
    assert client.rest() == KICKED
    assert proxied.gate.metrics().value("headgate_farewells_total", result="said") == 1


WHERE_IT_IS_NOT = {
    "in a literal": [(b"a FETCH 1 BODY[]\r\n", b"* 1 FETCH (BODY[] {1000}\r\nDear Bob,\r\n")],
    "in a literal like a completion": [(b"a FETCH 1 BODY[]\r\n", b"* 1 FETCH (BODY[] {1000}\r\nb OK done\r\n")],
    "in a line": [(b"a NOOP\r\n", b"* 7 EXI")],
    "in a command": [(b"a FETCH 1 FLAGS\r\n", b"* 1 FETCH (FLAGS ())\r\n")],
    "before the answer": [(b"a NOOP\r\n", b"")],
    "in IDLE, in a message asked for before": [
        (b"a FETCH 1 BODY[]\r\nb IDLE\r\n", b"* 1 FETCH (BODY[] {1000}\r\nDear Bob,\r\n")],
}


@pytest.mark.parametrize("place", WHERE_IT_IS_NOT)
def test_a_client_in_the_middle_of_a_response_hears_nothing(proxied, session, place):
    client, _, end = session
    for command, response in WHERE_IT_IS_NOT[place]:
        exchange(session, command, response)
    assert end()["farewell"] == "unsure"
    assert client.rest() == b""
    assert proxied.gate.metrics().value("headgate_farewells_total", result="unsure") == 1


def stored(data):
    """As DEFLATE that holds the data as they are."""
    packer = zlib.compressobj(level=0, wbits=-15)
    return packer.compress(data) + packer.flush(zlib.Z_FULL_FLUSH)


@pytest.mark.parametrize("more", [
    [],
    [(stored(b"b NOOP\r\n"), stored(b"b OK done\r\n"))],
    # Not what a compressor writes; but nothing that looks like IMAP may pass for it.
    [(b"b IDLE\r\n", b"+ idling\r\n")],
    [(b"b NOOP\r\n", b"b OK done\r\n")],
], ids=["at its beginning", "behind a command", "like IDLE", "like a command"])
@pytest.mark.parametrize("command", [b"a COMPRESS DEFLATE\r\n", b"a compress Deflate\r\n"])
def test_a_compressed_session_hears_nothing(proxied, session, command, more):
    client, _, end = session
    exchange(session, command, b"a OK DEFLATE active\r\n")
    for one in more:
        exchange(session, *one)
    assert end()["farewell"] == "compressed"
    assert client.rest() == b""
    assert proxied.gate.metrics().value("headgate_farewells_total", result="compressed") == 1


def test_a_client_that_reads_nothing_is_not_told_to(session):
    _, connection, end = session
    fill(connection.stream)
    assert end()["farewell"] == "stalled"


def test_the_end_of_the_process_is_announced(proxied, session):
    client, _, _ = session
    exchange(session, b"b IDLE\r\n", b"+ idling\r\n")
    proxied.gate.process.send_signal(signal.SIGTERM)
    assert client.rest() == SHUTDOWN
    assert proxied.end("shutdown")["farewell"] == "said"


def test_what_ends_by_itself_has_no_farewell_of_ours(proxied, session):
    client, connection, _ = session
    client.close()
    assert connection.stream.receive() == b""
    connection.stream.close()
    assert proxied.end("client_closed")["farewell"] == ""
    assert proxied.gate.metrics().value("headgate_farewells_total") == 0


REAL = {
    "in IDLE": (lambda client: client.send(b"i IDLE\r\n") or client.expect(rb"\+ .*"), KICKED),
    "behind a command": (lambda client: client.command("SELECT INBOX"), KICKED),
    "compressed": (lambda client: client.command("COMPRESS DEFLATE"), b""),
}


@pytest.mark.servers
@pytest.mark.parametrize("place", REAL)
def test_a_real_server_leaves_a_place_for_it(proxied, tmp_path, place):
    proxied.secrets += [OPERATOR, READER]
    into, heard = REAL[place]
    with Dovecot({"alice": "wonderland"}) as dovecot:
        proxied.start({"address": f"127.0.0.1:{dovecot.port}"}, admin=admin_section(tmp_path))
        client = proxied.logged_in("alice")
        into(client)
        assert Api(proxied.gate).post("kick", {"user": "alice"}) == {"kicked": 1}
        assert client.rest() == heard
