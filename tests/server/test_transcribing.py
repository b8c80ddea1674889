"""How far transcribing is: it goes on, it failed and can be tried again, and then all is right."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.deskrig import agent
from tests.server.test_jobs import Failing, record

from askfirst.errors import Refused
from askfirst.outcome import Fault
from askfirst.server import transcribing, transcripts
from askfirst.server.clock import utc_now
from askfirst.server.database import assets, reading, transaction
from askfirst.server.hearingtables import transcribing as table
from askfirst.server.node import Node
from askfirst.server.transcribing import Progress, Transcribing


def found(node: Node) -> Transcribing:
    (row,) = rig.recording_rows(node.store)
    with reading(node.store.engine) as connection:
        return transcribing.progress_of(connection, row.id)


def test_what_the_recogniser_failed_at_says_so_and_can_be_tried_again(tmp_path: Path) -> None:
    recognizer = Failing(1000)
    node = Node.open(tmp_path / "data", recognizer)
    try:
        call = record(node, tmp_path / "callee")
        failed = found(node)
        assert (failed.progress, failed.fault) == (Progress.FAILED, Fault.RECOGNISER)
        assert failed.may_order

        recognizer.times = 0
        who = agent(node, "kari").id
        (row,) = rig.recording_rows(node.store)
        transcribing.order(node.store, row.id, who, utc_now())
        assert found(node).progress is Progress.GOES_ON
        with pytest.raises(Refused, match="cannot be transcribed again now"):
            transcribing.order(node.store, row.id, who, utc_now())
        node.jobs.wait()

        assert found(node).progress is Progress.DONE
        assert rig.call_row(node.store, call.id).outcome == "recorded"
        assert rig.recording_rows(node.store)[0].state == "ready"
        assert rig.rows(node.store, sa.select(table)) == []
        with pytest.raises(Refused):
            transcribing.order(node.store, row.id, who, utc_now())
    finally:
        node.close()


def test_words_that_were_never_heard_can_be_ordered_where_everybody_allows_them(
    node: Node, tmp_path: Path
) -> None:
    record(node, tmp_path / "callee")
    (row,) = rig.recording_rows(node.store)
    with transaction(node.store.engine) as connection:
        connection.execute(assets.delete().where(assets.c.kind == transcripts.MACHINE))
    who = agent(node, "kari").id
    rig.change(node.store, row.id, may_transcribe=False)
    assert found(node) == Transcribing(Progress.NONE)
    with pytest.raises(Refused):
        transcribing.order(node.store, row.id, who, utc_now())

    rig.change(node.store, row.id, may_transcribe=True)
    assert found(node) == Transcribing(Progress.NONE, may_order=True)
    transcribing.order(node.store, row.id, who, utc_now())
    node.jobs.wait()

    assert found(node).progress is Progress.DONE
    assert transcripts.current(node.store, row.id) is not None


def test_a_fault_while_only_the_words_are_missing_is_said_too(tmp_path: Path) -> None:
    recognizer = Failing(0)
    node = Node.open(tmp_path / "data", recognizer)
    try:
        record(node, tmp_path / "callee")
        (row,) = rig.recording_rows(node.store)
        with transaction(node.store.engine) as connection:
            connection.execute(assets.delete().where(assets.c.kind.endswith("transcript")))
        recognizer.times = 1000
        who = agent(node, "kari").id
        transcribing.order(node.store, row.id, who, utc_now())
        node.jobs.wait()

        failed = found(node)
        assert (failed.progress, failed.fault) == (Progress.FAILED, Fault.RECOGNISER)
        assert rig.recording_rows(node.store)[0].state == "ready", "it can be heard all the same"
    finally:
        node.close()
