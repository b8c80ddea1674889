"""A demonstration in an installation: never among real people, made once, and gone as a whole."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.server import people, rig

from askfirst.errors import InvalidInput, NotFound, Refused
from askfirst.server import account, accounts, contacts, demodata, demopeople, followups
from askfirst.server.access import UserRole
from askfirst.server.contacttables import contacts as contact_rows
from askfirst.server.contacttables import follow_ups
from askfirst.server.database import calls, metadata, parties, reading, recordings, transaction
from askfirst.server.node import Node
from askfirst.server.store import Store
from askfirst.telephony.persona import packaged_personas

CALLED = ("presses-one", "refuses")
MINE = "+442079460991"


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two short calls in place of the packaged ones: a keyed yes that is recorded, and a no."""
    steps = {
        "presses-one": (*rig.KEYED, rig.BYE),
        "refuses": (rig.HELLO, rig.RECORD, rig.WAIT, rig.NO, rig.BYE),
    }
    made = {}
    for name, persona in packaged_personas().items():
        if name in steps:
            short = rig.callee(tmp_path / name, *steps[name], number=persona.number)
            made[name] = replace(short, name=name)
        else:
            made[name] = persona
    monkeypatch.setattr(demodata, "packaged_personas", lambda: made)
    called = tuple(each for each in demopeople.CALLED if each[0] in CALLED)
    monkeypatch.setattr(demopeople, "CALLED", called)


@pytest.fixture
def shown(node: Node, brief: None) -> Node:
    """A node with a demonstration whose calls are over and finished."""
    demodata.prepare(node.store, rig.AT)
    assert demodata.call_all(node, threading.Event()) == len(CALLED)
    node.jobs.wait()
    return node


def administrator(store: Store) -> str:
    return demodata.prepare(store, rig.AT)[0][0].id


def count(store: Store, *tables: sa.Table) -> list[int]:
    with reading(store.engine) as connection:
        return [
            connection.execute(sa.select(sa.func.count()).select_from(each)).scalar_one()
            for each in tables
        ]


def test_an_account_with_people_is_never_mixed_with_a_demonstration(store: Store) -> None:
    people.employ(store)
    before = count(store, *metadata.sorted_tables)

    with pytest.raises(InvalidInput, match="people of its own"):
        demodata.prepare(store, rig.AT)

    assert count(store, *metadata.sorted_tables) == before
    with pytest.raises(NotFound):
        demodata.remove(store, people.KARI, rig.AT)


def test_a_demonstration_is_a_whole_account(store: Store) -> None:
    made = demodata.prepare(store, rig.AT)

    with reading(store.engine) as connection:
        settings = account.account(connection)
        links = [accounts.is_link(connection, link, rig.AT) for _, link in made]
    assert settings.is_demo
    assert settings.is_set_up
    assert settings.policy().lawful_basis == "legitimate_interests"
    roles = set().union(*(user.roles for user, _ in made))
    assert {UserRole.ADMIN, UserRole.AGENT, UserRole.SUPERVISOR, UserRole.COMPLIANCE} <= roles
    assert links == [True] * len(made)
    assert count(store, contact_rows) == [len(demopeople.CALLED) + len(demopeople.OTHERS)]
    assert len({company for _, company, _ in demopeople.OTHERS}) >= 30


def test_every_persona_is_a_contact_and_is_called_once() -> None:
    called = [name for name, _, _ in demopeople.CALLED]

    assert sorted(called) == sorted(packaged_personas())


def test_nobody_may_mark_an_account_as_a_demonstration_by_its_settings(store: Store) -> None:
    with transaction(store.engine) as connection, pytest.raises(InvalidInput):
        account.change(connection, {"is_demo": True}, None, rig.AT)


def test_the_calls_are_the_demo_agents_and_are_made_only_once(shown: Node) -> None:
    store = shown.store
    rows = rig.rows(store, sa.select(calls).order_by(calls.c.id))
    with reading(store.engine) as connection:
        names = accounts.names(connection)

    assert [row.persona for row in rows] == list(CALLED)
    assert [row.outcome for row in rows] == ["recorded", "refused"]
    assert {names[row.agent] for row in rows} == {"Kari Lund"}
    demodata.prepare(store, rig.AT)
    assert demodata.call_all(shown, threading.Event()) == 0
    assert count(store, calls) == [len(CALLED)]


def test_what_is_to_stop_begins_no_call_and_the_rest_is_made_later(node: Node, brief: None) -> None:
    demodata.prepare(node.store, rig.AT)
    stopping = threading.Event()

    assert demodata.call_all(node, stopping, lambda _: stopping.set()) == 1
    assert demodata.call_all(node, stopping) == 0
    assert [persona.name for persona in demodata.missing(node.store)] == [CALLED[1]]


def test_nothing_is_called_without_a_demonstration(node: Node) -> None:
    assert demodata.missing(node.store) == []
    assert demodata.call_all(node, threading.Event()) == 0


def test_removing_leaves_the_ledger_and_nothing_else_of_it(shown: Node) -> None:
    store = shown.store
    actor = administrator(store)
    rig.change(store, rig.recording_rows(store)[0].id, legal_hold=True, mandatory="mifid2")
    size = store.ledger.verify().size

    removed = demodata.remove(store, actor, rig.AT)

    assert (removed.calls, removed.recordings) == (len(CALLED), 1)
    assert count(store, calls, parties, recordings, contact_rows) == [0, 0, 0, 0]
    assert rig.key_ids(store) == []
    assert rig.spool_files(store) == []
    assert list(store.blobs.names()) == []
    assert store.ledger.verify().size > size
    assert {"recording.erased", "legal-hold.released"} <= set(rig.kinds(store))
    for path in store.folder.rglob("*"):
        if path.is_file():
            assert packaged_personas()["refuses"].number.encode() not in path.read_bytes(), path


def test_after_a_removal_the_account_goes_on_without_the_made_up_people(shown: Node) -> None:
    store = shown.store
    actor = administrator(store)

    demodata.remove(store, actor, rig.AT)

    with reading(store.engine) as connection:
        assert not account.account(connection).is_demo
        assert account.account(connection).is_set_up
        able = [user.id for user in accounts.all_users(connection) if not user.is_disabled]
    assert able == [actor]
    with pytest.raises(NotFound):
        demodata.remove(store, actor, rig.AT)
    with pytest.raises(InvalidInput):
        demodata.prepare(store, rig.AT)


def test_what_is_ones_own_stays_and_only_forgets_the_demonstration(shown: Node) -> None:
    store = shown.store
    actor = administrator(store)
    mine = people.meet(store, people.draft("Nora Lie", MINE))
    real = people.called(store, MINE, provider="sip", ledger=9_000)
    demo = rig.rows(store, sa.select(calls.c.id).where(calls.c.persona == CALLED[0]))[0].id
    with transaction(store.engine) as connection:
        promised = followups.promise(connection, mine, people.ON, note="ring", call=demo)

    demodata.remove(store, actor, rig.AT)

    assert [row.id for row in rig.rows(store, sa.select(calls))] == [real]
    with reading(store.engine) as connection:
        assert contacts.get(connection, mine).name == "Nora Lie"
    (kept,) = rig.rows(store, sa.select(follow_ups))
    assert (kept.id, kept.call) == (promised, None)


@pytest.mark.parametrize("state", ["spool", "sealed", "checking"])
def test_nothing_is_removed_while_something_is_being_worked_on(shown: Node, state: str) -> None:
    store = shown.store
    actor = administrator(store)
    rig.change(store, rig.recording_rows(store)[0].id, state=state)

    with pytest.raises(Refused, match="being checked"):
        demodata.remove(store, actor, rig.AT)

    assert count(store, calls, recordings) == [len(CALLED), 1]


def test_nothing_is_removed_while_a_demo_call_goes_on(shown: Node) -> None:
    store = shown.store
    actor = administrator(store)
    with transaction(store.engine) as connection:
        going: dict[str, Any] = {"ended_at": None, "outcome": None}
        connection.execute(calls.update().where(calls.c.persona == "refuses").values(**going))

    with pytest.raises(Refused, match="goes on"):
        demodata.remove(store, actor, rig.AT + timedelta(days=1))

    assert count(store, calls) == [len(CALLED)]
