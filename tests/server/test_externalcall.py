"""A dialer's call at the desk: what is lost at the answer, what comes late, whom it names."""

from __future__ import annotations

import asyncio
import struct

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.deskrig import at_desk

from askfirst.errors import InvalidInput, Refused
from askfirst.model import FRAME_BYTES, FRAME_MS
from askfirst.server import externalcall
from askfirst.server.accounts import User
from askfirst.server.database import consents, parties
from askfirst.server.desk import Desk
from askfirst.server.externalcall import ExternalLive, number_of
from askfirst.server.node import Node

CALIFORNIA, NORWAY = "+14155550199", "+4722334455"


def send(live: ExternalLive, connection: object, start_ms: int) -> None:
    live.receive(connection, struct.pack(">BI", 1, start_ms) + bytes(FRAME_BYTES))


async def placed(desk: Desk, node: Node, user: User, to: str = CALIFORNIA) -> ExternalLive:
    return await externalcall.place(desk, node, user, "token", to, 100, is_by_token=True)


async def answered(desk: Desk, node: Node, user: User) -> tuple[ExternalLive, object]:
    live = await placed(desk, node, user)
    connection = live.connect()
    live.report("answered")
    await asyncio.sleep(0.1)
    return live, connection


def test_what_was_captured_before_the_permit_and_comes_first_after_it_is_not_kept(
    node: Node, kari: User
) -> None:
    async def scenario(desk: Desk) -> None:
        live, connection = await answered(desk, node, kari)
        await asyncio.sleep(2)
        live.consent("agreed")
        live.record()
        await asyncio.sleep(1)
        opened_ms = live.call.facts.opened_ms
        assert opened_ms is not None
        for start_ms in range(0, opened_ms, FRAME_MS):
            send(live, connection, start_ms)
        await live.hangup()

    at_desk(node, scenario)

    assert rig.recording_rows(node.store) == []


def test_what_was_captured_after_the_permit_is_kept(node: Node, kari: User) -> None:
    async def scenario(desk: Desk) -> None:
        live, connection = await answered(desk, node, kari)
        live.consent("agreed")
        live.record()
        await asyncio.sleep(1)
        send(live, connection, live.call.now_ms() - FRAME_MS)
        await asyncio.sleep(0.1)
        await live.hangup()

    at_desk(node, scenario)

    assert len(rig.recording_rows(node.store)) == 1


def test_a_connection_lost_while_the_answer_is_under_way_shuts(node: Node, kari: User) -> None:
    async def scenario(desk: Desk) -> None:
        live = await placed(desk, node, kari)
        live.record()
        lost = live.connect()
        live.report("answered")
        live.disconnect(lost)
        await asyncio.sleep(0.5)
        assert live.call.facts.parties
        assert live.state()["because"] == "failed"
        live.consent("agreed")
        await asyncio.sleep(0.5)
        assert live.state()["because"] == "failed"

        live.connect()
        live.consent("agreed")
        await asyncio.sleep(0.5)
        assert live.state()["light"] == "recording"

    at_desk(node, scenario)

    (call,) = {each.call for each in rig.rows(node.store, sa.select(parties))}
    states = [state for _, state in rig.states(node.store, call)]
    assert states.count("open") == 1


def test_a_connection_that_came_back_before_the_answer_changes_nothing(
    node: Node, kari: User
) -> None:
    async def scenario(desk: Desk) -> None:
        live = await placed(desk, node, kari)
        live.disconnect(live.connect())
        await asyncio.sleep(0.1)
        live.connect()
        live.report("answered")
        await asyncio.sleep(0.1)
        assert live.state()["because"] != "failed"
        live.record()
        live.consent("agreed")
        await asyncio.sleep(0.5)
        assert live.state()["light"] == "recording"

    at_desk(node, scenario)


def test_a_number_is_called_and_kept_in_its_standard_form(node: Node, kari: User) -> None:
    async def scenario(desk: Desk) -> None:
        live = await placed(desk, node, kari, "(415) 555-0199")
        live.connect()
        live.report("answered")
        await asyncio.sleep(0.1)
        live.report("joined", number="415 555 0142")
        live.join("415-555-0143")
        await asyncio.sleep(0.1)
        assert live.state()["to"] == CALIFORNIA

    at_desk(node, scenario)

    query = sa.select(parties).order_by(parties.c.number_in_call)
    numbers = [each.number for each in rig.rows(node.store, query)]
    assert numbers == [None, CALIFORNIA, "+14155550142", "+14155550143"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("+47 22 33 44 55", NORWAY),
        ("22334455", NORWAY),
        ("+47 22\u201133\u201144\u201155", NORWAY),
        (" reception ", "reception"),
        ("desk 204", "desk 204"),
        ("sip:kari@example.org", "sip:kari@example.org"),
    ],
)
def test_a_number_in_any_spelling_is_one_and_a_name_stays_one(text: str, kept: str) -> None:
    assert number_of(text, "NO") == kept


@pytest.mark.parametrize(
    "text",
    [
        "tel:+4722334455",
        "sip:+4722334455@example.org",
        "+47 22 33 44 55 ext. 7",
        "٢٢٣٣٤٤٥٥x",
        "1" * 20,
        "a\x00b",
        "\ud800",
        "",
        " \u200b ",
        "x" * 65,
    ],
)
def test_what_may_be_a_number_and_cannot_be_told_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        number_of(text, "NO")


def test_nothing_is_announced_by_us_in_a_dialer_s_call(node: Node, kari: User) -> None:
    async def scenario(desk: Desk) -> None:
        live, _ = await answered(desk, node, kari)
        with pytest.raises(Refused):
            live.announce()
        assert not live.state()["wanted"]

    at_desk(node, scenario)


def test_a_no_by_a_reported_key_says_so(node: Node, kari: User) -> None:
    async def scenario(desk: Desk) -> None:
        live, _ = await answered(desk, node, kari)
        live.report("dtmf", party=1, digit="2")
        await asyncio.sleep(0.1)

    at_desk(node, scenario)

    found = [(each.kind, each.how) for each in rig.rows(node.store, sa.select(consents))]
    assert found == [("refused", "reported")]
