"""What `Say` sounds like at a telephone: a computer's voice, or a tone that takes as long.

Twilio has voices of its own; what counts here is that something is heard, and for how long.
"""

from __future__ import annotations

from functools import lru_cache

from askfirst.audio.mixing import in_frames, to_pcm
from askfirst.audio.resample import telephone_chain
from askfirst.audio.tone import tone
from askfirst.speech import placeholder

CHARACTER_MS = 60
"""What one character takes where nobody can speak it: some 150 words a minute."""

TONE_HZ = (620.0,)
LANGUAGE = "en-US"
"""Spoken where a document names none (Twilio, TwiML Say)."""


def frames_of(text: str, language: str = LANGUAGE) -> tuple[bytes, ...]:
    """The text as 20 ms frames of 16 kHz mono, as they come out of a telephone; it may take a
    second. `language` is a code such as nb-NO. None for a text without anything to say.

    Where the program espeak-ng or its voice is missing, a tone is as long as the words would be.
    """
    return _frames_of(text, language.partition("-")[0], placeholder.is_installed())


@lru_cache(maxsize=16)
def _frames_of(text: str, language: str, _can_speak: bool) -> tuple[bytes, ...]:
    voice = placeholder.spoken(text, language)
    if voice is None:
        voice = tone(TONE_HZ, len(text) * CHARACTER_MS)
    return tuple(in_frames(to_pcm(telephone_chain(voice))))
