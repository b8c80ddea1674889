"""Spoken answers: heard after the whole notice and for ten seconds, and nothing of them is kept."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.server import rig
from tests.server.rig import AGENT, BYE, HELLO, RECORD, WAIT, pause
from tests.server.test_captions import BY_ENERGY, LOCAL, Hearing
from tests.server.test_recorder import sealed

import askfirst
from askfirst import Party, decide
from askfirst import events as ev
from askfirst.clock import LoopClock, run_virtual
from askfirst.errors import Unavailable
from askfirst.gate import ANSWER_LIMIT_MS, Facts, State, after
from askfirst.model import FRAME_MS, Proof, Role, Word
from askfirst.notice import announcement
from askfirst.server.answers import Keys
from askfirst.server.call import Call
from askfirst.server.captioning import Captioning
from askfirst.server.database import consents
from askfirst.server.request import Prompt
from askfirst.server.simulation import DEMO_FACTS, request_for
from askfirst.server.spokenanswer import SpokenAnswers
from askfirst.server.store import Store
from askfirst.telephony.simulator import Simulator


@dataclass
class Understanding(Hearing):
    """A recogniser that takes whatever it hears for certain words."""

    says: str = "Yes, that is fine."

    def transcribe(self, pcm: bytes, language: str) -> list[Word]:
        if not super().transcribe(pcm, language):
            return []
        words = self.says.split()
        return [Word(word, 100 + 50 * n, 150 + 50 * n, 1.0) for n, word in enumerate(words)]


def told(place: str = "US-CA", teller: ev.Teller = ev.Teller.ANNOUNCEMENT) -> Facts:
    """A contact who was told everything at 1000 ms, and has not answered."""
    people = [Party.agent("US-TX"), Party.contact(place)]
    facts = Facts(hears_answers=True)
    for event in (
        ev.SwitchChanged(0, True),
        ev.AcknowledgementChanged(0, 0, True),
        ev.PartyJoined(0, 0, Role.AGENT, "agent", frozenset({"US-TX"})),
        ev.PartyJoined(0, 1, Role.CONTACT, "contact", frozenset({place})),
        ev.Decided(0, decide(people, date(2026, 11, 24))),
        ev.Wanted(0),
        ev.TellingStarted(0, teller),
        ev.TellingEnded(1_000),
    ):
        facts = after(facts, event)
    return sealed(facts, 1_000)


@dataclass
class Asked:
    """A call that remembers what was answered in it."""

    clock: LoopClock
    facts: Facts = field(default_factory=Facts)
    id: str = "call"
    refusals: list[tuple[int, str]] = field(default_factory=list)
    given: list[tuple[ev.Evidence, str, Any]] = field(default_factory=list)
    answers: SpokenAnswers = field(init=False)

    def now_ms(self) -> int:
        return self.clock.now_ms()

    def refused(self, party: int = 1, how: str = "agent") -> None:
        self.refusals.append((party, how))

    def give(self, evidence: ev.Evidence, how: str, more: Any = None) -> None:
        self.given.append((evidence, how, more))

    def follow(self, facts: Facts, by: ev.Teller = ev.Teller.ANNOUNCEMENT) -> None:
        self.facts = facts
        self.answers.follow(facts, by)

    async def speak(self, leg: str, level: int, ms: int = 600) -> None:
        """Silence, a sound of one level, and silence, as time passes."""
        for value in (*[0] * 15, *[level] * (ms // FRAME_MS), *[0] * 60):
            self.answers.push(rig.frame(leg, self.clock.now_ms(), value))
            await self.until(self.clock.now_ms() + FRAME_MS)

    async def until(self, at_ms: int) -> None:
        await self.clock.sleep_until(at_ms)


def asked(engine: Hearing, act: Callable[[Asked], Awaitable[None]]) -> Asked:
    """A call on a virtual clock while `act` runs."""

    async def run() -> Asked:
        captioning = Captioning((engine,), using=BY_ENERGY)
        clock = LoopClock()
        call = Asked(clock)
        call.answers = SpokenAnswers(call, captioning, clock, Keys())
        await act(call)
        call.follow(Facts())
        await call.until(clock.now_ms() + 1_000)
        captioning.close()
        return call

    return run_virtual(run())


# What is never heard


def test_nothing_is_heard_before_the_notice_has_ended_nor_later_than_ten_seconds_after() -> None:
    engine = Understanding()

    async def act(call: Asked) -> None:
        await call.speak("contact", 1_000)
        await call.until(3_000)
        call.follow(told())
        assert not call.answers.push(rig.frame("contact", 980, 1_100)), "captured before its end"
        await call.until(1_000 + ANSWER_LIMIT_MS)
        await call.speak("contact", 1_200)

    call = asked(engine, act)

    assert engine.heard == []
    assert (call.given, call.refusals) == ([], [])


def test_nobody_but_who_is_asked_is_heard() -> None:
    engine = Understanding()

    async def act(call: Asked) -> None:
        await call.until(1_000)
        call.follow(told())
        await call.speak("agent", 1_000)
        await call.speak("announcement", 1_100)

    call = asked(engine, act)

    assert engine.heard == []
    assert call.given == []


@pytest.mark.parametrize(
    "facts",
    [
        replace(told(), hears_answers=False),
        replace(told(), separate_legs=False),
        told("DE"),
        after(told(), ev.Held(1_000, "agent")),
        after(told(), ev.Unwanted(1_000)),
        after(told(), ev.HungUp(1_000)),
    ],
    ids=["not wanted", "one leg", "the rule forbids it", "held", "not recorded", "over"],
)
def test_where_it_is_not_wanted_or_not_allowed_no_frame_is_even_put_aside(facts: Facts) -> None:
    engine = Understanding()

    async def act(call: Asked) -> None:
        await call.until(1_000)
        call.follow(facts)
        assert not call.answers.push(rig.frame("contact", 1_100, 1_000))
        await call.speak("contact", 1_000)

    call = asked(engine, act)

    assert engine.heard == []
    assert (call.given, call.refusals) == ([], [])


def test_after_what_an_agent_says_in_person_nobody_is_listened_to() -> None:
    engine = Understanding()

    async def act(call: Asked) -> None:
        await call.until(1_000)
        call.follow(told(teller=ev.Teller.AGENT), ev.Teller.AGENT)
        await call.speak("contact", 1_000)

    assert asked(engine, act).given == []
    assert engine.heard == []


@pytest.mark.parametrize(
    "capabilities",
    [replace(LOCAL, external=True), replace(LOCAL, languages=frozenset({"nb"}))],
    ids=["sends sound away", "knows another language"],
)
def test_an_engine_that_does_not_do_hears_nothing(capabilities: Any) -> None:
    engine = Understanding(capabilities)

    async def act(call: Asked) -> None:
        await call.until(1_000)
        call.follow(told())
        await call.speak("contact", 1_000)

    assert asked(engine, act).given == []
    assert engine.heard == []


# What counts


@pytest.mark.parametrize(
    "says",
    ["Yes, but who are you?", "I do not know.", "Hello?", "Yes no.", "What happens if I say yes?"],
)
def test_words_that_are_not_certain_are_no_answer(says: str) -> None:
    async def act(call: Asked) -> None:
        await call.until(1_000)
        call.follow(told())
        await call.speak("contact", 1_000)

    call = asked(Understanding(says=says), act)

    assert call.given == []


def test_a_certain_yes_is_evidence_of_its_own_kind_with_what_heard_it() -> None:
    async def act(call: Asked) -> None:
        await call.until(1_000)
        call.follow(told())
        await call.speak("contact", 1_000)

    ((evidence, how, more),) = asked(Understanding(), act).given

    assert (evidence.party, evidence.proof, how) == (1, Proof.SPOKEN, "spoken")
    assert more["engine"] == "hearing"
    assert more["rules"].startswith("sha256:")
    assert 1_000 <= more["from_ms"] < more["to_ms"] <= 1_000 + ANSWER_LIMIT_MS


def test_a_certain_no_is_one() -> None:
    async def act(call: Asked) -> None:
        await call.until(1_000)
        call.follow(told())
        await call.speak("contact", 1_000)

    call = asked(Understanding(says="No, thank you."), act)

    assert call.refusals == [(1, "spoken")]
    assert call.given == []


def test_an_answer_is_not_that_of_two_people() -> None:
    async def act(call: Asked) -> None:
        await call.until(1_000)
        call.follow(told())
        await call.speak("contact", 1_000)
        await call.speak("contact", 1_100)

    assert len(asked(Understanding(), act).given) == 1


def test_what_is_understood_after_the_permission_has_ended_counts_for_nothing() -> None:
    calls: list[Asked] = []

    async def act(call: Asked) -> None:
        calls.append(call)
        await call.until(1_000)
        call.follow(told())
        await call.speak("contact", 1_000)

    engine = Understanding()
    engine.meanwhile = lambda: calls[0].follow(after(told(), ev.Held(1_500, "agent")))

    assert asked(engine, act).given == []
    assert len(engine.heard) == 1


def test_an_engine_that_fails_is_no_answer_and_the_next_phrase_is_heard() -> None:
    engine = Understanding(fails=Unavailable("the speech process ended"))

    async def act(call: Asked) -> None:
        await call.until(1_000)
        call.follow(told())
        await call.speak("contact", 1_000)
        engine.fails = None
        await call.speak("contact", 1_100)

    assert len(asked(engine, act).given) == 1


# In a call


def answered(
    store: Store, folder: Path, captioning: Captioning, voice: Path | None = None
) -> tuple[Call, list[str]]:
    """A call whose contact speaks after the announcement, and the texts that were looked up."""
    texts: list[str] = []

    def prompts(text: str, language: str) -> Prompt:
        texts.append(text)
        return rig.prompt(text, language)

    folder.mkdir(exist_ok=True)
    if voice is not None:
        (folder / "answer.opus").write_bytes(voice.read_bytes())
    answer = HELLO if voice is None else 'say="contact"\naudio="answer.opus"'
    persona = rig.callee(
        folder, HELLO, AGENT, RECORD, WAIT, pause(800), answer, pause(5_000), HELLO, AGENT, BYE
    )

    async def run() -> Call:
        clock = LoopClock()
        request = replace(request_for(persona), hears_answers=True)
        call = Call(store, clock, request, DEMO_FACTS, prompts, captioning=captioning)
        leg = await Simulator(clock, persona).dial(persona.number)
        clicking = rig.clicking(call, leg)
        await call.run(leg)
        await clicking
        captioning.close()
        return call

    return run_virtual(run()), texts


def understanding(says: str) -> Captioning:
    return Captioning((Understanding(says=says),), using=BY_ENERGY)


def test_a_spoken_yes_opens_and_the_answer_itself_is_in_no_recording(
    store: Store, tmp_path: Path
) -> None:
    call, texts = answered(store, tmp_path, understanding("Yes, I agree."))

    assert any("Say yes or press 1" in text for text in texts)
    with store.engine.connect() as connection:
        (consent,) = connection.execute(consents.select()).all()
    assert (consent.how, consent.proof) == ("spoken", int(Proof.SPOKEN))
    entries = [entry for _, entry in store.ledger.entries(call.id)]
    (given,) = [entry for entry in entries if entry["kind"] == "consent.given"]
    assert "agree" not in json.dumps(given).lower().replace('"agreed"', "")
    (opened_ms,) = rig.openings(store, call.id)
    data = given["data"]
    assert isinstance(data, dict)
    assert data["to_ms"] <= opened_ms
    assert call.facts.has_ended


def test_a_spoken_no_is_final_and_nothing_is_recorded(store: Store, tmp_path: Path) -> None:
    call, _ = answered(store, tmp_path, understanding("No, I do not want that."))

    assert 1 in call.facts.refused
    assert rig.openings(store, call.id) == []
    assert rig.spool_files(store) == []
    assert State.OPEN.value not in [state for _, state in rig.states(store, call.id)]


SAID = Path(askfirst.__file__).parent / "telephony" / "personas"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("voice", "comes_to"),
    [
        ("agrees/06-contact.opus", "open"),  # "Yes, that is fine with me."
        ("refuses/03-contact.opus", "blocked"),  # "No, thank you. I would rather not."
        ("agrees/04-contact.opus", "asking"),  # "May I ask why you record it?"
    ],
)
def test_real_voices_are_understood_by_the_packaged_engine(
    store: Store, tmp_path: Path, voice: str, comes_to: str
) -> None:
    call, _ = answered(store, tmp_path / "callee", Captioning.open("whisper"), SAID / voice)

    states = [state for _, state in rig.states(store, call.id)]
    assert states[-2] == comes_to
    assert ("open" in states) is (comes_to == "open")


def test_the_announcement_asks_what_can_be_answered_by_speaking() -> None:
    decision = decide([Party.agent("US-TX"), Party.contact("US-CA")], date(2026, 11, 24))
    by_key = announcement(decision.elements, "en", DEMO_FACTS, keys=True)
    by_word = announcement(decision.elements, "en", DEMO_FACTS, keys=True, spoken=True)
    message = announcement(
        decision.elements, "en", DEMO_FACTS, keys=True, spoken=True, message=True
    )
    assert "Say yes" not in by_key
    assert by_word.endswith("Say yes or press 1, or say no or press 2.")
    assert "Say yes" not in message
