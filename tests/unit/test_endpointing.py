"""Where speech is found, and how stretches are joined and mapped back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import askfirst
from askfirst.audio.container import decode
from askfirst.audio.resample import resample, telephone_chain
from askfirst.errors import InvalidInput
from askfirst.speech.endpointing import (
    STEP_MS,
    Detector,
    Span,
    Window,
    cut_out,
    detector,
    pieces,
    speech_spans,
    windows,
)

PERSONAS = Path(askfirst.__file__).parent / "telephony" / "personas"
BY_ENERGY = Detector("energy", "asked for by a test")


def spoken(name: str, *, telephone: bool = False) -> bytes:
    stereo, rate = decode((PERSONAS / name).read_bytes())
    samples = resample(stereo[0], rate, 16_000)
    return (telephone_chain(samples) if telephone else samples).astype("<i2").tobytes()


def silence(ms: int) -> bytes:
    return bytes(ms * 32)


def noise(ms: int, level: int) -> bytes:
    return np.random.default_rng(7).normal(0, level, ms * 16).astype("<i2").tobytes()


both = pytest.mark.parametrize("using", [detector(), BY_ENERGY], ids=["silero", "energy"])
spans_in_order = st.lists(
    st.tuples(st.integers(1, 2000), st.integers(100, 28_000)), min_size=1, max_size=12
).map(
    lambda parts: [
        (sum(a + b for a, b in parts[:i]) + gap, sum(a + b for a, b in parts[: i + 1]))
        for i, (gap, _) in enumerate(parts)
    ]
)


def test_the_model_decides_where_it_is_installed() -> None:
    assert (detector().name, detector().reason) == ("silero", None)


@both
def test_speech_is_found_where_it_is(using: Detector) -> None:
    line = spoken("agrees/04-contact.opus")
    length = len(line) // 32
    (span,) = speech_spans(silence(3000) + line + silence(3000), using=using)
    assert 2500 <= span[0] <= 3600
    assert 3000 + length - 800 <= span[1] <= 3000 + length + 500


@both
def test_silence_and_steady_noise_hold_no_speech(using: Detector) -> None:
    assert speech_spans(silence(5000), using=using) == []
    assert speech_spans(noise(5000, 300), using=using) == []
    assert speech_spans(b"", using=using) == []


def test_loud_noise_holds_no_speech_for_the_model() -> None:
    assert speech_spans(noise(5000, 8000)) == []


def test_speech_over_a_narrow_telephone_line_is_found() -> None:
    line = spoken("refuses/03-contact.opus", telephone=True)
    covered = sum(end - start for start, end in speech_spans(silence(1000) + line + silence(1000)))
    assert covered > 0.8 * len(line) / 32


@both
def test_a_pause_longer_than_the_hang_over_parts_speech(using: Detector) -> None:
    line = spoken("agrees/04-contact.opus")
    pcm = line + silence(1500) + line
    assert len(speech_spans(pcm, using=using)) == 2
    assert len(speech_spans(pcm, hang_over_ms=2500, using=using)) == 1


def test_speech_longer_than_a_window_is_cut_without_a_gap() -> None:
    line = spoken("agrees/03-agent.opus")
    spans = speech_spans(line * 8, hang_over_ms=3000, longest_ms=10_000)
    assert all(end - start <= 10_000 for start, end in spans)
    assert [end for _, end in spans[:-1]] == [start for start, _ in spans[1:]]
    assert len(spans) > 4


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(InvalidInput, match="3 bytes"):
        speech_spans(b"abc")


def test_pieces_are_cut_where_it_is_quiet() -> None:
    pcm = noise(8000, 2000) + silence(200) + noise(8000, 2000)
    (start, cut), (again, end) = pieces(pcm, 10_000)
    assert (start, again, end) == (0, cut, 16_200)
    assert 8000 - STEP_MS <= cut <= 8200
    assert pieces(b"", 10_000) == []


@given(spans_in_order)
def test_windows_hold_every_span_once_and_are_short_enough(spans: list[Span]) -> None:
    packed = windows(spans)
    assert [span for window in packed for span in window.spans] == spans
    for window in packed:
        joined = sum(end - start for start, end in window.spans) + 300 * (len(window.spans) - 1)
        assert joined <= 28_000


@given(spans_in_order, st.data())
def test_a_time_inside_a_span_is_mapped_back_exactly(
    spans: list[Span], data: st.DataObject
) -> None:
    window = windows(spans)[0]
    chosen = data.draw(st.integers(0, len(window.spans) - 1))
    span = window.spans[chosen]
    before = sum(end - start + 300 for start, end in window.spans[:chosen])
    start = data.draw(st.integers(0, span[1] - span[0] - 1))
    end = data.draw(st.integers(start + 1, span[1] - span[0]))
    mapped = window.on_channel(before + start, before + end)
    assert mapped == (span[0] + start, span[0] + end)


@given(spans_in_order, st.integers(0, 60_000), st.integers(0, 3000))
def test_no_word_is_placed_where_nobody_spoke(spans: list[Span], start: int, length: int) -> None:
    first, last = Window(tuple(spans)).on_channel(start, start + length)
    assert any(low <= first <= last <= high for low, high in spans)


def test_a_window_joins_its_spans_with_silence() -> None:
    pcm = b"".join(bytes([value, 0]) * 16 for value in range(100))
    joined = Window(((10, 20), (50, 60))).pcm(pcm)
    assert joined == cut_out(pcm, (10, 20)) + silence(300) + cut_out(pcm, (50, 60))


def test_a_window_without_spans_maps_nothing() -> None:
    with pytest.raises(InvalidInput, match="without spans"):
        Window(()).on_channel(0, 1)
