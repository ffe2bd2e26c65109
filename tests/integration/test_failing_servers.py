"""Real servers that fail under users who come and go: none of them is lost, none is at two servers at one time.
`scripts/bench reliability` is the large form of this (docs/reliability.md)."""

import asyncio
import contextlib
import time

import pytest

from dovecot import Dovecot
from headgate_process import configuration
from mail_users import Habits, MailUsers, devices

pytestmark = pytest.mark.servers

PASSWORD = "wonderland"
USERS = [f"user{number}" for number in range(48)]
BUSY = Habits(stay=(0.5, 1.5), away=(0.1, 0.5), think=(0.02, 0.2))


@pytest.fixture
def dovecots(certificate):
    accounts = {user: PASSWORD for user in [*USERS, "probe"]}
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Dovecot(accounts, name=f"d{number}", certificate=certificate))
               for number in (1, 2, 3)]


async def until(condition, what, timeout=10):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.05)


async def live_through_a_crash(users, gate, dovecots):
    """Everybody is in, two of three servers die at once, all go to the third one, the two come back."""
    where = [str(one.endpoint()) for one in dovecots]

    def seen_at(since):
        return {login.backend for login in users.since(since) if login.backend}

    def all_of_them(since, times):
        logins = [login.user for login in users.since(since)]
        return all(logins.count(user) >= times for user in USERS)

    async with users.living():
        await until(lambda: all_of_them(0, 1) and len(seen_at(0)) == 3, "not everybody got in")
        died = time.monotonic()
        await asyncio.gather(*(asyncio.to_thread(one.kill) for one in dovecots[:2]))
        dead = time.monotonic()
        await asyncio.to_thread(
            gate.wait_for_metrics,
            lambda m: all(m.value("headgate_backend_up", backend=one) == 0 for one in where[:2]))
        await until(lambda: all_of_them(dead, 2), "not everybody came back")
        assert seen_at(dead) == {"d3"}
        await asyncio.gather(*(asyncio.to_thread(one.start) for one in dovecots[:2]))
        back = time.monotonic()
        await until(lambda: seen_at(back) == {"d1", "d2", "d3"}, "nobody went home")
    return users.since(died)


@pytest.mark.parametrize("admission", [{}, {"least": 1, "most": 1}], ids=["", "one at once"])
def test_two_servers_of_three_die_at_once_and_nobody_is_lost_or_split(
    dovecots, start_headgate, authority, certificate, admission
):
    health = {"interval": "200ms", "failed_interval": "100ms", "timeout": "1s", "fall": 2, "rise": 2,
              "slow_start": "0ms", "panic_below": "0%", "level": "login", "user": "probe",
              "password": PASSWORD}
    gate = start_headgate(configuration(
        certificate, [str(one.endpoint()) for one in dovecots], pool={"health": health, "admission": admission}))
    users = MailUsers([gate.address("imaps")], authority.client_context(), PASSWORD,
                      devices(USERS), habits=BUSY)
    logins = asyncio.run(live_through_a_crash(users, gate, dovecots))
    assert users.broken, "sessions at the dead servers have ended"
    assert [login for login in logins if login.lost] == []
    assert users.splits == []
    if admission:
        assert gate.metrics().value("headgate_admission_wait_seconds_count") > 0


def test_users_whose_clients_get_to_two_servers_are_counted_as_split(dovecots, authority):
    """That the count above can be other than zero: nobody keeps these clients together."""
    users = MailUsers([(one.address, one.tls_port) for one in dovecots], authority.client_context(),
                      PASSWORD, ["user0"] * 4, habits=BUSY)

    async def live():
        async with users.living():
            await until(lambda: users.splits, "nobody was counted")

    asyncio.run(live())
    assert {user for _, user in users.splits} == {"user0"}
    assert users.longest_overlap > 0
