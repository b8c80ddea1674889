"""The key that signs vCons, checked by an independent reader of JWS."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws
from joserfc.jwk import RSAKey
from joserfc.registry import HeaderParameter

from askfirst.errors import KeyUnreadable
from askfirst.server.keys import KeyFile, KeyStore
from askfirst.server.signing import CERTIFICATE_FILE, KEY_FILE, VconSigner

AT = datetime(2026, 11, 24, tzinfo=UTC)
DOCUMENT = {"vcon": "0.4.0", "uuid": "01a20bb4-0000-8000-8000-000000000001", "parties": []}


def _keys(folder: Path) -> KeyStore:
    return KeyStore(folder / "keys.db", KeyFile.open_or_create(folder / "master.key"))


def test_a_signed_vcon_is_verified_by_the_certificate_inside_it(tmp_path: Path) -> None:
    signer = VconSigner(tmp_path, _keys(tmp_path), AT)

    signed = json.loads(json.dumps(signer.sign(DOCUMENT)))

    header = signed["signatures"][0]["protected"]
    protected = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    certificate = x509.load_der_x509_certificate(base64.b64decode(protected["x5c"][0]))
    public = certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    reader = jws.JWSRegistry(
        header_registry={"uuid": HeaderParameter("the vCon", "str")}, algorithms=["RS256"]
    )
    reader.max_header_length = 8192  # a certificate is longer than the library expects
    opened = jws.deserialize_json(signed, RSAKey.import_key(public), registry=reader)
    assert json.loads(opened.payload) == DOCUMENT
    assert protected["uuid"] == DOCUMENT["uuid"]


def test_the_key_is_the_same_after_a_restart(tmp_path: Path) -> None:
    first = VconSigner(tmp_path, _keys(tmp_path), AT)
    again = VconSigner(tmp_path, _keys(tmp_path), AT + timedelta(days=1))

    assert again.fingerprint() == first.fingerprint()
    assert again.sign(DOCUMENT) == first.sign(DOCUMENT)


def test_the_key_file_is_private_and_encrypted(tmp_path: Path) -> None:
    VconSigner(tmp_path, _keys(tmp_path), AT)

    assert (tmp_path / KEY_FILE).stat().st_mode & 0o077 == 0
    assert b"ENCRYPTED" in (tmp_path / KEY_FILE).read_bytes()


def test_a_key_of_another_key_store_is_refused(tmp_path: Path) -> None:
    VconSigner(tmp_path, _keys(tmp_path), AT)
    other = tmp_path / "other"
    other.mkdir()
    for name in (KEY_FILE, CERTIFICATE_FILE):
        (other / name).write_bytes((tmp_path / name).read_bytes())

    with pytest.raises(KeyUnreadable, match="same backup"):
        VconSigner(other, _keys(other), AT)


def test_a_broken_key_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_bytes(b"not a key")
    (tmp_path / CERTIFICATE_FILE).write_bytes(b"not a certificate")

    with pytest.raises(KeyUnreadable):
        VconSigner(tmp_path, _keys(tmp_path), AT)
    assert (tmp_path / KEY_FILE).read_bytes() == b"not a key"
