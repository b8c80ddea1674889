"""Papers as PDF: every letter is there, nothing typed is markup, and equal papers are equal."""

from __future__ import annotations

import re
import zlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.errors import InvalidInput
from askfirst.server.paper import Fact, Paper, Section, Table, pdf, plain

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOSTILE = (
    '#import "/etc/passwd": *',
    "#panic()",
    "*bold* _it_ `code` $x$ = heading @label <label>",
    "\\ \\u{41} // no comment",
    '"], "x": [',
    "]) #set page(width: 1pt)",
)


def paper(*paragraphs: str, language: str = "en") -> Paper:
    return Paper(
        "Certificate",
        language,
        AT,
        (Fact("Call", "call_1", is_code=True),),
        (Section("Words", (Fact("Name", "–"),), paragraphs, (), (Table(["A"], [["b"]]),)),),
        "Not legal advice.",
    )


def letters(data: bytes) -> str:
    """The letters that a reader finds in a PDF, through the maps of its fonts."""
    found = []
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL):
        try:
            text = zlib.decompress(stream)
        except zlib.error:
            continue
        for block in re.findall(rb"beginbf(?:char|range)(.*?)endbf", text, re.DOTALL):
            for code in re.findall(rb"<([0-9a-fA-F]{4,8})>\s*\n", block + b"\n"):
                found.append(bytes.fromhex(code.decode()).decode("utf-16-be", "replace"))
    return "".join(found)


@pytest.mark.parametrize("text", ["ÆØÅæøå", "ÄÖÜßäöü", "ĄĆĘŁŃÓŚŹŻąćęłńóśźż", "ЖЩЫЭЮЯжщыэюя"])
def test_letters_of_europe_are_in_the_fonts(text: str) -> None:
    assert set(text) <= set(letters(pdf(paper(text))))


def test_what_people_typed_is_text_and_never_markup() -> None:
    made = pdf(paper(*HOSTILE))

    assert made.startswith(b"%PDF-")
    assert set('#*_`$=@<>\\"[]') <= set(letters(made))


@pytest.mark.parametrize(
    "text", ["a\x00b\x1bc", "\ud800", "x" * 10_000, "\u202eabc", "日本語", "😀"]
)
def test_odd_text_makes_a_paper_all_the_same(text: str) -> None:
    assert pdf(paper(text)).startswith(b"%PDF-")


def test_ten_thousand_letters_without_a_space_stay_on_the_pages() -> None:
    wide = pdf(replace(paper("x" * 10_000), facts=(Fact("f" * 10_000, "y" * 10_000),)))

    assert len(re.findall(rb"/Type\s*/Page\b", wide)) > 3


def test_equal_papers_are_equal_bytes_with_the_time_they_were_given() -> None:
    assert pdf(paper("a")) == pdf(paper("a"))
    assert b"20261124120000" in pdf(paper("a"))


def test_a_paper_is_tagged_with_its_title_and_language() -> None:
    made = pdf(paper("ord", language="nb"))

    assert b"/StructTreeRoot" in made
    assert b"/Lang(nb)" in made
    assert b"Certificate" in made


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidInput, match="zone"):
        pdf(replace(paper(), made_at=datetime(2026, 1, 1)))  # noqa: DTZ001 - what is refused


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidInput, match="another length"):
        Table(["a", "b"], [["only one"]])


def test_too_long_a_paper_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at most"):
        pdf(paper("a " * 1_500_000))


@settings(max_examples=200)
@given(st.text())
def test_nothing_unprintable_is_left(text: str) -> None:
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e]", plain(text))
