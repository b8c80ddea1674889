"""A desk's reception without an exchange: callers and phones that do what a test tells them to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

from askfirst.clock import LoopClock, run_virtual
from askfirst.errors import Refused
from askfirst.model import FRAME_BYTES, FRAME_MS, Frame
from askfirst.ports import (
    AgentLeg,
    CallEvent,
    CallEventKind,
    Consultation,
    ConsultationStage,
    EndCause,
    TelephonyCapabilities,
)
from askfirst.server.accounts import User
from askfirst.server.desk import Desk
from askfirst.server.node import Node
from askfirst.server.offer import Offer
from askfirst.server.reception import Reception
from askfirst.telephony.conversation import Sentence
from askfirst.telephony.progress import Log

NEW_YORK = "+12125550143"
"""With an agent in Texas, nobody has to be told or asked."""


async def rings(reception: Reception[Any, Any], user: User) -> str:
    """Wait until something rings at an open phone; gives its id."""
    async with aclosing(reception.following(user)) as states:
        async for shown in states:
            if shown["ringing"]:
                return str(shown["ringing"][0]["id"])
    raise AssertionError("nothing rang")


async def is_quiet(reception: Reception[Any, Any], user: User) -> None:
    """Wait until nothing rings at an open phone."""
    async with aclosing(reception.following(user)) as states:
        async for shown in states:
            if not shown["ringing"]:
                return


@asynccontextmanager
async def open_phone(reception: Reception[Any, Any], user: User) -> AsyncIterator[None]:
    """A phone of somebody that is open until the end of the block."""
    async with aclosing(reception.following(user)) as states:
        await anext(states)
        yield


class Caller:
    """A call from outside, acted out."""

    agent_leg, contact_leg = "agent", "contact"

    def __init__(self, caller: str = NEW_YORK, called: str = "") -> None:
        self.caller, self.called = caller, called
        self.log: Log[CallEvent] = Log()
        self.sound: Log[Frame] = Log()
        self.was_declined = False
        self.hears = False  # whether announcements are played to their end
        self.played: list[int] = []
        self.consultation: Consultation | None = None
        self.added: list[str] = []
        self.is_full = False
        self.on_connect: Callable[[], Any] = lambda: None
        self.at_connection: Any = None
        self.is_over = self.was_taken = False
        self.taken_ms = 0
        self.log.add(CallEvent(CallEventKind.RINGING, -1, "contact"))

    async def take(self, leg: AgentLeg) -> None:
        if self.is_over:
            raise Refused("the caller has hung up")
        self.was_taken = True
        self.taken_ms = LoopClock().now_ms()
        self.log.add(CallEvent(CallEventKind.ANSWERED, 0, "contact"))

    def speak(self, at_ms: int) -> None:
        self.sound.add(Frame("contact", at_ms, bytes([3]) * FRAME_BYTES))

    async def speak_for(self, ms: int) -> None:
        """Speak from now on for so long."""
        clock = LoopClock()
        for _ in range(ms // FRAME_MS):
            if self.is_over:
                return
            self.speak(clock.now_ms() - self.taken_ms)
            await clock.sleep_until(clock.now_ms() + FRAME_MS)

    def press(self, digit: str) -> None:
        self.log.add(CallEvent(CallEventKind.DTMF, 1, "contact", digit=digit))

    def decline(self) -> None:
        if self.was_taken:
            return
        self.was_declined = True
        self.end(EndCause.DECLINED)

    def end(self, cause: EndCause = EndCause.REMOTE_HANGUP) -> None:
        if not self.is_over:
            self.is_over = True
            self.log.add(CallEvent(CallEventKind.ENDED, 1, "contact", cause=cause))
            self.log.close()
            self.sound.close()

    def events(self) -> AsyncIterator[CallEvent]:
        return self.log.read()

    def frames(self) -> AsyncIterator[Frame]:
        return self.sound.read()

    async def hangup(self) -> None:
        self.end(EndCause.LOCAL_HANGUP)

    async def play(self, leg: str, prompt: Sequence[bytes]) -> bool:
        self.played.append(len(prompt))
        clock = LoopClock()
        await clock.sleep_until(clock.now_ms() + len(prompt) * FRAME_MS)
        return self.hears and not self.is_over

    async def stop_playing(self) -> None: ...
    async def send_dtmf(self, leg: str, digits: str) -> None: ...
    async def hold(self) -> None: ...
    async def resume(self) -> None: ...
    def mute(self, on: bool) -> None: ...

    # Somebody beside the call: a test answers for them with `answer_beside` and `fail_beside`.

    def answer_beside(self) -> None:
        assert self.consultation is not None
        self.consultation = replace(self.consultation, stage=ConsultationStage.TALKING)

    def fail_beside(self, cause: EndCause) -> None:
        assert self.consultation is not None
        self.consultation = replace(self.consultation, stage=ConsultationStage.OVER, cause=cause)

    async def consult(self, number: str) -> None:
        if self.is_full:
            raise Refused("all 1 lines are busy; try again in a moment")
        self.consultation = Consultation(number, ConsultationStage.CALLING)

    def beside_leg(self) -> str:
        if self.consultation is None or self.consultation.stage is not ConsultationStage.TALKING:
            raise Refused("nobody is there to be brought in; wait for the answer")
        return f"contact-{len(self.added) + 2}"

    def connect(self) -> None:
        self.added.append(self.beside_leg())
        self.at_connection = self.on_connect()
        self.consultation = None

    async def dismiss(self) -> None:
        self.consultation = None

    async def transfer(self, number: str | None = None) -> None:
        if number is None:
            self.beside_leg()
        to = number or (self.consultation.number if self.consultation else "")
        self.consultation = Consultation(to, ConsultationStage.TRANSFERRING)

    def drop(self, leg: str) -> None:
        self.log.add(CallEvent(CallEventKind.LEFT, 1, leg))

    def sentences(self) -> tuple[Sentence, ...]:
        return ()

    async def say(self, id: str) -> bool:
        return False


class Exchange:
    """A provider that calls nobody."""

    name = "sip"
    capabilities = TelephonyCapabilities(
        separate_legs=True, records_elsewhere=False, capture_lag_ms=0, dtmf=True, early_media=False
    )

    def __init__(self) -> None:
        self.on_call: Callable[[Any], bool] = lambda _: False

    async def dial(self, number: str, leg: AgentLeg, caller_id: str | None = None) -> Any:
        raise AssertionError("nobody is called here")

    def shows(self, number: str) -> bool:
        """No number is its own."""
        return False

    async def close(self) -> None: ...


class House:
    """A desk with its reception, at which callers call."""

    def __init__(self, node: Node) -> None:
        self.clock = LoopClock()
        self.desk = Desk(node, self.clock, outside=Exchange())
        self.reception = Reception(self.desk)
        self.desk.on_offer = self._offer

    def _offer(self, offer: Offer) -> bool:
        return self.reception.offer(offer, offer.to, offer.name, offer.by_name)

    def call(self, caller: str = NEW_YORK, called: str = "") -> Caller:
        line = Caller(caller, called)
        assert self.reception.arrive(line)
        return line

    async def rings(self, user: User) -> str:
        return await rings(self.reception, user)

    def open_phone(self, user: User) -> AbstractAsyncContextManager[None]:
        return open_phone(self.reception, user)


def played(node: Node, scenario: Callable[[House], Awaitable[Any]]) -> Any:
    """What a scenario at a house gives, on a virtual clock."""

    async def play() -> Any:
        house = House(node)
        try:
            return await scenario(house)
        finally:
            await house.reception.close()
            await house.desk.close()

    return run_virtual(play())
