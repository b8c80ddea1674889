"""Speech whose words are known: telephone prompts from Debian, with their published texts.

The Asterisk project's English prompts, read in a studio by Allison Smith: packages
asterisk-core-sounds-en and asterisk-core-sounds-en-wav (CC BY-SA 3.0). Nothing of them is kept.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from askfirst.audio.container import decode
from askfirst.audio.resample import telephone_chain
from askfirst.model import SAMPLE_RATE_HZ

SOUNDS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
TEXTS = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")

SHORTEST_WORDS = 6
PAUSE_S = 0.8

_LINE = re.compile(r"(?P<name>[\w/-]+): (?P<text>[^\[\]<>]+)")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A sentence or more: its text and its sound, mono s16 at 16 kHz after a telephone line."""

    text: str
    sound: NDArray[np.int16]


def are_there() -> bool:
    """Whether the packages are installed."""
    return SOUNDS.is_dir() and TEXTS.is_file()


def prompts(most: int) -> Iterator[Prompt]:
    """The first prompts, by name, of at least `SHORTEST_WORDS` words; so many at most."""
    for line in gzip.decompress(TEXTS.read_bytes()).decode().splitlines():
        found = _LINE.fullmatch(line.strip())
        if found is None or len(found["text"].split()) < SHORTEST_WORDS:
            continue
        path = SOUNDS / f"{found['name']}.wav"
        if path.is_file() and most > 0:
            most -= 1
            (sound,), _ = decode(path.read_bytes(), SAMPLE_RATE_HZ)
            yield Prompt(found["text"], telephone_chain(sound))


def channel(spoken: Sequence[Prompt]) -> bytes:
    """One side of a call in which these follow each other, with pauses; mono s16le at 16 kHz."""
    pause = np.zeros(round(PAUSE_S * SAMPLE_RATE_HZ), np.int16)
    return b"".join(part.tobytes() for each in spoken for part in (pause, each.sound)) + bytes(
        pause.nbytes
    )
