"""Private calls: nothing is kept from then on, and with whom they are is their agent's alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.deskrig import ASKED, LONG, State, agent, called, has, until
from tests.server.people import draft, meet
from tests.server.receptionrig import NEW_YORK, House, played
from tests.server.rig import AT, NORWAY

from askfirst.errors import InvalidInput, Refused
from askfirst.ledger import Kind
from askfirst.server import legalholds
from askfirst.server.access import UserRole
from askfirst.server.account import change
from askfirst.server.accounts import User
from askfirst.server.callnotes import Written, read, save
from askfirst.server.callreader import Wanted, call_lines, call_record
from askfirst.server.callsearch import search_calls
from askfirst.server.contactcalls import calls_with
from askfirst.server.contacts import get
from askfirst.server.database import parties, reading, transaction
from askfirst.server.desk import Desk
from askfirst.server.forgetting import forget
from askfirst.server.livecall import LiveCall
from askfirst.server.node import Node
from askfirst.server.privatecall import as_others_see
from askfirst.telephony.memoryleg import MemoryLeg

PRIVATE = has(state="blocked", because="private", light="off", private=True, may_be_private=False)


@pytest.fixture
def boss(node: Node) -> User:
    """Somebody who reads every call of the account."""
    return replace(agent(node, "boss"), roles=frozenset({UserRole.COMPLIANCE}))


def set_up(node: Node, **values: object) -> None:
    with transaction(node.store.engine) as connection:
        change(connection, values, None, AT)


async def recorded(desk: Desk, user: User) -> LiveCall:
    live = await desk.place(user, NORWAY, MemoryLeg())
    live.record()
    await until(live, has(light="recording"))
    await desk.clock.sleep_until(desk.clock.now_ms() + 2_000)
    return live


def made_private(
    node: Node, kari: User, folder: Path, act: Callable[[LiveCall], None] | None = None
) -> str:
    """A call of Kari's that was private from the beginning, or became so in it."""
    seen: list[str] = []

    async def scenario(desk: Desk) -> None:
        if act is None:
            live = await desk.place(kari, NORWAY, MemoryLeg(), is_private=True)
            live.record()
            assert PRIVATE(await until(live, has(answered=True)))
            live.consent("agreed")
            assert PRIVATE(live.state())
        else:
            live = await recorded(desk, kari)
            act(live)
            assert PRIVATE(live.state())
        await live.hangup()
        await until(live, has(settled=True))
        seen.append(live.id)

    called(node, folder, ASKED, scenario)
    node.jobs.wait()
    return seen[0]


def states_of(node: Node, call: str) -> list[str]:
    return [row.state for row in rig.recording_rows(node.store, call)]


# What is kept


def test_of_a_call_that_is_private_from_the_beginning_nothing_is_kept(
    node: Node, kari: User, tmp_path: Path
) -> None:
    call = made_private(node, kari, tmp_path)

    assert rig.recording_rows(node.store, call) == []
    assert rig.spool_files(node.store) == []
    assert rig.call_row(node.store, call).outcome == "blocked"
    assert "private" in rig.call_row(node.store, call).outcome_reason


def test_nothing_is_announced_in_a_private_call(node: Node, kari: User, tmp_path: Path) -> None:
    call = made_private(node, kari, tmp_path)

    kinds = rig.kinds(node.store, call)
    assert Kind.CALL_PRIVATE in kinds
    assert Kind.NOTICE_STARTED not in kinds
    assert Kind.RECORDING_OPENED not in kinds


@pytest.mark.parametrize("past", ["erase", "keep"])
def test_what_was_recorded_before_is_erased_or_kept_as_the_agent_says(
    node: Node, kari: User, tmp_path: Path, past: str
) -> None:
    call = made_private(node, kari, tmp_path, lambda live: live.make_private(past))

    (state,) = states_of(node, call)
    assert (state == "erased") is (past == "erase")
    assert bool(rig.key_ids(node.store)) is (past == "keep")


def test_erasing_is_what_happens_where_nothing_is_said(
    node: Node, kari: User, tmp_path: Path
) -> None:
    call = made_private(node, kari, tmp_path, lambda live: live.make_private())

    assert states_of(node, call) == ["erased"]


def test_what_a_legal_hold_keeps_is_locked_away(node: Node, kari: User, tmp_path: Path) -> None:
    def holds(live: LiveCall) -> None:
        legalholds.place(node.store, live.call.recordings[-1], "usr_x", "a lawsuit", AT)
        live.make_private()

    call = made_private(node, kari, tmp_path, holds)

    assert states_of(node, call) == ["quarantined"]
    assert rig.key_ids(node.store)


@pytest.mark.parametrize(
    "act",
    [
        lambda live: live.record(),
        lambda live: live.announce(),
        lambda live: live.telling(),
        lambda live: live.consent("agreed"),
        lambda live: live.learn_place(1, "US-TX"),
        lambda live: live.join(),
        lambda live: live.switch(True),
        lambda live: live.make_private("keep"),
    ],
)
def test_nothing_that_an_agent_does_takes_it_back(
    node: Node, kari: User, tmp_path: Path, act: Callable[[LiveCall], None]
) -> None:
    async def scenario(desk: Desk) -> None:
        live = await recorded(desk, kari)
        live.make_private()
        act(live)
        for _ in range(20):
            await desk.clock.sleep_until(desk.clock.now_ms() + 200)
            assert PRIVATE(live.state())

    called(node, tmp_path, ASKED, scenario)


def test_a_call_that_still_rings_can_be_made_private(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg())
        live.make_private()
        assert PRIVATE(await until(live, has(answered=True)))

    called(node, tmp_path, LONG, scenario)


# Where there may be none


@pytest.mark.parametrize(
    "setting", [{"private_calls": False}, {"wishes": {"mandatory_recording": "mifid2"}}]
)
def test_where_calls_must_be_recorded_or_the_account_has_none_no_call_is_private(
    node: Node, kari: User, tmp_path: Path, setting: dict[str, object]
) -> None:
    set_up(node, **setting)

    async def scenario(desk: Desk) -> None:
        with pytest.raises(Refused):
            await desk.place(kari, NORWAY, MemoryLeg(), is_private=True)
        assert desk.all() == ()
        live = await desk.place(kari, NORWAY, MemoryLeg())
        shown = await until(live, has(answered=True))
        assert has(private=False, may_be_private=False)(shown)
        with pytest.raises(Refused):
            live.make_private()
        assert not live.state()["private"]

    called(node, tmp_path, LONG, scenario)


def test_a_past_that_is_none_changes_nothing(node: Node, kari: User, tmp_path: Path) -> None:
    async def scenario(desk: Desk) -> None:
        live = await recorded(desk, kari)
        with pytest.raises(InvalidInput):
            live.make_private("sell")
        assert live.state()["light"] == "recording"

    called(node, tmp_path, ASKED, scenario)


# Who sees what


@pytest.mark.parametrize(
    "act", [None, lambda live: live.make_private(), lambda live: live.make_private("keep")]
)
def test_with_whom_it_was_is_read_by_its_agent_and_by_nobody_else(
    node: Node, kari: User, boss: User, tmp_path: Path, act: Callable[[LiveCall], None] | None
) -> None:
    contact = meet(node.store, draft("Nora Lie", NORWAY))
    call = made_private(node, kari, tmp_path, act)

    with reading(node.store.engine) as connection:
        (own,) = call_lines(connection, kari.person, Wanted())
        (other,) = call_lines(connection, boss.person, Wanted())
        assert (own.number, own.is_private) == (NORWAY, True)
        assert (other.number, other.is_private, other.persona) == (None, True, None)
        assert other.places == ()

        record = call_record(node.store, connection, boss.person, call)
        assert NORWAY not in repr(record)
        assert (record.decision, record.parties, record.consents) == (None, [], [])
        assert record.timeline
        assert call_record(node.store, connection, kari.person, call).line.number == NORWAY

        assert calls_with(connection, boss.person, contact) == ()
        assert call_lines(connection, boss.person, Wanted(numbers=frozenset({NORWAY}))) == []
        people = (get(connection, contact),)
        assert search_calls(connection, boss.person, "Nora", people, "NO", 10) == []


def test_a_call_from_outside_is_made_private_too(node: Node, kari: User, boss: User) -> None:
    async def scenario(house: House) -> str:
        line = house.call(NEW_YORK)
        async with house.open_phone(kari):
            live = await house.reception.take(kari, await house.rings(kari), MemoryLeg())
            await until(live, has(light="recording"))
            await line.speak_for(500)
            live.make_private()
            assert PRIVATE(live.state())
            await line.speak_for(500)
            line.end()
            await until(live, has(settled=True))
        return live.id

    call = played(node, scenario)
    node.jobs.wait()

    assert states_of(node, call) == ["erased"]
    assert rig.call_row(node.store, call).direction == "inbound"
    with reading(node.store.engine) as connection:
        (own,) = call_lines(connection, kari.person, Wanted())
        (other,) = call_lines(connection, boss.person, Wanted())
    assert (own.number, other.number) == (NEW_YORK, None)


def test_no_row_that_others_read_has_the_number(node: Node, kari: User, tmp_path: Path) -> None:
    call = made_private(node, kari, tmp_path, lambda live: live.make_private("keep"))

    row = rig.call_row(node.store, call)
    assert row.private_number == NORWAY
    assert NORWAY not in repr(row.decision)
    assert row.decision is not None
    numbers = sa.select(parties.c.number).where(parties.c.call == call)
    assert {each.number for each in rig.rows(node.store, numbers)} == {None}


def test_what_its_agent_wrote_about_it_is_read_and_found_by_nobody_else(
    node: Node, kari: User, boss: User, tmp_path: Path
) -> None:
    call = made_private(node, kari, tmp_path)
    with transaction(node.store.engine) as connection:
        save(connection, kari.person, call, 0, Written(notes="about the boat"), AT)

    with reading(node.store.engine) as connection:
        assert read(connection, kari.person, call).written.notes == "about the boat"
        assert read(connection, boss.person, call).written.notes == ""
        assert [each.call for each in search_calls(connection, kari.person, "boat", (), "NO", 9)]
        assert search_calls(connection, boss.person, "boat", (), "NO", 9) == []


def test_whoever_watches_a_call_sees_that_it_is_private_and_not_with_whom(
    node: Node, kari: User, tmp_path: Path
) -> None:
    shown: list[State] = []

    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg(), is_private=True)
        shown.append(await until(live, has(answered=True)))

    called(node, tmp_path, LONG, scenario)
    seen = as_others_see(shown[0])
    assert NORWAY in repr(shown[0])
    assert NORWAY not in repr(seen)
    assert (seen["private"], seen["decision"], seen["sentences"]) == (True, None, [])
    assert {tuple(each["places"]) for each in seen["parties"]} == {()}


def test_the_ledger_has_codes_only(node: Node, kari: User, tmp_path: Path) -> None:
    call = made_private(node, kari, tmp_path, lambda live: live.make_private())

    entries = [entry for _, entry in node.store.ledger.entries(call)]
    (entry,) = [each for each in entries if each["kind"] == Kind.CALL_PRIVATE]
    data = entry["data"]
    assert isinstance(data, dict)
    assert {key: value for key, value in data.items() if key != "at_ms"} == {
        "by": "agent",
        "past": "erase",
    }
    assert NORWAY not in repr(entries)


def test_whoever_is_forgotten_is_forgotten_in_private_calls(
    node: Node, kari: User, tmp_path: Path
) -> None:
    call = made_private(node, kari, tmp_path)
    with transaction(node.store.engine) as connection:
        save(connection, kari.person, call, 0, Written(notes="about the boat"), AT)

    forget(node.store, [NORWAY])

    assert rig.call_row(node.store, call).private_number is None
    with reading(node.store.engine) as connection:
        assert read(connection, kari.person, call).written.notes == ""
