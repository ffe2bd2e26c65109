"""What bad, slow, big and many clients get before login, and what it costs Headgate."""

import base64
import concurrent.futures
import re
import ssl
import threading
import time

import pytest

from proxied import DOORS
from raw_client import plain_response

SHUT = {"unreachable": True}
SMALL = {"max_total": 4096, "max_line": 2048, "max_literal": 1024}


def b64(data):
    return base64.b64encode(data)


BAD_INPUT = {
    "an 8-bit byte in the tag": b"a\xe9 NOOP\r\n",
    "an 8-bit byte in the command": b"a NO\xffOP\r\n",
    "a literal of 4 GB": b"a LOGIN {4294967296}\r\n",
    "a literal of 4 GB without continuation": b"a LOGIN {4294967296+}\r\n",
    "a literal one byte too big": b"a LOGIN alice {4097}\r\n",
    "a literal of 30 digits": b"a LOGIN {" + b"9" * 30 + b"}\r\n",
    "a literal of 30 zeros": b"a LOGIN {" + b"0" * 30 + b"x}\r\n",
    "a literal of minus one": b"a LOGIN {-1}\r\n",
    "a literal without a number": b"a LOGIN {}\r\n",
    "NUL in the command": b"a NO\0OP\r\n",
    "NUL in a quoted string": b'a LOGIN "alice" "wonder\0land"\r\n',
    "NUL in a literal": b"a LOGIN alice {11+}\r\nwonder\0land\r\n",
    "a bare LF": b"a LOGIN alice wonderland\n",
    "a bare LF in a quoted string": b'a LOGIN "alice" "wonder\nland"\r\n',
    "a bare CR": b"a LOGIN alice won\rderland\r\n",
    "CR in a literal": b"a LOGIN alice {11+}\r\nwonder\rland\r\n",
    "LF in a literal": b"a LOGIN {7+}\r\nali\r\nce wonderland\r\n",
    "an empty tag": b" NOOP\r\n",
    "an empty line": b"\r\n",
    "a tag alone": b"a\r\n",
    "a tag with a plus": b"+ NOOP\r\n",
    "a tag that is a star": b"* NOOP\r\n",
    "a tag of 1,000 characters": b"t" * 1000 + b" NOOP\r\n",
    "an unclosed quoted string": b'a LOGIN "alice" "wonderland\r\n',
    "an escape of nothing": b'a LOGIN "al\\ice" "wonderland"\r\n',
    "LOGIN without a password": b"a LOGIN alice\r\n",
    "LOGIN without anything": b"a LOGIN\r\n",
    "LOGIN with three arguments": b"a LOGIN alice wonderland again\r\n",
    "LOGIN with a list": b"a LOGIN (alice) wonderland\r\n",
    "an empty user name": b'a LOGIN "" wonderland\r\n',
    "a user name that is not UTF-8": b"a LOGIN {5+}\r\nal\xffce wonderland\r\n",
    "bad base64": b"a AUTHENTICATE PLAIN AGFs*WNl\r\n",
    "base64 of a wrong length": b"a AUTHENTICATE PLAIN AGFsaWN\r\n",
    "TAB inside base64": b"a AUTHENTICATE PLAIN "
    + plain_response("alice", "wonderland")[:8]
    + b"\t"
    + plain_response("alice", "wonderland")[8:]
    + b"\r\n",
    "a literal as initial response": b"a AUTHENTICATE PLAIN {24+}\r\n"
    + plain_response("alice", "wonderland")
    + b"\r\n",
    "PLAIN with one NUL": b"a AUTHENTICATE PLAIN " + b64(b"alice\0wonderland") + b"\r\n",
    "PLAIN with three NULs": b"a AUTHENTICATE PLAIN " + b64(b"\0alice\0wonder\0land") + b"\r\n",
    "PLAIN with CR": b"a AUTHENTICATE PLAIN " + b64(b"\0alice\0wonder\rland") + b"\r\n",
    "PLAIN with LF in the user": b"a AUTHENTICATE PLAIN " + b64(b"\0ali\nce\0wonderland") + b"\r\n",
    "PLAIN without a user": b"a AUTHENTICATE PLAIN " + b64(b"\0\0wonderland") + b"\r\n",
    "PLAIN with nothing": b"a AUTHENTICATE PLAIN =\r\n",
    "PLAIN that is not UTF-8": b"a AUTHENTICATE PLAIN " + b64(b"\0al\xffce\0wonderland") + b"\r\n",
    "AUTHENTICATE without a mechanism": b"a AUTHENTICATE\r\n",
    "a mechanism of 8-bit bytes": b"a AUTHENTICATE PL\xc4IN\r\n",
    "HTTP": b"GET / HTTP/1.1\r\n",
    "a line that is too long": b"a NOOP " + b"x" * 9000 + b"\r\n",
    "ID without a list": b"a ID x\r\n",
    "ID with an unclosed list": b'a ID ("name" "x"\r\n',
    "ID with a key alone": b'a ID ("name")\r\n',
}


@pytest.mark.parametrize("form", BAD_INPUT)
def test_bad_input_is_refused_and_no_byte_of_it_reaches_a_backend(proxied, form):
    proxied.start(proxied.backend(**SHUT), login={"max_bad_commands": 100, "failure_delay": "1ms"})
    client = proxied.enter("plain")
    client.send(BAD_INPUT[form])
    client.expect(rb"\S+ (BAD|NO|BYE)( .*)?")
    # Either that was the end, or the session goes on as if nothing had been.
    try:
        client.send(b"z NOOP\r\n")
        line = client.line()
        while not line.startswith(b"z "):
            assert re.match(rb"\S+ (BAD|NO|BYE)", line), line
            line = client.line()
        assert line.startswith(b"z OK"), line
    except ConnectionError:
        pass
    assert proxied.gate.metrics().value("headgate_logins_total", result="ok") == 0


@pytest.mark.parametrize("door", DOORS)
def test_three_bad_commands_end_the_session_with_bye(proxied, door):
    proxied.start(proxied.backend(**SHUT))
    client = proxied.enter(door)
    for _ in range(2):
        assert client.command("NONSENSE")[1].startswith(b"BAD")
    client.send(b"x NONSENSE\r\n")
    lines = client.rest_until_gone().split(b"\r\n")
    assert any(line.startswith(b"* BYE") for line in lines), lines
    assert proxied.end()["reason"] == "client_protocol"


def test_the_number_of_bad_commands_is_configurable(proxied):
    proxied.start(proxied.backend(**SHUT), login={"max_bad_commands": 1})
    client = proxied.enter()
    client.send(b"x NONSENSE\r\n")
    assert b"* BYE" in client.rest_until_gone()


@pytest.mark.parametrize("door", DOORS)
def test_three_failed_logins_end_the_session_with_bye(proxied, door):
    backend = proxied.backend()
    proxied.start(backend)
    client = proxied.enter(door)
    for _ in range(2):
        assert client.login("alice", "guess").startswith(b"NO [AUTHENTICATIONFAILED]")
    client.send(b"x LOGIN alice guess\r\n")
    lines = client.rest_until_gone().split(b"\r\n")
    assert any(line.startswith(b"x NO [AUTHENTICATIONFAILED]") for line in lines), lines
    assert any(line.startswith(b"* BYE") for line in lines), lines
    assert proxied.end()["reason"] == "too_many_failures"
    assert len(backend.logins()) == 3


def test_a_right_password_after_a_wrong_one_is_let_in(proxied):
    proxied.start()
    client = proxied.enter()
    assert client.login("alice", "guess").startswith(b"NO [AUTHENTICATIONFAILED]")
    assert client.login("alice", "wonderland").startswith(b"OK")


def test_the_delay_after_a_wrong_password_blocks_nobody_else(proxied):
    proxied.start(login={"failure_delay": "1500ms"}, workers=1)
    guesser, other = proxied.enter(), proxied.enter()
    began = time.monotonic()
    guesser.send(b"a LOGIN alice guess\r\n")
    time.sleep(0.2)  # well inside the delay
    assert other.login("bob", "wonderland").startswith(b"OK")
    assert time.monotonic() - began < 1.2, "the other login waited for the delay"
    guesser.expect(rb"a NO \[AUTHENTICATIONFAILED\] .*")
    assert time.monotonic() - began >= 1.45


def test_commands_pipelined_behind_a_failed_login_wait_for_its_reply(proxied):
    proxied.start(login={"failure_delay": "300ms"})
    client = proxied.enter()
    client.send(b"a LOGIN alice guess\r\nb NOOP\r\nc LOGIN alice wonderland\r\n")
    client.expect(rb"a NO .*")
    client.expect(rb"b OK .*")
    assert client.reply("c")[1].startswith(b"c OK")


DRIPS = {
    "commands": b"a NOOP\r\n" * 200,
    "one endless line": b"a NOOP " + b"x" * 2000,
    "one endless literal": b"a LOGIN {2000+}\r\n" + b"x" * 2000,
}


@pytest.mark.parametrize("form", DRIPS)
def test_a_byte_now_and_then_does_not_extend_the_time_before_login(proxied, form):
    proxied.start(proxied.backend(**SHUT), login={"timeout": "2s"})
    began = time.monotonic()
    client = proxied.enter()
    stop = threading.Event()

    def drip():
        try:
            for byte in DRIPS[form]:
                if stop.wait(0.05):
                    return
                client.send(bytes([byte]))
        except (OSError, ssl.SSLError):
            pass

    dripping = threading.Thread(target=drip)
    dripping.start()
    [end] = proxied.gate.session_ends(1)
    took = time.monotonic() - began
    stop.set()
    dripping.join()
    assert end["reason"] == "login_timeout"
    assert 1.8 <= took < 4.5


def test_a_client_that_says_nothing_is_told_bye_at_the_login_timeout(proxied):
    proxied.start(proxied.backend(**SHUT), login={"timeout": "1s"})
    client = proxied.enter()
    assert client.line().startswith(b"* BYE")
    assert client.rest() == b""
    assert proxied.end()["reason"] == "login_timeout"


def test_a_client_that_never_begins_its_tls_handshake_is_dropped(proxied):
    proxied.start(proxied.backend(**SHUT), login={"timeout": "1s"})
    client = proxied.connect("imaps", tls=False)
    assert client.rest_until_gone() == b""
    proxied.gate.session_ends(1)


def test_a_handshake_after_starttls_that_never_comes_is_dropped(proxied):
    proxied.start(proxied.backend(**SHUT), login={"timeout": "1s"})
    client = proxied.connect("imap")
    client.greeting()
    client.send(b"a STARTTLS\r\n")
    client.expect(rb"a OK .*")
    assert client.rest_until_gone() == b""
    proxied.gate.session_ends(1)


@pytest.mark.parametrize("door", DOORS)
def test_more_bytes_before_login_than_allowed_end_the_session(proxied, door):
    proxied.start(proxied.backend(**SHUT), login=SMALL)
    client = proxied.enter(door)
    try:
        for _ in range(600):
            client.send(b"a NOOP\r\n")
    except (OSError, ssl.SSLError):
        pass
    assert b"* BYE" in client.rest_until_gone()
    assert proxied.end()["reason"] == "login_too_large"
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_limit_hits_total") >= 1


def test_what_is_pipelined_behind_a_login_counts_as_its_session_not_as_login(proxied):
    backend = proxied.backend()
    proxied.start(backend, login=SMALL)
    client = proxied.enter()
    client.send(b"a LOGIN alice wonderland\r\n" + b"b NOOP\r\n" * 200)
    assert client.reply("a")[1].startswith(b"a OK")
    for _ in range(200):
        assert client.reply("b")[1].startswith(b"b OK")


def test_one_session_too_many_before_login_drops_the_oldest(proxied):
    proxied.start(login={"max_sessions": 5}, workers=1)
    clients = [proxied.enter("plain") for _ in range(7)]
    for old in clients[:2]:
        assert old.rest_until_gone()[:5] in (b"* BYE", b"")
    for young in clients[2:]:
        assert young.command("NOOP")[1].startswith(b"OK")
    ends = proxied.gate.session_ends(2)
    assert [end["reason"] for end in ends] == ["dropped_for_newer"] * 2
    assert proxied.gate.metrics().value("headgate_limit_hits_total") >= 2


def test_sessions_that_logged_in_do_not_count_as_before_login(proxied):
    proxied.start(login={"max_sessions": 3}, workers=1)
    clients = [proxied.logged_in(f"user{n}") for n in range(10)]
    for client in clients:
        assert client.command("NOOP")[1].startswith(b"OK")


def resident(gate):
    with open(f"/proc/{gate.process.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) * 1024


ABUSE = [
    b"a NOOP " + b"x" * 8000,
    b"a LOGIN alice {4096+}\r\n" + b"x" * 4000,
    b'a ID ("k" {4000+}\r\n' + b"x" * 3999,
    b"a AUTHENTICATE PLAIN\r\n" + b"QUJD" * 1900,
]


@pytest.mark.memory
def test_2_000_abusive_connections_cost_bounded_memory(proxied):
    gate = proxied.start(login={"max_sessions": 3000}, log={"level": "info", "format": "json"})
    with proxied.enter() as warm:
        warm.command("NOOP")
    before = resident(gate)

    def abuse(number):
        client = proxied.connect("imaps" if number % 2 else "plain")
        client.greeting()
        client.send(ABUSE[number % len(ABUSE)])
        return client

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        clients = list(pool.map(abuse, range(2000)))
    assert (
        proxied.logged_in().command("NOOP")[1].startswith(b"OK")
    ), "an honest client is not served"
    each = (resident(gate) - before) / len(clients)
    print(f"{each / 1024:.1f} KiB for each abusive connection")
    assert each < 80 * 1024


@pytest.mark.parametrize("door", ["imaps", "plain"])
def test_a_client_that_never_reads_its_replies_costs_bounded_memory(proxied, door):
    gate = proxied.start(proxied.backend(**SHUT), login={"max_total": "16MiB", "timeout": "60s"})
    client = proxied.enter(door, receive_buffer=4096)
    before = resident(gate)
    client.stream.timeout = 0.5
    sent, enough = 0, 15_000_000  # more than the kernel holds for both sides
    try:
        while sent < enough:
            client.send(b"a CAPABILITY\r\n" * 5000)
            sent += 5000 * 14
    except (TimeoutError, ConnectionError):
        pass
    assert sent < enough, "Headgate went on reading commands whose replies nobody takes"
    assert resident(gate) - before < 16 * 1024 * 1024
