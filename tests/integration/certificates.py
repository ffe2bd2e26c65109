"""A certificate authority of the tests' own, and certificates signed by it.

Keys are P-256, so that making one takes milliseconds. Nothing outside the directory is trusted or
changed."""

from __future__ import annotations

import datetime
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

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
            "30",
            "-extfile",
            extensions,
        )
        if expired:
            self._expire(certificate)
        certificate.write_text(certificate.read_text() + self.ca.read_text())
        return Certificate(certificate, key)

    def _expire(self, certificate: Path) -> None:
        """Signs it again as one of yesterday, which `openssl x509` does not do in every version."""
        old = x509.load_pem_x509_certificate(certificate.read_bytes())
        key = serialization.load_pem_private_key(self._key.read_bytes(), None)
        now = datetime.datetime.now(datetime.timezone.utc)
        new = (
            x509.CertificateBuilder(old.issuer, old.subject, old.public_key(), old.serial_number)
            .not_valid_before(now - datetime.timedelta(days=2))
            .not_valid_after(now - datetime.timedelta(days=1))
        )
        for extension in old.extensions:
            new = new.add_extension(extension.value, extension.critical)
        certificate.write_bytes(
            new.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )

    def client_context(self) -> ssl.SSLContext:
        """What a careful client has: this CA alone is trusted and names are checked."""
        return ssl.create_default_context(cafile=str(self.ca))
