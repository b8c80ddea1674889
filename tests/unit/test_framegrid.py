"""Places of frames that come unevenly: never too late, never far off, and hardly any is lost."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from askfirst.model import FRAME_MS
from askfirst.telephony.framegrid import GAP_MS, LOOKS, FrameGrid


def placed(bounds: Sequence[int]) -> list[int | None]:
    grid = FrameGrid()
    return [grid.place(bound_ms) for bound_ms in bounds]


@given(st.lists(st.integers(-200, 200), max_size=3 * LOOKS))
def test_a_frame_stands_neither_after_its_bound_nor_far_before_it(steps: list[int]) -> None:
    bounds, bound_ms = [], 0
    for step in steps:
        bound_ms += FRAME_MS + step
        bounds.append(bound_ms)

    pairs = zip(bounds, placed(bounds), strict=True)
    found = [(bound, start) for bound, start in pairs if start is not None]

    assert all(bound - GAP_MS < start <= bound for bound, start in found)
    starts = [start for _, start in found]
    assert starts == sorted(set(starts))
    assert len({start % FRAME_MS for start in starts}) <= 1


def test_frames_that_come_a_little_late_now_and_then_keep_their_places() -> None:
    late = [0, 35, 0, 20, 59, 0, 0, 45] * 100
    bounds = [number * FRAME_MS + each for number, each in enumerate(late)]
    assert placed(bounds) == [number * FRAME_MS for number in range(len(late))]


def test_after_a_gap_the_next_frame_stands_where_it_was_said() -> None:
    bounds = [0, 20, 40, 1_000, 1_020]
    assert placed(bounds) == [0, 20, 40, 1_000, 1_020]


def test_a_slow_clock_is_followed_by_whole_frames_and_none_is_lost() -> None:
    bounds = [number * FRAME_MS + number // 100 for number in range(40 * LOOKS)]
    found = placed(bounds)
    assert None not in found
    last = found[-1]
    assert last is not None
    assert bounds[-1] - last < 2 * FRAME_MS


def test_a_fast_clock_costs_one_frame_for_each_that_it_is_ahead() -> None:
    bounds = [number * FRAME_MS - number // 100 for number in range(40 * LOOKS)]
    ahead_ms = 40 * LOOKS // 100
    assert placed(bounds).count(None) <= ahead_ms // FRAME_MS + 1


def test_a_new_beginning_has_nothing_to_do_with_what_was() -> None:
    grid = FrameGrid()
    assert (grid.place(1_000), grid.place(500)) == (1_000, None)
    grid.begin_again()
    assert grid.place(500) == 500
