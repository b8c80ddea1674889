"""Passwords that many people had are refused, however they were made longer."""

from __future__ import annotations

from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.server.commonpasswords import is_common

KNOWN = ("1qaz2wsx3edc", "123qweasdzxc", "leavemealone", "qazwsxedcrfv", "sonyericsson")


@pytest.mark.parametrize("password", KNOWN)
def test_a_leaked_password_is_common_in_any_case(password: str) -> None:
    assert is_common(password)
    assert is_common(password.upper())


@pytest.mark.parametrize(
    "password",
    [
        "password12345", "!!!Football2026", "Password_1234!", "dragondragon", "qwertyqwerty",
        "monkeymonkeymon", "000000000000", "abababababab", "１２３４５６qwerty",
    ],
)  # fmt: skip
def test_what_was_made_of_a_leaked_one_by_hand_is_common(password: str) -> None:
    assert is_common(password)


@pytest.mark.parametrize(
    "password",
    [
        "a sentence is easy to remember", "kaffe og to skiver brød", "Zx9!mQ2#rT7w",
        "correct horse battery", "ordentlig-langt-passord", "длинное предложение о погоде",
    ],
)  # fmt: skip
def test_a_sentence_and_a_random_one_are_not(password: str) -> None:
    assert not is_common(password)


@given(st.text(max_size=300))
def test_every_text_has_an_answer(password: str) -> None:
    assert is_common(password) in (True, False)


@given(st.text("0123456789!?._-", max_size=20), st.text("0123456789!?._-", max_size=20))
def test_digits_and_signs_at_either_end_do_not_help(begin: str, end: str) -> None:
    assert is_common(f"{begin}football{end}")


def test_the_list_is_small_enough_to_ship() -> None:
    assert len((resources.files("askfirst.server") / "passwords.txt.gz").read_bytes()) <= 100_000
