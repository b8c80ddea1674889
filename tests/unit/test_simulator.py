from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.callees import NORWAY, callee

from askfirst.audio.mixing import in_frames, to_pcm, to_samples
from askfirst.audio.tone import CONTROL_HZ, MARKER_HZ, find_tone, tone
from askfirst.clock import LoopClock, run_scaled, run_virtual
from askfirst.errors import InvalidInput
from askfirst.model import FRAME_MS, SAMPLE_RATE_HZ, Frame
from askfirst.ports import CallEvent, CallEventKind, EndCause
from askfirst.telephony.network import Network
from askfirst.telephony.persona import Persona, by_number
from askfirst.telephony.simulator import AgentAction, SimulatedCall, Simulator

SAY = 'say="contact"\naudio="contact.wav"'


def persona(folder: Path, *steps: str, number: str = NORWAY) -> Persona:
    """A callee whose agent sits in Norway."""
    return callee(folder, *steps, number=number, agent="NO")


@dataclass
class Seen:
    events: list[CallEvent] = field(default_factory=list)
    actions: list[AgentAction] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    played: list[tuple[int, bool]] = field(default_factory=list)

    def times(self, kind: CallEventKind) -> list[int]:
        return [event.at_ms for event in self.events if event.kind is kind]

    def sound(self, leg: str, start_ms: int = 0, end_ms: int = 600_000) -> NDArray[np.int16]:
        return to_samples(
            b"".join(
                frame.pcm
                for frame in sorted(self.frames, key=lambda frame: frame.start_ms)
                if frame.leg == leg and start_ms <= frame.start_ms < end_ms
            )
        )

    def speaks(self, leg: str) -> list[int]:
        """Starts of the leg's frames with sound after the answer."""
        return [f.start_ms for f in self.frames if f.leg == leg and any(f.pcm) and f.start_ms >= 0]


Reaction = Callable[[SimulatedCall, AgentAction, Seen], Coroutine[Any, Any, None]]


async def watch(call: SimulatedCall, react: Reaction | None = None) -> Seen:
    seen = Seen()

    async def listen() -> None:
        seen.events.extend([event async for event in call.events()])

    async def hear() -> None:
        seen.frames.extend([frame async for frame in call.frames()])

    async with asyncio.TaskGroup() as group:
        group.create_task(listen())
        group.create_task(hear())
        async for action in call.actions():
            seen.actions.append(action)
            if react is not None:
                group.create_task(react(call, action, seen))
    return seen


def act_out(
    callee: Persona, react: Reaction | None = None, network: Network | None = None, **how: bool
) -> Seen:
    async def main() -> Seen:
        simulator = Simulator(LoopClock(), callee, network, **how)
        return await watch(await simulator.dial(callee.number), react)

    return run_virtual(main())


def announce(ms: int) -> Reaction:
    async def react(call: SimulatedCall, action: AgentAction, seen: Seen) -> None:
        if action.kind == "record":
            played = await call.play(call.contact_leg, in_frames(to_pcm(tone((1_100,), ms))))
            seen.played.append((LoopClock().now_ms() - 1_000, played))

    return react


def test_steps_come_one_after_the_other_at_the_length_of_their_audio(tmp_path: Path) -> None:
    seen = act_out(
        persona(
            tmp_path,
            SAY,
            'do="record"',
            'say="agent"\naudio="agent.wav"',
            "pause_ms=400",
            'key="1"',
            'do="place"\ncode="FR"',
            SAY,
            'hangup="contact"',
        )
    )
    assert seen.actions == [AgentAction("record", 1_000), AgentAction("place", 2_400, "FR")]
    assert seen.times(CallEventKind.DTMF) == [2_400]
    assert seen.times(CallEventKind.ENDED) == [3_400]
    assert seen.speaks("contact") == [*range(0, 1_000, 20), *range(2_400, 3_400, 20)]
    assert seen.speaks("agent") == [*range(1_000, 2_000, 20)]


def test_a_call_is_the_same_in_every_run(tmp_path: Path) -> None:
    callee = persona(tmp_path, SAY, 'do="record"', 'wait="announcement"', 'key="1"', SAY)
    network = Network(loss=0.1, delay_ms=30, jitter_ms=60, reorder=0.2, seed=5)
    runs = [act_out(callee, announce(700), network, markers=True) for _ in range(2)]
    assert runs[0] == runs[1]


def test_over_lets_the_next_step_begin_at_once(tmp_path: Path) -> None:
    seen = act_out(
        persona(
            tmp_path, f"{SAY}\nover=true", "pause_ms=300", 'say="agent"\naudio="agent.wav"', SAY
        )
    )
    assert seen.speaks("agent")[0] == 300
    # The contact's second sentence waits for the agent's end; nobody speaks over himself.
    assert seen.speaks("contact") == [*range(0, 1_000, 20), *range(1_300, 2_300, 20)]


def test_a_voice_that_still_speaks_is_heard_out_at_the_end(tmp_path: Path) -> None:
    seen = act_out(persona(tmp_path, f"{SAY}\nover=true"))
    assert len(seen.speaks("contact")) == 50
    assert seen.events[-1].cause is EndCause.REMOTE_HANGUP


def test_the_agents_hang_up_is_ours(tmp_path: Path) -> None:
    seen = act_out(persona(tmp_path, 'hangup="agent"'))
    assert seen.events[-1].cause is EndCause.LOCAL_HANGUP


def test_a_wait_lasts_until_the_announcement_has_ended(tmp_path: Path) -> None:
    seen = act_out(
        persona(tmp_path, "pause_ms=500", 'do="record"', 'wait="announcement"', 'key="1"'),
        announce(2_000),
    )
    assert [played for _, played in seen.played] == [True]
    (ended,) = [at for at, _ in seen.played]
    assert seen.times(CallEventKind.DTMF) == [ended + FRAME_MS]
    assert ended - 2_000 - 500 <= FRAME_MS


def test_a_wait_after_an_announcement_that_has_just_ended_is_none(tmp_path: Path) -> None:
    seen = act_out(
        persona(tmp_path, 'do="record"', SAY, 'wait="announcement"', 'key="1"'), announce(300)
    )
    assert seen.times(CallEventKind.DTMF)[0] <= 1_000 + FRAME_MS


def test_a_wait_for_an_announcement_that_never_comes_ends(tmp_path: Path) -> None:
    seen = act_out(persona(tmp_path, 'do="record"', 'wait="announcement"', 'key="1"'))
    assert seen.times(CallEventKind.DTMF) == [30_000 + FRAME_MS]


def test_a_key_may_be_pressed_during_the_announcement(tmp_path: Path) -> None:
    seen = act_out(
        persona(tmp_path, 'do="record"', "pause_ms=500", 'key="9"', 'wait="announcement"'),
        announce(2_000),
    )
    assert seen.times(CallEventKind.DTMF) == [500]
    (ended, played) = seen.played[0]
    assert played
    assert ended > 2_000


def test_a_hang_up_in_mid_announcement_cuts_it(tmp_path: Path) -> None:
    seen = act_out(
        persona(tmp_path, 'do="record"', "pause_ms=700", 'hangup="contact"'), announce(2_000)
    )
    assert seen.played == [(700, False)]
    assert max(seen.speaks("announcement")) < 700


def test_an_announcement_cancelled_by_its_caller_stops(tmp_path: Path) -> None:
    async def react(call: SimulatedCall, action: AgentAction, seen: Seen) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(announce(2_000)(call, action, seen), 0.5)

    seen = act_out(persona(tmp_path, 'do="record"', "pause_ms=3000"), react)
    assert 0 < len(seen.speaks("announcement")) <= 25


def test_a_second_announcement_cuts_the_first(tmp_path: Path) -> None:
    seen = act_out(
        persona(tmp_path, 'do="record"', "pause_ms=500", 'do="record"', "pause_ms=2500"),
        announce(1_000),
    )
    assert [played for _, played in seen.played] == [False, True]


def test_a_second_joiner_has_another_leg_than_the_first(tmp_path: Path) -> None:
    seen = act_out(
        persona(
            tmp_path,
            'join="+493023125018"',
            'say="joiner"\naudio="joiner.wav"',
            'leave="joiner"',
            "pause_ms=500",
            'join="+33199005501"',
            'say="joiner"\naudio="joiner.wav"',
        )
    )
    joined = [event for event in seen.events if event.kind is CallEventKind.JOINED]
    assert [event.number for event in joined] == ["+493023125018", "+33199005501"]
    first, second = [event.leg for event in joined]
    assert first != second
    assert (seen.speaks(first)[0], seen.speaks(second)[0]) == (0, 1_500)


def test_a_machine_is_told_at_the_answer(tmp_path: Path) -> None:
    seen = act_out(persona(tmp_path, 'answer="machine"', SAY))
    assert [event.kind for event in seen.events[1:3]] == [
        CallEventKind.ANSWERED,
        CallEventKind.MACHINE,
    ]


def test_a_number_that_nobody_has_is_not_found(tmp_path: Path) -> None:
    async def main() -> Seen:
        callee = persona(tmp_path, SAY)
        return await watch(await Simulator(LoopClock(), by_number({"a": callee})).dial("+1"))

    seen = run_virtual(main())
    assert [event.cause for event in seen.events] == [EndCause.NOT_FOUND]
    assert not seen.frames


def test_two_personas_are_called_at_once(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    callees = {
        "one": persona(tmp_path / "one", SAY, 'key="1"', number="+4748750101"),
        "two": persona(tmp_path / "two", "pause_ms=400", 'key="2"', SAY, number="+4748750102"),
    }

    async def main() -> list[Seen]:
        simulator = Simulator(LoopClock(), by_number(callees))
        calls = [await simulator.dial(callees[name].number) for name in callees]
        return list(await asyncio.gather(*(watch(call) for call in calls)))

    one, two = run_virtual(main())
    assert [(e.digit, e.at_ms) for e in one.events if e.digit] == [("1", 1_000)]
    assert [(e.digit, e.at_ms) for e in two.events if e.digit] == [("2", 400)]
    assert (one.speaks("contact")[0], two.speaks("contact")[0]) == (0, 400)


def test_a_broken_audio_file_is_named_when_the_persona_is_called(tmp_path: Path) -> None:
    callee = persona(tmp_path, SAY)
    (tmp_path / "contact.wav").write_bytes(b"RIFF0000WAVE")
    with pytest.raises(InvalidInput, match=r"contact\.wav"):
        act_out(callee)


def test_an_audio_file_that_has_gone_is_named_when_the_persona_is_called(tmp_path: Path) -> None:
    callee = persona(tmp_path, SAY)
    (tmp_path / "contact.wav").unlink()
    with pytest.raises(InvalidInput, match=r"contact\.wav"):
        act_out(callee)


def marked(seen: Seen, leg: str, start_ms: int, end_ms: int) -> bool:
    return bool(find_tone(seen.sound(leg, start_ms, end_ms), SAMPLE_RATE_HZ, MARKER_HZ))


def test_the_marker_is_in_what_the_contact_says_before_consent_and_not_after(
    tmp_path: Path,
) -> None:
    seen = act_out(
        persona(tmp_path, SAY, 'key="1"\nconsent=true', SAY, 'key="9"\nconsent=false', SAY),
        markers=True,
    )
    assert marked(seen, "contact", 0, 1_000)
    assert not marked(seen, "contact", 1_000, 2_000)
    assert marked(seen, "contact", 2_000, 3_000)


def test_the_marker_ends_in_mid_sentence_where_consent_begins(tmp_path: Path) -> None:
    seen = act_out(
        persona(tmp_path, f"{SAY}\nover=true", "pause_ms=500", 'key="1"\nconsent=true'),
        markers=True,
    )
    assert marked(seen, "contact", 0, 500)
    assert not marked(seen, "contact", 500, 1_000)


def test_early_media_and_joiners_are_marked_and_the_agent_is_not(tmp_path: Path) -> None:
    seen = act_out(
        persona(
            tmp_path,
            'say="agent"\naudio="agent.wav"',
            'join="+493023125018"',
            'say="joiner"\naudio="joiner.wav"',
        ),
        markers=True,
    )
    assert marked(seen, "contact", -1_000, 0)
    assert marked(seen, "joiner", 0, 2_000)
    assert not marked(seen, "agent", 0, 2_000)


def test_without_markers_nothing_is_marked_and_scripted_tones_are_silent(tmp_path: Path) -> None:
    callee = persona(tmp_path, SAY, 'tone="control"\nms=500', 'tone="marker"\nms=500')
    seen = act_out(callee)
    assert seen.times(CallEventKind.ENDED) == [2_000]
    assert seen.speaks("contact") == [*range(0, 1_000, 20)]
    assert not marked(seen, "contact", -1_000, 2_000)


def test_scripted_tones_are_heard_pure_with_markers(tmp_path: Path) -> None:
    seen = act_out(
        persona(tmp_path, "pause_ms=200", 'tone="control"\nms=500', 'tone="marker"\nms=500'),
        markers=True,
    )
    assert seen.speaks("contact") == [*range(200, 1_200, 20)]
    assert find_tone(seen.sound("contact", 200, 700), SAMPLE_RATE_HZ, CONTROL_HZ)
    assert not marked(seen, "contact", 200, 700)
    assert marked(seen, "contact", 700, 1_200)


def test_early_media_can_be_switched_off(tmp_path: Path) -> None:
    seen = act_out(persona(tmp_path, SAY), early_media=False)
    assert min(frame.start_ms for frame in seen.frames) == 0


def test_a_lossy_network_delays_and_drops_but_never_changes_a_capture_time(
    tmp_path: Path,
) -> None:
    callee = persona(tmp_path, SAY, SAY, SAY, 'hangup="contact"')
    clear = act_out(callee)
    rough = act_out(callee, network=Network(0.2, 200, 100, 0.1, seed=3))
    truth = {(f.leg, f.start_ms): f.pcm for f in clear.frames}
    assert all(truth[f.leg, f.start_ms] == f.pcm for f in rough.frames)
    contact = [f.start_ms for f in rough.frames if f.leg == "contact"]
    assert 0.7 < len(contact) / 200 < 0.9
    assert contact != sorted(contact)
    # What was under way at the end still arrives, with the time at which it was captured.
    assert max(contact) >= 2_900
    assert [f for f in rough.frames if f.leg == "agent"] == [
        f for f in clear.frames if f.leg == "agent"
    ]


def test_jitter_alone_keeps_the_order(tmp_path: Path) -> None:
    seen = act_out(persona(tmp_path, SAY, SAY), network=Network(delay_ms=40, jitter_ms=200))
    contact = [f.start_ms for f in seen.frames if f.leg == "contact"]
    assert contact == sorted(contact)
    assert len(contact) == 150


@pytest.mark.parametrize(
    ("network", "lag_ms"),
    [(None, 0), (Network(), 0), (Network(delay_ms=30, jitter_ms=15), 60), (Network(reorder=1), 60)],
)
def test_the_declared_lag_is_the_networks_bound(
    tmp_path: Path, network: Network | None, lag_ms: int
) -> None:
    simulator = Simulator(LoopClock(), persona(tmp_path), network)
    assert simulator.capabilities.capture_lag_ms == lag_ms


@pytest.mark.parametrize(("loss", "delay_ms"), [(1.5, 0), (-0.1, 0), (float("nan"), 0), (0.0, -1)])
def test_a_network_that_cannot_be_is_refused(loss: float, delay_ms: int) -> None:
    with pytest.raises(InvalidInput, match="expected shares"):
        Network(loss, delay_ms)


def test_a_slow_reader_gets_every_frame_in_order(tmp_path: Path) -> None:
    async def main() -> list[int]:
        call = await Simulator(LoopClock(), persona(tmp_path, SAY)).dial("+1")
        starts = []
        async for frame in call.frames():
            await asyncio.sleep(0.1)
            if frame.leg == "contact":
                starts.append(frame.start_ms)
        return starts

    assert run_virtual(main()) == list(range(-1_000, 1_000, 20))


def test_a_call_runs_on_a_scaled_clock_with_true_capture_times(tmp_path: Path) -> None:
    callee = persona(tmp_path, SAY, 'key="1"', SAY)

    async def main() -> Seen:
        return await watch(await Simulator(LoopClock(), callee).dial(callee.number))

    seen, virtual = run_scaled(main(), speed=100), act_out(callee)
    assert seen.frames == virtual.frames
    assert seen.events == virtual.events
