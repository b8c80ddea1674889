"""Who is at the other end of a call, as the exchange tells it: at the answer, and when it changes.

An exchange that hands its side of a call to somebody else says so in a request within the call
(RFC 3325 P-Asserted-Identity, the older Remote-Party-ID, or another From: RFC 4916). The stack
takes such requests without telling what they say, so messages are read here as it shows them.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from askfirst.telephony.sipmessage import Message
from askfirst.telephony.siptrunk import number_in

MOST = 1_000
"""Calls and requests that are remembered; older ones tell nothing any more."""

COMPARED_DIGITS = 6
"""Two ways to write a number are the same one where they end alike, on at least so many digits."""

_AGREED = re.compile(r"SIP/2\.0 2\d\d\b")
_ASKED = re.compile(r"(INVITE|UPDATE) \S+ SIP/2\.0")
_TAG = re.compile(r";\s*tag=", re.IGNORECASE)

Key = TypeVar("Key")
Value = TypeVar("Value")


class Told(NamedTuple):
    """In a call, by its Call-ID, the other side is now at a number; "" where that is withheld."""

    call_id: str
    number: str


class _Request(NamedTuple):
    sender: str
    number: str | None


class Identities:
    """Follows the messages of a stack.

    What is received counts once the stack has agreed to it, so that nobody is believed who is not
    in the call.
    """

    def __init__(self) -> None:
        self._ours: OrderedDict[str, bool] = OrderedDict()  # and whether it was answered
        self._remote: OrderedDict[str, str] = OrderedDict()
        self._asked: OrderedDict[tuple[str, str], _Request] = OrderedDict()

    def has_answer(self, call_id: str) -> bool:
        """Whether the answer to a call of ours has been seen."""
        return self._ours.get(call_id, False)

    def see(self, message: Message) -> Told | None:
        """What a message tells, None where that is nothing new."""
        start, headers = message.start, message.headers
        call_id, sequence = message.call_id, message.sequence
        if not call_id or not sequence:
            return None
        match message.is_received, bool(_AGREED.match(start)), bool(_ASKED.match(start)):
            case True, True, _ if call_id in self._ours and sequence.endswith("INVITE"):
                return self._answered(call_id, headers)
            case True, _, True:
                self._ask(call_id, sequence, headers)
            case False, True, _:
                return self._agree(call_id, sequence)
            case False, _, True if call_id not in self._ours:
                _keep(self._ours, call_id, False)
        return None

    def _answered(self, call_id: str, headers: Mapping[str, str]) -> Told | None:
        """The other side agrees to our call, or to a request of ours within it."""
        _keep(self._ours, call_id, True)
        if call_id not in self._remote:
            _keep(self._remote, call_id, _address(headers.get("to", "")))
        number = _asserted(headers)
        return None if number is None else Told(call_id, number)

    def _ask(self, call_id: str, sequence: str, headers: Mapping[str, str]) -> None:
        """Somebody calls us, or asks for something within a call."""
        sender, number = _address(headers.get("from", "")), None
        if _TAG.search(headers.get("to", "")):  # else it is a new call, whose caller is known
            number = _asserted(headers)
            if number is None and self._remote.get(call_id, sender) != sender:
                number = number_in(headers.get("from", "")) or ""
        _keep(self._asked, (call_id, sequence), _Request(sender, number))

    def _agree(self, call_id: str, sequence: str) -> Told | None:
        """We agree to what was asked."""
        request = self._asked.pop((call_id, sequence), None)
        if request is None:
            return None
        _keep(self._remote, call_id, request.sender)
        return None if request.number is None else Told(call_id, request.number)


def is_same(number: str, other: str) -> bool:
    """Whether two numbers, as exchanges write them, are one."""
    if number == other or (number.startswith("+") and other.startswith("+")):
        return number == other
    shorter, longer = sorted((number.lstrip("+0"), other.lstrip("+0")), key=len)
    return len(shorter) >= COMPARED_DIGITS and longer.endswith(shorter)


def _asserted(headers: Mapping[str, str]) -> str | None:
    """Whom the exchange vouches for, "" where it withholds that, None where it tells nobody."""
    header = headers.get("p-asserted-identity") or headers.get("remote-party-id")
    if header is None:
        return None
    is_private = "id" in headers.get("privacy", "") or "privacy=full" in header.lower()
    return "" if is_private else number_in(header) or ""


def _address(header: str) -> str:
    return _TAG.split(header)[0].strip().lower()


def _keep(kept: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > MOST:
        kept.popitem(last=False)
