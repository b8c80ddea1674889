"""What every provider of calls keeps to. A new provider adds one entry to `PROVIDERS`.

A provider brings a way to make a call to each of the callees of `Callee`; the assertions do
not know whose they are. All of them run in virtual time where the provider allows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest
from tests.sip.oversip import OverSip
from tests.twilio.onlooker import onlooker as onlooker
from tests.twilio.overtwilio import OverTwilio

from askfirst.audio.container import encode_wav
from askfirst.audio.mixing import in_frames, to_pcm
from askfirst.audio.tone import tone
from askfirst.clock import LoopClock, run, run_virtual
from askfirst.errors import InvalidInput
from askfirst.model import FRAME_BYTES, FRAME_MS, Frame
from askfirst.ports import CallEvent, CallEventKind, EndCause, TelephonyCall, TelephonyCapabilities
from askfirst.telephony.conversation import ConversationProvider
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.network import Network
from askfirst.telephony.persona import load_persona
from askfirst.telephony.simulator import Simulator

Result = TypeVar("Result")

TALKS = "answers, speaks for 2 s, presses 1 after 1 s more, hangs up 1 s later"
JOINS = "answers, after 1 s a second person joins, speaks for 2 s, leaves; the first hangs up"
MACHINE = "a machine answers and speaks for 2 s"
BUSY, DECLINES, SILENT = "is busy", "declines", "never answers"

SCRIPTS = {
    TALKS: 'say="contact"\naudio="voice.wav"\n[[step]]\npause_ms=1000\n[[step]]\nkey="1"\n'
    '[[step]]\npause_ms=1000\n[[step]]\nhangup="contact"',
    JOINS: 'pause_ms=1000\n[[step]]\njoin="+493023125018"\n[[step]]\nsay="joiner"\n'
    'audio="voice.wav"\n[[step]]\nleave="joiner"\n[[step]]\nhangup="contact"',
    MACHINE: 'answer="machine"\n[[step]]\nsay="contact"\naudio="voice.wav"',
    BUSY: 'ring="busy"',
    DECLINES: 'ring="declined"',
    SILENT: 'ring="no-answer"',
}


@dataclass
class Seen:
    """A whole call as its user saw it: `arrivals` are (call time, frame)."""

    events: list[CallEvent] = field(default_factory=list)
    arrivals: list[tuple[int, Frame]] = field(default_factory=list)

    def kinds(self) -> list[CallEventKind]:
        return [event.kind for event in self.events]

    def starts(self, leg: str) -> list[int]:
        return [frame.start_ms for _, frame in self.arrivals if frame.leg == leg]

    def the(self, kind: CallEventKind) -> CallEvent:
        (event,) = [event for event in self.events if event.kind is kind]
        return event


class Dialling(Protocol):
    """What the suite uses of `ports.Telephony`."""

    capabilities: TelephonyCapabilities

    async def dial(self, number: str) -> TelephonyCall: ...


async def nothing_to_end(_provider: Dialling) -> None:
    """For providers that end with their calls."""


@dataclass(frozen=True)
class Provider:
    """How the suite reaches a provider: `make` gives it, set to behave as a callee.

    `lacks` are callees that it cannot tell of; `late_ms` is what the machine may add to its lag.
    """

    make: Callable[[Path, str], Dialling]
    run: Callable[[Coroutine[Any, Any, Any]], Any] = run_virtual
    lacks: frozenset[str] = frozenset()
    late_ms: int = 0
    end: Callable[[Any], Awaitable[None]] = nothing_to_end


def simulator(network: Network | None) -> Callable[[Path, str], Dialling]:
    def make(folder: Path, callee: str) -> Dialling:
        (folder / "voice.wav").write_bytes(encode_wav(tone((500,), 2_000).reshape(1, -1)))
        (folder / "script.toml").write_text(
            'persona="callee"\nnumber="+4748750103"\nagent_place="NO"\n'
            f'summary={{en="A callee.", nb="En person."}}\n[[step]]\n{SCRIPTS[callee]}\n'
        )
        return Simulator(LoopClock(), load_persona(folder), network)

    return make


class _WithMicrophone:
    """Conversations whose agent has a silent microphone that is always open."""

    def __init__(self, folder: Path, callee: str) -> None:
        simulator(None)(folder, callee)  # writes voice and script
        persona = load_persona(folder)
        self._provider = ConversationProvider(LoopClock(), lambda _: persona)
        self.capabilities = self._provider.capabilities
        self._speaking: list[asyncio.Task[None]] = []

    async def dial(self, number: str) -> TelephonyCall:
        leg = MemoryLeg()
        call = await self._provider.dial(number, leg)
        self._speaking.append(asyncio.create_task(self._speak(call, leg)))
        return call

    async def _speak(self, call: TelephonyCall, leg: MemoryLeg) -> None:
        speaking = asyncio.create_task(leg.speak(LoopClock(), [bytes(FRAME_BYTES)] * 15_000))
        async for _ in call.events():
            pass
        speaking.cancel()


def over_twilio(is_real: bool) -> Callable[[Path, str], Dialling]:
    def make(folder: Path, callee: str) -> Dialling:
        simulator(None)(folder, callee)  # writes voice and script
        return OverTwilio(folder, is_real=is_real)

    return make


PROVIDERS = {
    "conversation": Provider(_WithMicrophone),
    "simulator": Provider(simulator(None)),
    "simulator-lossy": Provider(
        simulator(Network(loss=0.1, delay_ms=45, jitter_ms=50, reorder=0.1, seed=7))
    ),
    # Real time and a real telephone: who joins there, and what answers, nobody tells us.
    "sip": Provider(
        OverSip, asyncio.run, frozenset({JOINS, MACHINE}), late_ms=500, end=OverSip.close
    ),
    "twilio": Provider(over_twilio(False), lacks=frozenset({JOINS, MACHINE}), end=OverTwilio.close),
    # The same over real sockets and in real time.
    "twilio-sockets": Provider(
        over_twilio(True), run, frozenset({JOINS, MACHINE}), late_ms=500, end=OverTwilio.close
    ),
}
REAL = ("sip", "twilio-sockets")


@dataclass(frozen=True)
class Bench:
    """A provider under test with a folder of its own."""

    provider: Provider
    folder: Path

    def call(
        self, callee: str, act: Callable[[TelephonyCall], Awaitable[Result]]
    ) -> tuple[Seen, Result]:
        """Dial, act, and watch until the end."""

        if callee in self.provider.lacks:
            pytest.skip("this provider cannot tell of it")

        async def main() -> tuple[Seen, Result]:
            clock = LoopClock()
            seen = Seen()
            provider = self.provider.make(self.folder, callee)
            call = await provider.dial("+4748750103")
            answer_ms: int | None = None

            async def listen() -> None:
                nonlocal answer_ms
                async for event in call.events():
                    seen.events.append(event)
                    if event.kind is CallEventKind.ANSWERED:
                        answer_ms = clock.now_ms() - event.at_ms

            async def hear() -> None:
                async for frame in call.frames():
                    at_ms = -1 if answer_ms is None else clock.now_ms() - answer_ms
                    seen.arrivals.append((at_ms, frame))

            async with asyncio.TaskGroup() as group:
                group.create_task(listen())
                group.create_task(hear())
                result = await act(call)
            await self.provider.end(provider)
            return seen, result

        done: tuple[Seen, Result] = self.provider.run(main())
        return done


@pytest.fixture(
    params=[
        pytest.param(name, marks=[pytest.mark.full] if name in REAL else []) for name in PROVIDERS
    ]
)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(PROVIDERS[request.param], tmp_path)


async def nothing(call: TelephonyCall) -> None:
    """Leave the call alone."""


async def until(call: TelephonyCall, kind: CallEventKind) -> CallEvent:
    async for event in call.events():
        if event.kind is kind:
            return event
    raise AssertionError(f"the call ended without {kind}")


def prompt(ms: int) -> list[bytes]:
    return in_frames(to_pcm(tone((800,), ms)))


def test_a_call_rings_is_answered_at_zero_and_ends_once(bench: Bench) -> None:
    seen, _ = bench.call(TALKS, nothing)
    kinds = seen.kinds()
    assert kinds[0] is CallEventKind.RINGING
    assert kinds[1] is CallEventKind.ANSWERED
    assert kinds[-1] is CallEventKind.ENDED
    assert kinds.count(CallEventKind.ENDED) == 1
    assert seen.events[0].at_ms < 0
    assert seen.events[1].at_ms == 0


def test_events_are_in_order_of_time(bench: Bench) -> None:
    seen, _ = bench.call(TALKS, nothing)
    times = [event.at_ms for event in seen.events]
    assert times == sorted(times)


def test_events_asked_for_after_the_end_are_the_same(bench: Bench) -> None:
    async def again(call: TelephonyCall) -> list[CallEvent]:
        await until(call, CallEventKind.ENDED)
        return [event async for event in call.events()]

    seen, late = bench.call(TALKS, again)
    assert late == seen.events


def test_every_frame_is_twenty_milliseconds_of_pcm(bench: Bench) -> None:
    seen, _ = bench.call(TALKS, nothing)
    assert {len(frame.pcm) for _, frame in seen.arrivals} == {FRAME_BYTES}


def test_a_leg_captures_every_moment_at_most_once(bench: Bench) -> None:
    seen, _ = bench.call(TALKS, nothing)
    for leg in ("agent", "contact"):
        starts = seen.starts(leg)
        assert len(starts) == len(set(starts)) > 100
        assert all(start % FRAME_MS == starts[0] % FRAME_MS for start in starts)


def test_no_frame_comes_later_than_the_declared_lag_or_before_its_capture(
    bench: Bench,
) -> None:
    seen, _ = bench.call(TALKS, nothing)
    lag_ms = bench.provider.make(bench.folder, TALKS).capabilities.capture_lag_ms
    delays = {at - frame.start_ms - FRAME_MS for at, frame in seen.arrivals if frame.start_ms >= 0}
    assert min(delays) >= 0
    assert max(delays) <= lag_ms + bench.provider.late_ms


def test_early_media_is_captured_before_zero(bench: Bench) -> None:
    seen, _ = bench.call(TALKS, nothing)
    if bench.provider.make(bench.folder, TALKS).capabilities.early_media:
        assert min(seen.starts("contact")) < 0
    assert min(seen.starts("agent")) >= 0


def test_a_key_is_reported_with_its_leg_and_time(bench: Bench) -> None:
    seen, _ = bench.call(TALKS, nothing)
    key = seen.the(CallEventKind.DTMF)
    assert (key.digit, key.leg) == ("1", "contact")
    assert 2_900 <= key.at_ms <= 3_200


def test_the_other_side_hanging_up_is_the_cause(bench: Bench) -> None:
    seen, _ = bench.call(TALKS, nothing)
    assert seen.events[-1].cause is EndCause.REMOTE_HANGUP


def test_hanging_up_twice_ends_the_call_once_by_us(bench: Bench) -> None:
    async def act(call: TelephonyCall) -> None:
        await until(call, CallEventKind.ANSWERED)
        await call.hangup()
        await call.hangup()

    seen, _ = bench.call(TALKS, act)
    assert seen.the(CallEventKind.ENDED).cause is EndCause.LOCAL_HANGUP


def test_hanging_up_while_it_rings_ends_the_call_unanswered(bench: Bench) -> None:
    async def act(call: TelephonyCall) -> None:
        await until(call, CallEventKind.RINGING)
        await call.hangup()

    seen, _ = bench.call(TALKS, act)
    assert CallEventKind.ANSWERED not in seen.kinds()
    assert seen.events[-1].cause is EndCause.LOCAL_HANGUP
    assert seen.events[-1].at_ms < 0


@pytest.mark.parametrize(
    ("callee", "cause"),
    [
        (BUSY, EndCause.BUSY),
        (DECLINES, EndCause.DECLINED),
        (SILENT, EndCause.NO_ANSWER),
    ],
)
def test_a_call_that_nobody_takes_ends_with_its_cause(
    bench: Bench, callee: str, cause: EndCause
) -> None:
    seen, _ = bench.call(callee, nothing)
    assert CallEventKind.ANSWERED not in seen.kinds()
    assert seen.events[-1].cause is cause
    assert all(frame.start_ms < 0 for _, frame in seen.arrivals)


def test_a_prompt_played_to_its_end_comes_back_as_frames_of_its_own_leg(bench: Bench) -> None:
    async def act(call: TelephonyCall) -> bool:
        await until(call, CallEventKind.ANSWERED)
        return await call.play(call.contact_leg, prompt(500))

    seen, played = bench.call(TALKS, act)
    assert played is True
    assert [f.pcm for _, f in seen.arrivals if f.leg == "announcement"] == prompt(500)
    starts = seen.starts("announcement")
    assert starts == list(range(starts[0], starts[0] + 500, FRAME_MS))


def test_a_prompt_that_we_stop_was_not_played(bench: Bench) -> None:
    async def act(call: TelephonyCall) -> bool:
        await until(call, CallEventKind.ANSWERED)
        playing = asyncio.create_task(call.play(call.contact_leg, prompt(1_500)))
        clock = LoopClock()
        await clock.sleep_until(clock.now_ms() + 500)
        await call.stop_playing()
        return await playing

    seen, played = bench.call(TALKS, act)
    assert played is False
    assert 0 < len(seen.starts("announcement")) < 1_500 // FRAME_MS


def test_a_prompt_cut_by_the_other_side_hanging_up_was_not_played(bench: Bench) -> None:
    async def act(call: TelephonyCall) -> bool:
        await until(call, CallEventKind.DTMF)
        return await call.play(call.contact_leg, prompt(5_000))

    seen, played = bench.call(TALKS, act)
    assert played is False
    assert seen.starts("announcement")


def test_a_prompt_cut_by_hold_was_not_played(bench: Bench) -> None:
    async def act(call: TelephonyCall) -> bool:
        await until(call, CallEventKind.ANSWERED)
        playing = asyncio.create_task(call.play(call.contact_leg, prompt(1_500)))
        clock = LoopClock()
        await clock.sleep_until(clock.now_ms() + 300)
        await call.hold()
        return await playing

    assert bench.call(TALKS, act)[1] is False


def test_nothing_is_played_before_the_answer_on_hold_or_after_the_end(bench: Bench) -> None:
    async def act(call: TelephonyCall) -> list[bool]:
        await until(call, CallEventKind.RINGING)
        results = [await call.play(call.contact_leg, prompt(100))]
        await until(call, CallEventKind.ANSWERED)
        await call.hold()
        results.append(await call.play(call.contact_leg, prompt(100)))
        await until(call, CallEventKind.ENDED)
        return [*results, await call.play(call.contact_leg, prompt(100))]

    seen, results = bench.call(TALKS, act)
    assert results == [False, False, False]
    assert not seen.starts("announcement")


def test_an_empty_prompt_does_not_count_as_played(bench: Bench) -> None:
    async def act(call: TelephonyCall) -> bool:
        await until(call, CallEventKind.ANSWERED)
        return await call.play(call.contact_leg, [])

    assert bench.call(TALKS, act)[1] is False


def test_a_prompt_of_other_frames_is_refused(bench: Bench) -> None:
    async def act(call: TelephonyCall) -> None:
        await until(call, CallEventKind.ANSWERED)
        with pytest.raises(InvalidInput, match="640 bytes"):
            await call.play(call.contact_leg, [bytes(320)])

    bench.call(TALKS, act)


def test_on_hold_nothing_is_captured_from_the_contact(bench: Bench) -> None:
    async def act(call: TelephonyCall) -> tuple[int, int]:
        clock = LoopClock()
        answered = await until(call, CallEventKind.ANSWERED)
        zero = clock.now_ms() - answered.at_ms
        await clock.sleep_until(zero + 505)
        await call.hold()
        await clock.sleep_until(zero + 1_205)
        await call.resume()
        return 505, 1_205

    seen, (held, back) = bench.call(TALKS, act)
    starts = seen.starts("contact")
    assert not [start for start in starts if held - FRAME_MS < start < back]
    assert [start for start in starts if start >= back]
    assert [start for start in starts if 0 <= start <= held - FRAME_MS]
    assert [start for start in seen.starts("agent") if held < start < back]


def test_a_joining_party_is_reported_before_its_first_frame_and_has_its_own_leg(
    bench: Bench,
) -> None:
    seen, _ = bench.call(JOINS, nothing)
    joined, left = seen.the(CallEventKind.JOINED), seen.the(CallEventKind.LEFT)
    starts = seen.starts(joined.leg)
    assert joined.leg not in ("agent", "contact", "announcement")
    assert joined.number == "+493023125018"
    assert joined.at_ms <= min(starts)
    assert max(starts) < left.at_ms


def test_a_machine_is_reported(bench: Bench) -> None:
    seen, _ = bench.call(MACHINE, nothing)
    machine = seen.the(CallEventKind.MACHINE)
    assert machine.leg == "contact"
    assert machine.at_ms >= 0


def test_digits_that_no_keypad_has_are_refused(bench: Bench) -> None:
    async def act(call: TelephonyCall) -> None:
        await until(call, CallEventKind.ANSWERED)
        await call.send_dtmf(call.contact_leg, "1#")
        with pytest.raises(InvalidInput, match="no key of a telephone"):
            await call.send_dtmf(call.contact_leg, "1;2")

    bench.call(TALKS, act)


def test_two_calls_at_once_do_not_meet(bench: Bench) -> None:
    async def main() -> list[list[CallEvent]]:
        provider = bench.provider.make(bench.folder, TALKS)
        calls = [await provider.dial("+4748750103"), await provider.dial("+4748750103")]
        await until(calls[0], CallEventKind.ANSWERED)
        await calls[0].hangup()
        seen = [[event async for event in call.events()] for call in calls]
        await bench.provider.end(provider)
        return seen

    first, second = bench.provider.run(main())
    assert first[-1].cause is EndCause.LOCAL_HANGUP
    assert second[-1].cause is EndCause.REMOTE_HANGUP
    assert [event.digit for event in second if event.digit] == ["1"]
