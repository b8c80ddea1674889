"""Where each day's checkpoint goes: the table `checkpoints` of the settings file, checked whole."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import urlsplit

from askfirst.errors import InvalidInput

SECURITIES = ("tls", "starttls", "none")
"""How a mail server is spoken to: encrypted from the start, after a greeting, or in clear."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SECRET = "whsec_"  # noqa: S105 - how Standard Webhooks begins one
_MAIL = re.compile(r"[^\s@<>,;\"]{1,64}@[A-Za-z0-9.-]{1,253}")


@dataclass(frozen=True, slots=True)
class CheckpointSettings:
    """Where each day's checkpoint goes; what is None or empty is not used.

    `stamp_url` is a time-stamping authority (RFC 3161) and `stamp_certificates` a PEM file with
    its root and what stands between. `file` is appended to. `webhook_url` gets a POST, signed with
    the secret in `webhook_secret_file` (Standard Webhooks). `mail_to` gets a mail through
    `smtp_host`. A path is as it stands in the settings; passwords and secrets stand in files.
    """

    stamp_url: str | None = None
    stamp_certificates: Path | None = None
    file: Path | None = None
    webhook_url: str | None = None
    webhook_secret: bytes = field(default=b"", repr=False)
    mail_to: tuple[str, ...] = ()
    mail_from: str | None = None
    smtp_host: str | None = None
    smtp_port: int = 587
    smtp_security: str = "starttls"
    smtp_user: str | None = None
    smtp_password: str = field(default="", repr=False)

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that are used, of stamp, file, mail and webhook."""
        used = {
            "stamp": self.stamp_url is not None,
            "file": self.file is not None,
            "mail": bool(self.mail_to),
            "webhook": self.webhook_url is not None,
        }
        return tuple(name for name, is_used in used.items() if is_used)

    @classmethod
    def parse(cls, stated: Mapping[str, object]) -> CheckpointSettings:
        """The settings of a table. Raises InvalidInput naming the key, OSError for its files."""
        known = {each.name for each in fields(cls)} - {"webhook_secret", "smtp_password"}
        known |= {"webhook_secret_file", "smtp_password_file"}
        if unknown := sorted(set(stated) - known):
            raise InvalidInput(f"{unknown[0]} is no key; known: {', '.join(sorted(known))}")
        password = _line(stated, "smtp_password_file") or ""
        found = cls(
            stamp_url=_address(stated, "stamp_url", is_secret=False),
            stamp_certificates=_path(stated, "stamp_certificates"),
            file=_path(stated, "file"),
            webhook_url=_address(stated, "webhook_url", is_secret=True),
            webhook_secret=_secret(_line(stated, "webhook_secret_file")),
            mail_to=_people(stated),
            mail_from=_text(stated, "mail_from"),
            smtp_host=_text(stated, "smtp_host"),
            smtp_port=_port(stated),
            smtp_security=_security(stated),
            smtp_user=_text(stated, "smtp_user"),
            smtp_password=password,
        )
        found._ensure_whole()
        return found

    def _ensure_whole(self) -> None:
        for key, needed, value in (
            ("stamp_url", "stamp_certificates", self.stamp_certificates),
            ("webhook_url", "webhook_secret_file", self.webhook_secret),
            ("mail_to", "mail_from", self.mail_from),
            ("mail_to", "smtp_host", self.smtp_host),
            ("smtp_user", "smtp_password_file", self.smtp_password),
        ):
            if getattr(self, key) and not value:
                raise InvalidInput(f"{key} is given without {needed}; give both or neither")
        if self.mail_from is not None and not _MAIL.fullmatch(self.mail_from):
            raise InvalidInput("mail_from is no mail address")
        if self.smtp_user and self.smtp_security == "none" and self.smtp_host not in LOOPBACK:
            raise InvalidInput("smtp_user would send a password in clear; use tls or starttls")


def _text(stated: Mapping[str, object], key: str) -> str | None:
    value = stated.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise InvalidInput(f"{key} is not a line of text")
    return value.strip()


def _path(stated: Mapping[str, object], key: str) -> Path | None:
    text = _text(stated, key)
    return None if text is None else Path(text)


def _address(stated: Mapping[str, object], key: str, *, is_secret: bool) -> str | None:
    text = _text(stated, key)
    if text is None:
        return None
    parts = urlsplit(text)
    is_clear = parts.scheme == "http" and (not is_secret or parts.hostname in LOOPBACK)
    if not parts.hostname or not (parts.scheme == "https" or is_clear) or parts.username:
        raise InvalidInput(f"{key} is not an address such as https://example.org/path")
    return text


def _line(stated: Mapping[str, object], key: str) -> str | None:
    path = _path(stated, key)
    if path is None:
        return None
    lines = path.read_text(encoding="utf-8").splitlines()
    if not lines or not lines[0].strip():
        raise InvalidInput(f"{key} names a file whose first line is empty")
    return lines[0].strip()


def _secret(line: str | None) -> bytes:
    if line is None:
        return b""
    try:
        key = base64.b64decode(line.removeprefix(_SECRET), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("webhook_secret_file: expected whsec_ and base64") from error
    if not 24 <= len(key) <= 64:
        raise InvalidInput(f"webhook_secret_file: {len(key)} bytes; expected 24 to 64")
    return key


def _people(stated: Mapping[str, object]) -> tuple[str, ...]:
    value = stated.get("mail_to", [])
    people = [value] if isinstance(value, str) else value
    if not isinstance(people, list) or not all(
        isinstance(each, str) and _MAIL.fullmatch(each) for each in people
    ):
        raise InvalidInput("mail_to is not a list of mail addresses")
    return tuple(people)


def _port(stated: Mapping[str, object]) -> int:
    value = stated.get("smtp_port", 587)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65_535:
        raise InvalidInput("smtp_port is not a number from 1 to 65535")
    return value


def _security(stated: Mapping[str, object]) -> str:
    value = stated.get("smtp_security", "starttls")
    if value not in SECURITIES:
        raise InvalidInput(f"smtp_security is not one of {', '.join(SECURITIES)}")
    return str(value)
