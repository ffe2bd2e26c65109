"""A certificate authority of the tests' own, and certificates signed by it.

Keys are P-256, so that making one takes milliseconds. Nothing outside the directory is trusted or
changed."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

NAMES = ("imap.example.org", "localhost")
ADDRESSES = tuple(f"127.0.0.{n}" for n in range(1, 10)) + tuple(
    f"127.0.1.{n}" for n in range(1, 10)
)


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]} failed: {done.stderr}")


@dataclass(frozen=True)
class Certificate:
    """A certificate with its chain, and its private key, both PEM files."""

    certificate: Path
    key: Path


class Authority:
    """Makes its own CA in `directory` and signs what is asked of it."""

    def __init__(self, directory: Path, name: str = "Headgate test CA"):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.ca = directory / "ca.pem"
        self._key = directory / "ca.key"
        _openssl(
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            self._key,
            "-out",
            self.ca,
            "-days",
            "30",
            "-subj",
            f"/CN={name}",
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
        )

    def issue(
        self,
        name: str,
        names: tuple[str, ...] = NAMES,
        addresses: tuple[str, ...] = ADDRESSES,
        expired: bool = False,
    ) -> Certificate:
        """A server certificate for `names` and `addresses`, in files called `name`.*."""
        key = self.directory / f"{name}.key"
        request = self.directory / f"{name}.csr"
        certificate = self.directory / f"{name}.pem"
        extensions = self.directory / f"{name}.ext"
        alternatives = [f"DNS:{n}" for n in names] + [f"IP:{a}" for a in addresses]
        extensions.write_text(
            "basicConstraints=critical,CA:FALSE\n"
            "keyUsage=critical,digitalSignature\n"
            "extendedKeyUsage=serverAuth,clientAuth\n"
            f"subjectAltName={','.join(alternatives)}\n"
        )
        _openssl(
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            key,
            "-out",
            request,
            "-subj",
            f"/CN={(names or addresses)[0]}",
        )
        # x509 has no way to say "valid from": a certificate of minus one day expired yesterday.
        days = "-1" if expired else "30"
        _openssl(
            "x509",
            "-req",
            "-in",
            request,
            "-CA",
            self.ca,
            "-CAkey",
            self._key,
            "-CAcreateserial",
            "-out",
            certificate,
            "-days",
            days,
            "-extfile",
            extensions,
        )
        certificate.write_text(certificate.read_text() + self.ca.read_text())
        return Certificate(certificate, key)

    def client_context(self) -> ssl.SSLContext:
        """What a careful client has: this CA alone is trusted and names are checked."""
        return ssl.create_default_context(cafile=str(self.ca))
