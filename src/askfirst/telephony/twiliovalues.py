"""What Twilio tells of an account, its numbers, calls and recordings, as frozen values.

Times are aware UTC. Numbers, names and addresses are left out of every `repr`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from askfirst.errors import InvalidInput, PeerError

_SID = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")


def checked_sid(sid: str, kind: str) -> str:
    """An id of Twilio of a kind (AC, CA, RE, PN …), in its form. Raises InvalidInput."""
    if not _SID.fullmatch(sid) or not sid.startswith(kind):
        raise InvalidInput(f"an id of Twilio is {kind} and 32 hexadecimal digits; this is none")
    return sid


@dataclass(frozen=True, slots=True)
class TwilioCredentials:
    """Who asks: the account, and its token or one of its API keys. Never shown.

    `user` is the account SID where `secret` is the auth token, else the SID of the key.
    Raises InvalidInput for ids that are none and for an empty secret.
    """

    account_sid: str = field(repr=False)
    secret: str = field(repr=False)
    user: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        checked_sid(self.account_sid, "AC")
        if not self.user:
            object.__setattr__(self, "user", self.account_sid)
        if self.user != self.account_sid:
            checked_sid(self.user, "SK")
        if not self.secret or not self.secret.isascii() or not self.secret.isprintable():
            raise InvalidInput("the token or key secret of Twilio is empty or not plain text")


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """An account: `status` is active, suspended or closed; `kind` is Trial or Full."""

    sid: str
    status: str
    kind: str


@dataclass(frozen=True, slots=True)
class TwilioNumber:
    """A number that the account owns, and who is asked when it is called.

    `bound` is True where an application or trunk answers it: then no address of it counts.
    """

    sid: str
    number: str = field(repr=False)
    voice: bool
    voice_url: str = field(repr=False)
    status_callback: str = field(repr=False)
    fallback: str = field(repr=False)
    bound: bool


@dataclass(frozen=True, slots=True)
class TwilioCall:
    """A call: whom `sender` called, when, how long. Both may be a number, client:… or sip:….

    `direction` is inbound, outbound-api or outbound-dial; `parent` the call that dialled this one.
    """

    sid: str
    parent: str | None
    sender: str = field(repr=False)
    to: str = field(repr=False)
    direction: str
    status: str
    started_at: datetime | None
    duration_s: int | None


@dataclass(frozen=True, slots=True)
class TwilioRecording:
    """A recording that Twilio keeps. `encrypted` ones can only be read with the account's key.

    `status` is in-progress, paused, stopped, processing, completed, absent or deleted.
    """

    sid: str
    call_sid: str | None
    status: str
    source: str
    channels: int
    duration_s: int | None
    created_at: datetime
    started_at: datetime | None
    encrypted: bool


@dataclass(frozen=True, slots=True)
class TwilioCountry:
    """A country that the account may call, or not: `open` for ordinary numbers, `risky` for dear
    or often misused ones. `code` is ISO 3166-1 alpha-2 as Twilio groups them (US is with CA)."""

    code: str
    open: bool
    risky: bool


def read_account(told: Mapping[str, Any]) -> TwilioAccount:
    """An account from Twilio's JSON, which holds the auth token as well: that is dropped here."""
    return TwilioAccount(_text(told, "sid"), _text(told, "status"), _text(told, "type"))


def read_number(told: Mapping[str, Any]) -> TwilioNumber:
    """A number from Twilio's JSON. Raises PeerError."""
    can = told.get("capabilities")
    return TwilioNumber(
        sid=_sid(told, "sid", "PN"),
        number=_text(told, "phone_number"),
        voice=isinstance(can, Mapping) and can.get("voice") is True,
        voice_url=_maybe(told, "voice_url") or "",
        status_callback=_maybe(told, "status_callback") or "",
        fallback=_maybe(told, "voice_fallback_url") or "",
        bound=bool(_maybe(told, "voice_application_sid") or _maybe(told, "trunk_sid")),
    )


def read_call(told: Mapping[str, Any]) -> TwilioCall:
    """A call from Twilio's JSON. Raises PeerError."""
    return TwilioCall(
        sid=_sid(told, "sid", "CA"),
        parent=_maybe(told, "parent_call_sid"),
        sender=_maybe(told, "from") or "",
        to=_maybe(told, "to") or "",
        direction=_maybe(told, "direction") or "",
        status=_text(told, "status"),
        started_at=_time(told, "start_time"),
        duration_s=_seconds(told, "duration"),
    )


def read_recording(told: Mapping[str, Any]) -> TwilioRecording:
    """A recording from Twilio's JSON. Raises PeerError."""
    created = _time(told, "date_created")
    if created is None:
        raise PeerError("Twilio told of a recording without its date; look for an update of ours")
    channels = told.get("channels")
    return TwilioRecording(
        sid=_sid(told, "sid", "RE"),
        call_sid=_maybe(told, "call_sid"),
        status=_text(told, "status"),
        source=_maybe(told, "source") or "",
        channels=channels if isinstance(channels, int) and channels in (1, 2) else 1,
        duration_s=_seconds(told, "duration"),
        created_at=created,
        started_at=_time(told, "start_time"),
        encrypted=bool(told.get("encryption_details")),
    )


def read_country(told: Mapping[str, Any]) -> TwilioCountry:
    """A country of the dialling permissions (Voice API v1). Raises PeerError."""
    risky = ("high_risk_special_numbers_enabled", "high_risk_tollfraud_numbers_enabled")
    return TwilioCountry(
        code=_text(told, "iso_code"),
        open=told.get("low_risk_numbers_enabled") is True,
        risky=any(told.get(each) is True for each in risky),
    )


def _text(told: Mapping[str, Any], name: str) -> str:
    found = told.get(name)
    if not isinstance(found, str) or not found:
        raise PeerError(f"an answer of Twilio has no {name}; look for an update of ours")
    return found


def _maybe(told: Mapping[str, Any], name: str) -> str | None:
    found = told.get(name)
    return found if isinstance(found, str) and found else None


def _sid(told: Mapping[str, Any], name: str, kind: str) -> str:
    try:
        return checked_sid(_text(told, name), kind)
    except InvalidInput:
        raise PeerError(f"an answer of Twilio has a {name} that is no {kind} id") from None


def _seconds(told: Mapping[str, Any], name: str) -> int | None:
    found = told.get(name)
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) < 10:
        return int(found)
    return None


def _time(told: Mapping[str, Any], name: str) -> datetime | None:
    found = _maybe(told, name)
    if found is None:
        return None
    try:
        read = parsedate_to_datetime(found)
        # RFC 2822 writes -0000 for a time in UTC of no known zone; Python then gives no zone.
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        raise PeerError(f"an answer of Twilio has a {name} that is no time (RFC 2822)") from None
