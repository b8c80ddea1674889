"""What was said on a telephone is written down: no more than five words in a hundred are wrong.

Measured against faster-whisper called directly, with the same model, on the same sound.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from bench.prompts import Prompt, are_there, channel, prompts
from bench.worderrors import word_errors
from tests.unit.test_personas import recogniser

from askfirst.speech.whisper import Whisper

PROMPTS = 18
MISSING = (
    "asterisk-core-sounds-en and asterisk-core-sounds-en-wav are not installed. Run as root: "
    "apt-get install asterisk-core-sounds-en asterisk-core-sounds-en-wav"
)

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def spoken() -> Sequence[Prompt]:
    if not are_there():
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    return list(prompts(PROMPTS))


@pytest.fixture(scope="module")
def whisper() -> Iterator[Whisper]:
    made = Whisper()
    yield made
    made.close()


def test_words_on_a_telephone_are_right_as_often_as_the_engine_alone_gets_them(
    spoken: Sequence[Prompt], whisper: Whisper
) -> None:
    sound, said = channel(spoken), " ".join(each.text for each in spoken)

    heard = whisper.transcribe(sound, "en")
    segments, _ = recogniser().transcribe(
        np.frombuffer(sound, "<i2").astype(np.float32) / 32768,
        language="en",
        beam_size=1,
        condition_on_previous_text=False,
    )
    direct, words = word_errors(said, " ".join(each.text for each in segments))
    ours, _ = word_errors(said, " ".join(each.text for each in heard))

    assert words > 200
    assert ours <= 0.05 * words, f"{ours} of {words} words are wrong"
    # The engine guesses where it is unsure: two runs of its own differ by about as much.
    allowed = direct + 0.01 * words
    assert ours <= allowed, f"{ours} of {words} words are wrong, {direct} by the engine alone"
