"""A killed process: what it had is recovered, nothing is open afterwards, and jobs finish."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.rig import AGENT, BYE, HELLO, KEYED, NO, RECORD, WAIT, pause

from askfirst.audio.container import decode
from askfirst.server import recovery
from askfirst.server.callbook import CallBook
from askfirst.server.database import calls, erasures, recordings, segments, transaction
from askfirst.server.node import Node
from askfirst.server.request import CallRequest
from askfirst.server.store import Store
from askfirst.speech.scripted import Scripted

ROOT = Path(__file__).resolve().parents[2]


def killed(data: Path, callee: Path, where: str, frames: int = 0) -> list[int]:
    """Start the crashing process, kill it when it has come there; times of frames it kept."""
    command = [sys.executable, "-m", "tests.server.crashing", str(data), str(callee), where]
    with subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        kept: list[int] = []
        for line in child.stdout:
            if line == "HERE\n" or (frames and len(kept) >= frames):
                child.kill()
                kept += [int(rest) for rest in child.stdout if rest.strip().isdigit()]
                break
            kept.append(int(line))
        else:
            raise AssertionError(f"the process ended before it came to {where}")
    return kept


def loss_ms(store: Store, call: str, kept: list[int]) -> int:
    """Media time between the last frame that was taken and the last that is recovered."""
    (row,) = rig.recording_rows(store, call)
    query = sa.select(sa.func.max(segments.c.to_ms)).where(segments.c.recording == row.id)
    ((last_ms,),) = rig.rows(store, query)
    return int(kept[-1] + 20 - last_ms)


def test_a_process_killed_in_a_recording_loses_less_than_its_last_second(tmp_path: Path) -> None:
    rig.callee(tmp_path / "callee", *KEYED, *(HELLO, AGENT) * 20, BYE)
    data = tmp_path / "data"

    kept = killed(data, tmp_path / "callee", "recording", frames=250)

    assert list((data / "spool").rglob("*.part"))
    node = Node.open(data, Scripted())
    node.jobs.wait()
    store = node.store
    try:
        (call,) = rig.rows(store, sa.select(calls))
        assert call.outcome == "degraded"
        assert call.ended_at is not None
        (row,) = rig.recording_rows(store)
        assert row.is_truncated
        assert row.state == "ready", "its jobs were finished"
        lost = loss_ms(store, call.id, kept)
        assert 0 <= lost <= 1000
        assert rig.states(store, call.id)[-1][1] == "ended", "no gate is open"
        assert rig.kinds(store, call.id).count("recording.opened") == 1
        assert "gate.failed" in rig.kinds(store, call.id)
        assert "recording.recovered" in rig.kinds(store, call.id)
        assert store.ledger.verify().size == len(rig.kinds(store))
        assert rig.spool_files(store) == []
        samples, rate = decode(node.playback.play(row.id, person="tester", purpose="test"))
        assert abs(samples.shape[1] * 1000 // rate - row.duration_ms) < 60
        consents = [entry for entry in rig.kinds(store) if entry.startswith("consent.")]
        assert consents == ["consent.given"], "no consent event is lost"
    finally:
        node.close()


@pytest.mark.parametrize("where", ["object-stored", "sealed"])
def test_a_process_killed_while_it_seals_finishes_after_the_restart(
    tmp_path: Path, where: str
) -> None:
    rig.callee(tmp_path / "callee", *KEYED, BYE)
    data = tmp_path / "data"

    killed(data, tmp_path / "callee", where)

    node = Node.open(data, Scripted())
    node.jobs.wait()
    try:
        (row,) = rig.recording_rows(node.store)
        assert (row.state, row.is_truncated) == ("ready", False)
        assert node.playback.play(row.id, person="tester", purpose="test")
        assert rig.spool_files(node.store) == []
        assert [key for key in rig.key_ids(node.store) if "/spool/" in key] == []
        assert rig.kinds(node.store).count("recording.sealed") == 1
        assert node.store.ledger.verify().size == len(rig.kinds(node.store))
    finally:
        node.close()


@pytest.mark.parametrize("where", ["erase-begins", "keys-destroyed", "bytes-destroyed"])
def test_a_process_killed_while_it_erases_finishes_after_the_restart(
    tmp_path: Path, where: str
) -> None:
    rig.callee(tmp_path / "callee", *KEYED, 'do="objects"', *(HELLO,) * 4, BYE)
    data = tmp_path / "data"

    killed(data, tmp_path / "callee", where)

    node = Node.open(data, Scripted())
    node.jobs.wait()
    try:
        erased = [row for row in rig.recording_rows(node.store) if row.state == "erased"]
        assert len(erased) == 1
        (row,) = rig.rows(node.store, sa.select(erasures))
        assert row.done_at is not None
        assert rig.spool_files(node.store) == []
        assert rig.key_ids(node.store) == []
        (call,) = rig.rows(node.store, sa.select(calls))
        assert call.outcome == "erased"
        assert rig.kinds(node.store).count("recording.erased") == 1
        assert "consent.withdrawn" in rig.kinds(node.store)
        assert node.store.ledger.verify().size == len(rig.kinds(node.store))
    finally:
        node.close()


# What a crash leaves, without the crash


def cut_off(store: Store, tmp_path: Path, name: str = "callee", *steps: str) -> rig.Watched:
    """A call that recorded, as a crash would leave it: not ended, its spool on the disk."""
    call = rig.virtually(store, rig.callee(tmp_path / name, *(steps or (*KEYED, BYE))))
    with transaction(store.engine) as connection:
        connection.execute(
            calls.update()
            .where(calls.c.id == call.id)
            .values(ended_at=None, outcome=None, outcome_reason=None)
        )
        connection.exec_driver_sql("DELETE FROM outbox")
    return call


def test_one_damaged_file_does_not_keep_the_others_from_being_recovered(
    store: Store, tmp_path: Path
) -> None:
    broken = cut_off(store, tmp_path, "one")
    whole = cut_off(store, tmp_path, "two")
    folder = store.spool / broken.recordings[0]
    path = max(folder.glob("*.part"), key=lambda item: item.stat().st_size)
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    before = sorted(item.name for item in folder.iterdir())

    assert recovery.recover(store) == 2

    row = rig.call_row(store, broken.id)
    assert row.outcome == "failed"
    assert "disk" in row.outcome_reason
    (kept,) = rig.recording_rows(store, broken.id)
    assert kept.state == "quarantined"
    assert path.name in kept.failure or "segment" in kept.failure
    assert sorted(item.name for item in folder.iterdir()) == before, "nothing is destroyed"
    assert [key for key in rig.key_ids(store) if key.startswith(kept.id)]
    assert rig.call_row(store, whole.id).outcome == "degraded"


def test_a_key_that_is_gone_is_named_and_the_audio_stays(store: Store, tmp_path: Path) -> None:
    call = cut_off(store, tmp_path)
    for key in rig.key_ids(store):
        store.keys.destroy(key)

    recovery.recover(store)

    row = rig.call_row(store, call.id)
    assert row.outcome == "failed"
    assert "key" in row.outcome_reason
    assert rig.spool_files(store)


def test_a_file_torn_before_its_first_segment_is_no_damage(store: Store, tmp_path: Path) -> None:
    call = cut_off(store, tmp_path)
    path = max((store.spool / call.recordings[0]).glob("*.part"))
    path.write_bytes(path.read_bytes()[:20])

    recovery.recover(store)

    assert rig.call_row(store, call.id).outcome == "degraded"


def test_a_call_cut_off_before_the_gate_opened_leaves_nothing(store: Store, tmp_path: Path) -> None:
    call = cut_off(store, tmp_path, "callee", HELLO, RECORD, WAIT, pause(100), NO, HELLO, BYE)

    recovery.recover(store)

    assert rig.call_row(store, call.id).outcome == "failed"
    assert rig.recording_rows(store) == []
    assert rig.spool_files(store) == []
    assert rig.key_ids(store) == []


def test_what_was_dropped_while_the_disk_failed_is_cleared_at_the_next_start(
    store: Store, tmp_path: Path
) -> None:
    call = cut_off(store, tmp_path)
    with transaction(store.engine) as connection:
        connection.exec_driver_sql("DELETE FROM segments")
        connection.execute(recordings.delete())
    assert rig.spool_files(store)

    recovery.recover(store)

    assert rig.spool_files(store) == []
    assert [key for key in rig.key_ids(store) if key.startswith(call.recordings[0])] == []


def test_recovery_speaks_the_language_of_the_call(store: Store, tmp_path: Path) -> None:
    call = cut_off(store, tmp_path)
    with transaction(store.engine) as connection:
        connection.execute(calls.update().values(language="nb"))

    recovery.recover(store)

    assert "Systemet stoppet" in rig.call_row(store, call.id).outcome_reason


def test_recovery_of_a_recovered_store_changes_nothing(store: Store, tmp_path: Path) -> None:
    cut_off(store, tmp_path)
    recovery.recover(store)
    before = rig.kinds(store)

    assert recovery.recover(store) == 0
    assert rig.kinds(store) == before


def test_a_worker_that_died_loses_its_own_calls_and_not_those_that_others_carry(
    tmp_path: Path,
) -> None:
    carried = {f"call_{n:032x}": worker for n, worker in enumerate(("med_1", "med_2", None))}
    store = Store.open(tmp_path / "data")
    try:
        for call, worker in carried.items():
            book = CallBook(replace(store, worker=worker), call)
            with transaction(store.engine) as connection:
                book.started(CallRequest("+4748750101", ()), rig.AT, connection)
        (store.spool / "rec_of_a_call_that_begins").mkdir()

        assert recovery.recover(store, "med_1") == 1

        query = sa.select(calls.c.id).where(calls.c.ended_at.is_(None)).order_by(calls.c.id)
        assert [call for (call,) in rig.rows(store, query)] == list(carried)[1:]
        assert (store.spool / "rec_of_a_call_that_begins").exists()
        assert recovery.recover(store) == 2
        assert not (store.spool / "rec_of_a_call_that_begins").exists()
    finally:
        store.close()
