"""An agent's sound from files."""

from __future__ import annotations

import pytest

from askfirst.clock import LoopClock, run_virtual
from askfirst.errors import Refused
from askfirst.model import FRAME_BYTES
from askfirst.ports import AgentSound
from askfirst.telephony.fileleg import FileLeg

FIRST, SECOND = bytes([1]) * FRAME_BYTES, bytes([2]) * FRAME_BYTES


def test_files_are_said_one_after_the_other_at_the_pace_of_the_clock() -> None:
    async def hear() -> list[AgentSound]:
        clock = LoopClock()
        leg = FileLeg(clock)
        assert leg.say([FIRST, FIRST]) == 40
        assert leg.say([SECOND]) == 60
        heard = [await anext(sounds) for sounds in [leg.sounds()] for _ in range(3)]
        assert clock.now_ms() - heard[0].captured_ms == 60
        await leg.close()
        return heard

    heard = run_virtual(hear())

    start_ms = heard[0].captured_ms
    assert [(each.captured_ms - start_ms, each.pcm) for each in heard] == [
        (0, FIRST),
        (20, FIRST),
        (40, SECOND),
    ]


def test_a_pause_between_two_files_is_not_caught_up() -> None:
    async def hear() -> int:
        clock = LoopClock()
        leg = FileLeg(clock)
        leg.say([FIRST])
        await clock.sleep_until(clock.now_ms() + 1_000)
        left_ms = leg.say([SECOND])
        await leg.close()
        return left_ms

    assert run_virtual(hear()) == 20


def test_nothing_is_said_after_the_end() -> None:
    async def hear() -> list[AgentSound]:
        clock = LoopClock()
        leg = FileLeg(clock)
        leg.say([FIRST] * 50)
        await leg.close()
        with pytest.raises(Refused):
            leg.say([FIRST])
        await clock.sleep_until(clock.now_ms() + 2_000)
        return [each async for each in leg.sounds()]

    assert run_virtual(hear()) == []
