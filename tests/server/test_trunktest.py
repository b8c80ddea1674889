"""Test calls of a trunk: whom they never call, how they end, and that they are kept nowhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from tests.server import rig
from tests.server.deskrig import agent
from tests.server.trunkrig import ECHO_MS, Exchange

from askfirst.clock import LoopClock, run_virtual
from askfirst.errors import InvalidInput, Refused, Unavailable
from askfirst.server import accounts, audit
from askfirst.server.database import calls, reading
from askfirst.server.desk import Desk
from askfirst.server.node import Node
from askfirst.server.trunktest import RINGS_MS, Report, TrunkTester
from askfirst.speech.scripted import Scripted
from askfirst.telephony.persona import Persona, packaged_personas

NUMBER = "+4722222222"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    opened = Node.open(tmp_path / "data", Scripted())
    agent(opened, "boss")
    yield opened
    opened.close()


def boss_of(node: Node) -> str:
    with reading(node.store.engine) as connection:
        (boss,) = accounts.all_users(connection)
    return boss.id


def at_trunk(
    node: Node, exchange: Exchange | None, scenario: Callable[[TrunkTester], Awaitable[None]]
) -> None:
    """A scenario on a virtual clock at a desk whose calls go over an exchange."""

    async def play() -> None:
        clock = LoopClock()
        desk = Desk(node, clock, outside=exchange)
        tester = TrunkTester(desk, clock, node.store.engine)
        try:
            await scenario(tester)
        finally:
            await tester.close()
            await desk.close()

    run_virtual(play())


def report_of(node: Node, exchange: Exchange) -> Report:
    """What one test call reports."""
    found: list[Report | None] = []

    async def scenario(tester: TrunkTester) -> None:
        tester.start(boss_of(node), NUMBER, None)
        await tester.finished()
        found.append(tester.last)

    at_trunk(node, exchange, scenario)
    assert found[0] is not None
    return found[0]


def audited(node: Node) -> list[tuple[str | None, str, str | None]]:
    with reading(node.store.engine) as connection:
        return [(line.actor, line.action, line.object) for line in audit.lines(connection)]


# What is not called


@pytest.mark.parametrize(
    "number",
    ["", "hello", "112", "911", "+47112", "1881", "+4782012345", "+19005550123", "sip:a@b", "555"],
)
def test_emergency_short_and_costly_numbers_are_never_called(node: Node, number: str) -> None:
    exchange = Exchange()

    async def scenario(tester: TrunkTester) -> None:
        for region in (None, "NO", "US"):
            with pytest.raises(InvalidInput):
                tester.start(boss_of(node), number, region)
        assert not tester.is_running

    at_trunk(node, exchange, scenario)
    assert exchange.calls == []
    assert audited(node) == []


@pytest.mark.parametrize("persona", packaged_personas().values(), ids=lambda each: each.name)
def test_demo_contacts_are_never_called(node: Node, persona: Persona) -> None:
    exchange = Exchange()

    async def scenario(tester: TrunkTester) -> None:
        with pytest.raises(InvalidInput, match="only the simulator"):
            tester.start(boss_of(node), persona.number, None)

    at_trunk(node, exchange, scenario)
    assert exchange.calls == []


def test_a_demo_contact_is_known_in_the_spelling_of_the_account(node: Node) -> None:
    async def scenario(tester: TrunkTester) -> None:
        with pytest.raises(InvalidInput, match="only the simulator"):
            tester.start(boss_of(node), "48 75 01 03", "NO")

    at_trunk(node, Exchange(), scenario)


def test_without_a_trunk_it_is_said_what_to_do(node: Node) -> None:
    async def scenario(tester: TrunkTester) -> None:
        with pytest.raises(Unavailable, match=r"\[sip\]"):
            tester.start(boss_of(node), NUMBER, None)

    at_trunk(node, None, scenario)


def test_one_test_call_at_a_time_and_none_while_all_lines_are_busy(node: Node) -> None:
    exchange = Exchange("rings", most_calls=1)

    async def scenario(tester: TrunkTester) -> None:
        exchange.link.occupy(1)
        with pytest.raises(Refused, match="all lines are busy"):
            tester.start(boss_of(node), NUMBER, None)
        exchange.link.occupy(0)
        tester.start(boss_of(node), NUMBER, None)
        await LoopClock().sleep_until(LoopClock().now_ms() + 1_000)
        with pytest.raises(Refused, match="under way"):
            tester.start("usr_other", NUMBER, None)

    at_trunk(node, exchange, scenario)
    assert len(exchange.calls) == 1


# How it ends


def test_an_echo_is_heard_with_its_delay_and_the_call_is_hung_up(node: Node) -> None:
    exchange = Exchange("echoes")
    report = report_of(node, exchange)

    assert (report.outcome, report.state, report.by) == ("answered", "registered", boss_of(node))
    assert report.heard is not None
    assert report.heard.round_trip_ms == pytest.approx(ECHO_MS, abs=10)
    assert report.counted is not None
    assert (report.counted.lost, report.counted.jitter_ms) == (5, 2.5)
    ((number, callee),) = exchange.calls
    assert number == NUMBER
    assert callee.hangups >= 1
    assert NUMBER not in repr(report)


def test_a_number_is_whole_in_the_spelling_of_the_account(node: Node) -> None:
    exchange = Exchange()

    async def scenario(tester: TrunkTester) -> None:
        tester.start(boss_of(node), "22 22 22 22", "NO")
        await tester.finished()

    at_trunk(node, exchange, scenario)
    assert [number for number, _ in exchange.calls] == [NUMBER]


@pytest.mark.parametrize(
    ("does", "outcome", "hears"),
    [
        ("is silent", "answered", True),
        ("hangs up", "cut-short", True),
        ("busy", "busy", False),
        ("rings", "no-answer", False),
        ("is down", "no-line", False),
    ],
)
def test_every_other_end_is_told_as_it_is(node: Node, does: str, outcome: str, hears: bool) -> None:
    report = report_of(node, Exchange(does))

    assert report.outcome == outcome
    assert (report.heard is not None) is hears
    if report.heard is not None:
        assert (report.heard.sounding_ms, report.heard.round_trip_ms) == (0, None)


def test_nobody_is_rung_for_longer_than_half_a_minute(node: Node) -> None:
    taken: list[int] = []

    async def scenario(tester: TrunkTester) -> None:
        clock = LoopClock()
        began_ms = clock.now_ms()
        tester.start(boss_of(node), NUMBER, None)
        await tester.finished()
        taken.append(clock.now_ms() - began_ms)

    at_trunk(node, Exchange("rings", ring=300), scenario)
    assert taken[0] == pytest.approx(RINGS_MS, abs=100)


def test_the_end_of_the_program_hangs_up_and_is_written_down(node: Node) -> None:
    exchange = Exchange("rings")

    async def scenario(tester: TrunkTester) -> None:
        tester.start(boss_of(node), NUMBER, None)
        await LoopClock().sleep_until(LoopClock().now_ms() + 1_000)

    at_trunk(node, exchange, scenario)
    assert exchange.calls[0][1].hangups >= 1
    assert audited(node) == [(boss_of(node), "provider.tested", "cut-short")]


# What is kept


def test_nothing_is_kept_of_it_but_who_tested_and_how_it_came_out(node: Node) -> None:
    before = rig.kinds(node.store)
    report_of(node, Exchange())

    assert audited(node) == [(boss_of(node), "provider.tested", "answered")]
    assert rig.recording_rows(node.store) == []
    assert rig.spool_files(node.store) == []
    assert rig.rows(node.store, calls.select()) == []
    assert rig.kinds(node.store) == before
    written = b"".join(each.read_bytes() for each in node.store.folder.rglob("*") if each.is_file())
    assert NUMBER.encode() not in written
