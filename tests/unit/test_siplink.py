"""The end of the pipe that tells calls what the SIP process says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from askfirst.clock import LoopClock
from askfirst.errors import PeerError
from askfirst.model import FRAME_BYTES
from askfirst.telephony.siplink import SipLink
from askfirst.telephony.siptrunk import Trunk
from askfirst.telephony.sipwire import Sound


class Call:
    """A call that keeps what it is told, or fails at it."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.told: list[object] = []

    def on_event(self, event: Mapping[str, Any]) -> None:
        self.told.append(event["event"])
        if self.fails:
            raise ValueError("a fault of the program")

    def on_sound(self, heard_ms: int, pcm: bytes) -> None:
        self.told.append(pcm[0])

    def on_lost(self) -> None:
        self.told.append("lost")


class Unstarted(SipLink):
    """A link without a process; `asked` is what it would have been asked for."""

    def __init__(self) -> None:
        super().__init__(LoopClock(), Trunk(server="pbx.example"))
        self.asked: list[tuple[int, str]] = []

    async def _supervise(self) -> None:
        await asyncio.Event().wait()

    def tell(self, call: int, do: str, **more: object) -> None:
        self.asked.append((call, do))


def heard(*messages: Any, **calls: Call) -> Unstarted:
    """A link after its process has said these, with calls by their numbers ``c1``, ``c2``."""

    async def main() -> Unstarted:
        link = Unstarted()
        link._listeners.update({int(name[1:]): call for name, call in calls.items()})
        try:
            for message in messages:
                link._hear(message)
        finally:
            await link.close()
        return link

    return asyncio.run(main())


def test_each_call_is_told_its_own_until_it_has_ended() -> None:
    first, second = Call(), Call()
    link = heard(
        {"event": "ringing", "call": 1},
        [Sound(2, 7, bytes([7] * FRAME_BYTES)), Sound(5, 7, bytes(FRAME_BYTES))],
        {"event": "ended", "call": 1},
        {"event": "ringing", "call": 1},
        [Sound(3, 9, bytes(FRAME_BYTES))],
        c1=first,
        c2=second,
    )
    assert (first.told, second.told) == (["ringing", "ended"], [7])
    assert link.calls == 1


def test_a_call_that_fails_at_what_it_is_told_ends_alone() -> None:
    first, second = Call(fails=True), Call()
    link = heard(
        {"event": "answered", "call": 1},
        {"event": "dtmf", "call": 1},
        {"event": "answered", "call": 2},
        c1=first,
        c2=second,
    )
    assert first.told == ["answered", "lost"]
    assert second.told == ["answered"]
    assert link.asked == [(1, "hangup")]


@pytest.mark.parametrize("message", [{}, {"event": 1}, {"event": "ringing"}, {"event": "trunk"}])
def test_what_the_process_never_says_ends_the_pipe(message: dict[str, object]) -> None:
    with pytest.raises(PeerError):
        heard(message)
