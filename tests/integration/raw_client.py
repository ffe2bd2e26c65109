"""An IMAP client that does exactly what a test says, right or wrong."""

import base64
import re
import ssl
import time

import wire


# What clients of established sessions hear when Headgate ends these between two responses.
MOVED = b"* BYE [UNAVAILABLE] Your mailbox is served elsewhere now.\r\n"
BACKEND_DOWN = b"* BYE [UNAVAILABLE] Your mail server is out of order, please reconnect.\r\n"
GAVE_WAY = b"* BYE [UNAVAILABLE] A newer session has taken this one's place.\r\n"
KICKED = b"* BYE [UNAVAILABLE] Disconnected by the administrator.\r\n"
SHUTDOWN = b"* BYE [UNAVAILABLE] Server is shutting down.\r\n"
IDLE_FOR_LONG = b"* BYE Disconnected for inactivity.\r\n"


class Closed(ConnectionError):
    """The server ended the connection while a line was awaited; `rest` is what came of it."""

    def __init__(self, rest=b""):
        super().__init__(f"connection ended, rest {rest!r}")
        self.rest = rest


def client_context(ca=None):
    """Trusts `ca` alone; without one, trusts anything (for tests that are not about trust)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(ca)
    return context


ANY_SERVER = client_context()


def plain_response(user, password, authorization=""):
    """The base64 of a SASL PLAIN message."""
    parts = [
        part if isinstance(part, bytes) else part.encode()
        for part in (authorization, user, password)
    ]
    return base64.b64encode(b"\0".join(parts))


class RawClient:
    """Connects at once and, with tls=True, handshakes; reads nothing until asked."""

    def __init__(
        self,
        address,
        tls=False,
        context=ANY_SERVER,
        server_name="localhost",
        timeout=15.0,
        **options,
    ):
        self.stream = wire.connect(address, timeout, **options)
        self.buffer = b""
        self.context = context
        self.server_name = server_name
        self.tags = 0
        if tls:
            self.stream.start_tls(context, server_name=server_name)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    # -- bytes ------------------------------------------------------------------------------------

    def send(self, data):
        self.stream.send(data)

    def send_slowly(self, data, size=1, pause=0.0):
        self.stream.send_slowly(data, size, pause)

    def line(self):
        """The next line without its CRLF, which must be there."""
        while b"\r\n" not in self.buffer:
            data = self.stream.receive()
            if not data:
                raise Closed(self.buffer)
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        assert b"\n" not in line and b"\r" not in line, f"bare CR or LF in {line!r}"
        return line

    def exactly(self, count):
        while len(self.buffer) < count:
            data = self.stream.receive()
            if not data:
                raise Closed(self.buffer)
            self.buffer += data
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def rest(self):
        """Everything up to an end in order."""
        while True:
            data = self.stream.receive()
            if not data:
                data, self.buffer = self.buffer, b""
                return data
            self.buffer += data

    def rest_until_gone(self):
        """Everything up to any end: in order, cut or reset."""
        try:
            return self.rest()
        except (ConnectionError, ssl.SSLError):
            data, self.buffer = self.buffer, b""
            return data

    def silent_for(self, seconds):
        """True when not one byte comes for so long."""
        if self.buffer:
            return False
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            data = self.stream.try_receive()
            if data is not None:
                self.buffer += data
                return False
            time.sleep(0.01)
        return True

    # -- IMAP -------------------------------------------------------------------------------------

    def expect(self, pattern):
        """Reads a line and matches it whole."""
        line = self.line()
        assert re.fullmatch(pattern, line), f"expected {pattern!r}, got {line!r}"
        return line

    def reply(self, tag):
        """(untagged lines, tagged line) up to the line that begins with the tag."""
        tag = tag if isinstance(tag, bytes) else tag.encode()
        untagged = []
        while True:
            line = self.line()
            if line.startswith(tag + b" "):
                return untagged, line
            assert line.startswith((b"* ", b"+")), f"neither untagged nor {tag!r}: {line!r}"
            untagged.append(line)

    def command(self, text):
        """Sends a command under a fresh tag; (untagged lines, tagged line without the tag)."""
        self.tags += 1
        tag = b"c%d" % self.tags
        self.send(tag + b" " + (text if isinstance(text, bytes) else text.encode()) + b"\r\n")
        untagged, tagged = self.reply(tag)
        return untagged, tagged[len(tag) + 1 :]

    def greeting(self):
        return self.expect(rb"\* OK .*")

    def capabilities(self):
        """What CAPABILITY answers now, as a set of words."""
        untagged, tagged = self.command("CAPABILITY")
        assert tagged.startswith(b"OK"), tagged
        lines = [line for line in untagged if line.startswith(b"* CAPABILITY ")]
        assert len(lines) == 1, untagged
        return set(lines[0].decode().split()[2:])

    def starttls(self):
        _, tagged = self.command("STARTTLS")
        assert tagged.startswith(b"OK"), tagged
        assert not self.buffer, f"bytes behind the reply to STARTTLS: {self.buffer!r}"
        self.stream.start_tls(self.context, server_name=self.server_name)

    def log_in(self, user="alice", password="wonderland"):
        """Reads the greeting and logs in; the tagged reply without its tag."""
        self.greeting()
        return self.login(user, password)

    def login(self, user="alice", password="wonderland"):
        """(LOGIN with quoted strings.) The tagged reply without its tag."""
        return self.command(f'LOGIN "{user}" "{password}"')[1]

    # -- ends -------------------------------------------------------------------------------------

    def half_close(self):
        self.stream.end_writing()

    def reset(self):
        self.stream.reset()

    def close(self):
        self.stream.close()


def capability_code(line):
    """The words of a [CAPABILITY …] code in a response line; None when it has none."""
    found = re.search(rb"\[CAPABILITY ([^\]]*)\]", line)
    return set(found.group(1).decode().split()) if found else None
