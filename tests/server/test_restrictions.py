"""Who restricts the processing of their calls (GDPR art. 18): stored, and nothing else done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.deskrig import ASKED, SETTINGS, agent, called, has, until
from tests.server.people import draft, meet
from tests.server.rig import AT, NORWAY
from tests.server.test_captions import Hearing, hearing

from askfirst.errors import Refused
from askfirst.server import account, requestacts, restrictions
from askfirst.server.accounts import User
from askfirst.server.clock import utc_now
from askfirst.server.database import assets, reading, transaction
from askfirst.server.desk import Desk
from askfirst.server.node import Node
from askfirst.server.requestregister import RequestKind
from askfirst.server.requesttables import restrictions as table
from askfirst.server.store import Store
from askfirst.server.subjectrights import who
from askfirst.speech.scripted import Scripted
from askfirst.telephony.memoryleg import MemoryLeg


@dataclass(frozen=True)
class Listening:
    """A node whose calls an engine hears live, and an agent."""

    node: Node
    engine: Hearing
    kari: User

    @property
    def store(self) -> Store:
        return self.node.store

    def restrict(self, number: str = NORWAY) -> str:
        """A request of whoever has a number, carried out."""
        with reading(self.store.engine) as connection:
            person = who(connection, number=number)
        now = utc_now()
        asked = requestacts.take(self.store, RequestKind.RESTRICTION, person, self.kari.id, now)
        requestacts.restrict(self.store, asked.id, self.kari.id, now)
        return asked.id

    def call(self, folder: Path, for_ms: int) -> None:
        """A call that is recorded, or only stored, for so long."""

        async def scenario(desk: Desk) -> None:
            live = await desk.place(self.kari, NORWAY, MemoryLeg())
            live.record()
            await until(live, has(light="recording"))
            await desk.clock.sleep_until(desk.clock.now_ms() + for_ms)

        called(self.node, folder, ASKED, scenario)

    def restricted(self) -> set[str]:
        query = sa.select(table.c.recording).where(table.c.lifted_at.is_(None))
        return {row.recording for row in rig.rows(self.store, query)}

    def kinds(self) -> set[str]:
        """What has been made of recordings."""
        return {row.kind for row in rig.rows(self.store, sa.select(assets.c.kind))}


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[Listening]:
    node = Node.open(tmp_path / "data", Scripted())
    engine = Hearing()
    with hearing(engine) as captioning:
        with transaction(node.store.engine) as connection:
            account.change(connection, SETTINGS, None, AT)
        yield Listening(replace(node, captioning=captioning), engine, agent(node, "kari"))
    node.close()


def stored_only(listening: Listening) -> None:
    """What must hold of the one recording that was made under a restriction."""
    listening.node.jobs.wait()
    (recording,) = rig.recording_rows(listening.store)
    assert recording.state == "sealed"
    assert listening.restricted() == {recording.id}
    assert listening.kinds() == {"audio"}, "kept, and neither heard nor written down"
    assert rig.spool_files(listening.store) == []


def test_a_running_call_is_only_stored_from_the_moment_somebody_restricts_it(
    listening: Listening, tmp_path: Path
) -> None:
    heard: list[int] = []

    async def scenario(desk: Desk) -> None:
        live = await desk.place(listening.kari, NORWAY, MemoryLeg())
        live.record()
        await until(live, has(light="recording"))
        await desk.clock.sleep_until(desk.clock.now_ms() + 10_000)
        assert listening.engine.heard, "until then it was heard"
        await live.call.written()

        request = listening.restrict()
        desk.restrict(requestacts.running_calls(listening.store, request))
        heard.append(len(listening.engine.heard))
        assert live.call.captions.lines() == ()
        await desk.clock.sleep_until(desk.clock.now_ms() + 10_000)
        assert live.state()["light"] == "recording", "storing goes on"

    called(listening.node, tmp_path, ASKED, scenario)

    assert len(listening.engine.heard) == heard[0]
    stored_only(listening)


def test_a_new_call_of_somebody_who_restricts_is_stored_only_from_its_beginning(
    listening: Listening, tmp_path: Path
) -> None:
    meet(listening.store, draft("Nora Lie", NORWAY))
    listening.restrict()
    listening.call(tmp_path, 10_000)

    assert listening.engine.heard == []
    stored_only(listening)
    kinds = rig.kinds(listening.store)
    assert kinds.index("restriction.placed") < kinds.index("recording.opened")


def test_what_was_only_stored_is_finished_once_the_restriction_is_lifted(
    listening: Listening, tmp_path: Path
) -> None:
    meet(listening.store, draft("Nora Lie", NORWAY))
    request = listening.restrict()
    listening.call(tmp_path, 5_000)
    stored_only(listening)
    (recording,) = rig.recording_rows(listening.store)
    with pytest.raises(Refused):
        listening.node.playback.play(recording.id, person="p", purpose="training")

    requestacts.lift(listening.store, request, listening.kari.id, utc_now())
    listening.node.jobs.wait()

    assert rig.recording_rows(listening.store)[0].state == "ready"
    assert "transcript" in listening.kinds()
    with reading(listening.store.engine) as connection:
        assert restrictions.in_force(listening.store, connection, NORWAY) == []


def test_a_restricted_recording_that_kept_nothing_leaves_no_row(
    listening: Listening, tmp_path: Path
) -> None:
    meet(listening.store, draft("Nora Lie", NORWAY))
    listening.restrict()
    listening.call(tmp_path, 0)

    assert rig.recording_rows(listening.store) == []
    assert listening.restricted() == set()
    (call,) = rig.call_rows(listening.store)
    assert call.ended_at is not None


def test_a_restriction_is_of_its_person_alone(listening: Listening) -> None:
    meet(listening.store, draft("Nora Lie", NORWAY))
    listening.restrict()

    with reading(listening.store.engine) as connection:
        found = [
            bool(restrictions.in_force(listening.store, connection, number))
            for number in (NORWAY, f"{NORWAY[:3]} {NORWAY[3:]}", "+4721000099", "anonymous", "")
        ]

    assert found == [True, True, False, False, False]
