"""An agent's sound moves from one browser to another and back."""

from __future__ import annotations

import asyncio

import pytest

from askfirst.clock import run_virtual
from askfirst.errors import Refused
from askfirst.model import FRAME_BYTES
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.movingleg import MovingLeg

ONE, TWO = bytes([1]) * FRAME_BYTES, bytes([2]) * FRAME_BYTES


class Broken(MemoryLeg):
    """A leg whose end fails."""

    async def close(self) -> None:
        await super().close()
        raise ValueError("the browser is gone")


def test_without_a_browser_nothing_is_heard_or_said() -> None:
    async def scenario() -> None:
        leg = MovingLeg()
        leg.play(ONE)
        leg.flush()
        assert not leg.is_connected
        await leg.close()
        assert [sound async for sound in leg.sounds()] == []

    run_virtual(scenario())


def test_what_is_said_comes_from_the_leg_that_was_attached_last() -> None:
    async def scenario() -> None:
        leg, first, second = MovingLeg(), MemoryLeg(), MemoryLeg()
        sounds = leg.sounds()
        await leg.attach(first)
        assert leg.is_connected
        first.feed(ONE, 0)
        assert (await anext(sounds)).pcm == ONE

        await leg.attach(second)
        assert not first.is_connected
        first.feed(ONE, 20)
        second.feed(TWO, 40)
        assert (await anext(sounds)).pcm == TWO
        leg.play(TWO)
        assert (list(first.heard), list(second.heard)) == ([], [TWO])
        await leg.close()
        assert not second.is_connected
        assert [sound async for sound in sounds] == []

    run_virtual(scenario())


def test_a_leg_that_another_one_replaced_cannot_take_it_away() -> None:
    async def scenario() -> None:
        leg, first, second = MovingLeg(), MemoryLeg(), MemoryLeg()
        await leg.attach(first)
        await leg.attach(second)

        assert (leg.detach(first), leg.is_connected) == (False, True)
        assert (leg.detach(second), leg.is_connected) == (True, False)
        await leg.close()
        await second.close()

    run_virtual(scenario())


def test_a_leg_whose_end_fails_leaves_the_call_alone() -> None:
    async def scenario() -> None:
        leg, second = MovingLeg(), MemoryLeg()
        await leg.attach(Broken())
        await leg.attach(second)
        assert leg.is_connected
        await leg.close()

    run_virtual(scenario())


def test_after_the_end_nothing_can_be_attached() -> None:
    async def scenario() -> None:
        leg, late = MovingLeg(), MemoryLeg()
        await leg.close()
        with pytest.raises(Refused):
            await leg.attach(late)
        assert late.is_connected
        await asyncio.gather(leg.close(), late.close())

    run_virtual(scenario())
