"""Places of sound that comes unevenly: never too late, never far off, and hardly any is lost."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from askfirst.model import FRAME_BYTES, FRAME_MS
from askfirst.telephony.framegrid import GAP_MS, LOOKS, STEP_MS, FrameGrid, Placed

HALF_BYTES = FRAME_BYTES // 2


def numbered(number: int) -> bytes:
    """A frame whose halves say which they are, and are never nothing."""
    halves = (2 * number + 1, 2 * number + 2)
    return b"".join(half.to_bytes(4, "big").ljust(HALF_BYTES, b"\1") for half in halves)


def placed(bounds: Sequence[int]) -> list[Placed]:
    grid = FrameGrid()
    return [
        frame
        for number, bound_ms in enumerate(bounds)
        for frame in grid.place(bound_ms, numbered(number))
    ]


def halves(frames: Sequence[Placed]) -> dict[int, int]:
    """Where each half frame of what was said stands; silence that was put in is not there."""
    return {
        int.from_bytes(pcm[:4], "big") - 1: start_ms
        for frame in frames
        for start_ms, pcm in (
            (frame.start_ms, frame.pcm[:HALF_BYTES]),
            (frame.start_ms + STEP_MS, frame.pcm[HALF_BYTES:]),
        )
        if any(pcm)
    }


@given(st.lists(st.integers(-200, 200), max_size=3 * LOOKS))
def test_sound_stands_neither_after_its_bound_nor_far_before_it(steps: list[int]) -> None:
    bounds, bound_ms = [], 0
    for step in steps:
        bound_ms += FRAME_MS + step
        bounds.append(bound_ms)

    frames = placed(bounds)

    starts = [frame.start_ms for frame in frames]
    assert starts == sorted(set(starts))
    assert len({start % FRAME_MS for start in starts}) <= 1
    assert {len(frame.pcm) for frame in frames} <= {FRAME_BYTES}
    where = halves(frames)
    assert list(where) == sorted(where)
    for half, start_ms in where.items():
        bound_ms = bounds[half // 2] + half % 2 * STEP_MS
        assert bound_ms - GAP_MS < start_ms <= bound_ms


def test_frames_that_come_a_little_late_now_and_then_keep_their_places() -> None:
    late = [0, 35, 0, 20, 59, 0, 0, 45] * 100
    frames = placed([number * FRAME_MS + each for number, each in enumerate(late)])
    assert frames == [Placed(number * FRAME_MS, numbered(number)) for number in range(len(late))]


def test_after_a_gap_sound_stands_where_it_was_said() -> None:
    starts = [frame.start_ms for frame in placed([0, 20, 40, 1_000, 1_020])]
    assert starts == [0, 20, 40, 1_000, 1_020]


def test_what_is_half_a_frame_when_a_gap_begins_is_not_lost() -> None:
    where = halves(placed([0, 15, 35, 1_000]))
    assert [half for half in range(8) if half not in where] == [2]  # it had no place
    assert where[5] == where[4] + STEP_MS
    assert 1_000 - FRAME_MS < where[6] <= 1_000


def test_a_slow_clock_is_followed_by_half_frames_and_nothing_is_lost() -> None:
    bounds = [number * FRAME_MS + number // 100 for number in range(40 * LOOKS)]
    where = halves(placed(bounds))
    assert len(where) >= 2 * len(bounds) - 1  # the last half may wait for the next
    late = [bounds[half // 2] + half % 2 * STEP_MS - start for half, start in where.items()]
    assert max(late) < STEP_MS + 1 + LOOKS // 100


def test_a_fast_clock_costs_half_a_frame_for_each_that_it_is_ahead() -> None:
    bounds = [number * FRAME_MS - number // 100 for number in range(40 * LOOKS)]
    where = halves(placed(bounds))
    ahead_ms = 40 * LOOKS // 100
    assert 2 * len(bounds) - len(where) <= ahead_ms // STEP_MS + 1
    late = [bounds[half // 2] + half % 2 * STEP_MS - start for half, start in where.items()]
    assert max(late) <= STEP_MS


def test_a_new_beginning_has_nothing_to_do_with_what_was() -> None:
    grid = FrameGrid()
    assert grid.place(1_000, numbered(0)) == [Placed(1_000, numbered(0))]
    assert grid.place(995, numbered(1)) == []
    grid.begin_again()
    assert grid.place(500, numbered(2)) == [Placed(500, numbered(2))]
