"""A private instance of Debian's Cyrus, from where scripts/setup unpacked it."""

from __future__ import annotations

import grp
import imaplib
import os
import subprocess
from pathlib import Path

from certificates import Certificate
from server_process import Endpoint, ServerProcess, free_port, service_user

ROOT = Path("/opt/headgate-test/cyrus")
PROGRAMS = ROOT / "usr/lib/cyrus/bin"
REALM = "example.org"
ADMIN = "cyrus"
ADMIN_PASSWORD = "keeper of the reservoir"

IMAPD = """\
servername: localhost
configdirectory: {directory}/lib
partition-default: {directory}/spool
defaultpartition: default
admins: {admin}
cyrus_user: {user}
cyrus_group: {group}
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {directory}/sasldb2
sasl_mech_list: PLAIN LOGIN
allowplaintext: yes
unixhierarchysep: yes
altnamespace: yes
virtdomains: off
autocreate_quota: 0
autocreate_post: yes
hashimapspool: no
duplicatesuppression: no
idlesocket: {directory}/run/idle
syslog_prefix: headgate-test
maxlogins_per_user: 0
maxlogins_per_host: 0
conversations: no
{tls}
"""

CYRUS = """\
START {{
  recover cmd="{programs}/ctl_cyrusdb -C {imapd} -r"
}}
SERVICES {{
  imap cmd="{programs}/imapd -C {imapd} -U 100" listen="{address}:{port}" prefork=1 maxchild=500
  {imaps}
}}
DAEMON {{
  idled cmd="{programs}/idled -C {imapd}"
}}
"""


class Cyrus(ServerProcess):
    """Cyrus at `address`: IMAP (and STARTTLS, when it has a certificate) at `port`, implicit TLS at
    `tls_port`. The users are those of `users` (name → password); an INBOX comes with the first login.
    """

    def __init__(
        self,
        users: dict[str, str],
        *,
        address: str = "127.0.0.1",
        certificate: Certificate | None = None,
    ):
        super().__init__("cyrus")
        self.address = address
        self.port = free_port(address)
        self.tls_port = free_port(address) if certificate else 0
        self._user, self._uid, self._gid = service_user()
        self._imapd = self.directory / "imapd.conf"
        self._cyrus = self.directory / "cyrus.conf"
        # lib/socket is where imapd listens for what idled has to tell it.
        for name in ("lib", "lib/socket", "spool", "run"):
            (self.directory / name).mkdir()
        self._write_configuration(certificate)
        for user, password in {ADMIN: ADMIN_PASSWORD, **users}.items():
            self._set_password(user, password)
        for path in [self.directory, *self.directory.rglob("*")]:
            os.chown(path, self._uid, self._gid)

    def _write_configuration(self, certificate: Certificate | None) -> None:
        tls = imaps = ""
        if certificate is not None:
            # Cyrus reads the key as the user it runs as, and the tests' certificates are root's.
            for source, name in (
                (certificate.certificate, "tls.pem"),
                (certificate.key, "tls.key"),
            ):
                (self.directory / name).write_text(source.read_text())
            tls = (
                f"tls_server_cert: {self.directory}/tls.pem\n"
                f"tls_server_key: {self.directory}/tls.key\n"
                f"tls_sessions_db_path: {self.directory}/lib/tls_sessions.db\n"
                "allowstarttls: on"  # from 3.10 on it is off by default
            )
            imaps = (
                f'imaps cmd="{PROGRAMS}/imapd -C {self._imapd} -s -U 100" '
                f'listen="{self.address}:{self.tls_port}" prefork=1 maxchild=500'
            )
        group = grp.getgrgid(self._gid).gr_name
        self._imapd.write_text(
            IMAPD.format(
                directory=self.directory, admin=ADMIN, user=self._user, group=group, tls=tls
            )
        )
        self._cyrus.write_text(
            CYRUS.format(
                programs=PROGRAMS,
                imapd=self._imapd,
                address=self.address,
                port=self.port,
                imaps=imaps,
            )
        )

    def _set_password(self, user: str, password: str) -> None:
        name, _, realm = user.partition("@")
        subprocess.run(
            [
                "saslpasswd2",
                "-p",
                "-c",
                "-f",
                self.directory / "sasldb2",
                "-u",
                realm or "localhost",
                name,
            ],
            input=password.encode(),
            check=True,
            capture_output=True,
        )

    @staticmethod
    def _environment() -> dict[str, str]:
        (libraries,) = (ROOT / "usr/lib").glob("*-linux-gnu")
        return {"LD_LIBRARY_PATH": str(libraries), "CYRUS_VERBOSE": "1"}

    def __enter__(self) -> Cyrus:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Cyrus:
        if not (ROOT / ".complete").exists():
            raise RuntimeError(f"Cyrus is not in {ROOT}: run scripts/setup")
        self.launch(
            [
                PROGRAMS / "master",
                "-D",
                "-C",
                self._imapd,
                "-M",
                self._cyrus,
                "-p",
                self.directory / "master.pid",
            ],
            self._environment(),
        )
        try:
            self.wait_for_greetings([(self.address, self.port)])
            if self.tls_port:
                self.wait_for_listeners([(self.address, self.tls_port)])
        except BaseException:
            self.stop()
            raise
        return self

    def endpoint(self, tls: str = "none", ca: Path | None = None) -> Endpoint:
        return Endpoint(self.address, self.tls_port if tls == "implicit" else self.port, tls, ca)

    def admin(self) -> imaplib.IMAP4:
        """A logged-in session of the administrator."""
        session = imaplib.IMAP4(self.address, self.port)
        session.login(ADMIN, ADMIN_PASSWORD)
        return session
