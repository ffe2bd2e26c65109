"""A private instance of Debian's slapd; the system's own service is neither used nor touched."""

from __future__ import annotations

import os
import signal
import subprocess
import time

from certificates import Certificate
from server_process import (
    START_TIMEOUT,
    Endpoint,
    ServerProcess,
    can_listen,
    free_port,
    freeze_group,
)

BASE = "dc=example,dc=org"
SEARCHER = f"cn=headgate,{BASE}"
SEARCHER_PASSWORD = "searcher's own"

CONFIGURATION = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/misc.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {directory}/pid
TLSCACertificateFile {ca}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
database mdb
suffix {base}
directory {directory}/data
dbnosync
access to attrs=userPassword by dn.exact={searcher} read by anonymous auth by * none
access to * by dn.exact={searcher} read by * none
"""

SCAFFOLD = """\
dn: {base}
objectClass: domain
dc: example

dn: ou=people,{base}
objectClass: organizationalUnit
ou: people

dn: {searcher}
objectClass: person
cn: headgate
sn: headgate
userPassword: {password}
"""


def person(uid: str, password: str, **attributes: str) -> str:
    """An entry of the tree's people."""
    lines = [
        f"dn: uid={uid},ou=people,{BASE}",
        "objectClass: inetOrgPerson",
        "objectClass: inetLocalMailRecipient",
        f"uid: {uid}",
        f"cn: {uid}",
        f"sn: {uid}",
        f"userPassword: {password}",
        *(f"{key}: {value}" for key, value in attributes.items()),
    ]
    return "\n".join(lines) + "\n"


class Slapd(ServerProcess):
    """slapd with these people; `port` is for ldap://, `tls_port` for ldaps://."""

    def __init__(self, certificate: Certificate, ca: object, people: list[str]):
        super().__init__("slapd")
        (self.directory / "data").mkdir()
        self.port = free_port("127.0.0.1")
        self.tls_port = free_port("127.0.0.1")
        self.configuration = self.directory / "slapd.conf"
        self.configuration.write_text(
            CONFIGURATION.format(
                directory=self.directory,
                ca=ca,
                certificate=certificate.certificate,
                key=certificate.key,
                base=BASE,
                searcher=SEARCHER,
            )
        )
        scaffold = SCAFFOLD.format(base=BASE, searcher=SEARCHER, password=SEARCHER_PASSWORD)
        subprocess.run(
            ["/usr/sbin/slapadd", "-q", "-f", self.configuration],
            input="\n".join([scaffold, *people]),
            text=True,
            check=True,
            capture_output=True,
        )
        self.start()

    def start(self) -> None:
        self.launch(
            [
                "/usr/sbin/slapd",
                *("-d", "0", "-f", self.configuration),
                *("-h", f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port}"),
            ]
        )
        deadline = time.monotonic() + START_TIMEOUT
        for port in (self.port, self.tls_port):
            while can_listen("127.0.0.1", port):
                assert self.process is not None
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"slapd does not answer:\n{self.words()}")
                time.sleep(0.02)

    @property
    def url(self) -> str:
        return f"ldap://{Endpoint('127.0.0.1', self.port)}"

    @property
    def tls_url(self) -> str:
        return f"ldaps://{Endpoint('127.0.0.1', self.tls_port)}"

    def end(self) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def freeze(self) -> None:
        """From here on it accepts connections (the kernel does) and says nothing."""
        assert self.process is not None
        freeze_group(self.process.pid)

    def thaw(self) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGCONT)
