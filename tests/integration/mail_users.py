"""Hundreds of users with a mail client each, some with two or three: they log in over TLS, read, write, wait for
mail, log out and come again, and write down how long a login took and which backend answered.

A user is *split* when sessions at two backends work at one time: the older one answers a command that was sent
after the newer one had logged in elsewhere, or is still open a second after that. Each backend has to say who it is
in its answer to ID (Dovecot: `imap_id_send = name NAME`)."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import ssl
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

PATIENCE = 20.0  # seconds a mail client waits for anything
OVERLAP = 1.0  # seconds after which an older session elsewhere must have ended
COMES_BACK_WITHIN = 1.0  # seconds until a client whose session broke off connects again

MESSAGE = b"Subject: a note\r\nFrom: me@example.org\r\n\r\n" + b"Only a line of text.\r\n" * 40


@dataclass
class Login:
    """One attempt, successful or not. Times are time.monotonic()'s."""

    user: str
    began: float
    ended: float
    words: str  # "OK", the refusal, or what happened instead of an answer
    backend: str | None = None

    @property
    def lost(self) -> bool:
        return self.words != "OK"

    @property
    def seconds(self) -> float:
        return self.ended - self.began


class Broken(Exception):
    """The session ended, or did not answer in time, without the client's wish."""


class MailSession:
    """One connection. Somebody reads all the time, so that an end is known when it comes."""

    def __init__(self, user: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.user = user
        self.reader = reader
        self.writer = writer
        self.backend: str | None = None
        self.left_at: float | None = None  # another session of the user got in elsewhere
        self.answered_after_left = False
        self.tags = 0

    async def line(self) -> bytes:
        try:
            line = await self.reader.readline()
        except OSError as error:
            raise Broken(str(error)) from error
        if not line:
            raise Broken("the connection ended")
        return line

    async def listen(self, seconds: float) -> None:
        """Reads whatever comes for so long; raises Broken at the connection's end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    await self.line()

    async def command(self, text: bytes, literal: bytes = b"") -> tuple[bytes, bytes]:
        """(tagged reply without its tag, everything before it)"""
        self.tags += 1
        tag = b"t%d " % self.tags
        sent = time.monotonic()
        head = b" {%d+}\r\n" % len(literal) if literal else b"\r\n"
        self.writer.write(tag + text + head + (literal + b"\r\n" if literal else b""))
        try:
            async with asyncio.timeout(PATIENCE):
                reply = await self._until(tag)
        except TimeoutError as error:
            raise Broken("no answer") from error
        if self.left_at is not None and sent > self.left_at:
            self.answered_after_left = True
        return reply

    async def _until(self, tag: bytes) -> tuple[bytes, bytes]:
        before = b""
        while True:
            line = await self.line()
            if line.startswith(tag):
                return line[len(tag) :].strip(), before
            before += line

    async def idle(self, seconds: float) -> None:
        self.tags += 1
        tag = b"t%d " % self.tags
        self.writer.write(tag + b"IDLE\r\n")
        await self.listen(seconds)
        self.writer.write(b"DONE\r\n")
        async with asyncio.timeout(PATIENCE):
            await self._until(tag)


@dataclass
class Habits:
    """What a client does, in seconds."""

    stay: tuple[float, float] = (8.0, 14.0)
    away: tuple[float, float] = (5.0, 11.0)
    think: tuple[float, float] = (0.5, 2.0)


@dataclass
class MailUsers:
    """Runs one task for each entry of `devices` (user names; a user with two clients is there twice). Each login
    takes one of `addresses`, where TLS is implicit. Everybody has the same password."""

    addresses: list[tuple[str, int]]
    context: ssl.SSLContext
    password: str
    devices: list[str]
    habits: Habits = field(default_factory=Habits)
    logins: list[Login] = field(default_factory=list)
    broken: list[float] = field(default_factory=list)  # when sessions broke off
    splits: list[tuple[float, str]] = field(default_factory=list)  # when, and who
    longest_overlap: float = 0.0  # seconds between a login elsewhere and the end of an older session
    sessions: dict[str, set[MailSession]] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def living(self) -> AsyncIterator[MailUsers]:
        """Within it they come and go; at its end all leave at once."""
        tasks = [asyncio.create_task(self._live(user)) for user in self.devices]
        try:
            yield self
            failed = [task for task in tasks if task.done()]
            assert not failed, f"a client ended: {failed[0]}"
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def since(self, begin: float, end: float = float("inf")) -> list[Login]:
        """Attempts that began in this time and have ended."""
        return [login for login in self.logins if begin <= login.began < end]

    def online(self) -> int:
        return sum(map(len, self.sessions.values()))

    async def _live(self, user: str) -> None:
        await asyncio.sleep(random.uniform(0, self.habits.away[1]))
        while True:
            session = await self._log_in(user)
            pause = self.habits.away
            if session is not None:
                try:
                    await self._use(session)
                except (Broken, TimeoutError):
                    self.broken.append(time.monotonic())
                    pause = (0, COMES_BACK_WITHIN)
                finally:
                    self._forget(session)
            else:
                pause = (0, COMES_BACK_WITHIN)
            await asyncio.sleep(random.uniform(*pause))

    async def _log_in(self, user: str) -> MailSession | None:
        began = time.monotonic()
        session, words = None, "no answer"
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_connection(
                    *random.choice(self.addresses), ssl=self.context, server_hostname="localhost")
                session = MailSession(user, reader, writer)
                await session.line()
                reply, _ = await session.command(f'LOGIN "{user}" "{self.password}"'.encode())
                words = "OK" if reply.startswith(b"OK") else reply.decode(errors="replace")
        except (OSError, Broken) as error:  # TimeoutError is an OSError
            words = str(error) or "no answer"
        login = Login(user, began, time.monotonic(), words)
        self.logins.append(login)
        if not login.lost:
            with contextlib.suppress(Broken):
                await self._find_out_where(session, login)
            return session
        if session is not None:
            session.writer.transport.abort()
        return None

    async def _find_out_where(self, session: MailSession, login: Login) -> None:
        """Asks by ID which backend this is and looks at the user's other sessions."""
        others = self.sessions.setdefault(session.user, set())
        others.add(session)
        _, untagged = await session.command(b"ID NIL")
        found = re.search(rb'\* ID \("name" "([^"]+)"', untagged)
        assert found, f"the backend does not say who it is: {untagged!r}"
        login.backend = session.backend = found.group(1).decode()
        for other in others:
            if other.backend not in (None, session.backend) and other.left_at is None:
                other.left_at = login.ended

    async def _use(self, session: MailSession) -> None:
        until = time.monotonic() + random.uniform(*self.habits.stay)
        await session.command(b"SELECT INBOX")
        works = [self._status, self._append, self._fetch, self._noop, self._idle]
        while time.monotonic() < until:
            await random.choice(works)(session)
            await session.listen(random.uniform(*self.habits.think))
        await session.command(b"LOGOUT")

    @staticmethod
    async def _status(session: MailSession) -> None:
        await session.command(b"STATUS INBOX (MESSAGES UNSEEN)")

    @staticmethod
    async def _append(session: MailSession) -> None:
        await session.command(b"APPEND INBOX", MESSAGE)

    @staticmethod
    async def _fetch(session: MailSession) -> None:
        await session.command(b"FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")

    @staticmethod
    async def _noop(session: MailSession) -> None:
        await session.command(b"NOOP")

    async def _idle(self, session: MailSession) -> None:
        await session.idle(random.uniform(*self.habits.think) * 2)

    def _forget(self, session: MailSession) -> None:
        self.sessions.get(session.user, set()).discard(session)
        session.writer.transport.abort()
        if session.left_at is None:
            return
        overlap = time.monotonic() - session.left_at
        self.longest_overlap = max(self.longest_overlap, overlap)
        if session.answered_after_left or overlap > OVERLAP:
            self.splits.append((time.monotonic(), session.user))


def devices(users: Iterable[str]) -> list[str]:
    """Every third user has a second client, every twelfth a third one."""
    found = []
    for number, user in enumerate(users):
        found += [user] * (3 if number % 12 == 0 else 2 if number % 3 == 0 else 1)
    return found
