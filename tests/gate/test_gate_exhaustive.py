"""Gate and oracle say the same at every step of every bounded world, walked to the end.

Nine worlds, 32,982 situations and 555,156 steps in all; in each step the state, its cause, what is
unmet, the proof, the moment of opening, and `allows` for every leg, use and telling capture time.
The figures are asserted, so that a world that shrinks by mistake is seen.
"""

from __future__ import annotations

import pytest
from tests.gate.worlds import LARGE, WORLDS, Bounded, Count, explore

from askfirst import gate

EXPECTED = {
    "consent": Count(800, 10_400),
    "who and where": Count(1_296, 20_304),
    "switches and failures": Count(4_614, 69_210),
    "two contacts": Count(2_192, 26_304),
    "notices apart heard": Count(1_204, 22_092),
    "notices apart unheard": Count(1_204, 22_092),
    "notices mixed heard": Count(1_204, 22_092),
    "notices mixed unheard": Count(1_204, 22_092),
    "everything at once": Count(21_568, 377_440),
}


@pytest.mark.parametrize("bounded", WORLDS, ids=lambda one: one.name)
def test_the_gate_follows_the_rules_in_every_situation_of_a_small_world(bounded: Bounded) -> None:
    assert explore(gate, bounded) == EXPECTED[bounded.name]


@pytest.mark.slow
def test_the_gate_follows_the_rules_in_every_situation_of_a_world_with_all_reports() -> None:
    assert explore(gate, LARGE) == EXPECTED[LARGE.name]


def test_the_worlds_together_hold_every_kind_of_report() -> None:
    kinds = {type(event) for world in (*WORLDS, LARGE) for event in world.reports}
    assert kinds == set(gate.Event.__args__)
