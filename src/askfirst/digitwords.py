"""Digits as they are said and written: "double four", "forty-two", "zweiundvierzig", "4242".

English, Norwegian (both ways of counting) and German. Takes plain words one after the other and
says which of them are digits, which may stand between digits, and which end a number. What the
digits are for is decided in `askfirst.redaction`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache

LANGUAGES = ("en", "nb", "de")
"""Languages whose number words are known; written digits are read in every language."""


class Sort(Enum):
    """What a word, or several together, is to a number."""

    DIGITS = "digits"
    FILLER = "filler"
    CONNECTOR = "connector"
    OTHER = "other"
    BREAK = "break"


@dataclass(frozen=True, slots=True)
class Atom:
    """A plain word and the number of the word it is a part of.

    `ends` is true where punctuation or a pause parts it from the next; `is_measure` where it
    belongs to an amount, a clock time or a date.
    """

    text: str
    word: int
    ends: bool = False
    is_measure: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """One reading of the atoms `first` to `last`: its digits, and how many they could be:
    "forty two" is 42, and may be 40 and 2.
    """

    sort: Sort
    first: int
    last: int
    digits: str = ""
    most: int = 0


@dataclass(frozen=True, slots=True)
class _Numbers:
    """The number words of a language; `values` holds those of two or more digits as well."""

    units: Mapping[str, str]
    values: Mapping[str, int]
    tens: Mapping[str, int]
    hundred: frozenset[str]
    scales: frozenset[str]
    times: Mapping[str, int]
    repeated: Mapping[str, str]
    between: frozenset[str]
    is_unit_first: bool
    is_tens_first: bool
    alike: Mapping[str, str]


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split())


_FILLERS = frozenset(
    _listed(
        """eh ehm er erm uh uhm um hm hmm mm mhm ah aah äh ähm öh öhm øh øhm well so then okay ok
        yes yeah yep right sorry now next again dash hyphen space comma slash let me see altså så
        ja jo okei da nå bindestrek strek mellomrom komma vent nemlig skal vi se also dann genau
        strich bindestrich leerzeichen moment nochmal mal jetzt"""
    )
)
_CONNECTORS = frozenset({"and", "og", "und", "followed", "by", "etter", "danach"})

_EN_UNITS = _listed("zero one two three four five six seven eight nine")
_EN_TEENS = _listed(
    "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
)
_EN_TENS = _listed("twenty thirty forty fifty sixty seventy eighty ninety")
_NB_UNITS = _listed("null en to tre fire fem seks sju åtte ni")
_NB_TEENS = _listed("ti elleve tolv tretten fjorten femten seksten sytten atten nitten")
_NB_TENS = (
    ("tjue", "tyve"),
    ("tretti", "tredve"),
    ("førti", "førr"),
    ("femti",),
    ("seksti",),
    ("sytti",),
    ("åtti",),
    ("nitti",),
)
_DE_UNITS = _listed("null eins zwei drei vier fünf sechs sieben acht neun")
_DE_TEENS = _listed("zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn")
_DE_TENS = _listed("zwanzig dreissig vierzig fünfzig sechzig siebzig achtzig neunzig")


def pieces(atoms: Sequence[Atom], language: str) -> list[Piece]:
    """The readings of words in order, none left out; raises KeyError for an unknown language."""
    numbers, found, at = _numbers(language), [], 0
    while at < len(atoms):
        piece = _number(atoms, at, numbers) or _single(atoms, at, numbers)
        found.append(piece)
        at = piece.last + 1
    return found


def _single(atoms: Sequence[Atom], at: int, numbers: _Numbers) -> Piece:
    text = atoms[at].text
    if atoms[at].is_measure or text in numbers.scales:
        return Piece(Sort.BREAK, at, at)
    if text in numbers.alike and _is_between_digits(atoms, at, numbers):
        return Piece(Sort.DIGITS, at, at, numbers.alike[text], 1)
    if text in _FILLERS:
        return Piece(Sort.FILLER, at, at)
    return Piece(Sort.CONNECTOR if text in _CONNECTORS else Sort.OTHER, at, at)


def _is_between_digits(atoms: Sequence[Atom], at: int, numbers: _Numbers) -> bool:
    """Whether single digits stand on both sides: "four to four two" is 4242."""
    around = [atoms[each].text for each in (at - 1, at + 1) if 0 <= each < len(atoms)]
    return len(around) == 2 and all(
        text in numbers.units or text in numbers.times or (text.isdecimal() and len(text) == 1)
        for text in around
    )


def _number(atoms: Sequence[Atom], at: int, numbers: _Numbers) -> Piece | None:
    atom = atoms[at]
    if atom.is_measure:
        return None
    multiplied = _multiplied(atoms, at, numbers)
    if multiplied is not None:
        return multiplied
    if atom.text.isdecimal():
        return Piece(Sort.DIGITS, at, at, _ascii(atom.text), len(atom.text))
    small = _below_hundred(atoms, at, numbers)
    if small is not None or atom.text in numbers.hundred:
        return _with_hundreds(atoms, at, small, numbers)
    value = numbers.values.get(atom.text)
    return None if value is None else Piece(Sort.DIGITS, at, at, str(value), len(str(value)))


def _multiplied(atoms: Sequence[Atom], at: int, numbers: _Numbers) -> Piece | None:
    """ "double four", "zweimal die Null", "three zeros"."""
    text = atoms[at].text
    after = at + 1
    if text in numbers.times:
        while after < len(atoms) and atoms[after].text in numbers.between:
            after += 1
        digit = _digit(atoms, after, numbers)
        if digit is not None:
            digits = digit * numbers.times[text]
            return Piece(Sort.DIGITS, at, after, digits, len(digits))
    count = _digit(atoms, at, numbers)
    if count is not None and "2" <= count <= "9" and after < len(atoms):
        digit = numbers.repeated.get(atoms[after].text)
        if digit is not None:
            digits = digit * int(count)
            return Piece(Sort.DIGITS, at, after, digits, len(digits))
    return None


def _digit(atoms: Sequence[Atom], at: int, numbers: _Numbers) -> str | None:
    if at >= len(atoms) or atoms[at].is_measure:
        return None
    text = atoms[at].text
    if text.isdecimal() and len(text) == 1:
        return _ascii(text)
    return numbers.units.get(text)


def _below_hundred(atoms: Sequence[Atom], at: int, numbers: _Numbers) -> Piece | None:
    text = atoms[at].text
    if text in numbers.units:
        unit = numbers.units[text]
        if numbers.is_unit_first and unit != "0" and _follows(atoms, at, *numbers.between):
            tens = atoms[at + 2].text if at + 2 < len(atoms) else ""
            if tens in numbers.tens:
                return Piece(Sort.DIGITS, at, at + 2, str(numbers.tens[tens] + int(unit)), 3)
        return Piece(Sort.DIGITS, at, at, unit, 1)
    if text in numbers.tens:
        if numbers.is_tens_first and at + 1 < len(atoms) and not atoms[at].ends:
            unit = numbers.units.get(atoms[at + 1].text, "0")
            if unit != "0":
                joined = atoms[at].word == atoms[at + 1].word
                value = str(numbers.tens[text] + int(unit))
                return Piece(Sort.DIGITS, at, at + 1, value, 2 if joined else 3)
        return Piece(Sort.DIGITS, at, at, str(numbers.tens[text]), 2)
    value = str(numbers.values.get(text, ""))
    return Piece(Sort.DIGITS, at, at, value, len(value)) if value else None


def _with_hundreds(
    atoms: Sequence[Atom], at: int, small: Piece | None, numbers: _Numbers
) -> Piece | None:
    """The number with "hundred" and what follows it, where that is said: "one hundred and five"."""
    if small is None:
        last, count = at, 1
    elif small.last + 1 < len(atoms) and atoms[small.last + 1].text in numbers.hundred:
        last, count = small.last + 1, int(small.digits)
    else:
        return small
    if not count:
        return small
    value, after = count * 100, last + 1
    if after < len(atoms) and atoms[after].text in _CONNECTORS:
        after += 1
    rest = None
    if after < len(atoms) and not atoms[last].ends and not atoms[after].is_measure:
        rest = _below_hundred(atoms, after, numbers)
    if rest is None or rest.digits == "0":
        return Piece(Sort.DIGITS, at, last, str(value), len(str(value)))
    digits = str(value + int(rest.digits))
    return Piece(Sort.DIGITS, at, rest.last, digits, len(digits) + len(rest.digits))


def _follows(atoms: Sequence[Atom], at: int, *texts: str) -> bool:
    return not atoms[at].ends and at + 1 < len(atoms) and atoms[at + 1].text in texts


def _ascii(digits: str) -> str:
    return "".join(str(int(each)) for each in digits)


@cache
def _numbers(language: str) -> _Numbers:
    return {"en": _english, "nb": _norwegian, "de": _german}[language]()


def _english() -> _Numbers:
    units = {word: str(number) for number, word in enumerate(_EN_UNITS)}
    units |= dict.fromkeys(("oh", "o", "nought", "naught", "nil"), "0") | {"niner": "9"}
    tens = {word: 10 * number for number, word in enumerate(_EN_TENS, 2)} | {"fourty": 40}
    return _Numbers(
        units=units,
        values={word: number for number, word in enumerate(_EN_TEENS, 10)},
        tens=tens,
        hundred=frozenset({"hundred", "hundreds"}),
        scales=frozenset({"thousand", "thousands", "million", "millions", "billion", "billions"}),
        times={"double": 2, "triple": 3, "treble": 3, "quadruple": 4},
        repeated={f"{word}s": units[word] for word in _EN_UNITS}
        | {"zeroes": "0", "ohs": "0", "sixes": "6"},
        between=frozenset(),
        is_unit_first=False,
        is_tens_first=True,
        alike={"to": "2", "too": "2", "for": "4", "fore": "4", "ate": "8", "won": "1"},
    )


def _norwegian() -> _Numbers:
    units = {word: str(number) for number, word in enumerate(_NB_UNITS)}
    units |= {"én": "1", "ein": "1", "ett": "1", "syv": "7", "åtta": "8", "nul": "0"}
    tens = {word: 10 * number for number, words in enumerate(_NB_TENS, 2) for word in words}
    values = {word: number for number, word in enumerate(_NB_TEENS, 10)}
    for unit, digit in units.items():
        for ten, value in tens.items():
            if digit != "0":
                values[f"{ten}{unit}"] = values[f"{unit}og{ten}"] = value + int(digit)
    return _Numbers(
        units=units,
        values=values,
        tens=tens,
        hundred=frozenset({"hundre"}),
        scales=frozenset({"tusen", "million", "millioner", "milliard", "milliarder"}),
        times={"dobbel": 2, "dobbelt": 2, "trippel": 3, "trippelt": 3},
        repeated={"nuller": "0", "enere": "1", "toere": "2", "treere": "3", "firere": "4"}
        | {"femmere": "5", "seksere": "6", "sjuere": "7", "syvere": "7", "åttere": "8"}
        | {"niere": "9"},
        between=frozenset({"og"}),
        is_unit_first=True,
        is_tens_first=True,
        alike={"tu": "2", "sekks": "6"},
    )


def _german() -> _Numbers:
    units = {word: str(number) for number, word in enumerate(_DE_UNITS)}
    units |= {"ein": "1", "eine": "1", "zwo": "2", "fuenf": "5"}
    tens = {word: 10 * number for number, word in enumerate(_DE_TENS, 2)}
    tens |= {"fuenfzig": 50, "dreißig": 30}
    values = {word: number for number, word in enumerate(_DE_TEENS, 10)}
    values |= {"zwoelf": 12, "fuenfzehn": 15}
    for unit, digit in units.items():
        for ten, value in tens.items():
            if digit != "0":
                values[f"{unit}und{ten}"] = value + int(digit)
    whole = {**{word: int(digit) for word, digit in units.items()}, **values, **tens}
    for unit, digit in units.items():
        if digit != "0":
            values |= {f"{unit}hundert": int(digit) * 100}
            values |= {f"{unit}hundert{word}": int(digit) * 100 + n for word, n in whole.items()}
    times = {"doppel": 2, "doppelt": 2, "doppelte": 2, "zweimal": 2, "dreimal": 3, "viermal": 4}
    return _Numbers(
        units=units,
        values=values,
        tens=tens,
        hundred=frozenset({"hundert"}),
        scales=frozenset({"tausend", "million", "millionen", "milliarde", "milliarden"}),
        times=times | {"dreifach": 3, "dreifache": 3},
        repeated={"nullen": "0", "einsen": "1", "zweien": "2", "dreien": "3", "vieren": "4"}
        | {"fünfen": "5", "sechsen": "6", "siebenen": "7", "achten": "8", "neunen": "9"},
        between=frozenset({"und", "die"}),
        is_unit_first=True,
        is_tens_first=False,
        alike={"zwein": "2", "vir": "4"},
    )
