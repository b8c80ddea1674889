"""What the messages at the beginning of a call of ours tell about the line.

How long the exchange took to say anything at all, and the codec that the other side chose. The
stack tells neither.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass

from askfirst.telephony.sipmessage import Message

MOST = 1_000
"""Calls that are remembered; older ones have long begun."""

STATIC = {"0": "pcmu", "8": "pcma", "9": "g722"}
"""Codecs whose numbers are given once for all (RFC 3551, 6)."""

_AUDIO = re.compile(r"^m=audio \d+ \S+ (\d{1,3})\b", re.MULTILINE)
_MAPPED = re.compile(r"^a=rtpmap:(\d{1,3}) ([A-Za-z0-9-]{1,20})/", re.MULTILINE)


@dataclass(slots=True)
class Opening:
    """How a call of ours began; None for what nobody has said yet.

    `exchange_ms` is from our first INVITE to the first word about it: the way there and back.
    """

    asked_ms: int
    sequence: str
    exchange_ms: int | None = None
    codec: str | None = None


class Openings:
    """Follows the messages of a stack, each with the moment of it on one clock in milliseconds."""

    def __init__(self) -> None:
        self._openings: OrderedDict[str, Opening] = OrderedDict()

    def of(self, call_id: str | None) -> Opening | None:
        """How a call began, None where it is no call of ours."""
        return self._openings.get(call_id or "")

    def see(self, message: Message, at_ms: int) -> None:
        """Take a message."""
        opening = self._openings.get(message.call_id)
        if opening is None:
            if not message.is_received and message.start.startswith("INVITE ") and message.call_id:
                self._openings[message.call_id] = Opening(at_ms, message.sequence)
                if len(self._openings) > MOST:
                    self._openings.popitem(last=False)
            return
        if not message.is_received or not message.start.startswith("SIP/2.0 "):
            return
        if opening.exchange_ms is None and message.sequence == opening.sequence:
            opening.exchange_ms = at_ms - opening.asked_ms
        if message.sequence.endswith("INVITE"):
            opening.codec = chosen(message.body) or opening.codec


def chosen(answer: str) -> str | None:
    """The codec of an SDP answer in small letters, its first (RFC 3264, 6.1); None without any."""
    found = _AUDIO.search(answer)
    if found is None:
        return None
    mapped = {number: name.lower() for number, name in _MAPPED.findall(answer)}
    return mapped.get(found[1]) or STATIC.get(found[1])
