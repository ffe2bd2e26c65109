"""The fixture of the black-box tests: Headgate in front of scripted fake backends."""

import pytest

import fake_backend
import raw_client
from headgate_process import configuration

# How a client may come in; each ends where a login is allowed.
DOORS = ["imaps", "imap", "plain"]


class Proxied:
    """Makes backends, starts Headgate before them, connects clients, and ends all of it."""

    def __init__(self, start_headgate, certificate):
        self.start_headgate = start_headgate
        self.certificate = certificate
        self.gate = None
        self.gates = []
        self.backends = []
        self.clients = []
        self.secrets = [fake_backend.PASSWORD.decode()]

    def backend(self, *scripts, **options):
        tls = any(script.tls != "none" for script in scripts)
        options.setdefault("certificate", self.certificate if tls else None)
        return self.keep(fake_backend.FakeBackend(*scripts, **options))

    def keep(self, backend):
        self.backends.append(backend)
        return backend

    def start(self, *backends, pool=None, login=None, **more):
        """Starts Headgate with one pool of these backends (default: one obedient one)."""
        backends = backends or (self.backend(),)
        more.setdefault("log", {"level": "debug", "format": "json"})
        entries = [
            entry if isinstance(entry, dict) else {"address": entry.address} for entry in backends
        ]
        config = configuration(
            self.certificate,
            entries,
            pool=pool,
            login={"failure_delay": "50ms", **(login or {})},
            **more,
        )
        return self.start_config(config)

    def start_config(self, config):
        self.gate = self.start_headgate(config)
        self.gates.append(self.gate)
        return self.gate

    def connect(self, listener="imaps", **options):
        """A client that has read nothing yet."""
        options.setdefault("tls", listener == "imaps")
        client = raw_client.RawClient(self.gate.address(listener), **options)
        self.clients.append(client)
        return client

    def enter(self, door="imaps", **options):
        """A client that has read the greeting and may log in."""
        client = self.connect(door, **options)
        client.greeting()
        if door == "imap":
            client.starttls()
        return client

    def logged_in(self, user="alice", door="imaps", **options):
        client = self.enter(door, **options)
        reply = client.login(user, fake_backend.PASSWORD.decode())
        assert reply.startswith(b"OK"), reply
        return client

    def pair(self, backend, user="alice", door="imaps", **options):
        """Both ends of a new session: the client and what the backend holds ("hand_over" scripts)."""
        client = self.logged_in(user, door, **options)
        return client, backend.take(user)

    def end(self, reason=None, count=1):
        """The log entry of the one session that ended (with this reason)."""
        fields = {} if reason is None else {"reason": reason}
        return self.gate.session_ends(count, **fields)[0]

    def finish(self):
        for client in self.clients:
            client.close()
        for backend in self.backends:
            backend.close()
        for gate in self.gates:
            log = gate.log.text()
            for secret in self.secrets:
                assert secret not in log, f"the secret {secret!r} is in the log"
        for backend in self.backends:
            if isinstance(backend, fake_backend.FakeBackend):
                backend.verify()


@pytest.fixture
def proxied(start_headgate, certificate):
    setup = Proxied(start_headgate, certificate)
    yield setup
    setup.finish()
