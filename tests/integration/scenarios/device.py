"""A mail client of Python's imaplib that keeps a transcript of everything since its login."""

from __future__ import annotations

import imaplib
import re
import socket
import zlib
from collections.abc import Callable
from typing import Any

from server_process import Endpoint

TIMEOUT = 30.0

# What rightly differs between two runs of the same commands on the same server.
VARYING = (
    (rb"UIDVALIDITY \d+", b"UIDVALIDITY n"),
    (rb"(APPENDUID|COPYUID) \d+", rb"\1 n"),
    (rb"MAILBOXID \([^)]*\)", b"MAILBOXID (x)"),
    (rb"SESSIONID=<[^>]*>", b"SESSIONID=<x>"),
    (rb" ?\(\d+\.\d{3} \+ \d+\.\d{3}( \+ \d+\.\d{3})? secs\)", b""),  # Dovecot's timings
    (rb"\d+\.\d{3} secs?\b", b"n secs"),  # Cyrus's timings
    # Cyrus lists mechanisms to a session that came by LOGIN and not to one that came by
    # AUTHENTICATE; which of them Headgate uses is not the client's business.
    (rb" AUTH=[A-Z0-9-]+", b""),
    # Which of two devices sees a new message as recent is a race between them (RFC 3501, 2.3.2).
    (rb"\* \d+ RECENT\r\n", b""),
    (rb"\\Recent ?", b""),
    (rb'TAG "[A-P]+(\d+)"', rb'TAG "T\1"'),
)


class _Inflated:
    """Reads a DEFLATE stream (RFC 4978) as lines and as counted bytes."""

    def __init__(self, sock: socket.socket):
        self._socket = sock
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        self._buffer = bytearray()

    def _more(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise imaplib.IMAP4.abort("end of the compressed stream")
        self._buffer += self._inflate.decompress(data)

    def readline(self) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            self._more()
        return self.read(end + 1)

    def read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data


class Device(imaplib.IMAP4):
    """One connection of one user. `transcript` holds what came back since the login."""

    def __init__(self, endpoint: Endpoint, user: str, password: str, *, login: bool = True):
        self.endpoint = endpoint
        self.user = user
        self.password = password
        self.received: list[bytes] = []
        self.login_reply = b""
        self._deflate: Any = None
        self._inflated: _Inflated | None = None
        super().__init__(endpoint.host, endpoint.port, timeout=TIMEOUT)
        if endpoint.tls == "starttls":
            self.starttls(endpoint.context())
        if login:
            self.received.clear()
            self.login(user, password)
            self.login_reply = b"".join(self.received)
        # Commands up to the login are not part of the comparison.
        self.received.clear()
        self.tagnum = 0

    def _create_socket(self, timeout: float | None) -> Any:
        sock = super()._create_socket(timeout)
        if self.endpoint.tls == "implicit":
            return self.endpoint.context().wrap_socket(sock, server_hostname=self.endpoint.host)
        return sock

    def read(self, size: int) -> bytes:
        data = self._inflated.read(size) if self._inflated else super().read(size)
        self.received.append(data)
        return data

    def readline(self) -> bytes:
        line = self._inflated.readline() if self._inflated else super().readline()
        self.received.append(line)
        return line

    def send(self, data: bytes) -> None:
        if self._deflate is not None:
            data = self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        super().send(data)

    def compress(self) -> None:
        """COMPRESS DEFLATE; everything after its OK is compressed both ways."""
        self.xatom("COMPRESS", "DEFLATE")
        self._inflated = _Inflated(self.sock)
        self._deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)

    def capabilities_at_login(self) -> list[bytes]:
        """The capabilities that the reply to the login brought, in an untagged line or a code."""
        found = re.search(rb"(?:\* |\[)CAPABILITY ([^]\r\n]*)", self.login_reply)
        return (
            sorted(word for word in found[1].split() if not word.startswith(b"AUTH="))
            if found
            else []
        )

    def command(self, line: bytes) -> list[bytes]:
        """Sends one command as it stands and returns its reply's lines, the tagged one last."""
        tag = self._tag()
        self.send(tag + b" " + line + b"\r\n")
        return self.read_until(lambda reply: reply.startswith(tag + b" "))

    def read_until(self, last: Callable[[bytes], bool]) -> list[bytes]:
        """Whole replies, literals included, until one for which `last` holds."""
        replies: list[bytes] = []
        while True:
            reply = self.readline()
            if not reply:
                raise self.abort("the connection ended")
            while literal := re.search(rb"\{(\d+)\}\r\n$", reply):
                reply += self.read(int(literal[1])) + self.readline()
            replies.append(reply)
            if last(reply):
                return replies

    def idle(self, until: bytes, meanwhile: Callable[[], object]) -> list[bytes]:
        """IDLE; once the server waits, `meanwhile` runs; DONE after a line that begins `until`.

        What a server tells during IDLE comes in an order and in portions of its own choice: the
        transcript gets the line waited for alone."""
        before = len(self.received)
        tag = self._tag()
        self.send(tag + b" IDLE\r\n")
        self.read_until(lambda reply: reply.startswith(b"+"))
        meanwhile()
        told = self.read_until(lambda reply: reply.startswith(until))
        self.send(b"DONE\r\n")
        end = self.read_until(lambda reply: reply.startswith(tag + b" "))
        del self.received[before:]
        self.received += [told[-1], end[-1]]
        return told

    def _tag(self) -> bytes:
        tag = self._new_tag()  # type: ignore[attr-defined]
        del self.tagged_commands[tag]  # type: ignore[attr-defined]
        return tag

    def transcript(self) -> list[bytes]:
        """What came back, without what rightly differs between two runs."""
        text = b"".join(self.received)
        text = re.sub(rb"(?m)^%s(\d+ )" % self.tagpre, rb"T\1", text)  # type: ignore[attr-defined]
        text = text.replace(self.user.encode(), b"USER")
        for pattern, replacement in VARYING:
            text = re.sub(pattern, replacement, text)
        return _sort_listings(text.split(b"\r\n"))

    def end(self) -> None:
        """LOGOUT, and the connection is gone."""
        try:
            self.logout()
        except (imaplib.IMAP4.error, OSError):
            self.shutdown()


def _sort_listings(lines: list[bytes]) -> list[bytes]:
    """Servers list folders in the order of their file system; each run of such lines is sorted."""
    result: list[bytes] = []
    run: list[bytes] = []
    for line in [*lines, b""]:
        if line.startswith((b"* LIST", b"* LSUB", b"* STATUS")):
            run.append(line)
            continue
        result += sorted(run) + [line]
        run = []
    return result[:-1]
