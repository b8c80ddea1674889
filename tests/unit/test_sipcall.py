"""Where the frames of a telephone are placed, and what of them is nobody's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from askfirst.clock import LoopClock, run_virtual
from askfirst.model import FRAME_BYTES, FRAME_MS
from askfirst.ports import CallEventKind, EndCause
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.phoneleg import HANDLED_MS
from askfirst.telephony.progress import SILENCE, ringback
from askfirst.telephony.sipprovider import SipCall, addressed
from askfirst.telephony.siptrunk import BUFFERED_MS, Trunk

PCM = bytes([1]) * FRAME_BYTES


class Link:
    """What a call asks of its process, kept."""

    def __init__(self) -> None:
        self.trunk = Trunk(server="pbx.example", ring=5, longest_hold=30)
        self.told: list[str] = []
        self.sent: list[bytes] = []

    async def place(self, uri: str, headers: Mapping[str, str], listener: object) -> int:
        return 1

    def tell(self, call: int, do: str, **more: object) -> None:
        self.told.append(do)

    def beat_ms(self) -> int:
        return LoopClock().now_ms() + FRAME_MS

    def send(self, call: int, pcm: bytes) -> None:
        self.sent.append(pcm)


class Stage:
    """A call without a telephone, on a virtual clock."""

    def __init__(self) -> None:
        self.clock, self.link, self.leg = LoopClock(), Link(), MemoryLeg()
        self.call = SipCall(self.clock, self.link, "+4748750103")  # type: ignore[arg-type]  # what it uses of a link

    async def answered(self) -> None:
        await self.call.begin("sip:+4748750103@pbx.example", {}, self.leg)
        self.say("ringing")
        self.say("answered")

    def say(self, event: str, **more: Any) -> None:
        self.call.contact.on_event({"event": event, **more})

    def hear(self, ago_ms: int = 0) -> None:
        """A frame that began so long before the last 20 ms."""
        self.call.contact.on_sound(self.clock.now_ms() - FRAME_MS - ago_ms, PCM)

    async def wait(self, ms: int) -> None:
        await self.clock.sleep_until(self.clock.now_ms() + ms)

    async def starts(self, leg: str) -> list[int]:
        await self.call.hangup()
        return [frame.start_ms async for frame in self.call.frames() if frame.leg == leg]


def test_what_came_before_the_answer_is_heard_by_the_agent_and_kept_by_nobody() -> None:
    async def main() -> tuple[list[int], list[bytes]]:
        stage = Stage()
        await stage.call.begin("sip:+4748750103@pbx.example", {}, stage.leg)
        stage.say("ringing")
        stage.hear()
        await stage.wait(40)
        early = list(stage.leg.heard)
        stage.say("answered")
        stage.hear()
        return await stage.starts("contact"), early

    starts, early = run_virtual(main())
    assert PCM in early
    assert starts == []  # it may be as old as the stack's buffers allow


def test_a_frame_counts_as_old_as_it_can_be() -> None:
    async def main() -> list[int]:
        stage = Stage()
        await stage.answered()
        await stage.wait(1_000)
        stage.hear()
        return await stage.starts("contact")

    (start_ms,) = run_virtual(main())
    assert abs(start_ms - (1_000 - FRAME_MS - BUFFERED_MS - HANDLED_MS)) <= 2


def test_on_hold_and_just_after_it_nothing_of_the_contact_is_kept() -> None:
    async def main() -> tuple[list[int], list[str]]:
        stage = Stage()
        await stage.answered()
        await stage.wait(1_000)
        await stage.call.hold()
        stage.hear()
        await stage.wait(1_000)
        await stage.call.resume()
        stage.hear()  # may have been said before the resume
        return await stage.starts("contact"), stage.link.told

    starts, told = run_virtual(main())
    assert starts == []
    assert told == ["flush", "hold", "resume", "hangup"]


def test_the_other_sides_hold_is_told_and_keeps_out_what_sounds_meanwhile() -> None:
    async def main() -> tuple[list[int], list[CallEventKind]]:
        stage = Stage()
        await stage.answered()
        await stage.wait(1_000)
        stage.say("held")
        stage.say("held")
        stage.hear()
        stage.say("resumed")
        starts = await stage.starts("contact")
        return starts, [event.kind async for event in stage.call.events()]

    starts, kinds = run_virtual(main())
    assert starts == []
    assert kinds == [
        CallEventKind.RINGING,
        CallEventKind.ANSWERED,
        CallEventKind.HELD_BY_PEER,
        CallEventKind.RESUMED_BY_PEER,
        CallEventKind.ENDED,
    ]


def test_a_call_that_is_held_too_long_ends() -> None:
    async def main() -> EndCause | None:
        stage = Stage()
        await stage.answered()
        await stage.call.hold()
        return [event async for event in stage.call.events()][-1].cause

    assert run_virtual(main()) is EndCause.MEDIA_TIMEOUT


def test_a_call_that_nobody_takes_ends_by_itself_and_says_whether_it_rang() -> None:
    async def cause(rings: bool) -> EndCause | None:
        stage = Stage()
        await stage.call.begin("sip:+4748750103@pbx.example", {}, stage.leg)
        if rings:
            stage.say("ringing")
        return [event async for event in stage.call.events()][-1].cause

    assert run_virtual(cause(rings=True)) is EndCause.NO_ANSWER
    assert run_virtual(cause(rings=False)) is EndCause.UNREACHABLE


def test_a_prompt_that_is_stopped_on_its_way_out_was_not_played() -> None:
    async def main() -> bool:
        stage = Stage()
        await stage.answered()
        await stage.wait(100)
        playing = asyncio.create_task(stage.call.play("contact", [PCM] * 5))
        await stage.wait(150)  # the last frame is sent, and not heard yet
        await stage.call.stop_playing()
        played = await playing
        await stage.call.hangup()
        return played

    assert run_virtual(main()) is False


def test_a_muted_agent_is_silent_on_the_line_and_in_the_frames() -> None:
    async def main() -> tuple[list[bytes], list[bytes]]:
        stage = Stage()
        await stage.answered()
        await stage.wait(100)
        stage.call.mute(on=True)
        await stage.leg.speak(stage.clock, [PCM] * 20)
        await stage.wait(20)
        await stage.call.hangup()
        frames = [frame.pcm async for frame in stage.call.frames() if frame.leg == "agent"]
        return frames, stage.link.sent

    frames, sent = run_virtual(main())
    assert len(frames) == 20
    assert PCM not in frames
    assert PCM not in sent


def test_the_end_of_the_process_is_the_end_of_the_call() -> None:
    async def main() -> EndCause | None:
        stage = Stage()
        await stage.answered()
        stage.call.contact.on_lost()
        stage.say("answered")
        return [event async for event in stage.call.events()][-1].cause

    assert run_virtual(main()) is EndCause.PROVIDER_ERROR


def test_an_agent_whose_leg_is_gone_for_good_hangs_up() -> None:
    async def main() -> tuple[EndCause | None, list[str]]:
        stage = Stage()
        await stage.answered()
        await stage.leg.close()
        cause = [event async for event in stage.call.events()][-1].cause
        return cause, stage.link.told

    assert run_virtual(main()) == (EndCause.LOCAL_HANGUP, ["hangup"])


def test_an_agent_hears_it_ring_until_the_exchange_sends_a_tone_of_its_own() -> None:
    async def main() -> tuple[list[bytes], list[bytes], list[bytes]]:
        stage = Stage()
        await stage.call.begin("sip:+4748750103@pbx.example", {}, stage.leg)
        await stage.wait(60)
        before = list(stage.leg.heard)
        stage.say("ringing")
        await stage.wait(60)
        ringing = list(stage.leg.heard)
        stage.hear()
        await stage.wait(60)
        early = list(stage.leg.heard)
        await stage.call.hangup()
        return before, ringing, early

    before, ringing, early = run_virtual(main())
    assert set(before) == {SILENCE}
    assert set(ringing) <= set(ringback()) - {SILENCE}
    assert PCM in early
    assert not set(early) & (set(ringback()) - {SILENCE})


def test_a_part_of_a_call_that_fails_ends_the_call() -> None:
    async def main() -> tuple[EndCause | None, list[str]]:
        stage = Stage()
        stage.leg.play = None  # type: ignore[method-assign,assignment]  # what it hears breaks it
        await stage.answered()
        cause = [event async for event in stage.call.events()][-1].cause
        return cause, stage.link.told

    assert run_virtual(main()) == (EndCause.PROVIDER_ERROR, ["hangup"])


def others(*identities: str, at_the_answer: str | None = None) -> list[str | None]:
    """Who else is said to be there, in a call to +4748750103 whose exchange tells these."""

    async def main() -> list[str | None]:
        stage = Stage()
        await stage.call.begin("sip:+4748750103@pbx.example", {}, stage.leg)
        if at_the_answer is not None:
            stage.say("identity", number=at_the_answer)
        stage.say("answered")
        for identity in identities:
            stage.say("identity", number=identity)
        await stage.call.hangup()
        events = [event async for event in stage.call.events()]
        return [event.number for event in events if event.kind is CallEventKind.JOINED]

    return run_virtual(main())


def test_somebody_else_who_answers_is_one_more_person() -> None:
    assert others(at_the_answer="+4722222222") == ["+4722222222"]
    assert others(at_the_answer="+4748750103") == []


def test_an_exchange_with_numbers_of_its_own_does_not_say_who_answers() -> None:
    assert others(at_the_answer="103") == []
    assert others("103", at_the_answer="103") == []
    assert others("104", at_the_answer="103") == [None]


def test_another_number_in_the_call_is_somebody_else_and_so_is_a_withheld_one() -> None:
    assert others("+4722222222", "+4722222222", "+4733333333") == ["+4722222222", "+4733333333"]
    assert others("") == [None]
    assert others("", "+4748750103") == [None, "+4748750103"]


def test_the_same_number_in_another_way_of_writing_is_the_same_person() -> None:
    assert others("+4748750103", "48750103", "004748750103") == []


def test_whoever_was_there_before_is_somebody_else_when_they_come_back() -> None:
    assert others("+4722222222", "+4748750103") == ["+4722222222", "+4748750103"]


def test_the_number_that_is_chosen_is_shown_instead_of_the_trunks() -> None:
    trunk = Trunk(server="pbx.example", caller_id="+4721000000")
    name = "P-Asserted-Identity"
    assert addressed(trunk, "+4748750103")[1] == {name: "<sip:+4721000000@pbx.example>"}
    chosen = addressed(trunk, "+4748750103", "+4721000001")
    assert chosen[1] == {name: "<sip:+4721000001@pbx.example>"}
    assert addressed(Trunk(server="pbx.example"), "+4748750103")[1] == {}
