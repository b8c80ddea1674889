"""More than one telephone in a call, and calls that are handed on, with real telephones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.server.deskrig import has, until
from tests.sip.exchange import switchboard
from tests.sip.oversip import talking
from tests.sip.peer import GOODBYE, Telephone, acting, telephone
from tests.sip.test_calls import (
    AGENT_HZ,
    CONTACT_HZ,
    NEW_YORK,
    OSLO,
    causes,
    desk_to,
    played,
    share_of,
    sound_of,
    speaking,
)

from askfirst.audio.container import decode
from askfirst.server.accounts import User
from askfirst.server.consulting import Consulting
from askfirst.server.desk import Desk
from askfirst.server.livecall import LiveCall
from askfirst.server.node import Node
from askfirst.telephony.memoryleg import MemoryLeg

pytestmark = pytest.mark.full

HOUSTON = "+17135550166"
"""With people in New York and Texas, nobody has to be told or asked."""

ADDED_HZ = 2_000.0
VOICES = {NEW_YORK: CONTACT_HZ, HOUSTON: ADDED_HZ, OSLO: ADDED_HZ}


@dataclass
class House:
    """An agent with a sound of their own, on a call to New York, and telephones to be added."""

    desk: Desk
    live: LiveCall
    leg: MemoryLeg
    telephones: dict[str, Telephone] = field(default_factory=dict)

    @property
    def consulting(self) -> Consulting:
        assert self.live.consulting is not None
        return self.live.consulting

    async def talk_to(self, number: str) -> None:
        """Call somebody beside the call, and return when they have answered."""
        await self.consulting.begin(number)
        await until(self.live, consultation("talking"))

    async def heard(self, seconds: float = 1.0) -> NDArray[np.int16]:
        """What the agent hears from now on."""
        self.leg.heard.clear()
        await asyncio.sleep(seconds)
        return np.frombuffer(b"".join(self.leg.heard), np.int16)


def consultation(stage: str) -> Any:
    return lambda shown: shown["consultation"] and shown["consultation"]["stage"] == stage


@asynccontextmanager
async def house(
    node: Node,
    kari: User,
    folder: Path,
    *numbers: str,
    also: Mapping[str, int] | None = None,
) -> AsyncIterator[House]:
    """A recorded call with New York, at an exchange with telephones of these numbers."""
    async with AsyncExitStack() as stack:
        ports = dict(also or {})
        telephones = {}
        for number in numbers:
            voice = talking(50_000, VOICES[number])
            found = await stack.enter_async_context(
                telephone(folder / number, voice, number=number)
            )
            telephones[number], ports[number] = found, found.port
        port = await stack.enter_async_context(switchboard(folder / "exchange", ports))
        desk = await stack.enter_async_context(desk_to(node, port))
        leg = MemoryLeg(keeps_all=True)
        await stack.enter_async_context(speaking(leg))
        live = await desk.place(kari, NEW_YORK, leg)
        await until(live, has(light="recording"))
        yield House(desk, live, leg, telephones)


def heard_by(telephone: Telephone) -> NDArray[np.int16]:
    samples, _ = decode(telephone.heard().read_bytes(), 16_000)
    heard: NDArray[np.int16] = samples[0]
    return heard


def test_three_people_hear_each_other_and_each_is_recorded_on_their_side(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> tuple[str, NDArray[np.int16], NDArray[np.int16]]:
        async with house(node, kari, tmp_path, NEW_YORK, HOUSTON) as rig:
            await asyncio.sleep(1)
            await rig.talk_to(HOUSTON)
            await rig.consulting.bring_in()
            await until(rig.live, has(light="recording"))
            heard = await rig.heard(3)
            await rig.live.hangup()
            await until(rig.live, has(settled=True))
            await rig.telephones[HOUSTON].close()
            # The first one's telephone writes nothing down any more once it has been held.
            return rig.live.id, heard, heard_by(rig.telephones[HOUSTON])

    call, heard, at_added = played(scenario())

    assert share_of(heard, CONTACT_HZ) > 0.3
    assert share_of(heard, ADDED_HZ) > 0.3
    assert share_of(heard, AGENT_HZ) < 0.01
    assert share_of(at_added[-32_000:], CONTACT_HZ) > 0.2
    assert share_of(at_added[-32_000:], AGENT_HZ) > 0.2
    assert share_of(at_added, ADDED_HZ) < 0.01
    own, theirs = sound_of(node, call)
    assert share_of(own, AGENT_HZ) > 0.9
    second = theirs[len(theirs) // 2 :]
    assert share_of(second, CONTACT_HZ) > 0.3
    assert share_of(second, ADDED_HZ) > 0.3


def test_beside_the_call_the_two_are_alone_and_nothing_of_it_is_recorded(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> tuple[str, NDArray[np.int16], NDArray[np.int16]]:
        async with house(node, kari, tmp_path, NEW_YORK, HOUSTON) as rig:
            await asyncio.sleep(2)
            await rig.talk_to(HOUSTON)
            heard = await rig.heard(3)
            await rig.consulting.end()
            await until(rig.live, has(light="recording"))
            await asyncio.sleep(2)
            await rig.live.hangup()
            await until(rig.live, has(settled=True))
            await rig.telephones[NEW_YORK].close()
            return rig.live.id, heard, heard_by(rig.telephones[NEW_YORK])

    call, heard, at_first = played(scenario())
    assert share_of(heard, ADDED_HZ) > 0.9
    assert share_of(heard, CONTACT_HZ) < 0.01
    assert share_of(at_first, ADDED_HZ) < 0.001
    own, theirs = sound_of(node, call)
    assert share_of(theirs, CONTACT_HZ) > 0.9
    assert share_of(theirs, ADDED_HZ) < 0.001
    # Two stretches of two seconds, and nothing of the three between them.
    assert len(own) / 16_000 < 5.5


def test_somebody_in_norway_is_not_recorded_by_being_brought_in(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> tuple[str, dict[str, Any]]:
        async with house(node, kari, tmp_path, NEW_YORK, OSLO) as rig:
            await asyncio.sleep(1)
            await rig.talk_to(OSLO)
            await rig.consulting.bring_in()
            shown = await until(rig.live, has(on_hold=False, because="asking"))
            heard = await rig.heard(2)
            assert share_of(heard, ADDED_HZ) > 0.3  # they talk, and nothing of it is kept
            await rig.live.hangup()
            await until(rig.live, has(settled=True))
            return rig.live.id, shown

    call, shown = played(scenario())
    assert shown["light"] == "waiting"
    _, theirs = sound_of(node, call)
    assert share_of(theirs, CONTACT_HZ) > 0.9
    assert share_of(theirs, ADDED_HZ) < 0.001


def test_who_is_left_talks_on_when_the_contact_hangs_up(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> tuple[str, NDArray[np.int16]]:
        async with house(node, kari, tmp_path, NEW_YORK, HOUSTON) as rig:
            await rig.talk_to(HOUSTON)
            await rig.consulting.bring_in()
            await until(rig.live, has(light="recording"))
            await rig.telephones[NEW_YORK].tell("hangup")
            await until(rig.live, lambda shown: not shown["parties"][1]["present"])
            heard = await rig.heard(1)
            await rig.telephones[HOUSTON].tell("hangup")
            await until(rig.live, has(settled=True))
            return rig.live.id, heard

    call, heard = played(scenario())
    assert share_of(heard, ADDED_HZ) > 0.9
    assert causes(node, call) == ["remote-hangup"]


def test_a_call_is_handed_on_without_asking_and_the_two_talk_without_us(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> tuple[str, dict[str, Any], NDArray[np.int16]]:
        async with house(node, kari, tmp_path, NEW_YORK, HOUSTON) as rig:
            await asyncio.sleep(1)
            await rig.consulting.transfer(HOUSTON)
            shown = await until(rig.live, has(settled=True))
            await asyncio.sleep(2)
            await rig.telephones[HOUSTON].close()
            return rig.live.id, shown, heard_by(rig.telephones[HOUSTON])

    call, shown, at_added = played(scenario())
    assert shown["ended_by"] == "transferred"
    assert share_of(at_added, CONTACT_HZ) > 0.5
    _, theirs = sound_of(node, call)
    assert share_of(theirs, ADDED_HZ) < 0.001


def test_a_call_that_nobody_takes_there_is_kept_here_and_goes_on(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> dict[str, Any]:
        async with house(node, kari, tmp_path, NEW_YORK) as rig:
            await rig.consulting.transfer(HOUSTON)  # a number that the exchange does not know
            shown = await until(rig.live, consultation("over"))
            await rig.consulting.end()
            await until(rig.live, has(light="recording"))
            return shown

    shown = played(scenario())
    assert shown["consultation"]["cause"] == "not-found"
    assert shown["on_hold"]


def test_a_telephone_that_cannot_take_over_a_call_is_said_to_be_so(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> dict[str, Any]:
        async with house(node, kari, tmp_path, NEW_YORK, HOUSTON) as rig:
            await rig.talk_to(HOUSTON)
            await rig.consulting.transfer()  # Debian's baresip knows no Replaces
            shown = await until(rig.live, lambda now: bool(now["consultation"]["cause"]))
            assert shown["consultation"]["stage"] == "talking"
            assert share_of(await rig.heard(2), ADDED_HZ) > 0.5  # they talk on
            return shown

    assert played(scenario())["consultation"]["cause"] == "unsupported"


_TAKES_OVER = """\
<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="hands itself over">
<recv request="INVITE" rrs="true"/>
<send><![CDATA[{ok}]]></send>
<recv request="ACK"/>
<recv request="INVITE"/>
<send><![CDATA[{ok}]]></send>
<recv request="ACK"/>
<recv request="REFER"><action>
<ereg regexp="713.*Replaces=" search_in="hdr" header="Refer-To:" check_it="true" assign_to="asked"/>
<ereg regexp=".*" search_in="hdr" header="To:" assign_to="mine"/>
<ereg regexp=".*" search_in="hdr" header="From:" assign_to="theirs"/>
<log message="[$asked]"/>
</action></recv>
<send><![CDATA[
SIP/2.0 202 Accepted
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port]>
Content-Length: 0

]]></send>
<send><![CDATA[
NOTIFY [next_url] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
[routes]
Max-Forwards: 70
From:[$mine]
To:[$theirs]
Call-ID: [call_id]
CSeq: 1 NOTIFY
Contact: <sip:[local_ip]:[local_port]>
Event: refer
Subscription-State: terminated;reason=noresource
Content-Type: message/sipfrag;version=2.0
Content-Length: [len]

SIP/2.0 200 OK
]]></send>
<recv response="200"/>
"""
_OK = """
SIP/2.0 200 OK
[last_Via:]
[last_Record-Route:]
[last_From:]
[last_To:]{tag}
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port]>
Supported: replaces
Allow: INVITE, ACK, BYE, CANCEL, REFER, NOTIFY
Content-Type: application/sdp
Content-Length: [len]

v=0
o=peer 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 8
a=rtpmap:8 PCMA/8000

"""


def test_a_call_is_handed_to_who_was_asked_first(node: Node, kari: User, tmp_path: Path) -> None:
    scenario_of_peer = _TAKES_OVER.replace("{ok}", _OK.format(tag=";tag=[call_number]"), 1).replace(
        "{ok}", _OK.format(tag="")
    )

    async def scenario() -> tuple[str, dict[str, Any]]:
        async with (
            acting(tmp_path / "peer", scenario_of_peer + GOODBYE) as first,
            house(node, kari, tmp_path, HOUSTON, also={NEW_YORK: first}) as rig,
        ):
            await rig.talk_to(HOUSTON)
            await rig.consulting.transfer()
            return rig.live.id, await until(rig.live, has(settled=True))

    call, shown = played(scenario())
    assert shown["ended_by"] == "transferred"
    assert causes(node, call) == ["transferred"]
