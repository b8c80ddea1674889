"""Consent is recorded per person and use with the proof it rests on; an agent's "I have informed
them" is checked against what was said; a mismatch is quarantined.
"""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from tests.promises.conftest import Called, KilledOnce
from tests.server import rig

from askfirst.errors import Refused
from askfirst.server.database import consents
from askfirst.server.playback import Playback

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "outcome", "proof", "notice"),
    [
        ("agrees", "recorded", 2, "heard"),
        ("presses-one", "recorded", 4, "heard"),
        ("refuses", "refused", 0, None),
        ("told", "recorded", 3, "heard"),
        ("moves", "recorded", 4, "heard"),
        ("notice-inside", "recorded", 3, "heard"),
        ("withdraws", "erased", 4, None),
        ("not-told", "quarantined", 1, "not-heard"),
        ("voicemail", "blocked", 0, None),
        ("hangs-up", "notice-cut", 0, None),
        ("silent", "silent", 0, None),
    ],
)
def test_a_persona_ends_as_it_must(
    called: Called, name: str, outcome: str, proof: int, notice: str | None
) -> None:
    row = called.row(name)

    assert (row.outcome, row.proof, row.verdict) == (outcome, proof, notice)
    assert row.outcome_reason.endswith(".")
    assert row.ended_at is not None


def test_the_recogniser_was_killed_on_the_way(called: Called) -> None:
    assert called.calls
    assert KilledOnce.kills == 1


def test_each_yes_stands_with_person_use_and_proof(called: Called) -> None:
    (yes,) = rig.rows(
        called.store, sa.select(consents).where(consents.c.call == called.calls["presses-one"])
    )

    assert (yes.party, yes.kind, yes.how, yes.proof) == (1, "agreed", "keypad", 4)
    assert yes.uses == ["analyse", "record", "transcribe"]
    assert yes.elements
    entry = called.store.ledger.entries()[yes.ledger][1]
    assert (entry["kind"], entry["party"]) == ("consent.given", 1)
    assert entry["data"]["proof"] == 4


def test_a_place_learned_later_takes_another_yes(called: Called) -> None:
    query = sa.select(consents).where(consents.c.call == called.calls["moves"])

    found = rig.rows(called.store, query)

    assert [item.how for item in found] == ["keypad", "keypad"]
    assert len([state for _, state in called.states("moves") if state == "open"]) == 2


def test_an_agent_who_did_not_tell_is_found_out_and_the_contact_is_heard_by_nobody(
    called: Called,
) -> None:
    (recording,) = called.recordings("not-told")
    playback = Playback(called.store)

    assert recording.state == "quarantined"
    with pytest.raises(Refused):
        playback.contact_side(recording.id)
    with pytest.raises(Refused):
        playback.play(recording.id, person="usr_1", purpose="curiosity")
    assert playback.asset(recording.id, "contact-transcript") is None
    assert set(called.words("not-told", "own-transcript")) == {"agent"}
    assert "recording" not in called.vcons["not-told"].get("dialog", [{}])


def test_a_notice_the_law_wants_inside_is_the_first_part_of_the_file(called: Called) -> None:
    (recording,) = called.recordings("notice-inside")
    from askfirst.server.database import segments

    query = sa.select(segments).where(segments.c.recording == recording.id)
    laid = sorted(rig.rows(called.store, query), key=lambda item: int(item.file_ms))

    assert [item.kind for item in laid[:2]] == ["notice", "open"]
    assert laid[0].file_ms == 0
    assert laid[0].to_ms <= laid[1].from_ms
    assert "record" in called.words("notice-inside")["agent"].lower()
