"""Places as people write them in tables, in English and Norwegian: names, codes, short states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from babel import Locale

from askfirst.rules import packaged
from askfirst.server.contactcard import countries, folded

LANGUAGES = ("en", "nb")
# ISO 3166 keeps this code free for the United Kingdom, because everybody writes it.
_RESERVED = {"uk": "GB"}


def codes_of_names(places: Sequence[str], states: Sequence[str] = ()) -> tuple[str, ...]:
    """The codes that names or codes of one person's places mean; empty for those of none.

    Next to a country its states may be short (US and CA are California), and a country goes where
    its state is known. What may be several places is all of them: places only add.
    """
    named = [_named(text) for text in places]
    around = {code for codes in named if len(codes) == 1 for code in codes if "-" not in code}
    found: set[str] = set()
    for text, codes in zip(places, named, strict=True):
        inside = {code for code in codes if code.partition("-")[0] in around and "-" in code}
        found |= _short(text, around) or inside or codes
    for text in states:
        codes = frozenset(code for code in _named(text) if "-" in code)
        short = _short(text, None) or codes
        found |= {code for code in short if not around or code.partition("-")[0] in around}
    narrow = {code.partition("-")[0] for code in found if "-" in code}
    return tuple(sorted(code for code in found if "-" in code or code not in narrow))


def _named(text: str) -> frozenset[str]:
    code = text.upper()
    if code in countries() or ("-" in code and code in packaged().jurisdictions):
        return frozenset({code})
    return _gazetteer().get(folded(text).strip(), frozenset())


def _short(text: str, around: set[str] | None) -> set[str]:
    """Codes of states whose second part is the text, in these countries or in any."""
    return {
        code
        for code in packaged().jurisdictions
        for country, _, state in (code.partition("-"),)
        if state == text.upper() and state and (around is None or country in around)
    }


@cache
def _gazetteer() -> Mapping[str, frozenset[str]]:
    found = {name: {code} for name, code in _RESERVED.items()}
    for language in LANGUAGES:
        for code, name in Locale(language).territories.items():
            if code in countries():
                found.setdefault(folded(str(name)), set()).add(str(code))
    for code, file in packaged().jurisdictions.items():
        if code in countries() or "-" in code:
            for name in file.name.values():
                found.setdefault(folded(name), set()).add(code)
    return {name: frozenset(codes) for name, codes in found.items()}
