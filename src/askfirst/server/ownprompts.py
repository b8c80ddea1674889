"""Announcements in the account's own voice: kept, listed, and found for exactly their text.

A recording counts as a notice because of what it says. Nobody here listens to it, so one that
cannot have said its text is refused, and one of another text is never played in its place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from askfirst.audio.container import decode, encode_ogg_opus
from askfirst.audio.mixing import in_frames, level_dbfs, to_pcm
from askfirst.errors import InvalidInput, NotFound
from askfirst.model import SAMPLE_RATE_HZ
from askfirst.notice import LANGUAGES
from askfirst.server import audit
from askfirst.server.database import reading
from askfirst.server.prompttables import prompts
from askfirst.server.request import Prompt, Voice
from askfirst.server.texts import LONGEST_SECONDS, estimated_seconds
from askfirst.speech.placeholder import spoken

LARGEST_BYTES = 20 * 1024 * 1024
"""How large a file may be: a minute in the best quality that is usual is smaller."""

LOUD_DBFS = -42.0
"""Level of 20 ms from which they count as speech, as in calls."""

LEAST_SHARE = 0.4
"""Share of the estimated time that has to be speech; whoever hurries still takes over half."""

_STEP = SAMPLE_RATE_HZ // 50  # samples in 20 ms

Placeholder = Callable[[str, str], NDArray[np.int16] | None]
"""Text and language to 16 kHz mono samples, None where nothing can speak them."""


@dataclass(frozen=True, slots=True)
class OwnPrompt:
    """An announcement that somebody recorded: for which text, how long it is, who and when."""

    language: str
    digest: str
    text: str
    length_ms: int
    by: str
    at: datetime


def digest_of(text: str) -> str:
    """The name of an exact text, as evidence has it: SHA-256 in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def keep(
    connection: sa.Connection, language: str, text: str, content: bytes, user: str, now: datetime
) -> OwnPrompt:
    """Keep a recording of a text, in place of an earlier one; `content` is a file as uploaded.

    Raises InvalidInput for a language without notices, for what is no sound, too large, too long
    or nearly silent, and for a recording too short to have said the text.
    """
    if language not in LANGUAGES or not text.strip():
        raise InvalidInput("found no announcement to record; choose one that is listed")
    samples = _fitting(content, language, text)
    kept = OwnPrompt(
        language, digest_of(text), text, len(samples) * 1000 // SAMPLE_RATE_HZ, user, now
    )
    _delete(connection, language, kept.digest)
    connection.execute(
        prompts.insert().values(
            language=language,
            digest=kept.digest,
            text=text,
            sound=encode_ogg_opus(np.atleast_2d(samples), SAMPLE_RATE_HZ),
            length_ms=kept.length_ms,
            by=user,
            at=now,
        )
    )
    audit.note(connection, now, user, "prompt.recorded", kept.digest, {"language": language})
    return kept


def remove(connection: sa.Connection, language: str, digest: str, user: str, now: datetime) -> None:
    """Forget a recording; raises NotFound where there is none."""
    if not _delete(connection, language, digest):
        raise NotFound("there is no recording of this announcement; it was removed before")
    audit.note(connection, now, user, "prompt.removed", digest, {"language": language})


def all_of(connection: sa.Connection, language: str) -> list[OwnPrompt]:
    """Every recording in a language, the newest first."""
    wanted = [column for column in prompts.c if column is not prompts.c.sound]
    rows = connection.execute(
        sa.select(*wanted)
        .where(prompts.c.language == language)
        .order_by(prompts.c.at.desc(), prompts.c.digest)
    )
    return [
        OwnPrompt(row.language, row.digest, row.text, row.length_ms, row.by, row.at) for row in rows
    ]


def sound_of(connection: sa.Connection, language: str, digest: str) -> bytes:
    """The Ogg/Opus file of a recording; raises NotFound where there is none."""
    found = connection.execute(
        sa.select(prompts.c.sound).where(prompts.c.language == language, prompts.c.digest == digest)
    ).scalar_one_or_none()
    if found is None:
        raise NotFound("there is no recording of this announcement; it was removed before")
    return bytes(found)


@dataclass(frozen=True, slots=True)
class OwnPrompts:
    """The account's announcements as calls look them up (`request.Prompts`); it blocks.

    Its own recording of exactly this text in this language, else what the placeholder's voice
    makes of the text, else None.
    """

    engine: sa.Engine
    placeholder: Placeholder = spoken

    def __call__(self, text: str, language: str) -> Prompt | None:
        """What is played for a text; raises InvalidInput for a stored sound that is broken."""
        try:
            with reading(self.engine) as connection:
                sound = sound_of(connection, language, digest_of(text))
        except NotFound:
            made = self.placeholder(text, language)
            return None if made is None else _prompt(made, Voice.PLACEHOLDER)
        samples, _ = decode(sound, SAMPLE_RATE_HZ, longest_s=2 * LONGEST_SECONDS)
        return _prompt(samples[0], Voice.RECORDED)


def _prompt(samples: NDArray[np.int16], voice: Voice) -> Prompt:
    return Prompt(in_frames(to_pcm(samples)), voice)


def _delete(connection: sa.Connection, language: str, digest: str) -> bool:
    here = (prompts.c.language == language) & (prompts.c.digest == digest)
    return bool(connection.execute(prompts.delete().where(here)).rowcount)


def _fitting(content: bytes, language: str, text: str) -> NDArray[np.int16]:
    """A file's sound as 16 kHz mono, if it can be a recording of the text."""
    if not content:
        raise InvalidInput("found no file; choose a recording first")
    if len(content) > LARGEST_BYTES:
        raise InvalidInput(
            f"found a file over {LARGEST_BYTES // 1024 // 1024} MB; an announcement is shorter"
        )
    # More than is allowed, so that a long one hears below how long it is.
    samples, _ = decode(content, SAMPLE_RATE_HZ, longest_s=2 * LONGEST_SECONDS)
    mono: NDArray[np.int16] = np.rint(samples.mean(axis=0)).astype(np.int16)
    seconds = len(mono) / SAMPLE_RATE_HZ
    if seconds > LONGEST_SECONDS:
        raise InvalidInput(
            f"found {round(seconds)} seconds; after {LONGEST_SECONDS} an announcement is cut short "
            "and counts as not told. Record it again without pauses, or shorten your words"
        )
    spoken_s = _spoken_seconds(mono)
    if not spoken_s:
        raise InvalidInput(
            "found hardly any sound; speak closer to the microphone, or record it louder"
        )
    expected_s = estimated_seconds(text, language)
    if spoken_s < LEAST_SHARE * expected_s:
        raise InvalidInput(
            f"found {round(spoken_s)} seconds of speech, and reading this text takes about "
            f"{expected_s}; record the whole text, word for word"
        )
    return mono


def _spoken_seconds(samples: NDArray[np.int16]) -> float:
    """How much of a sound is as loud as speech."""
    whole = samples[: len(samples) // _STEP * _STEP].reshape(-1, _STEP)
    return sum(level_dbfs(each) > LOUD_DBFS for each in whole) * 0.02
