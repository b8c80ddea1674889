"""The order of what is heard of one call at Twilio: repeated, late and mixed events put right.

Events of a call are numbered from 0 and come in any order, some more than once (Twilio, Call
status callbacks). What comes before its turn waits for what is missing; who owns the clock says
when that is given up. What a later event has made void is dropped. Nothing here knows a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

OVER = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
"""States of a call after which nothing comes."""

MOST_WAITING = 32
"""Events of one call that may wait; with more, what is missing is given up at once."""

Event = TypeVar("Event")


@dataclass(frozen=True, slots=True)
class Turn(Generic[Event]):
    """What is to be done now: events to hand on, in this order, and events that are void."""

    ready: tuple[Event, ...] = ()
    void: tuple[Event, ...] = ()


@dataclass(slots=True)
class CallOrder(Generic[Event]):
    """One call: the highest number that was handed on (-1: none), and whether the call is over."""

    last: int = -1
    is_over: bool = False
    _waiting: dict[int, tuple[str, Event]] = field(default_factory=dict)

    @property
    def waits(self) -> bool:
        """Whether events wait for one that is missing."""
        return bool(self._waiting)

    def take(self, number: int, status: str, event: Event) -> Turn[Event]:
        """An event that has come."""
        if self.is_over or number <= self.last or number in self._waiting:
            return Turn(void=(event,))
        self._waiting[number] = status, event
        if len(self._waiting) > MOST_WAITING:
            return self.give_up()
        return self._hand_on(only_next=True)

    def give_up(self) -> Turn[Event]:
        """No longer wait for what is missing; should it come, it is void."""
        return self._hand_on(only_next=False)

    def _hand_on(self, *, only_next: bool) -> Turn[Event]:
        ready: list[Event] = []
        for number in sorted(self._waiting):
            if self.is_over or (only_next and number != self.last + 1):
                break
            status, event = self._waiting.pop(number)
            ready.append(event)
            self.last, self.is_over = number, status in OVER
        void: list[Event] = []
        if self.is_over:
            void = [event for _, event in self._waiting.values()]
            self._waiting.clear()
        return Turn(tuple(ready), tuple(void))


KEPT_FIELDS = frozenset(
    {
        "AnsweredBy",
        "ApiVersion",
        "CallDuration",
        "CallSid",
        "CallStatus",
        "CallbackSource",
        "DialCallDuration",
        "DialCallSid",
        "DialCallStatus",
        "Direction",
        "Duration",
        "ErrorCode",
        "ParentCallSid",
        "RecordingChannels",
        "RecordingDuration",
        "RecordingSid",
        "RecordingSource",
        "RecordingStatus",
        "RecordingTrack",
        "SequenceNumber",
        "SipResponseCode",
        "StreamEvent",
        "StreamSid",
        "Timestamp",
        "TranscriptionEvent",
        "TranscriptionSid",
    }
)
"""What is kept of an event and handed on: ids, states and codes; no number, address or key."""


def kept(fields: Mapping[str, str]) -> dict[str, str]:
    """The fields of an event that may be kept."""
    return {name: value[:80] for name, value in fields.items() if name in KEPT_FIELDS}
