"""A "no" costs one click, never ends the call, and is final until that person says yes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.promises.conftest import Called
from tests.server import rig
from tests.server.rig import AGENT, BYE, HELLO, RECORD, WAIT, pause

from askfirst.server.store import Store
from askfirst.telephony.persona import StepKind


@pytest.mark.slow
def test_the_call_of_somebody_who_refuses_goes_on_to_its_natural_end(called: Called) -> None:
    entries = called.entries("refuses")
    refused = next(entry for entry in entries if entry["kind"] == "consent.refused")
    spoken = [step for step in called.personas["refuses"].steps if step.kind is StepKind.SAY]

    assert len(spoken) > 8
    assert called.ended_ms["refuses"] - refused["data"]["at_ms"] > 15_000
    ended = next(entry for entry in entries if entry["kind"] == "call.ended")
    assert ended["data"]["cause"] == "remote-hangup"


@pytest.mark.parametrize("insists", ['do="record"', 'do="informed"'])
def test_nobody_else_turns_a_no_around(tmp_path: Path, insists: str) -> None:
    store = Store.open(tmp_path / "data")
    steps = (HELLO, RECORD, WAIT, pause(300), 'do="refused"', HELLO, insists, pause(6000))
    call = rig.virtually(store, rig.callee(tmp_path / "callee", *steps, AGENT, BYE))

    assert rig.openings(store, call.id) == []
    assert rig.call_row(store, call.id).outcome == "refused"
    store.close()


def test_a_persons_own_yes_turns_it_around(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "data")
    steps = (HELLO, 'do="telling"', AGENT, 'do="refused"', HELLO, 'do="agreed"', HELLO, BYE)
    persona = rig.callee(tmp_path / "callee", *steps, number=rig.CALIFORNIA, announces=False)
    call = rig.virtually(store, persona)

    assert len(rig.openings(store, call.id)) == 1
    assert rig.kinds(store, call.id).count("consent.refused") == 1
    store.close()
