"""`kill -9` at any moment loses at most the last second of a recording, no consent event, no job;
after a restart no gate is open.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.rig import AGENT, BYE, HELLO, KEYED
from tests.server.test_recovery import killed

from askfirst.server.database import calls, segments
from askfirst.server.node import Node
from askfirst.speech.scripted import Scripted


@pytest.mark.slow
@pytest.mark.parametrize("frames", [1, 90, 400])
def test_a_killed_recording_is_there_but_for_its_last_second(tmp_path: Path, frames: int) -> None:
    rig.callee(tmp_path / "callee", *KEYED, *(HELLO, AGENT) * 20, BYE)

    kept = killed(tmp_path / "data", tmp_path / "callee", "recording", frames=frames)

    node = Node.open(tmp_path / "data", Scripted())
    node.jobs.wait()
    try:
        (call,) = rig.rows(node.store, sa.select(calls))
        assert rig.states(node.store, call.id)[-1][1] == "ended"
        assert "consent.given" in rig.kinds(node.store, call.id)
        ((last_ms,),) = rig.rows(node.store, sa.select(sa.func.max(segments.c.to_ms)))
        if last_ms is not None:
            assert kept[-1] + 20 - last_ms <= 1000
            assert call.outcome == "degraded"
        else:
            assert kept[-1] + 20 - kept[0] <= 1000
            assert call.outcome == "failed"
        assert node.store.ledger.verify().size == len(rig.kinds(node.store))
    finally:
        node.close()
