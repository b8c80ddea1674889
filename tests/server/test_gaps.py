"""Gaps: every moment of a call is in the recording or in a gap that says why it is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.server.gaps import SHORTEST_MS, Gap, gaps_of, pauses_of
from askfirst.server.recordingreader import file_time
from askfirst.server.sealing import Stretch


def stretch(from_ms: int, to_ms: int, file_ms: int = 0, kind: str = "open") -> Stretch:
    return Stretch(0, kind, 1, from_ms, to_ms, file_ms)


def line(at_ms: int, state: str, because: str) -> dict[str, object]:
    return {"at_ms": at_ms, "state": state, "because": because}


COURSE = [
    line(0, "closed", "not-decided"),
    line(100, "asking", "asking"),
    line(5_000, "open", "met"),
    line(8_000, "held", "paused"),
    line(9_500, "open", "met"),
    line(20_000, "ended", "hung-up"),
]


def test_a_pause_is_a_gap_with_the_reason_that_was_stated() -> None:
    stretches = [stretch(5_000, 8_000), stretch(9_500, 20_000, 3_000)]

    found = gaps_of(stretches, COURSE, [(2_000, "private"), (8_000, "card-number")], 20_000)

    assert found == [
        Gap(0, 5_000, "asking", None),
        Gap(8_000, 9_500, "paused", "card-number"),
    ]


def test_what_lasted_longest_is_the_cause_and_an_open_gate_is_none() -> None:
    assert gaps_of([stretch(5_000, 19_000)], COURSE, [], 30_000)[-1] == Gap(
        19_000, 30_000, "hung-up", None
    )
    assert gaps_of([], [line(0, "open", "met")], [], 1_000) == [Gap(0, 1_000, "", None)]


def test_a_call_without_a_recording_is_one_gap() -> None:
    assert [(gap.from_ms, gap.to_ms) for gap in gaps_of([], COURSE, [], 20_000)] == [(0, 20_000)]
    assert gaps_of([], [], [], 0) == []


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(20, 5_000)), max_size=8))
def test_stretches_and_gaps_cover_the_call_once(steps: list[tuple[int, int]]) -> None:
    at_ms, stretches = 0, []
    for pause, length in steps:
        stretches.append(stretch(at_ms + pause, at_ms + pause + length))
        at_ms += pause + length

    found = gaps_of(stretches, COURSE, [], at_ms)

    spans = sorted([(gap.from_ms, gap.to_ms) for gap in found])
    spans = sorted(spans + [(each.from_ms, each.to_ms) for each in stretches])
    end_ms = 0
    for from_ms, to_ms in spans:
        assert 0 <= from_ms - end_ms < SHORTEST_MS
        end_ms = to_ms
    assert end_ms == at_ms


def test_pauses_come_from_the_ledger() -> None:
    entries = [
        (1, {"kind": "pause.started", "data": {"at_ms": 700, "reason": "card-number"}}),
        (2, {"kind": "pause.ended", "data": {"at_ms": 900}}),
    ]

    assert pauses_of(entries) == [(700, "card-number")]


@pytest.mark.parametrize(
    ("call_ms", "file_ms"),
    [
        (0, None),
        (999, None),
        (1_000, 0),
        (1_999, 999),
        (2_000, None),
        (5_000, 1_000),
        (6_000, None),
    ],
)
def test_a_moment_is_heard_where_it_was_kept_and_nowhere_else(
    call_ms: int, file_ms: int | None
) -> None:
    stretches = [stretch(1_000, 2_000, 0, "notice"), stretch(5_000, 6_000, 1_000)]

    assert file_time(stretches, call_ms) == file_ms
