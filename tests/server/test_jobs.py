"""Durable jobs: they finish, they are tried again, they say what failed, and nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from pathlib import Path

import pytest
import sqlalchemy as sa
from croniter import croniter
from dbos import DBOS
from tests.server import rig
from tests.server.rig import BYE, HELLO, KEYED

from askfirst.errors import Unavailable
from askfirst.ledger import Kind, parse_note, split_notes
from askfirst.model import Word
from askfirst.ports import RecognizerCapabilities
from askfirst.server.checkpointsettings import CheckpointSettings
from askfirst.server.database import erasures, outbox, transaction
from askfirst.server.node import Node
from askfirst.server.store import Store
from askfirst.speech.scripted import Scripted


@dataclass
class Failing:
    """A recogniser whose process dies the first times."""

    times: int
    tries: list[int] = field(default_factory=list)
    name: str = "failing"
    capabilities: RecognizerCapabilities = Scripted.capabilities

    def transcribe(self, pcm: bytes, language: str) -> list[Word]:
        self.tries.append(len(pcm))
        if len(self.tries) <= self.times:
            raise Unavailable("the recogniser's process died")
        return []

    def close(self) -> None:
        """Nothing to release."""


def record(node: Node, folder: Path, *steps: str) -> rig.Watched:
    persona = rig.callee(folder, *(steps or (*KEYED, BYE)))
    call = rig.virtually(node.store, persona, on_outbox=node.jobs.dispatch)
    node.jobs.wait()
    return call


def test_a_recogniser_that_crashes_is_tried_again(tmp_path: Path) -> None:
    recognizer = Failing(2)
    node = Node.open(tmp_path / "data", recognizer)
    try:
        call = record(node, tmp_path / "callee")

        assert len(recognizer.tries) == 4, "twice in vain, then once for each side"
        assert rig.call_row(node.store, call.id).outcome == "recorded"
        assert rig.recording_rows(node.store)[0].state == "ready"
    finally:
        node.close()


def test_a_recogniser_that_stays_away_is_named_and_the_audio_is_kept(tmp_path: Path) -> None:
    node = Node.open(tmp_path / "data", Failing(1000))
    try:
        call = record(node, tmp_path / "callee")

        row = rig.call_row(node.store, call.id)
        assert row.outcome == "failed"
        assert "recogniser" in row.outcome_reason
        (recording,) = rig.recording_rows(node.store)
        assert recording.state == "checking"
        assert [name for name in node.store.blobs.names() if "/audio-" in name]
        with pytest.raises(Exception, match="checking"):
            node.playback.play(recording.id, person="p", purpose="q")
    finally:
        node.close()


def test_a_key_that_is_gone_is_named_by_the_job(tmp_path: Path) -> None:
    node = Node.open(tmp_path / "data", Scripted())
    try:
        persona = rig.callee(tmp_path / "callee", *KEYED, BYE)
        call = rig.virtually(node.store, persona)
        for key in rig.key_ids(node.store):
            node.store.keys.destroy(key)
        node.jobs.wait()

        row = rig.call_row(node.store, call.id)
        assert row.outcome == "failed"
        assert "key" in row.outcome_reason
        assert rig.spool_files(node.store), "kept, unread"
    finally:
        node.close()


def test_a_damaged_spool_file_is_named_by_the_job(node: Node, tmp_path: Path) -> None:
    call = rig.virtually(node.store, rig.callee(tmp_path / "callee", *KEYED, BYE))
    path = max(
        (node.store.spool / call.recordings[0]).iterdir(), key=lambda item: item.stat().st_size
    )
    path.write_bytes(path.read_bytes()[:50] + bytes(6000))

    node.jobs.wait()

    row = rig.call_row(node.store, call.id)
    assert row.outcome == "failed"
    assert "disk" in row.outcome_reason
    assert path.exists()


def test_an_order_is_handed_over_once(node: Node, tmp_path: Path) -> None:
    call = record(node, tmp_path / "callee")

    assert node.jobs.dispatch() == 0
    with transaction(node.store.engine) as connection:
        connection.execute(outbox.update().values(sent_at=None))
    assert node.jobs.dispatch() == 1, "a crash before it was noted hands it over again"
    node.jobs.wait()

    assert rig.kinds(node.store, call.id).count("recording.sealed") == 1
    assert rig.kinds(node.store, call.id).count("recording.ready") == 1


def test_an_order_left_in_the_outbox_is_carried_out_at_the_next_start(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "data")
    call = rig.virtually(store, rig.callee(tmp_path / "callee", *KEYED, BYE))
    store.close()

    node = Node.open(tmp_path / "data", Scripted())
    try:
        node.jobs.wait()

        assert rig.call_row(node.store, call.id).outcome == "recorded"
        assert rig.recording_rows(node.store)[0].state == "ready"
    finally:
        node.close()


def test_an_erasure_that_fails_is_carried_out_by_the_sweep(node: Node, tmp_path: Path) -> None:
    blobs = node.store.blobs
    away = node.store.folder / "away"
    call = rig.virtually(node.store, rig.callee(tmp_path / "callee", *KEYED, 'do="objects"', BYE))
    objects = node.store.folder / "objects"
    objects.rename(away)
    objects.write_bytes(b"")  # as if the disk were not there
    node.jobs.wait()
    (row,) = rig.rows(node.store, sa.select(erasures))
    assert row.done_at is None

    objects.unlink()
    away.rename(objects)
    DBOS.trigger_schedule("sweep").get_result()
    node.jobs.wait()

    (row,) = rig.rows(node.store, sa.select(erasures))
    assert row.done_at is not None
    assert rig.call_row(node.store, call.id).outcome == "erased"
    assert blobs.names() == []


def test_a_failed_job_does_not_hide_an_erasure(tmp_path: Path) -> None:
    node = Node.open(tmp_path / "data", Scripted())
    try:
        call = record(node, tmp_path / "callee", *KEYED, 'do="objects"', HELLO, HELLO, BYE)
        from askfirst.server import jobs

        jobs._fail(call.id, "recogniser")

        assert rig.call_row(node.store, call.id).outcome == "erased"
    finally:
        node.close()


def test_a_node_opens_and_closes_again_in_one_process(tmp_path: Path) -> None:
    for _ in range(3):
        node = Node.open(tmp_path / "data", Scripted())
        record(node, tmp_path / "callee")
        node.close()

    store = Store.open(tmp_path / "data")
    assert [row.state for row in rig.recording_rows(store)] == ["ready"] * 3
    assert store.ledger.verify().checkpoints >= 1
    store.close()


def test_a_second_node_on_the_same_folder_is_refused_and_harms_nothing(
    node: Node, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match="another process"):
        Node.open(tmp_path / "data", Scripted())

    record(node, tmp_path / "callee")
    assert rig.recording_rows(node.store)[0].state == "ready"


def test_a_second_store_on_the_same_folder_reads_and_writes(node: Node, tmp_path: Path) -> None:
    other = Store.open(tmp_path / "data")
    record(node, tmp_path / "callee")

    assert other.ledger.verify() == node.store.ledger.verify()
    assert [row.state for row in rig.recording_rows(other)] == ["ready"]
    other.close()


def test_a_job_speaks_in_ids_only(node: Node, tmp_path: Path) -> None:
    record(node, tmp_path / "callee")

    found = b"".join(path.read_bytes() for path in node.store.folder.glob("jobs.db*"))
    assert b"finish:call_" in found
    assert rig.NORWAY[1:].encode() not in found
    assert replace(node.store).folder == node.store.folder


@pytest.fixture(params=["Europe/Oslo", "America/New_York", "Pacific/Chatham"])
def _elsewhere(request: pytest.FixtureRequest) -> Iterator[None]:
    """A machine in another zone, with summers of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_elsewhere")
def test_the_sweep_runs_once_a_day_of_utc_whatever_the_zone_and_season(tmp_path: Path) -> None:
    node = Node.open(tmp_path / "data", Scripted())
    try:
        schedules = {each["schedule_name"]: each for each in DBOS.list_schedules()}
    finally:
        node.close()

    assert {each["cron_timezone"] for each in schedules.values()} == {None}
    for clocks_change in (date(2026, 3, 8), date(2026, 3, 29), date(2026, 10, 25)):
        since = datetime.combine(clocks_change, clock(12), UTC) - timedelta(days=2)
        runs = croniter(schedules["sweep"]["schedule"], since, second_at_beginning=True)
        found = [runs.get_next(datetime) for _ in range(4)]
        assert found == [
            datetime.combine(clocks_change + timedelta(days=after), clock(3, 17), UTC)
            for after in range(-1, 3)
        ]


def test_the_daily_checkpoint_is_signed_and_published_by_schedule(tmp_path: Path) -> None:
    wanted = CheckpointSettings(file=tmp_path / "notes.txt")
    node = Node.open(tmp_path / "data", Scripted(), checkpoints=wanted)
    try:
        with transaction(node.store.engine) as connection:
            node.store.ledger.append(connection, Kind.RETENTION_SWEPT, rig.AT, data={})
        DBOS.trigger_schedule("checkpoint").get_result()
    finally:
        node.close()

    (note,) = split_notes((tmp_path / "notes.txt").read_text(encoding="utf-8"))
    assert parse_note(note)[0].size == 1
