"""Random traffic over both ends of one session, driven by one thread, with its verdict."""

import dataclasses
import os
import random
import select
import ssl
import time

# Every stream is a slice of these bytes, so that a wrong, lost or repeated byte is seen by comparing.
BLOB = os.urandom(1 << 20) * 2
PATIENCE = 30.0


@dataclasses.dataclass
class Plan:
    """What one side of a session does."""

    data: bytes
    cuts: list[int]  # sizes of the writes
    pauses: list[float]  # before each of them
    stall: tuple[int, float]  # after so many bytes read: take nothing for so long
    ending: str  # "end": half-close behind the last byte; "reset": RST after `reset_after` writes
    reset_after: int


def random_plan(dice: random.Random, may_reset: bool) -> Plan:
    size = int(dice.choice([0, 10, 1000, 20_000, 100_000, 400_000]) * dice.random())
    start = dice.randrange(1 << 20)
    data = BLOB[start : start + size]
    cuts, left = [], size
    while left:
        cut = min(left, dice.choice([1, 7, 100, 1460, 16_384, 16_385, 65_536, 200_000]))
        if len(cuts) > 40:
            cut = left
        cuts.append(cut)
        left -= cut
    pauses = [dice.random() * 0.02 if dice.random() < 0.15 else 0.0 for _ in cuts]
    stall = (dice.randrange(1 + size), dice.random() * 0.15 if dice.random() < 0.3 else 0.0)
    ending = "reset" if may_reset and dice.random() < 0.25 else "end"
    return Plan(data, cuts, pauses, stall, ending, dice.randrange(1 + len(cuts)))


class _Side:
    def __init__(self, stream, plan, received, already_sent):
        self.stream = stream
        self.plan = plan
        self.received = bytearray(received)
        self.sent = already_sent  # bytes of plan.data given to the stream
        self.writes = 0
        self.due = 0.0
        self.stalled_until = None
        self.write_done = False
        self.read_end = ""  # "end" in order, "broken"
        self.flushing = False

    def finished(self):
        return bool(self.read_end) and self.write_done

    def read(self, now):
        if self.read_end or now < (self.stalled_until or 0):
            return
        for _ in range(8):
            if self.stalled_until is None and len(self.received) >= self.plan.stall[0]:
                self.stalled_until = now + self.plan.stall[1]
                if self.plan.stall[1]:
                    return
            try:
                data = self.stream.try_receive(65536)
            except (OSError, ssl.SSLError):
                self.read_end = "broken"
                self.write_done = True
                return
            if data is None:
                return
            if not data:
                self.read_end = "end"
                return
            self.received += data

    def write(self, now):
        if self.write_done or now < self.due:
            return
        try:
            if self.flushing and not self.stream.try_flush():
                return
            self.flushing = False
            if self.plan.ending == "reset" and self.writes >= self.plan.reset_after:
                self.stream.reset()
                self.write_done, self.read_end = True, "broken"
                return
            if self.sent >= len(self.plan.data):
                self.flushing = not self.stream.try_end_writing()
                self.write_done = not self.flushing
                return
            cut = (
                self.plan.cuts[self.writes]
                if self.writes < len(self.plan.cuts)
                else len(self.plan.data)
            )
            self.flushing = not self.stream.try_send(self.plan.data[self.sent : self.sent + cut])
            self.sent = min(self.sent + cut, len(self.plan.data))
            self.writes += 1
            if self.writes < len(self.plan.pauses):
                self.due = now + self.plan.pauses[self.writes]
        except (OSError, ssl.SSLError):
            self.write_done = True  # the other end is gone; what it had sent may still be here

    def mask(self, now):
        wanted = 0
        if not self.read_end and now >= (self.stalled_until or 0):
            wanted |= select.POLLIN
        if not self.write_done and self.flushing:
            wanted |= select.POLLOUT
        return wanted

    def next_due(self, now):
        times = [self.stalled_until or 0.0] if not self.read_end else []
        if not self.write_done and not self.flushing:
            times.append(max(self.due, now + 0.0001))
        return min((t for t in times if t > now), default=now + 1.0)


def run(client, backend, plans, client_received=b"", backend_received=b"", client_sent=0):
    """Plays both plans to their ends and closes both streams. Returns nothing; raises AssertionError
    for a byte that is wrong, missing or late."""
    sides = [
        _Side(client, plans[0], client_received, client_sent),
        _Side(backend, plans[1], backend_received, 0),
    ]
    deadline = time.monotonic() + PATIENCE
    while not all(side.finished() for side in sides):
        now = time.monotonic()
        assert now < deadline, f"not over after {PATIENCE} s: {[_describe(side) for side in sides]}"
        poll = select.poll()
        for side in sides:
            side.write(now)
            side.read(now)
            if not side.finished() and side.stream.fileno() >= 0:
                mask = side.mask(now)
                if mask:
                    poll.register(side.stream.socket, mask)
        wait = (
            min(side.next_due(now) for side in sides if not side.finished()) - now
            if not all(side.finished() for side in sides)
            else 0
        )
        poll.poll(max(0.0, wait) * 1000)
    for side in sides:
        side.stream.close()
    _judge(sides[0], sides[1], "backend to client")
    _judge(sides[1], sides[0], "client to backend")


def _judge(reader, writer, direction):
    expected = writer.plan.data
    got = bytes(reader.received)
    assert expected.startswith(
        got
    ), f"{direction}: not a prefix, first difference at {_difference(expected, got)}"
    if "reset" not in (reader.plan.ending, writer.plan.ending):
        assert reader.read_end == "end", f"{direction}: did not end in order: {_describe(reader)}"
        assert len(got) == len(expected), f"{direction}: {len(got)} of {len(expected)} bytes"


def _difference(expected, got):
    for at, (a, b) in enumerate(zip(expected, got, strict=False)):
        if a != b:
            return at
    return len(expected)


def _describe(side):
    return (
        f"sent {side.sent} of {len(side.plan.data)} ({side.plan.ending}, done {side.write_done}), "
        f"received {len(side.received)}, end {side.read_end or 'none'}"
    )
