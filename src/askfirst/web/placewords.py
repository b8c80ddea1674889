"""Names of places in the language of the pages."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from babel import Locale

from askfirst.rules import Rulebook
from askfirst.server.contactcard import countries


@cache
def ruled_places(rules: Rulebook, language: str) -> Mapping[str, str]:
    """Every place with a rule file that somebody may be in, by code."""
    return {
        file.code: file.name.get(language, file.name["en"])
        for file in rules.jurisdictions.values()
        if file.kind not in ("layer", "pseudo")
    }


@cache
def every_place(rules: Rulebook, language: str) -> Mapping[str, str]:
    """Every place that somebody may be in, by code: those of rule files and every country."""
    territories = Locale.parse(language).territories
    found = {code: str(territories[code]) for code in countries() if code in territories}
    return {**found, **ruled_places(rules, language)}


def by_name(places: Mapping[str, str]) -> list[tuple[str, str]]:
    """Codes and names in the order of the names."""
    return sorted(places.items(), key=lambda place: place[1])
