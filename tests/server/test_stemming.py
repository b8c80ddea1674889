"""Inflections of a word have one stem, in whatever thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from askfirst.server.stemming import stemmer


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("price", "prices", "priced")),
        ("nb", ("pris", "prisen", "prisene")),
        ("de", ("angebot", "angebote", "angebots")),
    ],
)
def test_inflections_have_one_stem(language: str, words: tuple[str, ...]) -> None:
    assert len({stemmer(language)(word) for word in words}) == 1


def test_a_language_without_a_stemmer_keeps_its_words() -> None:
    assert stemmer("fi")("taloissa") == "taloissa"
    assert stemmer("xx")("word") == "word"


def test_threads_do_not_disturb_each_other() -> None:
    words = [f"{start}{end}" for start in ("walk", "talk", "play") for end in ("ing", "ed", "s")]
    wanted = [word[:4] for word in words]

    stemmer.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: [stemmer("en")(word) for word in words], range(200)))

    assert all(each == wanted for each in found)
