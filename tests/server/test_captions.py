"""Live captions: only what the gate allows is ever recognised, and a no leaves nothing behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tests.server import rig
from tests.server.rig import AGENT, BYE, HELLO, KEYED, pause
from tests.server.test_recorder import asking, met, opened, sealed

from askfirst import events as ev
from askfirst.audio.mixing import to_samples
from askfirst.audio.tone import MARKER_HZ, find_tone
from askfirst.clock import LoopClock, run_virtual
from askfirst.errors import Unavailable
from askfirst.gate import Facts, State, after
from askfirst.model import FRAME_MS, SAMPLE_RATE_HZ, Form, Proof, Role, Use, Word
from askfirst.ports import RecognizerCapabilities
from askfirst.server.captioning import Captioning
from askfirst.server.captions import MOST_BEHIND_MS, Captions, Wiped
from askfirst.server.finishing import Finishing
from askfirst.server.store import Store
from askfirst.server.transcripts import current
from askfirst.speech.endpointing import Detector
from askfirst.telephony.network import Network

BY_ENERGY = Detector("energy", "voices are tones here")
LOCAL = RecognizerCapabilities(frozenset({"en"}), word_times=True, external=False)
LOSSY = Network(loss=0.03, delay_ms=180, jitter_ms=140, reorder=0.1, seed=4)


@dataclass
class Hearing:
    """A recogniser that remembers all it was given, and answers with one word."""

    capabilities: RecognizerCapabilities = LOCAL
    name: str = "hearing"
    heard: list[bytes] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None
    fails: Exception | None = None

    def transcribe(self, pcm: bytes, language: str) -> list[Word]:
        if any(pcm):
            self.heard.append(pcm)
            self.meanwhile()
            if self.fails is not None:
                raise self.fails
            return [Word("word", 100, len(pcm) // 32, 1.0)]
        return []

    def close(self) -> None:
        pass

    def levels(self) -> set[int]:
        """Every sample value but silence that was ever heard."""
        return {int(value) for pcm in self.heard for value in np.unique(to_samples(pcm))} - {0}


@contextmanager
def hearing(*recognizers: Hearing) -> Iterator[Captioning]:
    made = Captioning(recognizers, using=BY_ENERGY)
    yield made
    made.close()


@dataclass
class Live:
    """Captions with a clock that is also the call's."""

    captions: Captions
    clock: LoopClock

    async def speak(self, leg: str, level: int, ms: int = 600) -> None:
        """Silence, a sound of one level, and silence, as time passes."""
        for value in (*[0] * 15, *[level] * (ms // FRAME_MS), *[0] * 60):
            self.captions.push(rig.frame(leg, self.clock.now_ms(), value))
            await self.wait(FRAME_MS)

    async def wait(self, ms: int) -> None:
        await self.clock.sleep_until(self.clock.now_ms() + ms)

    def follow(self, facts: Facts) -> Facts:
        self.captions.follow(facts)
        return facts


def live(captioning: Captioning | None, act: Callable[[Live], Awaitable[None]]) -> Captions:
    """Captions on a virtual clock while `act` runs, closed afterwards."""

    async def run() -> Captions:
        clock = LoopClock()
        made = Captions(captioning, clock, "en", clock.now_ms)
        await act(Live(made, clock))
        made.close()
        return made

    return run_virtual(run())


# What is never heard


def test_nothing_from_before_the_permit_is_heard_however_late_it_arrives() -> None:
    engine = Hearing()

    async def act(call: Live) -> None:
        call.follow(asking())
        await call.speak("contact", 1000)
        await call.speak("agent", 1100)
        opened_ms = call.clock.now_ms()
        call.follow(opened(opened_ms))
        for at_ms in range(opened_ms - 800, opened_ms, FRAME_MS):
            assert not call.captions.push(rig.frame("contact", at_ms, 1200))
        await call.speak("contact", 2000)
        await call.speak("agent", 2100)

    with hearing(engine) as captioning:
        live(captioning, act)

    assert engine.levels() == {2000, 2100}


def test_nothing_of_a_notice_that_is_being_told_is_heard() -> None:
    engine = Hearing()

    async def act(call: Live) -> None:
        told = call.follow(after(asking(), ev.TellingStarted(0, ev.Teller.AGENT)))
        assert told.allows("agent", Use.RECORD, 20), "our own side is kept, but not transcribed"
        await call.speak("agent", 1000)

    with hearing(engine) as captioning:
        live(captioning, act)

    assert engine.heard == []


def test_nothing_of_a_pause_is_heard_and_what_it_cut_is_thrown_away() -> None:
    engine = Hearing()

    async def act(call: Live) -> None:
        facts = call.follow(opened())
        await call.speak("contact", 2000)
        for value in (*[0] * 15, *[2500] * 30):
            call.captions.push(rig.frame("contact", call.clock.now_ms(), value))
            await call.wait(FRAME_MS)
        paused_ms = call.clock.now_ms()
        held = call.follow(after(facts, ev.Held(paused_ms, "card")))
        await call.speak("contact", 3000)
        call.follow(after(held, ev.Released(call.clock.now_ms(), "card")))
        for at_ms in range(paused_ms, paused_ms + 800, FRAME_MS):
            assert not call.captions.push(rig.frame("contact", at_ms, 3300))
        await call.speak("contact", 4000)

    with hearing(engine) as captioning:
        live(captioning, act)

    assert engine.levels() == {2000, 4000}


def test_nobody_is_heard_while_one_party_has_not_granted_it() -> None:
    engine = Hearing()
    asked = asking()
    assert asked.decision is not None
    only = frozenset({Use.RECORD})
    owed = tuple(replace(each, uses=only) for each in asked.decision.requirements)
    facts = replace(asked, decision=replace(asked.decision, requirements=owed))
    facts = sealed(met(facts, 0), 0)
    assert (facts.state, facts.allows("contact", Use.RECORD, 0)) == (State.OPEN, True)

    async def act(call: Live) -> None:
        call.follow(facts)
        await call.speak("contact", 1000)
        await call.speak("agent", 1000)

    with hearing(engine) as captioning:
        live(captioning, act)

    assert engine.heard == []


def test_a_joiner_who_was_not_asked_silences_everybody() -> None:
    engine = Hearing()

    async def act(call: Live) -> None:
        facts = call.follow(opened())
        at_ms = call.clock.now_ms()
        joins = ev.PartyJoined(at_ms, 2, Role.CONTACT, "joiner", frozenset({"DE"}))
        call.follow(after(facts, joins))
        for leg in ("contact", "joiner", "agent"):
            await call.speak(leg, 1000)

    with hearing(engine) as captioning:
        live(captioning, act)

    assert engine.heard == []


def test_a_no_wipes_every_line_and_what_is_being_heard_comes_to_nothing() -> None:
    engine = Hearing()
    seen: list[object] = []

    async def act(call: Live) -> None:
        facts = call.follow(opened())
        await call.speak("contact", 2000)
        assert [line.text for line in call.captions.lines()] == ["word"]
        loop, has_said_no = asyncio.get_running_loop(), threading.Event()

        def object_now() -> None:
            call.follow(after(facts, ev.Withdrawn(call.clock.now_ms(), 1)))
            has_said_no.set()

        def meanwhile() -> None:
            loop.call_soon_threadsafe(object_now)
            assert has_said_no.wait(10)

        engine.meanwhile = meanwhile
        await call.speak("contact", 2100)
        await call.speak("contact", 3000)
        await call.speak("agent", 3000)
        seen.extend(call.captions.since(1))
        assert call.captions.lines() == ()
        assert call.captions.behind_ms == 0

    with hearing(engine) as captioning:
        live(captioning, act)

    assert engine.levels() == {2000, 2100}
    assert seen == [Wiped(2)], "who has had line 1 is told that it is gone"


def test_a_refusal_wipes_too_and_a_later_yes_begins_with_new_sequences() -> None:
    engine = Hearing()

    async def act(call: Live) -> None:
        facts = call.follow(opened())
        await call.speak("contact", 2000)
        facts = after(facts, ev.Refused(call.clock.now_ms(), 1))
        call.follow(facts)
        assert call.captions.lines() == ()
        at_ms = call.clock.now_ms()
        for owed in facts.unmet():
            yes = ev.Evidence(owed.party, Form.AGREED, Proof.KEY, owed.uses, owed.elements)
            facts = after(facts, ev.Met(at_ms, yes))
        call.follow(sealed(facts, at_ms))
        await call.speak("contact", 4000)
        assert [line.sequence for line in call.captions.lines()] == [3]

    with hearing(engine) as captioning:
        live(captioning, act)

    assert engine.levels() == {2000, 4000}


def test_a_frame_that_comes_after_later_ones_were_heard_is_not_heard_out_of_place() -> None:
    engine = Hearing()

    async def act(call: Live) -> None:
        call.follow(opened())
        await call.speak("contact", 2000)
        for at_ms in range(400, 800, FRAME_MS):
            assert call.captions.push(rig.frame("contact", at_ms, 2500))
        await call.speak("contact", 3000)

    with hearing(engine) as captioning:
        live(captioning, act)

    assert engine.levels() == {2000, 3000}


def test_an_engine_outside_this_machine_hears_nothing() -> None:
    engine = Hearing(replace(LOCAL, external=True))

    async def act(call: Live) -> None:
        call.follow(opened())
        await call.speak("contact", 2000)
        assert call.captions.reason == "external"

    with hearing(engine) as captioning:
        live(captioning, act)

    assert engine.heard == []


def test_an_engine_that_cannot_be_had_is_a_reason_and_no_error() -> None:
    assert Captioning.open("nobody-registered-this").reason == "misconfigured"


# Whole calls


def carried(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch, *steps: str) -> Hearing:
    """Carry a call whose unconsented sound is marked, over a bad network; what was heard."""
    engine = Hearing()
    with hearing(engine) as captioning:
        monkeypatch.setattr(rig, "Watched", partial(rig.Watched, captioning=captioning))
        persona = rig.callee(folder, *steps, BYE)
        call = rig.virtually(store, persona, network=LOSSY)
    assert call.captions.lines() == (), "nothing is left when the call is over"
    assert call.captions.is_closed
    return engine


def has_marker(heard: Iterable[bytes]) -> bool:
    return bool(find_tone(to_samples(b"".join(heard)), SAMPLE_RATE_HZ, MARKER_HZ))


def test_a_call_is_heard_from_its_permit_on(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = (*KEYED, pause(900), HELLO, pause(900), AGENT, pause(900))

    engine = carried(store, tmp_path / "callee", monkeypatch, *steps)

    assert engine.heard
    assert not has_marker(engine.heard)


def test_a_call_without_a_yes_is_never_heard(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = carried(store, tmp_path / "callee", monkeypatch, HELLO, AGENT, HELLO, pause(900))

    assert engine.heard == []


def test_what_was_missed_live_is_in_the_transcript_of_the_recording(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_engine = Hearing(fails=Unavailable("the speech process ended"))
    with hearing(live_engine) as captioning:
        monkeypatch.setattr(rig, "Watched", partial(rig.Watched, captioning=captioning))
        steps = (*KEYED, pause(900), HELLO, pause(900), AGENT, pause(900), BYE)
        call = rig.virtually(store, rig.callee(tmp_path / "callee", *steps))
    assert live_engine.heard, "it was tried, and every phrase of it was lost"

    work = Finishing(store, Hearing())
    for step in (work.seal, work.check, work.transcribe):
        step(call.id)

    said = current(store, call.recordings[0]) or []
    assert {each.speaker for each in said} == {"agent", "contact"}


# What is shown


def test_lines_say_who_spoke_when_and_can_be_had_from_any_sequence_on() -> None:
    async def act(call: Live) -> None:
        call.follow(opened())
        await call.speak("contact", 2000)
        await call.speak("agent", 2000)
        first, second = call.captions.lines()
        assert (first.sequence, first.party, first.speaker) == (1, 1, "contact")
        assert (second.sequence, second.party, second.speaker) == (2, 0, "agent")
        assert 0 <= first.start_ms < first.end_ms <= second.start_ms < second.end_ms
        assert call.captions.lines(1) == (second,)
        assert call.captions.since(2) == ()
        began_ms = call.clock.now_ms()
        await call.captions.change(1, 60)
        assert call.clock.now_ms() == began_ms, "there is more already"
        await call.captions.change(2, 60)
        assert call.clock.now_ms() == began_ms + 60_000

    with hearing(Hearing()) as captioning:
        ended = live(captioning, act)

    assert ended.lines() == ()


def test_phrases_of_one_person_that_wait_are_heard_together_in_their_places() -> None:
    engine = Hearing()

    class Busy(Captioning):
        is_busy = True

        def _go_on(self) -> None:
            if not self.is_busy:
                super()._go_on()

    async def act(call: Live) -> None:
        call.follow(opened())
        await call.wait(FRAME_MS)
        await call.speak("contact", 2000)
        await call.speak("contact", 2100)
        captioning.is_busy = False
        await call.speak("agent", 2200)
        await call.wait(1000)

    captioning = Busy((engine,), using=BY_ENERGY)
    live(captioning, act)
    captioning.close()

    together, alone = engine.heard
    assert {2000, 2100} <= set(np.unique(to_samples(together)).tolist())
    assert {2200} <= set(np.unique(to_samples(alone)).tolist())


def test_what_cannot_be_kept_up_with_is_bounded_and_counted() -> None:
    engine = Hearing()

    class Stuck(Captioning):
        def _go_on(self) -> None:
            pass

    async def act(call: Live) -> None:
        call.follow(opened())
        for _ in range(25):
            await call.speak("contact", 2000, 1500)
        waiting_ms = sum(each.phrase.end_ms - each.phrase.start_ms for each in stuck._waiting)
        assert MOST_BEHIND_MS / 2 < waiting_ms <= MOST_BEHIND_MS
        assert call.captions.skipped_ms > 10_000
        assert call.captions.behind_ms > 10_000
        call.follow(after(opened(), ev.Withdrawn(call.clock.now_ms(), 1)))
        assert stuck._waiting == []

    stuck = Stuck((engine,), using=BY_ENERGY)
    live(stuck, act)
    stuck.close()

    assert engine.heard == []


def test_an_engine_that_fails_costs_its_phrase_and_no_more() -> None:
    engine = Hearing()

    async def act(call: Live) -> None:
        call.follow(opened())
        engine.fails = Unavailable("the speech process ended")
        await call.speak("contact", 2000)
        assert (call.captions.reason, call.captions.lines()) == ("failed", ())
        assert call.captions.skipped_ms > 0
        engine.fails = None
        await call.speak("contact", 2100)
        assert call.captions.reason is None
        assert len(call.captions.lines()) == 1

    with hearing(engine) as captioning:
        live(captioning, act)


@pytest.mark.parametrize(
    ("captioning", "reason"),
    [
        (None, "not-running"),
        (Captioning((), "not-installed"), "not-installed"),
        (Captioning((Hearing(replace(LOCAL, languages=frozenset({"nb"}))),)), "language"),
    ],
)
def test_where_no_engine_can_hear_no_frame_is_even_put_aside(
    captioning: Captioning | None, reason: str
) -> None:
    async def act(call: Live) -> None:
        call.follow(opened())
        assert not call.captions.push(rig.frame("contact", 0, 2000))
        assert call.captions.reason == reason

    live(captioning, act)
