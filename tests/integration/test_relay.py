"""After login: every byte, in order, once, both ways, whatever happens to either side."""

import concurrent.futures
import os
import random
import re
import signal
import threading
import time

import pytest

import exchange
from fake_backend import End, Script
from proxied import DOORS
from raw_client import RawClient

HAND_OVER = Script(then="hand_over")
MODES = {
    # name: (the client's door, TLS to the backend)
    "TLS to plain": ("imaps", "none"),
    "TLS to TLS": ("imaps", "implicit"),
    "plain to plain": ("plain", "none"),
    "plain to TLS": ("plain", "implicit"),
    "STARTTLS to STARTTLS": ("imap", "starttls"),
}
QUIET = {"level": "info", "format": "json"}


def start(proxied, mode, relay=None, **more):
    """Headgate with one backend that hands its sessions over; (backend, door)."""
    door, tls = MODES[mode]
    backend = proxied.backend(Script(tls=tls, then="hand_over"))
    proxied.start(
        backend,
        # These streams are no IMAP, and each end is to be passed on as it comes.
        pool={"lost_sessions_rate": 0, **({"tls": tls, "verify": False} if tls != "none" else {})},
        relay=relay or {},
        log=QUIET,
        **more,
    )
    return backend, door


def any_mode(test):
    return pytest.mark.parametrize("mode", MODES)(test)


# -- byte integrity -------------------------------------------------------------------------------

SESSIONS = int(os.environ.get("HEADGATE_RELAY_SESSIONS", "800"))  # for each mode


def one_session(address, door, backend, seed):
    dice = random.Random(seed)
    user = f"user{seed}"
    plans = [exchange.random_plan(dice, may_reset=True), exchange.random_plan(dice, may_reset=True)]
    client = RawClient(address, tls=door == "imaps", timeout=30.0)
    client.greeting()
    if door == "imap":
        client.starttls()
    # Some send their first bytes in one write with the login.
    pipelined = plans[0].data[: dice.randrange(20_000)] if dice.random() < 0.3 else b""
    client.send(f"a LOGIN {user} wonderland\r\n".encode() + pipelined)
    _, tagged = client.reply("a")
    assert tagged.startswith(b"a OK"), tagged
    connection = backend.take(user, 30.0)
    exchange.run(
        client.stream,
        connection.stream,
        plans,
        client.buffer,
        connection.take_buffer(),
        len(pipelined),
    )


@any_mode
def test_every_stream_is_a_prefix_of_what_was_sent_and_whole_when_both_ends_were_in_order(
    proxied, mode
):
    backend, door = start(proxied, mode)
    first = int(os.environ.get("HEADGATE_RELAY_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"HEADGATE_RELAY_SEED={first} HEADGATE_RELAY_SESSIONS={SESSIONS}")
    address = proxied.gate.address(door)
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        sessions = {
            pool.submit(one_session, address, door, backend, first + n): first + n
            for n in range(SESSIONS)
        }
        for session in concurrent.futures.as_completed(sessions):
            failure = session.exception()
            if failure is not None:
                for other in sessions:
                    other.cancel()
                raise AssertionError(f"seed {sessions[session]}: {failure!r}") from failure
    metrics = proxied.gate.wait_for_metrics(lambda m: m.value("headgate_sessions") == 0)
    assert metrics.value("headgate_logins_total", result="ok") == SESSIONS
    assert metrics.value("headgate_session_ends_total") == SESSIONS
    assert metrics.value("headgate_buffers_in_use") == 0
    assert metrics.value("headgate_backend_sessions") == 0


# -- slow readers ---------------------------------------------------------------------------------


def resident(gate):
    with open(f"/proc/{gate.process.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) * 1024


def fill(stream, chunk=exchange.BLOB[:65536], limit=64 << 20):
    """Sends until nothing more is taken for a while; the number of bytes given."""
    given, idle_since = 0, time.monotonic()
    while given < limit:
        if stream.try_send(b""):
            stream.try_send(chunk)
            given += len(chunk)
            idle_since = time.monotonic()
        elif time.monotonic() - idle_since > 0.4:
            return given
        else:
            time.sleep(0.01)
    raise AssertionError(f"{limit} bytes were taken although nobody reads them")


@pytest.mark.memory
@pytest.mark.parametrize("mode", ["TLS to plain", "TLS to TLS", "plain to plain"])
def test_fifty_readers_that_stall_cost_bounded_memory_and_lose_nothing(proxied, mode):
    backend, door = start(proxied, mode)
    pairs = [proxied.pair(backend, f"user{n}", door, receive_buffer=16_384) for n in range(50)]
    before = resident(proxied.gate)
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        given = list(pool.map(lambda pair: fill(pair[1].stream), pairs))
    each = (resident(proxied.gate) - before) / len(pairs)
    print(f"{each / 1024:.1f} KiB for each stalled session")
    assert each < 300 * 1024
    client, connection = pairs[0]
    connection.stream.timeout = 30
    expected = exchange.BLOB[:65536] * (given[0] // 65536)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        ending = pool.submit(connection.stream.end_writing)
        assert client.rest() == expected
        ending.result()


@any_mode
def test_a_reader_that_stalls_does_not_hold_up_the_other_direction(proxied, mode):
    backend, door = start(proxied, mode)
    client, connection = proxied.pair(backend, door=door, receive_buffer=16_384)
    fill(connection.stream)
    for n in range(20):
        client.send(b"%d NOOP\r\n" % n)
        received = b""
        while not received.endswith(b"\r\n"):
            received += connection.stream.receive()
        assert received == b"%d NOOP\r\n" % n


# -- ends -----------------------------------------------------------------------------------------


@any_mode
def test_a_final_bye_reaches_the_client_when_the_backend_ends_in_order(proxied, mode):
    backend, door = start(proxied, mode)
    client, connection = proxied.pair(backend, door=door)
    connection.stream.send(b"* BYE maintenance\r\n")
    connection.stream.close()
    assert client.rest() == b"* BYE maintenance\r\n"
    client.close()
    assert proxied.end()["reason"] == "backend_closed"


@any_mode
def test_a_final_bye_reaches_the_client_when_the_backend_resets(proxied, mode):
    backend, door = start(proxied, mode)
    client, connection = proxied.pair(backend, door=door)
    connection.stream.send(b"* 1 EXISTS\r\n")
    client.expect(rb"\* 1 EXISTS")
    connection.stream.send(b"* BYE crashed\r\n")
    time.sleep(0.1)  # a reset that overtakes the data would be the network's loss, not the relay's
    connection.stream.reset()
    assert client.rest_until_gone() == b"* BYE crashed\r\n"
    assert proxied.end()["reason"] == "backend_reset"


@any_mode
def test_a_final_bye_reaches_a_client_that_is_in_the_middle_of_an_upload(proxied, mode):
    backend, door = start(proxied, mode)
    client, connection = proxied.pair(backend, door=door)
    fill(client.stream)  # nobody reads it
    connection.stream.send(b"* BYE disk full\r\n")
    time.sleep(0.1)
    connection.stream.close()  # with unread bytes, so that the kernel sends a reset
    time.sleep(0.3)  # the client goes on trying, as clients do
    assert client.rest_until_gone() == b"* BYE disk full\r\n"


@any_mode
def test_a_final_bye_behind_megabytes_reaches_a_slow_client(proxied, mode):
    backend, door = start(proxied, mode)
    client, connection = proxied.pair(backend, door=door, receive_buffer=16_384)
    data = exchange.BLOB + b"* BYE enough\r\n"
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        sending = pool.submit(lambda: (connection.stream.send(data), connection.stream.close()))
        time.sleep(0.5)
        assert client.rest() == data
        sending.result()


@any_mode
def test_a_backend_goes_on_sending_after_the_client_half_closed(proxied, mode):
    backend, door = start(proxied, mode)
    client, connection = proxied.pair(backend, door=door)
    client.send(b"a LOGOUT\r\n")
    client.half_close()
    received = b""
    while data := connection.stream.receive():
        received += data
    assert received == b"a LOGOUT\r\n"
    data = exchange.BLOB[:1_000_000]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        sending = pool.submit(lambda: (connection.stream.send(data), connection.stream.close()))
        assert client.rest() == data
        sending.result()
    assert proxied.end()["reason"] == "client_closed"


@any_mode
def test_a_client_goes_on_sending_after_the_backend_half_closed(proxied, mode):
    backend, door = start(proxied, mode)
    client, connection = proxied.pair(backend, door=door)
    connection.stream.send(b"* OK no more from me\r\n")
    connection.stream.end_writing()
    assert client.rest() == b"* OK no more from me\r\n"
    data, received = exchange.BLOB[:1_000_000], b""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        sending = pool.submit(lambda: (client.send(data), client.close()))
        while chunk := connection.stream.receive():
            received += chunk
        sending.result()
    assert received == data
    assert proxied.end()["reason"] == "backend_closed"


@any_mode
def test_a_reset_of_the_client_ends_the_session_at_the_backend(proxied, mode):
    backend, door = start(proxied, mode)
    client, connection = proxied.pair(backend, door=door)
    client.reset()
    try:
        assert connection.stream.receive() == b""
    except ConnectionError:
        pass
    assert proxied.end()["reason"] == "client_reset"


@pytest.mark.parametrize("mode", ["TLS to plain", "TLS to TLS"])
def test_a_tls_client_that_just_drops_its_connection_ends_the_session_at_the_backend(proxied, mode):
    backend, door = start(proxied, mode)
    client, connection = proxied.pair(backend, door=door)
    client.send(b"a NOOP\r\n")
    client.stream.abandon()  # FIN without close_notify
    while connection.stream.receive():
        pass
    connection.stream.close()
    assert proxied.end()["reason"] in ("client_reset", "client_closed")


@any_mode
def test_a_half_closed_session_that_says_nothing_more_ends_at_its_limit(proxied, mode):
    backend, door = start(proxied, mode, relay={"half_close_timeout": "1s"})
    client, connection = proxied.pair(backend, door=door)
    began = time.monotonic()
    client.half_close()
    assert connection.stream.receive() == b""
    client.rest_until_gone()
    assert 0.8 < time.monotonic() - began < 4
    assert proxied.end()["reason"] == "client_closed"


def farewell(client):
    """An end in order, with nothing before it but perhaps a whole BYE."""
    assert re.fullmatch(rb"(\* BYE [^\r\n]*\r\n)?", client.rest())


def gone(stream):
    """True when the next thing that comes is the end, of whatever kind."""
    try:
        return stream.receive() == b""
    except ConnectionError:
        return True


# -- time -----------------------------------------------------------------------------------------


@any_mode
def test_a_session_where_nothing_moves_ends_in_order_at_the_idle_limit(proxied, mode):
    backend, door = start(proxied, mode, relay={"idle_timeout": "1s"})
    client, connection = proxied.pair(backend, door=door)
    began = time.monotonic()
    farewell(client)
    assert 0.8 < time.monotonic() - began < 4
    assert gone(connection.stream)
    assert proxied.end()["reason"] == "idle_timeout"


def test_traffic_in_one_direction_alone_keeps_a_session_alive(proxied):
    backend, door = start(proxied, "TLS to plain", relay={"idle_timeout": "2s"})
    client, connection = proxied.pair(backend, door=door)
    for n in range(8):
        connection.stream.send(b"* %d EXISTS\r\n" % n)
        client.expect(rb"\* %d EXISTS" % n)
        time.sleep(0.5)
    client.send(b"a NOOP\r\n")
    assert connection.stream.receive() == b"a NOOP\r\n"


@pytest.mark.parametrize(
    "idle",
    [b"a IDLE\r\n", b"a idle\r\n", b"x NOOP\r\nb IDLE\r\n"],
    ids=["IDLE", "idle", "behind NOOP"],
)
def test_a_client_in_idle_may_wait_longer_than_the_idle_limit(proxied, idle):
    backend, door = start(proxied, "TLS to plain", relay={"idle_timeout": "1s"})
    client, connection = proxied.pair(backend, door=door)
    other, _ = proxied.pair(backend, user="bob", door=door)
    client.send(idle)
    connection.stream.send(b"+ idling\r\n")
    client.expect(rb"\+ idling")
    farewell(other)  # one that is not in IDLE goes
    time.sleep(1.0)
    connection.stream.send(b"* 3 EXISTS\r\n")
    client.expect(rb"\* 3 EXISTS")


def test_a_side_that_takes_nothing_for_the_stall_limit_ends_the_session(proxied):
    backend, door = start(proxied, "TLS to plain", relay={"stall_timeout": "1s"})
    client, connection = proxied.pair(backend, door=door, receive_buffer=16_384)
    fill(connection.stream)
    [end] = proxied.gate.session_ends(1)
    assert end["reason"] == "stalled_timeout"
    assert "to_client" in str(end) or "client" in end["fault"] or end["fault"] == "network"
    client.reset()


# -- stopping -------------------------------------------------------------------------------------


@any_mode
def test_sigterm_ends_every_session_in_order(proxied, mode):
    backend, door = start(proxied, mode)
    pairs = [proxied.pair(backend, f"user{n}", door) for n in range(10)]
    proxied.gate.process.send_signal(signal.SIGTERM)
    for client, connection in pairs:
        farewell(client)
        assert gone(connection.stream)
        client.close()
        connection.stream.close()
    assert proxied.gate.process.wait(10) == 0
    ends = proxied.gate.session_ends(10)
    assert {end["reason"] for end in ends} == {"shutdown"}


def test_a_bye_of_headgate_never_lands_inside_a_line_of_the_backend(proxied):
    backend, door = start(proxied, "TLS to plain", relay={"idle_timeout": "1s"})
    client, connection = proxied.pair(backend, door=door)
    connection.stream.send(b"* 1 FETCH (BODY[] {1000}\r\nhalf a li")
    assert client.rest_until_gone() == b"* 1 FETCH (BODY[] {1000}\r\nhalf a li"


def mail_without_end(connection, enough):
    """Sends until it is enough, then a line that says so."""
    while not enough.is_set():
        connection.stream.send(exchange.BLOB[:65536])
    connection.stream.send(b"end of mail\r\n")


def read_mail(client):
    tail = b""
    while not tail.endswith(b"end of mail\r\n"):
        tail = (tail + client.stream.receive())[-100:]


def wait_for_bulk(gate):
    """Lets mail pile up before the process until it has been seen to move much at a time."""

    def is_bulk(metrics):
        if metrics.value("headgate_bulk_sessions") == 1:
            return True
        gate.process.send_signal(signal.SIGSTOP)
        time.sleep(0.05)
        gate.process.send_signal(signal.SIGCONT)
        return False

    gate.wait_for_metrics(is_bulk)


@any_mode
def test_who_moves_much_waits_for_others_until_he_moves_little_again(proxied, mode):
    backend, door = start(proxied, mode)
    client, connection = proxied.pair(backend, "alice", door)
    enough = threading.Event()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        sent = pool.submit(mail_without_end, connection, enough)
        read = pool.submit(read_mail, client)
        try:
            wait_for_bulk(proxied.gate)
        finally:
            enough.set()
        sent.result()
        read.result()
    client.send(b"a NOOP\r\n")
    assert connection.stream.receive() == b"a NOOP\r\n"
    connection.stream.send(b"a OK\r\n")
    assert client.line() == b"a OK"
    proxied.gate.wait_for_metrics(lambda m: m.value("headgate_bulk_sessions") == 0)


def reset_while_reading(client, enough):
    while not enough.is_set():
        client.stream.receive()
    client.reset()


def test_a_session_that_ends_in_the_middle_of_bulk_is_not_counted_for_ever(proxied):
    backend, door = start(proxied, "plain to plain")
    client, connection = proxied.pair(backend, "alice", door)
    enough = threading.Event()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        sent = pool.submit(mail_without_end, connection, threading.Event())  # never enough
        ended = pool.submit(reset_while_reading, client, enough)
        try:
            wait_for_bulk(proxied.gate)
        finally:
            enough.set()
        ended.result()
        assert isinstance(sent.exception(), OSError)
    proxied.gate.wait_for_metrics(lambda m: m.value("headgate_bulk_sessions") == 0)


def test_a_login_under_way_at_sigterm_is_not_left_hanging(proxied):
    backend = proxied.backend(Script(login=[End.HANG]))
    proxied.start(backend)
    client = proxied.enter()
    client.send(b"a LOGIN alice wonderland\r\n")
    backend.wait_for(lambda b: b.logins())
    proxied.gate.process.send_signal(signal.SIGTERM)
    lines = client.rest_until_gone().split(b"\r\n")
    assert any(line.startswith((b"a NO [UNAVAILABLE]", b"* BYE")) for line in lines), lines
    assert proxied.gate.process.wait(10) == 0


def test_an_idle_session_holds_no_buffer(proxied):
    backend, door = start(proxied, "TLS to TLS")
    pairs = [proxied.pair(backend, f"user{n}", door) for n in range(20)]
    for client, connection in pairs:
        client.send(b"a NOOP\r\n")
        assert connection.stream.receive() == b"a NOOP\r\n"
    proxied.gate.wait_for_metrics(lambda m: m.value("headgate_buffers_in_use") == 0)
