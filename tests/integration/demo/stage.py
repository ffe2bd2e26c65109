"""Sets the demo up and takes it down again."""

from __future__ import annotations

import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import sample_mail
from certificates import Authority
from dovecot import Dovecot
from headgate_process import Headgate, configuration
from server_process import Endpoint, can_listen, free_port, group_members

PASSWORD = "headgate"
ADDRESS = "127.0.0.1"
SERVERS = ("mail1", "mail2", "mail3")
SERVER_PORT = 10143


def choose_port(address: str, *wanted: int) -> int:
    """The first of the ports that can be had, or else any free one."""
    return next((port for port in wanted if can_listen(address, port)), None) or free_port(address)


class Stage:
    """Three Dovecots with the mailboxes of those users that Headgate sends to them."""

    def __init__(self, users: int = 100):
        self.directory = Path(tempfile.mkdtemp(prefix="headgate-demo-"))
        self.directory.chmod(0o755)
        self.users = sample_mail.users(users)
        self.homes: dict[str, dict[str, Any]] = {}  # user → what `headgate explain` says
        self.messages_per_user = 0
        self.servers: dict[str, Dovecot] = {}  # address as Headgate knows it → server
        self.survivors: list[int] = []
        self.groups: list[int] = []
        self.authority = Authority(self.directory / "certificates", "Headgate demo CA")
        self.certificate = self.authority.issue("server")
        for number, name in enumerate(SERVERS, 1):
            address = f"127.0.1.{number}"
            server = Dovecot(
                dict.fromkeys(self.users, PASSWORD),
                name=name,
                address=address,
                port=choose_port(address, SERVER_PORT),
                directory=self.directory / name,
            )
            self.servers[f"{address}:{server.port}"] = server
        self.imaps_port = choose_port(ADDRESS, 993, 1993)
        self.imap_port = choose_port(ADDRESS, 143, 1143)
        self.metrics_port = choose_port(ADDRESS, 9143)
        self.gate = Headgate(self.directory, self._configuration())

    def _configuration(self) -> dict[str, Any]:
        config = configuration(
            self.certificate,
            self.servers,
            listeners=[
                {"name": "imaps", "address": f"{ADDRESS}:{self.imaps_port}", "tls": "implicit"},
                {"name": "imap", "address": f"{ADDRESS}:{self.imap_port}", "tls": "starttls"},
            ],
        )
        config["admin"]["address"] = f"{ADDRESS}:{self.metrics_port}"
        return config

    def start(self) -> None:
        self.gate.write_config()
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            self.homes = dict(zip(self.users, pool.map(self.gate.explain, self.users), strict=True))
        self._deliver()
        for server in self.servers.values():
            server.start()
            self.groups.append(server.process.pid if server.process else 0)
        self.gate.start()
        self.groups.append(self.gate.process.pid if self.gate.process else 0)

    def _deliver(self) -> None:
        """Writes each user's mail where that user lives, and nowhere else."""
        any_server = next(iter(self.servers.values()))
        shared = sample_mail.SharedMail(self.directory / "shared", any_server.uid, any_server.gid)
        for user in self.users:
            server = self.home(user)
            self.messages_per_user = sample_mail.fill_maildir(
                server.mail_directory(user), user, server.uid, server.gid, shared
            )

    def home(self, user: str) -> Dovecot:
        """The server that the user lives on, by `headgate explain`."""
        return self.servers[self.homes[user]["backend"]]

    def users_of(self, backend: str) -> list[str]:
        return [user for user in self.users if self.homes[user]["backend"] == backend]

    def endpoint(self, listener: str) -> Endpoint:
        tls = {"imaps": "implicit", "imap": "starttls"}[listener]
        return Endpoint("127.0.0.1", self.gate.port(listener), tls, self.authority.ca)

    def stop(self) -> None:
        """Ends everything this stage started and removes its directory."""
        try:
            self.gate.stop()
        finally:
            self.gate.kill()
            for server in self.servers.values():
                self.survivors += server.stop(keep=True)
            shutil.rmtree(self.directory, ignore_errors=True)

    def leftovers(self) -> list[str]:
        """After stop(): whatever is still there and should not be."""
        found = [f"process {pid} had to be killed" for pid in self.survivors]
        for group in self.groups:
            found += [f"process {pid} is still running" for pid in group_members(group)]
        places = [
            (ADDRESS, self.imaps_port),
            (ADDRESS, self.imap_port),
            (ADDRESS, self.metrics_port),
        ]
        places += [(server.address, server.port) for server in self.servers.values()]
        found += [
            f"{address}:{port} is still taken"
            for address, port in places
            if not can_listen(address, port)
        ]
        if self.directory.exists():
            found.append(f"{self.directory} is still there")
        return found
