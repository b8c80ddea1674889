"""Events of a call at Twilio in any order: each once, upwards, the end last, and no number kept."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from askfirst.server.twilioorder import MOST_WAITING, OVER, CallOrder, kept

STATES = ("initiated", "ringing", "in-progress", "completed")
numbers = st.lists(st.integers(0, 9), max_size=30)


def taken(order: CallOrder[int], came: list[int], end: int) -> tuple[list[int], list[int]]:
    """What was handed on and what was void, after waiting is given up."""
    ready: list[int] = []
    void: list[int] = []
    for number in came:
        turn = order.take(number, "completed" if number == end else "ringing", number)
        ready += turn.ready
        void += turn.void
    turn = order.give_up()
    return ready + list(turn.ready), void + list(turn.void)


def test_after_the_end_everything_is_void() -> None:
    for end in OVER:
        order: CallOrder[int] = CallOrder()
        assert order.take(0, end, 0).ready == (0,)
        assert order.take(1, "in-progress", 1).void == (1,)
        assert order.take(0, end, 0).void == (0,)
        assert not order.waits


def test_what_comes_early_waits_and_what_comes_late_is_void() -> None:
    order: CallOrder[str] = CallOrder()
    assert order.take(2, "in-progress", "answered").ready == ()
    assert order.waits
    assert order.take(0, "initiated", "begun").ready == ("begun",)
    assert order.give_up().ready == ("answered",)
    assert order.take(1, "ringing", "late").void == ("late",)
    assert order.take(3, "completed", "end").ready == ("end",)


def test_a_call_that_is_known_from_before_goes_on_where_it_was() -> None:
    order: CallOrder[int] = CallOrder(last=2)
    assert order.take(2, "in-progress", 2).void == (2,)
    assert order.take(3, "completed", 3).ready == (3,)


def test_no_more_than_so_many_wait() -> None:
    order: CallOrder[int] = CallOrder()
    turns = [order.take(number, "ringing", number) for number in range(1, MOST_WAITING + 2)]
    assert turns[-1].ready == tuple(range(1, MOST_WAITING + 2))
    assert not order.waits


@given(came=numbers, end=st.integers(0, 12))
def test_each_is_handed_on_once_upwards_and_nothing_after_the_end(
    came: list[int], end: int
) -> None:
    ready, void = taken(CallOrder(), came, end)
    assert ready == sorted(set(ready))
    assert sorted(ready + void) == sorted(came)
    if end in ready:
        assert ready[-1] == end


@given(seed=st.randoms(use_true_random=False), twice=st.lists(st.integers(0, 3), max_size=4))
def test_whole_calls_come_out_as_they_went_however_mixed(seed: Random, twice: list[int]) -> None:
    came = [0, 1, 2, 3, *twice]
    seed.shuffle(came)
    order: CallOrder[str] = CallOrder()
    ready = [each for n in came for each in order.take(n, STATES[n], STATES[n]).ready]
    assert ready == list(STATES)


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20)))
def test_no_number_address_or_key_of_an_event_is_kept(fields: dict[str, str]) -> None:
    personal = {"From": "+15550100", "To": "x", "Digits": "1", "RecordingUrl": "https://x",
                "FromCity": "x", "SpeechResult": "yes", "StirVerstat": "x"}  # fmt: skip
    assert kept(personal) == {}
    assert kept({**fields, **personal, "CallSid": "CA1"})["CallSid"] == "CA1"
