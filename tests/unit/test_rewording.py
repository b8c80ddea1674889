"""Other words for an utterance: what stays keeps its time, and nothing leaves the utterance."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from askfirst.model import Utterance, Word
from askfirst.speech.rewording import reworded
from askfirst.speech.transcribe import spread

SAID = Utterance(
    "contact",
    1_000,
    3_000,
    "we use ask first daily",
    (
        Word("we", 1_000, 1_200, 0.9),
        Word("use", 1_300, 1_500, 0.8),
        Word("ask", 1_600, 1_800, 0.3),
        Word("first", 1_900, 2_300, 0.2),
        Word("daily", 2_500, 3_000, 0.7),
    ),
)
WORDS = ["we", "use", "ask", "first", "daily", "not", "never", "Askfirst"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=9)


def test_words_that_stay_keep_time_and_confidence_and_new_ones_take_the_place_of_old_ones() -> None:
    found = reworded(SAID, " we use  Askfirst daily ")

    assert found.text == "we use Askfirst daily"
    assert found.words == (
        *SAID.words[:2],
        Word("Askfirst", 1_600, 2_300, 1.0),
        SAID.words[4],
    )
    assert (found.speaker, found.start_ms, found.end_ms) == ("contact", 1_000, 3_000)


def test_a_word_that_was_added_lies_between_its_neighbours() -> None:
    found = reworded(SAID, "we never use ask first daily indeed")

    assert found.words[1] == Word("never", 1_200, 1_300, 1.0)
    assert found.words[-1] == Word("indeed", 3_000, 3_000, 1.0)


def test_nothing_may_have_been_said_at_all() -> None:
    found = reworded(SAID, "  ")

    assert (found.text, found.words) == ("", ())


def test_an_utterance_without_timed_words_gets_some() -> None:
    found = reworded(Utterance("agent", 0, 900, "yes no"), "yes maybe")

    assert [word.text for word in found.words] == ["yes", "maybe"]
    assert found.words[0] == spread("yes no", 0, 900, 1.0)[0]


@given(TEXTS)
def test_whatever_is_written_lies_within_the_utterance_and_in_order(texts: list[str]) -> None:
    found = reworded(SAID, " ".join(texts))

    assert [word.text for word in found.words] == texts
    times = [at for word in found.words for at in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert all(SAID.start_ms <= at <= SAID.end_ms for at in times)
    assert reworded(found, found.text) == found
