"""The process that speaks SIP, at what its library does not tell of by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from baresip import Runtime
from baresip.call import Call, CallState
from baresip.events import Event, StackEvent

from askfirst.telephony.sipworker import CarriedCall, Worker

HANDLE = 7


class Stack:
    """A stack that answers a call before `dial` has returned it."""

    def __init__(self) -> None:
        self.heard: list[Callable[[StackEvent], None]] = []

    def subscribe(self, listener: Callable[[StackEvent], None]) -> None:
        self.heard.append(listener)

    def unsubscribe(self, listener: Callable[[StackEvent], None]) -> None:
        self.heard.remove(listener)

    async def dial(self, uri: str, headers: dict[str, str]) -> Call:
        answered = StackEvent(Event.CALL_ESTABLISHED, HANDLE, call=HANDLE)
        for listener in tuple(self.heard):
            listener(answered)
        runtime: Runtime = self  # what a call uses of it
        return Call(runtime, handle=HANDLE, ua_handle=1, state=CallState.OUTGOING, peer=uri)


class Pipe:
    """Where the worker tells what happens."""

    def __init__(self) -> None:
        self.told: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.told.append(data)


def test_a_call_that_is_answered_at_once_is_known_to_be_so_by_the_library_too() -> None:
    stack, pipe = Stack(), Pipe()
    agent: Any = stack

    async def main() -> CarriedCall:
        worker = Worker(agent, pipe)  # type: ignore[arg-type]  # what it uses of both
        worker._agent = agent
        line = worker._lines[1] = CarriedCall(1)
        await worker._dial(line, "sip:somebody@pbx.example", {})
        await asyncio.gather(*worker._tasks)
        return line

    line = asyncio.run(main())
    assert line.call is not None
    assert line.call.state is CallState.ESTABLISHED  # else it can neither be held nor handed on
    assert [b'"event":"answered"' in each for each in pipe.told] == [True]
