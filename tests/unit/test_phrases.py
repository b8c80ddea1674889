"""Phrases of live speech: where they end, and that nothing is heard twice or kept for long."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from askfirst.model import FRAME_BYTES, FRAME_MS
from askfirst.speech.endpointing import Detector, detector, speech_spans
from askfirst.speech.phrases import LONGEST_MS, Phrase, Phrases
from askfirst.speech.whisper import Whisper
from askfirst.telephony.persona import audio_frames, packaged_persona

BY_ENERGY = Detector("energy", "asked for by a test")


class ByLevel:
    """Takes for speech whatever is loud, for however long it is."""

    def run(self, _: object, inputs: dict[str, Any]) -> tuple[Any, Any, Any]:
        likely = (np.abs(inputs["input"]).max(axis=1) > 0.1).astype(np.float32)
        return likely, inputs["h"], inputs["c"]


BY_LEVEL = Detector("level", session=ByLevel())
QUIET = [bytes(FRAME_BYTES)] * 60
LOUD = (8000).to_bytes(2, "little") * (FRAME_BYTES // 2)


def said(count: int, gap: int = 60) -> list[bytes]:
    """The first lines of a persona as frames, with a gap of so many frames after each."""
    spoken = [step.audio for step in packaged_persona("agrees").steps if step.audio is not None]
    frames = [*QUIET]
    for audio in spoken[:count]:
        frames += [*audio_frames(audio), *[bytes(FRAME_BYTES)] * gap]
    return frames


def cut(frames: list[bytes], start_ms: int = 0, using: Detector | None = None) -> list[Phrase]:
    phrases = Phrases(start_ms, using)
    return [*(each for frame in frames for each in phrases.hear(frame)), *phrases.end()]


def flat(phrases: list[Phrase]) -> Iterator[int]:
    for phrase in phrases:
        yield from (phrase.start_ms, phrase.end_ms)


@pytest.mark.parametrize("using", [detector(), BY_ENERGY], ids=["silero", "energy"])
def test_lines_with_pauses_are_phrases_of_their_own(using: Detector) -> None:
    frames = said(3)

    found = cut(frames, 1000, using)

    assert len(found) >= 3
    assert list(flat(found)) == sorted(flat(found)), "no sample is in two phrases"
    for phrase in found:
        assert phrase.end_ms - phrase.start_ms <= LONGEST_MS
        whole = b"".join(frames)
        begin = (phrase.start_ms - 1000) * 32
        assert phrase.pcm == whole[begin : begin + len(phrase.pcm)]


def test_live_phrases_cover_what_is_found_afterwards() -> None:
    frames = said(4)
    live = cut(frames)

    for start, end in speech_spans(b"".join(frames)):
        middle = (start + end) // 2
        assert any(phrase.start_ms <= middle < phrase.end_ms for phrase in live)


def test_silence_is_no_phrase() -> None:
    assert cut(QUIET * 5) == []


def test_who_never_pauses_is_cut_and_loses_nothing() -> None:
    seconds = 40
    found = cut([*QUIET, *[LOUD] * (seconds * 1000 // FRAME_MS), *QUIET], using=BY_LEVEL)

    assert len(found) > 3
    assert all(one.end_ms == other.start_ms for one, other in pairwise(found))
    assert found[-1].end_ms - found[0].start_ms >= seconds * 1000
    assert max(phrase.end_ms - phrase.start_ms for phrase in found) <= LONGEST_MS


def test_no_more_than_one_phrase_is_ever_kept() -> None:
    phrases = Phrases(0, BY_LEVEL)
    largest = 0
    for frame in [*QUIET, *[LOUD] * 2000, *QUIET * 20]:
        phrases.hear(frame)
        largest = max(largest, sys.getsizeof(phrases._audio))

    assert largest <= 2 * LONGEST_MS * 32
    assert sys.getsizeof(phrases._audio) <= 32 * 1000


def test_what_had_begun_comes_at_the_end() -> None:
    (phrase,) = cut([*QUIET, *[LOUD] * 30], using=BY_LEVEL)

    assert LOUD[:64] in phrase.pcm


@pytest.mark.slow
def test_the_brief_way_hears_the_words_of_real_speech_and_none_in_silence() -> None:
    recognizer = Whisper(threads=1, is_brief=True)
    try:
        assert recognizer.transcribe(bytes(FRAME_BYTES * 100), "en") == []
        text = ""
        for phrase in cut(said(2)):
            heard = recognizer.transcribe(phrase.pcm, "en")
            times = [time for word in heard for time in (word.start_ms, word.end_ms)]
            assert times == sorted(times)
            assert times[-1] <= len(phrase.pcm) // 32
            text += " ".join(word.text for word in heard) + "|"
        assert "Harbor Supply" in text
        assert " ." not in text
    finally:
        recognizer.close()
