"""The tone that is heard while a call is recorded: then, regularly, and at no other time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from tests.server import rig
from tests.server.deskrig import SETTINGS, agent, called
from tests.server.rig import AT, BYE, KEYED, pause

from askfirst.audio.container import decode
from askfirst.audio.mixing import to_pcm, to_samples
from askfirst.audio.tone import find_tone
from askfirst.gate import State
from askfirst.server.account import change
from askfirst.server.beep import EVERY_MS, LOOK_MS, TONE_HZ
from askfirst.server.database import transaction
from askfirst.server.desk import Desk
from askfirst.server.node import Node
from askfirst.server.playback import Playback
from askfirst.server.simulation import request_for
from askfirst.telephony.memoryleg import MemoryLeg

SLACK_MS = 400
"""For looking, for playing, and for the window in which a tone is found."""


def beeps_of(node: Node, folder: Path, *steps: str, beeps: bool = True) -> list[int]:
    """Where the tone begins in the recording of a call, in milliseconds of the file."""
    persona = rig.callee(folder, *KEYED, *steps, BYE)
    call = rig.virtually(
        node.store,
        persona,
        request=replace(request_for(persona), beeps=beeps),
        on_outbox=node.jobs.dispatch,
    )
    assert any(facts.state is State.OPEN for facts in call.seen)
    node.jobs.wait()
    (row,) = rig.recording_rows(node.store, call.id)
    samples, rate = decode(Playback(node.store).play(row.id, person="t", purpose="t"), 16_000)
    assert rate == 16_000
    found = [at for at, _ in find_tone(to_samples(to_pcm(samples[0])), rate, (TONE_HZ,))]
    return [at for n, at in enumerate(found) if n == 0 or at - found[n - 1] > 1_000]


def test_it_is_heard_at_the_opening_and_then_every_quarter_of_a_minute(
    node: Node, tmp_path: Path
) -> None:
    found = beeps_of(node, tmp_path, pause(20_000))

    told_ms = rig.PROMPT_MS  # the notice is the first segment of the file
    assert told_ms <= found[0] <= told_ms + LOOK_MS + SLACK_MS
    for before, after in pairwise(found):
        assert after - before == pytest.approx(EVERY_MS, abs=SLACK_MS)
    assert len(found) >= 2


def test_nobody_hears_it_who_did_not_wish_for_it(node: Node, tmp_path: Path) -> None:
    assert beeps_of(node, tmp_path, pause(3_000), beeps=False) == []


def test_it_begins_anew_after_a_pause_and_is_silent_in_it(node: Node, tmp_path: Path) -> None:
    # The file has no pause in it: two tones close to each other are one before and one after.
    found = beeps_of(
        node, tmp_path, pause(3_000), 'do="pause"', pause(2_000), 'do="resume"', pause(3_000)
    )

    assert len(found) == 2
    assert found[1] - found[0] < EVERY_MS - SLACK_MS


def test_the_account_says_whether_its_calls_have_it_and_whether_answers_are_heard(
    node: Node, tmp_path: Path
) -> None:
    wanted = {"beeps": True, "hears_answers": True}
    with transaction(node.store.engine) as connection:
        change(connection, {**SETTINGS, **wanted}, None, AT)
    kari = agent(node, "kari")

    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, rig.NORWAY, MemoryLeg())
        assert (live.call.request.beeps, live.call.request.hears_answers) == (True, True)
        await live.hangup()

    called(node, tmp_path, (BYE,), scenario)
