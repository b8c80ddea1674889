"""Errors in Norwegian: known by their English, filled with what was found, unknown ones as is."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.errors import AskfirstError, InvalidRequest
from askfirst.telephony.twilioerrors import BY_CODE, BY_STATUS, meaning
from askfirst.web import errorwords, words
from askfirst.web.errorwords import LONGEST, NAMES, Template, in_words

PLACEHOLDER = re.compile(r"\{(\w+)\}")
TEMPLATES = sorted(words.errors("nb"))
SPECIFIC = [each for each in TEMPLATES if sum(map(len, PLACEHOLDER.split(each)[::2])) > 25]


def filled(template: str, values: list[str]) -> str:
    """A template whose placeholders have these values, in order of their first standing."""
    names = list(dict.fromkeys(PLACEHOLDER.findall(template)))
    known = dict(zip(names, values, strict=False))
    return PLACEHOLDER.sub(lambda name: known[name[1]], template)


def said(template: str, values: list[str]) -> str:
    """The translation of a template, filled with what fills the template."""
    names = list(dict.fromkeys(PLACEHOLDER.findall(template)))
    known = dict(zip(names, values, strict=False))
    return PLACEHOLDER.sub(lambda name: known[name[1]], words.errors("nb")[template])


def test_an_error_is_said_with_its_own_values() -> None:
    error = InvalidRequest("retention_days is '0'; expected 1 to 3650 days", key="retention_days")

    assert in_words(error, "nb") == "dager opptak lagres er '0'; skal være 1 til 3650 dager"
    assert in_words(error, "en") == str(error)


@pytest.mark.parametrize(
    ("english", "norwegian"),
    [
        ("x is 'y'; expected true or false", "x er 'y'; skal være true eller false"),
        ("x is 'y'; expected red or blue", "x er 'y'; skal være red or blue"),
        ("recording rec_1 is erased and cannot be played",
         "opptaket rec_1 kan ikke spilles av; tilstanden er: slettet"),
        ("recording rec_1 is erased; there is nothing left to hold",
         "opptaket rec_1 er slettet; det er ingenting igjen å sperre"),
    ],
)  # fmt: skip
def test_what_is_specific_beats_what_is_general(english: str, norwegian: str) -> None:
    assert in_words(english, "nb") == norwegian


@pytest.mark.parametrize(
    "value",
    ["{email}", "{0}", "%s %(n)s", r"\1 \g<1>", "(.*)+$[", "<b>", "", "a\nb", "'; expected "],
)  # fmt: skip
def test_a_hostile_value_comes_back_as_it_is(value: str) -> None:
    found = in_words(f"somebody has the address {value} already; change that person instead", "nb")

    assert found == f"noen har allerede adressen {value}; endre den personen i stedet"


def test_a_long_text_stays_english_and_costs_nothing() -> None:
    hostile = "x is " + "; expected " * 100_000
    began = time.perf_counter()

    assert in_words(hostile, "nb") == hostile
    for _ in range(50):
        in_words("x is " + "; expected " * ((LONGEST - 20) // 11), "nb")
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("text", ["", "something else", "Not Found!", "{key}", "x is"])
def test_an_unknown_text_is_shown_unchanged(text: str) -> None:
    assert in_words(text, "nb") == text


def test_a_message_within_a_message_is_said_too_and_no_deeper(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outer = Template.of("it failed: {error}; mend it", "det gikk galt: {error}; rett det")
    inner = Template.of("no role", "ingen rolle")
    monkeypatch.setattr(errorwords, "_templates", lambda language: (outer, inner))

    assert in_words("it failed: no role; mend it", "nb") == "det gikk galt: ingen rolle; rett det"
    twice = in_words("it failed: it failed: no role; mend it; mend it", "nb")
    assert twice == "det gikk galt: det gikk galt: no role; rett det; rett det"


def test_a_name_that_stands_twice_has_one_value() -> None:
    assert Template.of("{a} and {a}", "").values("x and x") == {"a": "x"}
    assert Template.of("{a} and {a}", "").values("x and y") is None


@given(
    st.sampled_from(SPECIFIC),
    st.lists(
        st.text("abcxyzÆØå0123456789_+{}%\\.*", min_size=1, max_size=12), min_size=9, max_size=9
    ),
)
def test_every_message_is_filled_in_norwegian_with_the_same_values(
    template: str, values: list[str]
) -> None:
    values = [f"{value}z" if value in NAMES else value for value in values]
    english = filled(template, values)
    # Two messages that differ in the names of their values alone are said alike.
    alike = {
        each for each in TEMPLATES if PLACEHOLDER.sub("{}", each) == PLACEHOLDER.sub("{}", template)
    }
    found = in_words(english, "nb")

    assert found in {said(each, values) for each in alike}


def test_no_message_is_so_general_that_anything_fits_it() -> None:
    for template in TEMPLATES:
        literals = "".join(PLACEHOLDER.split(template)[::2])
        assert len(re.findall("[a-z]", literals, re.IGNORECASE)) >= 6, template


REFUSALS = [*(meaning(400, each) for each in BY_CODE), *map(meaning, (*BY_STATUS, 503, 302))]


@pytest.mark.parametrize("error", REFUSALS, ids=str)
def test_what_twilio_refuses_is_said_in_norwegian_with_its_code(error: AskfirstError) -> None:
    said, english = in_words(error, "nb"), str(error)

    assert said.partition(" (status")[0] != english.partition(" (status")[0]
    assert said.endswith(english[english.rindex(" (status") :])
