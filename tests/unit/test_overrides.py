"""An override counts only when the person it names has signed exactly this, for this day."""

from __future__ import annotations

import base64
from datetime import date
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from askfirst import Mode, Party, decide
from askfirst.errors import InvalidInput, InvalidRules, Refused, Unverified
from askfirst.override import MAX_BYTES
from askfirst.rules import packaged
from askfirst.server.overrides import public_key, read_verified, signature_of, verified

ON = date(2026, 11, 23)
CONTENT = """
name = "vermont-desk"
who = "Kari Nordmann"
why = "Counsel's letter of 2 October 2026."
since = 2026-11-01
until = 2027-05-01

[[replace]]
rule = "US-VT.ask"
mode = "auto"
"""
KARI, OLA = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2))
SIGNERS = {"Kari Nordmann": KARI.public_key(), "Ola Nordmann": OLA.public_key()}


def with_signature(signature: str, content: str = CONTENT) -> str:
    return f'signature = "{signature}"\n{content}'


SIGNED = with_signature(signature_of(CONTENT, "desk.toml", KARI))


def test_an_unsigned_file_is_refused() -> None:
    with pytest.raises(Unverified, match=r"found no signature.*have it signed"):
        verified(CONTENT, "desk.toml", SIGNERS, ON, packaged())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2027-05-01", "2037-05-01"),
        ('rule = "US-VT.ask"', 'rule = "US-CA.632"'),
        ("Counsel's letter", "No letter"),
        ('who = "Kari Nordmann"', 'who = "Ola Nordmann"'),
    ],
)
def test_a_file_that_was_changed_after_it_was_signed_is_refused(old: str, new: str) -> None:
    with pytest.raises(Unverified, match="does not fit the content"):
        verified(SIGNED.replace(old, new, 1), "desk.toml", SIGNERS, ON, packaged())


@pytest.mark.parametrize(
    "signature",
    [
        signature_of(CONTENT, "desk.toml", OLA),
        signature_of(CONTENT, "desk.toml", KARI).removeprefix("ed25519:"),
        "ed25519:",
        "ed25519:AAAA",
        "ed25519:not base64",
        "ed25519:é",
        "rsa:AAAA",
    ],
)
def test_a_signature_that_does_not_fit_is_refused(signature: str) -> None:
    with pytest.raises(Unverified, match="does not fit"):
        verified(with_signature(signature), "desk.toml", SIGNERS, ON, packaged())


def test_a_signer_who_is_not_on_the_list_is_refused() -> None:
    with pytest.raises(Unverified, match="not on the list"):
        verified(SIGNED, "desk.toml", {"Ola Nordmann": KARI.public_key()}, ON, packaged())


@pytest.mark.parametrize(
    ("on", "said"), [(date(2027, 5, 1), "ended on"), (date(2026, 10, 31), "begins on")]
)
def test_a_file_that_is_not_in_force_is_refused(on: date, said: str) -> None:
    with pytest.raises(Refused, match=said):
        verified(SIGNED, "desk.toml", SIGNERS, on, packaged())


def test_a_rule_that_does_not_exist_is_refused() -> None:
    lost = CONTENT.replace("US-VT.ask", "US-VT.aks")
    signed = with_signature(signature_of(lost, "desk.toml", KARI), lost)

    with pytest.raises(InvalidInput, match=r"US-VT\.aks"):
        verified(signed, "desk.toml", SIGNERS, ON, packaged())


def test_a_malformed_file_is_neither_signed_nor_read() -> None:
    broken = CONTENT.replace("name", "nom")

    with pytest.raises(InvalidRules, match="nom: not a key"):
        signature_of(broken, "desk.toml", KARI)
    with pytest.raises(InvalidRules, match="nom: not a key"):
        verified(broken, "desk.toml", SIGNERS, ON, packaged())


@pytest.mark.parametrize("content", [b"\xff\xfe", b"#" * (MAX_BYTES + 1)])
def test_a_file_that_is_no_short_text_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "desk.toml"
    path.write_bytes(content)

    with pytest.raises(InvalidInput):
        read_verified(path, SIGNERS, ON, packaged())


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_verified(tmp_path / "none.toml", SIGNERS, ON, packaged())


@pytest.mark.parametrize("text", ["", "AAAA", "not base64", "é"])
def test_a_key_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="Ed25519"):
        public_key(text)


def test_a_signed_file_in_force_loosens_the_rule_that_it_names(tmp_path: Path) -> None:
    path = tmp_path / "desk.toml"
    path.write_text(SIGNED, encoding="utf-8")
    raw = KARI.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    key = public_key(base64.b64encode(raw).decode())
    override = read_verified(path, {"Kari Nordmann": key}, ON, packaged())
    parties = [Party.agent("US-TX"), Party.contact("US-VT")]

    assert decide(parties, ON).mode is Mode.ASK
    assert decide(parties, ON, overrides=(override,)).mode is Mode.AUTO
