"""What a test call measures: silence, noise, voices, and its own tone that comes back late."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from askfirst.audio.g711 import decode_a, encode_a
from askfirst.audio.mixing import in_frames, to_pcm
from askfirst.audio.tone import tone
from askfirst.clock import LoopClock, run_virtual
from askfirst.model import FRAME_BYTES, FRAME_MS, SAMPLE_RATE_HZ
from askfirst.telephony.siptest import (
    LISTENS_MS,
    SENDS_MS,
    TONE_DBFS,
    Heard,
    Meter,
    TestLeg,
    counted,
    frame_at,
    pattern,
)

FRAMES = LISTENS_MS // FRAME_MS


def sent() -> NDArray[np.int16]:
    """All that is sent while it is listened."""
    return np.frombuffer(b"".join(frame_at(each) for each in range(FRAMES)), np.int16)


def late(samples: NDArray[np.int16], ms: int, gain: float = 1.0) -> NDArray[np.int16]:
    """The same later, softer and as long."""
    lead = np.zeros(SAMPLE_RATE_HZ * ms // 1000, np.int16)
    return (np.concatenate((lead, samples))[: len(samples)] * gain).astype(np.int16)


def noise(level: float, seed: int = 1) -> NDArray[np.int16]:
    """White noise as long as is listened, by its standard deviation."""
    made = np.random.default_rng(seed).normal(0, level, len(sent()))
    return np.clip(made, -32_768, 32_767).astype(np.int16)


def measured(samples: NDArray[np.int16]) -> Heard:
    meter = Meter()
    for frame in in_frames(to_pcm(samples)):
        meter.take(frame)
    return meter.heard()


# What is no sound, and no echo


def test_nothing_heard_is_no_sound_and_no_echo() -> None:
    assert Meter().heard() == Heard(
        listened_ms=0, sounding_ms=0, level_dbfs=None, round_trip_ms=None, echo_dbfs=None
    )
    heard = measured(np.zeros(len(sent()), np.int16))
    assert (heard.sounding_ms, heard.level_dbfs, heard.round_trip_ms) == (0, None, None)


def test_the_noise_of_a_silent_line_is_no_sound() -> None:
    assert measured(noise(8.0)).sounding_ms == 0


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_sound_and_no_echo(seed: int) -> None:
    heard = measured(noise(900.0, seed))
    assert heard.sounding_ms == LISTENS_MS
    assert heard.level_dbfs == pytest.approx(-28.2, abs=0.5)
    assert (heard.round_trip_ms, heard.echo_dbfs) == (None, None)


@pytest.mark.parametrize("hertz", [425.0, 1_000.0, 1_050.0])
def test_somebody_elses_tone_is_sound_and_no_echo(hertz: float) -> None:
    heard = measured(tone((hertz,), LISTENS_MS, -20.0))
    assert heard.level_dbfs == pytest.approx(-20.0, abs=0.5)
    assert heard.round_trip_ms is None


@pytest.mark.parametrize("period_ms", [200, 400, 1_000])
def test_a_tone_that_comes_and_goes_in_time_is_no_echo(period_ms: int) -> None:
    on = tone((1_050.0,), period_ms // 2, -20.0)
    beats = np.tile(np.concatenate((on, np.zeros_like(on))), 1 + LISTENS_MS // period_ms)
    assert measured(beats[: len(sent())]).round_trip_ms is None


def test_a_call_that_ends_after_a_moment_gives_no_echo() -> None:
    assert measured(late(sent(), 100)[: SAMPLE_RATE_HZ * 2]).round_trip_ms is None


# What is heard of our own


@pytest.mark.parametrize("delay_ms", [0, 30, 120, 250, 700, 1_400])
@pytest.mark.parametrize("gain", [1.0, 0.1])
def test_our_tone_that_comes_back_is_found_with_its_delay_and_level(
    delay_ms: int, gain: float
) -> None:
    heard = measured(late(sent(), delay_ms, gain))
    assert heard.round_trip_ms == pytest.approx(delay_ms, abs=10)
    assert heard.echo_dbfs == pytest.approx(TONE_DBFS + 20 * np.log10(gain), abs=1.5)


def test_it_is_found_in_noise_and_after_coding() -> None:
    coded = decode_a(encode_a(late(sent(), 340, 0.5)))
    heard = measured((coded + noise(60.0)).astype(np.int16))
    assert heard.round_trip_ms == pytest.approx(340, abs=20)


def test_it_is_found_where_a_number_speaks_before_it_sends_it_back() -> None:
    spoken = late(sent(), 180)
    spoken[: SAMPLE_RATE_HZ * 3] = noise(2_000.0)[: SAMPLE_RATE_HZ * 3]
    assert measured(spoken).round_trip_ms == pytest.approx(180, abs=20)


def test_the_pattern_is_like_no_shifted_copy_of_itself() -> None:
    bits = np.array(pattern(), float)
    assert len(bits) == SENDS_MS // 100
    assert 0.4 < bits.mean() < 0.6
    alike = [np.corrcoef(bits[shift:], bits[: len(bits) - shift])[0, 1] for shift in range(1, 16)]
    assert max(alike) < 0.4


# The leg


def test_the_leg_is_silent_and_measures_nothing_before_the_answer() -> None:
    async def main() -> tuple[int, int]:
        clock = LoopClock()
        leg = TestLeg(clock)
        leg.play(sent().tobytes()[:FRAME_BYTES])
        before = leg.heard().listened_ms
        sounds = leg.sounds()
        leg.flush()
        first = await anext(sounds)
        await leg.close()
        assert [each async for each in sounds] == []
        return before, first.captured_ms

    assert run_virtual(main()) == (0, 0)


def test_the_leg_says_the_pattern_at_its_pace_and_has_done_when_enough_was_heard() -> None:
    async def main() -> tuple[list[int], bytes, Heard]:
        clock = LoopClock()
        leg = TestLeg(clock)
        leg.flush()
        starts, said = [], b""
        async for sound in leg.sounds():
            starts.append(sound.captured_ms)
            said += sound.pcm
            leg.play(sound.pcm)
            if leg.done.is_set():
                await leg.close()
        leg.play(said[:FRAME_BYTES])  # one more than enough
        return starts, said, leg.heard()

    starts, said, heard = run_virtual(main())

    assert starts == list(range(0, LISTENS_MS, FRAME_MS))
    assert said == sent().tobytes()
    assert (heard.listened_ms, heard.round_trip_ms) == (LISTENS_MS, 0)


# What the stack counted


def test_figures_that_are_none_say_nothing() -> None:
    assert counted({}) is None
    found = counted({"tx": 5, "rx": {"packets": "many"}, "codec": 8, "exchange_ms": "soon"})
    assert found is not None
    assert (found.sent, found.received, found.lost, found.jitter_ms) == (0, 0, None, None)
    assert (found.exchange_ms, found.codec) == (None, None)


def test_figures_of_a_call_are_said_and_what_nobody_reported_is_not() -> None:
    figures = {
        "tx": {"packets": 350},
        "rx": {"packets": 348},
        "rtcp": {"rx_lost": 2, "rx_jitter_us": 1_500, "rtt_us": 0},
        "codec": "pcma",
        "exchange_ms": 18,
    }
    found = counted(figures)
    assert found is not None
    assert (found.sent, found.received, found.lost, found.jitter_ms) == (350, 348, 2, 1.5)
    assert (found.round_trip_ms, found.exchange_ms, found.codec) == (None, 18, "pcma")
