"""TwiML that may leave us: verbs that carry a call, none that records, forks or transcribes."""

from __future__ import annotations

import re

from askfirst.errors import InvalidInput, Refused

MOST_CHARACTERS = 4_000
"""Of TwiML in a request (public API description of Twilio, parameter Twiml)."""

VERBS = frozenset(
    {
        "Response", "Say", "Play", "Pause", "Gather", "Dial", "Number", "Client", "Sip",
        "Conference", "Connect", "Stream", "Parameter", "Redirect", "Reject", "Hangup",
        "Enqueue", "Queue", "Leave",
    }
)  # fmt: skip
"""Record, Start (one-way forks), Recording, Siprec, Transcription and the like are missing."""

_DECLARATION = re.compile(r"\A\s*<\?xml [^<>?]{0,80}\?>")
_OPENED = re.compile(r"<(.?)([A-Za-z]*)")
_CAPTURING = re.compile(r"(?i)\b(?:record|transcri|machine|amd|asyncamd)\w*\s*=")
_NOT_RECORDED = 'record="do-not-record"'


def ensure_records_nothing(twiml: str) -> str:
    """TwiML as it was given. Raises Refused for what could capture, InvalidInput for too much.

    Comments, CDATA and entities of its own are refused as well: nothing may hide in them.
    """
    if len(twiml) > MOST_CHARACTERS:
        raise InvalidInput(
            f"{len(twiml)} characters of TwiML were given; Twilio takes {MOST_CHARACTERS}"
        )
    body = _DECLARATION.sub("", twiml, count=1)
    for first, rest in _OPENED.findall(body):
        name = rest if first == "/" else first + rest
        if name not in VERBS:
            raise Refused(
                "TwiML with a verb that does not only carry a call was not sent; Twilio records, "
                "forks and transcribes nothing for us"
            )
    if _CAPTURING.search(body.replace(_NOT_RECORDED, "")):
        raise Refused("TwiML that could make Twilio record, transcribe or detect was not sent")
    return twiml
