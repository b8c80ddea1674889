"""What is learnt from calls: only where everybody allows it, and gone with the recording."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.test_finishing import NOTICE, TOLD, Listening, finished
from tests.server.test_jobs import Failing, record

from askfirst.model import Utterance
from askfirst.server import erasure, study
from askfirst.server.clock import utc_now
from askfirst.server.database import outbox, reading, transaction
from askfirst.server.node import Node
from askfirst.server.store import Store
from askfirst.server.studied import Studied
from askfirst.spoken import Span


@dataclass
class Notes:
    """A learner that remembers what it was given."""

    learnt: dict[str, Studied] = field(default_factory=dict)
    times: int = 0

    def learn(self, store: Store, studied: Studied, at: datetime) -> None:
        self.learnt[studied.recording] = studied
        self.times += 1

    def forget(self, store: Store, recording: str) -> None:
        self.learnt.pop(recording, None)


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> Notes:
    """The only learner."""
    made = Notes()
    monkeypatch.setattr(study, "LEARNERS", (made,))
    return made


def test_both_sides_words_are_learnt_with_where_the_gate_was_open(
    store: Store, tmp_path: Path, notes: Notes
) -> None:
    call = finished(store, tmp_path, Listening(NOTICE), *TOLD)

    assert study.study(store, call.id, utc_now()) == 1

    (studied,) = notes.learnt.values()
    assert {each.speaker for each in studied.said} == {"agent", "contact"}
    assert all(isinstance(each, Utterance) for each in studied.said)
    assert studied.open_
    assert all(isinstance(each, Span) for each in studied.open_)
    assert (studied.call, studied.language) == (call.id, "en")


def test_what_somebody_did_not_allow_to_be_analysed_is_not_learnt(
    store: Store, tmp_path: Path, notes: Notes
) -> None:
    call = finished(store, tmp_path, Listening(NOTICE), *TOLD)
    rig.change(store, call.recordings[0], may_analyse=False)

    assert study.study(store, call.id, utc_now()) == 0
    assert notes.times == 0


def test_what_may_no_longer_be_analysed_is_forgotten(
    store: Store, tmp_path: Path, notes: Notes
) -> None:
    call = finished(store, tmp_path, Listening(NOTICE), *TOLD)
    study.study(store, call.id, utc_now())
    rig.change(store, call.recordings[0], state="quarantined")

    assert study.study(store, call.id, utc_now()) == 0
    assert not notes.learnt


def test_an_erased_recording_is_forgotten(store: Store, tmp_path: Path, notes: Notes) -> None:
    call = finished(store, tmp_path, Listening(NOTICE), *TOLD)
    study.study(store, call.id, utc_now())
    assert notes.learnt
    (recording,) = call.recordings
    with transaction(store.engine) as connection:
        erasure.intend(store, connection, recording, "asked", utc_now())

    assert study.study(store, call.id, utc_now()) == 0, "what is to be erased is not learnt"
    erasure.carry_out(store, utc_now())

    assert not notes.learnt


def test_an_order_learns_the_call_anew_and_a_call_is_learnt_when_it_is_finished(
    tmp_path: Path, notes: Notes
) -> None:
    node = Node.open(tmp_path / "data", Failing(0))
    try:
        call = record(node, tmp_path / "callee")
        assert notes.times == 1

        assert study.order_every(node.store, utc_now()) == 1
        node.jobs.wait()

        assert notes.times == 2
        with reading(node.store.engine) as connection:
            sent = sa.select(outbox.c.ref).where(
                outbox.c.kind == study.ORDER, outbox.c.sent_at.is_not(None)
            )
            assert list(connection.execute(sent).scalars()) == [call.id]
    finally:
        node.close()
