"""What the users of one case felt, in figures."""

import datetime
from dataclasses import asdict, dataclass

WINDOW = 2.0  # seconds of logins of which a p99 is taken
USERS_BACK = 0.9  # share of a mended backend's users who log in there, over one window
FEWEST = 5  # logins in a window that says anything about users


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass
class Times:
    """The moments of one case, by time.monotonic(); `wall` is `struck` by the calendar."""

    quiet: float
    struck: float
    mended: float
    ended: float
    wall: datetime.datetime


@dataclass
class Figures:
    kind: str
    backends: int
    logins: int = 0
    lost: int = 0
    broken: int = 0  # sessions
    above_1_s: int = 0  # logins
    slowest: float = 0  # seconds, as all that follow
    quiet_p99: float = 0
    noticed: float | None = None  # the first login that failed there
    out: float | None = None
    p99_back: float | None = None  # None: not while the failure lasted
    users_back: float | None = None  # after it was mended
    split: int = 0
    lost_words: tuple = ()

    def as_json(self):
        return asdict(self)


def p99_back(users, times):
    """Seconds from the failure to the end of the last window with logins that were slow; None when that is the
    last one before the backend was mended. Slow: a p99 above twice the quiet one, and 100 ms more than it."""
    quiet = percentile([login.seconds for login in users.since(times.quiet, times.struck)], 0.99)
    limit = max(2 * quiet, quiet + 0.1)
    count = int((times.mended - times.struck) / WINDOW)
    back = 0.0
    for number in range(count):
        begin = times.struck + number * WINDOW
        window = [login.seconds for login in users.since(begin, begin + WINDOW)]
        if window and percentile(window, 0.99) > limit:
            back = (number + 1) * WINDOW
    return quiet, back if back < count * WINDOW else None


def users_back_since(users, homes, names, mended, now):
    """The first moment after `mended` by which, for one window, the users who live at these backends logged in
    there; None: not yet."""
    logins = [login for login in users.since(mended, now)
              if homes.get(login.user) in names and login.backend is not None]
    for last in logins:
        window = [one for one in logins if last.ended - WINDOW < one.ended <= last.ended]
        if last.ended - WINDOW < mended or len(window) < FEWEST:
            continue
        if sum(one.backend == homes[one.user] for one in window) >= USERS_BACK * len(window):
            return last.ended
    return None


def collect(users, times, kind, names, back):
    found = Figures(kind.name, len(names))
    attempts = users.since(times.struck, times.ended)
    lost = [login for login in attempts if login.lost]
    found.logins, found.lost = len(attempts), len(lost)
    found.lost_words = tuple(sorted({login.words for login in lost}))
    found.above_1_s = sum(login.seconds > 1 for login in attempts)
    found.slowest = max(login.seconds for login in attempts)
    found.broken = sum(times.struck <= moment < times.ended for moment in users.broken)
    found.split = len({user for moment, user in users.splits if times.quiet <= moment})
    found.quiet_p99, found.p99_back = p99_back(users, times)
    found.users_back = None if back is None else back - times.mended
    # Of two backends the later one.
    found.noticed = worst(kind.farm.noticed(name, times.wall) for name in names)
    found.out = worst(kind.farm.acted(name, kind.states, times.wall) for name in names)
    return found


def worst(durations):
    known = list(durations)
    return None if None in known else max(known)


def cell(value, digits=1):
    return "–" if value is None else f"{value:.{digits}f}"


HEAD = ("| what happens | backends | logins | lost | above 1 s | slowest, s | quiet p99, s | noticed after, s | "
        "out after, s | p99 back after, s | users back after, s | sessions broken off | users split |")


def table(figures, titles):
    lines = [HEAD, "| --- |" + " ---: |" * (HEAD.count("|") - 2)]
    for one in figures:
        lines.append(
            f"| {titles[one.kind]} | {one.backends} | {one.logins:,} | {one.lost} | {one.above_1_s} | {cell(one.slowest, 2)} | "
            f"{cell(one.quiet_p99, 2)} | {cell(one.noticed)} | {cell(one.out)} | {cell(one.p99_back)} | "
            f"{cell(one.users_back)} | {one.broken} | {one.split} |")
    return "\n".join(lines) + "\n"
