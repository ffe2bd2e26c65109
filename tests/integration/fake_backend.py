"""A scripted IMAP backend for what real servers will not do.

What it does is data: a Script says what is sent as greeting, in answer to LOGIN and so on, with
pauses, ends and resets in between. It records every byte that reached it, and it is strict: what must
never reach a backend (anything a proxy would not send by itself before login, anything behind LOGIN
before its tagged OK, a NUL, a bare LF, bytes that the test forbids) is a violation, and verify()
fails the test for it.
"""

import base64
import contextlib
import dataclasses
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import wire
from imap_arguments import Arguments, Command, Literal, Quoted

PASSWORD = b"wonderland"
BEFORE_LOGIN = b"IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=PLAIN"
AFTER_LOGIN = b"IMAP4rev1 LITERAL+ ID ENABLE IDLE UIDPLUS MOVE CONDSTORE X-FAKE"


@dataclasses.dataclass(frozen=True)
class Pause:
    """Nothing for so many seconds (or until the backend is closed)."""

    seconds: float


@dataclasses.dataclass(frozen=True)
class Drip:
    """These bytes one at a time."""

    data: bytes
    pause: float = 0.0


class End:
    """How a script ends a connection."""

    CLOSE = "close"  # in order
    CUT = "cut"  # FIN, and with TLS no close_notify
    RESET = "reset"  # RST
    HANG = "hang"  # open, and silent for ever


Acts = list[Any]  # bytes, in which {tag} stands for the tag; Pause; Drip; an End


def _login_ok(capabilities: bytes) -> bytes:
    return b"{tag} OK [CAPABILITY " + capabilities + b"] Logged in\r\n"


@dataclasses.dataclass
class Script:
    """The behaviour of one connection."""

    tls: str = "none"  # none, starttls, implicit
    capabilities: bytes = BEFORE_LOGIN
    greeting: Acts | None = None  # default: OK with the capabilities in it
    after_login: bytes = AFTER_LOGIN
    login: Acts | Callable[["Connection"], Acts] | None = None  # default: by password
    id: Acts | None = None
    starttls: Acts | None = None
    then: str = (
        "imap"  # after login: "imap" answers simple commands, "hand_over" leaves it to take()
    )
    passwords: dict[bytes, bytes] = dataclasses.field(default_factory=dict)  # default: PASSWORD
    mechanisms: tuple[bytes, ...] = (b"PLAIN",)  # any other is a violation


class _Ended(Exception):
    """The connection is over, by us or by the peer."""


class Connection:
    """One accepted connection: the script's player and the record of what came."""

    def __init__(self, backend: "FakeBackend", sock: socket.socket, script: Script):
        self.backend = backend
        self.script = script
        self.stream = wire.Stream(sock, timeout=3600.0)
        self.received = b""  # after TLS
        self.bursts: list[bytes] = []  # what single reads gave
        self.commands: list[Command] = []  # before login
        self.session: list[bytes] = []  # lines after login, "imap" only
        self.id: dict[str, bytes | None] | None = None
        self.id_keys: list[str] = []
        self.user: bytes | None = None
        self.authorization: bytes | None = None
        self.password: bytes | None = None  # or token
        self.mechanism: bytes | None = None
        self.tag = b"*"
        self.logged_in = False
        self.ended = ""  # "eof", "reset", "ours"
        self.done = threading.Event()
        self._buffer = b""

    # -- the thread of the connection -------------------------------------------------------------

    def run(self):
        try:
            if self.script.tls == "implicit":
                self._start_tls()
            self._play(
                self.script.greeting
                or [b"* OK [CAPABILITY " + self._capabilities() + b"] Fake ready\r\n"]
            )
            while not self.logged_in:
                self._answer(self._read_command())
            if self.script.then == "hand_over":
                self.backend.hand_over(self)
                return
            while True:
                self._serve(self._read_command())
        except _Ended:
            pass
        except (wire.Truncated, ConnectionError, ssl.SSLError, OSError) as error:
            self.ended = self.ended or (
                "reset" if isinstance(error, ConnectionResetError) else "broken"
            )
        except Exception as error:  # whatever the peer sent that the script cannot read
            self._violation(f"{type(error).__name__}: {error}")
        self.stream.close()
        self.done.set()

    def _start_tls(self):
        clear, self._buffer = self._buffer, b""
        self.stream.start_tls(self.backend.tls_context, server_side=True, clear_text=clear)

    def _capabilities(self):
        words = self.script.capabilities
        if self.script.tls == "starttls" and self.stream.tls is None:
            words += b" STARTTLS"
        return words

    def _play(self, acts):
        for act in acts:
            if isinstance(act, bytes):
                self.stream.send(act.replace(b"{tag}", self.tag))
            elif isinstance(act, Pause):
                if self.backend.closing.wait(act.seconds):
                    raise _Ended
            elif isinstance(act, Drip):
                for byte in act.data.replace(b"{tag}", self.tag):
                    self.stream.send(bytes([byte]))
                    if self.backend.closing.wait(act.pause):
                        raise _Ended
            elif act == End.HANG:
                self._hang()
            elif act == End.RESET:
                self.stream.reset()
                self._end("ours")
            elif act == End.CUT:
                self.stream.abandon()
                self._end("ours")
            else:
                self._end("ours")

    def _end(self, how):
        self.ended = self.ended or how
        raise _Ended

    def _hang(self):
        """Silent, but still listening: what comes is recorded, and the peer's end is seen."""
        while True:
            self._more()

    def _more(self):
        data = self.stream.receive()
        if not data:
            self._end("eof")
        self.received += data
        self.bursts.append(data)
        self._buffer += data
        self.backend.check_forbidden(self)

    def _line(self):
        while b"\n" not in self._buffer:
            self._more()
        line, self._buffer = self._buffer.split(b"\n", 1)
        if not line.endswith(b"\r") or b"\r" in line[:-1]:
            self._violation(f"a line without CRLF: {line!r}")
        return line.rstrip(b"\r")

    def _read_command(self):
        arguments = Arguments()
        raw = b""
        while True:
            line = self._line()
            raw += line + b"\r\n"
            found = re.search(rb"\{(\d+)(\+?)\}$", line)
            arguments.add_line(line[: found.start()] if found else line)
            if not found:
                break
            sync = not found.group(2)
            if sync and self._buffer:
                self._violation(
                    f"a literal that did not wait for its continuation: {self._buffer!r}"
                )
            if sync:
                self.stream.send(b"+ go on\r\n")
            literal = Literal(self._exactly(int(found.group(1))))
            literal.sync = sync
            raw += literal
            arguments.add(literal)
        words = arguments.stack[0]
        if len(arguments.stack) != 1 or len(words) < 2:
            raise ValueError(f"no command: {raw!r}")
        return Command(words[0], words[1].decode("latin-1").upper(), words[2:], raw)

    def _exactly(self, count):
        while len(self._buffer) < count:
            self._more()
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    # -- before login -----------------------------------------------------------------------------

    def _answer(self, command):
        self.commands.append(command)
        self.tag = command.tag
        if not re.fullmatch(rb"[A-Za-z0-9.]{1,32}", command.tag):
            self._violation(f"a strange tag: {command.raw!r}")
        if b"\0" in command.raw:
            self._violation(f"NUL: {command.raw!r}")
        if command.name == "CAPABILITY":
            self._play([b"* CAPABILITY " + self._capabilities() + b"\r\n{tag} OK done\r\n"])
        elif command.name == "ID":
            self._take_id(command)
            self._play(self.script.id or [b'* ID ("name" "Fake")\r\n{tag} OK ID completed.\r\n'])
        elif (
            command.name == "STARTTLS" and self.script.tls == "starttls" and self.stream.tls is None
        ):
            if self._buffer:
                self._violation(f"bytes in the clear behind STARTTLS: {self._buffer!r}")
            self._play(self.script.starttls or [b"{tag} OK begin\r\n"])
            self._start_tls()
        elif command.name == "LOGIN":
            self.user, self.password = command.arguments
            self._log_in()
        elif command.name == "AUTHENTICATE":
            self._authenticate(command)
            self._log_in()
        elif command.name == "LOGOUT":
            self._play([b"* BYE\r\n{tag} OK bye\r\n", End.CLOSE])
        elif command.name == "NOOP":
            self._play([b"{tag} OK done\r\n"])
        else:
            self._violation(f"not for a backend before login: {command.raw!r}")
            self._play([b"{tag} BAD no\r\n"])

    def _take_id(self, command):
        if self.id is not None:
            self._violation("a second ID")
        fields = command.arguments[0]
        if fields == b"NIL":
            fields = []
        self.id, self.id_keys = {}, []
        for key, value in zip(fields[::2], fields[1::2], strict=True):
            name = key.decode().lower()
            if name in self.id:
                self._violation(f"ID field {name} twice")
            nil = value == b"NIL" and not isinstance(value, (Quoted, Literal))
            self.id[name] = None if nil else bytes(value)
            self.id_keys.append(name)

    def _authenticate(self, command):
        self.mechanism = command.arguments[0].upper()
        if self.mechanism not in self.script.mechanisms:
            self._violation(f"mechanism {command.arguments[0]!r}")
        if len(command.arguments) > 1:
            response = command.arguments[1]
        else:
            if self._buffer:
                self._violation(f"did not wait for the SASL continuation: {self._buffer!r}")
            self.stream.send(b"+ \r\n")
            response = self._line()
        message = base64.b64decode(response, validate=True)
        if self.mechanism == b"PLAIN":
            self.authorization, self.user, self.password = message.split(b"\0")
        elif self.mechanism == b"EXTERNAL":
            self.user, self.password = message, b""
        else:
            name = rb"user=([^\x01]+)" if self.mechanism == b"XOAUTH2" else rb"n,a=([^\x01,]+),"
            pattern = name + rb"\x01auth=Bearer ([^\x01]+)\x01\x01"
            self.user, self.password = re.fullmatch(pattern, message).groups()

    def _explain_refusal(self):
        """Of a token: a challenge, which has to be answered as the mechanism says."""
        answer = {b"XOAUTH2": b"", b"OAUTHBEARER": b"AQ=="}.get(self.mechanism)
        if answer is None:
            return
        self.stream.send(b"+ " + base64.b64encode(b'{"status":"401"}') + b"\r\n")
        line = self._line()
        if line != answer:
            self._violation(f"{line!r} to the challenge of a refusal")

    def _log_in(self):
        login = self.script.login
        if callable(login):
            login = login(self)
        if login is None:
            external = self.mechanism == b"EXTERNAL"
            if external or self.script.passwords.get(self.user, PASSWORD) == self.password:
                login = [_login_ok(self.script.after_login)]
            else:
                self._explain_refusal()
                login = [b"{tag} NO [AUTHENTICATIONFAILED] The fake backend's own words\r\n"]
        if self._buffer:
            self._violation(f"bytes behind LOGIN before its reply: {self._buffer!r}")
        # Before it is said: who has the answer may look at this at once.
        self.logged_in = any(isinstance(act, (bytes, Drip)) and _is_tagged_ok(act) for act in login)
        if any(isinstance(act, Pause) for act in login):
            self._play_watching(login)
        else:
            self._play(login)

    def _play_watching(self, acts):
        """Plays; bytes that arrive in a pause are behind LOGIN and before its reply: a violation."""
        for act in acts:
            self._play([act])
            if isinstance(act, Pause):
                data = self.stream.try_receive()
                if data == b"":
                    self._end("eof")
                if data is not None:
                    self.received += data
                    self._buffer += data
                    self._violation(f"bytes behind LOGIN before its reply: {data!r}")

    # -- after login ------------------------------------------------------------------------------

    def _serve(self, command):
        self.session.append(command.raw)
        self.tag = command.tag
        if command.name == "CAPABILITY":
            self._play([b"* CAPABILITY " + self.script.after_login + b"\r\n{tag} OK done\r\n"])
        elif command.name == "IDLE":
            self.stream.send(b"+ idling\r\n")
            self.session.append(self._line() + b"\r\n")
            self._play([b"{tag} OK done\r\n"])
        elif command.name == "LOGOUT":
            self._play([b"* BYE fake\r\n{tag} OK bye\r\n", End.CLOSE])
        else:
            self._play([b"* OK " + command.name.encode() + b"\r\n{tag} OK done\r\n"])

    def take_buffer(self):
        """What was read behind the login before the hand-over."""
        data, self._buffer = self._buffer, b""
        return data

    def _violation(self, text):
        if self.backend.strict:
            self.backend.violation(f"connection from {self.stream.peer}: {text}")


def _is_tagged_ok(act):
    data = act.data if isinstance(act, Drip) else act
    return b"{tag} OK" in data


class FakeBackend:
    """Listens on 127.0.0.1 (or `host`), port 0. `scripts`: one for each connection, the last for all
    further ones. `forbidden`: byte strings that must never arrive. `unreachable`: no connection at all.
    `client_ca`: with TLS, the peer needs a certificate of this authority. `strict=False`: what arrives
    may be no IMAP (a TLS handshake, say); what is forbidden stays so.
    """

    def __init__(
        self,
        *scripts,
        host="127.0.0.1",
        port=0,
        certificate=None,
        client_ca=None,
        forbidden=(),
        unreachable=False,
        strict=True,
    ):
        self.scripts = scripts or (Script(),)
        self.strict = strict
        self.forbidden = list(forbidden)
        self.unreachable = unreachable
        self.connections: list[Connection] = []
        self.violations: list[str] = []
        self.closing = threading.Event()
        self.tls_context = None
        if certificate is not None:
            self.tls_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls_context.load_cert_chain(certificate.certificate, certificate.key)
            if client_ca is not None:
                self.tls_context.load_verify_locations(client_ca)
                self.tls_context.verify_mode = ssl.CERT_REQUIRED
        self._news = threading.Condition()
        self._handed: dict[bytes, queue.SimpleQueue] = {}
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((host, port))
        self._listener.listen(4096)
        self.host, self.port = self._listener.getsockname()
        self.address = f"{self.host}:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while not self.closing.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            if self.unreachable:
                self.violation("a connection to a backend that nobody may reach")
            try:
                self._begin(sock)
            except OSError:
                sock.close()

    def _begin(self, sock):
        with self._news:
            script = self.scripts[min(len(self.connections), len(self.scripts) - 1)]
            connection = Connection(self, sock, script)
            self.connections.append(connection)
            self._news.notify_all()
        threading.Thread(target=connection.run, daemon=True).start()

    # -- for connections --------------------------------------------------------------------------

    def violation(self, text):
        with self._news:
            self.violations.append(text[:600])
            self._news.notify_all()

    def check_forbidden(self, connection):
        for data in self.forbidden:
            if data in connection.received[-len(data) - 65536 :]:
                self.violation(f"{data!r} reached the backend: {connection.received[:300]!r}")

    def hand_over(self, connection):
        with self._news:
            self._handed.setdefault(connection.user, queue.SimpleQueue()).put(connection)
            self._news.notify_all()

    # -- for tests --------------------------------------------------------------------------------

    def take(self, user, timeout=15.0) -> Connection:
        """The next connection that this user logged in on; from now on the caller's."""
        user = user if isinstance(user, bytes) else user.encode()
        with self._news:
            waiting = self._handed.setdefault(user, queue.SimpleQueue())
        connection = waiting.get(timeout=timeout)
        connection.stream.timeout = timeout
        return connection

    def wait_for(self, condition, timeout=15.0):
        """Waits until condition(self) holds."""
        deadline = time.monotonic() + timeout
        while not condition(self):
            assert time.monotonic() < deadline, f"{self.describe()}: did not come to hold"
            time.sleep(0.005)

    def wait_for_connections(self, count, timeout=15.0):
        self.wait_for(lambda backend: len(backend.connections) >= count, timeout)
        return self.connections

    def describe(self):
        return "; ".join(
            f"{c.stream.peer}: {c.received[:300]!r} ({c.ended or 'open'})"
            for c in self.connections[:20]
        )

    def logins(self):
        """(user, password) of every login command that arrived."""
        return [(bytes(c.user), bytes(c.password)) for c in self.connections if c.user is not None]

    def verify(self):
        """Fails the test for what should not have arrived."""
        for connection in list(self.connections):
            self.check_forbidden(connection)
        assert not self.violations, "violations at the fake backend:\n" + "\n".join(
            self.violations[:10]
        )

    def stop_listening(self):
        """Refuses connects from now on; what is connected goes on."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def close(self):
        """Ends everything; no verdict."""
        self.closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.stream.socket.shutdown(socket.SHUT_RDWR)
