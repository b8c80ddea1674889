"""Signed overrides: the check that lets an override file count, and the signing of one.

A file counts only with an Ed25519 signature of the person whom it names, by a key that the
account has put on its list, on a day on which it is in force. Anything else is refused, never
ignored: an account that believes in an override that does not hold would be surprised later.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from askfirst.errors import InvalidInput, Refused, Unverified
from askfirst.override import MAX_BYTES, SIGNATURE, Override, ensure_rules_exist, parse_override
from askfirst.rules import Rulebook

_PREFIX = "ed25519:"


def verified(
    text: str, filename: str, signers: Mapping[str, Ed25519PublicKey], on: date, rules: Rulebook
) -> Override:
    """The override that a file states, once everything about it holds.

    `signers` are the keys of the people who may sign, by the name that stands as `who`. Raises
    InvalidRules for a malformed file, Unverified where the signature is missing, by nobody on
    the list or does not fit the content, Refused when the file is not in force on the day, and
    InvalidInput for a rule that the rulebook does not have.
    """
    signed = parse_override(text, filename)
    found = signed.override
    if signed.signature is None:
        raise Unverified(
            f"{filename}: found no {SIGNATURE}; expected one of {found.who!r}; have it signed"
        )
    key = signers.get(found.who)
    if key is None:
        raise Unverified(
            f"{filename}: {found.who!r} is not on the list of people who may sign overrides; "
            "add that person's key, or have somebody on the list sign"
        )
    try:
        key.verify(_bytes(signed.signature), signed.content)
    except (InvalidSignature, ValueError):
        raise Unverified(
            f"{filename}: the {SIGNATURE} does not fit the content and the key of {found.who!r}; "
            "the file was changed after it was signed, or by another key; have it signed again"
        ) from None
    if on >= found.until:
        raise Refused(
            f"{filename}: the override {found.name!r} ended on {found.until}; "
            "remove it, or have a new one signed"
        )
    if on < found.since:
        raise Refused(
            f"{filename}: the override {found.name!r} begins on {found.since}; use it from then on"
        )
    ensure_rules_exist(found, rules)
    return found


def read_verified(
    path: Path, signers: Mapping[str, Ed25519PublicKey], on: date, rules: Rulebook
) -> Override:
    """The override in a file; raises as `verified`, and InvalidInput for an unreadable file."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1).decode("utf-8")
    except (OSError, UnicodeError) as error:
        raise InvalidInput(
            f"the override {path.name} cannot be read; expected a text file in UTF-8 of at most "
            f"{MAX_BYTES} bytes; mend the path or the file"
        ) from error
    return verified(text, path.name, signers, on, rules)


def signature_of(text: str, filename: str, key: Ed25519PrivateKey) -> str:
    """The value for the file's `signature`; raises InvalidRules for a malformed file."""
    signature = key.sign(parse_override(text, filename).content)
    return _PREFIX + base64.b64encode(signature).decode("ascii")


def public_key(text: str) -> Ed25519PublicKey:
    """A signer's key from base64 of its 32 bytes; raises InvalidInput for anything else."""
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error):
        raise InvalidInput(
            "found a key that is not an Ed25519 public key; expected base64 of its 32 bytes"
        ) from None


def _bytes(signature: str) -> bytes:
    if not signature.startswith(_PREFIX):
        raise ValueError(signature)
    return base64.b64decode(signature.removeprefix(_PREFIX), validate=True)
