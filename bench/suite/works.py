"""The works of the table: how each is put to the load generator, and which figure counts."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Work:
    """A row of the table, or two when one run gives both."""

    name: str  # for --only
    title: str
    arguments: tuple  # of headgate-load
    figure: str  # in its JSON
    scale: float = 1
    digits: int = 1
    sessions: int = 0  # that the proxy must hold at once
    seconds: float = 2.5  # of a full run; --quick takes less

    @property
    def is_memory(self):
        return self.arguments[0] == "hold"

    def command(self, quick, peer):
        seconds = min(self.seconds, 1) if quick else self.seconds
        warm_up = 0.3 if quick else 0.7
        arguments = list(self.arguments)
        if self.is_memory:  # with a process a connection a few are enough, and many take minutes
            arguments[arguments.index("--sessions") + 1] = str(peer.held_sessions)
        return [*arguments, "--seconds", str(seconds), "--warm-up", str(warm_up)]


PER_UNIT = "proxy_cpu_us_per_unit"
PER_GB = "proxy_cpu_s_per_gb"

WORKS = [
    Work("login", "login, full handshake, µs CPU", ("login", "--sessions", "16"), PER_UNIT, digits=0),
    Work("resumed", "login, resumed, µs CPU", ("login", "--sessions", "16", "--resume"), PER_UNIT,
         digits=0),
    Work("fetch", "bulk FETCH, s CPU per GB",
         ("fetch", "--sessions", "4", "--size-kb", "8192"), PER_GB, digits=3),
    Work("fetch16k", "FETCH of 16 KB, µs CPU",
         ("fetch", "--sessions", "16", "--size-kb", "16"), PER_UNIT),
    Work("append", "APPEND, s CPU per GB",
         ("append", "--sessions", "4", "--size-kb", "8192"), PER_GB, digits=3),
    Work("noop1", "NOOP, 1 session, µs CPU", ("noop", "--sessions", "1"), PER_UNIT),
    Work("noop64", "NOOP, 64 sessions, µs CPU", ("noop", "--sessions", "64"), PER_UNIT),
    Work("noop1000", "NOOP, 1,000 sessions, µs CPU", ("noop", "--sessions", "1000"), PER_UNIT,
         sessions=1000),
    Work("push", "push to an idling client, µs CPU",
         ("idle", "--sessions", "500", "--push-ms", "250"), PER_UNIT, sessions=500),
    Work("latency", "login latency, 16 clients, p50 ms", ("login", "--sessions", "16"),
         "login_p50_us", scale=1e-3),
    Work("idle", "idle session, KB PSS", ("hold", "--sessions", "1000"), "pss_kb_per_session",
         sessions=1000, seconds=1),
    Work("idle_after_bulk", "idle session after a 1 MB FETCH, KB PSS",
         ("hold", "--sessions", "1000", "--bulk-kb", "1024"), "pss_kb_per_session", sessions=1000,
         seconds=1),
]

BY_NAME = {work.name: work for work in WORKS}
