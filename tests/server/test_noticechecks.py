"""Checks of notices: every run is kept, a new detector checks again, and nothing is let go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.rig import AT
from tests.server.test_finishing import NOTICE, TOLD, Listening, finished
from tests.server.test_queuecheck import UNTOLD, tell

from askfirst import hearing
from askfirst.model import Utterance
from askfirst.rules import packaged
from askfirst.server import erasure, noticechecks, queuecheck, rechecking
from askfirst.server.clock import utc_now
from askfirst.server.database import assets, calls, reading, transaction
from askfirst.server.noticechecks import KeptCheck
from askfirst.server.noticetables import notice_checks
from askfirst.server.queue import ItemState, Wanted, items, note_decided
from askfirst.server.sealing import write_asset
from askfirst.server.store import Store
from askfirst.server.transcripts import MACHINE, OWN, to_bytes

LATER = timedelta(days=1)


def rewrite(store: Store, recording: str, kind: str, *said: tuple[str, int, str]) -> None:
    """Let a recording hold other words than were recognised."""
    with transaction(store.engine) as connection:
        connection.execute(
            assets.delete().where(assets.c.recording == recording, assets.c.kind == kind)
        )
    lines = [Utterance(who, at, at + 2_000, text) for who, at, text in said]
    write_asset(store, recording, kind, to_bytes(lines), AT)


def examine(store: Store, call: str) -> int:
    return queuecheck.examine(store, packaged(), call, utc_now())


def kept(store: Store, recording: str) -> list[KeptCheck]:
    with reading(store.engine) as connection:
        return noticechecks.history(connection, recording)


def waiting(store: Store) -> list[str]:
    with reading(store.engine) as connection:
        return [each.reason.value for each in items(connection, Wanted())]


def entered(store: Store, call: str) -> list[dict[str, Any]]:
    return [
        cast("dict[str, Any]", entry["data"])
        for _, entry in store.ledger.entries(call)
        if entry["kind"] == "recording.checked"
    ]


def state_of(store: Store, recording: str) -> str:
    (row,) = [row for row in rig.recording_rows(store) if row.id == recording]
    return str(row.state)


def newer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "VERSION", hearing.VERSION + 1)


def words_of(store: Store) -> Sequence[Any]:
    return rig.rows(store, sa.select(notice_checks))


def test_a_check_of_both_sides_says_who_spoke_when_and_what_they_answered(
    store: Store, tmp_path: Path
) -> None:
    call = finished(store, tmp_path, Listening(NOTICE), *TOLD)
    recording = call.recordings[0]
    rewrite(
        store,
        recording,
        MACHINE,
        ("agent", 100, NOTICE),
        ("contact", 3_000, "okay that's fine"),
        ("contact", 9_000, "I'm in Sweden"),
    )

    examine(store, call.id)

    newest, first = kept(store, recording)
    assert (newest.verdict, newest.said_by, newest.at_ms) == ("heard", "agent", 100)
    assert newest.answer is not None
    assert (newest.answer["label"], newest.answer["from_ms"]) == ("consent", 3_000)
    assert [each["code"] for each in newest.places] == ["SE"]
    assert (first.verdict, first.replies) == ("heard", [])
    assert entered(store, call.id)[-1]["answer"] == "consent"
    assert entered(store, call.id)[-1]["detector"] == hearing.VERSION


def test_a_check_that_finds_the_same_is_kept_once(store: Store, tmp_path: Path) -> None:
    call = finished(store, tmp_path, Listening(NOTICE), *TOLD)
    for _ in range(3):
        examine(store, call.id)

    assert len(kept(store, call.recordings[0])) == len(entered(store, call.id))
    assert len(kept(store, call.recordings[0])) <= 2


def test_no_words_stand_in_the_table_or_the_ledger(store: Store, tmp_path: Path) -> None:
    call = finished(store, tmp_path, Listening(NOTICE), *TOLD)
    rewrite(store, call.recordings[0], MACHINE, ("agent", 100, NOTICE), ("contact", 3_000, "fine"))
    examine(store, call.id)

    written = f"{[tuple(row) for row in words_of(store)]} {entered(store, call.id)}"
    assert "Harbor" not in written
    assert "recorded" not in written
    assert "fine" not in written


@pytest.mark.parametrize(
    ("objection", "reason", "state"),
    [
        ("please stop recording now", "objection-heard", "quarantined"),
        ("I do not want this call recorded", "objection-heard", "quarantined"),
    ],
)
def test_an_objection_that_nobody_noted_locks_the_recording(
    recorded: rig.Recorded, objection: str, reason: str, state: str
) -> None:
    rewrite(recorded.store, recorded.id, MACHINE, ("contact", 60_000, objection))

    assert examine(recorded.store, recorded.call) == 1
    assert examine(recorded.store, recorded.call) == 0
    assert waiting(recorded.store) == [reason]
    assert recorded.row.state == state


def test_an_objection_that_is_only_possible_is_looked_at_and_locks_nothing(
    recorded: rig.Recorded,
) -> None:
    rewrite(
        recorded.store,
        recorded.id,
        MACHINE,
        ("agent", 60_000, "this call is recorded for training is that okay"),
        ("contact", 63_000, "yes well I would rather do it by email"),
    )

    assert examine(recorded.store, recorded.call) == 1
    assert waiting(recorded.store) == ["objection-possible"]
    assert recorded.row.state == "ready"


@pytest.mark.parametrize(("kind", "at_ms"), [("withdrawn", 61_000), ("agreed", 70_000)])
def test_an_objection_that_was_noted_or_answered_by_a_yes_raises_none_of_its_own(
    recorded: rig.Recorded, kind: str, at_ms: int
) -> None:
    rewrite(recorded.store, recorded.id, MACHINE, ("contact", 60_000, "please stop recording now"))
    tell(recorded, kind, at_ms)

    examine(recorded.store, recorded.call)

    assert "objection-heard" not in waiting(recorded.store)


def test_a_newer_detector_that_misses_the_notice_locks_what_rests_on_the_agents_word(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = finished(store, tmp_path, Listening(NOTICE), *TOLD)
    rewrite(store, call.recordings[0], MACHINE, ("agent", 100, UNTOLD))
    end(store, call.id)
    assert rechecking.recheck(store, packaged(), utc_now()) == 0, "it is of today"
    newer(monkeypatch)

    assert rechecking.recheck(store, packaged(), utc_now()) == 1
    assert rechecking.recheck(store, packaged(), utc_now()) == 0

    row = rig.call_row(store, call.id)
    assert (row.verdict, row.proof, row.outcome) == ("not-heard", 1, "quarantined")
    assert state_of(store, call.recordings[0]) == "quarantined"
    assert waiting(store) == ["not-heard"]
    assert [each.verdict for each in kept(store, call.recordings[0])] == ["not-heard", "heard"]


def test_a_newer_detector_that_hears_the_notice_lets_nothing_go(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = finished(store, tmp_path, Listening(UNTOLD), *TOLD)
    rewrite(store, call.recordings[0], OWN, ("agent", 100, NOTICE))
    newer(monkeypatch)
    end(store, call.id)

    assert rechecking.recheck(store, packaged(), utc_now()) == 0

    row = rig.call_row(store, call.id)
    assert (row.verdict, row.proof, row.outcome) == ("not-heard", 1, "quarantined")
    assert state_of(store, call.recordings[0]) == "quarantined"
    assert waiting(store) == ["not-heard"], "the item that waits shows the new verdict"
    assert [each.verdict for each in kept(store, call.recordings[0])] == ["heard", "not-heard"]


def test_what_a_person_has_decided_about_the_notice_stays(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = finished(store, tmp_path, Listening(UNTOLD), *TOLD)
    with transaction(store.engine) as connection:
        (item,) = items(connection, Wanted())
        note_decided(store, connection, item.id, "given", AT, person="usr_1")
    rig.change(store, call.recordings[0], state="ready")
    newer(monkeypatch)
    end(store, call.id)

    assert rechecking.recheck(store, packaged(), utc_now()) == 0
    assert state_of(store, call.recordings[0]) == "ready"
    with reading(store.engine) as connection:
        assert [each.state for each in items(connection, Wanted(is_decided=True))] == [
            ItemState.DECIDED
        ]


def test_the_proof_of_what_is_ready_follows_a_better_verdict(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = finished(store, tmp_path, Listening(NOTICE), *TOLD)
    with transaction(store.engine) as connection:
        connection.execute(calls.update().values(verdict="partly", proof=1))
    newer(monkeypatch)
    end(store, call.id)

    rechecking.recheck(store, packaged(), utc_now())

    row = rig.call_row(store, call.id)
    assert (row.verdict, row.proof) == ("heard", 2)
    assert entered(store, call.id)[-1]["proof"] == 2


def test_what_cannot_be_read_holds_nothing_up(
    recorded: rig.Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded.store.keys.destroy_recording(recorded.id)
    newer(monkeypatch)

    assert rechecking.recheck(recorded.store, packaged(), utc_now() + LATER) == 0


def test_an_erased_recording_keeps_no_check(recorded: rig.Recorded) -> None:
    store = recorded.store
    examine(store, recorded.call)
    assert kept(store, recorded.id)
    with transaction(store.engine) as connection:
        erasure.intend(store, connection, recorded.id, "request", AT)
    erasure.erase(store, recorded.id, AT)

    assert kept(store, recorded.id) == []
    assert entered(store, recorded.call), "that it was checked stays in the ledger"


def end(store: Store, call: str) -> None:
    """A call of the rig that was carried without its desk has ended."""
    with transaction(store.engine) as connection:
        connection.execute(calls.update().where(calls.c.id == call).values(ended_at=AT))
