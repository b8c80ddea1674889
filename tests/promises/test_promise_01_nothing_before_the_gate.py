"""Before the gate allows it, a contact's audio reaches nobody and nothing except the other
parties' own legs of the call and, only in use `answer`, the local answer recogniser's memory.
Dropped, never buffered for later.
"""

from __future__ import annotations

import re

import pytest
from tests.promises.conftest import Called

from askfirst.server.emptydisk import search
from askfirst.telephony.persona import StepKind

pytestmark = pytest.mark.slow


def said(called: Called, name: str, *, before: bool) -> list[str]:
    """Sentences of contacts of a persona, before they agreed or after."""
    agreed, found = False, []
    for step in called.personas[name].steps:
        agreed = agreed if step.consent is None else step.consent
        if step.kind is StepKind.SAY and step.value != "agent" and agreed is not before:
            found.append(step.text)
    return found


def test_no_tone_and_no_word_from_before_consent_is_in_anything_that_was_written(
    called: Called,
) -> None:
    after = " ".join(text for name in called.calls for text in said(called, name, before=False))
    texts = [
        text
        for name in called.calls
        for text in said(called, name, before=True)
        if text not in after
    ]
    assert len(texts) > 20

    found = search(called.store, [called.folder], texts)

    assert found.where == ()
    assert not found.marker_found
    assert found.control_found, "the same search finds what may be there"
    assert found.files_searched > 20


@pytest.mark.parametrize("name", ["agrees", "presses-one", "told", "notice-inside", "moves"])
def test_the_first_contact_frame_is_at_most_40_ms_behind_the_permit(
    called: Called, name: str
) -> None:
    opened = [at_ms for at_ms, state in called.states(name) if state == "open"]

    (recording,) = called.recordings(name)
    assert 0 <= recording.first_contact_ms - opened[0] <= 40


@pytest.mark.parametrize("name", ["refuses", "silent", "hangs-up", "voicemail"])
def test_of_somebody_who_did_not_agree_there_is_nothing(called: Called, name: str) -> None:
    persona = called.personas[name]

    assert called.recordings(name) == []
    assert "open" not in {state for _, state in called.states(name)}
    ids = {entry.get("recording") for entry in called.entries(name)} - {None}
    names = called.store.blobs.names()
    assert not [blob for blob in names if blob.split("/")[0] in ids]
    words = {
        word
        for step in persona.steps
        if step.kind is StepKind.SAY and step.value == "contact"
        for word in [step.text]
    }
    for path in called.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not [text for text in words if text.encode() in data], path


def test_the_late_joiner_is_in_nothing_that_is_kept(called: Called) -> None:
    states = called.states("late-joiner")
    opened = [at_ms for at_ms, state in states if state == "open"]
    joined = next(
        int(entry["data"]["at_ms"])
        for entry in called.entries("late-joiner")
        if entry["kind"] == "party.joined" and entry.get("party") == 2
    )

    assert len(opened) == 1
    assert opened[0] < joined
    assert not [state for at_ms, state in states if at_ms >= joined and state == "open"]
    assert "martin" not in " ".join(called.words("late-joiner").values()).lower()


def test_what_was_said_before_is_not_in_the_transcript_and_what_came_after_is(
    called: Called,
) -> None:
    heard = called.words("presses-one")["contact"].lower()

    assert "anna" not in heard
    assert re.search(r"twelve|12", heard)
