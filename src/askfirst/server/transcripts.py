"""The words of a recording as they are kept: encrypted, one document for each transcript."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from askfirst.model import Utterance, Word
from askfirst.server import redactions
from askfirst.server.playback import Playback
from askfirst.server.store import Store

MACHINE = "transcript"
"""The kind under which both sides' words are kept as the recogniser wrote them."""


def current(store: Store, recording: str) -> list[Utterance] | None:
    """The words of a recording as they stand now, redacted, in order; None where there are none.

    Raises KeyUnreadable after an erasure, Unverified where the file was changed.
    """
    said = original(store, recording)
    return None if said is None else redactions.shown(store, recording, said)


def original(store: Store, recording: str) -> list[Utterance] | None:
    """The same as it was said, for whoever may open originals. Raises as `current`."""
    kept = Playback(store).asset(recording, MACHINE)
    return None if kept is None else from_bytes(kept)


def originals(store: Store, recording: str) -> list[list[Utterance]]:
    """Every version of the words as it was said, for redacting the sound. Raises as `current`."""
    said = original(store, recording)
    return [] if said is None else [said]


def plain(said: Sequence[Utterance]) -> list[dict[str, Any]]:
    """Utterances as plain lines, without single words."""
    return [
        {
            "speaker": item.speaker,
            "start_ms": item.start_ms,
            "end_ms": item.end_ms,
            "text": item.text,
        }
        for item in said
    ]


def to_bytes(said: Sequence[Utterance]) -> bytes:
    """Utterances as they are stored."""
    return json.dumps(
        [
            {
                "speaker": item.speaker,
                "start_ms": item.start_ms,
                "end_ms": item.end_ms,
                "text": item.text,
                "words": [
                    [word.text, word.start_ms, word.end_ms, round(word.confidence, 3)]
                    for word in item.words
                ],
            }
            for item in said
        ],
        ensure_ascii=False,
    ).encode()


def from_bytes(data: bytes) -> list[Utterance]:
    """Utterances out of a stored transcript."""
    return [
        Utterance(
            item["speaker"],
            item["start_ms"],
            item["end_ms"],
            item["text"],
            tuple(Word(*word) for word in item["words"]),
        )
        for item in json.loads(data)
    ]
