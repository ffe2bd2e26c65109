"""Private instances of Debian's Dovecot; the system's service is neither used nor touched."""

from __future__ import annotations

import grp
import os
import re
import subprocess
import time
from pathlib import Path

import dovecot_config
from certificates import Certificate
from server_process import Endpoint, ServerProcess, free_port, service_user

DOVEADM = "/usr/bin/doveadm"
MASTER_USER = "headgate"
MASTER_PASSWORD = "master of all mailboxes"

class Dovecot(ServerProcess):
    """One instance at `address`, with IMAP (and STARTTLS, when it has a certificate) at `port` and
    implicit TLS at `tls_port`.

    The users are those of `users` (name → password). Mail stands in Maildir below
    mail_directory(user). `runner` is what the server is started by, `nsenter` for example; with an
    address that only exists there, both ports have to be given. Its answer to ID has `name`."""

    def __init__(
        self,
        users: dict[str, str],
        *,
        name: str = "dovecot",
        address: str = "127.0.0.1",
        port: int = 0,
        tls_port: int = 0,
        certificate: Certificate | None = None,
        directory: Path | None = None,
        runner: tuple[str, ...] = (),
        more: str = "",
    ):
        super().__init__("dovecot", directory)
        self.name = name
        self.address = address
        self.port = port or free_port(address)
        self.tls_port = (tls_port or free_port(address)) if certificate else 0
        self.runner = runner
        self.certificate = certificate
        self.config_file = self.directory / "dovecot.conf"
        user, self.uid, self.gid = service_user()
        privileged = os.geteuid() == 0
        mail = self.directory / "mail"
        mail.mkdir()
        os.chown(mail, self.uid, self.gid)
        (self.directory / "users").write_text(
            "".join(f"{user}:{{PLAIN}}{password}\n" for user, password in users.items())
        )
        (self.directory / "masters").write_text(f"{MASTER_USER}:{{PLAIN}}{MASTER_PASSWORD}\n")
        self.config_file.write_text(
            dovecot_config.template().format(
                directory=self.directory,
                name=name,
                address=address,
                port=self.port,
                tls_port=self.tls_port,
                uid=self.uid,
                gid=self.gid,
                internal_user="dovecot" if privileged else user,
                internal_group="dovecot" if privileged else grp.getgrgid(self.gid).gr_name,
                login_user="dovenull" if privileged else user,
                ssl=self._ssl(certificate),
                more=more.replace("{directory}", str(self.directory)),
            )
        )

    @staticmethod
    def _ssl(certificate: Certificate | None) -> str:
        if certificate is None:
            return "ssl = no"
        return dovecot_config.tls(str(certificate.certificate), str(certificate.key))

    def __enter__(self) -> Dovecot:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Dovecot:
        self.launch([*self.runner, dovecot_config.DOVECOT, "-F", "-c", self.config_file])
        try:
            self.wait_for_greetings([(self.address, self.port)])
        except BaseException:
            self.stop()
            raise
        return self

    def endpoint(self, tls: str = "none", ca: Path | None = None) -> Endpoint:
        return Endpoint(self.address, self.tls_port if tls == "implicit" else self.port, tls, ca)

    def mail_directory(self, user: str) -> Path:
        return self.directory / "mail" / user / "Maildir"

    def log(self) -> str:
        path = self.directory / "dovecot.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def words(self) -> str:
        return super().words() + self.log()[-4000:]

    def logins(self, user: str) -> list[dict[str, str]]:
        """rip, lport, session, … of each login of a user, in order, as far as Dovecot has logged them."""
        return [login for login in self._logged() if login["user"] == user]

    def login_of(self, session: str) -> dict[str, str]:
        """That of a session; waits until Dovecot, which writes its log in its own time, has written it."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for login in self._logged():
                if login.get("session") == session:
                    return login
            time.sleep(0.05)
        raise AssertionError(f"Dovecot knows no login of session {session}")

    def _logged(self) -> list[dict[str, str]]:
        return [
            dict(re.findall(r"(\w+)=<?([^,>\s]*)>?", line))
            for line in self.log().splitlines()
            if re.search("imap-login: Info: (Login|Logged in):", line)
        ]

    def doveadm(self, *arguments: str) -> str:
        done = subprocess.run(
            [DOVEADM, "-c", str(self.config_file), *arguments],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"doveadm {' '.join(arguments)} failed: {done.stderr}")
        return done.stdout

    def who(self) -> dict[str, int]:
        """How many sessions each user has right now."""
        lines = self.doveadm("-f", "tab", "who").splitlines()[1:]
        return {line.split("\t")[0]: int(line.split("\t")[1]) for line in lines}
