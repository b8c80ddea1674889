"""What a desk needs of those who call telephones for it, and of calls that ring."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from askfirst.errors import InvalidInput
from askfirst.places import is_premium
from askfirst.ports import AgentLeg, CallEvent, TelephonyCapabilities
from askfirst.server.contactcard import standard
from askfirst.server.livecall import Line


class Outside(Protocol):
    """A provider of calls to telephones for agents whose sound is a leg."""

    name: str
    capabilities: TelephonyCapabilities
    on_call: Callable[[Any], bool]
    """Told of each `IncomingLine`; says whether it is to ring."""

    async def dial(self, number: str, leg: AgentLeg, caller_id: str | None = None) -> Line:
        """Start a call; the leg stays the caller's. `caller_id` is a number of ours to show."""
        ...

    def shows(self, number: str) -> bool:
        """Whether a number is one of its own, so that only it can show it to who is called."""
        ...

    async def close(self) -> None:
        """End every call and whatever carries them."""
        ...


class RingingLine(Protocol):
    """A call from outside that rings: who calls, and which of our numbers, "" where untold."""

    caller: str
    called: str

    def events(self) -> AsyncIterator[CallEvent]:
        """Every event in order, from the first one, until it is over."""
        ...

    def decline(self) -> None:
        """Let it ring no longer; nothing happens where it is over or taken."""
        ...

    async def hangup(self) -> None:
        """End it, whether it rings or is taken; safe to call more than once."""
        ...


class IncomingLine(RingingLine, Line, Protocol):
    """A call from outside that an agent can have here."""

    async def take(self, leg: AgentLeg) -> None:
        """Answer it for an agent; raises Refused where it is over or taken."""
        ...


def ensure_dialable(number: str) -> None:
    """Raise InvalidInput for what no telephone is called by from here."""
    if standard(number) != number:
        raise InvalidInput(
            "found no whole telephone number. Write it with + and its country. Emergency and other "
            "short numbers cannot be called from here; use a telephone"
        )
    if is_premium(number):
        raise InvalidInput("found a number whose calls cost extra; those are not called from here")
