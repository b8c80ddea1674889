"""The only writer of audio: it keeps what the facts allow, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest
from tests.server import rig
from tests.server.rig import frame

from askfirst import events as ev
from askfirst.decide import decide
from askfirst.errors import Unavailable
from askfirst.gate import ANNOUNCEMENT_LEG, Facts, State, after
from askfirst.model import Form, Frame, Party, Proof, Role
from askfirst.server.recorder import ECHO_TAIL_MS, Recorder
from askfirst.server.sealing import read_spool
from askfirst.server.store import Store

REC = "rec_" + "a" * 32
LOUD = 8000


@pytest.fixture
def recorder(store: Store) -> Iterator[Recorder]:
    made = rig.recorder(store, REC)
    yield made
    made.close()


def asking(at_ms: int = 0) -> Facts:
    """A contact in California and an agent in Texas; a notice is owed and recording wanted."""
    people = [Party.agent("US-TX"), Party.contact("US-CA")]
    decision = decide(people, date(2026, 11, 24))
    facts = Facts()
    for event in (
        ev.SwitchChanged(at_ms, True),
        ev.AcknowledgementChanged(at_ms, 0, True),
        ev.PartyJoined(at_ms, 0, Role.AGENT, "agent", frozenset({"US-TX"})),
        ev.PartyJoined(at_ms, 1, Role.CONTACT, "contact", frozenset({"US-CA"})),
        ev.Decided(at_ms, decision),
        ev.Wanted(at_ms),
    ):
        facts = after(facts, event)
    facts = sealed(facts, at_ms)
    assert facts.state is State.ASKING
    return facts


def sealed(facts: Facts, at_ms: int) -> Facts:
    for serial in sorted(facts.unsealed):
        facts = after(facts, ev.Sealed(at_ms, serial))
    return facts


def telling(at_ms: int = 0) -> Facts:
    facts = after(asking(at_ms), ev.TellingStarted(at_ms, ev.Teller.AGENT))
    assert facts.state is State.TELLING
    return facts


def met(facts: Facts, at_ms: int) -> Facts:
    if facts.telling is not None:
        facts = after(facts, ev.TellingEnded(at_ms))
    for owed in facts.unmet():
        word = ev.Evidence(owed.party, Form.AGREED, Proof.AGENT_WORD, owed.uses, owed.elements)
        facts = after(facts, ev.Met(at_ms, word))
    return facts


def opened(at_ms: int = 0) -> Facts:
    facts = sealed(met(asking(at_ms), at_ms), at_ms)
    assert facts.state is State.OPEN
    return facts


def test_nothing_is_kept_before_the_gate_opens(recorder: Recorder, store: Store) -> None:
    recorder.follow(asking())

    assert not recorder.push(frame("contact", 100))
    assert not recorder.push(frame("agent", 100))
    assert recorder.counts.refused == 2
    assert rig.spool_files(store) == []


def test_a_frame_captured_before_the_permit_is_dropped_when_it_arrives_after_it(
    recorder: Recorder,
) -> None:
    recorder.follow(opened(1000))

    assert not recorder.push(frame("contact", 980))
    assert recorder.push(frame("contact", 1000))
    assert not recorder.push(frame("contact", -20))


def test_what_is_kept_can_be_read_back_with_its_capture_times(
    recorder: Recorder, store: Store
) -> None:
    recorder.follow(opened())
    for at_ms in (0, 40, 20, 60):
        assert recorder.push(frame("contact", at_ms, at_ms))
    recorder.close()

    (part,) = read_spool(store, REC)
    assert part.frames == tuple((at_ms, frame("x", at_ms, at_ms).pcm) for at_ms in (0, 40, 20, 60))
    assert (part.side, part.kind, part.is_complete) == ("contact", "open", True)


def test_a_stretch_that_was_closed_has_another_key_than_the_next(
    recorder: Recorder, store: Store
) -> None:
    facts = opened()
    recorder.follow(facts)
    recorder.push(frame("contact", 0))
    recorder.follow(after(facts, ev.Held(100, "agent")))
    assert not recorder.push(frame("contact", 120))
    held = after(facts, ev.Held(100, "agent"))
    recorder.follow(after(held, ev.Released(200, "agent")))
    assert not recorder.push(frame("contact", 180))
    recorder.push(frame("contact", 200))
    recorder.close()

    assert len({key for key in rig.key_ids(store) if "/spool/" in key}) == 2
    assert rig.starts(read_spool(store, REC), "contact") == [0, 200]


def test_while_telling_only_our_own_side_is_kept(recorder: Recorder, store: Store) -> None:
    recorder.follow(telling())

    assert not recorder.push(frame("contact", 0))
    assert not recorder.push(frame("joiner", 0))
    assert not recorder.push(frame("agent", 0)), "the contact speaks; it may be an echo"
    assert recorder.push(frame(ANNOUNCEMENT_LEG, 0)), "the announcement has no microphone"


def test_the_agent_is_dropped_while_the_contact_is_heard_and_300_ms_after(
    recorder: Recorder,
) -> None:
    recorder.follow(telling())
    assert recorder.push(frame("agent", 0))

    recorder.push(frame("contact", 20, LOUD))

    assert not recorder.push(frame("agent", 20))
    assert not recorder.push(frame("agent", 20 + ECHO_TAIL_MS))
    assert recorder.push(frame("agent", 40 + ECHO_TAIL_MS))
    assert recorder.counts.echo == 2


def test_a_contact_who_makes_no_sound_does_not_silence_the_agent(recorder: Recorder) -> None:
    recorder.follow(telling())
    recorder.push(frame("contact", 0, 3))

    assert recorder.push(frame("agent", 0))


def test_the_guard_counts_from_when_a_late_frame_is_heard(recorder: Recorder) -> None:
    recorder.follow(telling())
    for at_ms in range(0, 600, 20):
        recorder.push(frame("agent", at_ms))

    recorder.push(frame("contact", 100, LOUD))

    assert not recorder.push(frame("agent", 600))
    assert not recorder.push(frame("agent", 580 + ECHO_TAIL_MS))
    assert recorder.push(frame("agent", 600 + ECHO_TAIL_MS))


def test_a_notice_becomes_part_of_the_recording_only_when_its_purpose_is_reached(
    recorder: Recorder, store: Store
) -> None:
    facts = telling()
    recorder.follow(facts)
    recorder.push(frame("agent", 0))
    assert [name[-5:] for name in rig.spool_files(store)] == [".tell"]

    recorder.follow(sealed(met(facts, 100), 100))
    recorder.push(frame("contact", 100))
    recorder.close()

    notice, kept = sorted(read_spool(store, REC), key=lambda part: part.position)
    assert (notice.kind, notice.side) == ("notice", "own")
    assert (kept.kind, kept.side) == ("open", "contact")


@pytest.mark.parametrize(
    "event",
    [
        ev.Refused(100, 1),
        ev.TellingCancelled(100),
        ev.HungUp(100),
        ev.Failed(100),
        ev.PlaceLearned(100, 1, "FR"),
        ev.SwitchChanged(100, False),
    ],
    ids=lambda event: type(event).__name__,
)
def test_a_notice_that_cannot_reach_its_purpose_is_erased(
    recorder: Recorder, store: Store, event: ev.Event
) -> None:
    facts = telling()
    recorder.follow(facts)
    recorder.push(frame("agent", 0))
    assert len(rig.spool_files(store)) == 1
    assert len(rig.key_ids(store)) == 1

    recorder.follow(after(facts, event))

    assert rig.spool_files(store) == []
    assert rig.key_ids(store) == []


def test_an_answer_that_never_comes_erases_the_notice(recorder: Recorder, store: Store) -> None:
    facts = telling()
    recorder.follow(facts)
    recorder.push(frame("agent", 0))
    facts = after(facts, ev.TellingEnded(100))
    recorder.follow(facts)
    assert len(rig.spool_files(store)) == 1, "an answer may still come"

    recorder.follow(after(facts, ev.TellingCancelled(15_000)))

    assert rig.spool_files(store) == []


def test_a_discarded_recording_leaves_nothing(store: Store) -> None:
    made = rig.recorder(store, REC)
    made.prepare()
    made.follow(opened())
    made.push(frame("contact", 0))

    made.discard()

    assert rig.spool_files(store) == []
    assert rig.key_ids(store) == []
    assert not (store.spool / REC).exists()


def test_a_key_made_ahead_and_not_used_is_destroyed(store: Store) -> None:
    made = rig.recorder(store, REC)
    made.prepare()
    assert len(rig.key_ids(store)) == 1

    made.close()

    assert rig.key_ids(store) == []


def test_a_full_disk_is_said_and_what_was_written_stays(recorder: Recorder, store: Store) -> None:
    recorder.follow(opened())
    for at_ms in range(0, 400, 20):
        recorder.push(frame("contact", at_ms))
    assert recorder._stretch is not None
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, recorder._stretch.files["contact"])
    os.close(full)

    later = [frame("contact", at_ms) for at_ms in range(400, 800, 20)]
    with pytest.raises(Unavailable, match=r"space|write"):
        list(map(recorder.push, later))

    kept = rig.starts(read_spool(store, REC), "contact")
    assert kept == list(range(0, 20 * len(kept), 20))
    assert len(kept) >= 12


def test_a_key_store_that_does_not_answer_is_said(recorder: Recorder, store: Store) -> None:
    store.keys.destroy_recording(REC)
    recorder.follow(opened())

    with pytest.raises(Exception, match="erased"):
        recorder.push(frame("contact", 0))

    assert rig.spool_files(store) == []


def test_a_frame_of_a_wrong_length_is_refused(recorder: Recorder) -> None:
    recorder.follow(opened())

    with pytest.raises(Unavailable, match="640"):
        recorder.push(Frame("contact", 0, bytes(320)))


def test_lost_frames_are_counted_and_late_ones_are_not_lost(recorder: Recorder) -> None:
    recorder.follow(opened())
    for at_ms in (0, 20, 100, 60, 120):
        recorder.push(frame("contact", at_ms))

    assert recorder.counts.lost == 2, "40 and 80 never came, 60 came late"
    assert recorder.counts.kept_contact == 5


def test_a_party_that_left_is_not_kept_any_more(recorder: Recorder) -> None:
    facts = opened()
    recorder.follow(facts)
    recorder.push(frame("contact", 0))

    recorder.follow(after(facts, ev.PartyLeft(100, 1)))

    assert not recorder.push(frame("contact", 120))
    assert recorder.push(frame("agent", 120))


def test_after_the_end_nothing_is_kept(recorder: Recorder) -> None:
    recorder.follow(opened())
    recorder.push(frame("contact", 0))
    recorder.close()

    assert not recorder.push(frame("contact", 20))


def test_files_can_be_read_by_their_owner_only(recorder: Recorder, store: Store) -> None:
    recorder.follow(opened())
    recorder.push(frame("contact", 0))

    (path,) = (store.spool / REC).iterdir()
    assert path.stat().st_mode & 0o077 == 0
    assert replace(opened()).state is State.OPEN
