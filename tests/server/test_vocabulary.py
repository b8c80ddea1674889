"""Names and terms of the account: told to a recogniser that can use them, never to the check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tests.server.test_finishing import NOTICE, TOLD, Listening, finished

from askfirst.errors import InvalidRequest
from askfirst.model import Word
from askfirst.ports import RecognizerCapabilities
from askfirst.server.account import account, change
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.store import Store
from askfirst.speech.scripted import Scripted

TERMS = ["Askfirst", "Nordlys AS"]
TAUGHT = replace(Scripted.capabilities, vocabulary=True)


@dataclass
class Taught(Listening):
    """A recogniser that can be told terms, and remembers for which side it was."""

    capabilities: RecognizerCapabilities = TAUGHT
    told: list[tuple[str, list[str]]] = field(default_factory=list)

    def transcribe_knowing(
        self, pcm: bytes, language: str, vocabulary: Sequence[str]
    ) -> list[Word]:
        words = self.transcribe(pcm, language)
        self.told.append((self.sides[-1], list(vocabulary)))
        return words


def know(store: Store, terms: object) -> None:
    with transaction(store.engine) as connection:
        change(connection, {"vocabulary": terms}, None, utc_now())


def test_both_sides_are_heard_with_the_terms_and_the_check_without(
    store: Store, tmp_path: Path
) -> None:
    know(store, TERMS)
    heard = Taught(NOTICE)

    finished(store, tmp_path, heard, *TOLD)

    assert heard.sides == ["own", "own", "contact"], "the check, then both for the words"
    assert heard.told == [("own", TERMS), ("contact", TERMS)]


def test_without_terms_our_own_side_is_heard_once(store: Store, tmp_path: Path) -> None:
    heard = Taught(NOTICE)

    finished(store, tmp_path, heard, *TOLD)

    assert (heard.sides, heard.told) == (["own", "contact"], [])


def test_a_recogniser_that_cannot_be_told_hears_as_before(store: Store, tmp_path: Path) -> None:
    know(store, TERMS)
    heard = Listening(NOTICE)

    finished(store, tmp_path, heard, *TOLD)

    assert heard.sides == ["own", "contact"]


def test_terms_are_few_short_and_each_there_once(store: Store) -> None:
    know(store, [" Askfirst ", "Askfirst", "Nordlys  AS"])
    with reading(store.engine) as connection:
        assert list(account(connection).vocabulary) == TERMS
    for bad in ("Askfirst", ["x" * 41], [""], [1], [f"term {number}" for number in range(41)]):
        with pytest.raises(InvalidRequest, match="vocabulary"):
            know(store, bad)
