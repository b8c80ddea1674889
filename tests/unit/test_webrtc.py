"""A real second peer is the browser: what it says and hears over loopback, and how it leaves."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np
import pytest
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtpPacket
from av import AudioFrame
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from askfirst.audio.mixing import in_frames, to_pcm, to_samples
from askfirst.audio.tone import find_tone, tone
from askfirst.clock import LoopClock
from askfirst.errors import InvalidInput, Refused
from askfirst.model import FRAME_BYTES, SAMPLE_RATE_HZ
from askfirst.ports import AgentLeg, AgentSound
from askfirst.telephony.webrtc import WebRtcLeg, _InOrder

pytestmark = [pytest.mark.slow, pytest.mark.timed]

SAID_HZ = 440
PLAYED_HZ = 700
DEADLINE_S = 20
SECOND = 50  # frames
WINDOWS = 18  # of find_tone in a second, less one for the edges

Result = TypeVar("Result")


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """The result, within a deadline that only a hung test meets."""

    async def within() -> Result:
        async with asyncio.timeout(DEADLINE_S):
            return await work

    return asyncio.run(within())


class Microphone(MediaStreamTrack):
    """A sine without end, 20 ms every 20 ms, until it is muted like a dead machine."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.is_dead = asyncio.Event()
        self._index = 0
        self._start_s = 0.0

    async def recv(self) -> AudioFrame:
        if self.readyState != "live" or self.is_dead.is_set():
            raise MediaStreamError
        loop = asyncio.get_running_loop()
        self._start_s = self._start_s or loop.time()
        await asyncio.sleep(max(0.0, self._start_s + self._index * 0.02 - loop.time()))
        at = (self._index * 960 + np.arange(960)) / 48_000
        samples = np.rint(8_000 * np.sin(2 * np.pi * SAID_HZ * at)).astype(np.int16)
        frame = AudioFrame(format="s16", layout="mono", samples=960)
        frame.planes[0].update(samples.tobytes())
        frame.sample_rate = 48_000
        frame.pts = self._index * 960
        frame.time_base = Fraction(1, 48_000)
        self._index += 1
        return frame


class Browser:
    """The other end: offers a microphone with the codecs named, and gives what it hears."""

    def __init__(self, *codecs: str) -> None:
        self.microphone = Microphone()
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._track: asyncio.Future[MediaStreamTrack] = asyncio.get_running_loop().create_future()
        self.connection.on("track", self._track.set_result)
        transceiver = self.connection.addTransceiver(self.microphone, "sendrecv")
        known = RTCRtpSender.getCapabilities("audio")
        assert known is not None
        transceiver.setCodecPreferences(
            [each for name in codecs for each in known.codecs if each.name.lower() == name]
        )

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        sdp: str = self.connection.localDescription.sdp
        return sdp

    async def take(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def hear(self, frames: int) -> tuple[NDArray[np.int16], int]:
        """The next frames as one mono sound, and its rate."""
        track = await self._track
        heard, rate = [], 0
        for _ in range(frames):
            frame = await track.recv()
            assert isinstance(frame, AudioFrame)
            rate = frame.sample_rate
            heard.append(frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0])
        return np.concatenate(heard), rate


class WatchedLeg(WebRtcLeg):
    """The leg itself, with an event for each change of what it says about the connection."""

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name == "is_connected":
            self.__dict__.setdefault("told", asyncio.Event()).set()

    async def until(self, connected: bool) -> None:
        while self.is_connected is not connected:
            self.__dict__["told"].clear()
            await self.__dict__["told"].wait()


@asynccontextmanager
async def connected(*codecs: str) -> AsyncIterator[tuple[WatchedLeg, Browser]]:
    leg, browser = WatchedLeg(LoopClock()), Browser(*codecs)
    try:
        await browser.take(await leg.answer(await browser.offer()))
        await leg.until(connected=True)
        yield leg, browser
    finally:
        await leg.close()
        await browser.connection.close()


async def listen(leg: AgentLeg, frames: int) -> list[AgentSound]:
    heard = []
    async for sound in leg.sounds():
        heard.append(sound)
        if len(heard) == frames:
            break
    return heard


def strongest_hz(samples: NDArray[np.int16], rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.fft.rfftfreq(len(samples), 1 / rate)[spectrum.argmax()])


def test_it_is_an_agent_leg() -> None:
    async def check() -> AgentLeg:
        return WebRtcLeg(LoopClock())

    assert run(check()).is_connected is False


@pytest.mark.parametrize("codec", ["pcmu", "opus"])
def test_what_the_browser_says_arrives_at_its_own_pitch(codec: str) -> None:
    async def check() -> list[AgentSound]:
        async with connected(codec) as (leg, _):
            return await listen(leg, 2 * SECOND)

    heard = run(check())[SECOND:]

    samples = np.concatenate([to_samples(sound.pcm) for sound in heard])
    assert {len(sound.pcm) for sound in heard} == {FRAME_BYTES}
    assert strongest_hz(samples, SAMPLE_RATE_HZ) == pytest.approx(SAID_HZ, abs=2)
    assert len(find_tone(samples, SAMPLE_RATE_HZ, [SAID_HZ])) >= WINDOWS
    assert find_tone(samples, SAMPLE_RATE_HZ, [PLAYED_HZ]) == []


@pytest.mark.parametrize("codec", ["pcmu", "opus"])
def test_what_is_played_is_heard_in_the_browser_at_its_own_pitch(codec: str) -> None:
    async def play(leg: AgentLeg) -> None:
        frames = in_frames(to_pcm(tone([PLAYED_HZ], 1_000)))
        for index in itertools.count():
            leg.play(frames[index % SECOND])
            await listen(leg, 1)  # the browser's own pace

    async def check() -> tuple[NDArray[np.int16], int]:
        async with connected(codec) as (leg, browser), asyncio.TaskGroup() as group:
            playing = group.create_task(play(leg))
            await browser.hear(SECOND // 2)
            heard = await browser.hear(2 * SECOND)
            playing.cancel()
            return heard

    samples, rate = run(check())

    assert strongest_hz(samples, rate) == pytest.approx(PLAYED_HZ, abs=2)
    assert len(find_tone(samples, rate, [PLAYED_HZ])) >= WINDOWS
    assert find_tone(samples, rate, [SAID_HZ]) == []


def test_capture_times_lie_before_arrival_by_the_declared_lag_and_advance_by_a_frame() -> None:
    async def check() -> tuple[list[tuple[int, int]], int]:
        async with connected("pcmu") as (leg, _):
            clock, taken = LoopClock(), []
            async for sound in leg.sounds():
                taken.append((sound.captured_ms, clock.now_ms()))
                if len(taken) == SECOND:
                    break
            return taken, leg.capture_lag_ms

    taken, lag_ms = run(check())

    assert all(captured_ms <= arrived_ms - lag_ms for captured_ms, arrived_ms in taken)
    steps = [b[0] - a[0] for a, b in itertools.pairwise(taken)]
    assert sum(steps) == pytest.approx(20 * len(steps), abs=60)


@pytest.mark.parametrize(("flushed", "loud_ms"), [(False, 60), (True, 0)])
def test_sixty_ms_of_what_is_played_wait_and_a_flush_forgets_them(
    flushed: bool, loud_ms: int
) -> None:
    async def check() -> tuple[NDArray[np.int16], int]:
        async with connected("pcmu") as (leg, browser):
            await browser.hear(5)
            for frame in in_frames(to_pcm(tone([PLAYED_HZ], 400))):
                leg.play(frame)
            if flushed:
                leg.flush()
            return await browser.hear(SECOND)

    samples, rate = run(check())

    assert np.count_nonzero(np.abs(samples) > 200) * 1000 / rate <= loud_ms
    assert bool(np.abs(samples).max() > 1_000) is not flushed


def test_a_browser_that_goes_away_is_no_longer_connected_and_the_leg_goes_on() -> None:
    async def check() -> None:
        async with connected("pcmu") as (leg, browser):
            await listen(leg, 1)
            await browser.connection.close()
            await leg.until(connected=False)
            leg.play(bytes(FRAME_BYTES))
            leg.flush()

    run(check())


def test_a_browser_that_dies_without_a_word_is_no_longer_connected() -> None:
    async def check() -> None:
        async with connected("pcmu") as (leg, browser):
            await listen(leg, 1)
            browser.microphone.is_dead.set()
            await leg.until(connected=False)
            assert browser.connection.connectionState == "connected"

    run(check())


def test_closing_twice_is_safe_and_ends_the_sounds() -> None:
    async def check() -> bool:
        async with connected("pcmu") as (leg, _):
            await asyncio.gather(leg.close(), leg.close())
            await leg.close()
            assert [sound async for sound in leg.sounds()] == []
            leg.play(bytes(FRAME_BYTES))
            with pytest.raises(Refused):
                await leg.answer("v=0")
            return leg.is_connected

    assert run(check()) is False


def test_closing_before_any_answer_is_safe() -> None:
    async def check() -> None:
        leg = WebRtcLeg(LoopClock())
        await leg.close()
        await leg.close()

    run(check())


@pytest.mark.parametrize(
    ("codecs", "chosen"),
    [(("opus", "pcmu"), "PCMU/8000"), (("pcmu", "opus"), "PCMU/8000"), (("opus",), "opus/48000/2")],
)
def test_the_answer_names_pcmu_wherever_it_is_offered(codecs: tuple[str, ...], chosen: str) -> None:
    async def check() -> str:
        leg, browser = WebRtcLeg(LoopClock()), Browser(*codecs)
        answer = await leg.answer(await browser.offer())
        with pytest.raises(Refused):
            await leg.answer(await browser.offer())
        await leg.close()
        await browser.connection.close()
        return answer

    answer = run(check())

    lines = answer.splitlines()
    assert [line.split(" ", 1)[1] for line in lines if line.startswith("a=rtpmap")] == [chosen]
    assert sum(line.startswith("m=") for line in lines) == 1
    assert any(line.startswith("a=candidate") and " typ host" in line for line in lines)
    assert not any(" typ srflx" in line or " typ relay" in line for line in lines)


async def offered(*codecs: str) -> str:
    browser = Browser(*codecs)
    offer = await browser.offer()
    await browser.connection.close()
    return offer


async def answered(offer: str) -> str:
    leg = WebRtcLeg(LoopClock())
    try:
        return await leg.answer(offer)
    finally:
        await leg.close()


@pytest.mark.parametrize(
    "offer",
    [
        "",
        "hello",
        "v=0\r\n",
        "m=audio\r\n",
        "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n",
        "v=" * 40_000,
    ],
)
def test_an_offer_that_is_none_is_invalid_input(offer: str) -> None:
    with pytest.raises(InvalidInput):
        run(answered(offer))


def test_an_offer_without_audio_is_invalid_input() -> None:
    async def check() -> None:
        offer = await offered("pcmu")
        with pytest.raises(InvalidInput, match="expected one of audio"):
            await answered(offer[: offer.index("m=audio")])
        with pytest.raises(InvalidInput, match="expected one of audio"):
            await answered(offer.replace("m=audio", "m=video"))
        with pytest.raises(InvalidInput, match="expected one of audio"):
            await answered(offer + offer[offer.index("m=audio") :])

    run(check())


def test_an_offer_of_other_codecs_only_is_invalid_input() -> None:
    async def check() -> None:
        with pytest.raises(InvalidInput, match="PCMU and Opus"):
            await answered(await offered("pcma", "g722"))

    run(check())


def test_a_good_offer_is_answered_after_a_bad_one() -> None:
    async def check() -> str:
        offer = await offered("pcmu")
        leg = WebRtcLeg(LoopClock())
        try:
            with pytest.raises(InvalidInput):
                await leg.answer(offer.replace("a=ice-pwd", "a=ice-pwt"))
            return await leg.answer(offer)
        finally:
            await leg.close()

    assert "m=audio" in run(check())


def broken(offer: str) -> list[str]:
    """The offer with each line missing, cut, emptied or turned into nonsense."""
    lines = offer.splitlines()
    return [
        "\r\n".join([*lines[:at], *instead, *lines[at + 1 :], ""])
        for at, line in enumerate(lines)
        for instead in ([], [line[: len(line) // 2]], [line[:2]], [line.split(":")[0] + ":x y z"])
    ]


def test_whatever_line_of_an_offer_is_broken_it_is_answered_or_invalid_input() -> None:
    async def check() -> tuple[int, int]:
        good = bad = 0
        for offer in broken(await offered("pcmu", "opus")):
            try:
                await answered(offer)
                good += 1
            except InvalidInput:
                bad += 1
        return good, bad

    good, bad = run(check())
    assert good > 10
    assert bad > 10


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300), st.lists(st.sampled_from(["m=audio 9 A 0", "a=setup:x", "c=IN"])))
def test_garbage_is_invalid_input(text: str, lines: list[str]) -> None:
    with pytest.raises(InvalidInput):
        run(answered("\n".join(["v=0", *lines, text])))


@pytest.mark.parametrize("size", [0, 1, FRAME_BYTES - 2, FRAME_BYTES + 2, 2 * FRAME_BYTES])
def test_playing_anything_but_a_frame_is_invalid_input(size: int) -> None:
    async def check() -> None:
        with pytest.raises(InvalidInput):
            WebRtcLeg(LoopClock()).play(bytes(size))

    run(check())


def packet(number: int, payload: bytes = b"x") -> RtpPacket:
    made = RtpPacket(sequence_number=number, timestamp=number * 160)
    made.payload = payload
    return made


def given_on(*packets: RtpPacket) -> list[int]:
    taken: list[int] = []
    buffer = _InOrder(lambda _, timestamp: taken.append(timestamp // 160))
    assert [buffer.add(each) for each in packets] == [(False, None)] * len(packets)
    return taken


def test_packets_are_given_on_at_once_and_late_or_doubled_ones_never() -> None:
    assert given_on(*map(packet, (7, 8, 8, 10, 9, 11))) == [7, 8, 10, 11]


def test_packets_go_on_over_the_wrap_and_after_a_restart_of_the_sender() -> None:
    assert given_on(*map(packet, (65_535, 0, 65_535, 1, 60_000, 60_001)))[2:] == [1, 60_000, 60_001]


def test_an_empty_packet_is_nothing_to_hear() -> None:
    assert given_on(packet(1), packet(2, b""), packet(3)) == [1, 3]
