"""All packaged personas called once, on the virtual clock, with the real recogniser."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from tests.server import rig

from askfirst.clock import LoopClock, run_virtual
from askfirst.model import Word
from askfirst.server.export import vcon_of
from askfirst.server.node import Node
from askfirst.server.playback import Playback
from askfirst.server.simulation import simulate
from askfirst.server.store import Store
from askfirst.server.transcripts import from_bytes
from askfirst.speech.scripted import Scripted
from askfirst.speech.whisper import Whisper
from askfirst.telephony.persona import Persona, packaged_personas


class KilledOnce(Whisper):
    """A recogniser whose process is killed at its first work, as by a system short of memory."""

    kills = 0
    turn = Lock()
    """Several calls may be heard at once; one of them does it."""

    def transcribe(self, pcm: bytes, language: str) -> list[Word]:
        with self.turn:
            if self.kills == 0:
                super().transcribe(bytes(32_000), language)  # now there is a process
                assert self.pid is not None
                os.kill(self.pid, signal.SIGKILL)
                KilledOnce.kills += 1
        return super().transcribe(pcm, language)


@dataclass(frozen=True)
class Called:
    """Everything that calling the personas left."""

    store: Store
    personas: dict[str, Persona]
    calls: dict[str, str]
    ended_ms: dict[str, int]
    vcons: dict[str, dict[str, Any]]
    folder: Path

    def row(self, name: str) -> Any:
        return rig.call_row(self.store, self.calls[name])

    def recordings(self, name: str) -> list[Any]:
        return rig.recording_rows(self.store, self.calls[name])

    def states(self, name: str) -> list[tuple[int, str]]:
        return rig.states(self.store, self.calls[name])

    def entries(self, name: str) -> list[dict[str, Any]]:
        return [entry for _, entry in self.store.ledger.entries(self.calls[name])]

    def words(self, name: str, kind: str = "transcript") -> dict[str, str]:
        """What is kept in words of a call, by speaker."""
        found: dict[str, str] = {}
        for recording in self.recordings(name):
            for item in from_bytes(Playback(self.store).asset(recording.id, kind) or b"[]"):
                found[item.speaker] = f"{found.get(item.speaker, '')} {item.text}".strip()
        return found


@contextlib.contextmanager
def logged(path: Path) -> Iterator[None]:
    """Everything that any part logs, in a file."""
    handler = logging.FileHandler(path, encoding="utf-8")
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        handler.close()


@pytest.fixture(scope="session")
def called(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Called]:
    """Twelve calls and their jobs; the node is closed again before the first test sees it."""
    folder = tmp_path_factory.mktemp("called")
    personas = packaged_personas()
    made: dict[str, str] = {}
    ended: dict[str, int] = {}
    with logged(folder / "askfirst.log"):
        node = Node.open(folder / "data", KilledOnce())
        try:
            for name, persona in personas.items():

                async def one(persona: Persona = persona) -> Any:
                    return await simulate(node, LoopClock(), persona)

                call = run_virtual(one())
                made[name], ended[name] = call.id, call.facts.now_ms
            node.jobs.wait()
            run_virtual(rig.carry(node.store, personas["silent"], prompts=lambda *_: None))
            vcons = {name: vcon_of(node, call) for name, call in made.items()}
        finally:
            node.close()
    store = Store.open(folder / "data")
    yield Called(store, personas, made, ended, vcons, folder)
    store.close()


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[rig.Recorded]:
    """A keyed call that was recorded and finished, in a node."""
    node = Node.open(tmp_path / "data", Scripted())
    yield rig.record(node, tmp_path / "callee")
    node.close()
