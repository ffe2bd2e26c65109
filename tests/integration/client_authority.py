"""Certificates of people, for tests that log in by them."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class ClientAuthority:
    """Makes certificates for people, and the list of those revoked."""

    def __init__(self, directory, name="People"):
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = directory / f"{name}.pem"
        self.file.write_bytes(self._pem(self._sign(self.name, self.key, authority=True)))

    @staticmethod
    def _pem(certificate):
        return certificate.public_bytes(serialization.Encoding.PEM)

    @staticmethod
    def _private(key):
        return key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def _sign(self, subject, key, alternatives=(), authority=False, days=30):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=2))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if alternatives:
            names = x509.SubjectAlternativeName(alternatives)
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, name, subject, alternatives=(), days=30):
        """A file with certificate and key, and the certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = x509.Name([x509.NameAttribute(oid, value) for oid, value in subject])
        made = self._sign(attributes, key, alternatives, days=days)
        path = self.directory / f"{name}.pem"
        path.write_bytes(self._pem(made) + self._private(key))
        return path, made

    def itself(self):
        """A file with the authority's own certificate, which it has signed itself, and its key."""
        path = self.directory / "itself.pem"
        path.write_bytes(self.file.read_bytes() + self._private(self.key))
        return path

    def revoke(self, *certificates):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        builder = builder.last_update(now - datetime.timedelta(hours=1))
        builder = builder.next_update(now + datetime.timedelta(days=1))
        for certificate in certificates:
            revoked = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number)
            builder = builder.add_revoked_certificate(revoked.revocation_date(now).build())
        path = self.directory / "crl.pem"
        made = builder.sign(self.key, hashes.SHA256())
        path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        return path
