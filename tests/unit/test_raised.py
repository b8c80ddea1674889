"""Messages of errors are read out of the program's source, whole and with names for values."""

from __future__ import annotations

import ast

import pytest
from tools import raised

ERRORS = frozenset({"InvalidInput", "SignedOut"})


def templates(source: str) -> list[str]:
    """What a module of this source raises."""
    tree = ast.parse(source)
    helpers = raised.helpers_of(tree, ERRORS)
    return [
        text
        for call in raised.calls_in(tree, ERRORS)
        for text in raised.templates_of(call, ERRORS, helpers)
    ]


def test_values_are_named_after_their_expressions() -> None:
    source = 'raise InvalidInput(f"found {len(notes)} of {most!r}; " "expected less")'

    assert templates(source) == ["found {len_notes} of {most}; expected less"]


def test_two_expressions_never_share_a_name() -> None:
    assert templates('raise InvalidInput(f"{a.b} is not {a[b]}, {a.b}")') == [
        "{a_b} is not {a_b_}, {a_b}"
    ]


def test_what_a_function_makes_is_read_where_it_is_called() -> None:
    source = (
        "def wrong(key, found) -> InvalidInput:\n"
        '    return InvalidInput(f"{key!r}: found {found}; mend it")\n'
        'raise wrong("name", f"{len(text)} letters")\n'
        "raise wrong(key, text)\n"
    )

    assert templates(source) == [
        "'name': found {len_text} letters; mend it",
        "{key}: found {found}; mend it",
    ]


@pytest.mark.parametrize(
    "message", ['"a" if b else "c"', '"a" + b', "text", 'f"{a}{b}"', '"a {b}"']
)
def test_a_message_that_is_put_together_otherwise_is_refused(message: str) -> None:
    with pytest.raises(raised.Unreadable):
        templates(f"raise InvalidInput({message})")


def test_another_errors_words_are_read_where_that_one_is_raised() -> None:
    assert templates("raise InvalidInput(str(error))") == []
    assert templates('raise SignedOut(path, "sign in again")') == ["sign in again"]


def test_pairs_of_an_error_and_its_words_are_read_as_text_and_by_name() -> None:
    source = (
        '_WHY = "not " "known"\n'
        'TABLE = {1: (Refused, _WHY), 2: (InvalidInput, "wrong")}\n'
        'OTHERS = {3: (other, "else"), 4: ("a", "b"), 5: (Refused, unknown)}\n'
        'def found():\n    return Refused, "last"\n'
    )
    errors = frozenset({"Refused", "InvalidInput"})

    found = {text for text, _ in raised.tabled(ast.parse(source), errors)}

    assert found == {"not known", "wrong", "last"}
