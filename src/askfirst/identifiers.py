"""Addresses and numbers with letters in them: e-mail, IBAN, national insurance numbers.

Written or spelled out. Checksums are not asked for: recognisers lose digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from askfirst.digitwords import Atom, Piece, Sort
from askfirst.spoken import SpokenWord

_WRITTEN = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_DOMAIN = re.compile(r"[\w-]+(?:\.[\w-]+)*\.[a-z]{2,10}[.,;:!?]*", re.IGNORECASE)
_AT_SURELY = frozenset({"krøllalfa", "alfakrøll", "snabela", "klammeraffe", "affenschwanz", "ät"})
_AT_PERHAPS = frozenset({"at", "ætt", "ett", "et"})
_DOTS = frozenset({"dot", "punktum", "prikk", "punkt", "point"})
_JOINING = _DOTS | {
    *("dash", "hyphen", "minus", "underscore", "understrek", "bindestrek", "strek"),
    *("bindestrich", "unterstrich", "plus", "pluss", "strich"),
}
_TOP_LEVEL = frozenset(
    {"com", "org", "net", "info", "biz", "edu", "gov", "no", "se", "dk", "fi", "is", "de", "at"}
    | {"ch", "fr", "es", "it", "nl", "be", "pl", "uk", "ie", "eu", "us", "ca", "io", "ai", "app"}
)
_LONGEST_PART = 12
"""Words of one side of a spoken address, at most."""

_COUNTRIES = (
    "AD|AE|AL|AT|AZ|BA|BE|BG|BH|BR|BY|CH|CR|CY|CZ|DE|DK|DO|EE|EG|ES|FI|FO|FR|GB|GE|GI|GL|GR|GT|HR"
    "|HU|IE|IL|IQ|IS|IT|JO|KW|KZ|LB|LC|LI|LT|LU|LV|LY|MC|MD|ME|MK|MR|MT|MU|NL|NO|OM|PK|PL|PS|PT|QA"
    "|RO|RS|RU|SA|SC|SE|SI|SK|SM|ST|SV|TL|TN|TR|UA|VA|VG|XK"
)
_IBAN = re.compile(rf"(?:{_COUNTRIES})[\dO]{{2}}[A-Z0-9]{{10,30}}")
"""ISO 13616: country, two check digits, up to 30 letters and digits; the shortest has 15 in all."""

_INSURANCE = re.compile(r"[A-Z]{2}\d{6}[A-D]|\d{8}[A-Z]\d{3}")
"""The British national insurance number, and the German one."""

_FEWEST_IBAN_DIGITS = 8
_LONGEST_CAPITALS = 4


def addresses(words: Sequence[SpokenWord]) -> list[tuple[int, int]]:
    """Where e-mail addresses stand among one speaker's words: first word and last."""
    found = []
    for at, word in enumerate(words):
        if _WRITTEN.search(word.text):
            found.append((at, at))
        elif _is_at(word, _AT_SURELY) or word.text.strip(".,") == "@":
            last = _domain(words, at + 1, is_sure=True)
            found.append((_local(words, at), at if last is None else last))
        elif _is_at(word, _AT_PERHAPS):
            last = _domain(words, at + 1, is_sure=False)
            if last is not None and at:
                found.append((_local(words, at), last))
    return found


Code = tuple[str, Sequence[Piece]]
"""Letters and digits without a word between, and the piece that each one comes from."""


def ibans(every: Iterable[Code]) -> list[range]:
    """Which atoms are account numbers."""
    return [
        span
        for text, span in _matches(_IBAN, every)
        if sum(each.isdigit() for each in text) >= _FEWEST_IBAN_DIGITS
    ]


def insurances(every: Iterable[Code]) -> list[range]:
    """Which atoms are national insurance numbers with a letter in them."""
    return [span for _, span in _matches(_INSURANCE, every)]


def codes(atoms: Sequence[Atom], read: Sequence[Piece], raw: Sequence[str]) -> list[Code]:
    """All that may be a code; `raw` is each atom's word as it was written."""
    found: list[Code] = []
    code, places = "", list[Piece]()
    for piece in read:
        text = atoms[piece.first].text
        is_letter = text == "o"  # said for a zero too, and the letter of Norway
        letters = "O" if is_letter else piece.digits or _letters(text, raw[piece.first])
        if letters:
            code += letters
            places += [piece] * len(letters)
        elif piece.sort is not Sort.FILLER and code:
            found.append((code, places))
            code, places = "", []
    if code:
        found.append((code, places))
    return found


def _matches(pattern: re.Pattern[str], every: Iterable[Code]) -> Iterator[tuple[str, range]]:
    for code, places in every:
        for match in pattern.finditer(code):
            first, last = places[match.start()], places[match.end() - 1]
            yield match.group(), range(first.first, last.last + 1)


def _letters(text: str, raw: str) -> str:
    """What an atom gives to a code: a letter, a few capitals, or letters with digits."""
    is_mixed = any(each.isdigit() for each in text) and text.isascii()
    is_capitals = len(text) <= _LONGEST_CAPITALS and text.upper() in raw and text.isascii()
    return text.upper() if is_mixed or is_capitals or len(text) == 1 else ""


def _is_at(word: SpokenWord, names: frozenset[str]) -> bool:
    return "".join(word.plain) in names


def _is(word: SpokenWord, names: frozenset[str]) -> bool:
    return len(word.plain) == 1 and word.plain[0] in names


def _domain(words: Sequence[SpokenWord], first: int, *, is_sure: bool) -> int | None:
    """The last word of a domain from `first` on; None where none is found there."""
    last, is_after_joint = None, True
    for at in range(first, min(first + _LONGEST_PART, len(words))):
        word = words[at]
        if _DOMAIN.fullmatch(word.text):
            return at
        if _is(word, _JOINING):
            is_after_joint = True
            continue
        if not is_after_joint:
            break
        is_ending = at > first and _is(words[at - 1], _DOTS)
        if (is_ending and _is(word, _TOP_LEVEL)) or is_sure:
            last = at
        is_after_joint = False
    return last


def _local(words: Sequence[SpokenWord], at: int) -> int:
    """The first word of what stands before the sign at `at`."""
    first, left = max(0, at - 1), _LONGEST_PART
    while first > 0 and left:
        before, here = words[first - 1], words[first]
        is_joined = _is(before, _JOINING) or _is(here, _JOINING)
        is_spelled = _is_letter(before) and _is_letter(here)
        if not (is_joined or is_spelled):
            break
        first, left = first - 1, left - 1
    return first


def _is_letter(word: SpokenWord) -> bool:
    return len("".join(word.plain)) == 1
