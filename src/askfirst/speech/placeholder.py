"""A computer's voice for announcements that nobody has recorded: the program espeak-ng.

It is hard to understand and only stands in for a recording. The program is under the GPL; it is
installed by whoever runs the machine, started as a program of its own, and never part of this one.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from askfirst.audio.container import decode
from askfirst.audio.mixing import mix
from askfirst.errors import InvalidInput, PeerError
from askfirst.model import SAMPLE_RATE_HZ

PROGRAM = "espeak-ng"

VOICES: Mapping[str, str] = {
    "en": "en-gb",
    "nb": "nb",
    "de": "de",
    "fr": "fr-fr",
    "es": "es",
    "sv": "sv",
}
"""The program's voice for each language of notices."""

TIMEOUT_S = 20
"""How long the program may take; a minute of speech takes it less than one second."""

_WORDS_A_MINUTE = "150"
_KEPT = 16  # texts; an account says few, and half a minute of one is a megabyte


def is_installed() -> bool:
    """Whether this machine has the program."""
    return shutil.which(PROGRAM) is not None


def spoken(text: str, language: str) -> NDArray[np.int16] | None:
    """The text as 16 kHz mono samples that nobody may change; it may take a second.

    None where the program is not installed, fails, or has no voice for the language.
    """
    program, voice = shutil.which(PROGRAM), VOICES.get(language)
    if program is None or voice is None or not text.strip():
        return None
    try:
        return _spoken(program, voice, text)
    except (PeerError, InvalidInput):
        return None


@lru_cache(maxsize=_KEPT)
def _spoken(program: str, voice: str, text: str) -> NDArray[np.int16]:
    command = (program, "-v", voice, "-s", _WORDS_A_MINUTE, "-b", "1", "--stdin", "--stdout")
    try:
        # The text is no argument: nothing in it can be taken for an option or by a shell.
        done = subprocess.run(  # noqa: S603 - a fixed command, found on the path of the machine
            command, input=text.encode(), capture_output=True, timeout=TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise PeerError(f"{PROGRAM} did not speak: {type(error).__name__}") from error
    samples, _ = decode(done.stdout, SAMPLE_RATE_HZ)
    voice_of_it = mix(list(samples))
    voice_of_it.flags.writeable = False
    return voice_of_it
