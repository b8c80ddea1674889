"""Conversations on the virtual clock, and agents who carry them by voice or by choosing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.callees import callee

from askfirst.audio.mixing import in_frames, to_pcm
from askfirst.audio.tone import tone
from askfirst.clock import LoopClock, run_virtual
from askfirst.model import FRAME_BYTES, FRAME_MS, Frame
from askfirst.ports import CallEvent, CallEventKind, EndCause
from askfirst.telephony.conversation import (
    Conversation,
    ConversationProvider,
)
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.persona import (
    Persona,
    StepKind,
    audio_frames,
    by_number,
)

NUMBER = "+4748750101"
SILENCE = bytes(FRAME_BYTES)
SAY = 'say="contact"\naudio="contact.wav"'
ASK = 'say="agent"\naudio="agent.wav"\ntext="Hello."'

ANNOUNCED: dict[str, set[int]] = {
    "agrees": set(),
    "presses-one": {1},
    "refuses": {1},
    "told": {0},
    "moves": {1, 5},
    "notice-inside": {1},
    "withdraws": {1},
    "not-told": set(),
}
"""After which turns of the agent the account announces, for each persona of the demonstration."""

KEYS = {"presses-one": "1", "refuses": "2", "moves": "11", "withdraws": "1"}


def voice(ms: int, pitch: int = 700) -> list[bytes]:
    return in_frames(to_pcm(tone((pitch,), ms, -20.0)))


def persona(folder: Path, *steps: str) -> Persona:
    """A callee whose agent sits in Norway."""
    return callee(folder, *steps, number=NUMBER, agent="NO")


@dataclass
class Seen:
    """A conversation as its user saw it: `arrivals` are (call time, frame)."""

    events: list[CallEvent] = field(default_factory=list)
    arrivals: list[tuple[int, Frame]] = field(default_factory=list)
    contact_spoke_ms: int = -(10**9)

    def take(self, at_ms: int, frame: Frame) -> None:
        self.arrivals.append((at_ms, frame))
        if frame.leg == "contact" and frame.start_ms >= 0 and any(frame.pcm):
            self.contact_spoke_ms = frame.start_ms

    def frames(self, leg: str) -> list[Frame]:
        return [frame for _, frame in self.arrivals if frame.leg == leg]

    def sounds(self, leg: str) -> list[int]:
        """Starts of the leg's frames with sound after the answer."""
        return [f.start_ms for f in self.frames(leg) if any(f.pcm) and f.start_ms >= 0]

    def times(self, kind: CallEventKind) -> list[int]:
        return [event.at_ms for event in self.events if event.kind is kind]

    @property
    def keys(self) -> str:
        return "".join(event.digit or "" for event in self.events)

    @property
    def cause(self) -> EndCause | None:
        return self.events[-1].cause


@dataclass
class Talk:
    """One conversation and the agent in it."""

    call: Conversation
    leg: MemoryLeg
    seen: Seen
    clock: LoopClock = field(default_factory=LoopClock)
    answer_ms: int = 0

    @property
    def is_over(self) -> bool:
        return bool(self.seen.events) and self.seen.events[-1].kind is CallEventKind.ENDED

    @property
    def now_ms(self) -> int:
        return self.clock.now_ms() - self.answer_ms

    async def at(self, ms: int) -> None:
        await self.clock.sleep_until(self.answer_ms + ms)

    async def later(self, ms: int) -> None:
        await self.clock.sleep_until(self.clock.now_ms() + ms)

    async def reply(self, within_ms: int = 3_000) -> None:
        """Until the contact has spoken and stopped, or has not within the time."""
        seen, before_ms = self.seen, self.seen.contact_spoke_ms
        latest_ms = self.now_ms + within_ms
        while not self.is_over and self.now_ms < latest_ms and seen.contact_spoke_ms == before_ms:
            await self.later(100)
        while not self.is_over and self.now_ms - seen.contact_spoke_ms < 1_000:
            await self.later(100)


Act = Callable[[Talk], Awaitable[None]]


async def nothing(talk: Talk) -> None:
    """Leave the call alone."""


async def converse(callee: Persona, act: Act, leg: MemoryLeg | None = None) -> Seen:
    provider = ConversationProvider(LoopClock(), by_number({callee.name: callee}))
    leg = leg or MemoryLeg(keeps_all=True)
    talk = Talk(await provider.dial(callee.number, leg), leg, Seen())
    answered = asyncio.Event()

    async def listen() -> None:
        async for event in talk.call.events():
            talk.seen.events.append(event)
            if event.kind is CallEventKind.ANSWERED:
                talk.answer_ms = talk.clock.now_ms()
                answered.set()
        answered.set()

    async def hear() -> None:
        async for frame in talk.call.frames():
            talk.seen.take(talk.now_ms, frame)

    async with asyncio.TaskGroup() as group:
        group.create_task(listen())
        group.create_task(hear())
        await answered.wait()
        await act(talk)
    return talk.seen


def run(callee: Persona, act: Act, leg: MemoryLeg | None = None) -> Seen:
    return run_virtual(converse(callee, act, leg))


def by_voice(announced: set[int]) -> Act:
    async def act(talk: Talk) -> None:
        turns = 0
        while not talk.is_over:
            if turns in announced:
                await talk.call.play("contact", voice(1_000, 1_100))
            await talk.reply()
            await talk.leg.speak(talk.clock, voice(600))
            turns += 1

    return act


def by_sentences(announced: set[int]) -> Act:
    async def act(talk: Talk) -> None:
        turns = 0
        while not talk.is_over:
            if turns in announced:
                await talk.call.play("contact", voice(1_000, 1_100))
                announced.discard(turns)
            await talk.later(1_000)
            for sentence in talk.call.sentences()[:1]:
                assert await talk.call.say(sentence.id)
                turns += 1

    return act


def lines_said(callee: Persona, seen: Seen, speaker: str) -> list[str]:
    """Texts of the speaker's lines in the order in which they sounded, each whole."""
    lines = [
        (step.text, audio_frames(step.audio))
        for step in callee.steps
        if step.kind is StepKind.SAY and step.value == speaker and step.audio is not None
    ]
    sound = [frame.pcm for frame in seen.frames(speaker) if frame.start_ms >= 0]
    said, at = [], 0
    while at < len(sound):
        length = 1
        for text, frames in lines:
            if tuple(sound[at : at + len(frames)]) == frames:
                said.append(text)
                length = len(frames)
        at += length
    return said


def lines_of(callee: Persona, speaker: str) -> list[str]:
    return [
        step.text for step in callee.steps if step.kind is StepKind.SAY and step.value == speaker
    ]


def is_sound(seen: Seen) -> bool:
    """Whether every frame is whole and every leg's times only grow, each after its capture."""
    whole = all(len(frame.pcm) == FRAME_BYTES for _, frame in seen.arrivals)
    true = all(at >= f.start_ms + FRAME_MS for at, f in seen.arrivals if f.start_ms >= 0)
    legs = {frame.leg for _, frame in seen.arrivals}
    times = [[frame.start_ms for frame in seen.frames(leg)] for leg in legs]
    return whole and true and all(t == sorted(set(t)) for t in times)
