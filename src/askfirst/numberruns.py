"""Which digits of a conversation belong together: the runs of each speaker, across utterances.

Pure reading of words and times; what a run means is said in `askfirst.redaction`.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from askfirst.digitwords import Atom, Piece, Sort, pieces
from askfirst.model import Utterance
from askfirst.spoken import SpokenWord, plain, words_of

CARD_DIGITS = 10
"""From how many digits on a run is card-like (measured: recognisers lose and add some)."""

_CARD_DIGITS_WITH_AND = 13
"""From how many where "and" joins its parts, as it joins lists of other numbers."""

_PART_MS = 300
"""A pause that parts "forty" from "two"."""

_LONGEST_GAP_MS = 15_000
_MOST_FILLERS = 8
_MOST_LISTENING = 6
_MOST_WORDS_ASKED = 12
"""Words of any kind between parts of a number, on each side, once a card was asked for."""

_ASKED_MS = 90_000
"""For how long after a card was asked for digits that stand apart belong together."""

_MEASURE = re.compile(
    r"[$€£¥%°‰]|\d[:]\d\d|^\W*(?:(?:0?[1-9]|[12]\d|3[01])[./-](?:0?[1-9]|1[0-2])[./-](?:19|20)\d\d"
    r"|(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01]))\W*$"
)
"""An amount with its sign, a clock time, a date."""

_ENDS = re.compile(r"[,.;:!?)…]$")
_YEAR = re.compile(r"(?:19|20)\d\d")
_LONGEST_TELEPHONE = 13
"""Digits after a plus that are a telephone number and no card."""

_CUES: Mapping[str, re.Pattern[str]] = {
    name: re.compile(rf"(?<!\w)(?:{words})(?!\w)")
    for name, words in {
        "card": (
            r"(?:card|account|long) number|number (?:on|of) (?:the|your) card|credit card"
            r"|debit card|bank card|kortnummer(?:et)?|kontonummer(?:et)?|kredittkort\w*"
            r"|bankkort\w*|betalingskort\w*|kartennummer|kreditkarte\w*|kontonummer|bankkarte\w*"
        ),
        "code": (
            r"cvc\d?|cvv\d?|security code|verification code|(?:three|3|four|4) digits"
            r"|back of (?:the|your) card|sikkerhetskode\w*|kontrollkode\w*|kontrollsiffer\w*"
            r"|(?:tre|3|fire) (?:siste )?(?:siffer|sifre|tall)\w*|baksiden av kortet"
            r"|prüfnummer|prüfziffer\w*|sicherheitscode|kartenprüfnummer"
            r"|(?:drei|3|vier) (?:ziffern|stellen)|rückseite"
        ),
        "expiry": (
            r"expir\w+|valid (?:until|thru|through|to)|utløp\w*|gyldig (?:til|ut)|ablaufdatum"
            r"|gültig bis|läuft \w*ab|gültigkeit\w*"
        ),
        "national": (
            r"social security(?: number)?|ssn|national insurance|national id\w*|identity number"
            r"|fødselsnummer\w*|personnummer\w*|d nummer\w*|cpr(?: n\w+)?|fødsels og personnummer"
            r"|steuer id\w*|steueridentifikationsnummer|steuernummer|identifikationsnummer"
            r"|rentenversicherungsnummer|sozialversicherungsnummer|personalausweis\w*"
        ),
    }.items()
}


@dataclass(frozen=True, slots=True)
class Speech:
    """All that one speaker says, in order; `places` names utterance and word of each word."""

    speaker: str
    words: Sequence[SpokenWord]
    places: Sequence[tuple[int, int]]
    atoms: Sequence[Atom]
    pieces: Sequence[Piece]
    masks: Sequence[int] = field(repr=False)
    talk_ms: Sequence[int] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Digits without another word between; `parts` as they were grouped.

    `joint` is how it hangs together with the chunk before: "" not at all, "and", or "asked" where
    that counts only once a card was asked for.
    """

    parts: tuple[str, ...]
    most: int
    first_word: int
    last_word: int
    start_ms: int
    end_ms: int
    joint: str
    is_telephone: bool
    is_written: bool

    @property
    def digits(self) -> str:
        """The digits as one text."""
        return "".join(self.parts)


@dataclass(frozen=True, slots=True)
class Line:
    """All that one speaker says, in order; `places` names utterance and word of each word.

    `own` are its atoms in the language of the call; `foreign` are those where it is read as another
    language, of which words that are common elsewhere are no digits. `masks` are the times of what
    was taken out.
    """

    words: Sequence[SpokenWord]
    places: Sequence[tuple[int, int]]
    own: Sequence[Atom]
    foreign: Sequence[Atom]
    masks: Sequence[int] = field(repr=False)


def lines(said: Sequence[Utterance], mask: str) -> dict[str, Line]:
    """The line of each speaker, across all utterances; `mask` stands for what was taken out."""
    found: dict[str, list[tuple[tuple[int, int], SpokenWord]]] = {}
    for number in sorted(range(len(said)), key=lambda at: (said[at].start_ms, said[at].end_ms, at)):
        own = found.setdefault(said[number].speaker, [])
        own += [((number, at), word) for at, word in enumerate(words_of(said[number]))]
    return {
        speaker: _line([word for _, word in own], [place for place, _ in own], mask)
        for speaker, own in found.items()
    }


def heard(every: Mapping[str, Line], language: str, *, is_own: bool) -> list[Speech]:
    """What each speaker says, read as numbers of a language, that of the call where `is_own`."""
    found = []
    for speaker, line in every.items():
        atoms = line.own if is_own else line.foreign
        read = pieces(atoms, language)
        talk_ms = sorted(
            line.words[atoms[piece.first].word].start_ms
            for piece in read
            if piece.sort is not Sort.DIGITS
        )
        found.append(Speech(speaker, line.words, line.places, atoms, read, line.masks, talk_ms))
    return found


def _line(words: Sequence[SpokenWord], places: Sequence[tuple[int, int]], mask: str) -> Line:
    atoms: list[Atom] = []
    for at, word in enumerate(words):
        follows = words[at + 1] if at + 1 < len(words) else None
        is_parted = (
            follows is None
            or places[at][0] != places[at + 1][0]
            or follows.start_ms - word.end_ms >= _PART_MS
            or _ENDS.search(word.text) is not None
        )
        is_measure = _MEASURE.search(word.text) is not None or mask in word.text
        texts = word.plain or (("",) if is_measure else ())
        for number, text in enumerate(texts):
            atoms.append(Atom(text, at, is_parted and number == len(texts) - 1, is_measure))
    foreign = [
        replace(atom, text=f"{atom.text}'") if atom.text in _COMMON_ELSEWHERE else atom
        for atom in atoms
    ]
    masks = sorted(word.start_ms for word in words if mask in word.text)
    return Line(words, places, atoms, foreign, masks)


_COMMON_ELSEWHERE = frozenset({"to", "for", "o", "oh", "en", "ein", "eine", "ett", "ti", "elf"})


def chunks(speech: Speech, speeches: Sequence[Speech]) -> list[Chunk]:
    """The digits of a speaker, put together where nothing but hesitation parts them."""
    others = [each for each in speeches if each.speaker != speech.speaker]
    groups: list[list[Piece]] = []
    joints: list[str] = []
    between: list[Piece] = []
    for piece in speech.pieces:
        if piece.sort is not Sort.DIGITS:
            between.append(piece)
            continue
        joint = _joint(speech, groups[-1][-1], piece, between, others) if groups else ""
        if joint == "next":
            groups[-1].append(piece)
        else:
            groups.append([piece])
            joints.append(joint)
        between = []
    return [_chunk(speech, group, joint) for group, joint in zip(groups, joints, strict=True)]


def _joint(
    speech: Speech,
    before: Piece,
    after: Piece,
    between: Sequence[Piece],
    others: Sequence[Speech],
) -> str:
    ended = speech.words[speech.atoms[before.last].word]
    begun = speech.words[speech.atoms[after.first].word]
    if any(piece.sort is Sort.BREAK for piece in between):
        return ""
    if _count(others, ended.start_ms, begun.start_ms, of_masks=True):
        return ""
    if begun.start_ms - ended.end_ms > _LONGEST_GAP_MS:
        return ""
    listening = _count(others, ended.start_ms, begun.start_ms, of_masks=False)
    if len(between) > _MOST_WORDS_ASKED or listening > _MOST_WORDS_ASKED:
        return ""
    is_short = len(between) <= _MOST_FILLERS and listening <= _MOST_LISTENING
    if not is_short or any(piece.sort is Sort.OTHER for piece in between):
        return "asked"
    return "and" if any(piece.sort is Sort.CONNECTOR for piece in between) else "next"


def _count(others: Sequence[Speech], from_ms: int, to_ms: int, *, of_masks: bool) -> int:
    times = [each.masks if of_masks else each.talk_ms for each in others]
    return sum(bisect_left(each, to_ms) - bisect_right(each, from_ms - 1) for each in times)


def _chunk(speech: Speech, group: Sequence[Piece], joint: str) -> Chunk:
    first, last = speech.atoms[group[0].first], speech.atoms[group[-1].last]
    words = speech.words[first.word : last.word + 1]
    texts = [speech.atoms[piece.first].text for piece in group]
    return Chunk(
        parts=tuple(piece.digits for piece in group),
        most=sum(piece.most for piece in group),
        first_word=first.word,
        last_word=last.word,
        start_ms=words[0].start_ms,
        end_ms=max(word.end_ms for word in words),
        joint=joint,
        is_telephone=_follows_plus(speech, group[0].first),
        is_written=all(text.isdecimal() for text in texts),
    )


def _follows_plus(speech: Speech, atom: int) -> bool:
    word = speech.words[speech.atoms[atom].word]
    if word.text.lstrip("(").startswith("+"):
        return True
    return atom > 0 and speech.atoms[atom - 1].text in ("plus", "pluss")


def long_runs(every: Sequence[Chunk], asked_ms: Sequence[int]) -> Iterator[list[Chunk]]:
    """The chunks that are card-like, alone or together."""
    left: set[int] = set()
    for group in _grouped([each for each in every if not _is_harmless(each)], "and"):
        is_one = len(group) == 1 or not all(map(_is_years, group))
        if is_one and _is_long(group, _CARD_DIGITS_WITH_AND if len(group) > 1 else CARD_DIGITS):
            yield group
            continue
        own = [each for each in group if _is_long([each], CARD_DIGITS)]
        yield from ([each] for each in own)
        left.update(each.first_word for each in group if each not in own)
    for group in _grouped(every, "and", "asked"):
        open_ = [each for each in group if each.first_word in left and len(each.digits) > 1]
        if _is_long(open_, CARD_DIGITS) and _is_asked(open_, asked_ms):
            yield open_


def _grouped(every: Sequence[Chunk], *joints: str) -> list[list[Chunk]]:
    groups: list[list[Chunk]] = []
    before: Chunk | None = None
    for each in every:
        if before is not None and each.joint in joints:
            groups[-1].append(each)
        else:
            groups.append([each])
        before = each
    return groups


def _is_long(group: Sequence[Chunk], digits: int) -> bool:
    """Whether there are enough digits, as they may be meant, and at most one fewer as read."""
    surely = sum(len(each.digits) for each in group)
    return sum(each.most for each in group) >= digits and surely >= digits - 1


def _is_harmless(chunk: Chunk) -> bool:
    return (chunk.is_telephone and len(chunk.digits) <= _LONGEST_TELEPHONE) or (
        _is_years(chunk) and len(chunk.parts) > 1
    )


def _is_years(chunk: Chunk) -> bool:
    return chunk.is_written and all(_YEAR.fullmatch(part) for part in chunk.parts)


def _is_asked(group: Sequence[Chunk], asked_ms: Sequence[int]) -> bool:
    at = bisect_left(asked_ms, group[0].start_ms - _ASKED_MS)
    return at < len(asked_ms) and asked_ms[at] <= group[-1].end_ms


def is_birth_number(digits: str) -> bool:
    """Whether digits may be a person's number of a Nordic country: a day of birth is in front.

    Norway 11 digits with the variants for D-numbers and synthetic people, Denmark 10, Sweden 10
    or 12. Control digits are not asked for.
    """
    if len(digits) == 12 and digits[:2] in ("19", "20"):
        digits = digits[2:]
    if len(digits) not in (10, 11):
        return False
    first, middle, third = (int(digits[at : at + 2]) for at in (0, 2, 4))
    is_day_first = 1 <= first % 40 <= 31 and first < 72
    month = next((middle - add for add in (0, 40, 65, 80) if 1 <= middle - add <= 12), 0)
    if is_day_first and month:
        return True
    return len(digits) == 10 and 1 <= middle <= 12 and 1 <= third % 60 <= 31


def is_social_security(chunk: Chunk) -> bool:
    """Whether digits are grouped as a United States social security number: three, two, four."""
    return chunk.is_written and tuple(map(len, chunk.parts)) == (3, 2, 4)


def cues(said: Sequence[Utterance]) -> dict[str, list[int]]:
    """When words are said, by whomever, that ask for a number, for each kind of it, in order."""
    found: dict[str, list[int]] = {name: [] for name in _CUES}
    for utterance in said:
        texts = plain(utterance.text)
        joined = " ".join(texts)
        if not joined:
            continue
        length = max(0, utterance.end_ms - utterance.start_ms)
        for name, pattern in _CUES.items():
            for match in pattern.finditer(joined):
                part = length * match.start() // len(joined)
                found[name].append(utterance.start_ms + part)
    return {name: sorted(times) for name, times in found.items()}
