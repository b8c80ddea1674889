"""Calls over a line that loses and delays packets: who is where, what is missing, what is kept."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.server import rig
from tests.server.deskrig import has, until
from tests.sip.lossy import LOST, Line, lossy
from tests.sip.oversip import talking
from tests.sip.peer import RATE, telephone
from tests.sip.test_calls import (
    AGENT_HZ,
    CONTACT_HZ,
    NEW_YORK,
    OSLO,
    desk_to,
    link_of,
    played,
    share_of,
    sound_of,
    speaking,
)

from askfirst.audio.container import decode
from askfirst.audio.tone import tone
from askfirst.model import FRAME_MS
from askfirst.server.accounts import User
from askfirst.server.node import Node
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.sipprovider import SipProvider

pytestmark = [pytest.mark.full, pytest.mark.alone]

SEED = 3550
TALK_S = 8
WHOLE_S = 1
"""The line is good for so long at the end, so that the last sound is late and not lost."""

FRAME = 16 * FRAME_MS
MISSING = 0.07
"""Share of a contact's frames that may be missing: what the line loses, about as many that jitter
brings too late for their place, and chance."""

CAPTURE_LAG_MS = SipProvider.capabilities.capture_lag_ms
SCALE_HZ = np.arange(500, 3_000, 50)
"""A contact's pitch in each 20 ms of a second: what is heard says when it was said."""

YES_AFTER = 130
"""Packets that they have said when the yes is reported."""


def frames_of(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """A sound in pieces of 20 ms."""
    return samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)


def is_loud(samples: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Whether each 20 ms are sound."""
    loud: NDArray[np.bool_] = np.abs(frames_of(samples)).max(axis=1) > 300
    return loud


def kept_of(node: Node, call: str) -> NDArray[np.int16]:
    """What is kept of a contact, in a recording that nobody may play: its notice was a tone."""
    node.jobs.wait()
    (row,) = rig.recording_rows(node.store, call)
    audio = node.playback.asset(row.id, "audio")
    assert audio is not None
    samples, _ = decode(audio, 16_000)
    contact: NDArray[np.int16] = samples[1]
    return contact


def is_lossy(line: Line) -> bool:
    """Whether the line was as bad as it is meant to be."""
    return LOST / 2 < line.lost / line.carried < LOST * 2


def test_on_a_bad_line_each_side_is_on_its_own_channel_and_nearly_all_of_it_is_there(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> tuple[str, float, Path]:
        async with (
            telephone(tmp_path / "bob", talking(40_000, CONTACT_HZ), number=NEW_YORK) as bob,
            lossy(bob.port, SEED) as line,
            desk_to(node, line.port) as desk,
        ):
            leg = MemoryLeg()
            async with speaking(leg):
                live = await desk.place(kari, NEW_YORK, leg)
                await until(live, has(light="recording"))
                began = time.monotonic()
                await asyncio.sleep(TALK_S - WHOLE_S)
                line.mend()
                await asyncio.sleep(WHOLE_S)
                took_s = time.monotonic() - began
                await bob.tell("hangup")
                await until(live, has(settled=True))
            assert is_lossy(line), (line.lost, line.carried)
            assert link_of(desk).restarts == 0
            await bob.close()
            return live.id, took_s, bob.heard()

    call, took_s, at_peer = played(scenario())

    own, contact = sound_of(node, call)
    (row,) = rig.recording_rows(node.store, call)
    assert len(own) > (took_s - 0.1) * 16_000
    assert share_of(own, AGENT_HZ) > 0.9
    assert share_of(own, CONTACT_HZ) < 0.001
    assert share_of(contact, CONTACT_HZ) > 0.9
    assert share_of(contact, AGENT_HZ) < 0.001
    heard, _ = decode(at_peer.read_bytes(), 16_000)
    assert share_of(heard[0], AGENT_HZ) > 0.8
    (row,) = rig.recording_rows(node.store, call)
    frames = row.duration_ms // FRAME_MS
    assert row.lost_frames < MISSING * frames, (row.lost_frames, frames)
    there = np.flatnonzero(is_loud(contact))
    assert there[0] < 5
    assert frames - there[-1] < CAPTURE_LAG_MS // FRAME_MS  # the rest was still on its way
    assert len(there) > (1 - MISSING) * (there[-1] - there[0])


def first_said(contact: NDArray[np.int16]) -> int:
    """Which of the fifty pitches is the first 20 ms of a contact that are kept."""
    at = int(np.argmax(np.abs(contact) > 300))
    power = np.abs(np.fft.rfft(contact[at : at + FRAME].astype(float)))
    hertz = np.fft.rfftfreq(FRAME, 1 / 16_000)
    return int(np.argmin(np.abs(SCALE_HZ - hertz[np.argmax(power)])))


def test_on_a_bad_line_nothing_said_before_a_yes_is_kept_however_late_it_comes(
    node: Node, kari: User, tmp_path: Path
) -> None:
    scale = np.concatenate([tone((float(hertz),), FRAME_MS, rate=RATE) for hertz in SCALE_HZ])

    async def scenario() -> tuple[str, float, list[float]]:
        async with (
            telephone(tmp_path / "bob", np.tile(scale, 40), number=OSLO) as bob,
            lossy(bob.port, SEED) as line,
            desk_to(node, line.port) as desk,
        ):
            live = await desk.place(kari, OSLO, MemoryLeg())
            await until(live, has(answered=True))
            zero_s = time.monotonic() - live.call.now_ms() / 1000
            live.record()
            live.telling()
            live.consent("informed")
            await line.until_said(YES_AFTER)
            assert live.state()["light"] != "recording"
            live.consent("agreed")
            await until(live, has(light="recording"))
            await line.until_said(2 * YES_AFTER)
            await live.hangup()
            await until(live, has(settled=True))
            assert is_lossy(line), (line.lost, line.carried)
            return live.id, zero_s, line.said_s

    call, zero_s, said_s = played(scenario())

    contact = kept_of(node, call)
    assert is_loud(contact).sum() > YES_AFTER // 2
    (opened_ms,) = rig.openings(node.store, call)
    opened_s = zero_s + opened_ms / 1000
    first = first_said(contact) + len(SCALE_HZ) * (YES_AFTER // len(SCALE_HZ))
    assert YES_AFTER < first < YES_AFTER + len(SCALE_HZ)
    assert said_s[first] - FRAME_MS / 1000 >= opened_s
