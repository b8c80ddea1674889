"""Agreements to be recorded: what is agreed to, by whom, and that nothing is recorded without."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.deskrig import ASKED, LONG, State, agent, agree, called, has, revoke, until
from tests.server.receptionrig import House, played
from tests.server.rig import AT, NORWAY
from tests.server.test_offer import bring_sound, handed_over, in_call

from askfirst import decide
from askfirst.clock import LoopClock
from askfirst.errors import InvalidInput, InvalidRequest
from askfirst.ledger import Kind
from askfirst.model import Party
from askfirst.rulefile import AGREEMENT
from askfirst.rules import packaged
from askfirst.server import agreements, sites
from askfirst.server.account import account, change
from askfirst.server.accounts import User
from askfirst.server.accounttables import audit
from askfirst.server.database import reading, transaction
from askfirst.server.desk import Desk
from askfirst.server.livecall import LiveCall
from askfirst.server.node import Node
from askfirst.server.ourside import NOTICE, SITE, Standing, lacking
from askfirst.server.request import CallRequest
from askfirst.telephony.memoryleg import MemoryLeg

CALIFORNIA = "US-CA"
DISAGREED = has(state="blocked", because="not-acknowledged", light="off")


@pytest.fixture
def cleo(node: Node, kari: User) -> User:
    """An agent in California, where the agent's own words are protected."""
    return replace(agent(node, "cleo"), place=CALIFORNIA)


def set_up(node: Node, **values: object) -> None:
    with transaction(node.store.engine) as connection:
        change(connection, values, None, AT)


def in_force(node: Node, user: User) -> bool:
    with reading(node.store.engine) as connection:
        return agreements.in_force(connection, user.id, account(connection)) is not None


# What is agreed to, and by whom


@pytest.mark.parametrize("language", agreements.LANGUAGES)
def test_the_words_say_what_the_settings_say(node: Node, kari: User, language: str) -> None:
    with reading(node.store.engine) as connection:
        words = agreements.present(account(connection)).texts[language]

    assert "Harbor Supply" in words
    assert "30" in words
    assert "{" not in words


@pytest.mark.parametrize(
    "changed", [{"purpose": "quality"}, {"retention_days": 31}, {"company": "Other"}]
)
def test_other_words_have_to_be_agreed_to_anew(
    node: Node, kari: User, changed: dict[str, object]
) -> None:
    agree(node, kari)
    assert in_force(node, kari)

    set_up(node, **changed)
    assert not in_force(node, kari)

    agree(node, kari)
    assert in_force(node, kari)


def test_the_words_are_kept_as_they_were_agreed_to(node: Node, kari: User) -> None:
    agree(node, kari)
    set_up(node, company="Other")

    with reading(node.store.engine) as connection:
        (kept,) = agreements.of_user(connection, kari.id)
        assert kept.text.startswith("Harbor Supply records")
    assert (kept.language, kept.agreed_at, kept.revoked_at) == ("en", AT, None)


def test_words_that_nobody_had_before_them_are_not_agreed_to(node: Node, kari: User) -> None:
    with reading(node.store.engine) as connection:
        before = agreements.present(account(connection)).digest
    set_up(node, retention_days=90)

    with transaction(node.store.engine) as connection:
        wants = account(connection)
        now = agreements.present(wants).digest
        for digest in (before, "", now.upper()):
            with pytest.raises(InvalidInput):
                agreements.agree(connection, kari.id, wants, digest, "en", AT)
        with pytest.raises(InvalidRequest):
            agreements.agree(connection, kari.id, wants, now, "fr", AT)
    assert not in_force(node, kari)


def test_an_agreement_is_taken_back_as_often_as_one_likes(node: Node, kari: User) -> None:
    revoke(node, kari)
    for _ in range(2):
        agree(node, kari)
        agree(node, kari)
        assert in_force(node, kari)
        revoke(node, kari)
        revoke(node, kari)
        assert not in_force(node, kari)

    with reading(node.store.engine) as connection:
        assert len(agreements.of_user(connection, kari.id)) == 2


def test_taking_back_reaches_what_was_agreed_to_in_other_words(node: Node, kari: User) -> None:
    agree(node, kari)
    set_up(node, retention_days=90)
    revoke(node, kari)
    set_up(node, retention_days=30)

    assert not in_force(node, kari)


def test_the_agreement_of_one_is_nobody_elses(node: Node, kari: User, ola: User) -> None:
    agree(node, kari)
    agree(node, ola)
    revoke(node, kari)

    assert (in_force(node, kari), in_force(node, ola)) == (False, True)


def test_the_audit_log_has_ids_and_codes_only(node: Node, kari: User) -> None:
    agree(node, kari)
    revoke(node, kari)

    with node.store.engine.connect() as connection:
        query = sa.select(audit).where(audit.c.action.like("agreement.%"))
        given, revoked = connection.execute(query)
    assert (given.action, revoked.action) == ("agreement.given", "agreement.revoked")
    assert given.object == revoked.object
    assert (given.actor, given.detail, revoked.detail) == (kari.id, {"language": "en"}, {})


# What is not settled with somebody


@pytest.mark.parametrize(
    ("read", "agreed", "place", "settled"),
    list(product([True, False], [True, False], ["NO", "DE", CALIFORNIA], [None, False, True])),
)
def test_exactly_what_is_missing_is_named(
    read: bool, agreed: bool, place: str, settled: bool | None
) -> None:
    record = frozenset({("DE", sites.WORKS_AGREEMENT)}) if settled else frozenset()
    request = CallRequest(NORWAY, (place,), settled=None if settled is None else record)
    decision = decide([Party.agent(place), Party.contact("NO")], AT.date())

    lacks = lacking(request, Standing(read, agreed), decision, 0)

    expected = (
        *([] if read else [NOTICE]),
        *([AGREEMENT] if not agreed and place != "NO" else []),
        *([SITE] if settled is False and place == "DE" else []),
    )
    assert lacks == expected


def test_the_agreement_is_wanted_of_who_is_there_and_of_nobody_else() -> None:
    request = CallRequest(NORWAY, ("NO",))
    people = [Party.agent("NO"), Party.contact("NO"), Party.agent(CALIFORNIA)]
    decision = decide(people, AT.date())
    without = Standing(has_read=True, has_agreed=False)

    assert lacking(request, without, decision, 0) == ()
    assert lacking(request, without, decision, 2) == (AGREEMENT,)


# In a call


async def recorded(desk: Desk, user: User) -> LiveCall:
    live = await desk.place(user, NORWAY, MemoryLeg())
    live.record()
    await until(live, has(light="recording"))
    return live


@pytest.mark.parametrize("has_agreed", [False, True])
def test_an_agent_is_recorded_in_california_only_after_agreeing(
    node: Node, cleo: User, tmp_path: Path, has_agreed: bool
) -> None:
    if has_agreed:
        agree(node, cleo)

    async def scenario(desk: Desk) -> None:
        live = await desk.place(cleo, NORWAY, MemoryLeg())
        live.record()
        if has_agreed:
            assert has(lacks=[], others_lack=False)(await until(live, has(light="recording")))
            return
        shown = await until(live, has(answered=True))
        live.consent("agreed")
        assert DISAGREED(live.state())
        assert has(lacks=[AGREEMENT], others_lack=False)(shown)
        await live.hangup()

    called(node, tmp_path, ASKED, scenario)
    assert has_agreed or rig.recording_rows(node.store) == []


def test_taking_back_ends_a_recording_at_once_and_agreeing_brings_none_back(
    node: Node, cleo: User, tmp_path: Path
) -> None:
    agree(node, cleo)

    async def scenario(desk: Desk) -> None:
        live = await recorded(desk, cleo)
        revoke(node, cleo)
        desk.disagree(cleo.id)
        assert DISAGREED(live.state())
        assert live.state()["lacks"] == [AGREEMENT]

        agree(node, cleo)
        live.record()
        live.learn_place(0, "US-NV")
        assert DISAGREED(live.state())
        await live.hangup()
        await until(live, has(settled=True))

    called(node, tmp_path, ASKED, scenario)
    called(node, tmp_path / "next", ASKED, lambda desk: _is_recorded(desk, cleo))


async def _is_recorded(desk: Desk, user: User) -> None:
    await recorded(desk, user)


def test_taking_back_ends_nobody_elses_recording(
    node: Node, cleo: User, kari: User, tmp_path: Path
) -> None:
    agree(node, cleo)

    async def scenario(desk: Desk) -> None:
        live = await recorded(desk, cleo)
        desk.disagree(kari.id)
        assert live.state()["light"] == "recording"

    called(node, tmp_path, ASKED, scenario)


def test_taking_back_ends_nothing_where_no_law_wants_the_agreement(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(desk: Desk) -> None:
        live = await recorded(desk, kari)
        desk.disagree(kari.id)
        assert live.state()["light"] == "recording"

        live.learn_place(0, CALIFORNIA)
        assert has(light="off", lacks=[AGREEMENT])(live.state())

    called(node, tmp_path, ASKED, scenario)


def test_taking_back_while_it_rings_or_while_it_is_being_placed_counts(
    node: Node, cleo: User, tmp_path: Path
) -> None:
    otto = replace(agent(node, "otto"), place=CALIFORNIA)
    agree(node, cleo)
    agree(node, otto)

    async def scenario(desk: Desk) -> None:
        ringing = await desk.place(cleo, NORWAY, MemoryLeg())
        placing = asyncio.create_task(desk.place(otto, NORWAY, MemoryLeg()))
        await LoopClock().sleep_until(0)  # lets it begin
        assert desk.of(otto.id) is None
        desk.disagree(cleo.id)
        desk.disagree(otto.id)
        for live in (ringing, await placing):
            assert DISAGREED(await until(live, has(answered=True)))

    called(node, tmp_path, LONG, scenario)


def test_an_agent_who_turns_out_to_be_in_california_must_have_agreed(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(desk: Desk) -> None:
        live = await recorded(desk, kari)
        live.learn_place(0, CALIFORNIA)
        assert DISAGREED(live.state())

    called(node, tmp_path, ASKED, scenario)


@pytest.mark.parametrize("has_agreed", [False, True])
def test_a_colleague_who_is_added_counts_as_whoever_has_the_call(
    node: Node, kari: User, cleo: User, tmp_path: Path, has_agreed: bool
) -> None:
    if has_agreed:
        agree(node, cleo)

    async def scenario(desk: Desk) -> None:
        live = await recorded(desk, kari)
        party = await desk.bring(live, cleo)
        assert has(lacks=[], others_lack=not has_agreed)(live.state())
        assert (live.state()["because"] == "not-acknowledged") is not has_agreed
        if has_agreed:
            desk.disagree(cleo.id)
            assert DISAGREED(live.state())
        live.leave(party)
        assert DISAGREED(live.state())

    called(node, tmp_path, ASKED, scenario)


def test_a_colleague_without_a_place_of_their_own_works_where_the_account_is(
    node: Node, kari: User, ola: User, tmp_path: Path
) -> None:
    set_up(node, home_place=CALIFORNIA)

    async def scenario(desk: Desk) -> None:
        live = await recorded(desk, replace(kari, place="US-TX"))
        await desk.bring(live, ola)
        assert has(because="not-acknowledged", others_lack=True)(live.state())

    called(node, tmp_path, ASKED, scenario)


def test_taking_back_while_one_is_being_added_counts(
    node: Node, kari: User, cleo: User, tmp_path: Path
) -> None:
    agree(node, cleo)

    async def scenario(desk: Desk) -> None:
        live = await recorded(desk, kari)
        bringing = asyncio.create_task(desk.bring(live, cleo))
        await LoopClock().sleep_until(0)  # lets it look up what is settled
        desk.disagree(cleo.id)
        await bringing
        assert DISAGREED(live.state())

    called(node, tmp_path, ASKED, scenario)


@pytest.mark.parametrize("has_agreed", [False, True])
def test_a_call_that_is_handed_on_is_recorded_only_after_the_colleague_agreed(
    node: Node, kari: User, cleo: User, has_agreed: bool
) -> None:
    if has_agreed:
        agree(node, cleo)

    state = played(node, lambda house: handed_over(house, kari, cleo))

    assert state["lacks"] == ([] if has_agreed else [AGREEMENT])
    assert DISAGREED(state) is not has_agreed


def test_whoever_handed_a_call_on_takes_nothing_of_it_back(
    node: Node, kari: User, cleo: User
) -> None:
    agree(node, cleo)

    async def scenario(house: House) -> State:
        async with in_call(house, cleo) as (live, _, _):
            await until(live, has(answered=True))
            async with house.open_phone(kari):
                house.desk.offer(live, kari, cleo.name)
                ringing = await house.rings(kari)
                await house.reception.take(kari, ringing, live.leg, has_browser=True)
            await bring_sound(live)
            before = live.state()["because"]
            house.desk.disagree(cleo.id)
            assert live.state()["because"] == before != "not-acknowledged"
            return live.state()

    assert played(node, scenario)["agent"] == kari.id


def test_after_a_restart_an_agreement_that_was_taken_back_is_not_in_force(
    node: Node, cleo: User, tmp_path: Path
) -> None:
    agree(node, cleo)
    revoke(node, cleo)

    async def scenario(desk: Desk) -> None:
        live = await desk.place(cleo, NORWAY, MemoryLeg())
        assert DISAGREED(await until(live, has(answered=True)))

    called(node, tmp_path, LONG, scenario)


def test_what_the_ledger_says_of_it_is_whether_all_is_settled(
    node: Node, cleo: User, tmp_path: Path
) -> None:
    agree(node, cleo)
    seen: list[str] = []

    async def scenario(desk: Desk) -> None:
        live = await recorded(desk, cleo)
        seen.append(live.id)
        desk.disagree(cleo.id)
        await live.hangup()
        await until(live, has(settled=True))

    called(node, tmp_path, ASKED, scenario)
    entries: list[Any] = [entry for _, entry in node.store.ledger.entries(seen[0])]
    changed = [each for each in entries if each["kind"] == Kind.ACKNOWLEDGEMENT_CHANGED]
    given = [each["data"]["given"] for each in changed]
    assert given == [True, False]


def test_every_place_whose_rule_wants_it_is_asked_about(node: Node, kari: User) -> None:
    with reading(node.store.engine) as connection:
        wants = account(connection)
    for code, file in packaged().jurisdictions.items():
        person = replace(kari, place=code)
        own = file.workplace is not None and AGREEMENT in file.workplace.gates
        assert agreements.is_wanted(person, wants, packaged()) is own, code
