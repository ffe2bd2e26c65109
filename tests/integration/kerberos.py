"""A private realm: Debian's KDC of MIT Kerberos, and the client's side of SASL GSSAPI (RFC 4752)."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import gssapi
from gssapi.raw import acquire_cred_with_password

from server_process import START_TIMEOUT, ServerProcess, can_connect, free_port

REALM = "MAIL.EXAMPLE.ORG"

CLIENTS = """\
[libdefaults]
default_realm = {realm}
dns_lookup_realm = false
dns_lookup_kdc = false
dns_canonicalize_hostname = false
rdns = false
udp_preference_limit = 1
default_ccache_name = FILE:{directory}/ccache

[realms]
{realm} = {{
  kdc = 127.0.0.1:{port}
}}
"""

KDC = """\
[kdcdefaults]
kdc_listen = 127.0.0.1:{port}
kdc_tcp_listen = 127.0.0.1:{port}

[realms]
{realm} = {{
  database_name = {directory}/principal
  key_stash_file = {directory}/stash
  acl_file = {directory}/acl
  max_life = 1h
}}
"""


class Kdc(ServerProcess):
    """Knows the principals of `passwords` and those of `services`, whose keys stand in `keytab`."""

    def __init__(self, passwords: dict[str, str], services: list[str]):
        super().__init__("kdc")
        self.port = free_port("127.0.0.1")
        self.keytab = self.directory / "keytab"
        self.config_file = self.directory / "krb5.conf"
        self.passwords, self.services = passwords, services
        for path, text in ((self.config_file, CLIENTS), (self.directory / "kdc.conf", KDC)):
            path.write_text(text.format(realm=REALM, directory=self.directory, port=self.port))
        self.environment = {
            "KRB5_CONFIG": str(self.config_file),
            "KRB5_KDC_PROFILE": str(self.directory / "kdc.conf"),
        }

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed: {done.stdout}{done.stderr}")

    def start(self) -> Kdc:
        self._run("/usr/sbin/kdb5_util", "create", "-s", "-r", REALM, "-P", "master of the realm")
        for user, password in self.passwords.items():
            self._admin(f"addprinc -pw {password} {user}")
        for service in self.services:
            self._admin(f"addprinc -randkey {service}")
            self._admin(f"ktadd -k {self.keytab} {service}")
        self.keytab.chmod(0o644)
        self.launch(["/usr/sbin/krb5kdc", "-n", "-P", self.directory / "pid"], self.environment)
        deadline = time.monotonic() + START_TIMEOUT
        while not can_connect("127.0.0.1", self.port):
            assert self.process is not None
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the KDC does not listen:\n{self.words()}")
            time.sleep(0.02)
        return self

    def _admin(self, query: str) -> None:
        self._run("/usr/sbin/kadmin.local", "-r", REALM, "-q", query)

    def __enter__(self) -> Kdc:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    def words(self) -> str:
        return super().words() + Path(self.config_file).read_text()


class GssapiClient:
    """One exchange. `ticket_for` is the service whose ticket is shown, as "service@host"; `mechanism` that
    of GSS-API, by its object identifier: Kerberos 5 as it comes."""

    def __init__(
        self,
        user: str,
        password: str,
        ticket_for: str = "imap@localhost",
        authorization: str = "",
        mechanism: str = "1.2.840.113554.1.2.2",
    ):
        kind = gssapi.OID.from_int_seq(mechanism)
        name = gssapi.Name(user, gssapi.NameType.user)
        ticket = acquire_cred_with_password(
            name, password.encode(), mechs=[kind]
        ).creds
        self.authorization = authorization
        self.context = gssapi.SecurityContext(
            name=gssapi.Name(ticket_for, gssapi.NameType.hostbased_service),
            creds=gssapi.Credentials(ticket),
            mech=kind,
            usage="initiate",
            flags=gssapi.RequirementFlag.mutual_authentication
            | gssapi.RequirementFlag.integrity
            | gssapi.RequirementFlag.out_of_sequence_detection,
        )

    def answer(self, challenge: bytes) -> bytes:
        """The client's next message; an empty challenge asks for the first one."""
        if not self.context.complete:
            return self.context.step(challenge or None) or b""
        offered = self.context.unwrap(challenge)
        assert len(offered.message) == 4, "layers and the longest message, RFC 4752, section 3.3"
        assert offered.message[0] & 1, "a connection without a layer"
        wanted = b"\x01\0\0\0" + self.authorization.encode()
        return self.context.wrap(wanted, False).message
