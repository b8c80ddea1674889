"""An exchange that says in a call that somebody else is there: they are decided about anew."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.server.deskrig import until
from tests.sip.peer import GOODBYE, acting
from tests.sip.test_calls import NEW_YORK, desk_to, played

from askfirst.server.accounts import User
from askfirst.server.node import Node
from askfirst.telephony.memoryleg import MemoryLeg

pytestmark = pytest.mark.full

OSLO = "+4722222222"
REFRESHED_S = 3.5
"""After so long the request within the call is agreed to."""

_SDP = """\
v=0
o=- {session} 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio [auto_media_port] RTP/AVP 8
a=rtpmap:8 PCMA/8000
"""

ANSWERED = """\
<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="somebody">
<recv request="INVITE" crlf="true">
<action>
<ereg regexp=".*" search_in="hdr" header="From:" assign_to="us"/>
<ereg regexp="sip:[^>]*" search_in="hdr" header="Contact:" assign_to="contact"/>
</action>
</recv>
<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:here@[local_ip]:[local_port]>
{asserted}Content-Type: application/sdp
Content-Length: [len]

{sdp}
]]></send>
<recv request="ACK"/>
<Reference variables="us,contact"/>
"""

IN_THE_CALL = """\
<pause milliseconds="2500"/>
<send retrans="500"><![CDATA[
{method} [$contact] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
From: <sip:{number}@[local_ip]>;tag=[call_number]
To:[$us]
[last_Call-ID:]
CSeq: 2 {method}
Contact: <sip:here@[local_ip]:[local_port]>
P-Asserted-Identity: <sip:{other}@[local_ip]>
Max-Forwards: 70
{body}
]]></send>
<recv response="100" optional="true"/>
<recv response="200"/>
"""

ACK = """\
<send><![CDATA[
ACK [$contact] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
From: <sip:{number}@[local_ip]>;tag=[call_number]
To:[$us]
[last_Call-ID:]
CSeq: 2 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
"""


def asserting(number: str) -> str:
    """Somebody answers whom the exchange says to be at a number."""
    asserted = f"P-Asserted-Identity: <sip:{number}@[local_ip]>\n"
    return ANSWERED.format(asserted=asserted, sdp=_SDP.format(session=1)) + GOODBYE


def handing_over(method: str, other: str) -> str:
    """After a while somebody else is there, as a request within the call says."""
    sdp = _SDP.format(session=2)
    body = f"Content-Type: application/sdp\nContent-Length: [len]\n\n{sdp}"
    request = IN_THE_CALL.format(
        method=method,
        number=NEW_YORK,
        other=other,
        body=body if method == "INVITE" else "Content-Length: 0\n",
    )
    ack = ACK.format(number=NEW_YORK) if method == "INVITE" else ""
    answered = ANSWERED.format(asserted="", sdp=_SDP.format(session=1))
    return f"{answered}{request}{ack}{GOODBYE}"


async def states(node: Node, kari: User, folder: Path, scenario: str) -> list[dict[str, Any]]:
    """How a call with New York stands until one more person is in it, and nothing is recorded."""
    seen: list[dict[str, Any]] = []
    async with acting(folder, scenario) as port, desk_to(node, port) as desk:
        live = await desk.place(kari, NEW_YORK, MemoryLeg())

        def is_over(shown: dict[str, Any]) -> bool:
            seen.append(shown)
            return len(shown["parties"]) > 2 and shown["decision"] is not None

        await until(live, is_over)
        await live.hangup()
        await until(live, lambda shown: bool(shown["settled"]))
    return seen


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_who_takes_over_a_call_is_not_recorded_before_their_law_is_met(
    node: Node, kari: User, tmp_path: Path, method: str
) -> None:
    seen = played(states(node, kari, tmp_path, handing_over(method, OSLO)))
    assert any(shown["light"] == "recording" for shown in seen)
    assert seen[-1]["parties"][2]["places"] == ["NO"]
    assert seen[-1]["light"] != "recording"
    assert 2 in seen[-1]["owed"]


def test_whoever_withholds_where_they_are_may_be_anywhere(
    node: Node, kari: User, tmp_path: Path
) -> None:
    seen = played(states(node, kari, tmp_path, handing_over("UPDATE", "anonymous")))
    assert any(shown["light"] == "recording" for shown in seen)
    assert seen[-1]["parties"][2]["places"] == ["UNKNOWN"]
    assert seen[-1]["light"] != "recording"


def test_a_call_that_is_answered_elsewhere_is_never_recorded_by_itself(
    node: Node, kari: User, tmp_path: Path
) -> None:
    seen = played(states(node, kari, tmp_path, asserting(OSLO)))
    assert not any(shown["light"] == "recording" for shown in seen)
    assert seen[-1]["parties"][2]["places"] == ["NO"]


def test_a_call_that_is_only_refreshed_goes_on_being_recorded(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> dict[str, Any]:
        acted = handing_over("INVITE", NEW_YORK)
        async with acting(tmp_path, acted) as port, desk_to(node, port) as desk:
            live = await desk.place(kari, NEW_YORK, MemoryLeg())
            await until(live, lambda shown: shown["light"] == "recording")
            await asyncio.sleep(REFRESHED_S)
            refreshed = await until(live, lambda shown: not shown["settled"])
            await live.hangup()
            return refreshed

    refreshed = played(scenario())
    assert refreshed["light"] == "recording"
    assert len(refreshed["parties"]) == 2
