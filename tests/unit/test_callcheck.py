"""A recorded call is checked over both sides: who replied what and when, and what was not said."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from askfirst import hearing, lexicon
from askfirst.callcheck import CallCheck, check_call
from askfirst.model import Element, Utterance, Verdict
from askfirst.rules import packaged

REQUIRED = frozenset({Element.INTENT_TO_RECORD, Element.PURPOSE, Element.RIGHT_TO_OBJECT})
NOTICE = "this call is recorded for training is that okay with you"


def said(*lines: tuple[str, int, str]) -> list[Utterance]:
    return [Utterance(who, at, at + 2_000, text) for who, at, text in lines]


def found(*lines: tuple[str, int, str], needed: bool = True, language: str = "en") -> CallCheck:
    return check_call(
        said(*lines),
        required=REQUIRED,
        language=language,
        first_contact_frame_ms=9_000,
        needed=needed,
        rules=packaged(),
    )


def test_it_says_when_it_was_said_beside_the_first_sound_of_the_contact_and_what_is_missing() -> (
    None
):
    check = found(("agent", 4_000, NOTICE), ("contact", 6_500, "yes that's fine"))

    assert (check.at_ms, check.until_ms, check.delay_ms) == (4_000, 6_000, -5_000)
    assert check.heard == {Element.INTENT_TO_RECORD, Element.PURPOSE}
    assert check.missing == {Element.RIGHT_TO_OBJECT}
    assert check.verdict is Verdict.PARTLY


def test_the_answer_is_the_first_reply_after_the_notice() -> None:
    check = found(
        ("contact", 1_000, "I do not want to be recorded"),
        ("agent", 4_000, NOTICE),
        ("contact", 6_500, "yes that's fine"),
        ("contact", 60_000, "please stop recording now"),
    )

    assert check.answer is not None
    assert (check.answer.label, check.answer.from_ms, check.answer.is_certain) == (
        "consent",
        6_500,
        True,
    )
    assert [(each.from_ms, each.kind) for each in check.objections][-1] == (60_000, "withdraw")
    assert len(check.objections) == 2


def test_a_no_is_no_reply_to_what_was_said_long_before() -> None:
    check = found(("agent", 4_000, NOTICE), ("contact", 60_000, "no"))

    assert check.replies == ()
    assert check.answer is None


def test_the_places_are_the_contacts_own() -> None:
    check = found(
        ("agent", 4_000, "I'm in Paris today"),
        ("contact", 7_000, "and I'm in Sweden"),
    )

    assert [each.code for each in check.places] == ["SE"]


@pytest.mark.parametrize("language", ["fr", "sv"])
def test_a_language_that_is_not_understood_has_a_verdict_and_no_replies(language: str) -> None:
    check = found(("agent", 1, NOTICE), ("contact", 3_000, "no"), language=language)

    assert (check.verdict, check.replies) == (Verdict.CANNOT_TELL, ())


def test_where_nothing_is_owed_nothing_is_missing() -> None:
    check = found(("agent", 4_000, "hello"), needed=False)

    assert (check.verdict, check.missing) == (Verdict.NOT_NEEDED, frozenset())


def test_other_words_need_another_version() -> None:
    """Whoever changes words or order raises VERSION and writes the new digest here."""
    package = Path(lexicon.__file__).parent
    parts = ("texts/hearing.toml", "hearing.py", "replies.py")
    digest = hashlib.sha256(b"".join((package / each).read_bytes() for each in parts)).hexdigest()

    assert (hearing.VERSION, digest[:16]) == (2, "f3b33f5d01e0bc05")
