"""Test calls over Twilio: whom they never call, what each failing step finds, that nothing stays.

Twilio is the emulator on a virtual clock.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.server import rig
from tests.server.deskrig import agent
from tests.twilio.lines import Lines, in_memory
from tests.twilio.people import NEW_YORK, pause, person

from askfirst.clock import LoopClock, run_virtual
from askfirst.errors import InvalidInput, Refused, Unavailable
from askfirst.server import audit
from askfirst.server.accounts import User
from askfirst.server.database import calls, reading
from askfirst.server.emptydisk import search
from askfirst.server.node import Node
from askfirst.server.twiliotest import HANGS_UP_MS, MEASURES_MS, RINGS_MS, Report, TwilioTester
from askfirst.speech.scripted import Scripted
from askfirst.telephony.persona import Persona, packaged_personas
from askfirst.telephony.twilioerrors import meaning
from askfirst.twilioemulator.stream import Socket

MARKER = 'tone="marker"\nms=4000'
CODES = {"401": (401, 20003), "country": (400, 21215), "429": (429, 20429), "500": (500, 20500)}
Scenario = Callable[[TwilioTester, Lines], Awaitable[None]]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    opened = Node.open(tmp_path / "data", Scripted())
    yield opened
    opened.close()


@pytest.fixture
def boss(node: Node) -> User:
    return agent(node, "boss")


def over(
    node: Node, persona: Persona | None, scenario: Scenario, *, carries: bool = True, **line: Any
) -> Lines:
    """A scenario at a tester whose calls reach a persona; all of Twilio is in order afterwards."""
    found: list[Lines] = []

    async def play() -> None:
        async with in_memory(lambda _: persona, **line) as lines:
            found.append(lines)
            tester = TwilioTester(
                lambda: lines.provider if carries else None,
                lambda: lines.provider.link.is_busy,
                {each.number: each for each in packaged_personas().values()}.get,
                LoopClock(),
                node.store.engine,
            )
            try:
                await scenario(tester, lines)
            finally:
                await tester.close()
        assert lines.emulator.asked.captures() == []
        assert lines.emulator.asked.streams() <= {lines.stream}

    run_virtual(play())
    return found[0]


def report_of(
    node: Node, boss: User, persona: Persona | None, spoil: Callable[[Lines], None] | None = None
) -> Report:
    """What one test call reports, where Twilio was spoilt before."""
    found: list[Report] = []

    async def scenario(tester: TwilioTester, lines: Lines) -> None:
        if spoil is not None:
            spoil(lines)
        tester.start(boss.id, NEW_YORK, None)
        await tester.finished()
        assert tester.last is not None
        found.append(tester.last)
        assert lines.provider.link.calls == 0

    over(node, persona, scenario)
    assert NEW_YORK not in repr(found[0])
    return found[0]


def audited(node: Node) -> list[tuple[str | None, str, str | None, Mapping[str, Any]]]:
    with reading(node.store.engine) as connection:
        lines = audit.lines(connection)
    return [(each.actor, each.action, each.object, each.detail) for each in lines]


# What is not called


@pytest.mark.parametrize(
    "number",
    ["", "hello", "112", "911", "+47112", "1881", "+4782012345", "+19005550123", "client:a", "555"],
)
def test_emergency_short_and_costly_numbers_are_never_called(
    node: Node, boss: User, number: str
) -> None:
    async def scenario(tester: TwilioTester, _: Lines) -> None:
        for region in (None, "NO", "US"):
            with pytest.raises(InvalidInput):
                tester.start(boss.id, number, region)
        assert not tester.is_running

    assert over(node, None, scenario).emulator.asked.all == []
    assert audited(node) == []


def test_demo_contacts_are_never_called(node: Node, boss: User) -> None:
    async def scenario(tester: TwilioTester, _: Lines) -> None:
        for each in packaged_personas().values():
            with pytest.raises(InvalidInput, match="only the simulator"):
                tester.start(boss.id, each.number, None)

    assert over(node, None, scenario).emulator.asked.all == []


def test_where_no_calls_go_over_twilio_it_is_said_so(node: Node, boss: User) -> None:
    async def scenario(tester: TwilioTester, _: Lines) -> None:
        assert not tester.is_possible
        with pytest.raises(Unavailable, match="no calls go over Twilio"):
            tester.start(boss.id, NEW_YORK, None)

    over(node, None, scenario, carries=False)


def test_one_test_call_at_a_time_and_none_while_all_lines_are_busy(
    node: Node, boss: User, tmp_path: Path
) -> None:
    async def scenario(tester: TwilioTester, lines: Lines) -> None:
        tester.start(boss.id, NEW_YORK, None)
        await LoopClock().sleep_until(LoopClock().now_ms() + 1_000)
        assert tester.is_running
        with pytest.raises(Refused, match="under way"):
            tester.start("usr_other", NEW_YORK, None)
        await tester.close()
        await lines.provider.close()
        with pytest.raises(Refused, match="all lines are busy"):
            tester.start(boss.id, NEW_YORK, None)

    lines = over(node, person(tmp_path, NEW_YORK, 'ring="no-answer"'), scenario)
    assert len(lines.emulator.exchange.calls) == 1


# All well


def test_every_step_of_a_call_that_goes_well_is_measured(
    node: Node, boss: User, tmp_path: Path
) -> None:
    report = report_of(node, boss, person(tmp_path, NEW_YORK))

    assert (report.outcome, report.is_known, report.refusal, report.refused) == (
        "answered", True, "", 0,
    )  # fmt: skip
    times = [report.taken_ms, report.told_ms, report.ringing_ms, report.picked_up_ms]
    assert None not in times
    assert report.stream_ms is not None
    assert 0 < report.stream_ms < 2_000
    assert report.heard is not None
    assert report.heard.sounding_ms > 4_000
    assert report.heard.level_dbfs == pytest.approx(-22, abs=8)
    assert report.frames > 300
    assert report.jitter_ms == pytest.approx(0, abs=1)
    assert report.mark_ms is not None
    assert report.mark_ms < 500
    assert report.hang_up_ms is not None
    assert report.talked_ms is not None
    assert 7_000 < report.talked_ms < 9_000
    assert audited(node) == [(boss.id, "provider.tested", "answered", {"provider": "twilio"})]


def test_somebody_who_is_silent_is_told_from_a_line_without_sound(
    node: Node, boss: User, tmp_path: Path
) -> None:
    report = report_of(node, boss, person(tmp_path, NEW_YORK, pause(60_000)))

    assert report.outcome == "answered"
    assert report.heard is not None
    assert report.heard.sounding_ms == 0
    assert report.frames > 300


# What fails


@pytest.mark.parametrize(
    ("word", "says", "is_known"),
    [
        ("401", "does not know these credentials", False),
        ("country", "calls to this country are switched off", True),
        ("429", "too many requests", None),
        ("500", "fault of its own", None),
    ],
)
def test_a_call_that_twilio_does_not_take_is_told_in_its_words(
    node: Node, boss: User, tmp_path: Path, word: str, says: str, is_known: bool | None
) -> None:
    async def refuse(*_: object, **__: object) -> str:
        raise meaning(*CODES[word])

    def spoil(lines: Lines) -> None:
        setattr(lines.client, "place", refuse)  # noqa: B010 - with the words of our own client

    report = report_of(node, boss, person(tmp_path, NEW_YORK), spoil)

    assert report.outcome == "no-line"
    assert says in report.refusal
    assert report.is_known is is_known
    assert (report.taken_ms, report.stream_ms, report.heard) == (None, None, None)
    assert audited(node)[0][2] == "no-line"


def test_nobody_who_answers_is_rung_for_25_seconds_and_no_longer(
    node: Node, boss: User, tmp_path: Path
) -> None:
    taken: list[int] = []

    async def scenario(tester: TwilioTester, _: Lines) -> None:
        began_ms = LoopClock().now_ms()
        tester.start(boss.id, NEW_YORK, None)
        await tester.finished()
        taken.append(LoopClock().now_ms() - began_ms)
        assert tester.last is not None
        assert tester.last.outcome == "no-answer"
        assert tester.last.ringing_ms is not None
        assert tester.last.picked_up_ms is None
        assert tester.last.hang_up_ms is not None

    lines = over(node, person(tmp_path, NEW_YORK, 'ring="no-answer"'), scenario, ring=60)
    assert RINGS_MS <= taken[0] <= RINGS_MS + 1_000
    assert [call.status for call in lines.emulator.exchange.calls.values()] == ["canceled"]


@pytest.mark.parametrize(
    ("persona", "outcome"),
    [('ring="busy"', "busy"), ('ring="declined"', "declined"), (None, "not-found")],
)
def test_why_nobody_answers_is_told_as_twilio_has_it(
    node: Node, boss: User, tmp_path: Path, persona: str | None, outcome: str
) -> None:
    who = None if persona is None else person(tmp_path, NEW_YORK, persona)
    report = report_of(node, boss, who)
    assert (report.outcome, report.picked_up_ms) == (outcome, None)


def test_webhooks_that_do_not_reach_us_are_found_while_the_rest_is_measured(
    node: Node, boss: User, tmp_path: Path
) -> None:
    async def lost(_: str, __: object) -> str:
        raise OSError("no route")

    def spoil(lines: Lines) -> None:
        lines.emulator.exchange.post = lost

    report = report_of(node, boss, person(tmp_path, NEW_YORK), spoil)

    assert (report.outcome, report.told_ms, report.picked_up_ms) == ("answered", None, None)
    assert report.stream_ms is not None
    assert report.mark_ms is not None


def test_where_nothing_reaches_us_it_ends_and_is_told_so(
    node: Node, boss: User, tmp_path: Path
) -> None:
    async def lost(_: str, __: object) -> Any:
        raise OSError("no route")

    def spoil(lines: Lines) -> None:
        lines.emulator.exchange.post = lines.emulator.exchange.connect = lost

    report = report_of(node, boss, person(tmp_path, NEW_YORK), spoil)

    assert (report.outcome, report.told_ms, report.stream_ms) == ("unheard", None, None)


def test_a_stream_without_the_token_of_the_call_is_refused_and_told(
    node: Node, boss: User, tmp_path: Path
) -> None:
    def spoil(lines: Lines) -> None:
        connect = lines.emulator.exchange.connect

        async def wrong(url: str, headers: Mapping[str, str]) -> Socket:
            return OtherToken(await connect(url, headers))

        lines.emulator.exchange.connect = wrong

    report = report_of(node, boss, person(tmp_path, NEW_YORK, MARKER), spoil)

    assert (report.outcome, report.refused, report.stream_ms) == ("provider-error", 1, None)
    assert report.picked_up_ms is not None
    assert report.heard is None
    assert report.frames == 0


class OtherToken:
    """A socket on whose way the token of the stream becomes another."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self.receive, self.close = socket.receive, socket.close

    async def send(self, text: str) -> None:
        """Send a message, with another token where it has one."""
        message = json.loads(text)
        if message["event"] == "start":
            message["start"]["customParameters"]["token"] = "0.of-others"  # noqa: S105
        await self._socket.send(json.dumps(message))


def test_a_stream_that_never_comes_is_told(node: Node, boss: User, tmp_path: Path) -> None:
    async def closed(_: str, __: object) -> Socket:
        raise OSError("no route")

    def spoil(lines: Lines) -> None:
        lines.emulator.exchange.connect = closed

    report = report_of(node, boss, person(tmp_path, NEW_YORK), spoil)

    assert (report.outcome, report.refused, report.stream_ms) == ("provider-error", 0, None)
    assert report.picked_up_ms is not None


def test_who_hangs_up_at_once_cuts_it_short_and_what_came_is_told(
    node: Node, boss: User, tmp_path: Path
) -> None:
    report = report_of(node, boss, person(tmp_path, NEW_YORK, pause(2_000), 'hangup="contact"'))

    assert (report.outcome, report.mark_ms) == ("cut-short", None)
    assert report.heard is not None
    assert 1_000 < report.heard.listened_ms < 3_000


@pytest.mark.parametrize("word", ["500", "429"])
def test_a_twilio_that_does_not_hang_up_is_told(
    node: Node, boss: User, tmp_path: Path, word: str
) -> None:
    async def scenario(tester: TwilioTester, lines: Lines) -> None:
        tester.start(boss.id, NEW_YORK, None)
        await LoopClock().sleep_until(LoopClock().now_ms() + 3_000)
        lines.emulator.calls.trouble.extend([word] * 9)
        began_ms = LoopClock().now_ms()
        tester.stop()
        await tester.finished()
        assert LoopClock().now_ms() - began_ms <= HANGS_UP_MS + 100
        assert tester.last is not None
        assert tester.last.hang_up_ms is None

    over(node, person(tmp_path, NEW_YORK), scenario)


def test_a_stop_ends_it_at_once_however_far_it_is(node: Node, boss: User, tmp_path: Path) -> None:
    async def scenario(tester: TwilioTester, lines: Lines) -> None:
        for after_ms in (0, 100, 3_000):
            tester.start(boss.id, NEW_YORK, None)
            await LoopClock().sleep_until(LoopClock().now_ms() + after_ms)
            began_ms = LoopClock().now_ms()
            tester.stop()
            await tester.finished()
            assert LoopClock().now_ms() - began_ms < 1_500
            assert tester.last is not None
            assert tester.last.outcome == "stopped"
        for each in lines.emulator.exchange.calls.values():
            await each.settled()
            assert each.status in ("completed", "canceled")

    over(node, person(tmp_path, NEW_YORK), scenario)


def test_the_end_of_the_program_hangs_up_and_is_written_down(
    node: Node, boss: User, tmp_path: Path
) -> None:
    async def scenario(tester: TwilioTester, lines: Lines) -> None:
        tester.start(boss.id, NEW_YORK, None)
        await LoopClock().sleep_until(LoopClock().now_ms() + 3_000)
        await tester.close()
        (call,) = lines.emulator.exchange.calls.values()
        await call.settled()

    over(node, person(tmp_path, NEW_YORK), scenario)
    assert audited(node) == [(boss.id, "provider.tested", "cut-short", {"provider": "twilio"})]


def test_whatever_happens_it_is_over_after_three_quarters_of_a_minute() -> None:
    assert RINGS_MS + MEASURES_MS + HANGS_UP_MS < 45_000


# What is kept


def test_nothing_is_kept_of_it_but_who_tested_and_how_it_came_out(
    node: Node, boss: User, tmp_path: Path
) -> None:
    before = rig.kinds(node.store)
    report = report_of(node, boss, person(tmp_path, NEW_YORK, MARKER, pause(30_000)))

    assert report.heard is not None
    assert report.heard.sounding_ms >= 3_000, "the marker was on the line"
    found = search(node.store, [node.store.folder], [NEW_YORK])
    assert (found.marker_found, found.where) == (False, ())
    assert rig.recording_rows(node.store) == []
    assert rig.spool_files(node.store) == []
    assert rig.rows(node.store, calls.select()) == []
    assert rig.kinds(node.store) == before
    written = b"".join(each.read_bytes() for each in node.store.folder.rglob("*") if each.is_file())
    assert NEW_YORK.encode() not in written
