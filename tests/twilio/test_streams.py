"""Media streams that are not what they should be: no gate opens, nothing falls over, calls end."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.server import rig
from tests.server.deskrig import has, until
from tests.twilio.lines import OURS, InMemory
from tests.twilio.people import NEW_YORK, causes, office, person

from askfirst.clock import LoopClock, run_virtual
from askfirst.errors import PeerError
from askfirst.model import FRAME_MS, Frame
from askfirst.ports import CallEventKind, EndCause
from askfirst.server.accounts import User
from askfirst.server.node import Node
from askfirst.telephony import twiliostream as wire
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.twilioleg import MOST_GARBAGE
from askfirst.telephony.twilioline import TwilioLine
from askfirst.telephony.twilioprovider import TwilioCall, TwilioProvider

CALL, STREAM = "CA" + "1" * 32, "MZ" + "2" * 32


class Requests:
    """A Twilio that does what it is told, and writes it down."""

    def __init__(self) -> None:
        self.placed: list[str] = []
        self.ended: list[str] = []

    async def place(
        self,
        to: str,
        sender: str,
        twiml: str,
        status_callback: str,
        *,
        ring_s: int = 60,
        longest_s: int = 14_400,
    ) -> str:
        self.placed.append(twiml)
        return CALL

    async def redirect(self, sid: str, twiml: str) -> None: ...

    async def end(self, sid: str) -> None:
        self.ended.append(sid)


@dataclass
class Rig:
    """A call that was dialled, and what Twilio may send."""

    provider: TwilioProvider
    requests: Requests
    call: TwilioCall
    leg: MemoryLeg
    frames: list[Frame] = field(default_factory=list)
    sequence: int = 1

    @property
    def token(self) -> str:
        return self.requests.placed[0].partition('name="token" value="')[2].partition('"')[0]

    def start(self, **changed: Any) -> str:
        start = {
            "callSid": CALL,
            "streamSid": STREAM,
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"token": self.token},
        } | changed
        return json.dumps({"event": "start", "sequenceNumber": "1", "start": start})

    def media(self, at_ms: int, octets: bytes = b"\x20" * 160, sequence: int | None = None) -> str:
        self.sequence += 1
        return sound(sequence or self.sequence, at_ms, octets)

    async def open(self) -> InMemory:
        """A stream that has begun."""
        theirs = InMemory()
        task = asyncio.create_task(self.provider.stream(theirs.other))
        task.add_done_callback(lambda done: done.result())
        await theirs.send('{"event":"connected"}')
        await theirs.send(self.start())
        await tick()
        return theirs


def sound(sequence: int, at_ms: int, octets: bytes) -> str:
    payload = base64.b64encode(octets).decode()
    media = {"track": "inbound", "timestamp": str(at_ms), "payload": payload}
    return json.dumps({"event": "media", "sequenceNumber": str(sequence), "media": media})


async def tick(ms: int = 1) -> None:
    clock = LoopClock()
    await clock.sleep_until(clock.now_ms() + ms)


@asynccontextmanager
async def dialled(**line: Any) -> AsyncIterator[Rig]:
    requests, leg = Requests(), MemoryLeg()
    stated = {"stream_url": "wss://x.test/s", "status_url": "https://x.test/c", **line}
    provider = TwilioProvider(LoopClock(), requests, TwilioLine(sender=OURS, **stated))
    call = await provider.dial(NEW_YORK, leg)
    rig = Rig(provider, requests, call, leg)

    async def hear() -> None:
        async for frame in call.frames():
            if frame.leg == "contact":
                rig.frames.append(frame)

    hearing = asyncio.create_task(hear())
    try:
        yield rig
    finally:
        await provider.close()
        await hearing


async def cause(call: TwilioCall) -> EndCause | None:
    async for event in call.events():
        if event.kind is CallEventKind.ENDED:
            return event.cause
    return None


def connected() -> str:
    return '{"event":"connected"}'


@pytest.mark.parametrize(
    "messages",
    [
        lambda rig: [rig.media(0)],
        lambda rig: [connected(), rig.media(0)],
        lambda rig: [connected(), connected(), rig.start()],
        lambda rig: [connected(), rig.start(customParameters={})],
        lambda rig: [connected(), rig.start(customParameters={"token": "."})],
        lambda rig: [connected(), rig.start(customParameters={"token": rig.token[:-1]})],
        lambda rig: [connected(), rig.start(customParameters={"token": rig.token + "x"})],
        lambda rig: [connected(), rig.start(customParameters={"token": [rig.token]})],
        lambda rig: [connected(), rig.start(callSid="CA" + "9" * 32)],
        lambda rig: [connected(), rig.start(mediaFormat={"encoding": "audio/x-l16"})],
        lambda rig: ["no JSON"],
        lambda rig: ["x" * (wire.LARGEST + 1)],
    ],
)
def test_a_socket_without_the_token_of_its_call_is_closed_and_nothing_of_it_is_kept(
    messages: Callable[[Rig], list[str]],
) -> None:
    async def scenario() -> tuple[bool, list[Frame], bool, int]:
        async with dialled() as rig:
            theirs = InMemory()
            for message in messages(rig):
                await theirs.send(message)
            for at_ms in range(0, 400, 20):
                await theirs.send(rig.media(at_ms))
            await rig.provider.stream(theirs.other)
            await tick(100)
            is_answered = rig.call.zero_ms is not None
            return theirs.other.is_closed, rig.frames, is_answered, rig.provider.link.refused

    assert run_virtual(scenario()) == (True, [], False, 1)


def test_a_socket_that_says_nothing_is_closed_soon() -> None:
    async def scenario() -> int:
        async with dialled() as rig:
            began_ms = LoopClock().now_ms()
            await rig.provider.stream(InMemory())
            return LoopClock().now_ms() - began_ms

    assert run_virtual(scenario()) <= 5_100


def test_a_token_counts_once_and_not_after_its_time() -> None:
    async def scenario() -> tuple[bool, int]:
        async with dialled() as rig:
            first = await rig.open()
            second = await rig.open()
            refused = second.other.is_closed and not first.other.is_closed
            return refused, rig.provider.link.refused

    async def late() -> bool:
        async with dialled(ring=2) as rig:
            rig.call._ring_s = 300  # as if the call still rang
            await tick(93_000)
            theirs = await rig.open()
            return theirs.other.is_closed and rig.call.zero_ms is None

    assert run_virtual(scenario()) == (True, 1)
    assert run_virtual(late())


def test_sound_that_comes_twice_or_out_of_order_is_heard_once_and_in_order() -> None:
    async def scenario() -> list[int]:
        async with dialled() as rig:
            theirs = await rig.open()
            for number in range(100):
                await tick(FRAME_MS)
                await theirs.send(sound(2 + number, number * 20, b"\x20" * 160))
                if number % 3 == 0:  # again, and one that others have overtaken
                    await theirs.send(sound(2 + number, number * 20, b"\x20" * 160))
                    await theirs.send(sound(max(2, number), max(0, number - 2) * 20, b"\x20" * 160))
            await tick(FRAME_MS)
            assert rig.call.contact.late == 68
            return [frame.start_ms for frame in rig.frames]

    starts = run_virtual(scenario())
    assert len(starts) > 80
    assert starts == sorted(set(starts))


def test_sound_that_was_delayed_keeps_the_time_at_which_it_was_captured() -> None:
    async def scenario() -> list[int]:
        async with dialled(way_ms=100) as rig:
            theirs = await rig.open()
            for number in range(50):
                await tick(FRAME_MS)
                await theirs.send(rig.media(number * 20))
            await tick(1_000)  # the network holds a second back, and lets it go at once
            for number in range(50, 100):
                await theirs.send(rig.media(number * 20))
            await tick()
            return [frame.start_ms for frame in rig.frames]

    starts = run_virtual(scenario())
    assert max(starts) < 100 * FRAME_MS - 100


def test_a_time_that_is_far_ahead_is_no_time() -> None:
    async def scenario() -> tuple[list[Frame], int]:
        async with dialled() as rig:
            theirs = await rig.open()
            await tick(1_000)
            await theirs.send(rig.media(10**11))
            await tick()
            return rig.frames, rig.call.contact.garbage

    assert run_virtual(scenario()) == ([], 1)


def test_a_key_that_is_told_twice_was_pressed_once() -> None:
    pressed = {"event": "dtmf", "sequenceNumber": "2", "dtmf": {"digit": "7"}}

    async def scenario() -> list[str | None]:
        async with dialled() as rig:
            theirs = await rig.open()
            await theirs.send(json.dumps(pressed))
            await theirs.send(json.dumps(pressed))
            await tick(10)
            await rig.call.hangup()
            return [event.digit async for event in rig.call.events() if event.digit]

    assert run_virtual(scenario()) == ["7"]


def test_a_stream_of_garbage_ends_its_call_and_is_hung_up_on() -> None:
    async def scenario() -> tuple[EndCause | None, list[str], list[Frame]]:
        async with dialled() as rig:
            theirs = await rig.open()
            for _ in range(MOST_GARBAGE + 1):
                await theirs.send("{}")
            ended = await cause(rig.call)
            await tick(10)
            return ended, rig.requests.ended, rig.frames

    assert run_virtual(scenario()) == (EndCause.MEDIA_TIMEOUT, [CALL], [])


def test_a_prompt_was_not_played_where_its_mark_comes_from_clearing_or_never() -> None:
    async def scenario(acts: str) -> tuple[bool, list[str]]:
        async with dialled() as rig:
            theirs = await rig.open()
            playing = asyncio.create_task(rig.call.play("contact", [bytes(640)] * 5))
            sent: list[str] = []
            while not sent or json.loads(sent[-1])["event"] != "mark":
                text = await theirs.receive()
                assert text is not None
                sent.append(text)
                await theirs.send(rig.media(0))
            name = json.loads(sent[-1])["mark"]["name"]
            if acts == "clears":
                await rig.call.stop_playing()
            if acts != "is silent":
                await theirs.send(json.dumps({"event": "mark", "mark": {"name": name}}))
            played = await playing
            return played, [json.loads(each)["event"] for each in sent]

    assert run_virtual(scenario("plays"))[0] is True
    assert run_virtual(scenario("clears"))[0] is False
    assert run_virtual(scenario("is silent"))[0] is False


def test_on_hold_nothing_comes_through_and_afterwards_nothing_of_before() -> None:
    async def scenario() -> tuple[int, int, list[Frame], int]:
        async with dialled() as rig:
            theirs = await rig.open()

            async def speak(frames: int) -> None:
                for _ in range(frames):
                    await tick(FRAME_MS)
                    began_ms = rig.call.contact._began_ms
                    await theirs.send(rig.media(LoopClock().now_ms() - began_ms - FRAME_MS))
                await tick()

            await speak(50)
            await rig.call.hold()
            before = len(rig.frames)
            await speak(50)
            on_hold = len(rig.frames) - before
            await rig.call.resume()
            assert rig.call.zero_ms is not None
            back_ms = LoopClock().now_ms() - rig.call.zero_ms
            await speak(50)
            return before, on_hold, rig.frames[before:], back_ms

    before, on_hold, after, back_ms = run_virtual(scenario())
    assert before > 20
    assert on_hold == 0
    assert len(after) > 20
    assert min(frame.start_ms for frame in after) >= back_ms


def test_what_was_cleared_was_not_heard() -> None:
    async def scenario() -> bool:
        async with dialled() as rig:
            await rig.open()
            heard = asyncio.create_task(rig.call.contact.sent_was_heard())
            await tick()
            rig.call.contact.drop_sent()
            began_ms = LoopClock().now_ms()
            was_heard = await heard
            assert LoopClock().now_ms() - began_ms < 100
            return was_heard

    assert run_virtual(scenario()) is False


@pytest.mark.parametrize("how", ["dies", "stalls"])
def test_a_stream_that_breaks_in_mid_call_closes_the_gate_and_ends_the_call(
    node: Node, kari: User, tmp_path: Path, how: str
) -> None:
    async def scenario() -> tuple[str, dict[str, Any], str]:
        async with office(node, person(tmp_path, NEW_YORK), silence=2) as here:
            live = await here.desk.place(kari, NEW_YORK, MemoryLeg())
            await until(live, has(light="recording"))
            await tick(1_000)
            theirs = here.theirs(NEW_YORK)
            assert theirs.stream is not None
            if how == "dies":
                await theirs.stream.die()
            else:
                theirs.stream.is_stalled = True
            last = await until(live, has(settled=True))
            await theirs.settled()
            return live.id, last, theirs.status

    call, last, status = run_virtual(scenario())
    assert (last["light"], status) == ("off", "completed")
    assert causes(node, call) == ["media-timeout"]
    node.jobs.wait()
    assert len(rig.recording_rows(node.store, call)) == 1  # what was recorded before is not lost


def test_a_call_whose_sound_never_comes_is_given_up() -> None:
    async def scenario() -> tuple[EndCause | None, list[str], bool]:
        async with dialled() as rig:
            rig.provider.status(CALL, {"CallStatus": "in-progress"})
            ended = await cause(rig.call)
            await tick()
            return ended, rig.requests.ended, rig.call.zero_ms is None

    assert run_virtual(scenario()) == (EndCause.MEDIA_TIMEOUT, [CALL], True)


TEXTS = st.text(max_size=30) | st.sampled_from(["connected", "start", "media", "dtmf", "mark"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
DAMAGED = st.builds(
    lambda kind, part, more: json.dumps({"event": kind, kind: part, **more}),
    st.sampled_from(["start", "media", "dtmf", "mark", "stop"]),
    st.dictionaries(
        st.sampled_from(["payload", "timestamp", "digit", "name", "callSid", "streamSid"]), JSON
    ),
    st.dictionaries(st.sampled_from(["sequenceNumber", "streamSid"]), JSON),
)


@given(st.text() | JSON.map(json.dumps) | DAMAGED)
def test_whatever_comes_over_a_socket_is_a_message_or_an_error_of_ours(text: str) -> None:
    try:
        message = wire.read(text)
    except PeerError:
        return
    assert isinstance(message, wire.Message)


@given(st.integers(0, 10**12 - 1), st.integers(0, 10**12 - 1), st.binary(min_size=1, max_size=400))
def test_sound_is_read_as_it_was_written(sequence: int, at_ms: int, octets: bytes) -> None:
    assert wire.read(sound(sequence, at_ms, octets)) == wire.Media(sequence, at_ms, octets)


@given(st.lists(st.text(max_size=60) | DAMAGED, max_size=8))
def test_garbage_after_the_token_brings_no_frame_and_no_key(texts: list[str]) -> None:
    async def scenario() -> tuple[list[Frame], list[str]]:
        async with dialled() as rig:
            theirs = await rig.open()
            for text in texts:
                await theirs.send(text)
            await tick(50)
            await rig.call.hangup()
            return rig.frames, [e.digit async for e in rig.call.events() if e.digit]

    frames, keys = run_virtual(scenario())
    assert frames == []
    assert all(key in "0123456789*#ABCD" for key in keys)


def test_an_error_and_a_repr_repeat_neither_token_nor_key_nor_sound() -> None:
    shown = repr(
        [
            wire.Started(STREAM, CALL, "secret-token"),
            wire.Key(3, "7"),
            wire.Media(4, 20, b"voice"),
        ]
    )
    assert "secret" not in shown
    assert "'7'" not in shown
    assert "voice" not in shown
