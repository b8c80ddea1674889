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
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path

import httpx2

from askfirst.errors import Refused, Unavailable
from askfirst.ledger import parse_note, timestamp
from askfirst.server.checkpointsettings import CheckpointSettings

TIMEOUT_S = 20.0
EVENT = "ledger.checkpoint"
"""The type of the event that a webhook gets."""


def to_file(note: str, path: Path) -> None:
    """Append a note and an empty line, and have them on the disk. Raises Unavailable."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{note}\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise Unavailable(f"the file {path} cannot be written: {error.strerror}") from error


def to_mail(note: str, day: str, wanted: CheckpointSettings) -> None:
    """Mail a note. Raises as `send_mail`."""
    point = parse_note(note)[0]
    subject = f"Checkpoint of {point.origin}: {point.size} entries, {day}"
    send_mail(subject, note, wanted, f"checkpoint-{point.size:016d}.txt")


def to_webhook(note: str, identity: str, wanted: CheckpointSettings, at: datetime) -> None:
    """Post a note as an event. Raises as `post_event`."""
    post_event(EVENT, {"checkpoint": note}, identity, wanted, at)


def send_mail(
    subject: str, text: str, wanted: CheckpointSettings, attached_as: str | None = None
) -> None:
    """Mail a text, attached as well under a name where one is given.

    Raises Unavailable where nobody answers, Refused where the server says no.
    """
    mail = EmailMessage()
    mail["From"], mail["To"] = wanted.mail_from, ", ".join(wanted.mail_to)
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
    kind: str,
    data: Mapping[str, object],
    identity: str,
    wanted: CheckpointSettings,
    at: datetime,
) -> None:
    """Post an event of a kind, signed as Standard Webhooks says.

    `identity` is the same in every attempt, so that a receiver takes an event once. Raises
    Unavailable where nobody answers, Refused for any status but 2xx.
    """
    event = {"type": kind, "timestamp": timestamp(at), "data": data}
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


def _smtp(wanted: CheckpointSettings) -> smtplib.SMTP:
    host, port = wanted.smtp_host or "", wanted.smtp_port
    if wanted.smtp_security == "tls":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context)
    return smtplib.SMTP(host, port, timeout=TIMEOUT_S)
