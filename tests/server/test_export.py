"""What is handed on says what consent it rests on, and carries audio only when it may."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.server import rig
from tests.server.rig import BYE, HELLO, KEYED, NO, RECORD, WAIT

from askfirst.errors import NotFound
from askfirst.server import erasure, forgetting
from askfirst.server.database import calls, transaction
from askfirst.server.export import bundle_of, vcon_of
from askfirst.server.node import Node
from askfirst.vconread import read


def audio(document: dict[str, object]) -> list[object]:
    dialog = document.get("dialog", [])
    assert isinstance(dialog, list)
    return [item["body"] for item in dialog if item.get("body")]


def exports(recorded: rig.Recorded) -> int:
    return rig.kinds(recorded.store).count("access.exported")


def test_a_ready_recording_is_in_its_vcon_and_that_is_an_access(recorded: rig.Recorded) -> None:
    document = vcon_of(recorded.node, recorded.call, person="usr_1", purpose="export")

    assert len(audio(document)) == 1
    assert exports(recorded) == 1
    assert read(document).has_recording


@pytest.mark.parametrize(("direction", "channels"), [("outbound", [0, 1]), ("inbound", [1, 0])])
def test_a_vcon_says_who_is_on_which_channel_the_caller_first(
    recorded: rig.Recorded, direction: str, channels: list[int]
) -> None:
    with recorded.store.engine.begin() as connection:
        connection.execute(calls.update().values(direction=direction))

    document = vcon_of(recorded.node, recorded.call)

    (dialog,) = [each for each in document["dialog"] if each.get("body")]
    assert dialog["parties"] == channels
    assert "originator" not in dialog  # which then is the first of them


@pytest.mark.parametrize("state", ["quarantined", "checking", "sealed"])
def test_what_may_not_be_played_is_not_in_a_vcon(recorded: rig.Recorded, state: str) -> None:
    rig.change(recorded.store, recorded.id, state=state)

    document = vcon_of(recorded.node, recorded.call)

    assert audio(document) == []
    assert exports(recorded) == 0
    assert not read(document).has_recording


def test_after_an_erasure_the_vcon_holds_the_proof_only(recorded: rig.Recorded) -> None:
    with transaction(recorded.store.engine) as connection:
        erasure.intend(recorded.store, connection, recorded.id, "request", rig.AT)
    erasure.erase(recorded.store, recorded.id, rig.AT)
    forgetting.forget(recorded.store, [rig.NORWAY])

    document = vcon_of(recorded.node, recorded.call)

    assert audio(document) == []
    assert "lawful_basis" in json.dumps(document)
    assert rig.NORWAY[1:] not in json.dumps(document)


def test_a_refusal_is_in_the_vcon_of_its_call(node: Node, tmp_path: Path) -> None:
    persona = rig.callee(tmp_path / "callee", HELLO, RECORD, WAIT, NO, HELLO, BYE)
    call = rig.virtually(node.store, persona)

    document = vcon_of(node, call.id)

    text = json.dumps(document)
    assert audio(document) == []
    assert "refused" in text
    assert read(document).numbers[1] == rig.NORWAY


def test_a_call_nobody_knows_or_that_goes_on_is_not_found(node: Node, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        vcon_of(node, "call_" + "0" * 32)
    call = rig.virtually(node.store, rig.callee(tmp_path / "callee", *KEYED, BYE))
    with node.store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE calls SET ended_at = NULL")

    with pytest.raises(NotFound):
        vcon_of(node, call.id)
    with pytest.raises(NotFound):
        bundle_of(node, "call_" + "0" * 32)
