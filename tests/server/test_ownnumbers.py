"""The account's own numbers: at whom their calls ring, who may read that one was missed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.server import rig
from tests.server.deskrig import has, until
from tests.server.receptionrig import NEW_YORK, House, played
from tests.server.rig import AT
from tests.server.trunkrig import Exchange

from askfirst.clock import LoopClock, run_virtual
from askfirst.errors import InvalidInput, InvalidRequest, NotFound, Refused
from askfirst.ports import CallEventKind
from askfirst.server import accounts, audit, ownnumbers
from askfirst.server.access import Permission, UserRole
from askfirst.server.accounts import User
from askfirst.server.callreader import Wanted, call_lines, ensure_reaches
from askfirst.server.contactcalls import calls_with
from askfirst.server.contactcard import Draft, Number
from askfirst.server.contacts import add
from askfirst.server.database import reading, transaction
from askfirst.server.desk import Desk
from askfirst.server.node import Node
from askfirst.server.ownnumbers import OwnNumber
from askfirst.telephony.memoryleg import MemoryLeg

SUPPORT = "+17135550100"
SALES = "+17135550111"


@pytest.fixture
def lead(node: Node) -> User:
    """A supervisor of the team north, who takes calls too."""
    with transaction(node.store.engine) as connection:
        return accounts.add_user(
            connection, "lead@example.org", "lead", [UserRole.SUPERVISOR], AT, team="north"
        )


def kept(
    node: Node, number: str, *people: User, team: str | None = None, name: str = "Support"
) -> OwnNumber:
    with transaction(node.store.engine) as connection:
        ids = frozenset(each.id for each in people)
        return ownnumbers.keep(connection, OwnNumber(number, name, team, ids), None, AT)


def missed(node: Node, called: str, caller: str = "+12125550143") -> str:
    """A call to one of our numbers that nobody took; gives its id."""

    async def scenario(house: House) -> None:
        house.call(caller, called).end()

    played(node, scenario)
    return str(rig.call_rows(node.store)[-1].id)


def readable(node: Node, user: User) -> list[str]:
    with reading(node.store.engine) as connection:
        return [line.id for line in call_lines(connection, user.person, Wanted())]


def test_a_call_rings_only_at_the_people_of_its_number(node: Node, kari: User, ola: User) -> None:
    kept(node, SUPPORT, kari)

    async def scenario(house: House) -> tuple[str, int]:
        # As an exchange within the country writes it.
        line = house.call(called="7135550100")
        async with house.open_phone(kari), house.open_phone(ola):
            ringing = await house.rings(kari)
            shown = house.reception.shown_to(kari.id)["ringing"][0]["called"]
            others = len(house.reception.rings_at(ola.id))
            with pytest.raises(NotFound):
                await house.reception.take(ola, ringing, MemoryLeg())
            with pytest.raises(NotFound):
                house.reception.decline(ola.id, ringing)
            live = await house.reception.take(kari, ringing, MemoryLeg())
            line.end()
            await until(live, has(settled=True))
        return shown, others

    assert played(node, scenario) == ("Support", 0)
    (row,) = rig.call_rows(node.store)
    assert row.own_number == SUPPORT


def test_the_last_of_a_group_who_declines_ends_the_ringing_though_others_are_free(
    node: Node, kari: User, ola: User
) -> None:
    kept(node, SUPPORT, kari)

    async def scenario(house: House) -> bool:
        line = house.call(called=SUPPORT)
        async with house.open_phone(kari), house.open_phone(ola):
            house.reception.decline(kari.id, await house.rings(kari))
        return line.was_declined

    assert played(node, scenario)


def test_a_team_and_chosen_people_add_up(node: Node, kari: User, ola: User, lead: User) -> None:
    kept(node, SUPPORT, kari, team="north")

    with reading(node.store.engine) as connection:
        group = ownnumbers.ring_group(connection, SUPPORT)

    assert group.people == frozenset({kari.id, lead.id})
    assert not group.has(ola.id)


@pytest.mark.parametrize("number", [None, SALES, SUPPORT])
def test_a_number_that_names_nobody_rings_at_everybody(node: Node, number: str | None) -> None:
    kept(node, SUPPORT)

    with reading(node.store.engine) as connection:
        group = ownnumbers.ring_group(connection, number)

    assert group.people is None
    assert group.has("usr_anybody")


def test_a_team_that_nobody_is_in_rings_at_nobody(node: Node) -> None:
    kept(node, SUPPORT, team="south")

    with reading(node.store.engine) as connection:
        assert ownnumbers.ring_group(connection, SUPPORT).people == frozenset()


def test_nothing_rings_where_it_cannot_be_read_at_whom(
    node: Node, kari: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError

    async def scenario(house: House) -> tuple[bool, int]:
        monkeypatch.setattr(house.desk, "ring_group", fails)
        async with house.open_phone(kari):
            line = house.call(called=SUPPORT)
            async for event in line.events():
                rang = len(house.reception.rings_at(kari.id))
                if event.kind is CallEventKind.ENDED:
                    break
        return line.was_declined, rang

    assert played(node, scenario) == (True, 0)


def test_a_missed_call_is_read_by_those_at_whom_it_rang_and_by_no_other_agent(
    node: Node, kari: User, ola: User, lead: User
) -> None:
    kept(node, SUPPORT, kari, team="north")
    call = missed(node, SUPPORT)

    assert readable(node, kari) == readable(node, lead) == [call]
    assert readable(node, ola) == []
    with reading(node.store.engine) as connection:
        ensure_reaches(connection, kari.person, Permission.CALLS_READ, call)
        with pytest.raises(Refused):
            ensure_reaches(connection, ola.person, Permission.CALLS_READ, call)
        # What is read is not listened to.
        with pytest.raises(Refused):
            ensure_reaches(connection, kari.person, Permission.RECORDINGS_LISTEN, call)


def test_a_missed_call_to_a_number_for_all_is_read_by_everybody_who_takes_calls(
    node: Node, kari: User, ola: User
) -> None:
    call = missed(node, "")
    with transaction(node.store.engine) as connection:
        admin = accounts.add_user(connection, "a@example.org", "a", [UserRole.ADMIN], AT)

    assert readable(node, kari) == readable(node, ola) == [call]
    assert readable(node, admin) == []
    programs = replace(kari, scopes=frozenset({Permission.CALLS_READ}))
    assert readable(node, programs) == [], "a program that may make no calls missed none"


def test_a_call_that_somebody_took_stays_theirs(node: Node, kari: User, ola: User) -> None:
    async def scenario(house: House) -> None:
        line = house.call()
        async with house.open_phone(kari), house.open_phone(ola):
            live = await house.reception.take(kari, await house.rings(kari), MemoryLeg())
            await until(live, has(answered=True))
            line.end()
            await until(live, has(settled=True))

    played(node, scenario)
    assert len(readable(node, kari)) == 1
    assert readable(node, ola) == []


def test_missed_calls_are_on_the_timeline_of_the_contact(node: Node, kari: User, ola: User) -> None:
    kept(node, SUPPORT, kari)
    with transaction(node.store.engine) as connection:
        contact = add(connection, Draft(name="Bo", numbers=(Number("+12125550143"),)), AT)
    call = missed(node, SUPPORT)

    with reading(node.store.engine) as connection:
        (found,) = calls_with(connection, kari.person, contact)
        assert calls_with(connection, ola.person, contact) == ()
    assert (found.id, found.agent) == (call, None)


def test_a_number_is_kept_in_one_spelling_changed_and_removed(node: Node, kari: User) -> None:
    made = kept(node, "(713) 555-0100", kari, name="  Customer   care ")
    assert (made.number, made.name) == (SUPPORT, "Customer care")

    kept(node, SUPPORT, team="north", name="Care")
    with transaction(node.store.engine) as connection:
        (now,) = ownnumbers.all_of(connection)
        assert now == ownnumbers.OwnNumber(SUPPORT, "Care", "north")
        ownnumbers.remove(connection, SUPPORT, kari.id, AT)
        assert ownnumbers.all_of(connection) == []
        with pytest.raises(NotFound):
            ownnumbers.remove(connection, SUPPORT, kari.id, AT)
        done = [line.action for line in audit.lines(connection)]
    assert done[:3] == ["number.removed", "number.kept", "number.kept"]


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"number": ""}, "number"),
        ({"number": "support"}, "number"),
        ({"number": "+1"}, "number"),
        ({"name": "  "}, "name"),
        ({"name": "x" * 61}, "name"),
        ({"people": frozenset({"usr_nobody"})}, "people"),
    ],
)
def test_what_cannot_be_a_number_of_ours_changes_nothing(
    node: Node, kari: User, wrong: dict[str, Any], key: str
) -> None:
    given = replace(OwnNumber(SUPPORT, "Support"), **wrong)

    with transaction(node.store.engine) as connection:
        with pytest.raises(InvalidRequest) as refused:
            ownnumbers.keep(connection, given, kari.id, AT)
        assert ownnumbers.all_of(connection) == []
    assert refused.value.key == key


def test_an_agent_shows_a_number_that_rings_at_them_and_no_other(
    node: Node, kari: User, ola: User
) -> None:
    kept(node, SUPPORT, kari)
    kept(node, SALES, ola, name="Sales")
    exchange = Exchange("busy")

    async def scenario() -> None:
        desk = Desk(node, LoopClock(), outside=exchange)
        try:
            for number in (SALES, "+4799999999", ""):
                with pytest.raises(InvalidInput, match="caller id"):
                    await desk.place(kari, NEW_YORK, MemoryLeg(), caller_id=number)
            assert exchange.calls == []
            for shown in (SUPPORT, None):
                live = await desk.place(kari, NEW_YORK, MemoryLeg(), caller_id=shown)
                await until(live, has(settled=True))
            with pytest.raises(InvalidInput, match="demo contacts"):
                await desk.place(kari, rig.CALIFORNIA, MemoryLeg(), caller_id=SUPPORT)
        finally:
            await desk.close()

    run_virtual(scenario())
    assert exchange.shown == [SUPPORT, None]


def test_a_number_for_all_is_shown_by_everybody(node: Node, kari: User) -> None:
    made = kept(node, SUPPORT)
    with reading(node.store.engine) as connection:
        assert ownnumbers.shown_by(connection, kari.person) == [made]
