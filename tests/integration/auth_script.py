"""An auth server for nginx mail's auth_http protocol, scripted by the test.

It speaks to sockets itself, so that a test sees every byte of a request and can answer with any: with
headers, with a body that never ends, with half a line, or not at all."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

HANG = object()  # no answer, and the connection stays open
CLOSE = object()  # the connection ends without an answer


@dataclass
class Request:
    """One request as it came."""

    raw: bytes
    connection: int  # which connection of the server, from 0
    line: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        lines = self.raw.decode("latin-1").split("\r\n")
        self.line = lines[0]
        for text in lines[1:]:
            if text:
                name, _, value = text.partition(":")
                self.headers.append((name, value.strip(" ")))

    def __getitem__(self, name: str) -> str | None:
        for known, value in self.headers:
            if known.lower() == name.lower():
                return value
        return None

    def decoded(self, name: str) -> bytes:
        return unquote_to_bytes((self[name] or "").encode("latin-1"))


def to_backend(address: str, **more: str) -> dict[str, str]:
    """The headers of an answer that lets the user in at "HOST:PORT"; x_y stands for X-Y."""
    host, _, port = address.rpartition(":")
    return {
        "Auth-Status": "OK",
        "Auth-Server": host,
        "Auth-Port": port,
        **{name.title().replace("_", "-"): value for name, value in more.items()},
    }


def refused(text: str = "Invalid login or password", wait: int | None = 1) -> dict[str, str]:
    headers = {"Auth-Status": text}
    if wait is not None:
        headers["Auth-Wait"] = str(wait)
    return headers


class AuthScript:
    """`answer(request)` gives a dict of headers, the bytes of a whole reply, HANG or CLOSE."""

    def __init__(
        self,
        answer: Callable[[Request], Any],
        certificate: Any = None,
        address: str = "127.0.0.1",
        port: int = 0,
        path: str | None = None,
    ):
        self.answer = answer
        self.requests: list[Request] = []
        self.connections = 0
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate.certificate, certificate.key)
        self.path = path
        if path is not None:
            self._listener = socket.create_server(path, family=socket.AF_UNIX, backlog=512)
            self.address, self.port = path, 0
        else:
            self._listener = socket.create_server((address, port), backlog=512)
            self.address, self.port = self._listener.getsockname()[:2]
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        if self.path is not None:
            return f"http://unix:{self.path}:/mail/auth"
        scheme = "https" if self._context else "http"
        return f"{scheme}://{self.address}:{self.port}/mail/auth"

    def close(self) -> None:
        """As if the server were killed."""
        with self._lock:
            self._closed = True
            gone = list(self._open)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in gone:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                number = self.connections
                self.connections += 1
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, plain: socket.socket, number: int) -> None:
        connection = plain
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(plain, server_side=True)
            buffer = b""
            while self._serve_one(connection, number, buffer):
                buffer = b""
        except OSError:
            pass
        finally:
            with self._lock:
                self._open.discard(plain)
            connection.close()

    def _serve_one(self, connection: socket.socket, number: int, buffer: bytes) -> bool:
        while b"\r\n\r\n" not in buffer:
            data = connection.recv(65536)
            if not data:
                return False
            buffer += data
        request = Request(buffer, number)
        with self._lock:
            self.requests.append(request)
        answer = self.answer(request)
        if answer is CLOSE:
            return False
        if answer is HANG:
            while connection.recv(65536):
                pass
            return False
        if isinstance(answer, dict):
            lines = "".join(f"{name}: {value}\r\n" for name, value in answer.items())
            answer = f"HTTP/1.1 204 No Content\r\n{lines}\r\n".encode("latin-1")
        connection.sendall(answer)
        return request.line.endswith("HTTP/1.1") and b"Connection: close" not in answer


__all__ = ["CLOSE", "HANG", "AuthScript", "Request", "refused", "to_backend"]
