"""Corrected words: the machine text stays, nobody's work is lost, and all of it can be erased."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.deskrig import agent
from tests.server.rig import AT, NORWAY

from askfirst.errors import InvalidRequest, KeyUnreadable, NotFound, Refused
from askfirst.model import Utterance
from askfirst.server import corrections, erasure, requestacts, sealing, study, transcripts
from askfirst.server.callnotes import Conflict
from askfirst.server.clock import utc_now
from askfirst.server.database import assets, outbox, reading, transaction
from askfirst.server.node import Node
from askfirst.server.playback import decryptable
from askfirst.server.requestregister import RequestKind
from askfirst.server.requesttables import restrictions
from askfirst.server.store import Store
from askfirst.server.subjectrights import who
from askfirst.server.transcripts import Origin, Revision
from askfirst.speech.scripted import Scripted

WHO = "usr_" + "1" * 32
WRONG, RIGHT = "the wombat are ticked", "the wombat attacked"


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[rig.Recorded]:
    """A recorded call in which both sides said the same wrong words."""
    node = Node.open(tmp_path / "data", Scripted([WRONG] * 20))
    yield rig.record(node, tmp_path / "callee")
    node.close()


def corrected(recorded: rig.Recorded, seen: int = 0, text: str = RIGHT, line: int = 0) -> Revision:
    return corrections.correct(recorded.store, recorded.id, seen, {line: text}, WHO, utc_now())


def kept(store: Store) -> list[str]:
    return [name for name in store.blobs.names() if "/words-" in name]


def orders(store: Store) -> int:
    query = sa.select(sa.func.count()).where(outbox.c.kind == study.ORDER)
    return int(rig.rows(store, query)[0][0])


def test_the_machine_text_stays_and_the_corrected_words_are_what_stands(
    recorded: rig.Recorded,
) -> None:
    before = transcripts.machine(recorded.store, recorded.id)
    assert before is not None
    assert before[0].text == WRONG
    ordered = orders(recorded.store)

    found = corrected(recorded)

    assert (found.number, found.origin, found.person) == (1, Origin.CORRECTED, WHO)
    now = transcripts.current(recorded.store, recorded.id)
    assert now is not None
    assert [each.text for each in now] == [RIGHT, *(each.text for each in before[1:])]
    assert transcripts.machine(recorded.store, recorded.id) == before
    assert orders(recorded.store) == ordered + 1
    (entry,) = [
        each
        for _, each in recorded.store.ledger.entries(recorded.call)
        if each["kind"] == "transcript.changed"
    ]
    row = rig.rows(recorded.store, sa.select(assets).where(assets.c.kind == "words-1"))[0]
    assert entry["data"] == {
        "person": WHO,
        "revision": 1,
        "origin": "corrected",
        "lines_count": 1,
        "sha256": f"sha256:{row.sha256}",
    }


def test_whoever_read_older_words_overwrites_nobody(recorded: rig.Recorded) -> None:
    corrected(recorded)

    with pytest.raises(Conflict, match="found revision 0, expected 1"):
        corrected(recorded, text="something else")
    with pytest.raises(Conflict):
        corrections.take_back(recorded.store, recorded.id, 0, WHO, utc_now())

    newest = transcripts.newest(recorded.store, recorded.id)
    assert newest is not None
    assert (newest.number, newest.said[0].text) == (1, RIGHT)
    assert len(kept(recorded.store)) == 1


def test_a_change_between_reading_and_writing_leaves_no_words_behind(
    recorded: rig.Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_beside = sealing.put_beside

    def beaten(store: Store, recording: str, kind: str, data: bytes) -> dict[str, object]:
        monkeypatch.undo()
        corrected(recorded, text="the other editor")
        return put_beside(store, recording, kind, data)

    monkeypatch.setattr(sealing, "put_beside", beaten)
    with pytest.raises(Conflict):
        corrected(recorded)

    now = transcripts.current(recorded.store, recorded.id)
    assert now is not None
    assert now[0].text == "the other editor"
    assert len(kept(recorded.store)) == 1
    keys = [each.id for each in recorded.store.keys.of_recording(recorded.id)]
    assert len([name for name in keys if "/words-" in name]) == 1


def test_the_same_words_once_more_are_no_change(recorded: rig.Recorded) -> None:
    corrected(recorded)

    again = corrected(recorded, seen=0)

    assert again.number == 1
    assert rig.kinds(recorded.store, recorded.call).count("transcript.changed") == 1


def test_the_machine_text_can_stand_again_and_what_was_corrected_is_still_there(
    recorded: rig.Recorded,
) -> None:
    corrected(recorded)

    back = corrections.take_back(recorded.store, recorded.id, 1, WHO, utc_now())

    assert (back.number, back.origin) == (2, Origin.MACHINE)
    machine = transcripts.machine(recorded.store, recorded.id)
    assert transcripts.current(recorded.store, recorded.id) == machine
    older = transcripts.revision(recorded.store, recorded.id, 1)
    assert older is not None
    assert older.said[0].text == RIGHT
    again = corrections.take_back(recorded.store, recorded.id, 2, WHO, utc_now())
    assert again.number == 2, "there is nothing to take back"


def test_words_from_elsewhere_stand_beside_the_machine_text(recorded: rig.Recorded) -> None:
    said = [Utterance("agent", 0, 900, "brought along")]

    brought = corrections.bring_in(recorded.store, recorded.id, 0, said, WHO, utc_now())
    fixed = corrected(recorded, seen=1, text="brought in")

    assert (brought.origin, brought.base, fixed.base) == (Origin.IMPORTED, 1, 1)
    lines = transcripts.lines_of(recorded.store, recorded.id)
    assert lines is not None
    assert [(each["text"], each["machine_text"]) for each in lines] == [
        ("brought in", "brought along")
    ]


def test_a_line_that_is_not_there_or_too_long_changes_nothing(recorded: rig.Recorded) -> None:
    for line, text in ((99, "x"), (-1, "x"), (0, "x" * 10_001)):
        with pytest.raises(InvalidRequest, match="lines"):
            corrected(recorded, line=line, text=text)
    assert kept(recorded.store) == []


@pytest.mark.parametrize(
    "values",
    [{"state": "quarantined"}, {"state": "checking"}, {"may_transcribe": False}, {"failure": "x"}],
)
def test_what_may_not_be_transcribed_or_is_not_ready_is_not_changed(
    recorded: rig.Recorded, values: dict[str, object]
) -> None:
    rig.change(recorded.store, recorded.id, **values)

    with pytest.raises(Refused, match=r"its words|no words"):
        corrected(recorded)
    with pytest.raises(Refused, match=r"its words|no words"):
        corrections.bring_in(recorded.store, recorded.id, 0, [], WHO, utc_now())
    assert kept(recorded.store) == []


def test_what_is_restricted_or_to_be_erased_is_not_changed(recorded: rig.Recorded) -> None:
    store = recorded.store
    with reading(store.engine) as connection:
        person = who(connection, number=NORWAY)
    kari = agent(recorded.node, "kari")
    asked = requestacts.take(store, RequestKind.RESTRICTION, person, kari.id, utc_now())
    requestacts.restrict(store, asked.id, kari.id, utc_now())
    with pytest.raises(Refused, match="restricted"):
        corrected(recorded)
    with transaction(recorded.store.engine) as connection:
        connection.execute(restrictions.update().values(lifted_at=AT))
        erasure.intend(recorded.store, connection, recorded.id, "request", utc_now())
    with pytest.raises(Refused, match="is ordered"):
        corrected(recorded)
    assert kept(recorded.store) == []


def test_nobody_corrects_what_nobody_wrote_down(recorded: rig.Recorded) -> None:
    with transaction(recorded.store.engine) as connection:
        connection.execute(assets.delete().where(assets.c.kind == transcripts.MACHINE))

    with pytest.raises(NotFound):
        corrected(recorded)
    with pytest.raises(NotFound):
        corrections.take_back(recorded.store, recorded.id, 0, WHO, utc_now())
    said = [Utterance("agent", 0, 900, "brought along")]
    assert corrections.bring_in(recorded.store, recorded.id, 0, said, WHO, utc_now()).number == 1


def test_every_revision_goes_with_the_recording(recorded: rig.Recorded) -> None:
    corrected(recorded, text="the marmalade wombat")
    corrected(recorded, seen=1, text="the marmalade pelican")
    keys = {
        each.id: recorded.store.keys.get(each.id)
        for each in recorded.store.keys.of_recording(recorded.id)
        if "/words-" in each.id
    }
    assert len(keys) == 2
    assert any(b"marmalade" in data for _, data in decryptable(recorded.store))

    with transaction(recorded.store.engine) as connection:
        erasure.intend(recorded.store, connection, recorded.id, "request", utc_now())
    erasure.erase(recorded.store, recorded.id, utc_now())

    assert kept(recorded.store) == []
    for identity in keys:
        with pytest.raises(KeyUnreadable):
            recorded.store.keys.get(identity)
    assert not any(b"marmalade" in data for _, data in decryptable(recorded.store))
    assert transcripts.newest(recorded.store, recorded.id) is None
    with pytest.raises(Refused, match="is erased"):
        corrected(recorded)
