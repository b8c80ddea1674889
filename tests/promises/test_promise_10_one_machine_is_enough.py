"""Works on one machine with no server besides itself; the same code runs on Postgres, object
storage and many workers.
"""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from tests.server import rig

from askfirst.server.node import Node
from askfirst.server.store import Store
from askfirst.speech.scripted import Scripted


def test_a_call_from_the_answer_to_the_finished_recording_needs_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: socket.socket, address: object) -> None:
        raise AssertionError(f"something wanted the network: {address}")

    for name in ("connect", "connect_ex", "bind"):
        monkeypatch.setattr(socket.socket, name, refuse)

    node = Node.open(tmp_path / "data", Scripted())
    try:
        made = rig.record(node, tmp_path / "callee")

        assert made.row.state == "ready"
    finally:
        node.close()
    assert {path.name for path in (tmp_path / "data").iterdir() if path.is_dir()} == {
        "erased",
        "keys",
        "objects",
        "spool",
    }


def test_a_folder_is_an_installation_and_two_folders_share_nothing(tmp_path: Path) -> None:
    node = Node.open(tmp_path / "one", Scripted())
    made = rig.record(node, tmp_path / "callee")
    node.close()

    other = Store.open(tmp_path / "two")
    assert rig.recording_rows(other) == []
    assert other.ledger.verify().size == 0
    other.close()
    (tmp_path / "one").rename(tmp_path / "moved")
    moved = Node.open(tmp_path / "moved", Scripted())
    assert moved.playback.play(made.id, person="usr_1", purpose="x")
    moved.close()
