"""Sound that waits to be heard: what always waits goes in a pause, and nothing else goes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from askfirst.audio.mixing import to_pcm
from askfirst.audio.tone import tone
from askfirst.model import FRAME_MS
from askfirst.telephony.agentsound import WAITING_FRAMES
from askfirst.telephony.playout import LOOKS, Playout, Standing, is_quiet
from askfirst.telephony.progress import SILENCE

LOUD = to_pcm(tone((440.0,), FRAME_MS, -20.0))
SOFT = to_pcm(tone((440.0,), FRAME_MS, -60.0))


def full() -> Playout:
    found = Playout()
    for _ in range(WAITING_FRAMES):
        found.add(LOUD)
    return found


def run(queue: Playout, pcm: bytes, frames: int) -> list[bytes]:
    """What is heard while a frame comes for each that is taken."""
    heard = []
    for _ in range(frames):
        heard.append(queue.take())
        queue.add(pcm)
    return heard


def waiting(queue: Playout) -> int:
    count = 0
    while queue.take() != SILENCE:
        count += 1
    return count


def test_loud_sound_is_heard_whole_however_much_of_it_waits() -> None:
    queue = full()
    assert run(queue, LOUD, 10 * LOOKS) == [LOUD] * 10 * LOOKS
    assert waiting(queue) == WAITING_FRAMES


def test_what_always_waited_goes_in_a_pause_until_one_frame_waits() -> None:
    queue = full()
    run(queue, SOFT, 3 * LOOKS)
    assert waiting(queue) < WAITING_FRAMES
    assert waiting(full()) == WAITING_FRAMES


def test_an_uneven_way_is_nothing_that_stands() -> None:
    queue = Playout()
    heard = 0
    for _ in range(10 * LOOKS):
        queue.add(SOFT)
        queue.add(SOFT)
        heard += [queue.take(), queue.take()].count(SOFT)
    assert heard == 20 * LOOKS


def test_quiet_is_what_nobody_misses() -> None:
    assert is_quiet(SILENCE)
    assert is_quiet(SOFT)
    assert not is_quiet(LOUD)
    assert is_quiet(b"")


@given(st.lists(st.integers(0, 4), min_size=LOOKS, max_size=4 * LOOKS))
def test_something_stands_only_where_it_never_was_less_for_a_second(depths: list[int]) -> None:
    standing = Standing(2)
    for position, depth in enumerate(depths, 1):
        standing.look(depth)
        if standing.is_due:
            begin = position // LOOKS * LOOKS - LOOKS
            assert min(depths[begin : begin + LOOKS]) >= 2
