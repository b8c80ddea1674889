"""A time-stamping authority with a chain, whose answers hold certificates in any order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.server.authority import CONFIG, Authority

LONG = "Stamping unit " + "with a long name " * 2
"""Of the certificate that stamps; it stands first in an answer, and by DER after shorter ones."""


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


class ChainedAuthority(Authority):
    """A root, what stands between, and a certificate that stamps; `openssl ts` signs with it.

    Its certificate holds from and to so many days from now. Answers hold it, the one between and
    the root, in an order that is not that of DER.
    """

    def __init__(self, folder: Path, days: tuple[int, int] = (-1, 30)) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        wanted = CONFIG.format(name="Chain").replace("certs = tsa.pem", "certs = certs.pem")
        (folder / "ts.cnf").write_text(wanted)
        (folder / "serial").write_text("01\n")
        now = datetime.now(UTC)
        self._from, self._to = (now + timedelta(days=each) for each in days)
        root_key, between_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        self._lasts = (now - timedelta(days=400), now + timedelta(days=400))
        root = self._authority("Root", root_key, "Root", root_key)
        self.between = self._authority("Between", between_key, "Root", root_key)
        self.leaf = self._leaf(key, between_key)
        (folder / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))
        (folder / "tsa.pem").write_bytes(self.leaf.public_bytes(Encoding.PEM))
        (folder / "certs.pem").write_bytes(
            b"".join(each.public_bytes(Encoding.PEM) for each in (self.between, root))
        )
        (folder / "tsa.key").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )

    def _authority(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        issuer: str,
        issuer_key: ec.EllipticCurvePrivateKey,
    ) -> x509.Certificate:
        return (
            self._begun(name, key, issuer, self._lasts)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(issuer_key, hashes.SHA256())
        )

    def _leaf(
        self, key: ec.EllipticCurvePrivateKey, issuer_key: ec.EllipticCurvePrivateKey
    ) -> x509.Certificate:
        stamping = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        return (
            self._begun(LONG, key, "Between", (self._from, self._to))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(stamping, critical=True)
            .sign(issuer_key, hashes.SHA256())
        )

    def _begun(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        issuer: str,
        lasts: tuple[datetime, datetime],
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(lasts[0])
            .not_valid_after(lasts[1])
        )
