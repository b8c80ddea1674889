"""Signed overrides: the check that lets an override file count, and the signing of one.

A file counts only with an Ed25519 signature of the person whom it names, by a key that the
account has put on its list, on a day on which it is in force. Anything else is refused, never
ignored: an account that believes in an override that does not hold would be surprised later.
"""

from __future__ import annotations

import base64
import binascii
import os
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from askfirst.errors import InvalidInput, Refused, Unverified
from askfirst.override import (
    MAX_BYTES,
    SIGNATURE,
    Override,
    ensure_rules_exist,
    parse_override,
)
from askfirst.rules import Rulebook

FOLDER, SIGNERS = "overrides", "signers.toml"
"""Where an installation keeps override files, and the list of people who may sign them."""

_PREFIX = "ed25519:"


def verified(
    text: str, filename: str, signers: Mapping[str, Ed25519PublicKey], on: date, rules: Rulebook
) -> Override:
    """The override that a file states, once everything about it holds on a day.

    `signers` are the keys of the people who may sign, by the name that stands as `who`. Raises
    InvalidRules for a malformed file, Unverified where the signature is missing, by nobody on
    the list or does not fit the content, Refused when the file is not in force on the day, and
    InvalidInput for a rule that the rulebook does not have.
    """
    found = signed_by(text, filename, signers)
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
    return verified(text_of(path), path.name, signers, on, rules)


def of_installation(folder: Path, rules: Rulebook) -> tuple[Override, ...]:
    """Every override that an installation keeps, by file name; none without its folder.

    Days are left to each decision: one that has ended counts no more and is reported. Raises as
    `verified` for a file whose signature does not hold, so that nothing starts on a wrong belief.
    """
    files = sorted((folder / FOLDER).glob("*.toml"))
    if not files:
        return ()
    signers = read_signers(folder / SIGNERS)
    found = []
    for path in files:
        override = signed_by(text_of(path), path.name, signers)
        ensure_rules_exist(override, rules)
        found.append(override)
    return tuple(found)


def signed_by(text: str, filename: str, signers: Mapping[str, Ed25519PublicKey]) -> Override:
    """The override that a file states, once its signature holds; days and rules are not looked at.

    Raises InvalidRules and Unverified as `verified` does.
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
    return found


def read_signers(path: Path) -> Mapping[str, Ed25519PublicKey]:
    """The list of people who may sign: a TOML table ``[signers]`` of names and keys in base64.

    Raises InvalidInput for a file that cannot be read or says anything else.
    """
    try:
        stated = tomllib.loads(text_of(path))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path.name} is not TOML: {error}; mend the line it names") from error
    signers = stated.get("signers")
    if not isinstance(signers, dict) or stated.keys() != {"signers"}:
        raise InvalidInput(
            f"{path.name}: expected one table [signers] of names and keys; see the guide on "
            "overrides"
        )
    return {name: public_key(key) for name, key in signers.items()}


def signature_of(text: str, filename: str, key: Ed25519PrivateKey) -> str:
    """The value for the file's `signature`; raises InvalidRules for a malformed file."""
    signature = key.sign(parse_override(text, filename).content)
    return _PREFIX + base64.b64encode(signature).decode("ascii")


def sign_file(path: Path, key: Path) -> str:
    """Write a file's signature into it, in place of an older one, and give it.

    Raises InvalidRules for a malformed file and InvalidInput for one that cannot be read or
    written, or a key that is none.
    """
    text = text_of(path)
    signature = signature_of(text, path.name, _private_key(key))
    lines = [line for line in text.splitlines() if not line.startswith(f"{SIGNATURE} =")]
    # Top-level keys stand before the first table.
    table = next((n for n, line in enumerate(lines) if line.startswith("[")), len(lines))
    lines.insert(table, f'{SIGNATURE} = "{signature}"\n')
    try:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"{path.name} cannot be written: {error.strerror}") from error
    return signature


def new_key(path: Path) -> str:
    """Make a signer's key pair: the private half into a new file of its owner only.

    Gives the public half in base64, for the list of signers. Raises InvalidInput where the file
    is there already or cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
    except OSError as error:
        raise InvalidInput(
            f"{path} cannot be made: {error.strerror}; name a new file in a folder of yours"
        ) from error
    return base64.b64encode(key.public_key().public_bytes_raw()).decode("ascii")


def public_key(text: object) -> Ed25519PublicKey:
    """A signer's key from base64 of its 32 bytes; raises InvalidInput for anything else."""
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(str(text), validate=True))
    except (ValueError, binascii.Error):
        raise InvalidInput(
            "found a key that is not an Ed25519 public key; expected base64 of its 32 bytes"
        ) from None


def _private_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise InvalidInput(f"the key {path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise InvalidInput(
            f"{path} is no private key of `askfirst override key`; name the file that it made"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidInput(f"{path} holds another kind of key; expected Ed25519")
    return key


def text_of(path: Path) -> str:
    """The text of a file of this kind. Raises InvalidInput where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1).decode("utf-8")
    except (OSError, UnicodeError) as error:
        raise InvalidInput(
            f"{path.name} cannot be read; expected a text file in UTF-8 of at most "
            f"{MAX_BYTES} bytes; mend the path or the file"
        ) from error


def _bytes(signature: str) -> bytes:
    if not signature.startswith(_PREFIX):
        raise ValueError(signature)
    return base64.b64decode(signature.removeprefix(_PREFIX), validate=True)
