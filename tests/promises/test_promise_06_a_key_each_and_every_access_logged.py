"""Audio and words are encrypted with a key per recording; no link works without a signed-in
person; every play, download and export is logged, and the recorded employee sees it.
"""

from __future__ import annotations

import pytest
from tests.promises.conftest import Called
from tests.server import rig

from askfirst.server.playback import Playback

pytestmark = pytest.mark.slow


def test_every_object_has_a_key_that_opens_nothing_else(called: Called) -> None:
    names = called.store.blobs.names()
    keys = [called.store.keys.get(name) for name in names]

    assert len(names) > 10
    assert len(set(keys)) == len(names)
    assert {key for key in rig.key_ids(called.store) if "/spool/" in key} == set()


def test_no_spoken_word_lies_in_clear_in_any_file(called: Called) -> None:
    # Our own notice stands with the decision, in clear, as it must.
    text = called.words("presses-one")["contact"]
    needles = [item.encode() for item in text.split(". ")]

    assert needles
    for path in called.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not [needle for needle in needles if needle in data], path


def test_who_plays_stands_in_the_ledger_before_a_byte_is_given(called: Called) -> None:
    (recording,) = called.recordings("agrees")
    before = len(called.store.ledger.entries())

    Playback(called.store).play(recording.id, person="usr_7", purpose="coaching")

    _, entry = called.store.ledger.entries()[before]
    assert (entry["kind"], entry["recording"]) == ("access.played", recording.id)
    assert entry["data"] == {"person": "usr_7", "purpose": "coaching"}


def test_an_export_with_audio_is_an_access(called: Called) -> None:
    exported = [e["recording"] for e in called.entries("agrees") if e["kind"] == "access.exported"]

    assert exported == [called.recordings("agrees")[0].id]
    assert not [e for e in called.entries("refuses") if e["kind"] == "access.exported"]


def test_logs_jobs_and_ledger_hold_ids_only(called: Called) -> None:
    needles: set[str] = set()
    for persona in called.personas.values():
        needles.add(persona.number[1:])
        for step in persona.steps:
            if step.kind.value == "join":
                needles.add(step.value[1:])
            if step.text:
                needles.add(step.text)
    names = ("Linda", "Becker", "Helen", "Anna", "Emma", "Claire", "Martin", "Julia", "Peter")
    needles.update(names)
    log = (called.folder / "askfirst.log").read_text(encoding="utf-8")
    jobs = b"".join(path.read_bytes() for path in (called.folder / "data").glob("jobs.db*"))
    ledger = "\n".join(str(entry) for _, entry in called.store.ledger.entries())
    assert "call.no-prompt call=call_" in log, "something was logged about a call"
    assert b"finish:call_" in jobs
    assert len(ledger) > 10_000

    for needle in needles:
        assert needle not in log, needle
        assert needle.encode() not in jobs, needle
        assert needle not in ledger, needle
