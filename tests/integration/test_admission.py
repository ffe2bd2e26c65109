"""How many logins a backend gets at once: who waits, who is called, who is refused."""

import threading
import time

import pytest

from fake_backend import End, Script

OK = b"{tag} OK [CAPABILITY IMAP4rev1] Logged in\r\n"


class Desk:
    """Answers logins when it is told to, and knows how many it had at once."""

    def __init__(self, *answer):
        self.answer = list(answer) or [OK]
        self.now = 0
        self.most = 0
        self.news = threading.Condition()
        self.permits = threading.Semaphore(0)

    def __call__(self, connection):
        with self.news:
            self.now += 1
            self.most = max(self.most, self.now)
            self.news.notify_all()
        while not self.permits.acquire(timeout=0.05):
            if connection.backend.closing.is_set():
                break
        with self.news:
            self.now -= 1
        return self.answer

    def wait_for(self, count):
        with self.news:
            assert self.news.wait_for(lambda: self.now >= count, 10), f"{self.now} of {count} came"

    def let_in(self, count=1):
        self.permits.release(count)


def at_once(number, **more):
    return {"admission": {"least": number, "most": number, **more}}


def ask(proxied, user):
    """A client that has sent its login and waits for the answer."""
    client = proxied.enter("plain")
    client.send(f"a LOGIN {user} wonderland\r\n".encode())
    return client


def wait_for_waiting(proxied, count):
    end = time.monotonic() + 10
    while proxied.gate.metrics().value("headgate_admission_waiting") != count:
        assert time.monotonic() < end, f"never {count} waited"
        time.sleep(0.02)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_backend_gets_so_many_logins_at_once_and_the_others_wait(proxied, workers):
    desk = Desk()
    proxied.start(proxied.backend(Script(login=desk)), pool=at_once(3), workers=workers)
    clients = [ask(proxied, f"user{number}") for number in range(12)]
    desk.wait_for(3)
    metrics = proxied.gate.wait_for_metrics(
        lambda m: m.value("headgate_admission_under_way") + m.value("headgate_admission_waiting")
        == m.value("headgate_admission_under_way") + m.value("headgate_sessions", phase="queue")
        == 12
    )
    waited = metrics.value("headgate_admission_waiting")
    # A worker that has none under way may always begin one.
    assert waited in ((9,) if workers == 1 else (9, 8))
    assert metrics.value("headgate_admission_limit") == 3
    desk.let_in(12)
    for client in clients:
        client.expect(rb"a OK .*")
    assert desk.most <= 3 + (workers - 1)
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_admission_waiting") == 0
    assert metrics.value("headgate_admission_under_way") == 0
    assert metrics.value("headgate_admission_refused_total") == 0
    assert metrics.value("headgate_admission_wait_seconds_count") == waited
    assert metrics.value("headgate_backend_sessions") == 12
    proxied.gate.log.wait_for("logins wait for their turn")


def test_without_admission_all_go_at_once(proxied):
    desk = Desk()
    pool = {"admission": {"enabled": False, "least": 1, "most": 1}}
    proxied.start(proxied.backend(Script(login=desk)), pool=pool)
    clients = [ask(proxied, f"user{number}") for number in range(6)]
    desk.wait_for(6)
    assert not proxied.gate.metrics().matching("headgate_admission_limit")
    desk.let_in(6)
    for client in clients:
        client.expect(rb"a OK .*")


def test_who_finds_the_queue_full_is_told_so_and_may_try_again(proxied):
    desk = Desk()
    proxied.start(proxied.backend(Script(login=desk)), pool=at_once(1, queue=1), workers=1)
    first = ask(proxied, "first")
    desk.wait_for(1)
    second = ask(proxied, "second")
    wait_for_waiting(proxied, 1)
    third = ask(proxied, "third")
    third.expect(rb"a NO \[UNAVAILABLE\] .*")
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_logins_total", result="backend_busy") == 1
    assert metrics.value("headgate_admission_refused_total") == 1
    assert metrics.value("headgate_backend_failures_total") == 0, "the backend has not failed"
    line = proxied.gate.log.wait_for("login failed", failure="backend_busy")[0]
    assert "1 logins wait, 1 of at most 1 at once are under way" in line["detail"]
    desk.let_in(3)
    first.expect(rb"a OK .*")
    second.expect(rb"a OK .*")
    assert third.login("third").startswith(b"OK")


def test_who_has_waited_too_long_is_told_so(proxied):
    desk = Desk()
    proxied.start(
        proxied.backend(Script(login=desk)), pool=at_once(1, queue_timeout="300ms"), workers=1
    )
    first = ask(proxied, "first")
    desk.wait_for(1)
    began = time.monotonic()
    second = ask(proxied, "second")
    second.expect(rb"a NO \[UNAVAILABLE\] .*")
    assert 0.3 <= time.monotonic() - began < 3
    desk.let_in(2)
    first.expect(rb"a OK .*")
    assert second.login("second").startswith(b"OK")
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_admission_refused_total") == 1
    assert metrics.value("headgate_backend_sessions") == 2


def test_a_user_who_waits_is_not_taken_to_another_backend(proxied):
    desk = Desk()
    home, other = proxied.backend(Script(login=desk)), proxied.backend(unreachable=True)
    proxied.start(
        {"address": home.address, "weight": 10_000},
        {"address": other.address, "weight": 1},
        pool=at_once(1, queue_timeout="300ms"),
        workers=1,
    )
    clients = [ask(proxied, "user1")]
    desk.wait_for(1)
    impatient = ask(proxied, "user1")
    impatient.expect(rb"a NO \[UNAVAILABLE\] .*")
    clients.append(ask(proxied, "user1"))
    desk.let_in(2)
    for client in clients:
        client.expect(rb"a OK .*")
    assert len(home.connections) == 2


def test_when_the_backend_fails_those_who_wait_for_it_go_to_the_next_one(proxied):
    desk = Desk(End.RESET)
    home, other = proxied.backend(Script(login=desk)), proxied.backend()
    proxied.start(
        {"address": home.address, "weight": 10_000},
        {"address": other.address, "weight": 1},
        pool=at_once(1, queue_timeout="10s"),
        workers=1,
    )
    clients = [ask(proxied, f"user{number}") for number in range(4)]
    desk.wait_for(1)
    wait_for_waiting(proxied, 3)
    desk.let_in()
    for client in clients:
        client.expect(rb"a OK .*")
    assert len(home.connections) == 1
    assert len(other.connections) == 4
    assert proxied.gate.metrics().value("headgate_admission_refused_total") == 0


def test_sessions_that_end_while_they_wait_leave_nothing_behind(proxied):
    desk = Desk()
    proxied.start(
        proxied.backend(Script(login=desk)), pool=at_once(1), login={"timeout": "2s"}, workers=1
    )
    first = ask(proxied, "first")
    desk.wait_for(1)
    second = ask(proxied, "second")
    wait_for_waiting(proxied, 1)
    for client in (first, second):
        assert client.rest_until_gone().startswith(b"* BYE")
    wait_for_waiting(proxied, 0)
    proxied.gate.wait_for_metrics(lambda metrics: metrics.value("headgate_backend_sessions") == 0)


@pytest.mark.parametrize("door", ["plain", "imaps"])
def test_a_client_that_leaves_the_queue_is_noticed_at_once(proxied, door):
    desk = Desk()
    backend = proxied.backend(Script(login=desk))
    proxied.start(backend, pool=at_once(1), workers=1)
    first = ask(proxied, "first")
    desk.wait_for(1)
    second = proxied.enter(door)
    second.send(b"a LOGIN second wonderland\r\n")
    wait_for_waiting(proxied, 1)
    second.close()
    end = proxied.end("client_closed")  # though nobody's turn has come
    assert (end["user"], end["detail"]) == ("second", "while its login waited")
    wait_for_waiting(proxied, 0)  # the line of the log is there before
    metrics = proxied.gate.metrics()
    assert metrics.value("headgate_backend_sessions") == 1
    assert metrics.value("headgate_logins_abandoned_total", awaited="turn") == 1
    third = ask(proxied, "third")
    wait_for_waiting(proxied, 1)
    desk.let_in(2)
    for client in (first, third):
        client.expect(rb"a OK .*")
    assert [user for user, _ in backend.logins()] == [b"first", b"third"]


def test_a_client_that_left_before_it_came_to_wait_is_noticed_as_well(proxied):
    """It goes while a backend has its login, which then fails: the next backend has a queue."""
    desk, failing = Desk(), Desk(End.CLOSE)
    first, second = proxied.backend(Script(login=failing)), proxied.backend(Script(login=desk))
    proxied.start(
        {"address": first.address, "weight": 10_000},
        {"address": second.address, "weight": 1},
        pool={**at_once(1), "pins": [{"user": "busy", "backend": second.address}]},
        workers=1,
    )
    busy = ask(proxied, "busy")
    desk.wait_for(1)
    gone = ask(proxied, "gone")
    failing.wait_for(1)
    gone.close()
    failing.let_in()
    end = proxied.end("client_closed")
    assert (end["user"], end["detail"]) == ("gone", "while its login waited")
    wait_for_waiting(proxied, 0)  # the line of the log is there before
    desk.let_in()
    busy.expect(rb"a OK .*")


def test_a_client_that_has_said_all_it_wants_to_say_keeps_its_place(proxied):
    desk = Desk()
    proxied.start(proxied.backend(Script(login=desk)), pool=at_once(1), workers=1)
    first = ask(proxied, "first")
    desk.wait_for(1)
    second = proxied.enter("plain")
    second.send(b"a LOGIN second wonderland\r\nb NOOP\r\nc LOGOUT\r\n")
    second.half_close()
    wait_for_waiting(proxied, 1)
    desk.let_in(2)
    first.expect(rb"a OK .*")
    second.expect(rb"a OK .*")
    assert second.reply("b")[1].startswith(b"b OK")
    assert second.reply("c")[1].startswith(b"c OK")


def test_the_limit_grows_while_logins_are_quick(proxied):
    backend = proxied.backend()
    proxied.start(backend, pool={"admission": {"least": 1}}, workers=1)
    for number in range(60):
        clients = [ask(proxied, f"user{number}-{more}") for more in range(3)]
        for client in clients:
            client.expect(rb"a OK .*")
            client.close()
    assert proxied.gate.metrics().value("headgate_admission_limit") > 1
