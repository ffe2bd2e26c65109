"""A mail server, a Headgate in front of it, and users nobody has used yet."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from certificates import Authority, Certificate
from cyrus import Cyrus
from dovecot import Dovecot
from headgate_process import Headgate, configuration
from scenarios.device import Device
from scenarios.imap_scenarios import Scenario
from server_process import Endpoint

PASSWORD = 'sluice 5\\7 "gate"'  # needs quoting, so that every client has to
# All of one length, since sizes of strings that hold a name are part of the transcripts.
USERS = {f"reader{number:03}": PASSWORD for number in range(150)}

Result = TypeVar("Result")


@dataclass
class World:
    """`server` with Headgate in front; how Headgate reaches the server is `backend_tls`."""

    server: Dovecot | Cyrus
    gate: Headgate
    authority: Authority
    backend_tls: str
    names: Any = field(default_factory=lambda: iter(USERS))

    def direct(self) -> Endpoint:
        """The server, reached as Headgate reaches it: servers say different things over TLS."""
        return self.server.endpoint(self.backend_tls, self.authority.ca)

    def through(self, listener: str = "imaps") -> Endpoint:
        tls = {"imaps": "implicit", "imap": "starttls"}.get(listener, "none")
        host, port = self.gate.address(listener)
        return Endpoint(host, port, tls, self.authority.ca)

    def both(
        self, run: Callable[[Endpoint, str], Result], listener: str = "imaps"
    ) -> tuple[Result, Result]:
        """Runs the same thing on the server and through Headgate at once, each as a fresh user."""
        places = (self.direct(), next(self.names)), (self.through(listener), next(self.names))
        with ThreadPoolExecutor(2) as pool:
            direct, through = (pool.submit(run, *place) for place in places)
            return direct.result(), through.result()


def play(scenario: Scenario, endpoint: Endpoint, user: str) -> list[list[bytes]]:
    """Runs one scenario and returns the transcript of each of its devices."""
    devices: list[Device] = []

    def connect(**options: Any) -> Device:
        devices.append(Device(endpoint, user, PASSWORD, **options))
        return devices[-1]

    try:
        scenario(connect)
        return [[*device.capabilities_at_login(), *device.transcript()] for device in devices]
    finally:
        for device in devices:
            device.end()


def start_server(kind: str, certificate: Certificate) -> Dovecot | Cyrus:
    return {"dovecot": Dovecot, "cyrus": Cyrus}[kind](USERS, certificate=certificate).start()


def front(
    server: Dovecot | Cyrus,
    directory: Path,
    authority: Authority,
    certificate: Certificate,
    backend_tls: str = "none",
    **more: Any,
) -> Headgate:
    """A Headgate (not started yet) in front of one server."""
    place = server.endpoint(backend_tls)
    pool: dict[str, Any] = {"tls": backend_tls}
    if backend_tls != "none":
        pool |= {"verify": True, "ca": str(authority.ca)}
    return Headgate(directory, configuration(certificate, [str(place)], pool=pool, **more))
