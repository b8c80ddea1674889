"""Publishing: a checkpoint is appended to a file, mailed or posted; reminders go the last two ways.

Nothing goes out but what is given here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

import httpx2

from askfirst.errors import Refused, Unavailable
from askfirst.ledger import parse_note, timestamp
from askfirst.server.checkpointsettings import CheckpointSettings

TIMEOUT_S = 20.0
EVENT = "ledger.checkpoint"
"""The type of the event that a webhook gets."""


@dataclass(frozen=True, slots=True)
class Published:
    """A day's checkpoint as it goes out; `at` is when the day (UTC) got it."""

    note: str
    day: date
    at: datetime

    @property
    def identity(self) -> str:
        """The same in every attempt, so that a receiver takes a day once."""
        return f"checkpoint-{self.day.isoformat()}"


def to_file(made: Published, path: Path) -> None:
    """Append a note and an empty line, and have them on the disk. Raises Unavailable.

    Where the file ends with the note, an earlier attempt got that far and nothing is appended.
    """
    block = f"{made.note}\n".encode()
    try:
        # Not truncated and not rewritten: the file may be one that only grows.
        with path.open("ab") as file:
            if not _ends_with(path, block):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise Unavailable(f"the file {path} cannot be written: {error.strerror}") from error


def to_mail(made: Published, wanted: CheckpointSettings) -> None:
    """Mail a note. Raises as `send_mail`."""
    point = parse_note(made.note)[0]
    subject = f"Checkpoint of {point.origin}: {point.size} entries, {made.day.isoformat()}"
    name = f"checkpoint-{point.size:016d}.txt"
    send_mail(subject, made.note, made.identity, made.at, wanted, attached_as=name)


def to_webhook(made: Published, wanted: CheckpointSettings, at: datetime) -> None:
    """Post a note as an event; `at` is when it is sent. Raises as `post_event`."""
    event = {"type": EVENT, "timestamp": timestamp(made.at), "data": {"checkpoint": made.note}}
    post_event(event, made.identity, wanted, at)


def send_mail(
    subject: str,
    text: str,
    identity: str,
    made_at: datetime,
    wanted: CheckpointSettings,
    *,
    attached_as: str | None = None,
) -> None:
    """Mail a text, attached as well under a name where one is given.

    Raises Unavailable where nobody answers, Refused where the server says no.
    """
    mail = EmailMessage()
    mail["From"], mail["To"] = wanted.mail_from, ", ".join(wanted.mail_to)
    mail["Date"] = format_datetime(made_at)
    # A mail that is sent again has the same identity: mailboxes show it once.
    mail["Message-ID"] = f"<{identity}.{_short(text)}@{_domain(wanted)}>"
    mail["Subject"] = subject
    mail.set_content(text)
    if attached_as is not None:
        mail.add_attachment(text, subtype="plain", filename=attached_as)
    try:
        with _smtp(wanted) as server:
            if wanted.smtp_security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if wanted.smtp_user:
                server.login(wanted.smtp_user, wanted.smtp_password)
            server.send_message(mail)
    except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused) as error:
        raise Refused(f"the mail server refused ({type(error).__name__})") from error
    except (smtplib.SMTPException, OSError) as error:
        raise Unavailable(f"the mail server does not answer ({type(error).__name__})") from error


def post_event(
    event: Mapping[str, object], identity: str, wanted: CheckpointSettings, at: datetime
) -> None:
    """Post an event, signed as Standard Webhooks says; `at` is when it is sent.

    Give the same identity and event in every attempt. Raises Unavailable where nobody answers,
    Refused for any status but 2xx.
    """
    body = json.dumps(event, ensure_ascii=False).encode()
    seconds = str(int(at.timestamp()))
    headers = {
        "content-type": "application/json",
        "webhook-id": identity,
        "webhook-timestamp": seconds,
        "webhook-signature": signature(wanted.webhook_secret, identity, seconds, body),
    }
    try:
        with (
            httpx2.Client(timeout=TIMEOUT_S, follow_redirects=False) as client,
            # What is answered is of no interest, and may be endless.
            client.stream("POST", wanted.webhook_url or "", content=body, headers=headers) as told,
        ):
            status = told.status_code
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise Unavailable(f"the webhook does not answer ({type(error).__name__})") from error
    if not 200 <= status < 300:
        raise Refused(f"the webhook answered {status}")


def signature(secret: bytes, identity: str, seconds: str, body: bytes) -> str:
    """The signature of an event (Standard Webhooks, symmetric): HMAC-SHA256 in base64."""
    signed = b".".join((identity.encode(), seconds.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


def _ends_with(path: Path, block: bytes) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(block)))
        return file.read() == block


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _domain(wanted: CheckpointSettings) -> str:
    return (wanted.mail_from or "@localhost").rpartition("@")[2]


def _smtp(wanted: CheckpointSettings) -> smtplib.SMTP:
    host, port = wanted.smtp_host or "", wanted.smtp_port
    if wanted.smtp_security == "tls":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context)
    return smtplib.SMTP(host, port, timeout=TIMEOUT_S)
