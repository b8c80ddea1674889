"""The few documents by which Twilio is told what to do with a call. None of them records anything.

What is not in the list of elements and attributes cannot be written; a fork, a transcript or a
recording by Twilio has no entry there.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

from askfirst.errors import Refused
from askfirst.telephony.twiliostream import TOKEN

ALLOWED: Mapping[str, frozenset[str]] = {
    "Response": frozenset(),
    "Connect": frozenset(),
    "Stream": frozenset({"url"}),
    "Parameter": frozenset({"name", "value"}),
    "Reject": frozenset({"reason"}),
    "Dial": frozenset({"record", "callerId", "timeout"}),
    "Number": frozenset(),
    "Conference": frozenset(
        {"record", "beep", "startConferenceOnEnter", "endConferenceOnExit", "maxParticipants"}
    ),
}
"""Every element that we write, with its attributes."""

_NEVER = "do-not-record"


def talk(stream_url: str, token: str) -> str:
    """Let the call's sound come to us and go out from us, and from nobody else."""
    parameter = _element("Parameter", name=TOKEN, value=token)
    return _response(_element("Connect", _element("Stream", parameter, url=stream_url)))


def busy() -> str:
    """Do not take the call: the caller is told that it is busy here."""
    return _response(_element("Reject", reason="busy"))


def hand_on(number: str, shown: str, ring: int) -> str:
    """Let the other side talk to a number instead of us; `ring` in seconds."""
    called = _element("Number", escape(number))
    return _response(_element("Dial", called, record=_NEVER, callerId=shown, timeout=str(ring)))


def meet(room: str) -> str:
    """Let two sides talk to each other without us; the room ends with the first who leaves."""
    conference = _element(
        "Conference",
        escape(room),
        record=_NEVER,
        beep="false",
        startConferenceOnEnter="true",
        endConferenceOnExit="true",
        maxParticipants="2",
    )
    return _response(_element("Dial", conference, record=_NEVER))


def _response(content: str) -> str:
    return '<?xml version="1.0" encoding="UTF-8"?>' + _element("Response", content)


def _element(name: str, content: str = "", /, **attributes: str) -> str:
    if not set(attributes) <= ALLOWED.get(name, frozenset()) or name not in ALLOWED:
        raise Refused(f"the element {name} with {sorted(attributes)} is not one that we write")
    if attributes.get("record", _NEVER) != _NEVER:
        raise Refused("Twilio is never asked to record; nothing was sent")
    stated = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<{name}{stated}>{content}</{name}>" if content else f"<{name}{stated}/>"
