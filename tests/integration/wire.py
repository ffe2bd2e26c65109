"""A TCP connection with or without TLS, under the test's full control.

TLS runs over memory BIOs, so that a test decides what goes into which TCP segment, can end one
direction of a TLS connection and still read the other, and can tell an end in order (close_notify)
from a cut one.
"""

import contextlib
import select
import socket
import ssl
import struct
import time


class Truncated(ConnectionError):
    """The peer ended its TCP connection without the close_notify that ends a TLS stream."""


class Stream:
    """One connection. `timeout` bounds every single call that waits."""

    def __init__(self, sock, timeout=15.0):
        self.socket = sock
        self.socket.setblocking(False)
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.timeout = timeout
        self.tls = None
        self.peer = sock.getpeername()
        self.local = sock.getsockname()
        self._incoming = None
        self._outgoing = None
        self._unsent = b""
        self._decrypted = b""
        self._writing_ended = False
        self._fin_wanted = False

    # -- waiting versions -------------------------------------------------------------------------

    def start_tls(self, context, server_side=False, server_name=None, clear_text=b""):
        """Handshakes. `clear_text`: what was read in the clear behind STARTTLS, normally nothing."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._incoming.write(clear_text)
        self.tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=server_name
        )
        deadline = time.monotonic() + self.timeout
        while True:
            try:
                self.tls.do_handshake()
                self._flush(deadline)
                return
            except ssl.SSLWantReadError:
                self._flush(deadline)
                if not self._fill(deadline):
                    raise Truncated("ended in the TLS handshake") from None
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self._flush(deadline)  # the alert
                raise

    def send(self, data):
        deadline = time.monotonic() + self.timeout
        if self.tls is None:
            self._unsent += data
        else:
            self.tls.write(data)
        self._flush(deadline)

    def send_slowly(self, data, size=1, pause=0.0):
        """Every `size` bytes travel in a TLS record and a TCP segment of their own."""
        for start in range(0, len(data), size):
            self.send(data[start : start + size])
            if pause:
                time.sleep(pause)

    def receive(self, size=65536):
        """Some bytes; b"" at an end in order. Raises Truncated, ConnectionResetError, TimeoutError."""
        deadline = time.monotonic() + self.timeout
        while True:
            data = self.try_receive(size)
            if data is not None:
                return data
            self._wait(select.POLLIN, deadline)

    def end_writing(self):
        """Half-close: close_notify and FIN; reading goes on."""
        deadline = time.monotonic() + self.timeout
        self._begin_end()
        while not self.try_flush():
            self._wait(select.POLLOUT, deadline)

    # -- versions that never wait -----------------------------------------------------------------

    def try_receive(self, size=65536):
        """None when nothing is there now."""
        if self.tls is None:
            try:
                return self.socket.recv(size)
            except BlockingIOError:
                return None
        if self._decrypted:
            data, self._decrypted = self._decrypted[:size], self._decrypted[size:]
            return data
        while True:
            try:
                return self.tls.read(size)
            except ssl.SSLWantReadError:
                try:
                    raw = self.socket.recv(65536)
                except BlockingIOError:
                    return None
                if not raw:
                    raise Truncated("FIN without close_notify") from None
                self._incoming.write(raw)
            except ssl.SSLZeroReturnError:
                return b""

    def try_send(self, data):
        """Takes all of `data` and sends what the socket takes; True when nothing is left."""
        if self.tls is None:
            self._unsent += data
        elif data:
            self.tls.write(data)
        return self.try_flush()

    def try_flush(self):
        if self.tls is not None:
            self._unsent += self._outgoing.read()
        while self._unsent:
            try:
                self._unsent = self._unsent[self.socket.send(self._unsent) :]
            except BlockingIOError:
                return False
        if self._fin_wanted:
            self._fin_wanted = False
            self.socket.shutdown(socket.SHUT_WR)
        return True

    def try_end_writing(self):
        self._begin_end()
        return self.try_flush()

    # -- ends -------------------------------------------------------------------------------------

    def reset(self):
        """RST: what was sent and not yet taken may be lost, as when a machine dies."""
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        if self.socket.fileno() < 0:
            return
        with contextlib.suppress(OSError, ssl.SSLError):
            if not self._writing_ended:
                self._begin_end()
            self.try_flush()
        self.socket.close()

    def abandon(self):
        """Closes the socket without close_notify."""
        self.socket.close()

    def fileno(self):
        return self.socket.fileno()

    # -- inside -----------------------------------------------------------------------------------

    def _begin_end(self):
        if self._writing_ended:
            return
        self._writing_ended = True
        self._fin_wanted = True
        if self.tls is not None:
            # unwrap() sends close_notify and then waits for the peer's, and takes data in between
            # for an error: so what is already here is read before. That it waits in vain is fine.
            with contextlib.suppress(ssl.SSLError):
                while data := self.tls.read(65536):
                    self._decrypted += data
            with contextlib.suppress(ssl.SSLError):
                self.tls.unwrap()

    def _flush(self, deadline):
        while not self.try_flush():
            self._wait(select.POLLOUT, deadline)

    def _fill(self, deadline):
        while True:
            try:
                raw = self.socket.recv(65536)
                self._incoming.write(raw)
                return bool(raw)
            except BlockingIOError:
                self._wait(select.POLLIN, deadline)

    def _wait(self, event, deadline):
        left = deadline - time.monotonic()
        poll = select.poll()
        poll.register(self.socket, event)
        if left <= 0 or not poll.poll(left * 1000):
            raise TimeoutError(f"nothing within {self.timeout} s")


def connect(address, timeout=15.0, source=None, receive_buffer=None):
    """A plain Stream to (host, port), optionally from a given local address."""
    sock = socket.socket(
        socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM
    )
    try:
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source is not None:
            sock.bind((source, 0))
        sock.settimeout(timeout)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return Stream(sock, timeout)
