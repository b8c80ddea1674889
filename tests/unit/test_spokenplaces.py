"""Where somebody says to be: plain statements only, in three languages."""

from __future__ import annotations

import pytest

from askfirst.model import Utterance
from askfirst.rules import packaged
from askfirst.spokenplaces import Named, codes_said, places_named


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("I'm in Paris right now.", ("FR",)),
        ("Well, I’m in Paris.", ("FR",)),
        ("Sorry, I am currently in the UK, can you call later?", ("GB",)),
        ("Sorry, I am currently in the UK.", ("GB",)),
        ("I am calling from New York.", ("US-NY",)),
        ("We're in California", ("US-CA",)),
        ("I'm in Georgia", ("GE", "US-GA")),
        ("Jeg er i Sverige nå", ("SE",)),
        ("Jeg sitter i Tyskland.", ("DE",)),
        ("Ich bin in Wien.", ("AT",)),
        ("Ich bin gerade in der Schweiz", ("CH",)),
        ("Ich rufe aus den Niederlanden an", ("NL",)),
    ],
)
def test_a_plain_statement_names_its_place(text: str, codes: tuple[str, ...]) -> None:
    assert codes_said(text, packaged()) == codes


@pytest.mark.parametrize(
    "text",
    [
        "If I am in Paris I will tell you.",
        "Call me when I'm in Paris.",
        "I'm not in Paris.",
        "I'm in Paris next week.",
        "I was in Paris.",
        "Am I in Paris?",
        "I'm in Paris?",
        "I'm in touch with them.",
        "I'm in nice company",
        "Paris is beautiful.",
        "My boss is in Paris.",
        "Hvis jeg er i Sverige",
        "Jeg er i Sverige neste uke",
        "Wenn ich in Wien bin",
        "",
    ],
)
def test_what_is_no_plain_statement_about_now_names_nothing(text: str) -> None:
    assert codes_said(text, packaged()) == ()


def test_each_place_counts_once_and_only_what_the_speaker_said() -> None:
    said = [
        Utterance("agent", 0, 900, "I'm in Oslo."),
        Utterance("contact", 1000, 2000, "I'm in Paris."),
        Utterance("contact", 3000, 4000, "As I said, I'm in Paris."),
    ]

    assert places_named(said, "contact", packaged()) == [Named("FR", 1000, 2000)]
