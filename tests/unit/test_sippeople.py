"""Telephones that are added to a call, or to which it is handed on: who hears whom, and what of it
is anybody's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.clock import LoopClock, run_virtual
from askfirst.errors import InvalidInput, Refused, Unavailable
from askfirst.model import FRAME_BYTES, FRAME_MS, Frame
from askfirst.ports import CallEvent, CallEventKind, ConsultationStage, EndCause
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.sipleg import SipLeg
from askfirst.telephony.sipprovider import SipCall
from askfirst.telephony.siptrunk import BUFFERED_MS, TRANSFERRED, Trunk

FIRST, SECOND, THIRD = "+4748750103", "+493023125018", "+16285550142"
AGENT, CONTACT, ADDED, LAST = 1, 10, 100, 1_000
"""What each of them says, as samples that can be told apart in a sum."""

BUSY = "486 Busy Here"


def saying(value: int) -> bytes:
    return np.full(FRAME_BYTES // 2, value, dtype="<i2").tobytes()


def of(pcm: bytes) -> int:
    """What is said in 20 ms, by the sum of everybody's samples."""
    (value,) = set(np.frombuffer(pcm, dtype="<i2").tolist())
    return int(value)


class Link:
    """A process that carries calls, acted out; calls are counted from 1."""

    def __init__(self) -> None:
        self.trunk = Trunk(server="pbx.example", ring=5, longest_hold=30)
        self.legs: list[SipLeg] = []
        self.told: list[tuple[int, str, Mapping[str, object]]] = []
        self.sent: list[tuple[int, int]] = []
        self.is_down = False

    async def place(self, uri: str, headers: Mapping[str, str], listener: SipLeg) -> int:
        await asyncio.sleep(0)
        if self.is_down:
            raise Unavailable("the process that speaks SIP does not start; see the log")
        self.legs.append(listener)
        return len(self.legs)

    def tell(self, call: int, do: str, **more: object) -> None:
        self.told.append((call, do, more))

    def beat_ms(self) -> int:
        return LoopClock().now_ms() + FRAME_MS

    def send(self, call: int, pcm: bytes) -> None:
        self.sent.append((call, of(pcm)))


class Stage:
    """A call whose telephones do what a test tells them to, on a virtual clock."""

    def __init__(self) -> None:
        self.clock, self.link, self.leg = LoopClock(), Link(), MemoryLeg(keeps_all=True)
        self.call = SipCall(self.clock, self.link, FIRST)  # type: ignore[arg-type]  # what it uses of a link

    async def answered(self) -> None:
        await self.call.begin(f"sip:{FIRST}@pbx.example", {}, self.leg)
        self.says(1, "ringing")
        self.says(1, "answered")
        await self.wait(1_000)

    async def talking_to(self, number: str) -> None:
        """Somebody called beside the call has answered."""
        await self.call.consult(number)
        self.says(len(self.link.legs), "answered")

    async def with_added(self, number: str = SECOND) -> None:
        """Somebody was brought in, and nobody waits."""
        await self.talking_to(number)
        self.call.connect()
        await self.call.resume()
        await self.wait(1_000)

    def says(self, telephone: int, event: str, **more: Any) -> None:
        stats: dict[str, Any] = {"stats": {}} if event == "ended" else {}
        self.link.legs[telephone - 1].on_event({"event": event, **stats, **more})

    def hears(self, telephone: int, value: int) -> None:
        self.link.legs[telephone - 1].on_sound(self.clock.now_ms(), saying(value))

    async def speak(self, ms: int, *voices: int) -> None:
        """The agent and the telephones speak at once, each its own value."""
        for _ in range(ms // FRAME_MS):
            self.leg.feed(saying(AGENT), self.clock.now_ms() - FRAME_MS)
            for telephone, value in enumerate(voices, 1):
                if value:
                    self.hears(telephone, value)
            await self.wait(FRAME_MS)

    async def wait(self, ms: int) -> None:
        await self.clock.sleep_until(self.clock.now_ms() + ms)

    async def frames(self) -> list[Frame]:
        await self.call.hangup()
        return [frame async for frame in self.call.frames()]

    async def events(self) -> list[CallEvent]:
        await self.call.hangup()
        return [event async for event in self.call.events()]

    def standing(self) -> tuple[str, ConsultationStage, EndCause | None]:
        """Whom the agent called beside the call, and how that stands."""
        found = self.call.consultation
        assert found is not None
        return found.number, found.stage, found.cause

    def heard_at(self, telephone: int) -> set[int]:
        return {value for call, value in self.link.sent if call == telephone} - {0}

    def asked(self, telephone: int) -> list[str]:
        return [do for call, do, _ in self.link.told if call == telephone and do != "flush"]


def played(scenario: Coroutine[Any, Any, Any]) -> Any:
    return run_virtual(scenario)


# Who hears whom


def test_each_of_three_hears_the_other_two_and_never_themselves() -> None:
    async def main() -> Stage:
        stage = Stage()
        await stage.answered()
        await stage.with_added()
        stage.link.sent.clear()
        stage.leg.heard.clear()
        await stage.speak(2_000, CONTACT, ADDED)
        await stage.call.hangup()
        return stage

    stage = played(main())
    steady = {1: AGENT + ADDED, 2: AGENT + CONTACT}
    for telephone, sum_of_others in steady.items():
        assert sum_of_others in stage.heard_at(telephone)
        own = CONTACT if telephone == 1 else ADDED
        assert not any(value // own % 10 for value in stage.heard_at(telephone))
    assert CONTACT + ADDED in {of(pcm) for pcm in stage.leg.heard}
    assert not any(of(pcm) % 10 for pcm in stage.leg.heard)


def test_each_person_has_a_leg_of_their_own_on_one_clock() -> None:
    async def main() -> list[Frame]:
        stage = Stage()
        await stage.answered()
        await stage.with_added(SECOND)
        await stage.talking_to(THIRD)
        stage.call.connect()
        await stage.call.resume()
        await stage.wait(1_000)
        await stage.speak(1_000, CONTACT, ADDED, LAST)
        return await stage.frames()

    frames = played(main())
    said = {leg: {of(each.pcm) for each in frames if each.leg == leg} for leg in legs_of(frames)}
    assert said == {
        "agent": {AGENT},
        "contact": {CONTACT},
        "contact-2": {ADDED},
        "contact-3": {LAST},
    }
    starts = {
        leg: min(each.start_ms for each in frames if each.leg == leg and each.start_ms > 1_500)
        for leg in ("contact", "contact-2", "contact-3")
    }
    assert max(starts.values()) - min(starts.values()) <= FRAME_MS


def legs_of(frames: Sequence[Frame]) -> set[str]:
    return {each.leg for each in frames}


def test_beside_the_call_nobody_else_hears_and_nothing_is_anybodys() -> None:
    async def main() -> tuple[Stage, list[Frame]]:
        stage = Stage()
        await stage.answered()
        await stage.talking_to(SECOND)
        stage.link.sent.clear()
        stage.leg.heard.clear()
        await stage.speak(2_000, CONTACT, ADDED)
        return stage, await stage.frames()

    stage, frames = played(main())
    assert stage.heard_at(1) == set()
    assert stage.heard_at(2) == {AGENT}
    assert {of(pcm) for pcm in stage.leg.heard} - {0} == {ADDED}
    assert frames == []


def test_what_was_said_beside_the_call_is_nobodys_after_it_either() -> None:
    async def main() -> list[Frame]:
        stage = Stage()
        await stage.answered()
        await stage.talking_to(SECOND)
        await stage.speak(500, 0, ADDED)
        stage.call.connect()
        await stage.call.resume()
        stage.hears(2, ADDED)  # may have been said before
        return await stage.frames()

    assert played(main()) == []


@given(st.lists(st.sampled_from(["consult", "answer", "connect", "back", "speak"]), max_size=12))
def test_nothing_of_a_telephone_is_anybodys_before_it_is_brought_in(acts: list[str]) -> None:
    async def main() -> tuple[list[Frame], dict[str, int]]:
        stage = Stage()
        await stage.answered()
        brought: dict[str, int] = {"contact": 0}
        for act in acts:
            try:
                match act:
                    case "consult":
                        await stage.call.consult(SECOND)
                    case "answer":
                        stage.says(len(stage.link.legs), "answered")
                    case "connect":
                        leg = stage.call.beside_leg()
                        stage.call.connect()
                        await stage.call.resume()
                        brought[leg] = stage.clock.now_ms() - (stage.call.zero_ms or 0)
                    case "back":
                        await stage.call.dismiss()
                        await stage.call.resume()
                    case "speak":
                        await stage.speak(500, *[CONTACT] * len(stage.link.legs))
            except Refused:
                continue
        return await stage.frames(), brought

    frames, brought = played(main())
    contacts = [each for each in frames if each.leg != "agent"]
    assert all(each.leg in brought for each in contacts)
    assert all(each.start_ms >= brought[each.leg] - BUFFERED_MS for each in contacts)
    assert all(each.start_ms >= brought[each.leg] for each in contacts if each.leg != "contact")


def test_an_announcement_counts_only_where_everybody_can_hear_it() -> None:
    async def main() -> tuple[bool, bool, Stage]:
        stage = Stage()
        await stage.answered()
        await stage.with_added()
        prompt = [saying(7)] * 50
        heard = await stage.call.play("contact", prompt)
        playing = asyncio.create_task(stage.call.play("contact", prompt))
        await stage.wait(200)
        stage.says(2, "held")
        cut = await playing
        assert not await stage.call.play("contact", prompt)  # one of them still waits
        await stage.call.hangup()
        return heard, cut, stage

    heard, cut, stage = played(main())
    assert (heard, cut) == (True, False)
    assert 7 in stage.heard_at(1)
    assert 7 in stage.heard_at(2)


# Coming and going


def test_who_was_added_may_leave_and_the_last_one_ends_the_call() -> None:
    async def main() -> list[CallEvent]:
        stage = Stage()
        await stage.answered()
        await stage.with_added()
        stage.says(1, "ended", text="Connection reset by peer")
        await stage.speak(200, 0, ADDED)
        stage.says(2, "dtmf", digit="1")
        stage.says(2, "ended", text="Connection reset by peer")
        return await stage.events()

    events = played(main())
    assert [(each.kind, each.leg) for each in events[2:]] == [
        (CallEventKind.LEFT, "contact"),
        (CallEventKind.DTMF, "contact-2"),
        (CallEventKind.ENDED, "contact"),
    ]
    assert events[-1].cause is EndCause.REMOTE_HANGUP


def test_somebody_who_is_dropped_leaves_and_nobody_else() -> None:
    async def main() -> tuple[Stage, list[CallEvent]]:
        stage = Stage()
        await stage.answered()
        await stage.with_added()
        stage.call.drop("contact")
        stage.call.drop("nobody")
        stage.call.drop("contact-2")
        stage.says(2, "ended", text="")
        return stage, await stage.events()

    stage, events = played(main())
    assert [each.leg for each in events if each.kind is CallEventKind.LEFT] == ["contact-2"]
    assert stage.asked(2) == ["hangup"]
    assert stage.asked(1) == ["hold", "resume", "hangup"]


def test_the_last_one_who_is_dropped_ends_the_call() -> None:
    async def main() -> list[CallEvent]:
        stage = Stage()
        await stage.answered()
        await stage.with_added()
        stage.says(1, "ended", text="Connection reset by peer")
        stage.call.drop("contact-2")
        return await stage.events()

    events = played(main())
    assert (events[-1].kind, events[-1].cause) == (CallEventKind.ENDED, EndCause.LOCAL_HANGUP)


def test_with_the_call_whoever_is_called_beside_it_is_hung_up_on() -> None:
    async def main() -> Stage:
        stage = Stage()
        await stage.answered()
        await stage.talking_to(SECOND)
        stage.says(1, "ended", text="Connection reset by peer")
        return stage

    assert played(main()).asked(2) == ["hangup"]


@pytest.mark.parametrize(
    ("rings", "cause"), [(True, EndCause.NO_ANSWER), (False, EndCause.UNREACHABLE)]
)
def test_nobody_answers_beside_the_call_and_the_others_still_wait(
    rings: bool, cause: EndCause
) -> None:
    async def main() -> Stage:
        stage = Stage()
        await stage.answered()
        await stage.call.consult(SECOND)
        assert stage.standing() == (SECOND, ConsultationStage.CALLING, None)
        if rings:
            stage.says(2, "ringing")
            assert stage.standing() == (SECOND, ConsultationStage.RINGING, None)
        await stage.wait(5_100)
        assert stage.standing() == (SECOND, ConsultationStage.OVER, cause)
        await stage.call.dismiss()
        assert stage.call.consultation is None
        return stage

    stage = played(main())
    assert stage.asked(1) == ["hold"]
    assert stage.asked(2) == ["hangup"]


def test_who_is_dismissed_before_the_call_was_placed_is_not_left_ringing() -> None:
    async def main() -> Stage:
        stage = Stage()
        await stage.answered()
        calling = asyncio.create_task(stage.call.consult(SECOND))
        await asyncio.sleep(0)
        assert stage.standing() == (SECOND, ConsultationStage.CALLING, None)
        await stage.call.dismiss()
        await calling
        return stage

    assert played(main()).asked(2)[-1] == "hangup"


def test_a_line_that_is_down_adds_nobody() -> None:
    async def main() -> None:
        stage = Stage()
        await stage.answered()
        stage.link.is_down = True
        with pytest.raises(Unavailable):
            await stage.call.consult(SECOND)
        assert stage.call.consultation is None

    played(main())


# Handing on


def test_a_call_is_handed_to_a_number() -> None:
    async def main() -> tuple[Stage, list[CallEvent]]:
        stage = Stage()
        await stage.answered()
        await stage.call.transfer(SECOND)
        assert stage.standing() == (SECOND, ConsultationStage.TRANSFERRING, None)
        stage.says(1, "ended", text=TRANSFERRED)
        return stage, await stage.events()

    stage, events = played(main())
    assert stage.asked(1) == ["hold", "transfer"]
    (uri,) = [more["uri"] for _, do, more in stage.link.told if do == "transfer"]
    assert str(uri).startswith(f"sip:{SECOND}@pbx.example")
    assert events[-1].cause is EndCause.TRANSFERRED


@pytest.mark.parametrize(("text", "cause"), [(BUSY, EndCause.BUSY), ("", EndCause.NO_ANSWER)])
def test_a_call_that_is_not_taken_there_is_still_here(text: str, cause: EndCause) -> None:
    async def main() -> None:
        stage = Stage()
        await stage.answered()
        await stage.call.transfer(SECOND)
        stage.says(1, "not-transferred", text=text)
        assert stage.standing() == (SECOND, ConsultationStage.OVER, cause)
        await stage.call.dismiss()
        await stage.call.resume()
        stage.link.sent.clear()
        await stage.speak(200, CONTACT)
        assert stage.heard_at(1) == {AGENT}

    played(main())


def test_a_call_is_handed_to_who_was_asked_first() -> None:
    async def main() -> tuple[Stage, list[CallEvent]]:
        stage = Stage()
        await stage.answered()
        await stage.talking_to(SECOND)
        await stage.call.transfer()
        stage.says(2, "ended", text="")  # in its place is the contact now
        assert stage.standing() == (SECOND, ConsultationStage.TRANSFERRING, None)
        stage.says(1, "ended", text=TRANSFERRED)
        return stage, await stage.events()

    stage, events = played(main())
    (other,) = [more["other"] for _, do, more in stage.link.told if do == "replace"]
    assert other == 2
    assert events[-1].cause is EndCause.TRANSFERRED


def test_what_cannot_be_is_refused_and_changes_nothing() -> None:
    async def main() -> None:
        stage = Stage()
        await stage.call.begin(f"sip:{FIRST}@pbx.example", {}, stage.leg)
        for early in (
            stage.call.consult(SECOND),
            stage.call.transfer(SECOND),
            stage.call.transfer(),
        ):
            with pytest.raises(Refused):
                await early
        stage.says(1, "answered")
        with pytest.raises(Refused):
            stage.call.connect()
        await stage.call.consult(SECOND)
        with pytest.raises(Refused):
            stage.call.connect()  # nobody has answered there
        for second in (
            stage.call.consult(THIRD),
            stage.call.transfer(THIRD),
            stage.call.transfer(),
        ):
            with pytest.raises(Refused):
                await second
        stage.says(2, "answered")
        stage.call.connect()
        with pytest.raises(Refused):
            await stage.call.transfer(THIRD)
        with pytest.raises(InvalidInput):
            await stage.call.transfer("nobody")
        assert stage.call.consultation is None
        assert len(stage.link.legs) == 2

    played(main())
