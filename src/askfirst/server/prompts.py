"""Recorded prompts: a notice may be played only if its exact text was recorded."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path

from askfirst.audio.container import decode
from askfirst.audio.mixing import in_frames, to_pcm
from askfirst.audio.resample import resample
from askfirst.errors import NotFound
from askfirst.model import SAMPLE_RATE_HZ
from askfirst.server.request import Prompt


def packaged_prompt(text: str, language: str) -> Prompt | None:
    """The prompt that the package carries for a text, None without one."""
    name = f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.opus"
    return _read(Path(str(files("askfirst"))) / "telephony" / "prompts" / language / name)


def no_prompt(_text: str, _language: str) -> None:
    """None for every text: nothing is played."""


def _read(path: Path) -> Prompt | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NotFound(f"the prompt {path.name} cannot be read: {error.strerror}") from error
    samples, rate = decode(data)
    return Prompt(in_frames(to_pcm(resample(samples[0], rate, SAMPLE_RATE_HZ))))
