"""Calls of a desk over SIP with real telephones: what is recorded of whom, and when not."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.server import rig
from tests.server.deskrig import agent, has, until
from tests.server.rig import AT
from tests.sip.exchange import PASSWORD, USER, exchange
from tests.sip.oversip import talking, trunk_to
from tests.sip.peer import LOOPBACK, RATE, answering, telephone

from askfirst.audio.container import decode, encode_wav
from askfirst.audio.mixing import in_frames, to_pcm
from askfirst.audio.tone import tone
from askfirst.clock import LoopClock, run
from askfirst.decide import decide
from askfirst.errors import InvalidInput, Refused, Unavailable
from askfirst.model import Party
from askfirst.notice import announcement
from askfirst.server import ownprompts
from askfirst.server.account import change
from askfirst.server.accounts import User
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.server.desk import Desk
from askfirst.server.node import Node
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.persona import packaged_personas
from askfirst.telephony.siplink import SipLink
from askfirst.telephony.sipprovider import SipProvider

Result = TypeVar("Result")

pytestmark = pytest.mark.full

NEW_YORK = "+12125550143"
"""With an agent in Texas, nobody has to be told or asked."""

OSLO = "+4722222222"
WELLINGTON = "+6448315040"
"""With an agent in Texas, they have to be told and nobody has to agree."""

BASIS = {
    "lawful_basis": "legitimate_interests",
    "lawful_basis_owner": "Ada Holm",
    "purpose": "training",
    "purpose_sentence": "training our staff on real calls",
    "purpose_owner": "Ada Holm",
}
PROMPT_HZ, PROMPT_MS = 620.0, 15_000
AGENT_HZ, CONTACT_HZ = 440.0, 1_000.0


def played(scenario: Coroutine[Any, Any, Result]) -> Result:
    """What a scenario gives, in a minute at most: a call that hangs is a fault and no wait."""
    return run(asyncio.wait_for(scenario, 60))


@asynccontextmanager
async def desk_to(node: Node, port: int, **trunk: object) -> AsyncIterator[Desk]:
    """A desk whose calls out go to a port of this machine."""
    clock = LoopClock()
    desk = Desk(node, clock, outside=SipProvider(clock, trunk_to(port, **trunk)))
    try:
        yield desk
    finally:
        await desk.close()


@asynccontextmanager
async def speaking(leg: MemoryLeg) -> AsyncIterator[None]:
    """An agent who sounds like a tone all the time."""
    sound = in_frames(to_pcm(tone((AGENT_HZ,), 60_000)))
    task = asyncio.create_task(leg.speak(LoopClock(), sound))
    try:
        yield
    finally:
        task.cancel()


def share_of(samples: NDArray[Any], hertz: float) -> float:
    """How much of a sound's energy is near a frequency."""
    power = np.abs(np.fft.rfft(samples.astype(float))) ** 2
    at = np.fft.rfftfreq(len(samples), 1 / 16_000)
    return float(power[np.abs(at - hertz) < 15].sum() / max(power[at > 50].sum(), 1.0))


def sound_of(node: Node, call: str) -> NDArray[np.int16]:
    """The finished recording of a call, both channels."""
    node.jobs.wait()
    (row,) = rig.recording_rows(node.store, call)
    samples, rate = decode(node.playback.play(row.id, person="officer", purpose="dispute"), 16_000)
    assert (len(samples), rate) == (2, 16_000)
    return samples


@pytest.mark.alone  # of three seconds, two frames that a busy machine loses are a gap
def test_each_side_is_on_its_own_channel_and_hears_the_other(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> tuple[str, Path, list[bytes]]:
        voice = talking(30_000, CONTACT_HZ)
        async with (
            telephone(tmp_path / "bob", voice, number=NEW_YORK) as bob,
            desk_to(node, bob.port) as desk,
        ):
            leg = MemoryLeg(keeps_all=True)
            async with speaking(leg):
                live = await desk.place(kari, NEW_YORK, leg)
                await until(live, has(light="recording"))
                await asyncio.sleep(3)
                heard = list(leg.heard)[-100:]
                await bob.tell("hangup")
                await until(live, has(settled=True))
            await bob.close()
            return live.id, bob.heard(), heard

    call, at_peer, heard = played(scenario())

    own, contact = sound_of(node, call)
    assert len(own) > 16_000 * 2
    assert share_of(own, AGENT_HZ) > 0.9
    assert share_of(own, CONTACT_HZ) < 0.01
    assert share_of(contact, CONTACT_HZ) > 0.9
    assert share_of(contact, AGENT_HZ) < 0.01
    assert share_of(np.frombuffer(b"".join(heard), np.int16), CONTACT_HZ) > 0.9
    samples, _ = decode(at_peer.read_bytes(), 16_000)
    assert share_of(samples[0], AGENT_HZ) > 0.8
    row = rig.call_row(node.store, call)
    assert (row.provider, row.outcome) == ("sip", "recorded")


def test_before_a_yes_nothing_of_the_other_side_is_anywhere(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> str:
        async with (
            telephone(tmp_path / "bob", talking(30_000, CONTACT_HZ), number=OSLO) as bob,
            desk_to(node, bob.port) as desk,
        ):
            leg = MemoryLeg()
            async with speaking(leg):
                live = await desk.place(kari, OSLO, leg)
                await until(live, has(answered=True))
                live.record()
                await asyncio.sleep(2)
                assert live.state()["light"] != "recording"
                live.consent("refused")
                await asyncio.sleep(1)
                await live.hangup()
                await until(live, has(settled=True))
            return live.id

    call = played(scenario())

    node.jobs.wait()
    assert rig.recording_rows(node.store, call) == []
    assert rig.spool_files(node.store) == []


def test_a_key_of_a_telephone_refuses_and_agrees_by_rfc_4733(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> list[str]:
        async with (
            telephone(tmp_path / "bob", talking(100), number=OSLO) as bob,
            desk_to(node, bob.port) as desk,
        ):
            live = await desk.place(kari, OSLO, MemoryLeg())
            await until(live, has(answered=True))
            live.telling()
            await bob.tell("sndcode", "2")
            shown = await until(live, lambda state: any(p["said_no"] for p in state["parties"]))
            await live.hangup()
            await until(live, has(settled=True))
            return [shown["state"]]

    assert played(scenario()) == ["blocked"]


def test_a_recorded_announcement_is_heard_at_the_telephone_and_is_proof_at_its_end(
    node: Node, kari: User, tmp_path: Path
) -> None:
    with transaction(node.store.engine) as connection:
        wants = change(connection, BASIS, None, AT)
        people = [Party.agent("US-TX"), Party.contact(WELLINGTON)]
        decision = decide(people, utc_now().date(), None, wants.policy())
        text = announcement(decision.elements, "en", wants.notice_facts("en"), keys=False)
        sound = encode_wav(np.atleast_2d(tone((PROMPT_HZ,), PROMPT_MS)))
        ownprompts.keep(connection, "en", text, sound, kari.id, AT)

    async def scenario() -> tuple[str, Path]:
        voice = talking(50_000, CONTACT_HZ)
        async with (
            telephone(tmp_path / "bob", voice, number=WELLINGTON) as bob,
            desk_to(node, bob.port) as desk,
        ):
            live = await desk.place(kari, WELLINGTON, MemoryLeg())
            began = await until(live, has(telling="announcement"))
            assert not began["no_prompt"]
            opened = await until(live, has(light="recording"))
            assert opened["at_ms"] - began["at_ms"] >= PROMPT_MS - 100
            await asyncio.sleep(3)
            await bob.tell("hangup")
            await until(live, has(settled=True))
            await bob.close()
            return live.id, bob.heard()

    call, at_peer = played(scenario())

    heard, _ = decode(at_peer.read_bytes(), 16_000)
    assert share_of(heard[0], PROMPT_HZ) > 0.9
    own, contact = sound_of(node, call)
    assert share_of(own, PROMPT_HZ) > 0.9
    assert share_of(contact, CONTACT_HZ) > 0.9
    told = own[: PROMPT_MS * 16]
    assert np.abs(told).max() > 500
    assert np.abs(contact[: len(told) - 1_600]).max() < 50  # nothing of theirs before its end
    row = rig.call_row(node.store, call)
    assert (row.outcome, row.proof) == ("recorded", 3)


def test_a_process_that_dies_ends_its_calls_and_the_next_one_works(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> tuple[str, str]:
        async with (
            telephone(tmp_path / "bob", talking(30_000, CONTACT_HZ), number=NEW_YORK) as bob,
            desk_to(node, bob.port) as desk,
        ):
            first = await desk.place(kari, NEW_YORK, MemoryLeg())
            await until(first, has(light="recording"))
            await asyncio.sleep(1)
            link = link_of(desk)
            assert link.process_id is not None
            os.kill(link.process_id, signal.SIGKILL)
            last = await until(first, has(settled=True))
            assert last["light"] == "off"

            second = await desk.place(kari, NEW_YORK, MemoryLeg())
            await until(second, has(light="recording"))
            await second.hangup()
            await until(second, has(settled=True))
            assert link.restarts == 1
            return first.id, second.id

    first, _second = played(scenario())

    assert len(sound_of(node, first)[1]) > 8_000  # what was recorded before is not lost


def test_a_telephone_that_vanishes_ends_the_call_after_its_silence(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> list[str]:
        async with (
            telephone(tmp_path / "bob", talking(30_000), number=NEW_YORK) as bob,
            desk_to(node, bob.port, silence=2) as desk,
        ):
            live = await desk.place(kari, NEW_YORK, MemoryLeg())
            await until(live, has(answered=True))
            await asyncio.sleep(0.5)
            bob.kill()
            await until(live, has(settled=True))
            return causes(node, live.id)

    assert played(scenario()) == ["media-timeout"]


@pytest.mark.parametrize(
    ("answer", "more", "cause"),
    [
        ("404 Not Found", "", "not-found"),
        ("480 Temporarily Unavailable", "", "no-answer"),
        ("503 Service Unavailable", "", "unreachable"),
        ("302 Moved Temporarily", "Contact: <sip:carol@127.0.0.1:9>\n", "redirected"),
    ],
)
def test_an_answer_of_the_exchange_is_the_reason_in_our_words(
    node: Node, kari: User, tmp_path: Path, answer: str, more: str, cause: str
) -> None:
    async def scenario() -> list[str]:
        async with (
            answering(tmp_path / "exchange", answer, more) as port,
            desk_to(node, port) as desk,
        ):
            live = await desk.place(kari, NEW_YORK, MemoryLeg())
            await until(live, has(settled=True))
            return causes(node, live.id)

    assert played(scenario()) == [cause]
    assert rig.recording_rows(node.store) == []


def test_numbers_that_are_not_called_are_refused_before_anything_rings(
    node: Node, kari: User
) -> None:
    async def scenario() -> None:
        async with desk_to(node, 9) as desk:
            for number in ("112", "+47112", "911", "hello", "", "+1900555012x"):
                with pytest.raises(InvalidInput):
                    await desk.place(kari, number, MemoryLeg())
            with pytest.raises(InvalidInput, match="cost extra"):
                await desk.place(kari, "+4782012345", MemoryLeg())
            demo = next(iter(packaged_personas().values())).number
            with pytest.raises(InvalidInput, match="only the simulator"):
                await desk.place(kari, demo, MemoryLeg(), provider="sip")
            with pytest.raises(InvalidInput, match="no demo contact"):
                await desk.place(kari, NEW_YORK, MemoryLeg(), provider="simulator")
            with pytest.raises(Unavailable, match="twilio"):
                await desk.place(kari, NEW_YORK, MemoryLeg(), provider="twilio")
            assert desk.all() == ()

    played(scenario())


def test_the_other_side_hears_of_the_end_when_the_program_ends(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with telephone(tmp_path / "bob", talking(30_000), number=NEW_YORK) as bob:
            async with desk_to(node, bob.port) as desk:
                live = await desk.place(kari, NEW_YORK, MemoryLeg())
                await until(live, has(answered=True))
            await bob.until("CALL_CLOSED")

    played(scenario())


def test_whoever_calls_us_is_told_that_nobody_takes_it(tmp_path: Path) -> None:
    async def scenario() -> str:
        async with telephone(tmp_path / "bob", talking(30_000)) as bob:
            provider = SipProvider(LoopClock(), trunk_to(bob.port))
            try:
                state = await link_state(provider.link, "open")
                assert state == "open"
                assert provider.link.process_id is not None
                port = sip_port(provider.link.process_id)
                await bob.tell("dial", f"sip:askfirst@127.0.0.1:{port}")
                return str((await bob.until("CALL_CLOSED"))["param"])
            finally:
                await provider.close()

    assert played(scenario()).startswith("486")


def sip_port(process_id: int) -> int:
    """The only port for datagrams that a process has bound on 127.0.0.1."""
    (port,) = ports(process_id, LOOPBACK)
    return port


def ports(process_id: int, *addresses: str) -> list[int]:
    """The ports for datagrams that a process has bound on addresses, or on any (Linux)."""
    held = {str(each.readlink()) for each in Path(f"/proc/{process_id}/fd").iterdir()}
    found = []
    for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
        _, local, *_, inode = line.split()[:10]
        address, port = local.split(":")
        bound = socket.inet_ntoa(bytes.fromhex(address)[::-1])
        if f"socket:[{inode}]" in held and (not addresses or bound in addresses):
            found.append(int(port, 16))
    return found


def test_all_lines_busy_is_said_as_it_is(node: Node, kari: User, tmp_path: Path) -> None:
    ola = agent(node, "ola")

    async def scenario() -> None:
        async with (
            telephone(tmp_path / "bob", talking(30_000), number=NEW_YORK) as bob,
            desk_to(node, bob.port, most_calls=1) as desk,
        ):
            live = await desk.place(kari, NEW_YORK, MemoryLeg())
            await until(live, has(answered=True))
            with pytest.raises(Refused, match="all 1 lines are busy"):
                await desk.place(ola, NEW_YORK, MemoryLeg())
            await live.hangup()
            await until(live, has(settled=True))
            # The line is free when the telephone has confirmed the end, of which nobody is told.
            while link_of(desk).is_busy:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            again = await desk.place(ola, NEW_YORK, MemoryLeg())
            await until(again, has(answered=True))

    played(scenario())


@pytest.mark.parametrize("codec", ["pcmu", "pcma", "g722", "opus"])
def test_every_codec_carries_both_sides(node: Node, kari: User, tmp_path: Path, codec: str) -> None:
    rate = {"g722": 16_000, "opus": 48_000}.get(codec, RATE)

    async def scenario() -> str:
        voice = tone((CONTACT_HZ,), 30_000, rate=rate)
        if codec == "opus":  # its file has to have the two channels that the codec negotiates
            voice = np.stack((voice, voice))
        account = ";audio_codecs=" + {"g722": "G722", "opus": "opus/48000/2"}.get(codec, codec)
        async with (
            telephone(tmp_path / "bob", voice, account=account, number=NEW_YORK, rate=rate) as bob,
            desk_to(node, bob.port, codecs=(codec,)) as desk,
        ):
            leg = MemoryLeg()
            async with speaking(leg):
                live = await desk.place(kari, NEW_YORK, leg)
                await until(live, has(light="recording"))
                await asyncio.sleep(2)
                await live.hangup()
                await until(live, has(settled=True))
            return live.id

    own, contact = sound_of(node, played(scenario()))
    assert share_of(own, AGENT_HZ) > 0.9
    assert share_of(contact, CONTACT_HZ) > 0.9


def test_encrypted_sound_is_never_sent_plain_to_who_cannot_decrypt_it(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(account: str) -> dict[str, Any]:
        async with (
            telephone(tmp_path / f"bob{len(account)}", talking(9_000), account=account,
                      number=NEW_YORK) as bob,
            desk_to(node, bob.port, security="srtp") as desk,
        ):  # fmt: skip
            live = await desk.place(kari, NEW_YORK, MemoryLeg())
            return await until(live, lambda state: state["answered"] or state["settled"])

    assert played(scenario(";mediaenc=srtp-mand"))["answered"]
    assert not played(scenario(""))["answered"]


def test_an_exchange_lets_us_in_by_digest_and_passes_the_call_on(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> tuple[str, dict[str, Any]]:
        async with (
            telephone(tmp_path / "bob", talking(30_000, CONTACT_HZ), number=NEW_YORK) as bob,
            exchange(tmp_path / "exchange", bob.port) as port,
            desk_to(node, port, user=USER, password=PASSWORD, registers=True) as desk,
        ):
            state = await trunk_state(desk, "registered", "refused")
            live = await desk.place(kari, NEW_YORK, MemoryLeg())
            shown = await until(live, lambda state: state["answered"] or state["settled"])
            await live.hangup()
            return state, shown

    state, shown = played(scenario())
    assert (state, shown["answered"]) == ("registered", True)


def test_a_wrong_password_is_told_and_places_no_call(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> tuple[str, dict[str, Any]]:
        async with (
            telephone(tmp_path / "bob", talking(30_000), number=NEW_YORK) as bob,
            exchange(tmp_path / "exchange", bob.port) as port,
            desk_to(node, port, user=USER, password=PASSWORD[1:], registers=True) as desk,
        ):
            state = await trunk_state(desk, "registered", "refused")
            live = await desk.place(kari, NEW_YORK, MemoryLeg())
            return state, await until(live, has(settled=True))

    state, shown = played(scenario())
    assert (state, shown["answered"]) == ("refused", False)


def test_the_other_sides_hold_pauses_the_call_and_who_comes_back_is_decided_about_anew(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> tuple[dict[str, Any], dict[str, Any]]:
        async with (
            telephone(tmp_path / "bob", talking(30_000, CONTACT_HZ), number=NEW_YORK) as bob,
            desk_to(node, bob.port) as desk,
        ):
            live = await desk.place(kari, NEW_YORK, MemoryLeg())
            await until(live, has(light="recording"))
            await bob.tell("hold")
            held = await until(live, has(light="off"))
            await bob.tell("resume")
            back = await until(live, lambda shown: len(shown["parties"]) > 2 and not shown["holds"])
            await live.hangup()
            await until(live, has(settled=True))
            return held, back

    held, back = played(scenario())
    assert (held["because"], held["holds"]) == ("paused", ["peer-contact"])
    assert back["parties"][2]["places"] == ["UNKNOWN"]
    assert back["light"] != "recording"


async def trunk_state(desk: Desk, *wanted: str) -> str:
    """The state of the trunk once it is one of those."""
    return await link_state(link_of(desk), *wanted)


async def link_state(link: SipLink, *wanted: str) -> str:
    """The same of a link."""
    changed = asyncio.Event()
    link.on_change = changed.set
    while link.trunk_state not in wanted:
        changed.clear()
        await changed.wait()
    return link.trunk_state


def link_of(desk: Desk) -> SipLink:
    provider = desk.outside
    assert isinstance(provider, SipProvider)
    return provider.link


def causes(node: Node, call: str) -> list[str]:
    """Why a call ended, as the ledger has it."""
    entries = [entry for _, entry in node.store.ledger.entries(call)]
    data = [entry["data"] for entry in entries if entry["kind"] == "call.ended"]
    return [str(each["cause"]) for each in data if isinstance(each, dict)]
