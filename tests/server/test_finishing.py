"""After the call: seal, check, transcribe; the contact is not heard before the check allows it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.server import rig
from tests.server.rig import AGENT, BYE, HELLO, KEYED

from askfirst.audio.mixing import to_samples
from askfirst.audio.tone import find_tone
from askfirst.clock import run_virtual
from askfirst.model import SAMPLE_RATE_HZ, Word
from askfirst.ports import RecognizerCapabilities
from askfirst.server.database import calls, transaction
from askfirst.server.finishing import Finishing, to_call_time
from askfirst.server.playback import Playback
from askfirst.server.store import Store
from askfirst.server.transcripts import from_bytes
from askfirst.speech.scripted import Scripted
from askfirst.speech.transcribe import spread

NOTICE = (
    "This call is being recorded and transcribed by Harbor Supply for training. "
    "You can say no at any time."
)
TOLD = ('do="telling"', AGENT, AGENT, 'do="informed"', HELLO, AGENT, HELLO, BYE)


@dataclass
class Listening:
    """Hears `line` on our own side, and remembers whose sides it was given."""

    line: str = ""
    sides: list[str] = field(default_factory=list)
    name: str = "listening"
    capabilities: RecognizerCapabilities = Scripted.capabilities

    def transcribe(self, pcm: bytes, language: str) -> list[Word]:
        is_contact = find_tone(to_samples(pcm), SAMPLE_RATE_HZ, (rig.VOICES["contact"],))
        self.sides.append("contact" if is_contact else "own")
        text = "thank you very much" if is_contact else self.line
        return spread(text, 0, len(pcm) // 32, 1.0)

    def close(self) -> None:
        """Nothing to release."""


def finished(store: Store, tmp_path: Path, heard: Listening, *steps: str) -> rig.Watched:
    persona = rig.callee(tmp_path / "callee", *steps, number=rig.CALIFORNIA, announces=False)
    call = run_virtual(rig.carry(store, persona))
    work = Finishing(store, heard)
    for step in (work.seal, work.check, work.transcribe):
        step(call.id)
    return call


def test_a_notice_that_is_heard_raises_the_proof_and_frees_the_contacts_side(
    store: Store, tmp_path: Path
) -> None:
    heard = Listening(NOTICE)

    call = finished(store, tmp_path, heard, *TOLD)

    row = rig.call_row(store, call.id)
    assert (row.verdict, row.proof, row.outcome) == ("heard", 2, "recorded")
    assert heard.sides == ["own", "contact"], "our own side first"
    assert rig.recording_rows(store)[0].state == "ready"
    kept = from_bytes(Playback(store).asset(call.recordings[0], "transcript") or b"[]")
    assert {item.speaker for item in kept} == {"agent", "contact"}


def test_a_notice_that_is_not_heard_quarantines_and_nobody_hears_the_contact(
    store: Store, tmp_path: Path
) -> None:
    heard = Listening("Good morning, here is your offer for the lamps, and the price is good.")

    call = finished(store, tmp_path, heard, *TOLD)

    row = rig.call_row(store, call.id)
    assert (row.verdict, row.proof, row.outcome) == ("not-heard", 1, "quarantined")
    assert heard.sides == ["own"]
    (recording,) = rig.recording_rows(store)
    assert recording.state == "quarantined"
    playback = Playback(store)
    assert playback.asset(recording.id, "transcript") is None
    assert playback.asset(recording.id, "contact-transcript") is None
    own = from_bytes(playback.asset(recording.id, "own-transcript") or b"[]")
    assert {item.speaker for item in own} == {"agent"}


def test_too_little_heard_is_quarantined_too(store: Store, tmp_path: Path) -> None:
    call = finished(store, tmp_path, Listening(""), *TOLD)

    row = rig.call_row(store, call.id)
    assert row.outcome == "quarantined"
    assert row.verdict in ("cannot-tell", "not-heard")


def test_a_key_needs_no_word_of_the_agent(store: Store, tmp_path: Path) -> None:
    persona = rig.callee(tmp_path / "callee", *KEYED, BYE)
    call = run_virtual(rig.carry(store, persona))
    work = Finishing(store, Listening("nothing of that kind"))
    work.seal(call.id)
    work.check(call.id)

    row = rig.call_row(store, call.id)
    assert (row.outcome, row.proof) == ("recorded", 4)
    assert rig.recording_rows(store)[0].state == "ready"


def test_every_step_may_be_repeated(store: Store, tmp_path: Path) -> None:
    heard = Listening(NOTICE)
    call = finished(store, tmp_path, heard, *TOLD)
    entries = rig.kinds(store)
    objects = store.blobs.names()

    work = Finishing(store, heard)
    for step in (work.seal, work.check, work.transcribe):
        step(call.id)

    assert rig.kinds(store) == entries
    assert store.blobs.names() == objects
    assert heard.sides == ["own", "contact"], "what was recognised is read, not heard again"


def test_who_did_not_allow_transcribing_is_not_transcribed(store: Store, tmp_path: Path) -> None:
    persona = rig.callee(tmp_path / "callee", *KEYED, BYE)
    call = run_virtual(rig.carry(store, persona))
    rig.change(store, call.recordings[0], may_transcribe=False)
    heard = Listening(NOTICE)
    work = Finishing(store, heard)
    for step in (work.seal, work.check, work.transcribe):
        step(call.id)

    assert heard.sides == ["own"]
    assert Playback(store).asset(call.recordings[0], "contact-transcript") is None


def test_a_recording_that_was_withdrawn_but_must_stay_is_sealed_and_never_heard(
    store: Store, tmp_path: Path
) -> None:
    persona = rig.callee(tmp_path / "callee", *KEYED, BYE)
    call = run_virtual(rig.carry(store, persona))
    rig.change(store, call.recordings[0], state="quarantined", mandatory="mifid2")
    heard = Listening(NOTICE)
    work = Finishing(store, heard)
    for step in (work.seal, work.check, work.transcribe):
        step(call.id)

    assert heard.sides == []
    assert rig.spool_files(store) == []
    assert rig.recording_rows(store)[0].state == "quarantined"
    assert [name for name in store.blobs.names() if "/audio-" in name]


def test_what_recovery_locked_away_is_left_as_it_lies(store: Store, tmp_path: Path) -> None:
    persona = rig.callee(tmp_path / "callee", *KEYED, BYE)
    call = run_virtual(rig.carry(store, persona))
    rig.change(store, call.recordings[0], state="quarantined", failure="damaged")
    before = rig.spool_files(store)

    Finishing(store, Listening()).seal(call.id)

    assert rig.spool_files(store) == before
    assert store.blobs.names() == []


@pytest.mark.parametrize(
    ("file_ms", "call_ms"), [(0, 1000), (499, 1499), (500, 9000), (900, 9400), (5000, 13_500)]
)
def test_file_time_maps_to_call_time_across_gaps(file_ms: int, call_ms: int) -> None:
    segments = [(0, 1000, 1500), (500, 9000, 10_000)]

    assert to_call_time(segments, file_ms) == call_ms


def test_words_stand_in_call_time(store: Store, tmp_path: Path) -> None:
    call = finished(store, tmp_path, Listening(NOTICE), *TOLD)

    kept = from_bytes(Playback(store).asset(call.recordings[0], "own-transcript") or b"[]")
    told_ms = next(f.now_ms for f in call.seen if f.state.value == "telling")
    assert kept[0].start_ms >= told_ms
    assert kept[-1].end_ms <= call.facts.now_ms + 40


class KnowingEnglish(Listening):
    """Is never asked for anything else."""

    def transcribe(self, pcm: bytes, language: str) -> list[Word]:
        assert language == "en"
        return super().transcribe(pcm, language)


@pytest.mark.parametrize(
    ("steps", "outcome", "state"),
    [(TOLD, "quarantined", "quarantined"), ((*KEYED, BYE), "recorded", "ready")],
    ids=["by the agent's word", "by a key"],
)
def test_in_a_language_that_the_recogniser_does_not_know_nothing_can_be_told(
    store: Store, tmp_path: Path, steps: tuple[str, ...], outcome: str, state: str
) -> None:
    own: dict[str, Any] = (
        {} if steps[0] in KEYED else {"number": rig.CALIFORNIA, "announces": False}
    )
    call = run_virtual(rig.carry(store, rig.callee(tmp_path / "callee", *steps, **own)))
    with transaction(store.engine) as connection:
        connection.execute(calls.update().values(language="nb"))
    knows = replace(Scripted.capabilities, languages=frozenset({"en"}))
    heard = KnowingEnglish(NOTICE, capabilities=knows)
    work = Finishing(store, heard)
    work.seal(call.id)
    work.check(call.id)

    assert not work.transcribe(call.id)

    row = rig.call_row(store, call.id)
    assert (row.verdict, row.outcome) == ("cannot-tell", outcome)
    (recording,) = rig.recording_rows(store)
    assert (recording.state, recording.failure) == (state, None)
    assert heard.sides == []
    assert Playback(store).asset(recording.id, "transcript") is None
