"""What the emulated account holds: its numbers, calls and recordings, and how it misbehaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from enum import StrEnum

ACCOUNT_SID = "AC" + "0" * 31 + "1"
SECRET = "emulated-token"  # noqa: S105  (of the emulator; opens nothing else)


class Fault(StrEnum):
    """How a request is misanswered: too many, broken, never, cut in its middle, something else."""

    BUSY = "busy"
    BROKEN = "broken"
    STALL = "stall"
    CUT = "cut"
    NONSENSE = "nonsense"


@dataclass(slots=True)
class KeptNumber:
    """A number that the account owns."""

    sid: str
    number: str
    voice_url: str = ""
    status_callback: str = ""
    fallback: str = ""
    trunk_sid: str | None = None

    def to_json(self) -> dict[str, object]:
        """As the API tells it."""
        return {
            "sid": self.sid,
            "phone_number": self.number,
            "capabilities": {"voice": True, "sms": False, "mms": False, "fax": False},
            "voice_url": self.voice_url or None,
            "voice_method": "POST",
            "voice_fallback_url": self.fallback or None,
            "status_callback": self.status_callback or None,
            "voice_application_sid": None,
            "trunk_sid": self.trunk_sid,
        }


@dataclass(slots=True)
class KeptCall:
    """A call that was; `at` is when it began, aware."""

    sid: str
    sender: str
    to: str
    at: datetime
    direction: str = "outbound-api"
    status: str = "completed"
    parent: str | None = None
    duration_s: int = 0

    def to_json(self) -> dict[str, object]:
        """As the API tells it."""
        return {
            "sid": self.sid,
            "parent_call_sid": self.parent,
            "from": self.sender,
            "to": self.to,
            "direction": self.direction,
            "status": self.status,
            "start_time": format_datetime(self.at),
            "duration": str(self.duration_s),
        }


@dataclass(slots=True)
class KeptRecording:
    """A recording; `wav` are the bytes for each number of channels that can be asked for."""

    sid: str
    call_sid: str
    at: datetime
    wav: dict[int, bytes] = field(default_factory=dict)
    status: str = "completed"
    source: str = "DialVerb"
    channels: int = 2
    duration_s: int = 0
    is_encrypted: bool = False

    def to_json(self, media_url: str) -> dict[str, object]:
        """As the API tells it."""
        return {
            "sid": self.sid,
            "call_sid": self.call_sid,
            "status": self.status,
            "source": self.source,
            "channels": self.channels,
            "duration": str(self.duration_s),
            "date_created": format_datetime(self.at),
            "start_time": format_datetime(self.at),
            "error_code": None,
            "encryption_details": {"encryption_cek": "…"} if self.is_encrypted else None,
            "media_url": media_url,
        }


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came: with credentials that hold, with none, or with others (None)."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    is_known: bool | None


@dataclass(slots=True)
class Account:
    """One account of the emulator; tests and demonstrations fill it and read it."""

    sid: str = ACCOUNT_SID
    secret: str = SECRET
    kind: str = "Full"
    status: str = "active"
    enforces_media_login: bool = True
    numbers: dict[str, KeptNumber] = field(default_factory=dict)
    calls: dict[str, KeptCall] = field(default_factory=dict)
    recordings: dict[str, KeptRecording] = field(default_factory=dict)
    countries: dict[str, tuple[bool, bool]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    captures: list[str] = field(default_factory=list)
    """Paths of requests that would have made Twilio capture something; there must be none."""
    faults: list[tuple[str, Fault]] = field(default_factory=list)
    """What the next requests whose path holds the text get instead, in order."""
    retry_after: str | None = "0"
    page_generation: int = 0
    """Raise it, and every page that was promised has expired."""
    on_listed: Callable[[], None] | None = None
    """Called after each page of recordings, to change something in between."""

    def fault(self, path: str) -> Fault | None:
        """The fault that the next request to a path gets, taken off the list."""
        for at, (part, fault) in enumerate(self.faults):
            if part in path:
                del self.faults[at]
                return fault
        return None
