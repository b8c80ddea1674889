"""A test call to real telephones: what it reports of one that echoes and one that only listens."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import numpy as np
import pytest
from tests.server import rig
from tests.server.deskrig import agent
from tests.sip.oversip import talking, trunk_to
from tests.sip.peer import GOODBYE, LOOPBACK, acting, free_port, telephone
from tests.sip.test_calls import OSLO, played

from askfirst.clock import LoopClock
from askfirst.server.database import calls
from askfirst.server.desk import Desk
from askfirst.server.node import Node
from askfirst.server.trunktest import Report, TrunkTester, standing
from askfirst.speech.scripted import Scripted
from askfirst.telephony.sipprovider import SipProvider

pytestmark = pytest.mark.full

_ECHO = """\
<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="answers and sends back what it hears">
<recv request="INVITE"/>
<send><![CDATA[
SIP/2.0 180 Ringing
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port]>
Content-Length: 0

]]></send>
<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port]>
Content-Type: application/sdp
Content-Length: [len]

v=0
o=echo 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 8
a=rtpmap:8 PCMA/8000

]]></send>
<recv request="ACK"/>
"""


def echoing(folder: Path) -> AbstractAsyncContextManager[int]:
    """A port where sipp answers every call and sends back what it hears."""
    sound = str(free_port() // 2 * 2)
    return acting(folder, _ECHO + GOODBYE, "-rtp_echo", "-mi", LOOPBACK, "-mp", sound)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    opened = Node.open(tmp_path / "data", Scripted())
    yield opened
    opened.close()


async def report_of(node: Node, port: int, **trunk: object) -> Report:
    """What a test call to a port of this machine reports."""
    clock = LoopClock()
    desk = Desk(node, clock, outside=SipProvider(clock, trunk_to(port, **trunk)))
    tester = TrunkTester(desk, clock, node.store.engine)
    try:
        tester.start(boss_of(node), OSLO, None)
        await tester.finished()
        stands = standing(desk.providers)
        assert stands is not None
        assert (stands.state, stands.calls, stands.restarts) == ("open", 0, 0)
        assert tester.last is not None
        return tester.last
    finally:
        await tester.close()
        await desk.close()


def boss_of(node: Node) -> str:
    return agent(node, "boss").id


def contents(folder: Path) -> dict[str, str]:
    """Every file of a folder by its hash, those of the database and its jobs left out."""
    return {
        str(each.relative_to(folder)): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in folder.rglob("*")
        if each.is_file() and ".db" not in each.name
    }


def test_an_echo_is_heard_both_ways_and_leaves_nothing_in_the_data_folder(
    node: Node, tmp_path: Path
) -> None:
    before, kinds = contents(node.store.folder), rig.kinds(node.store)

    async def scenario() -> Report:
        async with echoing(tmp_path / "echo") as port:
            return await report_of(node, port)

    report = played(scenario())

    assert (report.outcome, report.state) == ("answered", "open")
    assert report.ringing_ms is not None
    assert report.answer_ms is not None
    assert 0 <= report.ringing_ms <= report.answer_ms < 3_000
    heard, counted = report.heard, report.counted
    assert heard is not None
    assert heard.sounding_ms > 2_000
    assert heard.round_trip_ms is not None
    assert 20 <= heard.round_trip_ms <= 500
    assert heard.echo_dbfs == pytest.approx(-26.0, abs=3.0)
    assert counted is not None
    assert counted.codec == "pcma"
    assert counted.exchange_ms is not None
    assert 0 <= counted.exchange_ms < 1_000
    assert counted.sent > 300
    assert counted.received > 300
    assert counted.lost == 0
    assert contents(node.store.folder) == before
    assert rig.kinds(node.store) == kinds
    assert rig.recording_rows(node.store) == []
    assert rig.spool_files(node.store) == []
    assert rig.rows(node.store, calls.select()) == []
    written = b"".join(each.read_bytes() for each in node.store.folder.rglob("*") if each.is_file())
    assert OSLO.encode() not in written


def test_a_telephone_that_speaks_is_heard_and_is_no_echo(node: Node, tmp_path: Path) -> None:
    async def scenario() -> Report:
        async with telephone(tmp_path / "bob", talking(30_000, 700.0), number=OSLO) as bob:
            return await report_of(node, bob.port, codecs=("pcmu",))

    report = played(scenario())

    assert report.heard is not None
    assert report.heard.sounding_ms > 5_000
    assert (report.heard.round_trip_ms, report.heard.echo_dbfs) == (None, None)
    assert report.counted is not None
    assert report.counted.codec == "pcmu"


def test_a_silent_telephone_is_told_from_one_that_sends_nothing(node: Node, tmp_path: Path) -> None:
    async def scenario() -> Report:
        silence = np.zeros(8_000 * 30, np.int16)
        async with telephone(tmp_path / "bob", silence, number=OSLO) as bob:
            return await report_of(node, bob.port)

    report = played(scenario())

    assert report.heard is not None
    assert (report.heard.sounding_ms, report.heard.level_dbfs) == (0, None)
    assert report.counted is not None
    assert report.counted.received > 300


def test_an_exchange_that_is_not_there_is_said(node: Node) -> None:
    assert played(report_of(node, free_port(), ring=2)).outcome == "unreachable"
