"""Thousands of sessions for the price of a few threads: a backend that says OK to everything, and clients that do
nothing but stay."""

import contextlib
import resource
import selectors
import socket
import threading

GREETING = b"* OK [CAPABILITY IMAP4rev1 ID AUTH=PLAIN] Crowd ready\r\n"


class CrowdBackend:
    """One thread for all connections. Each line gets `TAG OK done`."""

    def __init__(self):
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._closing.is_set():
            for key, _ in self._selector.select(0.2):
                if key.data is None:
                    self._accept()
                else:
                    self._answer(key.fileobj, key.data)

    def _accept(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                sock, _ = self._listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setblocking(False)
                self._selector.register(sock, selectors.EVENT_READ, bytearray())
                sock.send(GREETING)

    def _answer(self, sock, buffer):
        try:
            data = sock.recv(65536)
        except ConnectionError:
            data = b""
        buffer += data
        *lines, rest = bytes(buffer).split(b"\r\n")
        buffer[:] = rest
        if lines:
            with contextlib.suppress(ConnectionError):
                sock.send(b"".join(line.split(b" ")[0] + b" OK done\r\n" for line in lines))
        if not data:
            self._selector.unregister(sock)
            sock.close()

    def close(self):
        self._closing.set()
        self._thread.join(10)
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()


class Crowd:
    """Logs users in by a listener without TLS and keeps them."""

    def __init__(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.clients = {}

    def log_in(self, address, users):
        """A hundred at a time, each in one write."""
        users = list(users)
        for start in range(0, len(users), 100):
            fresh = {}
            for user in users[start : start + 100]:
                fresh[user] = socket.create_connection(address, timeout=30)
                fresh[user].sendall(b'a LOGIN "%s" "wonderland"\r\n' % user.encode())
            for user, client in fresh.items():
                text = b""
                while b"\na " not in text or not text.endswith(b"\r\n"):
                    data = client.recv(4096)
                    assert data, f"{user}: {text!r}"
                    text += data
                assert b"\na OK" in text, text
            self.clients.update(fresh)

    def noop(self, user):
        client = self.clients[user]
        client.sendall(b"n NOOP\r\n")
        text = b""
        while not text.endswith(b"\r\n"):
            data = client.recv(4096)
            assert data, "the session has ended"
            text += data
        return text

    def rest(self, user):
        """Everything up to the end."""
        text = b""
        while data := self.clients[user].recv(4096):
            text += data
        return text

    def close(self):
        for client in self.clients.values():
            client.close()
