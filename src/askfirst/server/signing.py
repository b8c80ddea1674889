"""The key that signs vCons: RSA with a certificate of its own, made once for an installation.

An operator who has a certificate from an authority puts it in place of ours; whoever gets our
own must be told its fingerprint some other way, as with any self-signed certificate.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from askfirst.errors import KeyUnreadable, Unavailable
from askfirst.server.keys import KeyStore
from askfirst.vconread import sign

KEY_FILE = "vcon-signing.pem"
CERTIFICATE_FILE = "vcon-signing.crt"
RSA_BITS = 3072
LIFETIME = timedelta(days=5 * 365)
_PASSPHRASE = "vcon-signing"  # noqa: S105 - the name under which the passphrase is kept


class VconSigner:
    """Signs vCons in the name of one installation."""

    def __init__(self, folder: Path, keys: KeyStore, at: datetime) -> None:
        """Load the key of the folder, or make it, valid from `at`.

        Raises KeyUnreadable when it is there and cannot be opened.
        """
        passphrase = keys.salt(_PASSPHRASE).hex().encode()
        key_path, certificate_path = folder / KEY_FILE, folder / CERTIFICATE_FILE
        try:
            if not key_path.exists():
                _make(key_path, certificate_path, passphrase, at)
            loaded = serialization.load_pem_private_key(key_path.read_bytes(), passphrase)
            self.certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        except OSError as error:
            raise Unavailable(
                f"the signing key in {folder} cannot be used: {error.strerror}; mend its rights"
            ) from error
        except (ValueError, TypeError) as error:
            raise KeyUnreadable(
                f"the signing key {key_path.name} does not open with this key store; "
                "restore both from the same backup, or move it away to get a new one"
            ) from error
        if not isinstance(loaded, rsa.RSAPrivateKey):
            raise KeyUnreadable(f"found {key_path.name} of another kind; expected an RSA key")
        self._private = loaded

    def sign(self, document: Mapping[str, object]) -> dict[str, object]:
        """The vCon in signed form (JWS, RS256), with our certificate in it."""
        der = self.certificate.public_bytes(serialization.Encoding.DER)
        return sign(document, [der], self._signature, "RS256")

    def fingerprint(self) -> str:
        """SHA-256 of the certificate in hexadecimal, to be told to those who check."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def _signature(self, message: bytes) -> bytes:
        return self._private.sign(message, padding.PKCS1v15(), hashes.SHA256())


def _make(key_path: Path, certificate_path: Path, passphrase: bytes, at: datetime) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "askfirst vCon signing")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at)
        .not_valid_after(at + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase),
    )
    # The key comes last and whole: where it stands, its certificate stands too.
    unfinished = key_path.with_suffix(".new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(key_path)
