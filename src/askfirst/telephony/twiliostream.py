"""Messages of Twilio's media streams, read and written (Twilio, Media Streams, WebSocket messages).

A message is one JSON object in a text frame. Sound is mu-law at 8 kHz in base64. What comes from a
socket is checked here and nowhere else, and no message is repeated in an error: it holds sound.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import Any

from askfirst.audio.tone import DTMF_KEYS
from askfirst.errors import PeerError

LARGEST = 65_536
"""Characters of the longest message; what is longer is none."""

MOST_SOUND = 8_000
"""Octets of sound in one message: a second, fifty times what Twilio sends."""

RATE_HZ = 8_000
TOKEN = "token"  # noqa: S105 - the name of the parameter
"""The parameter of a stream that says whose it is."""

_COUNT = re.compile(r"[0-9]{1,12}")
_SID = re.compile(r"[A-Z]{2}[0-9a-f]{32}")
_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
_FORMAT = {"encoding": "audio/x-mulaw", "sampleRate": RATE_HZ, "channels": 1}
_KEYS = frozenset("".join(DTMF_KEYS))


@dataclass(frozen=True, slots=True)
class Connected:
    """The first message: the other side speaks the protocol."""


@dataclass(frozen=True, slots=True)
class Started:
    """The second: a stream of a call. `repr` shows no token."""

    stream: str
    call: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Media:
    """Sound of the other side; `at_ms` counts from the stream's start."""

    sequence: int
    at_ms: int
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Key:
    """A key was pressed there. `repr` does not show which: it may be of a card number."""

    sequence: int
    digit: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mark:
    """What was sent before this mark of ours has been played, or cleared."""

    name: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The stream is over: the call has ended, or goes on without us."""


@dataclass(frozen=True, slots=True)
class Other:
    """A message of a kind that we do not know; newer than this program."""


Message = Connected | Started | Media | Key | Mark | Stopped | Other


def read(text: str) -> Message:
    """The message in a text frame. Raises PeerError for what is none, or lacks what it needs."""
    if len(text) > LARGEST:
        raise PeerError(f"a stream's message of {len(text)} characters, expected {LARGEST} at most")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise PeerError("a stream's message that is no JSON object")
    match found.get("event"):
        case "connected":
            return Connected()
        case "start":
            return _started(found)
        case "media":
            return _media(found)
        case "dtmf":
            return _key(found)
        case "mark":
            return Mark(_matched(_part(found, "mark"), "name", _NAME))
        case "stop":
            return Stopped()
        case str():
            return Other()
    raise PeerError("a stream's message without an event")


def media(stream: str, octets: bytes) -> str:
    """Sound for the other side to hear."""
    payload = base64.b64encode(octets).decode()
    return _written("media", stream, media={"payload": payload})


def mark(stream: str, name: str) -> str:
    """Ask to be told when everything before this was played."""
    return _written("mark", stream, mark={"name": name})


def clear(stream: str) -> str:
    """Have everything forgotten that was sent and not played yet; marks come back at once."""
    return _written("clear", stream)


def _written(event: str, stream: str, **more: object) -> str:
    return json.dumps({"event": event, "streamSid": stream, **more}, separators=(",", ":"))


def _started(found: dict[str, Any]) -> Started:
    start = _part(found, "start")
    stated = start.get("mediaFormat")
    if stated != _FORMAT:
        raise PeerError("a stream of another kind of sound, expected mu-law at 8 kHz, one channel")
    given = start.get("customParameters")
    token = given.get(TOKEN) if isinstance(given, dict) else None
    return Started(
        stream=_matched(start, "streamSid", _SID),
        call=_matched(start, "callSid", _SID),
        token=token if isinstance(token, str) and len(token) <= 256 else "",
    )


def _media(found: dict[str, Any]) -> Media:
    sound = _part(found, "media")
    if sound.get("track", "inbound") not in ("inbound", "inbound_track"):
        raise PeerError("sound of our own side came back, expected the other side's only")
    payload = sound.get("payload")
    try:
        octets = base64.b64decode(payload if isinstance(payload, str) else "", validate=True)
    except (binascii.Error, ValueError):
        octets = b""
    if not 0 < len(octets) <= MOST_SOUND:
        raise PeerError(f"a stream's message with {len(octets)} octets of sound")
    return Media(_count(found, "sequenceNumber"), _count(sound, "timestamp"), octets)


def _key(found: dict[str, Any]) -> Key:
    digit = _part(found, "dtmf").get("digit")
    if not isinstance(digit, str) or digit not in _KEYS:
        raise PeerError("a stream's message with a key that no telephone has")
    return Key(_count(found, "sequenceNumber"), digit)


def _part(found: dict[str, Any], name: str) -> dict[str, Any]:
    part = found.get(name)
    if not isinstance(part, dict):
        raise PeerError(f"a stream's message without its {name}")
    return part


def _count(found: dict[str, Any], name: str) -> int:
    return int(_matched(found, name, _COUNT))


def _matched(found: dict[str, Any], name: str, form: re.Pattern[str]) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not form.fullmatch(value):
        raise PeerError(f"a stream's message without a {name} that can be used")
    return value
