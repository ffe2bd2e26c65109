"""What users feel when backends fail: docs/reliability.md.

One crowd of users logs in all the time through one Headgate; meanwhile backends fail in every way there is, one and
then two at a time, and are mended again."""

import asyncio
import datetime
import resource
import ssl
import time

from mail_users import MailUsers, devices
from peers.process import output_of

from . import reliability_farm, reliability_figures, reliability_storm
from .machine import ROOT, describe_load
from .reliability_failures import BY_NAME, KINDS
from .reliability_farm import BACKENDS, PASSWORD
from .rotation import say
from .tables import date_and_machine, replace_between

# Seconds.
WARM_UP = 20
QUIET = 6
LASTS = 16  # SIGSTOP needs up to 15 to be out: one interval, three times the timeout
COMES_BACK = 40  # at most; a case ends when the users are back
BETWEEN = 2
DOCUMENT = ROOT / "docs" / "reliability.md"
STORM, BRISK = "storm", "brisk"
BRISK_KINDS = (BY_NAME["stop"], BY_NAME["drop"])  # those that keep logins waiting
NAMES = [*BY_NAME, BRISK, STORM]


async def measure(farm, users, homes, kind, names):
    quiet = time.monotonic()
    await asyncio.sleep(QUIET)
    backends = [farm.backends[name] for name in names]
    struck, wall = time.monotonic(), datetime.datetime.now(datetime.timezone.utc)
    await asyncio.gather(*(asyncio.to_thread(kind.strike, backend, number)
                           for number, backend in enumerate(backends)))
    await asyncio.sleep(struck + LASTS - time.monotonic())
    await asyncio.gather(*(asyncio.to_thread(kind.mend, backend) for backend in backends))
    mended = time.monotonic()
    back = None
    while back is None and time.monotonic() < mended + COMES_BACK:
        await asyncio.sleep(0.5)
        back = reliability_figures.users_back_since(users, homes, names, mended, time.monotonic())
    times = reliability_figures.Times(quiet, struck, mended, time.monotonic(), wall)
    await asyncio.sleep(BETWEEN)
    return reliability_figures.collect(users, times, kind, names, back)


def cases(kinds, counts):
    """(kind, names of the backends), each time others, so that they have time to recover."""
    turn = 0
    for kind in kinds:
        for count in counts:
            yield kind, [f"d{(turn + number) % BACKENDS + 1}" for number in range(count)]
            turn += count


async def run_cases(farm, kinds, counts):
    context = ssl.create_default_context(cafile=str(farm.authority.ca))
    users = MailUsers([farm.gate.address("imaps")], context, PASSWORD, devices(farm.users))
    found = []
    async with users.living():
        await asyncio.sleep(WARM_UP)
        homes = {login.user: login.backend for login in users.logins}
        say(f"reliability: {users.online()} sessions of {len(farm.users)} users, "
            f"{len(users.logins) / WARM_UP:.0f} logins a second")
        for kind, names in cases(kinds, counts):
            figures = await measure(farm, users, homes, kind(farm), names)
            found.append(figures)
            say(f"reliability: {figures}")
    return found, users


def summary(found, users):
    """What stands below the table."""
    lost = sum(one.lost for one in found)
    text = (f"\n{lost} of {sum(one.logins for one in found):,} logins were lost. The longest time between a login at "
            f"one backend and the end of an older session at another was {users.longest_overlap * 1000:.0f} ms.\n")
    words = sorted({word for one in found for word in one.lost_words})
    return text + "".join(f"\nTo clients whose login was lost: `{word}`.\n" for word in words)


def run_part(bench, part, kinds, counts, pool, conditions):
    """Measures and writes one table; returns the raw figures."""
    head = f"{conditions}; {describe_load()}.\n\n"
    with reliability_farm.running(bench.headgate, pool) as farm:
        found, users = asyncio.run(run_cases(farm, kinds, counts))
    titles = {kind.name: kind.title for kind in KINDS}
    replace_between(part, head + reliability_figures.table(found, titles) + summary(found, users), DOCUMENT)
    return [figures.as_json() for figures in found]


def run(bench, only, quick):
    """`only`: names of NAMES, empty for all; `quick`: whether it works, not how well."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if not only:
        only = ["kill", STORM] if quick else NAMES
    raw = {}
    dovecot = output_of(["/usr/sbin/dovecot", "--version"]).split()[0]
    conditions = f"{date_and_machine()}, Dovecot {dovecot}"
    kinds = [kind for kind in KINDS if kind.name in only]
    if kinds:
        raw["failures"] = run_part(bench, "failures", kinds, (1,) if quick else (1, 2), {}, conditions)
    if BRISK in only:
        raw["brisk"] = run_part(bench, "brisk", BRISK_KINDS, (1, 2), reliability_farm.BRISK,
                                conditions)
    if STORM in only:
        head = f"{conditions}; {describe_load()}.\n\n"
        text, raw["storm"] = reliability_storm.run(bench, quick)
        replace_between("storm", head + text, DOCUMENT)
    return raw
